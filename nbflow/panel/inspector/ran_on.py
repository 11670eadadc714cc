"""Where a task was called, if not by the kernel: the name of its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.states import Mapped
from nbflow.panel.picture.worker_bars import PLACE_LIMIT
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json


def ran_on(run: Run | None, task: Task, index: int | None, state: State | None, history: Json | None) -> str:
    """Return the worker that had the last attempt of a task or child, of a map how many had its children.

    Empty for what the kernel did, what did not run, and a later attempt that goes on: what is known may be of the one
    before it.
    """
    if run is None or not run._record.places:
        return ""
    if isinstance(state, Mapped):
        return _of_children(run, task, len(state.map_states or ()))
    last = history["attempts"][-1] if history is not None and history["attempts"] else None
    if last is None or (last[0] > 1 and last[2] is None):
        return ""
    return worker_of(run, task, index)


def worker_of(run: Run | None, task: Task, index: int | None) -> str:
    """Return the name of the worker that is noted, cut to a size."""
    place = "" if run is None else run._record.place_of(task, -1 if index is None else index)
    return one_line(place, PLACE_LIMIT) if place else ""


def _of_children(run: Run, task: Task, count: int) -> str:
    found = {run._record.place_of(task, index) for index in range(count)} - {""}
    if len(found) == 1:
        return one_line(next(iter(found)), PLACE_LIMIT)
    return f"{len(found):,} workers" if found else ""
