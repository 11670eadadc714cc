"""`log_stdout`: what a task prints goes to its logger, line by line; what other threads print goes where it went.

`sys.stdout` is one for all threads, so while such tasks run, a stand-in takes its place that asks which thread prints.
"""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


class Logged:
    """A task's function whose prints are logged; a class, so that it can be sent to a worker."""

    def __init__(self, fn: Callable[..., Any], logger_name: str) -> None:
        self.fn = fn
        self.logger_name = logger_name

    def __call__(self, **inputs: Any) -> Any:
        """Call the function; a coroutine function prints while it is awaited."""
        with _printing_to(self.logger_name):
            value = self.fn(**inputs)
        return self._awaited(value) if inspect.iscoroutine(value) else value

    async def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        with _printing_to(self.logger_name):
            return await coroutine


class _Lines:
    """Takes text as a stream does and logs each line that is not blank."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._logger.info("%s", line)
        return len(text)

    def flush(self) -> None:
        """Do nothing: half a line waits for its other half."""

    def end(self) -> None:
        if self._rest:
            self.write("\n")


class _PerThread(threading.local):
    lines: _Lines | None = None


_thread = _PerThread()


class _StandIn:
    """Stands in for `sys.stdout` as long as somebody's prints are logged."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.users = 0

    def write(self, text: str) -> int:
        return (_thread.lines or self.stream).write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        (_thread.lines or self.stream).flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


_lock = threading.Lock()


@contextmanager
def _printing_to(logger_name: str) -> Iterator[None]:
    stand_in = _take_place()
    outer, _thread.lines = _thread.lines, _Lines(logging.getLogger(logger_name))
    try:
        yield
    finally:
        lines, _thread.lines = _thread.lines, outer
        _give_place(stand_in)
        if lines is not None:
            lines.end()


def _take_place() -> _StandIn:
    with _lock:
        if not isinstance(sys.stdout, _StandIn):
            sys.stdout = _StandIn(sys.stdout)
        sys.stdout.users += 1
        return sys.stdout


def _give_place(stand_in: _StandIn) -> None:
    with _lock:
        stand_in.users -= 1
        # Somebody else may have put a stream of theirs there meanwhile; that one stays.
        if not stand_in.users and sys.stdout is stand_in:
            sys.stdout = stand_in.stream
