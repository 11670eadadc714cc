"""The place where a call is made: in the run's own thread, or by the executor's session on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.signals import TaskTimeoutSignal
from nbflow.engine.attempt import Call, Outcome, TaskCancelled, perform, perform_on_worker
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.raised import ends_run
from nbflow.engine.task_runner import timed_out

if TYPE_CHECKING:
    import threading
    from collections import deque
    from collections.abc import Sequence

    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.deadlines import Deadlines
    from nbflow.engine.executor import Session
    from nbflow.engine.fast_path import FastPath
    from nbflow.engine.interrupts import Guard
    from nbflow.engine.schedule import Schedule


class CallMaker:
    """Makes the calls of a run.

    Args:
        performed: The calls that the run's thread has made, for it to look at.
        free: By task, whether it needs no thread: parameters and constants.
        is_direct: Whether the run blocks its caller and its thread makes all calls.

    Attributes:
        session: The executor at work; None for a direct run.
    """

    def __init__(
        self,
        calls: dict[int, Call],
        performed: deque[tuple[Call, Outcome]],
        schedule: Schedule,
        fast_path: FastPath,
        deadlines: Deadlines,
        cancellation: Cancellation,
        guard: Guard,
        free: Sequence[bool],
        is_direct: bool,
    ) -> None:
        self.session: Session | None = None
        self._calls, self._performed, self._schedule = calls, performed, schedule
        self._free, self._fast_path, self._deadlines = free, fast_path, deadlines
        self._cancellation, self._guard, self._is_direct = cancellation, guard, is_direct

    def make(self, call: Call) -> None:
        """Make a call: here in a blocking inline run (and for parameters and constants always), else on a thread."""
        self._calls[call.node] = call
        if self.session is not None and not self._free[self._schedule.task_of[call.node]]:
            self._deadlines.begin(call)
            lifecycle = self._schedule.role[call.node] != ORDINARY
            call.is_remote = self.session.is_remote and not lifecycle
            self.session.submit(call, lifecycle=lifecycle)
            return
        timers: tuple[threading.Timer, ...] = ()
        if call.task.timeout is not None or self._cancellation.is_on:
            timers = self._deadlines.begin_here(call)
        self._guard.call = call
        if self._cancellation.is_wanted and not call.shielded:  # asked for since the inbox was looked at
            call.stop_requested = True
        # Away from the main thread a call of a blocking run is stopped as on a worker: by an exception sent to it.
        needs_hits = self._is_direct and not self._guard.is_installed
        outcome = perform_on_worker(call) if needs_hits else perform(call)
        call.is_over = True  # before the guard lets go of it: a timer that fires now finds nothing to hit
        self._guard.call = None
        for timer in timers:
            timer.cancel()
        if call.is_overdue:
            outcome = self._overdue(call, outcome)
        # Looked at from the loop and not from here: a loop's turns and a retry would each be a frame deeper.
        self._performed.append((call, outcome))

    def submit(self, node: int) -> bool:
        """Hand a node that the scheduler gave to the executor, if it is a simple one."""
        if self.session is None or self._free[self._schedule.task_of[node]]:
            return False
        call = self._fast_path.start(node)
        if call is None:
            return False
        call.is_remote = self.session.is_remote
        if not call.is_remote:
            self._fast_path.note_begun(call)
        self.session.submit(call, lifecycle=False)
        return True

    def look_ahead(self) -> None:
        """Have the scheduler give as many simple nodes more than there is room for as the session has use for."""
        if self.session is not None:
            self._schedule.queue.ahead = self.session.ahead

    def flush(self) -> None:
        """Have the session begin with what was submitted."""
        if self.session is not None:
            self.session.flush()

    def recall(self) -> None:
        """Have what was handed over ahead come back: the run is to stop before it begins."""
        if self.session is not None and any(call.is_ahead for call in self._calls.values()):
            self.session.recall()

    def _overdue(self, call: Call, outcome: Outcome) -> Outcome:
        """Return what a call that took too long came to: timed out, also where the task has swallowed that."""
        error = outcome.error
        # What a setup gave is kept however long it took: as a failure, nobody would clean it up.
        if self._schedule.role[call.node] != ORDINARY or isinstance(error, (TaskTimeoutSignal, TaskCancelled)):
            return outcome
        if error is not None and ends_run(error):
            return outcome
        return Outcome(None, timed_out(call.task).result)
