"""Where a run stands that is held, and what can be done next: the words that panels and cells share."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from nbflow.engine.breakpoints import AFTER, BEFORE, FAILURE
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.run import Run

_MOST = 3


def held_line(run: Run) -> str:
    """Return where a run is held, as in `Failed at outliers, held`; empty for one that is not, or is at no task.

    A failure comes first: who looks wants to know of it before anything else.
    """
    if not run.is_paused:
        return ""
    failed, before, after = (_named(run, why) for why in (FAILURE, BEFORE, AFTER))
    if failed:
        return f"Failed at {failed}, held"
    parts = [f"before {before}" if before else "", f"after {after}" if after else ""]
    return " ".join(["Paused", *filter(None, parts)]) if before or after else ""


def held_failure(run: Run) -> tuple[Task, int | None] | None:
    """Return the task, and the number of a mapped child, at whose failure a run is held; None if it is at none."""
    reasons = run._control.held_reasons() if run.is_paused else []
    return next(((task, index) for task, index, why in reasons if why == FAILURE), None)


def next_steps(run: Run) -> list[tuple[str, str]]:
    """Return what can be done about a failure, each with the line that does it; nothing where none is to be done."""
    flow = shlex.quote(run.graph.name)
    held = held_failure(run)
    if held is not None:
        task = shlex.quote(_name(run, held[0]))
        names = list(dict.fromkeys(one_line(name, 60) for name in run.open_resources))[:_MOST]
        kept = f"; {', '.join(names)} {'is' if len(names) == 1 else 'are'} open" if names else ""
        return [
            (f"fix the function in its cell, then try it again{kept}", f"%flow retry {flow} {task}"),
            ("look at what it was given", f"%flow values {flow} {task}"),
            ("open the debugger where it failed", f"%flow debug {flow} {task}"),
            ("give it a value", f"%flow set {flow} {task} VALUE"),
            ("leave it out", f"%flow skip {flow} {task}"),
            ("end the run and clean up", f"%flow cancel {flow}"),
        ]
    if run.is_finished and run.state.is_failed():
        return [
            ("fix the function in its cell, then run what failed and what follows", f"%flow rerun {flow} failed"),
            ("open the debugger where it failed", f"%flow debug {flow}"),
        ]
    return []


def _named(run: Run, wanted: str) -> str:
    found = [(task, index) for task, index, why in run._control.held_reasons() if why == wanted]
    names = [_name(run, task) + ("" if index is None else f"[{index}]") for task, index in found[:_MOST]]
    return ", ".join([*names, *([f"{len(found) - _MOST} more"] if len(found) > _MOST else [])])


def _name(run: Run, task: Task) -> str:
    """Return the name of a task; its slug if another one has the same name."""
    is_twice = any(other is not task and other.name == task.name for other in run.graph.tasks)
    return one_line(run.graph.slugs[task] if is_twice else task.name, 60)
