"""Which blocks of a run have a resource in each worker process, and that no others take these resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.worker_manager import WorkerManager
from nbflow.engine.worker_resource import resources_in
from nbflow.engine.worker_tracker import WorkerTracker
from nbflow.errors import WorkerScopeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.core.block import Block
    from nbflow.engine.attempt import Call
    from nbflow.engine.cleanup import Cleanup
    from nbflow.engine.open_resources import OpenResource
    from nbflow.engine.resource_lifetime import ResourceLifetime
    from nbflow.engine.worker_manager import WorkerOrders


class WorkerScopes:
    """The blocks of a run whose resources its workers open; of most runs there are none.

    Attributes:
        is_on: Whether there may be any.
    """

    def __init__(self, cleanup: Cleanup) -> None:
        self.is_on = False
        self._cleanup = cleanup
        self._orders_of: Callable[[ResourceLifetime], WorkerOrders | None] | None = None
        self._orders: dict[OpenResource, WorkerOrders] = {}
        self._of_workers: set[OpenResource] = set()
        self._managers: list[WorkerManager] = []

    def begin(self, blocks: Iterable[Block], orders_of: Callable[[ResourceLifetime], WorkerOrders | None]) -> None:
        """Know the blocks, and who tells the way to the workers that call the tasks inside of one."""
        if any(block.scope == "worker" for block in blocks):
            self.is_on, self._orders_of = True, orders_of
            self._cleanup.tracker = WorkerTracker(self._cleanup.tracker, self._of_workers)

    def end(self) -> None:
        """Know that there are no workers any more, and do not lead back to those that there were."""
        self._orders_of = None
        for manager in self._managers:
            manager.end()
        self._orders.clear()
        self._managers.clear()

    def look_at(self, held: OpenResource, lifetime: ResourceLifetime) -> None:
        """See, before a block's init begins, whether its resource is opened by workers."""
        if held.block.scope == "worker" and self._orders_of is not None:
            orders = self._orders_of(lifetime)
            if orders is not None:
                self._orders[held] = orders
                self._of_workers.add(held)

    def prepare(self, call: Call, held: OpenResource) -> None:
        """Have the call of an init make a manager for the workers, or see to it that it needs none of theirs."""
        task: Any = call.task
        if held in self._of_workers:
            call.fn = lambda **inputs: self._manager_of(held, task.resource_class, inputs)
            return
        found = resources_in(call.inputs)
        if found:
            _refuse(
                call,
                f"block {held.name!r} is set up in the kernel and takes the resource of {found[0].name!r}, which is "
                "open in worker processes only; "
                f"give {held.name!r} scope='worker' too, or {found[0].name!r} scope='run'",
            )

    def check(self, call: Call, orders: WorkerOrders | None) -> None:
        """See to it that a task takes no resource of workers other than those that may call it."""
        for one in resources_in(call.inputs):
            if orders is None or not orders.knows(one.key):
                _refuse(
                    call,
                    f"task {call.task.name!r} takes the resource of {one.name!r}, but is not called by the workers "
                    f"that open it (an asynchronous task is called in the kernel); let one executor call the tasks of "
                    f"{one.name!r}, or give it scope='run'",
                )

    def _manager_of(self, held: OpenResource, resource_class: Any, inputs: dict[str, Any]) -> WorkerManager:
        orders = self._orders.get(held)
        if orders is None:
            raise WorkerScopeError(f"block {held.name!r} cannot be set up: its run has ended")
        manager = WorkerManager(held, self._cleanup, orders)
        orders.take_on(manager, resource_class, inputs)
        self._managers.append(manager)
        return manager


def _refuse(call: Call, why: str) -> None:
    refusal = WorkerScopeError(why)
    call.fn = lambda **_: _raise(refusal)


def _raise(error: Exception) -> Any:
    raise error
