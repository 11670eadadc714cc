"""What a Dask worker has open for the runs of one kernel: set up when a task needs it, closed when the kernel says so.

A resource has a thread of its own, for its setup and its cleanup: the task that needs it first may run in any of the
worker's threads. The worker may outlive the kernel, so as long as anything is open it asks the scheduler for it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import threading
import time
import uuid
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from nbflow.engine.attempt import TaskCancelled, close_loop
from nbflow.executors.dask.task_streams import saying
from nbflow.executors.resource_desk import refusal
from nbflow.executors.worker_resources import WorkerResources
from nbflow.processes import UnknownStatusError, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call
    from nbflow.executors.dask.told import Told

T = TypeVar("T")
_LOOK_S = 0.05
_ASK_S = 1.0  # until the scheduler is asked for the kernel again; more where the workers are many
_MISSES = 2  # answers that the kernel is gone, until it is taken for dead: a client may connect again
_LET_GO_S = 5.0  # for tasks of a kernel that is dead to let go of what they use
_LEAVE_S = 30.0  # for a worker that ends to clean up


class ProcessOnHost(NamedTuple):
    """A process, as no other one is called.

    Attributes:
        pid: Its number.
        start: When it started: see `nbflow.processes.ProcessStatus`; None if the system does not say.
        key: Of this kernel's resources there.
    """

    pid: int
    start: float | None
    key: str


class Scope(NamedTuple):
    """What a bundle says of the resources that its tasks may take.

    Attributes:
        number: Names the run to the worker, and to the kernel's connection.
        client: The id of the kernel's client.
    """

    number: int
    client: str


class CallsHere(Protocol):
    """The calls that a worker makes for one kernel."""

    @property
    def is_making(self) -> bool:
        """Whether it makes any."""

    def stop_all(self) -> None:
        """Have all of them stop, and tell nothing of them: what is lost with a worker is made elsewhere."""

    def go_on(self) -> None:
        """Have calls that come after all made and told as ever."""


class ResourceThread:
    """The thread of one resource: see `nbflow.executors.worker_resources.Home`."""

    def __init__(self) -> None:
        self._works: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        threading.Thread(target=self._serve, name="nbflow-resource", daemon=True).start()

    def run(self, work: Callable[[], T]) -> T:
        """Have something called there; returns what that returns, and raises what it raises."""
        future: Future[T] = Future()

        def call() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                future.set_exception(error)

        self.begin(call)
        return future.result()

    def begin(self, work: Callable[[], object]) -> None:
        """Have something called there that raises nothing, and do not wait."""
        self._works.put(work)

    def end(self) -> None:
        """Let the thread end when it has called all."""
        self._works.put(None)

    def _serve(self) -> None:
        while (work := self._works.get()) is not None:
            work()
            del work
        close_loop()


class HostResources:
    """What this process has open for the runs of one kernel.

    Args:
        worker: Dask's worker.
        told: What the kernel is told.
        calls: The kernel's calls that are made here.

    Attributes:
        process: This process.
    """

    def __init__(self, worker: Any, told: Told, calls: CallsHere) -> None:
        self._worker, self._told, self._calls = worker, told, calls
        self.process = ProcessOnHost(os.getpid(), _start(), uuid.uuid4().hex)
        self._scopes: dict[int, WorkerResources] = {}
        self._answers: dict[int, SimpleQueue[tuple[str, list[Any]]]] = {}  # by the number of the question
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self._client, self._is_watching, self._is_left = "", False, False
        self._plugin = ""  # the name of the one that has Dask's worker clean up before it ends

    def of(self, scope: Scope, known: dict[str, Any]) -> WorkerResources:
        """Return the resources of one run; `known` is what all its tasks know."""
        self._client = scope.client
        with self._lock:
            if scope.number not in self._scopes:
                self._scopes[scope.number] = WorkerResources(self._ask, lambda: known, ResourceThread)
            return self._scopes[scope.number]

    @property
    def is_busy(self) -> bool:
        """Whether anything is open here, or is about to be."""
        return any(resources.is_busy for resources in tuple(self._scopes.values()))

    # -- what is asked, in the thread of a task or of a resource ------------------------------------------------

    def _ask(self, call: Call, kind: str, parts: list[Any]) -> tuple[str, list[Any]]:
        number = next(self._numbers)
        answers = self._answers[number] = SimpleQueue()
        try:
            self._watch_kernel()
            vars(call)["tell"](kind, self.process, number, [bytes(part) for part in parts])
            self._told.flush()
            while not self._is_left:
                try:
                    return answers.get(timeout=_LOOK_S)
                except Empty:
                    continue
            return refusal(TaskCancelled())  # nobody answers any more
        finally:
            del self._answers[number]

    # -- what the kernel says, in the thread of the event loop -------------------------------------------------

    def answer(self, number: int, kind: str, parts: list[bytes]) -> None:
        """Give an answer to who waits for it."""
        answers = self._answers.get(number)
        if answers is not None:
            answers.put((kind, [parts[0], *map(bytearray, parts[1:])] if parts else []))

    def close(self, number: int, key: str, parts: list[bytes]) -> None:
        """Have a resource cleaned up, and the kernel told what comes of it."""
        resources = self._scopes.get(number)
        if resources is None or resources.get(key) is None:
            self._say("gone", number, key)
        else:
            self._begin_closing(number, resources, key, [*parts[:1], *map(bytearray, parts[1:])])

    def end(self, number: int, dropped: list[str]) -> None:
        """Have all cleaned up that is open for a run, the last first, but for what is only to be forgotten."""
        resources = self._scopes.get(number)
        if resources is None:
            self._say("over", number, "")
        else:
            thread = threading.Thread(target=self._end, args=(number, resources, dropped), daemon=True)
            thread.start()

    def _end(self, number: int, resources: WorkerResources, dropped: list[str]) -> None:
        for key in dropped:
            resources.drop(key)
        while resources.is_busy:
            for key in resources.keys:
                self._leave(number, resources, key, cleans=True)
            time.sleep(_LOOK_S)
        self._scopes.pop(number, None)
        self._say("over", number, "")

    # -- cleanups, in the threads of the resources ---------------------------------------------------------------

    def _begin_closing(self, number: int, resources: WorkerResources, key: str, parts: list[Any]) -> None:
        opened = resources.get(key)
        if opened is None or opened.is_closing:  # the kernel may say it twice
            return
        opened.is_closing = True
        home: Any = opened.home
        home.begin(lambda: self._close_there(number, resources, key, parts))

    def _close_and_wait(self, number: int, resources: WorkerResources, key: str) -> None:
        opened = resources.get(key)
        if opened is None or opened.is_closing:
            return
        opened.is_closing = True
        opened.home.run(lambda: self._close_there(number, resources, key, []))
        if resources.get(key) is opened:
            logging.getLogger("nbflow").warning("the cleanup of %r failed, its resource may be left", opened.name)

    def _close_there(self, number: int, resources: WorkerResources, key: str, parts: list[Any]) -> None:
        opened = resources.get(key)

        def say(stream: str, text: str) -> None:
            self._told.add("said", number, self.process, key, stream, text)

        says: Any = SimpleNamespace(say=say)
        with saying():
            ended = resources.close(key, parts, says)
        if opened is not None:
            opened.is_closing = False  # one that has failed may be tried again
        self._say("closed", number, key, [bytes(part) for part in ended])

    def _say(self, kind: str, number: int, *rest: Any) -> None:
        self._told.add(kind, number, self.process, *rest)
        self._told.flush()

    # -- a kernel that is no more, or a worker that ends ---------------------------------------------------------

    def leave(self) -> None:
        """Clean up what nobody else can, and forget what is reclaimed, as the kernel is gone, or this worker goes.

        Tasks let go first, for some seconds at most. Waits for setups that go on.
        """
        self._is_left = True
        if self.is_busy:
            self._calls.stop_all()
            until = time.monotonic() + _LET_GO_S
            while self._calls.is_making and time.monotonic() < until:
                time.sleep(_LOOK_S)
        while self.is_busy:
            for number, resources in tuple(self._scopes.items()):
                for key in resources.keys:
                    self._leave(number, resources, key)
            time.sleep(_LOOK_S)

    def forget_worker(self) -> None:
        """Have Dask's worker know nothing of this any more."""
        if self._plugin:
            self._worker.loop.add_callback(self._worker.plugins.pop, self._plugin, None)

    def _leave(self, number: int, resources: WorkerResources, key: str, *, cleans: bool = False) -> None:
        opened = resources.get(key)
        if opened is None or opened.is_closing:
            return
        if cleans or not opened.is_found:
            self._close_and_wait(number, resources, key)
        resources.drop(key)

    def _leave_kernel(self) -> None:
        """Leave a kernel that is gone; should it come back after all, it finds nothing open here."""
        self.leave()
        self._calls.go_on()
        with self._lock:
            self._is_left = self._is_watching = False

    def _watch_kernel(self) -> None:
        with self._lock:
            if self._is_watching:
                return
            self._is_watching = True
        self._worker.loop.add_callback(self._watch)

    async def _watch(self) -> None:
        misses = 0
        if not self._plugin:  # once: one that takes the place of another has that end as if the worker did
            self._plugin = f"nbflow-{self.process.key}"
            await self._worker.plugin_add(_cleanup_of(self), name=self._plugin)
        while misses < _MISSES:
            await asyncio.sleep(self._pause_s())
            with self._lock:
                if not self._answers and not self.is_busy:
                    self._is_watching = False
                    return
            misses = misses + 1 if await self._is_kernel_gone() else 0
        threading.Thread(target=self._leave_kernel, name="nbflow-leave", daemon=True).start()

    async def _is_kernel_gone(self) -> bool:
        """Tell whether the last that the scheduler has noted of the kernel's client is that it has gone."""
        try:
            events = await self._worker.scheduler.events(topic=self._client)
        except Exception:  # noqa: BLE001 - a scheduler that cannot be reached: then this worker is going to end
            return False
        actions = [event.get("action") for _, event in events if isinstance(event, dict)]
        return [one for one in actions if one in ("add-client", "remove-client")][-1:] == ["remove-client"]

    def _pause_s(self) -> float:
        beat = self._worker.periodic_callbacks.get("heartbeat")
        return max(_ASK_S, 0.0 if beat is None else beat.callback_time / 1000)


def _start() -> float | None:
    try:
        status = status_of(os.getpid())
    except UnknownStatusError:
        return None
    return None if status is None else status.start


def _cleanup_of(resources: HostResources) -> Any:
    """Return a plugin that has a worker clean up before it ends."""
    from distributed import WorkerPlugin

    class CleanUp(WorkerPlugin):
        """Cleans up."""

        async def teardown(self, worker: Any) -> None:
            """Clean up, in a thread: what is cleaned up may need the event loop."""
            left = asyncio.ensure_future(asyncio.to_thread(resources.leave))
            await asyncio.wait([left], timeout=_LEAVE_S)

    return CleanUp()
