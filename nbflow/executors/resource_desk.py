"""What a worker process says of the resources that it opens for itself, and what it is answered.

Heard and answered by the thread that talks with the worker. Each question comes from a call that needs a resource, and
waits there for the answer.
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import TaskCancelled
from nbflow.errors import WorkerScopeError
from nbflow.executors.parcel import packed, unpacked_here
from nbflow.executors.remote_call import raised_of
from nbflow.executors.shipment import error_of

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.engine.worker_manager import ResourceInWorker, WorkerPlace
    from nbflow.executors.worker_orders import SessionOrders

OF_RESOURCES = ("wants", "early", "opened", "unopened")
Answer = tuple[str, list[Any]]


class ResourceDesk:
    """What one worker process has open; used by the thread that talks with it.

    Args:
        orders: Of the session.
        taker: Who takes the orders for this worker.
        worker: The worker.
    """

    def __init__(self, orders: SessionOrders, taker: Any, worker: WorkerPlace) -> None:
        self._orders, self._taker, self._worker = orders, taker, worker
        self._open: dict[str, ResourceInWorker] = {}  # as their setups have ended
        self._setups: Counter[Call] = Counter()  # that go on, by the call that needs them: one may need another one
        self._has_left = False  # what a setup has made and could not undo

    @property
    def is_clear(self) -> bool:
        """True when the worker has nothing open, and nothing may be left there."""
        return not self._open and not self._has_left

    @property
    def all_open(self) -> list[ResourceInWorker]:
        """What is open, or being opened; the last first."""
        return list(self._open.values())[::-1]

    def has(self, one: ResourceInWorker) -> bool:
        """Tell whether a resource is open, or being opened."""
        return self._open.get(one.owner.key) is one

    def get(self, key: str) -> ResourceInWorker | None:
        """Return the resource of a key."""
        return self._open.get(key)

    # -- setups -----------------------------------------------------------------------------------------------

    def take(self, call: Call, kind: str, parts: list[Any]) -> Answer:
        """Take in what the worker says, which is busy with a call; returns the answer when the ledger has it."""
        if kind == "wants":
            return self._wanted(call, bytes(parts[0]).decode())
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
        # A call that was to stop during the setup does not begin: nobody has set it a deadline.
        return ("late" if kind == "opened" and call.stop_requested else "noted"), []

    def _wanted(self, call: Call, key: str) -> Answer:
        # First: whoever cancels the run sets the flag and then looks whether this is a setup, which is left to end
        # (rule 13). So at least one of both sees the other.
        call.is_setup = True
        manager, recipe = self._orders.recipe(key)
        one = None if manager is None or call.stop_requested else manager.begin(self._worker)
        if one is None:
            call.is_setup = self._setups[call] > 0
            closed = WorkerScopeError(f"task {call.task.name!r} takes a resource whose block is closed already")
            return refusal(TaskCancelled() if call.stop_requested else closed)
        self._setups[call] += 1
        self._open[key] = one
        self._orders.note(one, self._taker)
        return "open", recipe

    def _setup_ended(self, call: Call) -> None:
        self._setups[call] -= 1
        if not self._setups[call]:
            del self._setups[call]
            end_setup(call)

    def stop_waiting(self) -> None:
        """Note that the worker is no more, and with it all setups there."""
        for call in tuple(self._setups):
            end_setup(call)
        self._setups.clear()

    # -- cleanups ---------------------------------------------------------------------------------------------

    def ended(self, one: ResourceInWorker, parts: list[Any]) -> None:
        """Note what has come of a cleanup."""
        raised, hook = unpacked_here(parts)
        one.hook_error = None if hook is None else error_of(hook)
        if raised is None:
            self._forget(one)
            one.owner.closed(one)
        else:
            one.owner.failed(one, error_of(raised))

    def dropped(self, one: ResourceInWorker) -> None:
        """Note that the worker does not have a resource any more, and has not cleaned it up."""
        self._forget(one)
        one.owner.dropped(one)

    def _forget(self, one: ResourceInWorker) -> None:
        self._open.pop(one.owner.key, None)
        self._orders.note(one, None)


def refusal(error: BaseException) -> Answer:
    """Return the answer that has a call raise an error instead of opening a resource."""
    return "refused", packed(raised_of(error))


def end_setup(call: Call) -> None:
    """Note that a call makes no setup any more, and have it stop if it was to stop meanwhile."""
    call.is_setup = False
    if call.stop_requested and call.hit_with is None:
        call.hit_with = TaskCancelled  # while it was a setup nobody has set it a deadline


def _said(value: Any, raised: Any) -> Any:
    if raised is not None:
        raise error_of(raised)
    return value
