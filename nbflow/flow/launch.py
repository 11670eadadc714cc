"""The launch of a run: parameters, graph, executor, record of resources and store, brought together beforehand."""

from __future__ import annotations

import functools
import inspect
import uuid
import warnings
from concurrent import futures
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from nbflow.core.context import context as current_context
from nbflow.core.context import thread
from nbflow.core.data.safe_equality import same_contents
from nbflow.core.parameter import Parameter
from nbflow.core.states import Pending, State
from nbflow.engine.cell_order import keep_order_of_cells
from nbflow.engine.compiled_graph import CompiledGraph
from nbflow.engine.events import warn_safely
from nbflow.engine.given_parameters import PARAMETERS, START_OPTIONS
from nbflow.engine.holders import is_held
from nbflow.engine.record import NOT_RUN
from nbflow.engine.renewal import prepare_tasks
from nbflow.engine.retention import ALL_KEPT, NEWER
from nbflow.engine.run import Run
from nbflow.engine.run_context import run_values
from nbflow.engine.run_label import checked_name, checked_note, checked_tags, default_name
from nbflow.engine.run_list import RunList
from nbflow.engine.run_loop import RunLoop
from nbflow.errors import ExecutorError, ParameterError, RunInsideFlowError, RunOptionError, UnexpectedArgumentError
from nbflow.executors import DaskExecutor, InlineExecutor, PoolExecutor, ProcessExecutor, ThreadExecutor
from nbflow.flow.flow_breakpoints import set_breakpoints
from nbflow.flow.storage import opened_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.executor import Executor
    from nbflow.engine.plan import Plan
    from nbflow.engine.resource_tracker import ResourceTracker
    from nbflow.flow.flow import Flow

KEPT_RUNS = 20
ENTRY_POINTS = "nbflow.executors"
EXECUTORS: dict[str, Callable[[], Executor]] = {
    "inline": InlineExecutor,
    "threads": ThreadExecutor,
    "processes": ProcessExecutor,
    "dask": DaskExecutor,
}
_BUILDING = ("flow", "case", "resource", "mapped", "tags", "cell")
_OF_AN_ATTEMPT = (
    *("_deferred", "_lines", "_logs", "_outcome_of", "_task", "task_loop_count", "task_loop_result"),
    *("task_run_name", "resume"),
)  # of a task that runs this flow, and nothing to do with its tasks


def prepare(
    flow: Flow,
    parameters: dict[str, Any] | None,
    kwargs: dict[str, Any],
    *,
    blocking: bool = False,
    paused: bool = False,
    plan: Plan | None = None,
) -> Run:
    """Return a run of a flow that has not begun; `kwargs` are options of `Flow.run`.

    Raises:
        RunInsideFlowError, ParameterError, RunOptionError, UnexpectedArgumentError, ValueError: As for `Flow.run`.
    """
    if current_context.get("flow") is flow:
        raise RunInsideFlowError(flow.name)
    if "return_tasks" in kwargs:
        raise RunOptionError("The `return_tasks` keyword cannot be provided to `flow.run()`.")
    values = parameter_values(flow, parameters)
    task_states = kwargs.pop("task_states", None)
    extra = kwargs.pop("context", None) or {}
    asked_executor = kwargs.pop("executor", None)
    executor = _executor(flow, asked_executor)
    run_id = kwargs.pop("flow_run_id", None) or uuid.uuid4().hex[:12]
    given_name, tags, note = (kwargs.pop(name, None) for name in ("flow_run_name", "run_tags", "run_note"))
    label: dict[str, Any] = {
        "name": checked_name(given_name) if given_name else "",
        "tags": checked_tags(() if tags is None else tags),
        "note": checked_note("" if note is None else note),
    }
    store = opened_store(flow)
    number = next(flow._run_numbers)
    label["name"] = run_name = label["name"] or default_name(flow.name, number)
    if kwargs:
        raise UnexpectedArgumentError(tuple(kwargs), tuple(sorted(p.name for p in flow.parameters())))
    flow.validate()
    if not flow.tasks:
        text = f"flow {flow.name!r} has no tasks, so nothing runs; call tasks inside `with` the flow"
        warnings.warn(text, UserWarning, stacklevel=4)
    left_out = _BUILDING + _OF_AN_ATTEMPT if "_cancel_flag" in thread.data else _BUILDING
    outer = {key: value for key, value in thread.data.items() if key not in left_out}
    graph = kept_graph(flow) if plan is None else plan.graph
    if plan is None:
        prepare_tasks(graph)
    loop = RunLoop(
        flow,
        graph,
        executor,
        run_values({**outer, **extra}, flow_name=flow.name, run_id=run_id, run_name=run_name, parameters=values),
        run_id=run_id,
        paused=paused,
        blocking=blocking,
        task_states=task_states,
        reused=None if plan is None else plan.reused,
        tracker=_tracker_of(flow, run_id),
        keep=flow.keep,
        budget=flow.keep_bytes,
        executor_of=as_executor,
    )
    loop.at_end = functools.partial(release_older, flow.runs, run_id)
    loop.home.note_parameters(values)
    run = Run(loop, flow, number, values)
    run._asked_executor = asked_executor
    vars(run).update(label)
    set_breakpoints(flow, run)
    if plan is not None:
        run._follow(plan)
        task_states = dict(plan.reused)
    if store is not None:
        store.keep(run, task_states or {}, loop.record.sources, lambda: loop.cancellation.is_wanted)
    return run


def tell_start(flow: Flow, run: Run) -> None:
    """Put a run among those of its flow, and tell the listeners that it is going to begin."""
    flow.runs.append(run)
    for listener in flow._start_listeners:
        try:
            listener(run)
        except Exception as error:  # noqa: BLE001 - a listener never harms the run
            drop_listener(flow, listener)
            warn_safely(f"a listener of flow {flow.name!r} was dropped, it raised {error!r}")


def drop_listener(flow: Flow, listener: Callable[[Run], object]) -> None:
    """Tell a listener of no further run."""
    flow._start_listeners = tuple(kept for kept in flow._start_listeners if kept is not listener)


def with_all_tasks(flow: Flow, state: State) -> State:
    """Return the state of a run that is over already, with all tasks of the flow in its result."""
    if state.result is None or isinstance(state.result, dict):
        state.result = dict.fromkeys(flow.sorted_tasks(), Pending(NOT_RUN)) | (state.result or {})
    return state


def _executor(flow: Flow, wanted: Executor | futures.Executor | str | None) -> Executor:
    wanted = wanted or flow.executor or "inline"
    if isinstance(wanted, str):
        if wanted in EXECUTORS:
            return EXECUTORS[wanted]()
        for one in entry_points(group=ENTRY_POINTS, name=wanted):  # of other packages
            made: Executor = one.load()()
            return made
    return as_executor(wanted)


def as_executor(wanted: Any) -> Executor:
    """Return the executor that an object is, or has.

    Raises:
        ExecutorError: If it is none.
    """
    if isinstance(wanted, futures.Executor):
        return PoolExecutor(wanted)
    if isinstance(wanted, str) or inspect.isclass(wanted):
        raise ExecutorError(wanted, tuple(EXECUTORS))
    if hasattr(wanted, "get_executor"):  # a client of Dask's
        return DaskExecutor(client=wanted)
    if not (hasattr(wanted, "open") and hasattr(wanted, "capacity")):
        raise ExecutorError(wanted, tuple(EXECUTORS))
    executor: Executor = wanted
    return executor


def executor_names() -> tuple[str, ...]:
    """Return the names that an executor can be asked for by: nbflow's own first, then those of other packages."""
    others = {one.name for one in entry_points(group=ENTRY_POINTS)}
    return (*EXECUTORS, *sorted(others - EXECUTORS.keys()))


def kept_graph(flow: Flow) -> CompiledGraph:
    """Return the graph that a run keeps."""
    graph = CompiledGraph(flow)
    keep_order_of_cells(graph, flow.runs.copy())
    return graph


def _tracker_of(flow: Flow, run_id: str) -> ResourceTracker | None:
    """Return who keeps the record of a run's resources; loaded here, since a flow without blocks needs none."""
    if not flow.blocks:
        return None
    from nbflow.ledger import tracker_of

    return tracker_of(flow.name, run_id)


def nothing_run() -> dict[str, Any]:
    """Return what a flow holds of its runs, and for them, when none has begun."""
    return {"runs": RunList(KEPT_RUNS), "_start_listeners": (), "_flow_store": None, "_breakpoints": {}}


def take_over_runs(flow: Flow, former: Flow) -> None:
    """Take over the runs of a flow whose place this one takes, as their cell was executed again."""
    flow.runs = RunList(KEPT_RUNS)
    for run in former.runs.copy():
        run.flow = flow
        flow.runs.append(run)
    flow._run_numbers, flow._breakpoints = former._run_numbers, former._breakpoints
    if flow.store is None and former._store_goes_on:
        flow.store, flow._store_goes_on = former.store, True


def release_older(runs: RunList, run_id: str) -> None:
    """Give back the values of the runs before one that has ended, but where the user's program holds them."""
    try:
        ids = [
            run.id for run in runs if run.is_finished and not run._execution.is_released and run.flow.keep != ALL_KEPT
        ]
        for one in dict.fromkeys((ids[-1:] if ids[-1:] != [run_id] else ids[-2:-1]) + ids[:1]) if ids else ():
            run = next((run for run in runs if run.id == one != run_id), None)
            if run is not None and not is_held(run, variables=1, kept=1):
                run._loop.retention.release_all(NEWER)
            run = None
    except Exception as error:  # noqa: BLE001 - of a user's object that was looked at: the run has ended all the same
        warn_safely(f"the values of earlier runs could not be given back: {error!r}")


def parameter_values(flow: Flow, parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Return the values of a run's parameters: those given, and the defaults of the others.

    Raises:
        ParameterError: If a required one is missing, or the flow has none of a name.
    """
    known = {parameter.name: parameter for parameter in flow.parameters()}
    given = dict(parameters or {})
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise ParameterError(
            f"Flow.run received the following unexpected parameters: {', '.join(unknown)} "
            f"(flow {flow.name!r} has: {names})"
        )
    missing = sorted(name for name, parameter in known.items() if parameter.required and name not in given)
    if missing:
        raise ParameterError(
            f"Flow.run did not receive the following required parameters: {', '.join(missing)}; "
            f"give values, as in flow.run({missing[0]}=...)"
        )
    defaults = {name: parameter.default for name, parameter in known.items() if not parameter.required}
    return defaults | given


def take_parameters(flow: Flow, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters among keywords; what is left there are options of `start`.

    Raises:
        UnexpectedArgumentError: If one is neither.
    """
    parameters = {**(given.pop(PARAMETERS, None) or {})}
    unknown = tuple(name for name in given if name not in START_OPTIONS)
    if unknown:
        raise UnexpectedArgumentError(unknown, tuple(sorted(p.name for p in flow.parameters())))
    return parameters


def carried_over(flow: Flow, previous: Run) -> dict[str, Any]:
    """Return the values that a rerun begins with: a default that the flow has changed since is not among them."""
    now = {parameter.name: parameter for parameter in flow.parameters()}
    then = {task.name: task.default for task in previous.graph.tasks if isinstance(task, Parameter)}
    return {
        name: value
        for name, value in previous.parameters.items()
        if name in now and (now[name].required or not same_contents(value, then.get(name)))
    }
