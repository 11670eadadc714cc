"""One attempt of one task: the call, its outcome, and how it is asked to stop. The only code shipped to workers."""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.context import context

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nbflow.core.task import Task


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

    def __init__(
        self, node: int, task: Task, fn: Callable[..., Any], inputs: dict[str, Any], values: dict[str, Any]
    ) -> None:
        self.node = node
        self.task = task
        self.fn = fn
        self.inputs = inputs
        self.context = values
        values["_cancel_flag"] = self.is_asked_to_stop

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
        value = call.fn(**call.inputs)
        if type(value) is CoroutineType:
            value = _await(value)
    except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
        return Outcome(None, error, started, time.time())
    finally:
        context.swap(before)
    return Outcome(value, None, started, time.time())


def perform_on_worker(call: Call) -> Outcome:
    """Make the call in this worker thread, open to `Call.hit` for exactly as long as it runs."""
    call.lock = threading.Lock()
    call.thread_id = threading.get_ident()
    outcome: Outcome | None = None
    while True:
        # An exception sent to this thread may arrive a few bytecodes after the call has ended: whatever line of
        # this loop it hits, the outcome is kept and the loop goes on until none can come any more.
        try:
            if outcome is None:
                outcome = perform(call)
            with call.lock:
                call.is_over = True
            if call.was_hit:
                _raise_in_thread(call.thread_id, None)
            return outcome
        except BaseException as error:  # noqa: BLE001 - an exception sent to this thread may be any
            if outcome is None:
                now = time.time()
                outcome = Outcome(None, error, now, now)


class _Loops(threading.local):
    loop: asyncio.AbstractEventLoop | None = None


_loops = _Loops()


def _await(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on an event loop of this thread's own, even inside a notebook whose loop is running."""
    if _loops.loop is None or _loops.loop.is_closed():
        _loops.loop = asyncio.new_event_loop()
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return _loops.loop.run_until_complete(coroutine)
    finally:
        asyncio._set_running_loop(outer)


def close_loop() -> None:
    """Close this thread's event loop, if it made one; called when a run is done with the thread."""
    loop, _loops.loop = _loops.loop, None
    if loop is not None and not loop.is_closed():
        loop.close()
