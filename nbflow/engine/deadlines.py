"""The deadlines of calls: when one gets an exception, and when nobody waits for it any more.

The two are apart, because a thread cannot be stopped for certain. After the second its task ends without it, and only
its block's cleanup goes on waiting for the thread (rule 3).
"""

from __future__ import annotations

import heapq
import itertools
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.signals import TaskTimeoutSignal
from nbflow.core.states import Cancelled, Failed
from nbflow.engine import cancellation as times
from nbflow.engine.attempt import TaskCancelled
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.engine.interrupts import SHIELDED_INTERRUPTS
from nbflow.engine.runs_at_work import stop_runs_of
from nbflow.engine.task_runner import timed_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.states import State
    from nbflow.engine.attempt import Call
    from nbflow.engine.call_stopper import CallStopper
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.lingering import Lingering
    from nbflow.engine.schedule import Schedule


class Deadlines:
    """Ends the calls of a run that take too long, or are to stop."""

    def __init__(
        self,
        calls: dict[int, Call],
        schedule: Schedule,
        clock: Callable[[], float],
        stopper: CallStopper,
        lingering: Lingering,
        lifecycle: Lifecycle,
        cancellation: Cancellation,
        finish: Callable[[Call, State], object],
    ) -> None:
        self._calls, self._schedule, self._clock = calls, schedule, clock
        self._stopper, self._lingering = stopper, lingering
        self._open_resource, self._cancellation = lifecycle.open_resource, cancellation
        self._finish = finish

        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = itertools.count()  # of two that are due at once the first comes first; actions have no order

    # -- what the run's thread does itself, so that it meets nothing that another one is changing -------------

    def after(self, delay_s: float, action: Callable[..., None], *args: Any) -> None:
        """Have `action` called by the run's thread in so many seconds."""
        heapq.heappush(self._due, (self._clock() + delay_s, next(self._number), action, args))

    @property
    def next_at(self) -> float | None:
        """The time at which the next action is due."""
        return self._due[0][0] if self._due else None

    def fire(self, now: float) -> None:
        """Do what is due."""
        while self._due and self._due[0][0] <= now:
            _, _, action, args = heapq.heappop(self._due)
            action(*args)

    def clear(self) -> None:
        """Forget all that is due: the run is over."""
        self._due.clear()

    # -- of calls on other threads ----------------------------------------------------------------------------

    def begin(self, call: Call) -> None:
        """Set the deadlines of a call that is about to be handed to a thread."""
        if call.task.timeout is not None:
            self.after(call.task.timeout, self._time_out, call)
        if self._cancellation.is_on:
            self._set(call)

    def ask_to_stop(self) -> None:
        """Ask all calls of a run that is cancelled to stop, and set their deadlines."""
        for call in tuple(self._calls.values()):
            call.stop_requested = True
            stop_runs_of(call)
            self._set(call)
        for call in self._lingering.outlasting:  # over themselves, but their threads may wait for runs of their own
            stop_runs_of(call)

    def shorten(self) -> None:
        """Set all deadlines once more, as the user has asked a second time."""
        self._schedule.shorten_graces()
        for call in tuple(self._calls.values()):
            self._set(call)

    def give_threads_up(self) -> None:
        """Wait for no task any more, as the process ends; setups and cleanups are waited for (rule 13)."""
        self._schedule.shorten_graces()
        for call in tuple(self._calls.values()):
            if not (call.shielded or call.is_setup):
                self._give_up_on(call)

    def _set(self, call: Call) -> None:
        # A longer one that was set before stays, and finds that the call is over.
        after, hurry = self.after, self._cancellation.is_hurried
        if self._schedule.role[call.node] == CLEANUP:
            after(self.cleanup_limit_s(call), self._give_up_on, call)
        elif not call.is_setup:
            after(0.0 if hurry else times.HIT_AFTER_S, self._stopper.hit, call, TaskCancelled)
            after(0.1 if hurry else times.LINGER_AFTER_S, self._give_up_on, call)
        elif hurry:  # a setup is left to end, unless the user asks again (rule 13)
            after(times.HURRIED_S, self._stopper.hit, call, TaskCancelled)
            after(times.HURRIED_S + 0.1, self._give_up_on, call)

    def cleanup_limit_s(self, call: Call, *, hurry: bool = False) -> float:
        """Return for how many seconds a cleanup task may go on in a run that is being cancelled."""
        return self._cancellation.cleanup_limit_s(self._open_resource(call.node), hurry=hurry)

    def _time_out(self, call: Call) -> None:
        if self._calls.get(call.node) is call:  # else it has ended, and its node may have another one by now
            self._lingering.add(call, "timed out")
            call.stop_requested = True  # a task may look at the flag where no exception can reach its thread
            stop_runs_of(call)
            if self._schedule.role[call.node] == ORDINARY:  # no time-out tears a setup or a cleanup (rule 13)
                call.hit(TaskTimeoutSignal)
            self._finish(call, timed_out(call.task))

    def _give_up_on(self, call: Call) -> None:
        """End a task whose thread has not let go."""
        if self._calls.get(call.node) is call:
            # First, so that `finish` finds that the thread is still at work, and starts no second setup beside it.
            self._lingering.add(call, "was cancelled")
            if self._schedule.role[call.node] == CLEANUP:
                late = TimeoutError(f"the cleanup task {call.task.name!r} did not end in time")
                self._finish(call, Failed(str(late), result=late))
            else:
                self._finish(call, Cancelled("The run was cancelled."))

    # -- of calls on the run's own thread ---------------------------------------------------------------------

    def begin_here(self, call: Call) -> tuple[threading.Timer, ...]:
        """Start what stops a call that the run's own thread makes: nobody else looks at the clock meanwhile."""
        timers = []
        if call.task.timeout is not None:
            timers.append(self._stopper.time_out_after(call.task.timeout, call, TaskTimeoutSignal))
        if self._cancellation.is_on and call.shielded:
            timers.append(self._stopper.hit_after(self.cleanup_limit_s(call), call, TaskTimeoutSignal))
        return tuple(timers)

    def cancel_here(self) -> None:
        """Stop the call that the run's thread makes, from another thread: it reads its messages when that has ended."""
        for call in tuple(self._calls.values()):
            call.stop_requested = True
            stop_runs_of(call)
            if call.shielded:
                self._stopper.hit_after(self.cleanup_limit_s(call), call, TaskTimeoutSignal)
            elif not call.is_setup:  # which is left to end (rule 13)
                self._stopper.hit_after(times.HIT_AFTER_S, call, TaskCancelled)

    def interrupt_here(self, count: int) -> None:
        """Limit the setup or cleanup that the run's thread makes, in the handler of the user's interrupt.

        A task needs no limit, as the interrupt itself is raised in it.
        """
        for call in tuple(self._calls.values()):
            if call.shielded:
                limit_s = self.cleanup_limit_s(call, hurry=count == 2)
                self._stopper.hit_after(limit_s, call, TaskTimeoutSignal)
            elif call.is_setup and count == 2:
                self._stopper.hit_after(times.HURRIED_S, call, TaskCancelled)

    def say_what_is_waited_for(self, count: int) -> None:
        """Tell the user who has asked to stop what is left to end, and what a further press does; from any thread."""
        calls = [call for call in tuple(self._calls.values()) if call.shielded or call.is_setup]
        if not calls or count >= SHIELDED_INTERRUPTS:
            return
        call, held = calls[0], self._open_resource(calls[0].node)
        what = f"{'setup' if call.is_setup else 'cleanup'} of {held.name if held else call.task.name}"
        more = f" and {len(calls) - 1} more" if len(calls) > 1 else ""
        left = "" if count == 1 else f", {times.HURRIED_S:g} s at most"
        then = "cut it" if call.is_setup or count == 2 else "shorten it"
        text = f"waiting for {what}{more}{left}; press again to {then}\n"
        # Of its own thread: the signal may have come in the middle of a line that writes to the same stream.
        threading.Thread(target=_say, args=(text,), daemon=True).start()


def _say(text: str) -> None:
    with suppress(Exception):  # there may be no stream any more
        sys.stderr.write(text)
        sys.stderr.flush()
