"""The actions on a task of a run: which are possible just now, why the rest are not, and the doing."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from nbflow.core.parameter import Parameter
from nbflow.engine.breakpoint_list import words_of
from nbflow.engine.breakpoints import PINNED, argument_names
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.refusal import NO_CLEANUP, refusal
from nbflow.engine.remote_value import looked_at
from nbflow.engine.state_values import held_by
from nbflow.errors import OptionError
from nbflow.flow.flow_breakpoints import argument_names_of, breakpoints_for
from nbflow.panel.inspector.expressions import condition_of, value_of
from nbflow.panel.inspector.history import state_of
from nbflow.panel.sanitize import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.panel.part import Json
    from nbflow.panel.widget import Panel

NOT_YET = "the flow has not run yet; Step begins a run that is paused"
_ACTIONS = ("retry", "skip", "set", "pin", "debug", "rerun")
_LINE_LIMIT = 300


def possible(flow: Flow, run: Run | None, task: Task, index: int | None) -> dict[str, Json]:
    """Return for each action `why` it cannot be done, empty if it can, and whether it `is_on`."""
    found: dict[str, Json] = {
        name: {"why": NOT_YET if run is None else _why_not(run, name, task, index)} for name in _ACTIONS
    }
    if run is not None:
        found["pin"]["is_on"] = run.sources.get(task) == PINNED
        found["debug"]["line"] = debug_line(run, task)
    known, there = breakpoints_for(flow, run, task)
    places = known.get(there, ())
    if run is not None and not run.is_finished:
        places = run.breakpoints.get(task, ())
    is_cleanup = any(block.cleanup_task is there for block in flow.blocks)
    found["break"] = {
        "why": NO_CLEANUP if is_cleanup else "",
        "is_on": bool(places),
        "places": [plain(words_of(one), _LINE_LIMIT) for one in places],
    }
    return found


def perform(panel: Panel, run: Run | None, task: Task, index: int | None, message: Mapping[str, Any]) -> None:
    """Do what a message of the inspector asks for; a value for a run that is over is a plan first.

    Raises:
        Exception: What the run or the user's expression says against it.
    """
    flow = panel.flow
    act, text = message.get("act"), message.get("text") or ""
    if not isinstance(text, str):
        raise OptionError(f"the text is {type(text).__name__}")
    if act in ("break", "unbreak"):
        known, there = breakpoints_for(flow, run, task)
        if act == "unbreak":
            known.clear(there)
        else:
            arguments = argument_names_of(flow, there) if run is None else argument_names(run.graph, task)
            known.add(there, condition_of(text, arguments), after=bool(message.get("after")))
    elif run is None:
        raise OptionError(NOT_YET)
    elif act == "retry":
        run.retry(task, index, wait=False)
    elif act == "skip":
        run.skip(task, index)
    elif act == "set":
        if run.is_finished:
            panel.plans.ask_with(run, task, value_of(text))
        else:
            run.set_result(task, value_of(text), index)
    elif act == "pin":
        run.pin(task)
    elif act == "fetch":  # of a value that is elsewhere: whoever asks for it waits until it is here
        state = state_of(run, task, index)
        looked_at(None if state is None else held_by(state))
    else:
        raise OptionError(f"the inspector knows no action {plain(str(act), 50)!r}")


def debug_line(run: Run, task: Task) -> str:
    """Return what opens the debugger in a cell; an empty text if the names cannot be written on a line."""
    line = f"%flow debug {shlex.quote(run.flow.name)} --task {shlex.quote(run.graph.slugs[task])}"
    return line if len(line) <= _LINE_LIMIT and line.isprintable() else ""


def _why_not(run: Run, name: str, task: Task, index: int | None) -> str:
    """Return why a button of the inspector cannot be pressed: what the run says, and what only a panel knows."""
    if name == "rerun":
        return "" if run.is_finished else "the run goes on; Cancel ends it"
    if name == "set" and run.is_finished:
        return _why_not_given(run, task, index)
    if name == "debug":
        if not debug_line(run, task):
            return "its name, or that of the flow, does not fit on a line"
        if index is not None and task not in run.held:
            return "the debugger looks at a child only while the run is paused at it"
    if name == "pin" and run.sources.get(task) == PINNED:
        return "it is pinned: a rerun takes its value over"
    return refusal(run, name, task, index)


def _why_not_given(run: Run, task: Task, index: int | None) -> str:
    """Return why a run that is over cannot be gone on from with a value of the task."""
    if index is not None:
        return "the run is over, and a child alone can be given no value; give the map the list of all"
    if run.graph.role[run.graph.index[task]] != ORDINARY:
        return "it belongs to a block, whose resource is set up and cleaned up"
    return "it is a parameter; change it in the form, and press Rerun" if isinstance(task, Parameter) else ""
