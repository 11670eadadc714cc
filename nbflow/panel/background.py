"""Work done aside: on a thread of its own, so that no callback waits for it; of several asks the latest counts."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Background:
    """Does what is asked for on daemon threads, which end with it.

    What users' values do when they are compared may hang; then its thread is left to itself, and the next ask has
    another one.

    Args:
        guarded: Calls something and shows what it raises.
        name: What the threads are called.
    """

    def __init__(self, guarded: Callable[[Callable[[], object]], None], name: str) -> None:
        self._guarded = guarded
        self._name = name
        self._lock = threading.Lock()
        self._latest: object = None
        self._threads: set[threading.Thread] = set()

    def ask(self, work: Callable[[Callable[[], bool]], object]) -> None:
        """Call `work(is_latest)` on a thread; `is_latest()` turns False when something else is asked for."""
        token = object()

        def perform() -> None:
            try:
                self._guarded(lambda: work(lambda: self._latest is token))
            finally:
                with self._lock:
                    self._threads.discard(thread)

        # With its context: what a run prints goes to the cell that it was started from.
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(perform,), name=f"nbflow-{self._name}", daemon=True
        )
        with self._lock:
            self._latest = token
            self._threads.add(thread)
            thread.start()  # in here: nobody finds a thread among them that was not started

    def drop(self) -> None:
        """Let nothing count that was asked for so far."""
        self._latest = None

    def settle(self, timeout_s: float = 60) -> None:
        """Wait for all that was asked for; for tests."""
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(timeout_s)
