"""The refusal of a command: why a task of a run may not be retried, skipped, set, pinned or looked at just now.

One table for buttons, magics and the run. The run asks it again on its own thread before it acts, since what was
possible when a button was drawn may not be when it is pressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.states import Mapped
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.engine.nodes import DONE, EXPANDED, HELD, READY, RUNNING, SKIPPED, SUCCEEDED, WAITING
from nbflow.errors import UnknownTaskError

if TYPE_CHECKING:
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.breakpoints import Breakpoints
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.record import Record
    from nbflow.engine.run import Run

NO_CLEANUP = "a cleanup is never held up"
OVER = "the run is over; Rerun from here runs it again"


def refusal(run: Run, command: str, task: Task, index: int | None = None) -> str:
    """Say why a task may not be given a command now; an empty text if it may.

    The command is "retry", "skip", "set", "pin", "break" or "debug". Of a mapped task it means the child at `index`, or
    the first at which the run is paused.
    """
    refusals = run._loop.held_tasks.refusals
    try:
        node = refusals.node_of(task, index)
    except UnknownTaskError:
        return "the run has no such task" if index is None else "there is no such child"
    if command == "pin" and index is not None:
        return "all children are pinned together"
    return refusals.why_not(command, node, is_over=run.is_finished)


def why_not_undone(run: Run) -> str:
    """Say why `Run.undo` can take nothing back now; an empty text if it can."""
    return OVER if run.is_finished else run._loop.held_tasks.undo_stack.why_not()


class Refusals:
    """The reasons why the nodes of a run may not be given commands."""

    def __init__(self, record: Record, breakpoints: Breakpoints, cancellation: Cancellation) -> None:
        self._record, self._breakpoints, self._cancellation = record, breakpoints, cancellation

    def node_of(self, task: Task, index: int | None = None) -> int:
        """Return the node that a command means: of a mapped task the child, the first that is held unless given.

        Raises:
            UnknownTaskError: If the run has no such task, or no such child of it.
        """
        graph = self._record.graph
        if task not in graph.index:
            raise UnknownTaskError(task, graph.name)
        node = graph.index[task]
        children = self._record.schedule.children.get(node)
        if index is None:
            return next((child for child in children or () if child in self._breakpoints.at), node)
        if children is None or not 0 <= index < len(children):
            raise UnknownTaskError(f"{task.name}[{index}]", graph.name)
        return children[index]

    def why_not(self, command: str, node: int, *, is_over: bool = False) -> str:
        """Say why a node may not be given a command now, as `refusal` does."""
        if is_over and command not in ("pin", "debug"):
            return OVER if command != "break" else "the run is over; Step begins another one that is paused"
        if command == "skip":
            return self.why_not_ended_as(node, SKIPPED)
        if command == "set":
            return self.why_not_ended_as(node, SUCCEEDED)
        if command == "retry":
            return "" if node in self._breakpoints.at else "the run is not paused at it"
        if command == "break":
            role = self._record.schedule.role[node]
            return NO_CLEANUP if role == CLEANUP else ""
        state = self._record.current(node)
        return why_not_debugged(state) if command == "debug" else why_not_pinned(state)

    def why_not_ended_as(self, node: int, verdict: int) -> str:
        """Say why a node cannot be taken as ended with a verdict: with a value of the user's, or as left out."""
        schedule = self._record.schedule
        phase = schedule.phase[node]
        if schedule.role[node] != ORDINARY:
            return "it belongs to a block, whose resource is set up and cleaned up"
        if phase == EXPANDED:
            return "its children run; choose one of them, pause the run and wait for it, or cancel"
        # Its thread may give a value of its own at any moment, and the last one to speak would win.
        if phase == RUNNING:
            return "it is running; pause the run and wait for it, or cancel"
        if self._cancellation.is_on:
            return "the run is being cancelled"
        if phase != DONE:
            return ""
        if schedule.verdict[node] != verdict:
            if schedule.verdict[node] == SUCCEEDED:
                return "it has ended well already"
            return f"it has ended {type(self._record.current(node)).__name__} already; use run.rerun()"
        if any(schedule.phase[down] not in (WAITING, READY, HELD) for down in schedule.below(node)):
            return "what takes its value has begun already; use run.rerun()"
        return ""


def why_not_pinned(state: State) -> str:
    """Say why a task in this state has no value to keep.

    A map counts as a success from the moment that its children are known, so each of them is asked.
    """
    children = enumerate(tuple(state.map_states)) if isinstance(state, Mapped) else ()
    whose = [("it", state), *((f"its child {index}", child) for index, child in children)]
    for who, one in whose:
        if not one.is_successful():
            return f"{who} is {type(one).__name__}, so there is no value to keep"
    return ""


def why_not_debugged(state: State) -> str:
    """Say why there is no frame of a failure to look at."""
    if isinstance(state, Mapped):
        return "choose one of its children"
    error = state.result if state.is_failed() else None
    if isinstance(error, BaseException) and error.__traceback__ is not None:
        return ""
    return "it has not failed"
