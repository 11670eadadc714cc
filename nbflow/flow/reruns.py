"""Reruns of a flow: the plan of one, and carrying it out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.engine.planning import asked_for, make_plan, only_what_follows, results_of
from nbflow.engine.renewal import warn_of_rivals
from nbflow.engine.rerun_selection import ALL
from nbflow.engine.reuse import NoReuse, Reuse
from nbflow.engine.run_history import Durations, RunHistory
from nbflow.errors import NothingToRerunError
from nbflow.flow.launch import carried_over, kept_graph, parameter_values, take_parameters
from nbflow.flow.storage import opened_store

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.plan import Plan
    from nbflow.engine.run import Run
    from nbflow.flow.flow import Flow

    What = str | Iterable[Task | Block] | Task | Block  # that is to run again


def plan_after(
    flow: Flow, previous: Run | None, what: What, given: dict[str, Any], results: Mapping[Task, Any] | None = None
) -> Plan:
    """Return what a rerun of a run of the flow would do; without one, everything runs.

    What is in `results` has these values and does not run.
    """
    flow.validate()
    graph = kept_graph(flow)
    warn_of_rivals(graph.tasks)
    if previous is None:
        word, asked = asked_for(what, graph, None)
        values = parameter_values(flow, given)
        return make_plan(graph, [None] * len(graph.tasks), what=word, asked=asked, parameters=values)
    word, asked = asked_for(what, graph, previous.graph)
    set_now = results_of(results, graph, previous.graph, asked)
    word = only_what_follows(word, set_now)
    values = parameter_values(flow, {**carried_over(flow, previous), **given})
    then = previous._execution
    history = RunHistory(
        graph,
        previous.graph,
        states=previous.states,
        sources=previous.sources,
        timings=previous.timings,
        code=then.code,
        declared=then.home.declared,
        files=then.record.files,
    )
    older = [run for run in reversed(flow.runs.copy()) if run is not previous]
    reuse: NoReuse = Reuse(graph, history.before, then.home, previous.states, then.draws)
    if (store := opened_store(flow)) is not None:
        reuse = store.reuse_after(previous, graph, reuse)
    return make_plan(
        graph,
        history.last(reads_code=word != ALL),
        what=word,
        asked=asked,
        parameters=values,
        before=previous.parameters,
        prints=then.home.parameters,
        previous=previous,
        durations=Durations((run.graph, run.states, run.timings) for run in (previous, *older)),
        gone=history.gone,
        reuse=reuse,
        origins_of=history.origins,
        results=set_now,
    )


def rerun(
    flow: Flow, run: Run, what: What, dry: bool, results: Mapping[Task, Any] | None, given: dict[str, Any]
) -> Run | Plan:
    """Carry out `Run.rerun`."""
    parameters = take_parameters(flow, given)
    if isinstance(what, Iterator):  # it is asked twice
        what = list(what)
    plan = plan_after(flow, run, what, parameters, results)
    if dry:
        return plan
    if plan.is_empty and plan.what != ALL and not plan.given:
        raise NothingToRerunError(flow.name, run.number, plan.what)
    if not run.is_finished:
        run.cancel("Replaced by a rerun.")
        run.wait()
        plan = plan_after(flow, run, what, parameters, results)
    given.setdefault("executor", run._asked_executor)
    given.setdefault("hold_on_failure", run.hold_on_failure)
    given.setdefault("hold_limit_s", run.hold_limit_s)
    return flow._start_plan(plan, **given)
