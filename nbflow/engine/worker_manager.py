"""Blocks with a resource in each worker process: what the kernel knows of them, and that each is closed once.

In such a run the block's init gives a `WorkerManager` in place of the user's. Its setup opens nothing: it gives what
stands for the resource on its way to a worker, which opens one when the first task there takes it. Its cleanup has each
of them closed where it was opened, or reclaims what a worker has left that is no more. So to the scheduler, and to
all that is promised of blocks, it is a block like any other; the ledger has a row for each worker.
"""

from __future__ import annotations

import os
import threading
import weakref
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.engine.attempt import current_call, run_coroutine
from nbflow.engine.open_resources import OpenResource, joined
from nbflow.engine.resource_tracker import NoResourceTracker
from nbflow.engine.worker_resource import MANAGER, WorkerResource
from nbflow.engine.worker_tracker import WorkerTracker
from nbflow.errors import WorkerGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.core.block import Block
    from nbflow.core.block_outcome import BlockOutcome
    from nbflow.engine.cleanup import Cleanup


class WorkerPlace(Protocol):
    """A worker process."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def is_alive(self) -> bool:
        """Whether it can still be told to close something."""

    def kill(self) -> bool:
        """End it at once, and wait until it is no more; from any thread. False: it is not ours to end, and goes on."""


class WorkerOrders(Protocol):
    """The way from a run to the resources in the workers of its session."""

    def take_on(self, manager: WorkerManager, resource_class: Any, inputs: dict[str, Any]) -> None:
        """Have workers open the resource when they need it.

        Raises:
            NbflowError: If they cannot: the class or an argument cannot travel, or no order reaches them.
        """

    def knows(self, key: str) -> bool:
        """Tell whether workers can open the resource of this key."""

    def close(self, ones: Sequence[ResourceInWorker], outcome: BlockOutcome) -> None:
        """Have each one closed in its worker, all at once; tells its manager what came of it, and returns then."""

    def forget(self, manager: WorkerManager) -> None:
        """Forget a block that is closed."""

    def end(self) -> None:
        """Forget all: the session has ended."""


class ResourceInWorker(OpenResource):
    """The resource of a block in one worker process.

    Attributes:
        worker: The process.
        owner: The manager of the block.
        is_opening: Whether its setup is going on.
        is_given_up: Whether it was left to the reaper.
        told: What its manager has said, by the method's name: calls that return it, or raise what it raised.
        hook_error: What a hook before its cleanup raised.
        known_class: The class of its manager, where only the worker knows it.
    """

    __slots__ = ("hook_error", "is_given_up", "is_opening", "known_class", "owner", "told", "worker")

    def __init__(self, block: Block, index: int, worker: WorkerPlace, owner: WorkerManager) -> None:
        super().__init__(block, index)
        self.worker, self.owner = worker, owner
        self.is_opening, self.is_given_up = True, False
        self.told: dict[str, Callable[[], Any]] = {}
        self.hook_error: BaseException | None = None
        self.known_class: type | None = None

    @property
    def name(self) -> str:
        """The block's name, and the worker's."""
        return f"{super().name} in {self.worker.name}"

    @property
    def manager_class(self) -> type:
        """The class of the manager over there."""
        return super().manager_class if self.known_class is None else self.known_class

    def early_handle(self) -> Any:
        """Return what the manager over there says it will be found by."""
        return self._said("early_handle")

    def handle(self) -> Any:
        """Return what the manager over there says it is found by."""
        return self._said("handle")

    def _said(self, method: str) -> Any:
        said = self.told.get(method)
        return None if said is None else said()


class WorkerManager:
    """Stands in for the manager of a block whose resource each worker opens for itself.

    Args:
        held: The block's resource as the run knows it.
        cleanup: The run's.
        orders: The way to the workers.

    Attributes:
        key: Names it to the workers.
        name: The block's name.
    """

    def __init__(self, held: OpenResource, cleanup: Cleanup, orders: WorkerOrders) -> None:
        self.key, self.name = os.urandom(12).hex(), held.name
        self._block, self._index, self._orders = held.block, held.index, orders
        # Weak: both lead here, and a run is freed as soon as nobody holds it.
        self._cleanup: Cleanup = weakref.proxy(cleanup)
        self._left: list[ResourceInWorker] = []  # as they were opened
        self._is_closed = False
        # Around what the ledger is told, too: of one resource there is one word after the other.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<WorkerManager: {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkerResource, (self.key, self.name, MANAGER)

    @property
    def left(self) -> list[ResourceInWorker]:
        """What is open, or may be, in workers; the last first."""
        return self._left[::-1]

    def limit_s(self, one: ResourceInWorker) -> float | None:
        """Return how many seconds a cleanup may take now, or None for no limit."""
        return self._cleanup.limit_s(one)

    def end(self) -> None:
        """Know that the run is over: there are no workers any more."""
        del self._orders

    # -- what the run asks for --------------------------------------------------------------------------------

    def setup(self) -> WorkerResource:
        """Return what stands for the resource; nothing is open yet."""
        return WorkerResource(self.key, self.name)

    def cleanup(self, resource: object, outcome: BlockOutcome) -> None:
        """Close the resource in each worker that has it open, and reclaim those whose worker is no more.

        Raises:
            WorkerGoneError: If a worker has left something that cannot be reclaimed.
            BaseException: What a cleanup raised; several as a group.
        """
        with self._lock:
            self._is_closed = True  # from here on no worker opens one: who lingers in the block is refused
            left = self.left
        orders = vars(self).get("_orders")
        if orders is not None:
            orders.close([one for one in left if one.worker.is_alive and not one.half], outcome)
        errors = [error for one in left if (error := self._end(one)) is not None]
        call = current_call()
        if call is not None:
            call.hook_error = next((one.hook_error for one in left if one.hook_error is not None), None)
        if errors:
            raise joined(errors, self.name)
        if orders is not None:
            orders.forget(self)

    def _end(self, one: ResourceInWorker) -> BaseException | None:
        """See to what a worker has not closed; returns why it may be left."""
        if one not in self._left or one.is_given_up:
            return None
        if one.worker.is_alive and not one.half:
            if one.error is None:
                self.failed(one, TimeoutError(f"{one.worker.name} was busy, and did not clean {self.name!r} up"))
            return one.error
        with one.turn.taken(0) as is_ours:  # never beside the reaper's, if it was given up meanwhile (rule 15)
            return self._reclaim(one) if is_ours and not one.is_given_up else None

    def _reclaim(self, one: ResourceInWorker) -> BaseException | None:
        reclaim = self._tracker.reclaimer(one)
        if reclaim is None:
            error: BaseException = one.error or WorkerGoneError(self.name, one.worker.name)
            self.failed(one, error)
            return error
        self.closing(one)
        try:
            ended = reclaim()
            if type(ended) is CoroutineType:
                run_coroutine(ended, None)
        except Exception as error:  # noqa: BLE001 - the user's code
            self.failed(one, error)
            return error
        one.turn.is_done = True
        self.closed(one)
        return None

    # -- what a worker says; on the thread that talks with it -------------------------------------------------

    def begin(self, worker: WorkerPlace) -> ResourceInWorker | None:
        """Note that a worker is about to open one; returns when that is on disk (rule 10). None: it must not."""
        with self._lock:
            if self._is_closed:
                return None
            one = ResourceInWorker(self._block, self._index, worker, self)
            self._left.append(one)
            self._tracker.intend(one)
            return one

    def will_be_found(self, one: ResourceInWorker) -> None:
        """Note by which early handle it will be found; returns when that is on disk."""
        with self._lock:
            self._tracker.intend(one)

    def opened(self, one: ResourceInWorker) -> None:
        """Note that its setup has ended well; returns when its handle is on disk, before a task may use it."""
        with self._lock:
            one.is_opening, one.is_open = False, True
            self._tracker.opened(one)

    def not_opened(self, one: ResourceInWorker, error: BaseException | None) -> None:
        """Note that its setup has failed, and what of it could not be undone (rule 9)."""
        with self._lock:
            one.is_opening = False
            if error is None:
                self.closed(one)
            else:
                one.half = [(0, _nothing, (), {})]
                self.failed(one, error)

    def dropped(self, one: ResourceInWorker) -> None:
        """Note that its worker goes on, and does not have it any more: it took this kernel for dead."""
        with self._lock:
            one.half = [(0, _nothing, (), {})]

    def closing(self, one: ResourceInWorker) -> None:
        """Note that its cleanup begins."""
        with self._lock:
            one.error = one.hook_error = None
            self._tracker.closing(one)

    def closed(self, one: ResourceInWorker) -> None:
        """Note that nothing is left of it."""
        with self._lock:
            if one in self._left:
                self._left.remove(one)
                one.error, one.half = None, []
                self._tracker.closed(one)

    def failed(self, one: ResourceInWorker, error: BaseException) -> None:
        """Note that its cleanup has failed, so that it may be left."""
        with self._lock:
            if one in self._left and not one.is_given_up:
                one.error = error
                self._tracker.failed(one, error)

    @property
    def _tracker(self) -> Any:
        try:
            tracker = self._cleanup.tracker
        except ReferenceError:  # the run is over, and nobody has kept it: all that there was to tell was told
            return NoResourceTracker()
        return tracker.inner if isinstance(tracker, WorkerTracker) else tracker


def _nothing() -> None:
    """Stand for what a worker has left over there: it is not undone from here."""
