"""A process for each task that runs at once: pure Python takes as many cores as there are."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.engine.attempt import Outcome, TaskCancelled, outcome_of
from nbflow.executors.bundle_session import BundleSession
from nbflow.executors.errors import UnreadableCallError
from nbflow.executors.resource_desk import OF_RESOURCES, ResourceDesk
from nbflow.executors.shipment import Shipper, show, take_in
from nbflow.executors.work_queue import SHORT_S
from nbflow.executors.worker_orders import ProcessOrders
from nbflow.executors.worker_process import WorkerLost, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call
    from nbflow.engine.executor import Report
    from nbflow.executors.bundle_session import Bundle
    from nbflow.executors.worker_orders import CloseOrder

LOOK_S = 0.05  # until the thread that waits looks whether its calls are to stop
KILL_AFTER_S = 1.0  # until a call that does not stop is ended with its process
_GATHER_S = 0.01  # for which ends of short calls are told together


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
        shipper, orders = Shipper(), ProcessOrders()
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


class ProcessHand:
    """Has calls made by a process, which it starts when the first one comes.

    Args:
        shipper: Makes bytes of calls.
        executor: Starts and ends processes.
        orders: The session's way to what the process opens for itself.
    """

    def __init__(self, shipper: Shipper, executor: ProcessExecutor, orders: ProcessOrders | None = None) -> None:
        self._shipper, self._executor, self._orders = shipper, executor, orders or ProcessOrders()
        self._worker: WorkerProcess | None = None
        self._desk: ResourceDesk | None = None  # the worker's

    @property
    def most(self) -> int:
        """The number of calls that it takes at once."""
        return self._executor.left(self._worker) or self._executor.left(None)

    def perform(self, bundle: Bundle) -> None:
        """Have calls made; what the process has not begun when it ends is left in the bundle."""
        worker = self._worker
        if worker is not None and self._executor.is_used_up(worker):
            self.let_go()
            worker = None
        # Before a process is started: what cannot travel needs none.
        parts = self._shipper.ship(bundle, knows_base=worker is not None and worker.knows_base)
        if not bundle.left:
            return
        if worker is None:
            worker = self._worker = self._executor.start()
            self._desk = ResourceDesk(self._orders, self, worker)
        assert self._desk is not None
        is_new = not worker.made
        worker.made += len(bundle.left)
        exchange = _Exchange(worker, bundle, self._desk)
        try:
            self._desk.tell_worker()
            exchange.run(parts)
        except WorkerLost as lost:
            # One that ended while it was idle has begun nothing. A new one is blamed: else each next one might end so.
            if exchange.is_sent or is_new:
                call = bundle.left[0]
                bundle.ended(call, outcome_of(call, lost.error or worker.death(call.task.name)))
            worker.kill()
        except BaseException:  # sent to this thread: nobody knows what the process is busy with
            worker.kill()
            raise

    def carry_out(self, order: CloseOrder) -> None:
        """Have the process close a resource that it has open, if it is still the same one."""
        if self._desk is not None and self._worker is order.one.worker and self._worker.is_alive:
            self._desk.carry_out(order)

    def let_go(self) -> None:
        """Let the process go, which is busy with nothing; what it has open for itself it closes first."""
        if self._worker is None or self._desk is None:
            return
        if self._worker.is_alive:
            self._desk.close_all()
        if self._desk.is_clear:
            self._executor.end(self._worker)
        else:  # what is left there is not for another run
            self._worker.close()
        self._worker = self._desk = None

    def kill(self) -> None:
        """End the process, whatever it does; from any thread."""
        if self._worker is not None:
            self._worker.kill()


class _Exchange:
    """A bundle in the hands of a process: what is said between here and there until the last call has ended.

    Attributes:
        is_sent: Whether the process may have begun a call.
    """

    def __init__(self, worker: WorkerProcess, bundle: Bundle, desk: ResourceDesk) -> None:
        self._worker, self._bundle, self._desk = worker, bundle, desk
        self.is_sent = False
        self._number = 0  # of the call that the process makes
        self._is_told_to_stop = self._is_recalled = self._is_begin_told = False
        self._kill_at: float | None = None
        self._hit_with: type[BaseException] | None = None
        self._looks_at = self._tells_at = self._began_at = 0.0

    def run(self, parts: list[Any]) -> None:
        """Send calls, and take in what comes back, until all have ended or the process makes no more of them."""
        bundle, worker = self._bundle, self._worker
        worker.send_calls(parts)
        self.is_sent = True
        parts.clear()
        self._tell()
        self._began_at = time.monotonic()
        self._looks_at = self._began_at + LOOK_S
        while bundle.left:
            message = worker.receive(LOOK_S)
            if message is None or time.monotonic() > self._looks_at:
                self._look()
            if message is not None and not self._take(*message):
                return

    def _take(self, kind: str, parts: list[Any]) -> bool:
        """Take in a message; returns whether more is to come."""
        bundle = self._bundle
        call = bundle.left[0]
        if kind == "ended":
            bundle.ended(call, self._outcome(call, parts))
            self._number += 1
            self._is_told_to_stop, self._hit_with, self._kill_at = False, None, None
            self._began_at = time.monotonic()
            if bundle.left:
                self._tell()
        elif kind == "said":
            self._show(call, parts)
        elif kind == "hit":
            if len(parts[0]):  # a run of its own cleans up first (rule 14), and the cleanup around waits for it
                self._kill_at = None
        elif kind in OF_RESOURCES:
            self._desk.take(call, kind, parts)
            if self._kill_at is not None:
                self._kill_at = time.monotonic() + KILL_AFTER_S
        elif kind == "unread":
            self._worker.knows_base = False  # it may not have come so far
            if len(bundle.left) > 1:
                bundle.is_suspect = True
            else:
                reason = bytes(parts[0]).decode()
                bundle.ended(call, outcome_of(call, UnreadableCallError(call.task.name, self._worker.name, reason)))
            return False
        else:  # "back"
            bundle.come_back(bundle.left[-int(bytes(parts[0])) :])
        return True

    def _tell(self) -> None:
        """Tell the run what has ended and which call has begun, at most every `_GATHER_S` seconds."""
        now = time.monotonic()
        self._is_begin_told = now > self._tells_at
        if self._is_begin_told:
            self._tells_at = now + _GATHER_S
            self._bundle.begun(self._worker.name)

    def _outcome(self, call: Call, parts: list[Any]) -> Outcome:
        try:
            return Outcome(take_in(call, parts), None)
        except BaseException as error:  # noqa: BLE001 - what the task has raised
            return outcome_of(call, error)

    def _show(self, call: Call, parts: list[Any]) -> None:
        """Say here what a call has said: this thread is busy with it."""
        stream, _, text = bytes(parts[0]).decode().partition("\n")
        before, thread.held = thread.held, call
        try:
            show(stream, text)
        finally:
            thread.held = before

    def _look(self) -> None:
        """See whether the call that is made now is to stop, and whether the others are to come back."""
        now = time.monotonic()
        self._looks_at = now + LOOK_S
        bundle, worker = self._bundle, self._worker
        if not self._is_begin_told:
            self._tell()
        call = bundle.left[0]
        if call.stop_requested and not self._is_told_to_stop and not call.shielded:
            self._is_told_to_stop = True
            worker.stop(self._number)
        if call.hit_with is not None and self._hit_with is None:
            self._hit_with, self._kill_at = call.hit_with, now + KILL_AFTER_S
            worker.hit(self._number, call.hit_with)
        # A setup is left to end, unless the user has asked once more (rule 13).
        may_kill = not call.is_setup or call.hit_with is TaskCancelled
        if self._kill_at is not None and now > self._kill_at and may_kill:
            assert self._hit_with is not None
            raise WorkerLost(self._hit_with())
        if now > self._began_at + SHORT_S:
            bundle.note_slow(now - self._began_at)
        if not self._is_recalled and len(bundle.left) > 1 and bundle.is_recalled:
            self._is_recalled = True
            worker.recall()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not told here
        return os.cpu_count() or 1
