"""Threads that pickle and write results behind a run, or while it waits, but not for ever.

Most results are written *behind* the run, which goes on meanwhile. What somebody may change before it is pickled, and
cannot be copied, is pickled while the run waits: else what is kept might never have existed. That a class of a user's
hangs when it is pickled, or a disk does not answer, must not keep a run from its cleanups or its end; so each job has
a limited time, and its result is not kept when that is over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_S = 30.0
LIMIT_OF_CANCELLED_S = 1.0  # without progress
BEHIND = 2  # threads
GATHER_S = 0.02  # small results are written together, so that the run is not interrupted for each
_SLICE_S = 0.05
_MOST_STUCK = 2


class Job:
    """One thing to be done. Either it is done, or it has been given up: never both.

    Args:
        work: Does it; calls `settle` before it makes anything last, and drops it all if that says False.
        give_up: Called on the run's thread when it took too long.
        size: About how many bytes it keeps in memory.
    """

    __slots__ = ("_is_settled", "_lock", "began", "ended", "give_up", "moved", "size", "work")

    def __init__(self, work: Callable[[Job], None], give_up: Callable[[], None] | None = None, size: int = 0) -> None:
        self.work: Callable[[Job], None] | None = work
        self.give_up = give_up
        self.size = size
        self.began: float | None = None
        self.moved = 0.0
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._is_settled = False

    def tick(self) -> None:
        """Say that it goes forward: in a cancelled run only what makes no progress is given up early."""
        self.moved = time.monotonic()

    def settle(self) -> bool:
        """Claim the right to commit it, or to give it up; True for the first who asks."""
        with self._lock:
            was, self._is_settled = self._is_settled, True
        return not was


class Lane:
    """A queue of jobs and the threads that do them, which are started when they are needed.

    Args:
        name: What the threads are called.
        threads: How many there are at most.
        gather_s: How long a thread that has found a small job waits for more of them.
    """

    def __init__(self, name: str, threads: int, gather_s: float = 0.0) -> None:
        self._name = name
        self._most = threads
        self._gather_s = gather_s
        self._changed = threading.Condition()
        self._queue: deque[Job] = deque()
        self._running: set[Job] = set()
        self._stuck: set[Job] = set()
        self._threads = 0
        self._idle = 0
        self._is_closed = False
        self._in_hurry = 0  # how many wait for its jobs
        self.size = 0

    @property
    def is_blocked(self) -> bool:
        """Whether so many of its threads hang that it does nothing any more."""
        return len(self._stuck) > _MOST_STUCK

    def put(self, job: Job) -> None:
        """Add a job."""
        with self._changed:
            self._queue.append(job)
            self.size += job.size
            self._start_threads()
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of all jobs; False if there are still some."""
        with self._changed:
            self._in_hurry += 1
            self._changed.notify_all()
            found = self._changed.wait_for(lambda: not self._queue and not self._running, timeout_s)
            self._in_hurry -= 1
        return found

    def give_up_late(self, limit_s: float, still_s: float | None = None) -> list[Job]:
        """Give up the jobs that take too long, and return them: their threads end when they can.

        Args:
            limit_s: How long a job may take.
            still_s: How long it may make no progress; None for as long as it may take.
        """
        if not self._running:
            return []
        now, late = time.monotonic(), []
        with self._changed:
            for job in tuple(self._running):
                if job.began is None:
                    continue
                is_late = now - job.began > limit_s or (still_s is not None and now - job.moved > still_s)
                if is_late and job.settle():
                    late.append(job)
                    self._running.discard(job)
                    self._stuck.add(job)
                    self._threads -= 1
                    self.size -= job.size
            if late and self.is_blocked:
                late += self._drop_all()
            self._start_threads()
            self._changed.notify_all()
        return late

    def _start_threads(self) -> None:
        while len(self._queue) > self._idle and self._threads < self._most:
            self._threads += 1
            self._idle += 1  # until it has found a job
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()

    def _drop_all(self) -> list[Job]:
        dropped = [job for job in self._queue if job.settle()]
        self.size -= sum(job.size for job in self._queue)
        self._queue.clear()
        return dropped

    def close(self) -> None:
        """End the threads when the jobs are done."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _serve(self) -> None:
        with self._changed:
            self._idle -= 1
        while (job := self._next()) is not None:
            try:
                if job.work is not None:
                    job.work(job)
            except BaseException:
                logging.getLogger("nbflow").exception("a job of a store failed")
            job.work = None  # it holds the value
            job.ended.set()
            if self._is_given_up(job):
                return

    def _next(self) -> Job | None:
        with self._changed:
            self._idle += 1
            try:
                while not self._queue:
                    if self._is_closed:
                        self._threads -= 1
                        return None
                    self._changed.wait()
                    if self._gather_s and self._queue and not self._queue[0].size:
                        self._changed.wait_for(lambda: self._in_hurry > 0 or self._is_closed, self._gather_s)
            finally:
                self._idle -= 1
            job = self._queue.popleft()
            job.began = job.moved = time.monotonic()
            self._running.add(job)
            return job

    def _is_given_up(self, job: Job) -> bool:
        with self._changed:
            if job in self._running:
                self._running.discard(job)
                self.size -= job.size
                self._changed.notify_all()
                return False
            was_stuck = job in self._stuck
            self._stuck.discard(job)
        return was_stuck


class Writer:
    """Does the jobs of one run.

    Args:
        name: What its threads are called.
        is_hurried: Whether the run was told to stop, asked again and again while it waits.
        limit_s: How long a job may take.
    """

    def __init__(self, name: str, is_hurried: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
        self._is_hurried = is_hurried
        self._limit_s = limit_s
        self._at_once = Lane(name, 1)
        self._behind = Lane(name, BEHIND, GATHER_S)

    @property
    def size(self) -> int:
        """About how many bytes wait to be written."""
        return self._behind.size

    def do(self, work: Callable[[Job], None]) -> bool:
        """Have `work(job)` done and wait for its end; False if it took too long and was given up."""
        if self._at_once.is_blocked:
            return False
        job = Job(work)
        self._at_once.put(job)
        while not job.ended.wait(_SLICE_S):
            if job in self._at_once.give_up_late(*self._limits()):
                return False
        return True

    def later(self, job: Job) -> None:
        """Have a job done behind the run."""
        self.look()
        if self._behind.is_blocked:
            if job.settle() and job.give_up is not None:
                job.give_up()
            return
        self._behind.put(job)

    def look(self) -> None:
        """Give up what takes too long."""
        for job in self._behind.give_up_late(*self._limits()):
            if job.give_up is not None:
                job.give_up()

    def wait(self) -> None:
        """Wait until all is written, or given up by the run; from any thread."""
        while not self._behind.wait(_SLICE_S):
            pass

    def finish(self) -> None:
        """Wait until all is written, or give it up."""
        while not self._behind.wait(_SLICE_S):
            self.look()

    def close(self) -> None:
        """End the threads when their jobs are done."""
        self._at_once.close()
        self._behind.close()

    def _limits(self) -> tuple[float, float | None]:
        return self._limit_s, LIMIT_OF_CANCELLED_S if self._is_hurried() else None
