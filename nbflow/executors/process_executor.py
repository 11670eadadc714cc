"""A process for each task that runs at once: pure Python takes as many cores as there are."""

from __future__ import annotations

import functools
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import perform_on_worker
from nbflow.executors.shipment import Shipper
from nbflow.executors.threads import ThreadSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.executor import Report
    from nbflow.executors.threads import Lane
    from nbflow.executors.worker_process import WorkerProcess


class ProcessExecutor:
    """Run up to `max_workers` tasks at once, each in a process of its own.

    What the notebook defines travels with the tasks, by value (cloudpickle), so the cells need no module, and a script
    needs no ``if __name__ == "__main__"``. The processes are started when they are needed and end with the run. A task
    that crashes its process fails alone. Init, setup and cleanup of blocks stay in the kernel.

    Args:
        max_workers: How many tasks may run at once; by default as many as there are cores for this process.
        initializer: Is called in each process before its first task.
        initargs: The arguments of `initializer`.
        max_tasks: After so many tasks a process makes way for a new one: that bounds the memory of those that leak.

    Raises:
        ValueError: If fewer than one worker or task is asked for.

    Example:
        >>> ProcessExecutor(2).capacity
        2
    """

    serial = False

    def __init__(
        self,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks: int | None = None,
    ) -> None:
        for name, number in (("max_workers", max_workers), ("max_tasks", max_tasks)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number!r}")
        self.capacity = max_workers or _cores()
        self._initializer, self._initargs, self._max_tasks = initializer, initargs, max_tasks

    def __repr__(self) -> str:
        return f"<ProcessExecutor: {self.capacity}>"

    def open(self, report: Report, *, name: str) -> ProcessSession:
        """Begin to serve a run."""
        return ProcessSession(report, name, self._started, self._max_tasks)

    def _started(self) -> WorkerProcess:
        from nbflow.executors.worker_process import WorkerProcess  # not at the top: few runs need it

        return WorkerProcess(self._initializer, self._initargs)


class ProcessSession(ThreadSession):
    """The processes of one run, each of a thread that waits for it.

    So a task that runs elsewhere has a thread here, as one that runs on threads: deadlines, interrupts and the wait of
    a cleanup for who has not let go (rule 3) are the same.
    """

    def __init__(
        self, report: Report, name: str, start: Callable[[], WorkerProcess], max_tasks: int | None = None
    ) -> None:
        super().__init__(report, name=name, serial=False)
        self._start_worker, self._max_tasks = start, max_tasks
        self._shipper = Shipper()
        self._hands: list[_Hand] = []

    @contextmanager
    def _hand(self, lane: Lane) -> Iterator[Callable[[Call], Outcome]]:
        if lane is not self._tasks:
            yield perform_on_worker
            return
        hand = _Hand(self._shipper, self._start_worker, self._max_tasks)
        self._hands.append(hand)
        try:
            yield hand.perform
        finally:
            hand.let_go()

    def close(self, timeout_s: float) -> None:
        """Let the processes end; those whose tasks hang are ended after `timeout_s` seconds."""
        super().close(timeout_s)
        for hand in self._hands:
            if hand.thread.is_alive() and hand.worker is not None:
                hand.worker.kill()  # which its thread reports


class _Hand:
    """A thread that has calls made by a process."""

    def __init__(self, shipper: Shipper, start: Callable[[], WorkerProcess], max_tasks: int | None) -> None:
        self.worker: WorkerProcess | None = None
        self.thread = threading.current_thread()
        self._shipper, self._start, self._max_tasks = shipper, start, max_tasks
        self._left = 0

    def perform(self, call: Call) -> Outcome:
        """Have a call made; never raises."""
        call.fn = functools.partial(self._send, call, call.fn)
        return perform_on_worker(call)

    def _send(self, call: Call, function: Callable[..., Any], **_: Any) -> Any:
        if self.worker is not None and (not self.worker.is_alive or self._left == 0):
            self.let_go()
        # Before a process is started: what cannot travel needs none.
        parts = self._shipper.ship(call, function, knows_base=self.worker is not None and self.worker.knows_base)
        if self.worker is None:
            self.worker = self._start()
            self._left = self._max_tasks or -1
        self._left -= 1
        self.worker.begin()
        call.remote, call.where = self.worker, self.worker.name
        try:
            return self.worker.perform(call, parts)
        finally:
            call.remote = None

    def let_go(self) -> None:
        """End the process."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not told here
        return os.cpu_count() or 1
