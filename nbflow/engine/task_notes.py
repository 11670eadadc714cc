"""The notes on a task beside its state: stale, edited, pinned, reused, or with a breakpoint; in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.breakpoints import BEFORE
from nbflow.engine.compiled_graph import CLEANUP, INIT, SETUP
from nbflow.engine.run_history import match
from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.breakpoint_list import Places
    from nbflow.engine.run import Run

_SOURCES = {"edited": "✎ edited", "pinned": "◆ pinned", "reused": "↺ reused"}
_DOWNSTREAM = "downstream of"
_OPENS = "runs inside"


def note_of(run: Run, task: Task) -> str:
    """Return what is to be known of a task in a run, empty if there is nothing."""
    source = run._execution.source_of(task)
    words = [_SOURCES[source]] if source in _SOURCES and run.graph.role[run.graph.index[task]] == 0 else []
    if run.is_finished:
        to_come = getattr(run.flow, "_breakpoints", None)
        places = to_come.get(run.graph.slugs[task], ()) if to_come else ()
    else:
        places = run._control.places.get(task, ())
    return " · ".join([*words, *_breakpoints(places)] if places else words)


def notes_of(run: Run) -> dict[Task, str]:
    """Return the notes of all tasks of a run that have one."""
    found = ((task, note_of(run, task)) for task in run.graph.tasks)
    return {task: note for task, note in found if note}


def notes_of_flow(flow: Any) -> dict[Task, str]:
    """Return the notes of the tasks of a flow whose next run pauses at them."""
    return {task: " · ".join(_breakpoints(places)) for task, places in getattr(flow, "breakpoints", {}).items()}


def _breakpoints(places: Places) -> dict[str, None]:
    return dict.fromkeys("● breakpoint" if one.place == BEFORE else "● breakpoint after" for one in places)


def stale_tasks(flow: Any) -> dict[Task, str]:
    """Return why the result that a task of the flow has in its newest run is not what it would give now.

    Tasks that have no good result in that run are not among them, but new ones are. Nor are those that would run again
    only because their block opens again for one that has failed.
    """
    runs = getattr(flow, "runs", None)  # a bare graph has none
    run = runs[-1] if runs else None
    if run is None or not run.is_finished:
        return {}
    try:
        plan = flow.plan("stale")
    except (NbflowError, ValueError):  # a flow that does not run as it is; `check` says why
        return {}
    before = dict(zip(plan.graph.tasks, match(plan.graph, run.graph), strict=True))
    found: dict[Task, str] = {}
    whys = {step.task: step.why for step in plan.steps if step.runs}
    for_others = {
        f"inside {block.name!r},"
        for block in plan.graph.blocks
        if all(whys.get(task, _OPENS).endswith(_OPENS) for task in (block.init_task, block.setup_task) if task)
    }
    by_the_way: set[str] = set()
    for step in plan.steps:
        old = before[step.task]
        is_block = plan.graph.role[plan.graph.index[step.task]] in (INIT, SETUP, CLEANUP)
        if not step.runs or step.is_restored or (is_block and step.why.endswith(_OPENS)):
            continue
        if step.why.startswith(tuple(for_others)) or step.why in by_the_way:
            by_the_way.add(f"{_DOWNSTREAM} {step.task.name!r}")
            continue
        if old is None or run.states[old].is_successful():
            found[step.task] = step.why
    return found


def changed_since(flow: Any, stale: Mapping[Task, str]) -> str:
    """Return how many tasks changed since the newest run, as in `3 tasks changed since run 4`; empty if none did."""
    changed = sum(not why.startswith(_DOWNSTREAM) for why in stale.values())
    if not changed:
        return ""
    return f"{changed} task{'s' if changed > 1 else ''} changed since run {flow.runs[-1].number}"
