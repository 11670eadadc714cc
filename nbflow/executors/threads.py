"""A pool of threads for tasks, and threads of their own for init, setup and cleanup."""

from __future__ import annotations

import os
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from nbflow.core.context import context_without_work
from nbflow.engine.attempt import close_loop, perform_on_worker

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.engine.executor import Report
    from nbflow.engine.remote_value import RemoteValue
    from nbflow.engine.worker_manager import WorkerOrders


class ThreadExecutor:
    """Run up to `max_workers` tasks at once, each in a thread.

    Args:
        max_workers: How many tasks may run at once; by default as `concurrent.futures.ThreadPoolExecutor`.
        scheduler: ``"threads"``, or for Prefect 1 flows ``"synchronous"``, which is one worker.
        num_workers: The same as `max_workers`, by its Prefect 1 name.

    Raises:
        ValueError: If fewer than one worker is asked for.

    Example:
        >>> ThreadExecutor(4).capacity
        4
    """

    serial = False

    def __init__(
        self, max_workers: int | None = None, *, scheduler: str = "threads", num_workers: int | None = None
    ) -> None:
        wanted = max_workers if max_workers is not None else num_workers
        if wanted is not None and wanted < 1:
            raise ValueError(f"max_workers must be at least 1, got {wanted!r}")
        if scheduler not in ("threads", "sync", "synchronous", "single-threaded"):
            raise ValueError(
                f"unknown scheduler {scheduler!r}; "
                "use 'threads', executor='inline' for one thread, or executor='processes'"
            )
        if scheduler != "threads":
            wanted = 1
        self.capacity = wanted or min(32, (os.cpu_count() or 1) + 4)

    def __repr__(self) -> str:
        return f"<ThreadExecutor: {self.capacity}>"

    def open(self, report: Report, *, name: str) -> ThreadSession:
        """Begin to serve a run."""
        return ThreadSession(report, name=name, serial=False)


class ThreadSession:
    """The threads of one run: made when needed, kept until its end, never more than calls at once.

    They are daemons, since one that hangs must not keep the interpreter alive; `close` waits for the others.
    """

    is_remote = takes_expected = False
    keeps_values = True
    orders: WorkerOrders | None = None

    def __init__(self, report: Report, *, name: str, serial: bool) -> None:
        self._report, self._name = report, name
        self._tasks = Lane()
        self._lifecycle = self._tasks if serial else Lane()

    @property
    def ahead(self) -> int:
        """The number of calls that may wait for a thread: none."""
        return 0

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        """Hand a call to an idle thread, or to a new one."""
        lane = self._lifecycle if lifecycle else self._tasks
        if lane.idle:
            lane.idle -= 1
        else:
            self._start(lane)
        lane.calls.put(call)

    def flush(self) -> None:
        """Do nothing: each call was begun when it came."""

    def recall(self) -> None:
        """Do nothing: no call waits."""

    def free(self, *, lifecycle: bool) -> None:
        """Note that the thread of a reported call may take another (told by the run's thread, so without a lock)."""
        (self._lifecycle if lifecycle else self._tasks).idle += 1

    def has(self, value: RemoteValue) -> bool:
        """Tell whether a value is elsewhere with one of its tasks: none is."""
        return False

    def close(self, timeout_s: float) -> None:
        """Let the threads end, waiting at most `timeout_s` seconds for all of them together."""
        for lane in {id(lane): lane for lane in (self._tasks, self._lifecycle)}.values():
            for _ in lane.threads:
                lane.calls.put(None)
        until = time.monotonic() + timeout_s
        for thread in [*self._tasks.threads, *self._lifecycle.threads]:
            thread.join(max(0.0, until - time.monotonic()))

    def _start(self, lane: Lane) -> None:
        # A copy of the context, so that what tasks print is shown by the cell that started the run.
        thread = threading.Thread(
            target=context_without_work().run,
            args=(self._work, lane),
            name=f"{self._name}-{len(lane.threads)}",
            daemon=True,
        )
        lane.threads.append(thread)
        thread.start()

    def _work(self, lane: Lane) -> None:
        while True:
            call = lane.calls.get()
            if call is None:
                break
            self._report([(call, perform_on_worker(call))])
            del call  # a waiting thread must not keep the last inputs alive
        close_loop()


class Lane:
    """Calls that wait for a thread, the threads, and how many of them are idle; counted by the run's thread alone."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Call | None] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.idle = 0
