"""A thread that draws what was wished for last, and ends when there is nothing to draw."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LayoutThread:
    """Does jobs one after the other on a daemon thread. Of each kind only the latest one that waits is done."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[str, Callable[[], object]] = {}
        self._is_busy = False

    def wish(self, kind: str, job: Callable[[], object]) -> None:
        """Have `job` done soon, instead of another of its kind that has not begun. It sees to its own errors."""
        with self._changed:
            self._jobs[kind] = job
            if not self._is_busy:
                threading.Thread(target=self._work, name="nbflow-panel-draw", daemon=True).start()
                self._is_busy = True  # only now: at the interpreter's end no thread can be started

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is done, and tell whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_busy, timeout_s)

    def forget(self) -> None:
        """Begin none of the jobs that wait."""
        with self._changed:
            self._jobs.clear()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._end()
                    return
                job = self._jobs.pop(next(iter(self._jobs)))
            try:
                job()
            except BaseException:
                # Whoever waits is not kept waiting, and the next wish starts another thread.
                with self._changed:
                    self._jobs.clear()
                    self._end()
                raise

    def _end(self) -> None:
        self._is_busy = False
        self._changed.notify_all()
