"""Turns many changes into few messages: the keys that changed, handed on together and seldom.

Only keys are kept, so whoever receives them reads the latest value of each; nothing queues up behind a slow
front end. Time and timers arrive as arguments.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# Between two flushes passes at least so many times what a flush costs: it takes 1/21 of the kernel's time at most.
PATIENCE = 20
_LONGEST_S = 1.0


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has been made."""


def call_on_thread(delay_s: float, call: Callable[[], float | None]) -> Timer:
    """Call on a thread of its own after a delay, and again as long as it returns another; then the thread ends."""
    return _Thread(delay_s, call)


class _Thread:
    """One thread for as long as there is something to say: starting one for each message would cost more."""

    def __init__(self, delay_s: float, call: Callable[[], float | None]) -> None:
        self._cancelled = threading.Event()
        threading.Thread(target=self._work, args=(delay_s, call), name="nbflow-panel", daemon=True).start()

    def cancel(self) -> None:
        self._cancelled.set()

    def _work(self, delay_s: float | None, call: Callable[[], float | None]) -> None:
        while delay_s is not None and not self._cancelled.wait(delay_s):
            delay_s = call()


class Throttle:
    """Collects the keys that changed and flushes them at most once every `interval_s`, less often if that is dear.

    `mark` may be called from any thread and costs well under a microsecond; `flush` is called with the keys
    in the order of their first change, never by two threads at once.

    Args:
        flush: Takes the keys.
        interval_s: The least time from one flush to the next.
        clock: Tells the time.
        cost: Tells how long the calling thread has been busy; waiting for others is no cost.
        call_later: Calls after a delay, and again after each delay that the call returns.
    """

    def __init__(
        self,
        flush: Callable[[tuple[Hashable, ...]], None],
        *,
        interval_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        cost: Callable[[], float] = time.thread_time,
        call_later: Callable[[float, Callable[[], float | None]], Timer] = call_on_thread,
    ) -> None:
        self._flush = flush
        self._interval_s = interval_s
        self._clock = clock
        self._cost = cost
        self._call_later = call_later
        self._lock = threading.Lock()
        self._flushing = threading.RLock()  # a flush may close what it flushes
        self._keys: dict[Hashable, None] = {}
        self._timer: Timer | None = None
        self._next = clock()
        self._closed = False

    def mark(self, key: Hashable) -> None:
        """Note that `key` changed; the first change in an interval sets the timer."""
        # Without a lock, for this is done on the run's thread: noted first, then looked whether somebody will come.
        # Whoever is about to leave says so first, and then looks whether something was noted.
        self._keys[key] = None
        if self._timer is None:
            self._start()

    def flush_now(self) -> None:
        """Flush what there is on the caller's thread, before its time."""
        self._flush_keys()

    def close(self) -> None:
        """Flush what is left on the caller's thread and set no timer any more. Twice is harmless."""
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._flush_keys()

    def _start(self) -> None:
        with self._lock:
            if self._timer is None and not self._closed:
                self._timer = self._call_later(max(0.0, self._next - self._clock()), self._fire)

    def _fire(self) -> float | None:
        """Flush on the timer's thread, and return after how many seconds to look again; None: it may end."""
        pause_s = None
        try:
            pause_s = self._flush_keys()
        finally:
            if pause_s is None:
                self._leave()
        return None if self._closed else pause_s

    def _flush_keys(self) -> float | None:
        """Flush what there is, and return how long to let the next flush wait; None if there was nothing."""
        # One lock around taking and flushing: a later flush can never overtake an earlier one.
        with self._flushing:
            keys = self._take()
            if not keys:
                return None
            pause_s, began = self._interval_s, self._cost()
            try:
                self._flush(keys)
                pause_s = max(pause_s, min(_LONGEST_S, PATIENCE * (self._cost() - began)))
            finally:
                self._next = self._clock() + pause_s
            return pause_s

    def _leave(self) -> None:
        with self._lock:  # whoever has set this timer may not have noted it yet
            self._timer = None
        if self._keys:
            self._start()

    def _take(self) -> tuple[Hashable, ...]:
        # What is marked again between these two lines is read after them, so it is told all the same.
        # A copy is made at one go; what walks through them may be interrupted by another thread's mark.
        keys = tuple(self._keys.copy())
        for key in keys:
            del self._keys[key]
        return keys
