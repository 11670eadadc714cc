"""The worker's side of a Dask cluster: makes the calls of bundles, and tells the kernel what becomes of each.

All of it runs in Dask's worker processes: `make_bundle` in the threads that Dask gives to tasks, and what `Client.run`
calls (`stop`, `take_back`, `leave` and more) in the thread of the worker's event loop, so these only set flags.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow._version import __version__
from nbflow.core.context import work_of
from nbflow.core.data.value_traits import is_one_shot
from nbflow.core.data.value_type import identity
from nbflow.core.effects.mutation import may_change
from nbflow.engine.attempt import TaskCancelled
from nbflow.engine.error_text import error_text
from nbflow.engine.object_versions import ATOMS, NUMBERS
from nbflow.engine.remote_value import RemoteFacts
from nbflow.executors.dask.host_resources import HostResources, ProcessOnHost, Scope
from nbflow.executors.dask.sent_references import REFERENCES, Earlier, NoValue, OwnClient, Reference, replaced
from nbflow.executors.dask.task_streams import flush_figures, saying
from nbflow.executors.dask.told import Told
from nbflow.executors.parcel import packed, shipped_from, unpacked
from nbflow.executors.remote_call import attempted, call_of, known_in, returned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.executors.parcel import Shipped
    from nbflow.executors.worker_resources import WorkerResources

SMALL = 10_000  # bytes; what is larger stays on the cluster
_hosts: dict[tuple[str, str], Host] = {}  # by topic and worker: a process may have several of them
TAKEN_BACK = "taken back"  # where the scheduler keeps, by topic, of which bundles no further call is to begin
_starts = itertools.count()
_lock = threading.Lock()


class Facts(NamedTuple):
    """What the kernel checks before it sends anything: see `facts_of_worker`."""

    nbflow: str
    python: tuple[int, int]


def facts_of_worker() -> Facts:
    """Return what this worker is made of."""
    return Facts(__version__, sys.version_info[:2])


class Host:
    """What this process does for one kernel.

    Args:
        topic: Under which the kernel is told.
        worker: Dask's worker.
    """

    def __init__(self, topic: str, worker: Any) -> None:
        self.told = Told(lambda content: worker.log_event(topic, (worker.address, content)))
        self.making: dict[int, BundleMaker] = {}
        self.taken_back: set[int] = set()
        self.knows_taken_back = False  # as far as it was so before this was here
        self.stops: dict[tuple[int, int], type[BaseException] | None] = {}  # of calls, also such as have not begun
        self.begun: set[int] = set()
        self.resources = HostResources(worker, self.told, self)
        self.is_stopped = False  # as the kernel is gone, or this worker goes

    @property
    def is_making(self) -> bool:
        """Whether any call is being made."""
        return bool(self.making)

    def stop_all(self) -> None:
        """Have all calls stop, begin no more, and tell nothing of them: what is lost here is made elsewhere."""
        self.is_stopped = True
        for number, maker in tuple(self.making.items()):
            self.stop(number, maker.place, TaskCancelled)

    def go_on(self) -> None:
        """Make the calls that come, and tell of them."""
        self.is_stopped = False

    def leave(self) -> None:
        """Clean up what is open, and tell the kernel nothing any more."""
        self.resources.leave()
        self.resources.forget_worker()
        self.told.close()

    def stop(self, number: int, place: int, error: type[BaseException] | None) -> None:
        """Have a call find that it is to stop, and `error` raised in it."""
        self.stops[number, place] = error  # first: it may begin in this moment
        maker = self.making.get(number)
        if maker is not None:
            maker.heed_stop()


def host_of(topic: str, worker: Any) -> Host:
    """Return what a worker of this process does for the kernel of a topic."""
    place = topic, worker.address
    with _lock:
        if place not in _hosts:
            _hosts[place] = Host(topic, worker)
        return _hosts[place]


def stop(topic: str, calls: list[tuple[int, int, type[BaseException] | None]], dask_worker: Any) -> None:
    """Have calls stop, if they are made here."""
    host = _hosts.get((topic, dask_worker.address))
    for number, place, error in calls if host is not None else ():
        assert host is not None
        host.stop(number, place, error)


def take_back(topic: str, numbers: list[int], dask_worker: Any) -> list[int]:
    """Have no further call of some bundles begin here; returns those bundles of which any call has begun."""
    host = host_of(topic, dask_worker)
    host.taken_back.update(numbers)  # first: one may begin in this moment
    return [number for number in numbers if number in host.begun]


def leave(topic: str, dask_worker: Any) -> None:
    """Forget the kernel."""
    host = _hosts.pop((topic, dask_worker.address), None)
    if host is not None:
        threading.Thread(target=host.leave, name="nbflow-leave", daemon=True).start()


def tell_resources(topic: str, process: ProcessOnHost, what: str, args: tuple[Any, ...], dask_worker: Any) -> bool:
    """Have a method of this process's `HostResources` called; False if another process is meant."""
    host = _hosts.get((topic, dask_worker.address))
    if host is None or host.resources.process != process:
        return False
    getattr(host.resources, what)(*args)
    return True


def make_bundle(
    topic: str,
    number: int,
    version: str,
    parts: list[bytes],
    base: bytes,
    given: list[Any],
    *,
    once: bool = False,
    scope: Scope | None = None,
) -> Any:
    """Make the calls of a bundle in this thread: a task of Dask's. Returns their values, in order.

    Args:
        topic: Of the kernel.
        number: Names the bundle.
        version: The kernel's version of nbflow.
        parts: The calls.
        base: What all tasks of the run know.
        given: The values of other bundles, and others that were sent beforehand, to which the calls refer.
        once: Whether its calls are not to be made if another worker has begun them.
        scope: Of the resources that its calls may take, and this process opens for itself; None if there are none.
    """
    from distributed import get_worker

    host = host_of(topic, get_worker())
    _learn_taken_back(topic, host)
    start = f"{os.getpid()}.{next(_starts)}"
    told = host.told
    told.add("start", number, start)
    try:
        if version != __version__:
            raise RuntimeError(f"it has nbflow {__version__}, and the kernel {version}")
        shipped = unpacked((parts[0], *map(bytearray, parts[1:])))
        known = known_in(base)
        calls = [Sent(call_of(one, known), one, *rest) for one, *rest in ((shipped_from(s), *r) for s, *r in shipped)]
    except Exception as error:  # noqa: BLE001 - a module that is not there, a class that was changed
        told.add("unread", number, start, error_text(error))
        told.flush()
        return ()
    if once and (before := _begun_before(topic, number)):
        told.add("begun before", number, start, before)
        told.flush()
        return (NoValue(),)
    resources = None if scope is None else host.resources.of(scope, known)
    maker = host.making[number] = BundleMaker(host, number, start, given, resources)
    host.begun.add(number)  # before the flag is looked at: who sets it looks at this
    try:
        with saying():
            values = maker.make(calls)
        if host.is_stopped:
            from distributed import Reschedule

            raise Reschedule  # to another worker, if there is still somebody who wants the values
        return values
    finally:
        host.making.pop(number, None)
        told.flush()


def _learn_taken_back(topic: str, host: Host) -> None:
    """Have a new worker know what the others were told before it came: it may get what one that is lost had begun."""
    from distributed import get_worker
    from distributed.utils import sync

    if not host.knows_taken_back:
        worker = get_worker()
        told = sync(worker.loop, worker.scheduler.get_metadata, keys=[topic, TAKEN_BACK], default={})
        host.taken_back.update(*told.values())
        host.knows_taken_back = True


def _begun_before(topic: str, number: int) -> str:
    """Return which worker has begun a bundle before this one; empty, if none has: then this one is noted."""
    from distributed import get_worker
    from distributed.utils import sync

    worker, keys = get_worker(), [topic, str(number)]
    before = sync(worker.loop, worker.scheduler.get_metadata, keys=keys, default="")
    if before in ("", worker.address):
        sync(worker.loop, worker.scheduler.set_metadata, keys=keys, value=worker.address)
        return ""
    return str(before)


class Sent(NamedTuple):
    """A call of a bundle.

    Attributes:
        call: The call.
        shipped: As it came.
        tied: Those of its arguments that have references in them.
        after: What refers to the calls that come before it, all of which must have ended well.
    """

    call: Call
    shipped: Shipped
    tied: frozenset[str]
    after: list[Any]


class BundleMaker:
    """Makes the calls of one bundle, one after the other."""

    def __init__(
        self, host: Host, number: int, start: str, given: list[Any], resources: WorkerResources | None
    ) -> None:
        self._host, self._number, self._start, self._given = host, number, start, given
        self._resources = resources
        self._values: list[Any] = []
        self.place = -1  # of the call that is made now
        self._call: Call | None = None

    def make(self, calls: list[Sent]) -> tuple[Any, ...]:
        """Make calls; returns their values."""
        for place, sent in enumerate(calls):
            if self._number in self._host.taken_back or self._host.is_stopped:
                self._tell("back", -1)
                self._values += [NoValue()] * (len(calls) - place)
                break
            self._values.append(self._made(place, sent))
        return tuple(self._values)

    def heed_stop(self) -> None:
        """Have the call that is made now stop, if it is to; in the thread of the event loop."""
        call, place = self._call, self.place
        if call is None or (self._number, place) not in self._host.stops:
            return
        error = self._host.stops[self._number, place]
        call.stop_requested = True
        if error is not None:
            call.hit(error)

    def _made(self, place: int, sent: Sent) -> Any:
        call, with_client = sent.call, set[str]()
        try:
            for reference in sent.after:
                if is_one_shot(self._value_of(reference)):  # the kernel hands it out: its first taker uses it up
                    raise _Missing
            for name in sent.tied:

                def have(reference: Any, name: str = name) -> Any:
                    if type(reference) is OwnClient:
                        with_client.add(name)
                    return self._value_of(reference)

                value = call.inputs[name] = replaced(call.inputs[name], REFERENCES, have)
                # Others take the same object: nobody is to see what this call does to it. A client is for all.
                if name not in with_client and may_change(call.fn, name, value):
                    call.inputs[name] = _copy(value)
        except _Missing:
            self._tell("back", place)
            return NoValue()
        except Exception as error:  # noqa: BLE001 - what is mapped over has no such element, or cannot be copied
            call.fn = _raising(error)
        vars(call)["say"] = lambda stream, text: self._tell("said", place, stream, text)
        vars(call)["tell"] = lambda kind, *rest: self._tell(kind, place, *rest)
        self.place, self._call = place, call
        self._tell("begun", place)
        if not place:  # at once: if the worker dies now, the kernel is to know with what
            self._host.told.flush()
        self.heed_stop()
        around = work_of.set(call)  # also for the figures that are shown when it has ended
        try:
            with _out_of_the_pool() if with_client else nullcontext():
                outcome, rest = attempted(call, sent.shipped, flush_figures, self._resources)
        finally:
            work_of.reset(around)
        self._call = None
        self._host.stops.pop((self._number, place), None)
        call.inputs.clear()
        return self._told(place, call, outcome, rest)

    def _told(self, place: int, call: Call, outcome: Outcome, rest: tuple[Any, ...]) -> Any:
        """Tell what came of a call, with its value if that is small; returns the value that stays here."""
        if outcome.error is None and not call.files and _is_short(outcome.value):
            call.returned = outcome
            self._tell("ended", place, (outcome.value, None, *rest), False)
            return outcome.value
        parts = returned(call, outcome, rest)
        if call.returned is None or call.returned.error is not None:  # also a value that cannot travel
            self._tell("ended", place, parts, False)
            return NoValue()
        value = outcome.value
        if sum(memoryview(part).nbytes for part in parts) <= SMALL:
            self._tell("ended", place, [bytes(part) for part in parts], False)
            # As if it had travelled: what the next call does to it nobody sees who takes it from the kernel.
            try:
                return value if identity(type(value)) in ATOMS else unpacked([parts[0], *map(bytearray, parts[1:])])[0]
            except Exception:  # noqa: BLE001 - a user's object that cannot be made again: the kernel sees to it
                return NoValue()
        self._tell("ended", place, packed((facts_of_value(value), None, *rest)), True)
        return value

    def _value_of(self, reference: Any) -> Any:
        if type(reference) is OwnClient:
            from distributed import get_client

            return get_client()
        if type(reference) is Earlier:
            value = self._values[reference.number]
        else:
            value = self._given[reference.future]
            if reference.number >= 0:
                value = value[reference.number] if reference.number < len(value) else NoValue()
        if type(value) is NoValue:
            raise _Missing
        if type(reference) is Reference and reference.place is not None:
            from nbflow.engine.elements import element

            return element(value, reference.place)
        return value

    def _tell(self, kind: str, *rest: Any) -> None:
        if not self._host.is_stopped:
            self._host.told.add(kind, self._number, self._start, *rest)


class _Missing(Exception):
    """A call that was to give a value has given none."""


def _is_short(value: Any) -> bool:
    """Whether a value travels as it is, among what else is told."""
    kind = identity(type(value))
    return kind in NUMBERS or (kind in ATOMS and len(value) <= SMALL // 4)  # text has up to four bytes a character


def facts_of_value(value: Any) -> RemoteFacts:
    """Return what the kernel is told of a value that stays here; never raises."""
    from nbflow.engine.elements import is_iterator, is_mappable
    from nbflow.engine.value_facts import facts_of

    facts = facts_of(value, source="", where="", print_of=lambda _: None)
    size, count = facts.size, None
    try:
        from dask.sizeof import sizeof

        size = sizeof(value) if size is None else size
        count = len(value) if is_mappable(value) and not is_iterator(value) else None
    except Exception:  # noqa: BLE001 - users' objects
        count = None
    return RemoteFacts(facts.type, size, facts.length, facts.repr, count)


def _copy(value: Any) -> Any:
    head, *buffers = packed(value)
    return unpacked([head, *map(bytearray, buffers)])


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(**_: Any) -> Any:
        raise error

    return fail


@contextmanager
def _out_of_the_pool() -> Iterator[None]:
    """Have the worker take another task meanwhile: this one is going to wait for tasks of its own."""
    from distributed import rejoin, secede

    secede()
    try:
        yield
    finally:
        rejoin()
