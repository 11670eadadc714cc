"""What has calls made by a process: it starts one when the first call comes, and another one when that has died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.attempt import outcome_of
from nbflow.executors.exchange import Exchange
from nbflow.executors.process_desk import ProcessDesk
from nbflow.executors.worker_orders import SessionOrders
from nbflow.executors.worker_process import WorkerLost, WorkerProcess

if TYPE_CHECKING:
    from nbflow.executors.bundle import Bundle
    from nbflow.executors.process_executor import ProcessExecutor
    from nbflow.executors.shipment import Shipper
    from nbflow.executors.worker_orders import CloseOrder


class ProcessHand:
    """Has calls made by a process, which it starts when the first one comes.

    Args:
        shipper: Makes bytes of calls.
        executor: Starts and ends processes.
        orders: The session's way to what the process opens for itself.
    """

    def __init__(self, shipper: Shipper, executor: ProcessExecutor, orders: SessionOrders | None = None) -> None:
        self._shipper, self._executor, self._orders = shipper, executor, orders or SessionOrders()
        self._worker: WorkerProcess | None = None
        self._desk: ProcessDesk | None = None  # the worker's

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
            self._desk = ProcessDesk(self._orders, self, worker)
        assert self._desk is not None
        is_new = not worker.made
        worker.made += len(bundle.left)
        exchange = Exchange(worker, bundle, self._desk)
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
