"""What can be done about a failed task, in words that name the panel's own buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.states import TriggerFailed
from nbflow.render.held_words import held_failure
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.run import Run

_MOST = 3


def next_steps_of(run: Run | None, task: Task, state: State | None) -> list[str]:
    """Return the steps, best first; none for a task that did not fail by itself, or where nothing can be done yet."""
    if run is None or state is None or not state.is_failed() or isinstance(state, TriggerFailed):
        return []
    if held_failure(run) is not None and task in run.held:
        names = list(dict.fromkeys(one_line(name, 60) for name in run.open_resources))
        more = [f"{len(names) - _MOST} more"] if len(names) > _MOST else []
        kept = (
            f"{', '.join(names[:_MOST] + more)} {'is' if len(names) == 1 else 'are'} open meanwhile. " if names else ""
        )
        return [
            f"{kept}Write the function again in its cell, execute it, and press Retry.",
            "Or Set value… in place of what it would return; or Skip it.",
            "What it was given is under Inputs; Debug… opens the debugger where it failed.",
        ]
    if run.is_finished:
        return [
            "Write the function again in its cell, execute it, then press Rerun: what failed and what follows runs.",
            "Hold on failure, pressed before a run, keeps the resources open where it fails.",
        ]
    return []
