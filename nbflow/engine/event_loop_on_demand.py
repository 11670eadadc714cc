"""The event loop of a run, before anything asynchronous has come: asyncio takes longer to import than all of nbflow."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from nbflow.engine.event_loop import EventLoop


class EventLoopOnDemand:
    """Makes an `EventLoop` when it is first asked for; see there for the arguments."""

    def __init__(self, name: str, inner: Callable[[int], bool]) -> None:
        self.inner, self._name = inner, name
        self._lock = threading.Lock()
        self._made: EventLoop | None = None
        self.is_closed = False

    def get(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop, started; None if the run is over."""
        from nbflow.engine.event_loop import EventLoop

        with self._lock:
            if self._made is None and not self.is_closed:
                self._made = EventLoop(self._name, self.inner)
            return None if self._made is None else self._made.get()

    @property
    def has_ended(self) -> bool:
        """True when nothing that waits for its turn will come to it any more."""
        return self.is_closed and (self._made is None or not self._made.is_turning)

    @property
    def thread_id(self) -> int | None:
        """The thread in which it turns."""
        return None if self._made is None else self._made.thread_id

    def close(self, timeout_s: float) -> None:
        """Let it end, if it was made, waiting at most this long."""
        with self._lock:
            self.is_closed = True
            made = self._made
        if made is not None:
            made.close(timeout_s)
