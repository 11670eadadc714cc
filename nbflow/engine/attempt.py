"""One attempt of one task: the call, its outcome, and how it is asked to stop. The only code shipped to workers."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import threading
import time
from contextlib import suppress
from itertools import starmap
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.context import context

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nbflow.core.task import Task


LEFT_TASKS_S = 1.0  # for what a task left on the event loop, when it is closed


class TaskCancelled(BaseException):
    """Raised in a task's thread when its run is cancelled; not an `Exception`, so that tasks do not swallow it."""


class Outcome(NamedTuple):
    """What an attempt gave: a value, or an error. Times are seconds since the epoch."""

    value: Any
    error: BaseException | None
    started: float
    ended: float


class Call:
    """One attempt: what to call, with what, in which context.

    `stop_requested` may be set from any thread; tasks read it through ``nbflow.context.cancelled()``. `shielded`
    calls (cleanups) never see it.
    """

    attempt = 1
    shielded = False
    stop_requested = False
    is_over = False
    was_hit = False
    thread_id: int | None = None
    lock: threading.Lock | None = None
    args: tuple[Any, ...] = ()
    kept: list[Any] | None = None  # a list for what a setup gives: see `keep`

    def __init__(
        self, node: int, task: Task, fn: Callable[..., Any], inputs: dict[str, Any], values: dict[str, Any]
    ) -> None:
        self.node = node
        self.task = task
        self.fn = fn
        self.inputs = inputs
        self.context = values
        values["_cancel_flag"] = self.is_asked_to_stop

    def keep(self, fn: Callable[..., Any], *args: Any) -> None:
        """Call `fn(*args)` instead, and keep its value in `kept` whatever is raised in its thread meanwhile."""
        self.fn = fn
        self.args = args
        self.kept = []

    def is_asked_to_stop(self) -> bool:
        """Tell whether the task should stop."""
        return self.stop_requested and not self.shielded

    def hit(self, error: type[BaseException]) -> bool:
        """Raise `error` in the thread that runs this call, at its next bytecode; False if it is not running.

        Only for calls that run on a worker thread (they have a lock).
        """
        if self.lock is None:
            return False
        with self.lock:
            if self.thread_id is None or self.is_over:
                return False
            awaited = _awaited.get(self.thread_id)
            if awaited is not None:
                awaited.cancel(error)
                return True
            self.was_hit = True
            _raise_in_thread(self.thread_id, error)
            return True


def _raise_in_thread(thread_id: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), None if error is None else ctypes.py_object(error)
    )


def perform(call: Call) -> Outcome:
    """Make the call in this thread; never raises, whatever the task does."""
    before = context.swap(call.context)
    started = time.time()
    try:
        if call.stop_requested and not call.shielded:
            raise TaskCancelled
        value = call.fn(**call.inputs) if call.kept is None else _call_and_keep(call, call.kept)
        if type(value) is CoroutineType:
            value = _await(value, call.kept)
    except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
        return _outcome_of(call, error, started)
    finally:
        if call.task.log_stdout:
            call.context["_voice"].end()
        context.swap(before)
    return Outcome(value, None, started, time.time())


def _call_and_keep(call: Call, kept: list[Any]) -> Any:
    # In one step of the interpreter the resource is in the list: an exception that is sent to this thread comes
    # before, when there is none, or after, when it is kept.
    kept.extend(starmap(call.fn, (call.args,)))
    if type(kept[0]) is CoroutineType:
        return kept.pop()
    return kept[0]


def _outcome_of(call: Call, error: BaseException, started: float) -> Outcome:
    if call.kept and type(call.kept[0]) is not CoroutineType:  # it came when the setup was over
        return Outcome(call.kept[0], None, started, time.time())
    return Outcome(None, error, started, time.time())


def perform_on_worker(call: Call) -> Outcome:
    """Make the call in this worker thread, open to `Call.hit` for exactly as long as it runs."""
    call.lock = threading.Lock()
    call.thread_id = threading.get_ident()
    outcome: Outcome | None = None
    begun = False
    while True:
        # An exception sent to this thread may arrive a few bytecodes after the call has ended: whatever line of
        # this loop it hits, the outcome is kept and the loop goes on until none can come any more.
        try:
            try:
                if not begun:
                    begun = True
                    outcome = perform(call)
            except BaseException as error:  # noqa: BLE001 - an exception sent to this thread may be any
                outcome = outcome or _outcome_of(call, error, time.time())
            with call.lock:
                call.is_over = True
            if call.was_hit:
                _raise_in_thread(call.thread_id, None)
            return outcome or _outcome_of(call, TaskCancelled(), time.time())
        except BaseException:  # noqa: BLE001 - a second one, while the first was looked at
            continue


class _Loops(threading.local):
    loop: asyncio.AbstractEventLoop | None = None


class _Awaited:
    """A coroutine that a thread waits for; it is stopped by cancelling it, as asyncio's own functions do."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], kept: list[Any]
    ) -> None:
        self.loop = loop
        self.kept = kept
        self.error: type[BaseException] | None = None
        self.task = loop.create_task(self._keep(coroutine))

    async def _keep(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.kept.append(await coroutine)

    def cancel(self, error: type[BaseException]) -> None:
        self.error = error
        with suppress(RuntimeError):  # the loop may be closed just now
            self.loop.call_soon_threadsafe(self.task.cancel)

    def wait(self) -> Any:
        try:
            self.loop.run_until_complete(self.task)
        except BaseException as error:
            self._stop()
            if not self.kept:
                if isinstance(error, asyncio.CancelledError) and self.error is not None:
                    raise self.error from None
                raise
        return self.kept[0]

    def _stop(self) -> None:
        """Let the coroutine end before anything else runs on the loop: it may be using a resource."""
        if not self.task.done():
            self.task.cancel()
            with suppress(BaseException):
                self.loop.run_until_complete(self.task)
        if self.task.done() and not self.task.cancelled():
            self.task.exception()  # looked at: it is raised already


_loops = _Loops()
_awaited: dict[int, _Awaited] = {}  # by thread


def _await(coroutine: Coroutine[Any, Any, Any], kept: list[Any] | None = None) -> Any:
    """Run a coroutine on an event loop of this thread's own, even inside a notebook whose loop is running."""
    if _loops.loop is None or _loops.loop.is_closed():
        _loops.loop = asyncio.new_event_loop()
    before, thread_id = _loops.loop, threading.get_ident()
    if before.is_running():  # a task that awaits runs another flow
        _loops.loop = asyncio.new_event_loop()
    outer, around = asyncio._get_running_loop(), _awaited.get(thread_id)
    asyncio._set_running_loop(None)
    try:
        awaited = _awaited[thread_id] = _Awaited(_loops.loop, coroutine, [] if kept is None else kept)
        return awaited.wait()
    finally:
        if around is None:
            _awaited.pop(thread_id, None)
        else:
            _awaited[thread_id] = around
        if _loops.loop is not before:
            close_loop()
            _loops.loop = before
        asyncio._set_running_loop(outer)


def close_loop() -> None:
    """Close this thread's event loop, if it made one; called when a run is done with the thread."""
    loop, _loops.loop = _loops.loop, None
    if loop is None or loop.is_closed() or loop.is_running():
        return
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=LEFT_TASKS_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
    except Exception:
        logging.getLogger("nbflow").exception("an event loop did not end well")
    finally:
        asyncio._set_running_loop(outer)
        loop.close()
