"""Going on from a stored run: what has changed since, the plan, and the new run that follows it.

It is a rerun like any other: the plan is made by the same rules from the same facts, only that these are read from
disk. Results are read last, when it is clear which are taken over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.code_fingerprint import fingerprint_of
from nbflow.core.collections import Constant
from nbflow.core.data.fingerprint import fingerprint
from nbflow.core.parameter import Parameter
from nbflow.engine.compiled_graph import CLEANUP, CompiledGraph
from nbflow.engine.live_runs import live_runs
from nbflow.engine.plan import COMPUTED, REUSED
from nbflow.engine.planning import asked_for, changed_parameters, make_plan, only_what_follows, results_of
from nbflow.engine.rerun_selection import FAILED, NO_RESULT, Last
from nbflow.engine.run_history import Durations
from nbflow.errors import NotKeptError, StaleStoreError, StoredRunInUseError
from nbflow.store.contents import FORMAT
from nbflow.store.input_signature import inputs_of
from nbflow.store.stored_reuse import StoredReuse
from nbflow.store.stored_run import NOT_THERE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.plan import Plan
    from nbflow.store.stored_run import StoredRun


OLDER = "an older nbflow kept it, whose notes of code and inputs can not be compared with those of now"


class _Lost:
    """Stands for the value of a parameter that was not kept; equal to nothing."""

    def __repr__(self) -> str:
        return "a value that was not kept"


def plan_after(
    stored: StoredRun, what: Any, given: Mapping[str, Any], results: Mapping[Task, Any] | None = None
) -> Plan:
    """Plan what going on from a stored run would do.

    Args:
        stored: The run.
        what: As for `Run.rerun`; None for what did not end well, if nothing else has changed.
        given: Values of parameters.
        results: Values that tasks are given in place of their own.

    Raises:
        StaleStoreError: If `what` is None and code, inputs or parameters have changed.
        RerunError, UnknownTaskError, ParameterError, ValueError: As for `Run.rerun`.
        NotKeptError: If the value of a parameter was not kept, and none is given.
        StoreUnavailableError: If the store cannot be read.
    """
    flow = stored.flow
    flow.validate()
    graph = CompiledGraph(flow)
    word, asked = asked_for(FAILED if what is None else what, graph, stored.graph)
    set_now = results_of(results, graph, stored.graph, asked)
    word = only_what_follows(word, set_now)
    before, values = _parameters(stored, given)
    known = _Known(stored, graph)
    last = [known.last(node, task) for node, task in enumerate(graph.tasks)]
    if what is None:
        known_now = [None if node in set_now else one for node, one in enumerate(last)]
        changes = _changes(graph, known_now, changed_parameters(graph, before, values))
        if changes:
            raise StaleStoreError(flow.name, changes)
    slugs = set(graph.slugs.values())
    plan = make_plan(
        graph,
        last,
        what=word,
        asked=asked,
        parameters=values,
        before=before,
        previous=stored,
        durations=Durations([(stored.graph, stored.states, stored.timings)]),
        gone=tuple(slug for slug in stored.facts.tasks if slug not in slugs),
        reuse=StoredReuse(graph, stored.changes, stored.draws),
        results=set_now,
    )
    steps = []
    for node, step in enumerate(plan.steps):
        found = last[node]
        if step.why == NO_RESULT and found is not None and (found.state.message or "").startswith(NOT_THERE):
            step = replace(step, why=str(found.state.message))
        steps.append(step)
    return replace(plan, steps=tuple(steps))


def finish(stored: StoredRun) -> bool:
    """End a run of this kernel that still goes on; returns whether there was one.

    Raises:
        StoredRunInUseError: If it goes on in another process.
    """
    for run in live_runs():
        if run.id == stored.id:
            run.cancel("Replaced by a run that goes on from it.")
            run.wait()
            return True
    if stored.is_going and stored.facts.pid != os.getpid():
        raise StoredRunInUseError(stored.flow.name, stored.number, stored.facts.pid)
    return False


def load_reused(stored: StoredRun, plan: Plan) -> None:
    """Read the results that a plan takes over.

    Raises:
        NotKeptError: If one cannot be unpickled here.
        StoreUnavailableError: If a file cannot be read, is damaged, or can be somebody else's.
    """
    for step in plan.steps:
        is_kept = step.task in plan.reused and step.task not in plan.given and step.task in stored.states
        if is_kept and not isinstance(step.task, Constant):
            try:
                stored.load(step.task)
            except NotKeptError as error:
                raise NotKeptError(error.task, f"{error.reason}; to run it again name it in what=[...]") from error


class _Known:
    """What a stored run knows of the tasks of a graph, and what has changed about them since."""

    def __init__(self, stored: StoredRun, graph: CompiledGraph) -> None:
        self._stored = stored
        self._graph = graph
        self._had = set(stored.facts.tasks)
        self._sources = stored.sources

    def last(self, node: int, task: Task) -> Last | None:
        """Return what is known of a task; None if it is new."""
        stored, graph = self._stored, self._graph
        slug = graph.slugs[task]
        if slug not in self._had or task not in stored.states:
            return None
        state = stored.states[task]
        header = stored.header(task)
        if header is None or graph.role[node] == CLEANUP or isinstance(task, (Constant, Parameter)):
            return Last(state)
        source = self._sources.get(task, COMPUTED)
        source = COMPUTED if source == REUSED else source
        if any(part.format < FORMAT for part in stored.headers[slug].values()):
            return Last(state, OLDER, "", source)
        now, then = inputs_of(graph, task), header.inputs
        changed = sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))
        if changed:
            return Last(state, f"its argument {changed[-1]!r} has changed", "", source)
        codes = {part.code for part in stored.headers[slug].values()}
        return Last(state, "", "" if codes == {fingerprint_of(task, renewed=True)} else "its code", source)


def _changes(graph: CompiledGraph, last: list[Last | None], parameters: Mapping[int, str]) -> dict[str, str]:
    """Return what makes results stale that are there, by slug."""
    found = {}
    for node, task in enumerate(graph.tasks):
        known = last[node]
        if node in parameters:
            found[graph.slugs[task]] = parameters[node]
        elif known is not None and known.state.is_finished() and known.source != "pinned":
            if known.input_change:
                found[graph.slugs[task]] = known.input_change
            elif known.code_change:
                found[graph.slugs[task]] = f"{known.code_change} has changed"
    return found


def _parameters(stored: StoredRun, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of the stored run, and those of the new one.

    A default that was in use is not taken from the store, but from the flow as it is now.
    """
    flow, kept = stored.flow, stored.parameters
    before: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for parameter in flow.parameters():
        name = parameter.name
        if name not in stored.facts.parameters:
            continue  # it is new
        default_then = stored.facts.parameters[name]
        value = before[name] = kept.get(name, _Lost())
        if name not in kept:
            if parameter.required and name not in given:
                raise NotKeptError(name, f"the value of the parameter was not; give it, as in resume({name}=...)")
        elif parameter.required or fingerprint(value) != default_then:
            values[name] = value
        elif fingerprint(parameter.default) == default_then:
            before[name] = parameter.default  # the same, also where it cannot be compared
    return before, flow._parameter_values({**values, **given})


def resume(
    stored: StoredRun, what: Any, *, dry: bool, given: dict[str, Any], results: Mapping[Task, Any] | None = None
) -> Any:
    """Carry out `Flow.resume_stored`."""
    flow = stored.flow
    options = dict(given)
    parameters = flow._take_parameters(options)
    if isinstance(what, Iterator):
        what = list(what)  # it may be looked at twice
    taken = stored.again()  # its values are the new run's from now on
    plan = plan_after(taken, what, parameters, results)
    if not dry and finish(stored):
        stored = type(stored).read(stored.store, stored.folder)
        taken = stored.again()
        plan = plan_after(taken, what, parameters, results)
    plan = replace(plan, previous_of=lambda: stored)
    if dry:
        return plan
    load_reused(taken, plan)
    return flow._start_plan(plan, **options)
