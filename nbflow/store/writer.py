"""A thread that pickles and writes results while the run waits, but not for ever.

A result is pickled before any other task can change it: else what is kept might never have existed. That a class of
a user's hangs when it is pickled, or a disk does not answer, must not keep a run from its cleanups; so the run waits
for a limited time, and the result is not kept then.
"""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 30.0
LIMIT_OF_CANCELLED_S = 1.0
_SLICE_S = 0.05
_MOST_STUCK = 2


class Job:
    """One thing to be written. Either it is done, or it has been given up: never both."""

    __slots__ = ("_is_settled", "_lock", "ended", "work")

    def __init__(self, work: Callable[[Job], None]) -> None:
        self.work = work
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._is_settled = False

    def settle(self) -> bool:
        """Claim the right to commit it, or to give it up; True for the first who asks."""
        with self._lock:
            was, self._is_settled = self._is_settled, True
        return not was


class Writer:
    """Does one job after the other on a thread of its own, which is started with the first.

    Args:
        name: What the thread is called.
        is_hurried: Whether the run was told to stop, asked again and again while it waits.
        limit_s: How long a job may take.
    """

    def __init__(self, name: str, is_hurried: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
        self._name = name
        self._is_hurried = is_hurried
        self._limit_s = limit_s
        self._jobs: SimpleQueue[Job | None] | None = None
        self._stuck = 0

    def do(self, work: Callable[[Job], None]) -> bool:
        """Have `work(job)` done and wait for its end; False if it took too long and was given up.

        It calls `job.settle()` before it makes anything last, and drops it all if that says False.
        """
        if self._stuck > _MOST_STUCK:
            return False
        if self._jobs is None:
            self._jobs = SimpleQueue()
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        job = Job(work)
        self._jobs.put(job)
        began = time.monotonic()
        while not job.ended.wait(_SLICE_S):
            limit_s = min(LIMIT_OF_CANCELLED_S, self._limit_s) if self._is_hurried() else self._limit_s
            if time.monotonic() - began > limit_s and job.settle():
                self._stuck += 1
                self.close()  # it ends when it can; the next job gets another thread
                return False
        return True

    def close(self) -> None:
        """End the thread when its jobs are done."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


def _work(jobs: SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        try:
            job.work(job)
        finally:
            job.ended.set()
