"""The resources that the workers of a cluster open for themselves for one run: the kernel's half.

All of it is used by the thread that serves the run, but for what `ClusterWorker` says. Workers ask, tell and are told
through the cluster's scheduler. One that is lost meanwhile answers nothing any more, which the cluster tells.
"""

from __future__ import annotations

import functools
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import Call
from nbflow.errors import WorkerScopeError
from nbflow.executors.dask import worker_host
from nbflow.executors.dask.host_resources import ProcessOnHost, Scope
from nbflow.executors.errors import StuckWorkerError
from nbflow.executors.resource_desk import ResourceDesk, refusal
from nbflow.executors.shipment import show_of
from nbflow.processes import UnknownStatusError, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.worker_manager import ResourceInWorker
    from nbflow.executors.dask.cluster_link import ClusterLink
    from nbflow.executors.worker_orders import CloseOrder, SessionOrders

_KILL_S = 5.0


class ClusterWorker:
    """A worker process of a cluster: see `nbflow.engine.worker_manager.WorkerPlace`.

    Args:
        link: The cluster.
        address: The worker's.
        process: The process.
        may_be_killed: Whether the cluster is the run's own. A worker of any other one is not ended, whatever hangs
            there: others may use it.

    Attributes:
        is_gone: Whether it is no more.
        is_let_go: Whether it is told nothing more, and has nothing of this run that it is at work on.
        is_left: Whether it is told nothing more, and may be at work on something.
    """

    def __init__(self, link: ClusterLink, address: str, process: ProcessOnHost, *, may_be_killed: bool) -> None:
        self._link, self.address, self._process, self._may_be_killed = link, address, process, may_be_killed
        self.is_gone = self.is_let_go = self.is_left = False

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"worker {self.address}"

    @property
    def is_alive(self) -> bool:
        """Whether it can still be told to close something, or may be at work on it."""
        if self.is_left and not self.is_gone and not self._link.is_lost:
            with suppress(OSError):  # a scheduler that goes in this moment
                self.is_gone = self.address not in self._link.client.nthreads()  # nobody else looks any more
        return not (self.is_gone or self.is_let_go or self._link.is_lost)

    def tell(self, lost: Callable[[], object], what: str, *args: Any) -> None:
        """Have a method of its `HostResources` called; `lost` is called if the worker is no more."""
        self._link.tell_worker(self.address, lost, worker_host.tell_resources, self._process, what, args)

    def kill(self) -> bool:
        """End it, if it is a process that this kernel's own cluster has started, and wait until it is no more."""
        if self.is_gone:
            return True
        if self._may_be_killed:
            import psutil  # not at the top: few runs need it

            with suppress(psutil.NoSuchProcess):  # who talks with it will notice
                one = psutil.Process(self._process.pid)
                # Not by a list of all that this kernel has started, which takes long where much is going on.
                if os.getpid() in [parent.pid for parent in one.parents()] and _is_here(self._process):
                    one.kill()
                    self.is_gone = not psutil.wait_procs([one], timeout=_KILL_S)[1]
        return self.is_gone


def _is_here(process: ProcessOnHost) -> bool:
    try:
        status = status_of(process.pid)
    except UnknownStatusError:
        return False
    return status is not None and status.start == process.start


class WorkerDesk:
    """What one worker has open for a run, and what it is to close.

    Attributes:
        is_lost: Whether the worker is no more, and what follows from that was done.
    """

    def __init__(
        self, orders: SessionOrders, number: int, worker: ClusterWorker, note_lost: Callable[[], object]
    ) -> None:
        self.worker, self.desk = worker, ResourceDesk(orders, self, worker)
        self._number, self._note_lost, self.is_lost = number, note_lost, False
        self._waiting: dict[str, list[CloseOrder]] = {}  # for a setup to end
        self._closing: dict[str, list[CloseOrder]] = {}

    @property
    def is_at_work(self) -> bool:
        """Whether it sets up or cleans up, as far as is known."""
        return bool(self._closing) or any(one.is_opening for one in self.desk.all_open)

    def take(self, call: Call, question: int, kind: str, parts: list[Any]) -> None:
        """Take in what it asks for a call, and answer."""
        if self.is_lost:
            return
        opening = [one for one in self.desk.all_open if one.is_opening]
        answer, more = self.desk.take(call, kind, parts)
        self.worker.tell(self._note_lost, "answer", question, answer, [bytes(part) for part in more])
        for one in opening:
            if not one.is_opening:
                self._setup_ended(one)

    def carry_out(self, order: CloseOrder) -> None:
        """Have a resource closed, as soon as its setup has ended."""
        one, key = order.one, order.one.owner.key
        if not self.desk.has(one) or not self.worker.is_alive:
            order.end()
        elif one.is_opening:
            self._waiting.setdefault(key, []).append(order)
        elif not order.begin():
            order.end()
        elif key in self._closing:  # somebody has given that up, and tries it again
            self._closing[key].append(order)
        else:
            self._closing[key] = [order]
            self._close(one, order.told)

    def _close(self, one: ResourceInWorker, told: list[Any]) -> None:
        one.owner.closing(one)
        parts = [bytes(part) for part in told]
        self.worker.tell(self._note_lost, "close", self._number, one.owner.key, parts)

    def _setup_ended(self, one: ResourceInWorker) -> None:
        key = one.owner.key
        for order in self._waiting.pop(key, ()):
            self.carry_out(order)
        if one.error is not None and self.desk.has(one) and key not in self._closing:
            self._closing[key] = []  # it was given up during its setup: nobody else closes it any more
            self._close(one, [])

    # -- what it tells ----------------------------------------------------------------------------------------

    def hear(self, kind: str, key: str, *rest: Any) -> None:
        """Take in what it tells of a cleanup."""
        one, orders = self.desk.get(key), self._closing.get(key, [])
        if kind == "said":
            show_of(orders[0].call if orders else None, *rest)
            return
        if one is not None and kind == "closed":
            self.desk.ended(one, [rest[0][0], *map(bytearray, rest[0][1:])])
        elif one is not None:
            self.desk.dropped(one)
        for order in self._closing.pop(key, ()):
            order.end()

    def lose(self) -> None:
        """Note that the worker is no more."""
        self.worker.is_gone = self.is_lost = True
        self.desk.stop_waiting()
        for order in self._all_orders():
            order.name_ended()
            order.end()

    def fail(self, error: BaseException) -> None:
        """Note that nobody hears it any more."""
        for order in self._all_orders():
            order.one.owner.failed(order.one, error)
            order.end()

    def _all_orders(self) -> list[CloseOrder]:
        waiting, self._waiting, closing, self._closing = self._waiting, {}, self._closing, {}
        return [order for orders in (*closing.values(), *waiting.values()) for order in orders]

    # -- the end of the run -----------------------------------------------------------------------------------

    def end(self) -> float:
        """Have it close all that it has open, the last first, and forget the run; returns for how long to wait.

        Who makes a cleanup again that has failed is not this, nor is it who closes what is kept or given up.
        """
        left = [one for one in self.desk.all_open if one.is_opening or (one.error is None and one.clean_again is None)]
        dropped = [one.owner.key for one in self.desk.all_open if one not in left]
        for one in left:
            if not one.is_opening:
                one.owner.closing(one)
        self.worker.tell(self._note_lost, "end", self._number, dropped)
        return sum(one.block.cleanup_timeout_s for one in left)

    def let_go(self) -> None:
        """Note that it is told nothing more, and name what it has not closed."""
        for one in self.desk.all_open:
            if one.error is None and one.clean_again is None and self.worker.is_alive:
                one.owner.failed(one, StuckWorkerError(self.worker.name, one.owner.name, is_ended=False))
        self.worker.is_left = self.is_at_work
        self.worker.is_let_go = not self.is_at_work


class WorkerDesks:
    """What the workers of a cluster have open for one run.

    Args:
        orders: The session's.
        link: The cluster.
        number: Names the session to the workers.
        may_kill: Whether the cluster is the run's own, so that a worker that hangs in a cleanup may be ended.
        put: Has this thread call `note_process_lost` with what it is given; from any thread.
    """

    def __init__(
        self,
        orders: SessionOrders,
        link: ClusterLink,
        number: int,
        *,
        may_kill: bool,
        put: Callable[[ProcessOnHost], object],
    ) -> None:
        self._orders, self._link, self._number, self._may_kill, self._put = orders, link, number, may_kill, put
        self._desks: dict[ProcessOnHost, WorkerDesk] = {}
        self._until: float | None = None  # for workers to say that they have closed all

    @property
    def scope(self) -> Scope | None:
        """What a bundle says to the worker; None if there is nothing that its tasks could take."""
        return Scope(self._number, self._link.client.id) if self._orders.is_used else None

    @property
    def is_at_work(self) -> bool:
        """Whether workers set up or clean up, as far as is known."""
        return any(desk.is_at_work for desk in self._desks.values())

    @property
    def is_winding_up(self) -> bool:
        """Whether workers are waited for that close what is left."""
        return self._until is not None and bool(self._desks) and time.monotonic() < self._until

    def asked(self, call: Any, worker: str, kind: str, process: ProcessOnHost, question: int, parts: list[Any]) -> None:
        """Take in what a worker asks for a call; one that is made again, as its value was lost, is no call any more."""
        if call is None:
            refuse(self._link, worker, process, question)
            return
        desk = self._desks.get(process)
        if desk is None:
            self.note_lost(lambda desk: desk.worker.address == worker)  # it has taken the place of another one
            place = ClusterWorker(self._link, worker, process, may_be_killed=self._may_kill)
            desk = WorkerDesk(self._orders, self._number, place, functools.partial(self._put, process))
            self._desks[process] = desk
        if not isinstance(call, Call):
            call = Call(call.node, call.task, None, {}, lambda *_: {})  # type: ignore[arg-type]
        desk.take(call, question, kind, [parts[0], *map(bytearray, parts[1:])])

    def hear(self, kind: str, process: ProcessOnHost, *rest: Any) -> None:
        """Take in what a worker tells of what it has open."""
        if kind == "over":
            self._end(process)
        elif process in self._desks:
            self._desks[process].hear(kind, *rest)

    def note_gone(self, addresses: frozenset[str]) -> None:
        """Note that the workers of some addresses are no more."""
        self.note_lost(lambda desk: desk.worker.address in addresses)

    def note_process_lost(self, process: ProcessOnHost) -> None:
        """Note that a worker process is no more."""
        self.note_lost(lambda desk: desk is self._desks.get(process))

    def note_lost(self, is_it: Callable[[WorkerDesk], bool] = lambda _: True) -> None:
        """Note that some workers are no more, or all of them."""
        for process, desk in tuple(self._desks.items()):
            if is_it(desk) and not desk.is_lost:
                desk.lose()
                if self._until is not None:
                    self._end(process)

    def wind_up(self) -> bool:
        """Have workers close what is left, and forget the run; returns whether all have."""
        if self._until is None:
            waits_s = [desk.end() for desk in self._desks.values() if not desk.is_lost]
            self._until = time.monotonic() + max(waits_s, default=0.0)
        if time.monotonic() >= self._until or self._link.is_lost:
            for process in tuple(self._desks):
                self._end(process)
        return not self._desks

    def give_up(self, error: BaseException) -> None:
        """Note that nobody hears the workers any more."""
        for desk in self._desks.values():
            desk.fail(error)

    def _end(self, process: ProcessOnHost) -> None:
        desk = self._desks.pop(process, None)
        if desk is not None:
            desk.let_go()


def refuse(link: ClusterLink, worker: str, process: ProcessOnHost, question: int) -> None:
    """Answer a worker that asks for a run which is over."""
    answer, more = refusal(WorkerScopeError("the run has ended that a resource is for"))
    asker = ClusterWorker(link, worker, process, may_be_killed=False)
    asker.tell(bool, "answer", question, answer, [bytes(part) for part in more])
