"""The place where a call is made: in the run's own thread, or by the executor's session on another."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from nbflow.core.signals import TaskTimeoutSignal
from nbflow.engine.attempt import Call, Outcome, TaskCancelled, perform, perform_on_worker
from nbflow.engine.call_values import fetch_first, hands_on, send_references
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.engine.raised import ends_run
from nbflow.engine.task_runner import timed_out

if TYPE_CHECKING:
    import threading
    from collections import deque
    from collections.abc import Sequence

    from nbflow.core.task import Task
    from nbflow.engine.block_executors import BlockExecutors
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.deadlines import Deadlines
    from nbflow.engine.executor import Session
    from nbflow.engine.fast_path import FastPath
    from nbflow.engine.interrupts import Guard
    from nbflow.engine.schedule import Schedule
    from nbflow.engine.worker_scopes import WorkerScopes


class CallMaker:
    """Makes the calls of a run.

    Args:
        performed: The calls that the run's thread has made, for it to look at.
        free: By task, whether it needs no thread: parameters and constants.
        is_direct: Whether the run blocks its caller and its thread makes all calls.

    Attributes:
        executors: The executors at work; the run's own has no session in a direct run.
    """

    def __init__(
        self,
        executors: BlockExecutors,
        calls: dict[int, Call],
        performed: deque[tuple[Call, Outcome]],
        schedule: Schedule,
        fast_path: FastPath,
        deadlines: Deadlines,
        cancellation: Cancellation,
        guard: Guard,
        free: Sequence[bool],
        is_direct: bool,
        worker_scopes: WorkerScopes,
    ) -> None:
        self.executors = executors
        self._calls, self._performed, self._schedule = calls, performed, schedule
        self._free, self._fast_path, self._deadlines = free, fast_path, deadlines
        self._cancellation, self._guard, self._is_direct = cancellation, guard, is_direct
        self._worker_scopes = worker_scopes

    def make(self, call: Call) -> None:
        """Make a call: here in a blocking inline run (and for parameters and constants always), else on a thread."""
        self._calls[call.node] = call
        role = self._schedule.role[call.node]
        if role == CLEANUP and (lifetime := self._schedule.own[call.node]) is not None:  # its last task has let go
            if self.executors.fetch_ahead(lifetime, lambda: self._make_after(call)):
                return
            self.executors.close(lifetime)
        session = self.executors.session_of(call.node)
        if session is not None and not self._is_made_here(call):
            self._deadlines.begin(call)
            call.session = session
            call.is_remote = role == ORDINARY and _goes_elsewhere(session, call.task)
            if call.takes_references and role == ORDINARY:
                (send_references if call.is_remote else fetch_first)(call)
            if self._worker_scopes.is_on and role == ORDINARY:
                self._worker_scopes.check(call, session.orders if call.is_remote else None)
            session.submit(call, lifecycle=role != ORDINARY)
            return
        if call.takes_references and role == ORDINARY:
            fetch_first(call)
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

    def _make_after(self, call: Call) -> None:
        """Make a cleanup's call that has waited for values, unless it was ended meanwhile."""
        if self._calls.get(call.node) is call:
            self.make(call)

    def _is_made_here(self, call: Call) -> bool:
        """Tell whether a call needs no thread: what it does takes no time, and fetches nothing."""
        if call.takes_references:
            return hands_on(call.task)
        return self._free[self._schedule.task_of[call.node]]

    def submit(self, node: int) -> bool:
        """Hand a node that the scheduler gave to the executor, if it is a simple one."""
        if self._free[self._schedule.task_of[node]]:
            return False
        session = self.executors.session_of(node)
        if session is None:
            return False
        is_remote = _goes_elsewhere(session, self._schedule.task(node))
        # In one that is to stop midway a worker is free for it: to call it back would be to give it again, for ever.
        call = self._fast_path.start(node, ahead=is_remote and self._schedule.goes_through, is_remote=is_remote)
        if call is None:
            return False
        self._hand_over(call, session, is_remote=is_remote)
        return True

    def go_early(self) -> bool:
        """Hand over a node that can go before what is upstream of it has ended, if there is one and use for it."""
        node = self._schedule.early.pop()
        if node is None:
            return False
        session = self.executors.session_of(node)
        if session is not None and _goes_elsewhere(session, self._schedule.task(node)):
            call = self._fast_path.start_early(node)
            if call is not None:
                self._hand_over(call, session, is_remote=True)
        return True

    def _hand_over(self, call: Call, session: Session, *, is_remote: bool) -> None:
        call.session, call.is_remote = session, is_remote
        if self._worker_scopes.is_on:
            self._worker_scopes.check(call, session.orders if is_remote else None)
        session.submit(call, lifecycle=False)
        if is_remote and session.takes_expected:
            self._schedule.early.handed_out(call.node)

    def recall(self) -> None:
        """Have what was handed over ahead come back: the run is to stop before it begins."""
        if any(call.is_ahead for call in self._calls.values()):
            self.executors.recall()

    def _overdue(self, call: Call, outcome: Outcome) -> Outcome:
        """Return what a call that took too long came to: timed out, also where the task has swallowed that."""
        error = outcome.error
        # What a setup gave is kept however long it took: as a failure, nobody would clean it up.
        if self._schedule.role[call.node] != ORDINARY or isinstance(error, (TaskTimeoutSignal, TaskCancelled)):
            return outcome
        if error is not None and ends_run(error):
            return outcome
        return Outcome(None, timed_out(call.task).result)


def _goes_elsewhere(session: Session, task: Task) -> bool:
    """Tell whether another process calls a task; an asynchronous one belongs to the event loop of the run (rule 16)."""
    if not session.is_remote:
        return False
    code = getattr(task.run, "__code__", None)
    return code is None or not code.co_flags & inspect.CO_COROUTINE
