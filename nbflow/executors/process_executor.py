"""A process for each task that runs at once: pure Python takes as many cores as there are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nbflow.executors.bundle_session import BundleSession
from nbflow.executors.process_hand import ProcessHand
from nbflow.executors.shipment import Shipper
from nbflow.executors.worker_orders import SessionOrders
from nbflow.executors.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.executor import Report


class ProcessExecutor:
    """Run up to `max_workers` tasks at once, each in a process of its own.

    What the notebook defines travels with the tasks, by value (cloudpickle), so the cells need no module, and a script
    needs no ``if __name__ == "__main__"``. The processes are started when they are needed and end with the run; in a
    ``with`` block they are kept for the runs that follow, with the modules that they have imported. A task that crashes
    its process fails alone. Init, setup and cleanup of blocks stay in the kernel.

    Args:
        max_workers: How many tasks may run at once; by default as many as there are cores for this process.
        initializer: Is called in each process before its first task.
        initargs: The arguments of `initializer`.
        max_tasks: After so many tasks a process makes way for a new one.
        memory_limit: A process that takes more bytes of memory than this when its tasks have ended makes way for a new
            one, so that what leaks does not add up.

    Raises:
        ValueError: If fewer than one worker, task or byte is asked for.

    Example:
        >>> from nbflow import Flow, task
        >>> with Flow("f") as flow:
        ...     one = task(lambda: 1, name="one")()
        >>> with ProcessExecutor(1) as executor:  # the second run finds the process of the first
        ...     [flow.run(executor=executor).result[one].result for _ in range(2)]
        [1, 1]
    """

    serial = False

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks: int | None = None,
        memory_limit: int | None = None,
    ) -> None:
        limits = (("max_workers", max_workers), ("max_tasks", max_tasks), ("memory_limit", memory_limit))
        for name, number in limits:
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number!r}")
        self.capacity = max_workers or _cores()
        self._initializer, self._initargs = initializer, initargs
        self._max_tasks, self._memory_limit = max_tasks, memory_limit
        self._idle: list[WorkerProcess] = []
        self._holders = 0  # of `with` blocks

    def __enter__(self) -> ProcessExecutor:
        self._holders += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._holders -= 1
        while not self._holders and self._idle:
            self._idle.pop().close()

    def __repr__(self) -> str:
        return f"<ProcessExecutor: {self.capacity}>"

    def open(self, report: Report, *, name: str) -> BundleSession:
        """Begin to serve a run."""
        shipper, orders = Shipper(), SessionOrders()
        return BundleSession(
            report,
            name,
            self.capacity,
            lambda: ProcessHand(shipper, self, orders),
            orders,
        )

    def start(self) -> WorkerProcess:
        """Return a worker process that is idle; from any thread."""
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                worker.knows_base = False  # of another run
                return worker
            worker.close()
        return WorkerProcess(self._initializer, self._initargs)

    def end(self, worker: WorkerProcess) -> None:
        """End a process that is busy with nothing, or keep it for the next run; from any thread."""
        if self._holders and not self.is_used_up(worker):
            self._idle.append(worker)
        else:
            worker.close()

    def left(self, worker: WorkerProcess | None) -> int:
        """Return how many calls a process, or a new one, may still make."""
        made = 0 if worker is None else worker.made
        return 2**31 if self._max_tasks is None else self._max_tasks - made

    def is_used_up(self, worker: WorkerProcess) -> bool:
        """Tell whether a process is to make way for a new one."""
        if not worker.is_alive or self.left(worker) <= 0:
            return True
        return self._memory_limit is not None and worker.memory > self._memory_limit


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not told here
        return os.cpu_count() or 1
