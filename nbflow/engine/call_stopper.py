"""The exception that stops a call: raised in the thread that makes it, now or later, from any thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbflow.engine.attempt import AWAITED
from nbflow.engine.interrupts import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call

MISSED_S = 0.05  # until an interrupt that met code of nbflow's tries again to meet the user's


class CallStopper:
    """Raises exceptions in calls.

    A call of a run that blocks the main thread is reached through the guard's signal, one on a worker by an exception
    sent to its thread, and one that blocks on a run of its own by cancelling that run (rule 14).

    Args:
        on_interrupt: Is told how often the user has asked to stop, in the signal's handler.
        timer: Makes the timers; another than `threading.Timer` is for simulations.

    Attributes:
        guard: Takes the interrupts of the main thread.
    """

    def __init__(
        self, on_interrupt: Callable[[int], None], timer: Callable[..., threading.Timer] = threading.Timer
    ) -> None:
        self.guard = Guard(on_interrupt, self._missed)
        self._timer = timer

    def hit(self, call: Call, error: type[BaseException]) -> None:
        """Raise `error` in a call, wherever it is made; one that is over is left alone."""
        if call.is_over:
            return
        if call.inner is not None:
            call.inner.end_with(error)
        elif not self.guard.interrupt(call, error):
            call.hit(error)

    def hit_after(self, delay_s: float, call: Call, error: type[BaseException]) -> threading.Timer:
        """Hit a call in so many seconds, from a thread of its own: the run's thread may be the one that makes it."""
        return self._start(delay_s, self.hit, call, error)

    def time_out_after(self, delay_s: float, call: Call, error: type[BaseException]) -> threading.Timer:
        """Hit a call in so many seconds and note that it took too long, which it may not show by what it returns."""
        return self._start(delay_s, self.time_is_up, call, error)

    def time_is_up(self, call: Call, error: type[BaseException]) -> None:
        """Note that a call took too long, and hit it."""
        if not call.is_over:
            call.is_overdue = True
            self.hit(call, error)

    def _start(
        self,
        delay_s: float,
        action: Callable[[Call, type[BaseException]], None],
        call: Call,
        error: type[BaseException],
    ) -> threading.Timer:
        timer = self._timer(min(delay_s, threading.TIMEOUT_MAX), action, (call, error))
        timer.daemon = True  # a script that ends does not wait for a deadline of what is over
        timer.start()
        return timer

    def _missed(self, call: Call, error: type[BaseException]) -> None:
        """An interrupt met code of nbflow's while the call was made: try again in a moment, at the user's code."""
        awaited = AWAITED.get(threading.get_ident())
        if awaited is not None:  # the coroutine that it waits for is the user's code
            awaited.cancel(error)
        elif not call.is_over:
            self.hit_after(MISSED_S, call, error)
