"""The resources that one worker process opens for itself, and how it is told to close them.

Used by the thread that talks with the process, which is busy with the task that needs one, or with nothing.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from nbflow.executors.errors import StuckWorkerError
from nbflow.executors.resource_desk import ResourceDesk
from nbflow.executors.shipment import show_of
from nbflow.executors.worker_process import WorkerLost

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.engine.worker_manager import ResourceInWorker
    from nbflow.executors.bundle_session import Hand
    from nbflow.executors.worker_orders import CloseOrder, SessionOrders
    from nbflow.executors.worker_process import WorkerProcess

_LOOK_S = 0.05


class ProcessDesk:
    """What one worker process has open; used by the thread that talks with it.

    Args:
        orders: Of the session.
        hand: Whose worker it is.
        worker: The worker.
    """

    def __init__(self, orders: SessionOrders, hand: Hand, worker: WorkerProcess) -> None:
        self._orders, self._worker = orders, worker
        self._desk = ResourceDesk(orders, hand, worker)
        self._is_worker_told = False

    @property
    def is_clear(self) -> bool:
        """True when the process has nothing open, and nothing may be left there."""
        return self._desk.is_clear

    def tell_worker(self) -> None:
        """Have the worker look for resources among the arguments of its tasks, if there may be any."""
        if self._orders.is_used and not self._is_worker_told:
            self._is_worker_told = True
            self._worker.tell("scopes", [str(os.getpid()).encode()])

    def take(self, call: Call, kind: str, parts: list[Any]) -> None:
        """Take in what the worker says, which is busy with a call, and answer when the ledger has it."""
        self._worker.tell(*self._desk.take(call, kind, parts))

    def carry_out(self, order: CloseOrder) -> None:
        """Have the worker close a resource; what came of it is told to the manager of the block."""
        one = order.one
        if not self._desk.has(one) or not order.begin():
            return
        try:
            self._close(one, order.told, order.call, None)
        except WorkerLost:
            self._worker.kill()
            order.name_ended()

    def close_all(self) -> None:
        """Have the worker close all that it has open, as it is to end or to make way; the last first.

        What the tasks have come to is not known yet: the cleanups are told of those that this worker has called.
        """
        for one in self._desk.all_open:
            # Who makes a cleanup again that has failed is not this, nor is it who closes what is kept or given up.
            if one.error is not None or one.clean_again is not None:
                continue
            try:
                self._close(one, [], None, time.monotonic() + one.block.cleanup_timeout_s)
            except WorkerLost as lost:
                self._worker.kill()
                if lost.error is not None:
                    one.owner.failed(one, lost.error)
                return

    def _close(self, one: ResourceInWorker, told: list[Any], call: Call | None, until: float | None) -> None:
        one.owner.closing(one)
        self._worker.tell("close", [one.owner.key.encode(), *told])
        while True:
            message = self._worker.receive(_LOOK_S)
            if message is None:
                if until is not None and time.monotonic() > until:
                    raise WorkerLost(StuckWorkerError(self._worker.name, one.owner.name))
                continue
            kind, parts = message
            if kind == "said":
                stream, _, text = bytes(parts[0]).decode().partition("\n")
                show_of(call, stream, text)
            elif kind == "closed":
                break
        self._desk.ended(one, parts)
