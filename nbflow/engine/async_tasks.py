"""Coroutines that no run awaits any more, of cleanups that are tried again: on an event loop of their thread's.

Those of a run are awaited on its own loop: see `nbflow.engine.event_loop`.

Loaded when the first coroutine comes, since asyncio takes longer to import than all of nbflow.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import AWAITED
from nbflow.engine.inbox import SLICE_S

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

LEFT_TASKS_S = 1.0  # for what a task left on the event loop, when it is closed


class _Loops(threading.local):
    loop: asyncio.AbstractEventLoop | None = None


class Awaited:
    """A coroutine that a thread waits for; it is stopped by cancelling it, as asyncio's own functions do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], kept: list[Any]) -> None:
        self.loop = loop
        self.kept = kept
        self.error: type[BaseException] | None = None
        self.task = loop.create_task(self._keep(coroutine))

    async def _keep(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.kept.append(await coroutine)

    def cancel(self, error: type[BaseException]) -> None:
        """Stop it, to end with `error`; from any thread."""
        self.error = error
        with suppress(RuntimeError):  # the loop may be closed just now
            self.loop.call_soon_threadsafe(self.task.cancel)

    def wait(self) -> Any:
        """Wait for its value, or raise what it ended with."""
        try:
            with _awake(self.loop):
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


@contextmanager
def _awake(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let no wait of the main thread's loop be long: see `InterruptibleQueue`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    handle: asyncio.TimerHandle | None = None

    def wake() -> None:
        nonlocal handle
        handle = loop.call_later(SLICE_S, wake)

    wake()
    try:
        yield
    finally:
        if handle is not None:
            handle.cancel()


_loops = _Loops()


def await_here(coroutine: Coroutine[Any, Any, Any], kept: list[Any] | None = None) -> Any:
    """Run a coroutine on an event loop of this thread's own, even inside a notebook whose loop is running."""
    if _loops.loop is None or _loops.loop.is_closed():
        _loops.loop = asyncio.new_event_loop()
    before, thread_id = _loops.loop, threading.get_ident()
    if before.is_running():  # a task that awaits runs another flow
        _loops.loop = asyncio.new_event_loop()
    outer, around = asyncio._get_running_loop(), AWAITED.get(thread_id)
    asyncio._set_running_loop(None)
    try:
        awaited = AWAITED[thread_id] = Awaited(_loops.loop, coroutine, [] if kept is None else kept)
        return awaited.wait()
    finally:
        if around is None:
            AWAITED.pop(thread_id, None)
        else:
            AWAITED[thread_id] = around
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
        end_loop(loop)
    finally:
        asyncio._set_running_loop(outer)


def end_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what was left on an event loop that stands, give it a moment to end, and close the loop."""
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
        loop.close()  # without waiting for its helpers, which may hang
