"""Makes a plan of a graph, of what is known of an earlier run, and of what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.data.safe_equality import same_contents
from nbflow.core.parameter import Parameter
from nbflow.core.states import Mapped, Skipped, State, Success
from nbflow.engine.compiled_graph import ORDINARY, SETUP
from nbflow.engine.plan import COMPUTED, EDITED, FORK, REPLAY, REUSED, RUN, SET, STICKY, BlockStep, Plan, Step, weakly
from nbflow.engine.rerun_selection import ALL, FAILED, STALE, Last, RerunSelection
from nbflow.errors import RerunError, UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.reuse import NoReuse
    from nbflow.engine.run_history import Durations

TASKS = "tasks"
_CHOICES = (ALL, FAILED, STALE)
_CLOSED = "nothing inside runs"
SET_NOW = "set by you"


def make_plan(
    graph: CompiledGraph,
    last: Sequence[Last | None],
    *,
    what: str = ALL,
    asked: frozenset[int] = frozenset(),
    parameters: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    prints: Mapping[str, str | None] | None = None,
    previous: Any = None,
    durations: Durations | None = None,
    gone: tuple[str, ...] = (),
    reuse: NoReuse | None = None,
    origins_of: Callable[[], Mapping[Task, Any]] = dict,
    results: Mapping[int, Any] | None = None,
) -> Plan:
    """Decide what a run would do: "all", "failed", "stale" or "tasks" (the nodes in `asked`).

    What is known of each node (`last`) is None for new ones. The earlier run (`previous`) is anything with a `number`,
    which the plan does not keep alive; `before` are the values of its parameters, `prints` their fingerprints.
    `origins_of` returns what was known of the code that computed what is taken over. `results` has the values that
    nodes are given in place of their own.
    """
    results = results or {}
    if results:
        given = [
            Last(Success(SET, result=results[node]), source=EDITED) if node in results else None
            for node in range(len(last))
        ]
        last = [one if one is not None else known for one, known in zip(given, last, strict=True)]
    changes = {} if before is None else changed_parameters(graph, before, parameters, prints)
    number = getattr(previous, "number", None)
    selection = RerunSelection(
        graph, last, what=what, asked=asked, parameters=changes, number=number, reuse=reuse, given=frozenset(results)
    )
    steps: list[Step] = []
    reused: dict[Task, State] = {}
    for node, task in enumerate(graph.tasks):
        known = last[node]
        if node not in selection.runs:
            reused[task] = _taken_over(graph.role[node], known)
            if node in selection.from_original and reuse is not None:
                reused[task] = reuse.original(node, reused[task])
            kept = _kept(task, known, number, graph.role[node])
            if node in results:
                kept = replace(kept, why=SET_NOW)
            if node in selection.lost:
                kept = replace(kept, why=f"{kept.why}, but {selection.lost[node]}, and nothing can bring it back")
            steps.append(kept)
            continue
        children = selection.runs[node]
        expected_s = None if durations is None else durations.of(task, graph.slugs[task])
        if children is not None and known is not None and isinstance(known.state, Mapped):
            left: list[Any] = [None if i in children else child for i, child in enumerate(known.state.map_states)]
            reused[task] = Mapped(known.state.message, map_states=left)
            if expected_s is not None:
                expected_s *= len(children) / len(known.state.map_states)
        some = None if children is None else tuple(sorted(children))
        steps.append(
            Step(
                task=task,
                runs=True,
                why=selection.why[node],
                expected_s=expected_s,
                children=some,
                is_restored=node in selection.made_again,
                keeps_value=node in selection.for_effect,
                source=known.source if node in selection.made_again and known is not None else COMPUTED,
            )
        )
    is_fork = bool(changes) or any(not step.runs and step.source in STICKY for step in steps)
    return Plan(
        steps=tuple(steps),
        blocks=tuple(
            BlockStep(block=block, opens=shape in selection.opens, why=selection.opens.get(shape, _CLOSED))
            for shape, block in enumerate(graph.blocks)
        ),
        reused=reused,
        parameters=dict(parameters),
        kind=RUN if previous is None else FORK if is_fork else REPLAY,
        what=what,
        gone=gone,
        lost=tuple(
            f"the {last[node].source} value of {graph.tasks[node].name!r} was {why}, and nothing can bring it back"  # type: ignore[union-attr]
            for node, why in selection.lost.items()
        ),
        graph=graph,
        apart={
            graph.tasks[node]: {graph.tasks[other]: holds_all for other, holds_all in others.items()}
            for node, others in selection.apart.items()
        },
        previous_of=weakly(previous),
        origins_of=origins_of,
        given=frozenset(graph.tasks[node] for node in results),
    )


def only_what_follows(what: str, results: Mapping[int, Any]) -> str:
    """Return what is asked for where tasks are given values: everything would be what follows from none of them."""
    return TASKS if results and what == ALL else what


def results_of(
    results: Mapping[Task, Any] | None, graph: CompiledGraph, before: CompiledGraph | None, asked: frozenset[int]
) -> dict[int, Any]:
    """Return by node the values that tasks are given in place of their own.

    Raises:
        RerunError: If it is no mapping from tasks to values, one cannot be given a value, or is to run as well.
        UnknownTaskError: If neither graph has a task, or the present one no longer has it.
    """
    if results is None:
        return {}
    if not isinstance(results, Mapping):
        raise RerunError(f"results={results!r:.80} is no dictionary of tasks and their values")
    found: dict[int, Any] = {}
    for task, value in results.items():
        node = _node(task, graph, before, "results={...}")
        if graph.role[node] != ORDINARY:
            raise RerunError(
                f"{task.name!r} belongs to a block, whose resource is set up and cleaned up; it has no value to set"
            )
        if isinstance(task, Parameter):
            raise RerunError(f"{task.name!r} is a parameter; give its value as one, as in {task.name}=...")
        if node in asked:
            raise RerunError(f"{task.name!r} is given a value and is to run; leave it out of what=[...] or of results")
        found[node] = value
    return found


def changed_parameters(
    graph: CompiledGraph,
    before: Mapping[str, Any],
    parameters: Mapping[str, Any],
    prints: Mapping[str, str | None] | None = None,
) -> dict[int, str]:
    """Return by node how parameters differ from those of the earlier run.

    Those may have changed in place since: `prints` has their fingerprints of then.
    """
    nodes = {graph.slugs[task]: node for node, task in enumerate(graph.tasks) if task.name in parameters}
    return {
        nodes[name]: f"changed from {before[name]!r:.30} to {value!r:.30}"
        for name, value in parameters.items()
        if name in before
        and name in nodes
        and not same_contents(before[name], value, None if prints is None else prints.get(name))
    }


def asked_for(what: object, graph: CompiledGraph, before: CompiledGraph | None) -> tuple[str, frozenset[int]]:
    """Return what is asked for as a word, and the nodes asked for by name, in the graph of now or the one of before.

    Raises:
        RerunError: If it is none of these.
        UnknownTaskError: If neither graph has a task, or the present one no longer has it.
    """
    if isinstance(what, str):
        if what in _CHOICES:
            return what, frozenset()
        raise RerunError(f"what={what!r} is unknown; give 'all', 'failed', 'stale' or a list of tasks")
    if hasattr(what, "init_task") or hasattr(what, "run"):
        what = [what]
    try:
        wanted = list(what)  # type: ignore[call-overload]
    except TypeError:
        raise RerunError(f"what={what!r:.80} is no list of tasks") from None
    return TASKS, frozenset(_node(getattr(one, "init_task", one), graph, before) for one in wanted)


def _node(task: Any, graph: CompiledGraph, before: CompiledGraph | None, where: str = "what=[...]") -> int:
    if not hasattr(task, "run"):
        raise RerunError(f"{task!r:.80} in {where} is neither a task nor a block")
    if task not in graph.index and before is not None and task in before.index:
        slug = before.slugs[task]
        task = next((one for one in graph.tasks if graph.slugs[one] == slug), task)
    if task not in graph.index:
        raise UnknownTaskError(task, graph.name)
    return graph.index[task]


def _taken_over(role: int, known: Last | None) -> State:
    """Return the state to start from; a resource that is closed is not handed on."""
    if known is None or not known.state.is_finished():
        return Skipped("No task of the block will run.")
    state = known.state
    if role == SETUP and state.is_successful() and not state.is_skipped():
        return Success("Not set up again: nothing inside runs.")
    if isinstance(state, Mapped):
        return Mapped(state.message, map_states=list(state.map_states))
    return state


def _kept(task: Task, known: Last | None, number: int | None, role: int) -> Step:
    if role != ORDINARY or known is None:
        return Step(task=task, runs=False, why=_CLOSED, source=REUSED)
    where = "" if number is None else f" in run {number}"
    state, source = known.state, known.source
    if state.is_skipped():
        why = f"skipped{where}"
    elif not state.is_successful():
        why = f"failed{where}"
    elif source == COMPUTED:
        why = f"computed{where}"
    else:
        why = f"{source}{where}"
    if known.code_change:
        why += f", although {known.code_change} has changed"
    return Step(task=task, runs=False, why=why, source=source if source in STICKY else REUSED)
