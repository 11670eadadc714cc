"""When the state of a task changed, and how long each of its attempts took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped, Running, State
from nbflow.panel.sanitize import plain
from nbflow.render.palette import state_look
from nbflow.render.status_marks import state_name

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json

MOST = 60  # so many changes and attempts are told: the first, and the last ones
_MESSAGE_LIMIT = 300


def history_of(run: Run, task: Task, index: int | None) -> Json:
    """Return `changes` (seconds since the run began, state, label, message) and `attempts` (number, start, seconds).

    `left` says how many changes in the middle are left out.
    """
    began = run.timings.started_at or 0.0
    events = [event for event in run.events if event.task is task and event.kind == "task" and event.map_index == index]
    attempts: list[list[Any]] = []
    for event in events:
        if type(event.state) is Running:
            attempts.append([event.attempt, round(event.time - began, 3), None, "", ""])
        elif attempts and attempts[-1][2] is None:
            attempts[-1][2] = round(event.time - began - attempts[-1][1], 3)
            name = state_name(event.state)
            attempts[-1][3:] = [name, state_look(name).label]
    left = max(0, len(events) - MOST)
    shown = events if not left else [events[0], *events[1 - MOST :]]
    changes = [
        [round(event.time - began, 3), state_name(event.state), *_said(event.state, event.note)] for event in shown
    ]
    return {"changes": changes, "attempts": attempts[-MOST:], "left": left}


def state_of(run: Run | None, task: Task, index: int | None) -> State | None:
    """Return the state of a task or of one child of it."""
    state = None if run is None else run.states.get(task)
    if index is not None and isinstance(state, Mapped):
        children = state.map_states or []
        return children[index] if 0 <= index < len(children) else None
    return state


def children_of(run: Run | None, task: Task) -> Json | None:
    """Return how many children a mapped task has: `total`, `failed` and `done`; None of what is not mapped."""
    state = None if run is None else run.states.get(task)
    if not isinstance(state, Mapped):
        return None
    states = list(state.map_states or ())
    failed = sum(1 for one in states if one is not None and one.is_failed())
    done = sum(1 for one in states if one is not None and one.is_finished())
    return {"total": len(states), "failed": failed, "done": done}


def _said(state: State | None, note: str) -> tuple[str, str]:
    said = note or (state.message if state is not None else "") or ""
    return state_look(state_name(state)).label, plain(str(said), _MESSAGE_LIMIT)
