"""The event loop of a run: one for all that is asynchronous in it, in a thread of its own (rule 16).

It turns from the first coroutine to the end of the run, so that what a setup has started, a server or a worker, goes on
while ordinary tasks run. Coroutines are handed to it by the threads that make the calls, which wait.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.context import context_without_work, work_of
from nbflow.engine import forks
from nbflow.engine.async_tasks import end_loop
from nbflow.engine.attempt import AWAITED, _raise_in_thread
from nbflow.engine.inbox import SLICE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

    from nbflow.engine.event_loop_on_demand import EventLoopOnDemand

BLOCKED_S = 0.3  # a loop that has not looked at a cancel for so long is blocked by what is to be cancelled


class EventLoop:
    """The loop of one run; started when it is needed. Safe to use from several threads.

    Args:
        inner: Cancels the run that blocks a thread, and tells whether there is one.
    """

    def __init__(self, name: str, inner: Callable[[int], bool]) -> None:
        self.inner, self._name = inner, name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def get(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop, started; None if the run is over."""
        with self._lock:
            if self._loop is None and not self._is_closed:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=context_without_work().run,
                    args=(self._turn, self._loop),
                    name=f"{self._name}-loop",
                    daemon=True,
                )
                self._thread.start()
            return None if self._is_closed else self._loop

    @property
    def is_turning(self) -> bool:
        """Whether its thread has not ended."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def thread_id(self) -> int | None:
        """The thread in which it turns."""
        return None if self._thread is None else self._thread.ident

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.set_default_executor(_Helpers(thread_name_prefix=f"{self._name}-helper"))
        while not self._is_closed:
            # An exception that is sent to a task that blocks the loop may arrive a few bytecodes late.
            with suppress(BaseException):
                loop.run_forever()
        with suppress(BaseException):
            end_loop(loop)

    def close(self, timeout_s: float) -> None:
        """Let it end, waiting at most this long for its thread."""
        with self._lock:
            self._is_closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout_s)


class _Helpers(ThreadPoolExecutor):
    """The threads of `asyncio.to_thread`: what they do is noted with the call that they do it for (rule 3)."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a call to a thread."""
        future = super().submit(fn, *args, **kwargs)
        call: Any = work_of.get()
        if call is not None and not call.is_over:
            call.helpers = (*(one for one in call.helpers if not one.done()), future)
        return future


class Host:
    """The one asyncio task in which all of an asynchronous manager runs: its setup, its hooks, its cleanup.

    A cancel scope or a task group that is entered in a setup can so be left in the cleanup, and a context variable that
    was set there be set back.
    """

    def __init__(self, home: EventLoopOnDemand, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> None:
        self.context, self._home = context, home
        self._works: asyncio.Queue[Work] = asyncio.Queue()
        self.task = loop.create_task(self._serve(), context=context)

    def put(self, work: Work) -> None:
        """Have something done; on the loop's thread."""
        self._works.put_nowait(work)

    async def _serve(self) -> None:
        while True:
            try:
                work = await self._works.get()
            except asyncio.CancelledError:
                if self._home.is_closed:
                    raise
                continue  # a task group that is open has told us that a child of it has failed
            await work.do()


class Work:
    """A coroutine that a thread waits for; it is stopped by cancelling it, as asyncio's own functions do."""

    def __init__(
        self,
        home: EventLoopOnDemand,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        kept: list[Any],
    ) -> None:
        self.home, self.loop, self.coroutine, self.kept = home, loop, coroutine, kept
        self.error: type[BaseException] | None = None
        self.raised: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None
        self._call = work_of.get()
        self._asked_at: float | None = None
        self._born = forks.generation
        self._is_over = threading.Event()

    async def do(self) -> None:
        """Await it, and keep what it gives or raises; in the task that it is to run in."""
        self.task = asyncio.current_task()
        work_of.set(self._call)
        try:
            if self.error is not None:
                self.coroutine.close()
                raise self.error
            self.kept.append(await self.coroutine)
            if forks.generation != self._born:
                forks.end_child(None)
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            if forks.generation != self._born:
                forks.end_child(error)
            self.raised = error
        finally:
            if self.error is not None and self.task is not None:
                self.task.uncancel()
            self.task = None
            self._is_over.set()

    def cancel(self, error: type[BaseException]) -> None:
        """Stop it, to end with `error`; from any thread, also from a signal handler."""
        self.error = error
        self._asked_at = self._asked_at or time.monotonic()
        with suppress(RuntimeError):  # the loop may be closed just now
            self.loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        self._asked_at = None
        if self.task is not None:
            self.task.cancel()

    def wait(self) -> Any:
        """Wait for its value, or raise what it ended with; an error that is sent to this thread stops it first."""
        while True:
            try:
                # In slices, for a signal to be handled: see `InterruptibleQueue`.
                while not (self._is_over.wait(SLICE_S) or self.home.has_ended):
                    self._see_to_block()
                break
            except BaseException as error:  # noqa: BLE001 - it is raised when the coroutine has ended
                self.cancel(type(error))
        if self.kept:
            return self.kept[0]
        raised = self.raised
        if self.error is not None and (raised is None or isinstance(raised, asyncio.CancelledError)):
            raise self.error from None
        if raised is None:
            self.coroutine.close()
            raise RuntimeError("the event loop of the run has ended")
        raise raised

    def _see_to_block(self) -> None:
        """Raise in the loop's thread what a task does not see that blocks the loop, by a sleep or a computation."""
        asked_at, thread_id = self._asked_at, self.home.thread_id
        if asked_at is None or self.error is None or thread_id is None or time.monotonic() < asked_at + BLOCKED_S:
            return
        self._asked_at = time.monotonic()
        if self.home.inner(thread_id):
            return
        if self.task is not None and asyncio.current_task(self.loop) is self.task:
            _raise_in_thread(thread_id, self.error)


def await_there(
    home: EventLoopOnDemand, coroutine: Coroutine[Any, Any, Any], kept: list[Any] | None, held: Any
) -> tuple[bool, Any]:
    """Await a coroutine on the loop of a run; tells first whether that still turns.

    `kept` gets the value as soon as there is one; `held` is the resource whose setup, hook or cleanup it is.
    """
    loop = home.get()
    if loop is None:
        return False, None
    work = Work(home, loop, coroutine, [] if kept is None else kept)
    context, thread_id = contextvars.copy_context(), threading.get_ident()

    def start() -> None:
        if held is None:
            loop.create_task(work.do(), context=context)
            return
        if held.host is None:
            held.host = Host(home, loop, context)
        held.host.put(work)

    around = AWAITED.get(thread_id)
    AWAITED[thread_id] = work  # type: ignore[assignment]
    try:
        loop.call_soon_threadsafe(start)
        return True, work.wait()
    finally:
        if around is None:
            AWAITED.pop(thread_id, None)
        else:
            AWAITED[thread_id] = around
