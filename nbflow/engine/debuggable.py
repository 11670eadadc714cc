"""What a person may do to the tasks of a run that is paused, and where it pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.breakpoint_list import BreakpointList
    from nbflow.engine.run_control import RunControl
    from nbflow.engine.run_loop import RunLoop


class Debuggable:
    """The part of `Run` that looks at its tasks and fixes them."""

    _control: RunControl
    _loop: RunLoop

    def inputs(self, task: Task, index: int | None = None) -> dict[str, Any]:
        """Return what a task is given, by argument: its upstream values as they are now."""
        return self._control.inputs(task, index)

    @property
    def breakpoints(self) -> BreakpointList:
        """The breakpoints that were set and not cleared: by task, with `add` and `clear`; prints as a list.

        Those of all runs to come are `Flow.breakpoints`.
        """
        return self._control.breakpoints

    @property
    def hold_on_failure(self) -> bool:
        """True if the run is to be paused when a task fails, with its resources open; may be set at any time."""
        return self._loop.breakpoints.on_failure

    @hold_on_failure.setter
    def hold_on_failure(self, value: bool) -> None:
        self._loop.breakpoints.on_failure = bool(value)

    @property
    def hold_limit_s(self) -> float | None:
        """The seconds of being paused after which the run is cancelled and cleaned up; None: never. May be set."""
        return self._loop.breakpoints.limit_s

    @hold_limit_s.setter
    def hold_limit_s(self, value: float | None) -> None:
        self._control.limit_hold(value)

    def break_at(self, task: Task, when: Callable[..., object] | None = None, *, after: bool = False) -> None:
        """Pause before `task` (or `after` it has ended well), with the resources open.

        `step`, `until` and `resume` go on from there.

        Args:
            task: A task of this run; of a mapped one each child is looked at.
            when: Only where this is true of the task's inputs: a function whose parameters are named like
                arguments of the task. If it raises, the run is paused and a note says so.
            after: Whether to pause after it.

        Raises:
            BreakpointError: If it is a cleanup, or `when` asks for what the task does not take.
        """
        self._control.break_at(task, when, after)

    def retry(self, task: Task, index: int | None = None, *, wait: bool = True) -> State:
        """Run a held task again and return its state; the run is then paused again.

        The task gets the newest definition of its function; functions that it calls are looked up by name and are the
        newest anyway.

        Args:
            task: A task at which the run is paused.
            index: Which child of a mapped task; the first that is held unless given.
            wait: Whether to wait for its end; otherwise the state is that of the moment.

        Raises:
            NotHeldError: If the run is not paused at it.
            RetryError: If the newest definition does not take the task's inputs.
        """
        return self._control.retry(task, index, wait)

    def set_result(self, task: Task, value: object, index: int | None = None) -> None:
        """Give a task a value in place of what it would return or has returned; shown as "edited".

        Raises:
            SetResultError: If it is running, or what takes its value has begun already.
        """
        self._control.set_result(task, value, index)

    def skip(self, task: Task, index: int | None = None) -> None:
        """Leave out a task that has not run; of a held one that failed, go on as if it had been left out.

        Raises:
            SetResultError: If it is running or has ended.
        """
        self._control.skip(task, index)

    def undo(self) -> Task:
        """Take back the last `skip` or `set_result`, and return the task, which is what it was before.

        What was done before that is the next to be undone. As soon as the run goes on, by `step`, `resume` and the
        like, nothing can be undone any more.

        Raises:
            UndoError: If nothing was skipped or set since the run last went on, or its task's value was needed since.

        Example:
            >>> from nbflow import Flow, task
            >>> with Flow("undo") as flow:
            ...     one = task(lambda: 1, name="one")()
            ...     two = task(lambda x: x + 1, name="two")(one)
            >>> run = flow.start(paused=True)
            >>> run.set_result(one, 10)
            >>> run.undo()
            <Task: one>
            >>> run.resume(), run.wait().is_successful(), run.results[two]
            (None, True, 2)
        """
        return self._control.undo()

    def pin(self, task: Task) -> None:
        """Keep the value of a task that has ended well: a rerun takes it over, whatever has changed.

        A mapped task is kept with all of its children.

        Raises:
            SetResultError: If it has no value, or a child of it has none.
        """
        self._control.pin(task)

    def debug(self, task: Task, index: int | None = None) -> None:
        """Open the post-mortem debugger where a task failed; in a held run its resources are still open.

        Raises:
            NotHeldError: If it has not failed with an exception.
        """
        self._control.debug(task, index)
