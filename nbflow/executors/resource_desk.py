"""What a worker process says of the resources that it opens for itself, and how it is told to close them.

Heard and told by the thread that talks with the worker, which is busy with the task that needs one, or with nothing.
"""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.engine.attempt import TaskCancelled
from nbflow.errors import WorkerScopeError
from nbflow.executors.errors import StuckWorkerError
from nbflow.executors.parcel import packed, unpacked_here
from nbflow.executors.remote_call import raised_of
from nbflow.executors.shipment import error_of, show
from nbflow.executors.worker_process import WorkerLost

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.engine.worker_manager import ResourceInWorker
    from nbflow.executors.bundle_session import Hand
    from nbflow.executors.worker_orders import CloseOrder, ProcessOrders
    from nbflow.executors.worker_process import WorkerProcess

OF_RESOURCES = ("wants", "early", "opened", "unopened")
_LOOK_S = 0.05


class ResourceDesk:
    """What one worker process has open; used by the thread that talks with it.

    Args:
        orders: Of the session.
        hand: Whose worker it is.
        worker: The worker.
    """

    def __init__(self, orders: ProcessOrders, hand: Hand, worker: WorkerProcess) -> None:
        self._orders, self._hand, self._worker = orders, hand, worker
        self._open: dict[str, ResourceInWorker] = {}  # as their setups have ended
        self._setups = 0  # that go on: one may need another one
        self._is_worker_told = False
        self._has_left = False  # what a setup has made and could not undo

    @property
    def is_clear(self) -> bool:
        """True when the worker has nothing open, and nothing may be left there."""
        return not self._open and not self._has_left

    def tell_worker(self) -> None:
        """Have the worker look for resources among the arguments of its tasks, if there may be any."""
        if self._orders.is_used and not self._is_worker_told:
            self._is_worker_told = True
            self._worker.tell("scopes", [str(os.getpid()).encode()])

    def take(self, call: Call, kind: str, parts: list[Any]) -> None:
        """Take in what the worker says, which is busy with a call, and answer when the ledger has it."""
        if kind == "wants":
            self._wanted(call, bytes(parts[0]).decode())
            return
        key, value, raised, cls = unpacked_here(parts)
        one = self._open[key]
        one.known_class = cls
        if kind == "early":
            one.told["early_handle"] = functools.partial(_said, value, raised)
            one.owner.will_be_found(one)
        elif kind == "opened":
            self._open[key] = self._open.pop(key)  # behind what its setup has needed
            one.told["handle"] = functools.partial(_said, value, raised)
            one.owner.opened(one)
            self._setup_ended(call)
        else:
            self._has_left |= raised is not None
            one.owner.not_opened(one, None if raised is None else error_of(raised))
            self._forget(one)
            self._setup_ended(call)
        self._worker.tell("noted", [])

    def _wanted(self, call: Call, key: str) -> None:
        # First: whoever cancels the run sets the flag and then looks whether this is a setup, which is left to end
        # (rule 13). So at least one of both sees the other.
        call.is_setup = True
        manager, recipe = self._orders.recipe(key)
        one = None if manager is None or call.stop_requested else manager.begin(self._worker)
        if one is None:
            call.is_setup = self._setups > 0
            closed = WorkerScopeError(f"task {call.task.name!r} takes a resource whose block is closed already")
            refusal = TaskCancelled() if call.stop_requested else closed
            self._worker.tell("refused", packed(raised_of(refusal)))
            return
        self._setups += 1
        self._open[key] = one
        self._orders.note(one, self._hand)
        self._worker.tell("open", recipe)

    def _setup_ended(self, call: Call) -> None:
        self._setups -= 1
        call.is_setup = self._setups > 0
        if not call.is_setup and call.stop_requested and call.hit_with is None:
            call.hit_with = TaskCancelled  # while it was a setup nobody has set it a deadline

    def carry_out(self, order: CloseOrder) -> None:
        """Have the worker close a resource; what came of it is told to the manager of the block."""
        one = order.one
        if self._open.get(one.owner.key) is not one or not order.begin():
            return
        try:
            self._close(one, order.told, order.call, None)
        except WorkerLost:
            self._worker.kill()
            if order.is_given_up:
                one.owner.failed(one, StuckWorkerError(self._worker.name, one.owner.name))

    def close_all(self) -> None:
        """Have the worker close all that it has open, as it is to end or to make way; the last first.

        What the tasks have come to is not known yet: the cleanups are told of those that this worker has called.
        """
        for one in tuple(self._open.values())[::-1]:
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
                _show(call, parts)
            elif kind == "closed":
                break
        raised, hook = unpacked_here(parts)
        one.hook_error = None if hook is None else error_of(hook)
        if raised is None:
            self._forget(one)
            one.owner.closed(one)
        else:
            one.owner.failed(one, error_of(raised))

    def _forget(self, one: ResourceInWorker) -> None:
        self._open.pop(one.owner.key, None)
        self._orders.note(one, None)


def _said(value: Any, raised: Any) -> Any:
    if raised is not None:
        raise error_of(raised)
    return value


def _show(call: Call | None, parts: list[Any]) -> None:
    stream, _, text = bytes(parts[0]).decode().partition("\n")
    before = thread.held
    if call is not None:
        thread.held = call
    try:
        show(stream, text)
    finally:
        thread.held = before
