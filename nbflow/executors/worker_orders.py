"""The orders to close what worker processes have opened for themselves.

An order comes from the thread of a cleanup. It is carried out by the thread that talks with the worker, so that one
thread alone does; who waits for it may give it up, which ends a worker that hangs, if it is ours to end.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.core.signals import TaskTimeoutSignal
from nbflow.engine.attempt import current_call
from nbflow.engine.open_resources import joined
from nbflow.errors import WorkerScopeError
from nbflow.executors.errors import ManagerCannotTravelError, StuckWorkerError
from nbflow.executors.parcel import packed
from nbflow.executors.remote_call import raised_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.core.block_outcome import BlockOutcome
    from nbflow.engine.attempt import Call
    from nbflow.engine.worker_manager import ResourceInWorker, WorkerManager

_LOOK_S = 0.05
_LAST_S = 5.0  # for a worker that was ended to be seen to have ended
_EARLY = 0.25  # of a limit, and 1 s at most: who hangs is named before the run waits no more


class OrderingSession(Protocol):
    """A session whose workers can be told to close something."""

    def order(self, taker: Any, order: CloseOrder) -> bool:
        """Have an order carried out by who talks with a worker, as soon as that is possible; False if it is over."""


class SessionOrders:
    """The way to the workers of one session: see `nbflow.engine.worker_manager.WorkerOrders`."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[WorkerManager, list[Any]]] = {}
        self._takers: dict[ResourceInWorker, Any] = {}
        self._session: Any = None

    @property
    def is_used(self) -> bool:
        """Whether there is a block whose resource the workers open."""
        return bool(self._known)

    def serve(self, session: OrderingSession) -> None:
        """Know the session whose threads talk with the workers."""
        self._session = weakref.proxy(session)

    def end(self) -> None:
        """Forget all: the session has ended."""
        self._known.clear()
        self._takers.clear()

    def take_on(self, manager: WorkerManager, resource_class: Any, inputs: dict[str, Any]) -> None:
        """Have workers open a resource when they need it.

        Raises:
            ManagerCannotTravelError: If the class or an argument cannot be pickled.
        """
        self._known[manager.key] = manager, _recipe(manager.name, resource_class, inputs)

    def forget(self, manager: WorkerManager) -> None:
        """Forget a block that is closed."""
        self._known.pop(manager.key, None)

    def knows(self, key: str) -> bool:
        """Tell whether workers can open the resource of this key."""
        return key in self._known

    def recipe(self, key: str) -> tuple[WorkerManager | None, list[Any]]:
        """Return the manager of a block, and what its resource is made of."""
        return self._known.get(key, (None, []))

    def note(self, one: ResourceInWorker, taker: Any) -> None:
        """Note who takes the orders for the worker that opens a resource; None: it is gone."""
        if taker is None:
            self._takers.pop(one, None)
        else:
            self._takers[one] = taker

    def close(self, ones: Sequence[ResourceInWorker], outcome: BlockOutcome) -> None:
        """Have each one closed in its worker, all at once; returns when that is done, has failed or is given up."""
        told, call = _words(outcome), current_call()
        orders: list[CloseOrder] = []
        try:
            for one in ones:
                order, taker = CloseOrder(one, told, call), self._takers.get(one)
                if taker is not None and self._session.order(taker, order):
                    orders.append(order)
            for order in orders:
                order.wait()
        except BaseException as error:  # sent to this thread: nobody waits any more, and nothing may go on unseen
            for order in orders:
                order.give_up()
            found = [order.one.error for order in orders]
            stuck: list[BaseException] = [one for one in found if isinstance(one, StuckWorkerError)]
            if stuck and isinstance(error, TaskTimeoutSignal):  # the time was up before who hangs was given up
                raise joined(stuck, orders[0].one.owner.name) from error
            raise


class NoOrders:
    """Refuses: nobody reaches the workers of somebody else's pool between two tasks.

    Args:
        pool: What the pool is called.
    """

    def __init__(self, pool: str) -> None:
        self._pool = pool

    def serve(self, session: OrderingSession) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def take_on(self, manager: WorkerManager, resource_class: Any, inputs: dict[str, Any]) -> None:
        """Refuse."""
        raise WorkerScopeError(
            f"block {manager.name!r} has scope='worker', but the workers of a {self._pool} of yours cannot be told to "
            "close a resource; run the flow with executor='processes', or give the manager scope='run'"
        )

    def forget(self, manager: WorkerManager) -> None:
        """Do nothing."""

    def knows(self, key: str) -> bool:
        """Know none."""
        return False

    def close(self, ones: Sequence[ResourceInWorker], outcome: BlockOutcome) -> None:
        """Do nothing."""


class CloseOrder:
    """The order to close one resource in one worker, and whether it was carried out.

    Args:
        one: The resource.
        told: The block's outcome, as bytes.
        call: The call of the cleanup, which is said what the worker says.
    """

    def __init__(self, one: ResourceInWorker, told: list[Any], call: Call | None) -> None:
        self.one, self.told, self.call = one, told, call
        self.is_given_up = False
        self._has_begun = self._is_named = False
        self._lock, self._is_over = threading.Lock(), threading.Event()
        self._limit_s: float | None = None
        self._until: float | None = None

    def begin(self) -> bool:
        """Note that it is being carried out; False if it was given up before."""
        with self._lock:
            self._has_begun = not self.is_given_up
            return self._has_begun

    def end(self) -> None:
        """Note that it was carried out, or will not be."""
        self._is_over.set()

    def wait(self) -> None:
        """Wait until it was carried out; it is given up when the cleanup has had its time."""
        while not self._is_over.wait(_LOOK_S):
            if self._is_late(time.monotonic()):
                self.give_up()
                self._is_over.wait(_LAST_S)
                return

    def give_up(self) -> None:
        """Withdraw it if it has not begun; else end the worker, which hangs in the cleanup, or in the setup."""
        one = self.one
        with self._lock:
            self.is_given_up = True
        if self._is_over.is_set() or not (self._has_begun or one.is_opening):
            return
        if one.worker.kill():
            self.name_ended()  # now: who talks with it may notice too late for the run, which waits no more
        else:
            one.owner.failed(one, StuckWorkerError(one.worker.name, one.owner.name, is_ended=False))
            self.end()

    def name_ended(self) -> None:
        """Note once that its worker was ended, if it was given up."""
        with self._lock:
            if self._is_named or not self.is_given_up:
                return
            self._is_named = True
        self.one.owner.failed(self.one, StuckWorkerError(self.one.worker.name, self.one.owner.name))

    def _is_late(self, now: float) -> bool:
        limit_s = self.one.owner.limit_s(self.one)
        if limit_s is not None and limit_s != self._limit_s:  # somebody cancels, or is in more of a hurry
            self._limit_s = limit_s
            until = now + limit_s - min(1.0, limit_s * _EARLY)
            self._until = until if self._until is None else min(until, self._until)
        return self._until is not None and now > self._until


def _words(outcome: BlockOutcome) -> list[Any]:
    """Return a block's outcome as bytes: its tasks by their names."""
    ends = ("succeeded", "failed", "cancelled", "skipped")
    names = {end: [task.name for task in getattr(outcome, end)] for end in ends}
    return packed((names, [raised_of(error) for error in outcome.errors]))


def _recipe(block_name: str, resource_class: Any, inputs: dict[str, Any]) -> list[Any]:
    """Return a manager's class and arguments as bytes.

    Raises:
        ManagerCannotTravelError: If that is not possible, naming which it is.
    """
    made_by = _address_of(resource_class)
    try:
        return packed((made_by, inputs))
    except Exception as error:
        held = {f"argument {name!r}": value for name, value in inputs.items()}
        for part, value in {**held, "its class": made_by}.items():
            try:
                packed(value)
            except Exception as reason:
                raise ManagerCannotTravelError(block_name, part, type(value).__name__, str(reason)) from reason
        raise ManagerCannotTravelError(block_name, "its class", type(made_by).__name__, str(error)) from error


def _address_of(resource_class: Any) -> Any:
    """Return where a worker finds a class that its module has decorated, under the class's own name."""
    module, name = getattr(resource_class, "__module__", None), getattr(resource_class, "__qualname__", None)
    if type(module) is str and type(name) is str and module != "__main__":
        found = getattr(sys.modules.get(module), "__dict__", {}).get(name)
        if getattr(found, "resource_class", None) is resource_class:
            return module, name
    return resource_class
