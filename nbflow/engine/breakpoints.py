"""The tasks at which a run is paused, or is to be, with its resources open.

A held task keeps its block open, since the scheduler does not count it as ended (rule 3), and a cancel takes all holds
away. See `held_tasks` for what is then done about them.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.states import Failed, Mapped, Paused, State, TriggerFailed
from nbflow.engine.compiled_graph import CLEANUP
from nbflow.engine.error_text import error_text
from nbflow.engine.remote_value import fetched
from nbflow.errors import BreakpointError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.record import Record
    from nbflow.engine.user_code import UserCode

BEFORE, AFTER, FAILURE = "before", "after", "failure"
EDITED, PINNED = "edited", "pinned"


class Breakpoint(NamedTuple):
    """A place to pause at: before or after a task, always or if `when` is true of its inputs."""

    place: str
    when: Callable[..., object] | None


class Breakpoints:
    """The breakpoints of a run, and the tasks at which it is paused.

    Attributes:
        on_failure: Whether to pause when a task fails.
        limit_s: After how many seconds of being paused the run is cancelled; None for never.
        at: The nodes at which the run is paused, and why.
    """

    def __init__(
        self, record: Record, contexts: AttemptContexts, user_code: UserCode, cancellation: Cancellation
    ) -> None:
        self._schedule, self._record, self._contexts = record.schedule, record, contexts
        self._user_code, self._cancellation = user_code, cancellation
        self.on_failure = False
        self.limit_s: float | None = None
        self.at: dict[int, str] = {}
        self._breakpoints: dict[int, list[Breakpoint]] = {}
        self._was_simple: dict[int, bool] = {}
        self._passed: set[int] = set()

    # -- where it is paused --------------------------------------------------------------------------------

    def break_at(self, number: int, breakpoint: Breakpoint) -> None:
        """Pause at a task from now on."""
        self._breakpoints.setdefault(number, []).append(breakpoint)
        is_simple = self._record.graph.is_simple
        self._was_simple.setdefault(number, is_simple[number])
        is_simple[number] = False  # from now on the task runner asks

    def clear_break(self, number: int) -> None:
        """Forget the breakpoints of a task."""
        if self._breakpoints.pop(number, None):
            self._record.graph.is_simple[number] = self._was_simple.pop(number)

    def may_stand_at(self, number: int) -> bool:
        """Tell whether the run may be paused at a task that has been called, so that it can be called again."""
        return self.on_failure or number in self._breakpoints

    def stops_before(self, node: int, number: int, inputs: dict[str, Any]) -> bool:
        """Pause before a node if there is a breakpoint that is meant for it."""
        if number not in self._breakpoints or self._cancellation.is_on or node in self._passed:
            self._passed.discard(node)  # for this time: in a loop, or when it is tried again, it is asked once more
            return False
        for place, when in self._breakpoints[number]:
            if place == BEFORE and self._is_meant(node, number, when, inputs):
                self._hold(node, BEFORE)
                return True
        return False

    def stops_after(self, node: int, number: int, state: State) -> bool:
        """Pause at a node that has ended, before anything follows from its end."""
        role = self._record.graph.role[number]
        # A failed cleanup is tried again by `retry_cleanup`; of a map, each child is asked.
        if self._cancellation.is_on or role == CLEANUP or isinstance(state, Mapped):
            return False
        # One whose trigger failed was not called: the failure to look at is above it.
        if isinstance(state, Failed) and not isinstance(state, TriggerFailed):
            if not self.on_failure:
                return False
            self._hold(node, FAILURE)
            return True
        found = self._breakpoints.get(number)
        if found and any(place == AFTER for place, _ in found) and state.is_successful():
            self._hold(node, AFTER)
            return True
        return False

    def _is_meant(self, node: int, number: int, when: Callable[..., object] | None, inputs: dict[str, Any]) -> bool:
        if when is None:
            return True
        task = self._record.graph.tasks[number]
        values = self._contexts.values(node, task)
        found, error = self._user_code.ask(values, lambda: when(**fetched(_asked_for(when, inputs))))
        if error is not None:  # it is paused, so that the condition can be looked at
            self._record.note(f"the breakpoint at {task.name!r} raised {error_text(error)}", task)
            return True
        return bool(found)

    def _hold(self, node: int, why: str) -> None:
        self._schedule.hold(node)
        self._schedule.pause()  # also what is beside it: the user is to see the run as it was at this task
        self.hold_again(node, why)

    def hold_again(self, node: int, why: str) -> None:
        """Be paused at a node that the schedule holds."""
        self.at[node] = why
        task, child = self._schedule.task(node), self._schedule.child_index[node]
        self._record.timings.note_hold(task, child if child >= 0 else None)
        self._record.note(f"held {'at the failure of' if why == FAILURE else why} {task.name!r}", task)

    def leave(self, node: int) -> str | None:
        """Be paused at a node no more, and return why the run was; None if it was not."""
        why = self.at.pop(node, None)
        if why is not None:
            task, child = self._schedule.task(node), self._schedule.child_index[node]
            self._record.timings.note_hold(task, child if child >= 0 else None, is_over=True)
        return why

    def let_pass(self, node: int) -> None:
        """Do not pause before a node when it comes next: a person has let it go on."""
        self._passed.add(node)

    def names(self) -> str:
        """Return what it is paused at, for people."""
        found = {self._schedule.task(node).name: why for node, why in self.at.items()}
        words = {FAILURE: "failed", BEFORE: "is next", AFTER: "has ended"}
        return ", ".join(f"{name!r} {words[why]}" for name, why in found.items())

    # -- paused ---------------------------------------------------------------------------------------

    def state(self) -> State:
        """Return the state of the run that is paused: it says at what, and what it holds open."""
        at = f" ({self.names()})" if self.at else ""
        held = ", ".join(held.name for held in self._record.open_resources.owing())
        return Paused(f"The run is paused{at}{f'; open: {held}' if held else ''}.")


def check_condition(when: Callable[..., object], task: Task, keys: set[str], *, after: bool) -> None:
    """Refuse a breakpoint's condition that asks for what the task does not take.

    Raises:
        BreakpointError: If it is not callable, or has a parameter that is no argument of the task, or is for a pause
            after the task.
    """
    if after:
        raise BreakpointError(task.name, "a condition is about the inputs; leave out `after`")
    if not callable(when):
        raise BreakpointError(task.name, f"its condition {when!r} can not be called")
    asked = _named(when)
    unknown = [name for name in asked or () if name not in keys]
    if unknown:
        taken = ", ".join(sorted(keys)) or "nothing"
        raise BreakpointError(task.name, f"its condition asks for {unknown[0]!r}; the task takes {taken}")


def argument_names(graph: CompiledGraph, task: Task) -> set[str]:
    """Return the names of the arguments that a task is given."""
    return {*graph.sources_of(task), *graph.constants.get(task, ())}


def _asked_for(when: Callable[..., object], inputs: dict[str, Any]) -> dict[str, Any]:
    asked = _named(when)
    return inputs if asked is None else {name: inputs[name] for name in asked if name in inputs}


def _named(when: Callable[..., object]) -> list[str] | None:
    """Return the names of the parameters without a default; None if it takes whatever there is."""
    parameters = inspect.signature(when).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
