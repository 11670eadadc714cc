"""What can be done with a task of a run just now, why the rest cannot, and the doing."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped
from nbflow.engine.breakpoints import PINNED, why_no_value
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.errors import OptionError
from nbflow.panel.inspector.expressions import condition_of, value_of
from nbflow.panel.inspector.history import state_of
from nbflow.panel.sanitize import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json

NOT_YET = "the flow has not run yet; Step begins a run that stands still"
OVER = "the run is over; Rerun from here runs it again"
CHILD = "choose one of its children"
_LINE_LIMIT = 300


def possible(run: Run | None, task: Task, index: int | None) -> dict[str, Json]:
    """Return for each action `why` it cannot be done, empty if it can, and whether it `is_on`."""
    whys = {name: why(run, task, index) for name, why in _WHYS.items()} if run is not None else {}
    found: dict[str, Json] = {
        name: {"why": whys.get(name, NOT_YET)}
        for name in ("retry", "skip", "set", "pin", "break", "debug", "rerun")
    }
    if run is not None:
        found["pin"]["is_on"] = run.sources.get(task) == PINNED
        places = [(place, when is not None) for place, when in run.breakpoints.get(task, ())]
        found["break"]["is_on"] = bool(places)
        found["break"]["places"] = [place + (", with a condition" if when else "") for place, when in places]
        found["debug"]["line"] = debug_line(run, task)
    return found


def perform(run: Run, task: Task, index: int | None, message: Mapping[str, Any]) -> None:
    """Do what a message of the inspector asks for.

    Raises:
        Exception: What the run or the user's expression says against it.
    """
    act, text = message.get("act"), message.get("text") or ""
    if not isinstance(text, str):
        raise OptionError(f"the text is {type(text).__name__}")
    if act == "retry":
        run.retry(task, index, wait=False)
    elif act == "skip":
        run.skip(task, index)
    elif act == "set":
        run.set_result(task, value_of(text), index)
    elif act == "pin":
        run.pin(task)
    elif act == "break":
        number = run.graph.index[task]
        keys = {edge.key for edge in run.graph.edges_in[number] if edge.key is not None}
        when = condition_of(text, keys | set(run.graph.constants.get(task, ())))
        run.break_at(task, when, after=bool(message.get("after")))
    elif act == "unbreak":
        run.clear_break(task)
    else:
        raise OptionError(f"the inspector knows no action {plain(str(act), 50)!r}")


def debug_line(run: Run, task: Task) -> str:
    """Return what opens the debugger in a cell; an empty text if the names cannot be written on a line."""
    line = f"%flow debug {shlex.quote(run.flow.name)} --task {shlex.quote(run.graph.slugs[task])}"
    return line if len(line) <= _LINE_LIMIT and line.isprintable() else ""


def _why_not_retry(run: Run, task: Task, index: int | None) -> str:
    if run.is_finished:
        return OVER
    state = state_of(run, task, index)
    if task not in run.held or (index is not None and state is not None and state.is_successful()):
        return "the run does not stand still at it"
    return ""


def _why_not_skip(run: Run, task: Task, index: int | None) -> str:
    why = _why_not_end(run, task, index)
    state = state_of(run, task, index)
    if not why and state is not None and state.is_successful() and not state.is_skipped():
        return "it has ended well already"
    return why


def _why_not_end(run: Run, task: Task, index: int | None) -> str:
    if run.is_finished:
        return OVER
    if _role(run, task) != ORDINARY:
        return "it belongs to a block, whose resource is set up and cleaned up"
    state = state_of(run, task, index)
    if state is None:
        return "there is no such child"
    if isinstance(state, Mapped):
        return CHILD
    if state.is_running():
        return "it is running"
    if state.is_finished() and not state.is_successful() and task not in run.held:
        return "it has ended, and the run has gone on"
    return ""


def _why_not_pin(run: Run, task: Task, index: int | None) -> str:
    if index is not None:
        return "all children are pinned together"
    if run.sources.get(task) == PINNED:
        return "it is pinned: a rerun takes its value over"
    state = run.states.get(task)
    return "it has no value yet" if state is None else why_no_value(state)


def _why_not_break(run: Run, task: Task, index: int | None) -> str:
    if run.is_finished:
        return "the run is over; Step begins another one that stands still"
    return "a cleanup is never held up" if _role(run, task) == CLEANUP else ""


def _why_not_debug(run: Run, task: Task, index: int | None) -> str:
    state: State | None = state_of(run, task, index)
    if not debug_line(run, task):
        return "its name, or that of the flow, does not fit on a line"
    if isinstance(state, Mapped):
        return "" if task in run.held else CHILD
    if index is not None and task not in run.held:
        return "the debugger looks at a child only while the run stands still at it"
    failed = state is not None and state.is_failed() and issubclass(type(state.result), BaseException)
    return (
        "" if failed and state is not None and state.result.__traceback__ is not None else "it has not failed"
    )


def _why_not_rerun(run: Run, task: Task, index: int | None) -> str:
    return "" if run.is_finished else "the run goes on; Cancel ends it"


def _role(run: Run, task: Task) -> int:
    number = run.graph.index.get(task)
    return ORDINARY if number is None else run.graph.role[number]


_WHYS = {
    "retry": _why_not_retry,
    "skip": _why_not_skip,
    "set": _why_not_end,
    "pin": _why_not_pin,
    "break": _why_not_break,
    "debug": _why_not_debug,
    "rerun": _why_not_rerun,
}
