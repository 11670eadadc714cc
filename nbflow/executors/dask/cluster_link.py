"""The kernel's connection to one Dask cluster: what its workers tell comes in here, and goes to whom it concerns."""

from __future__ import annotations

import asyncio
import itertools
import logging
import operator
import pickle
import sys
import threading
import time
import uuid
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from nbflow._version import __version__
from nbflow.core.states import Released
from nbflow.errors import ValueReleasedError
from nbflow.executors.dask import worker_host
from nbflow.executors.errors import UnfitWorkersError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.engine.remote_value import RemoteValue

_TRIM_BYTES = 20_000_000  # of what was told, until the scheduler is to forget it
_WORKERS_S = 1.0  # until it is looked again which workers there are
_CLOSED = "the cluster that had it is closed"
_LOST = "its cluster has lost it"
_FETCH = "nbflow-fetch-"
_KNOWN = "_nbflow_link"  # where a client of the user's has its connection
_AGAIN_S = 1.0  # until a worker is told once more what did not come through


class Listener(Protocol):
    """Whom a bundle concerns; called in the thread of the client's event loop, so it only takes notes."""

    def hear(self, worker: str, messages: Sequence[tuple[Any, ...]]) -> None:
        """Take note of what a worker says: of what kind it is, of which bundle, and more."""

    def note_workers(self, gone: frozenset[str]) -> None:
        """Take note that there are other workers than before, and that those of some addresses have `gone`."""


class ClusterLink:
    """A client of a cluster, and which bundle is whose.

    Args:
        client: A `distributed.Client` that is connected.
        owns_client: Whether it is closed with this.

    Attributes:
        topic: Under which this kernel is told.
        threads: How many tasks each worker runs at once, as far as is known.
        is_closed: Whether nothing is had from the cluster any more.
    """

    def __init__(self, client: Any, *, owns_client: bool = False) -> None:
        self.client, self.topic, self.is_closed = client, f"nbflow-{uuid.uuid4().hex}", False
        self._listeners: weakref.WeakValueDictionary[int, Listener] = weakref.WeakValueDictionary()
        self._all: weakref.WeakSet[Listener] = weakref.WeakSet()
        self._numbers, self._told_bytes, self._lock = itertools.count(), 0, threading.Lock()
        self._looks_at = 0.0
        self.threads: dict[str, int] = dict(client.nthreads())
        client.subscribe_topic(self.topic, _weakly(self._hear))
        self._leave = weakref.finalize(self, _leave, client, self.topic, owns_client)
        self._leave.atexit = False

    def check_workers(self) -> None:
        """See whether the workers can read what the kernel sends.

        Raises:
            UnfitWorkersError: If a worker has no nbflow, another version of it, or another Python.
        """
        ours, odd = worker_host.Facts(__version__, sys.version_info[:2]), {}
        for worker, facts in self.client.run(worker_host.facts_of_worker, on_error="return").items():
            if isinstance(facts, OSError):  # it has gone in this moment
                continue
            if isinstance(facts, BaseException):
                odd[worker] = f"cannot import nbflow ({facts})"
            elif facts != ours:
                odd[worker] = f"has nbflow {facts.nbflow} and Python {facts.python[0]}.{facts.python[1]}"
        if odd:
            worker, what = next(iter(odd.items()))
            here = f"nbflow {__version__} and Python {sys.version_info[0]}.{sys.version_info[1]}"
            raise UnfitWorkersError(worker, what, here, len(odd))

    @property
    def slots(self) -> int:
        """How many tasks the workers can run at once."""
        return sum(self.threads.values())

    @property
    def is_lost(self) -> bool:
        """Whether the scheduler cannot be reached any more."""
        return self.is_closed or self.client.status not in ("running", "connecting")

    def look_at_workers(self) -> None:
        """Have the listeners told if workers have come or gone, within a second or so; does not wait."""
        # Not by a subscription to the cluster's own events: each client that is closed would be told of its end, and
        # the scheduler says loudly that it cannot.
        now = time.monotonic()
        if now > self._looks_at and not self.is_lost:
            self._looks_at = now + _WORKERS_S
            self.client.loop.add_callback(self._look_at_workers)

    async def _look_at_workers(self) -> None:
        with suppress(Exception):  # of a scheduler that is gone, which shows elsewhere
            threads = dict(await self.client.scheduler.ncores())
            if threads != self.threads:
                gone = frozenset(self.threads) - frozenset(threads)
                self.threads = threads
                for listener in tuple(self._all):
                    listener.note_workers(gone)

    def number(self, listener: Listener) -> int:
        """Return a number for a bundle, of which `listener` is told."""
        number = next(self._numbers)
        self._listeners[number] = listener
        return number

    def pass_on(self, number: int, listener: Listener) -> None:
        """Have another one told of a bundle from now on."""
        self._listeners[number] = listener

    def listener(self, number: int) -> Listener | None:
        """Return who is told of a bundle."""
        return self._listeners.get(number)

    def listen(self, listener: Listener) -> None:
        """Have somebody told when workers come and go."""
        self._all.add(listener)

    def tell_workers(self, function: Any, *args: Any) -> None:
        """Have a function of `worker_host` called in all workers, and do not wait."""
        self.client.loop.add_callback(self._told, function, args)

    async def _told(self, function: Any, args: tuple[Any, ...]) -> None:
        with suppress(Exception):  # of a worker that has gone, or a client that is closed: nobody there needs it
            await self.ask_workers(function, *args)

    async def ask_workers(self, function: Any, *args: Any) -> dict[str, Any]:
        """Call a function of `worker_host` in all workers; returns what those say that answer."""
        found: dict[str, Any] = await self.client._run(function, self.topic, *args, on_error="ignore")
        return found

    async def ask_to_take_back(self, numbers: Sequence[int]) -> dict[str, list[int]] | None:
        """Have no further call of bundles begin anywhere, also where a worker comes later.

        Returns which of the bundles each worker has begun, or None if one has not answered.
        """
        place = [self.topic, worker_host.TAKEN_BACK, str(next(self._numbers))]
        await self.client.scheduler.set_metadata(keys=place, value=list(numbers))  # first, for those that come now
        answers = await self.ask_workers(worker_host.take_back, numbers)
        there = await self.client.scheduler.ncores()
        return answers if set(there) <= set(answers) else None

    def tell_worker(self, worker: str, lost: Callable[[], object], function: Any, *args: Any) -> None:
        """Have a function of `worker_host` called in one worker, and do not wait; somebody waits for what it does.

        Args:
            worker: The worker's address.
            lost: Is called, in the thread of the client's event loop, if the worker is no more. The function returns
                whether it is the one that is meant, and not another one in its place.
            function: The function.
            args: Its arguments, behind the topic.
        """
        self.client.loop.add_callback(self._tell_one, worker, lost, function, args)

    async def _tell_one(self, worker: str, lost: Callable[[], object], function: Any, args: tuple[Any, ...]) -> None:
        while not self.is_lost:
            try:
                told = await self.client._run(function, self.topic, *args, workers=[worker], on_error="return")
                if told.get(worker) is True:
                    return
                if told.get(worker) is False or worker not in await self.client.scheduler.ncores():
                    lost()
                    return
                logging.getLogger("nbflow").debug("%s could not be told: %r", worker, told.get(worker))
            except Exception as error:  # noqa: BLE001 - a scheduler that is gone
                logging.getLogger("nbflow").debug("%s could not be told: %r", worker, error)
            await asyncio.sleep(_AGAIN_S)

    def close(self) -> None:
        """Be told nothing any more, and lose the values."""
        if self.is_closed:
            return
        self.is_closed = True
        self._leave()

    def _hear(self, event: tuple[float, Any]) -> None:
        worker, content = event[1]
        self._told_bytes += len(content)
        for number, messages in itertools.groupby(pickle.loads(content), operator.itemgetter(1)):
            listener = self._listeners.get(number)
            if listener is not None:
                listener.hear(worker, tuple(messages))
        if self._told_bytes > _TRIM_BYTES:
            self._told_bytes = 0
            self.client.loop.add_callback(self._trim)

    async def _trim(self) -> None:
        """Have the scheduler forget what was told: it would keep all of it."""
        try:
            await self.client._run_on_scheduler(_forget_topic, self.topic)
        except Exception as error:  # noqa: BLE001 - one that allows no functions: it forgets the oldest by itself
            logging.getLogger("nbflow").debug("the scheduler keeps what was told: %r", error)


def link_to(client: Any) -> ClusterLink:
    """Return the connection by a client of the user's: one for all runs that it calls, as long as one of them is kept.

    So a later run hands on what an earlier one has left on the cluster.
    """
    known: Any = vars(client).get(_KNOWN)
    link: ClusterLink | None = None if known is None else known()
    if link is None or link.is_closed:
        link = ClusterLink(client)
        setattr(client, _KNOWN, weakref.ref(link))
    return link


def _weakly(hear: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return what calls a method for as long as somebody holds what it is of: the client, which lives on, does not."""
    method = weakref.WeakMethod(hear)

    def call(event: Any) -> None:
        found = method()
        if found is not None:
            found(event)

    return call


def _leave(client: Any, topic: str, owns_client: bool) -> None:
    """Have the workers and the scheduler forget a topic; from any thread, that of the event loop among them."""
    with suppress(Exception):  # of an event loop that has ended
        client.loop.add_callback(_leave_there, client, topic, owns_client)


async def _leave_there(client: Any, topic: str, owns_client: bool) -> None:
    with suppress(Exception):  # of a scheduler that is gone
        if client.status == "running":
            client.unsubscribe_topic(topic)
            await client._run(worker_host.leave, topic, on_error="ignore")
            await client.scheduler.set_metadata(keys=[topic], value={})
    if owns_client:
        with suppress(Exception):
            await client._close()


def _forget_topic(topic: str, dask_scheduler: Any) -> None:
    dask_scheduler._broker.truncate(topic)


class ClusterValues:
    """The values of one bundle, which stay on the cluster for as long as anybody refers to this.

    Args:
        link: The cluster.
        future: Dask's, of the tuple of the values.

    Attributes:
        future: The same.
        is_lost: Whether a worker that had them is lost, and they are not to be made again.
    """

    def __init__(self, link: ClusterLink, future: Any) -> None:
        self.link, self.future = link, future
        self.bundle: Any = None  # is kept for as long
        self.is_lost = False

    @property
    def gone(self) -> Released | None:
        """Why the values cannot be had; None while they can."""
        if self.link.is_closed or self.link.client.status != "running":
            return Released("a task", _CLOSED, "rerun {task!r}")
        if self.is_lost or self.future.cancelled():
            return Released("a task", _LOST, "rerun {task!r}")
        return None

    def fetch(self, value: RemoteValue) -> Any:
        """Return a copy of a value; waits as long as it takes."""
        gone = self.gone
        if gone is not None:
            raise ValueReleasedError(*gone)
        try:
            return self.fetch_all([value])[0]
        except Exception as error:
            gone = self.gone
            if gone is not None:
                raise ValueReleasedError(*gone) from error
            raise

    def fetch_all(self, values: Sequence[RemoteValue]) -> list[Any]:
        """Return copies of values, also those of other bundles: asked for at once."""
        wanted: dict[ClusterValues, list[Any]] = {}
        for value in values:
            holder: Any = value.holder
            wanted.setdefault(holder, []).append(value.key)
        found: dict[tuple[Any, Any], Any] = {}
        for link in {holder.link for holder in wanted}:
            keys = {holder: keys for holder, keys in wanted.items() if holder.link is link}
            picked = [
                link.client.submit(_picked, holder.future, numbers, key=_FETCH + uuid.uuid4().hex, priority=100)
                for holder, numbers in keys.items()
            ]
            for (holder, numbers), several in zip(keys.items(), link.client.gather(picked), strict=True):
                found |= {(holder, number): one for number, one in zip(numbers, several, strict=True)}
        return [found[value.holder, value.key] for value in values]


def _picked(values: tuple[Any, ...], numbers: list[int]) -> list[Any]:
    return [values[number] for number in numbers]
