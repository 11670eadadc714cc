"""Turns many changes into few messages: the keys that changed, handed on at most once every interval.

Only keys are kept, so whoever receives them reads the latest value of each; nothing queues up behind a slow
front end. Time and timers arrive as arguments.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class Timer(Protocol):
    """What `call_later` returns."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has been made."""


def call_on_thread(delay_s: float, call: Callable[[], None]) -> Timer:
    """Call on a thread of its own after a delay; the thread ends with the call."""
    timer = threading.Timer(delay_s, call)
    timer.name = "nbflow-panel"
    timer.daemon = True
    timer.start()
    return timer


class Coalescer:
    """Collects the keys that changed and flushes them at most once every `interval_s`.

    `mark` may be called from any thread and costs well under a microsecond; `flush` is called with the keys
    in the order of their first change, never by two threads at once.
    """

    def __init__(
        self,
        flush: Callable[[tuple[Hashable, ...]], None],
        *,
        interval_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], Timer] = call_on_thread,
    ) -> None:
        self._flush = flush
        self._interval_s = interval_s
        self._clock = clock
        self._call_later = call_later
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._keys: dict[Hashable, None] = {}
        self._timer: Timer | None = None
        self._next = clock()
        self._closed = False

    def mark(self, key: Hashable) -> None:
        """Note that `key` changed; the first change in an interval sets the timer."""
        with self._lock:
            self._keys[key] = None
            if self._timer is not None or self._closed:
                return
            self._timer = self._call_later(max(0.0, self._next - self._clock()), self._fire)

    def close(self) -> None:
        """Flush what is left on the caller's thread and set no timer any more. Twice is harmless."""
        with self._lock:
            self._closed = True
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._fire()

    def _fire(self) -> None:
        # One lock around taking and flushing: a later flush can never overtake an earlier one.
        with self._flushing:
            with self._lock:
                keys, self._keys = tuple(self._keys), {}
                self._timer = None
                self._next = self._clock() + self._interval_s
            if keys:
                self._flush(keys)
