"""Where a run is paused with its resources open, and what is then done about the task it stands at.

All of it happens on the run's thread; `Run` posts the commands. A held task keeps its block open, since the scheduler
does not count it as ended (rule 3), and a cancel takes all holds away.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.states import Failed, Mapped, Paused, Pending, Skipped, State, Success, TriggerFailed
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.engine.error_text import error_text
from nbflow.engine.nodes import DONE, EXPANDED, HELD, READY, RUNNING, SKIPPED, SUCCEEDED, WAITING
from nbflow.engine.renewal import renew, renew_manager
from nbflow.errors import BreakpointError, NotHeldError, SetResultError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.run_loop import RunLoop

BEFORE, AFTER, FAILURE = "before", "after", "failure"
EDITED, PINNED = "edited", "pinned"


class Breakpoint(NamedTuple):
    """Where to pause: before or after a task, always or if `when` is true of its inputs."""

    place: str
    when: Callable[..., object] | None


def why_no_value(state: State) -> str:
    """Say why a task in this state has no value to keep; an empty text if it has one.

    A map counts as a success from the moment that its children are known, so each of them is asked.
    """
    children = enumerate(tuple(state.map_states)) if isinstance(state, Mapped) else ()
    whose = [("it", state), *((f"its child {index}", child) for index, child in children)]
    return next(
        (
            f"{who} is {type(one).__name__}, so there is no value to keep"
            for who, one in whose
            if not one.is_successful()
        ),
        "",
    )


class Breakpoints:
    """The breakpoints of a run, and the tasks at which it is paused.

    Attributes:
        on_failure: Whether to pause when a task fails.
        limit_s: After how many seconds of being paused the run is cancelled; None for never.
        at: The nodes at which the run is paused, and why.
    """

    def __init__(self, loop: RunLoop) -> None:
        self._loop = loop
        self.on_failure = False
        self.limit_s: float | None = None
        self.at: dict[int, str] = {}
        self._breakpoints: dict[int, list[Breakpoint]] = {}
        self._passed: set[int] = set()

    # -- where it is paused --------------------------------------------------------------------------------

    def break_at(self, number: int, breakpoint: Breakpoint) -> None:
        """Stand still at a task from now on."""
        self._breakpoints.setdefault(number, []).append(breakpoint)
        self._loop.graph.is_simple[number] = False

    def clear_break(self, number: int) -> None:
        """Forget the breakpoints of a task."""
        self._breakpoints.pop(number, None)

    def may_stand_at(self, number: int) -> bool:
        """Whether the run may be paused at a task that has been called, so that it can be called again."""
        return self.on_failure or number in self._breakpoints

    def stops_before(self, node: int, number: int, inputs: dict[str, Any]) -> bool:
        """Stand still before a node if there is a breakpoint that is meant for it."""
        if number not in self._breakpoints or self._loop.cancelling or node in self._passed:
            self._passed.discard(node)
            return False
        for place, when in self._breakpoints[number]:
            if place == BEFORE and self._is_meant(node, number, when, inputs):
                self._hold(node, BEFORE)
                return True
        return False

    def stops_after(self, node: int, number: int, state: State) -> bool:
        """Stand still at a node that has ended, before anything follows from its end."""
        role = self._loop.graph.role[number]
        if self._loop.cancelling or role == CLEANUP or isinstance(state, Mapped):
            return False
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

    def _is_meant(
        self, node: int, number: int, when: Callable[..., object] | None, inputs: dict[str, Any]
    ) -> bool:
        if when is None:
            return True
        task = self._loop.graph.tasks[number]
        values = self._loop.task_runner.values(node, task)
        found, error = self._loop.ask(values, when, **_asked_for(when, inputs))
        if error is not None:  # it is paused, so that the condition can be looked at
            self._loop.record.note(f"the breakpoint at {task.name!r} raised {error_text(error)}", task)
            return True
        return bool(found)

    def _hold(self, node: int, why: str) -> None:
        loop = self._loop
        self.at[node] = why
        loop.schedule.hold(node)
        loop.schedule.pause()
        task = loop.schedule.task(node)
        loop.record.note(f"held {'at the failure of' if why == FAILURE else why} {task.name!r}", task)

    def names(self) -> str:
        """Return what it stands at, for people."""
        loop = self._loop
        found = {loop.schedule.task(node).name: why for node, why in self.at.items()}
        words = {FAILURE: "failed", BEFORE: "is next", AFTER: "has ended"}
        return ", ".join(f"{name!r} {words[why]}" for name, why in found.items())

    # -- going on ---------------------------------------------------------------------------------------------

    def let_go(self, node: int) -> bool:
        """Go on from a node as it is, a failure included; False if the run is not paused there."""
        why = self.at.pop(node, None)
        if why is None:
            return False
        if why == BEFORE:
            self._passed.add(node)
            self._loop.schedule.release(node)
        else:
            self._loop.task_runner.end_for_good(node, self._loop.record.current(node))
        return True

    def let_all_go(self) -> None:
        """Go on from wherever the run is paused."""
        for node in tuple(self.at):
            self.let_go(node)

    # -- fixing ----------------------------------------------------------------------------------------------

    def retry(self, node: int) -> None:
        """Run a held task again, with the newest definition of its function, and stand still again.

        Raises:
            NotHeldError: If the run is not paused at it.
            RetryError: If its newest definition does not take the task's inputs.
            ChangedInputError: If the last attempt has changed an input of which there is no copy.
        """
        loop = self._loop
        task = loop.schedule.task(node)
        if node not in self.at:
            raise NotHeldError(task.name, type(loop.record.current(node)).__name__)
        number, child = loop.schedule.task_of[node], loop.schedule.child_index[node]
        held = loop.task_runner.open_resource(node)
        if held is not None and held.manager is not None:
            renew_manager(held.manager)
        inputs = loop.task_runner.inputs.values(number, child)
        if self.at[node] != BEFORE:
            loop.home.refuse_again(number, child, inputs)
        renew(task, inputs)
        why = self.at.pop(node)
        self._passed.add(node)
        if why != BEFORE:
            loop.task_runner.attempts[node] = loop.task_runner.attempts.get(node, 1) + 1
            loop.record.set_task(node, loop.record.current(node), Pending("To be tried again."))
        loop.schedule.release(node, at_once=True)

    def set_result(self, node: int, value: object) -> None:
        """Give a task that does not run a value in place of what it would return, or has returned.

        Raises:
            SetResultError: If the task is running, or what follows from it has begun already.
        """
        self._end_as(node, Success("The value was set by the user.", result=value), SUCCEEDED, EDITED)

    def skip(self, node: int) -> None:
        """Leave a task out that has not run, or go on from a failed one as if it were left out.

        Raises:
            SetResultError: If the task is running, or what follows from it has begun already.
        """
        self._end_as(node, Skipped("Skipped by the user."), SKIPPED)

    def _end_as(self, node: int, state: State, verdict: int, source: str = "") -> None:
        loop, schedule = self._loop, self._loop.schedule
        number, phase = schedule.task_of[node], schedule.phase[node]
        task, old = loop.graph.tasks[number], loop.record.current(node)
        if loop.graph.role[number] != ORDINARY:
            raise SetResultError(task.name, "it belongs to a block, whose resource is set up and cleaned up")
        if phase in (RUNNING, EXPANDED):
            raise SetResultError(task.name, "it is running; pause the run and wait for it, or cancel")
        if loop.cancelling:
            raise SetResultError(task.name, "the run is being cancelled")
        if phase == DONE:
            if schedule.verdict[node] != verdict:
                raise SetResultError(task.name, f"it has ended {type(old).__name__} already; use run.rerun()")
            if any(schedule.phase[down] not in (WAITING, READY, HELD) for down in schedule.below(node)):
                raise SetResultError(task.name, "what takes its value has begun already; use run.rerun()")
        if source:
            loop.record.sources[task] = source
            loop.home.keep_original(task, state.result)
        loop.record.set_task(node, old, state, loop.task_runner.attempts.get(node, 1))
        if phase != DONE:
            self.at.pop(node, None)
            schedule.ended(node, verdict)

    # -- paused ---------------------------------------------------------------------------------------

    def state(self) -> State:
        """Return the state of the run that is paused: it says at what, and what it holds open."""
        at = f" ({self.names()})" if self.at else ""
        held = ", ".join(held.name for held in self._loop.record.open_resources.owing())
        return Paused(f"The run stands still{at}{f'; open: {held}' if held else ''}.")


def check_condition(when: Callable[..., object], task: Task, keys: set[str]) -> None:
    """Refuse a breakpoint's condition that asks for what the task does not take.

    Raises:
        BreakpointError: If it is not callable, or has a parameter that is no argument of the task.
    """
    if not callable(when):
        raise BreakpointError(task.name, f"its condition {when!r} can not be called")
    asked = _named(when)
    unknown = [name for name in asked or () if name not in keys]
    if unknown:
        taken = ", ".join(sorted(keys)) or "nothing"
        raise BreakpointError(task.name, f"its condition asks for {unknown[0]!r}; the task takes {taken}")


def _asked_for(when: Callable[..., object], inputs: dict[str, Any]) -> dict[str, Any]:
    asked = _named(when)
    return inputs if asked is None else {name: inputs[name] for name in asked if name in inputs}


def _named(when: Callable[..., object]) -> list[str] | None:
    """Return the names of the parameters without a default; None if it takes whatever there is."""
    parameters = inspect.signature(when).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
