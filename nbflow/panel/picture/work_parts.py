"""The time of a task told apart: how long it worked, and how long it waited for a retry, a person, and a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped
from nbflow.engine.time_spans import DELAY, HOLD, SLOT, WORK, sums_of

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.run import Run

# The seconds of work, delays, holds and waiting for a place; which of them grows (empty: none), by how much a second;
# how many children it has (None: it is no map), and how many attempts it had (0 of a map). The one that grows is what
# it would have been when the run began: so nothing of it changes but when the task does.
Parts = list[Any]


def work_parts(run: Run, task: Task, index: int | None = None) -> Parts:
    """Return the parts of the time of a task, of a map with all its children, or of a child."""
    timings = run.timings
    began = timings.started_at or 0.0
    state = run.states.get(task)
    if index is None and isinstance(state, Mapped):
        work, rate = timings.children_work(task).line(began)
        return [round(work, 3), 0, 0, 0, WORK if rate else "", rate, len(state.map_states), 0]
    sums = sums_of(timings.spans(task, index))
    seconds = {WORK: sums.work, DELAY: sums.delay, HOLD: sums.hold, SLOT: sums.slot}
    if sums.grows:
        seconds[sums.grows] -= sums.since - began
    return [*(round(one, 3) for one in seconds.values()), sums.grows, int(sums.grows != ""), None, sums.attempts]


def row_parts(run: Run, task: Task) -> Parts | None:
    """Return the parts for a row; None of a task that worked from its begin to its end, as most do."""
    is_plain = not isinstance(run.states.get(task), Mapped) and not run.timings.is_divided(task)
    return None if is_plain else work_parts(run, task)
