"""The queue of a run; in one that blocks the main thread no wait is long, as a signal ends none by itself."""

from __future__ import annotations

import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE_S = 0.1
Message = tuple["Callable[..., None]", tuple[Any, ...]]


class Inbox(Protocol):
    """The queue of messages to a run's thread, as far as it is used."""

    def put(self, item: Message) -> None:
        """Add a message; from any thread."""

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        """Take the oldest message, waiting for one at most `timeout` seconds; raises `queue.Empty`."""

    def empty(self) -> bool:
        """Tell whether there is none."""


class InterruptibleQueue(SimpleQueue[Any]):
    """A `SimpleQueue` whose `get` lets a signal that has just come be handled, however long it waits.

    Python looks for signals between two bytecodes, and when one arrives during a wait. One that arrives after the last
    look and before the wait begins - which is long on a busy machine, where other threads take the interpreter first -
    would be handled after the next message only: the stop button would do nothing.
    """

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take a message, waiting this long (or for ever) if it must `block`; queue.Empty if none came in time."""
        if not block:
            return super().get(False)
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left_s = SLICE_S if until is None else until - time.monotonic()
            try:
                return super().get(True, max(0.0, min(SLICE_S, left_s)))
            except Empty:
                if until is not None and time.monotonic() >= until:
                    raise
