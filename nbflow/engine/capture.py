"""The text that tasks print and log, kept with the run that ran them, and shown where it would have been shown.

`sys.stdout`, `sys.stderr` and the root logger are one for all threads. While a run goes on, stand-ins take their place
that ask which task the calling thread is busy with; what no task says passes through untouched. With `log_stdout` a
task's prints go to its logger instead of the stream.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.context import thread
from nbflow.engine.forks import in_child
from nbflow.engine.helper_threads import give_start_back, take_start
from nbflow.engine.shipped_code import show_users_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.core.task import Task

KEPT_CHARACTERS = 100_000  # of each task, all its children and attempts together: as many first as last ones
KEPT_BYTES = 10_000_000  # of pictures, likewise
_HALF = KEPT_CHARACTERS // 2


class LogLine(NamedTuple):
    """Something a task said: `stream` is ``"stdout"``, ``"stderr"`` (warnings too) or a logging level's name.

    `time` is seconds since the epoch; `map_index` is None for a task that is not mapped. `text` is as it was written,
    half a line or several.
    """

    time: float
    stream: str
    text: str
    map_index: int | None
    attempt: int


class Figure(bytes):
    """A picture that a task showed, as PNG; displays itself in a notebook."""

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def __repr__(self) -> str:
        return f"<figure: {len(self)} bytes of PNG>"


class TaskLog(list[LogLine]):
    """The output of one task, in order; of more than `KEPT_CHARACTERS`, what came first and what came last.

    A line in the middle says how much is left out there. Children write from several threads, and others read.
    Nobody waits for anybody: a finalizer or a handler of signals may speak while this thread keeps a line.

    Attributes:
        figures: The pictures it showed, in order; no more of them after `KEPT_BYTES`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._size = 0  # characters, about: threads that count at once may lose a few
        self._left_out = 0  # characters
        self._first = 0  # how many lines are kept before those that are left out
        self._leaving_out = threading.Lock()
        self.figures: list[Figure] = []

    def keep(self, stream: str, text: str, values: dict[str, Any]) -> None:
        """Keep `text`, for the time being; called from the thread of the task."""
        if not text:
            return
        self.append(LogLine(time.time(), stream, text, values.get("map_index"), values.get("task_run_count", 1)))
        self._size += len(text)
        # Not for each line that comes: it takes time. Who finds it held leaves it to that one, which may be itself.
        if self._size > KEPT_CHARACTERS + _HALF and self._leaving_out.acquire(blocking=False):
            try:
                self._leave_out()
            finally:
                self._leaving_out.release()

    def since(self, read: LogLine | None) -> list[LogLine]:
        """Return what came after the line that was read last (None: all of it); what is left out, its line tells of."""
        lines = self[:]
        for place in range(len(lines) - 1, -1, -1):
            if lines[place] is read:
                return lines[place + 1 :]
        return lines[self._first :] if read is not None else lines

    def _leave_out(self) -> None:
        """Put other lines in place of those there are, at once: others may add some and read them meanwhile."""
        found = self[:]
        lines, first = (found, self._first) if self._left_out else _split(found, _HALF)
        last = lines[first + (self._left_out > 0) :]
        size = sum(len(line.text) for line in last)
        if size > _HALF:
            last, count = _split(last, size - _HALF)
            left_out = self._left_out + size - _HALF
            text = f"\n... {left_out:,} characters are left out here ...\n"
            note = last[count - 1]._replace(text=text, map_index=None)
            self[: len(found)] = [*lines[:first], note, *last[count:]]
            self._first, self._left_out = first, left_out
        self._size = _HALF + min(size, _HALF)


def _split(lines: list[LogLine], characters: int) -> tuple[list[LogLine], int]:
    """Return lines of which the first ones have so many characters, and how many these are: one may be cut in two."""
    for place, line in enumerate(lines):
        if len(line.text) > characters:
            if not characters:
                return lines, place
            parts = [line._replace(text=text) for text in (line.text[:characters], line.text[characters:])]
            return [*lines[:place], *parts, *lines[place + 1 :]], place + 1
        characters -= len(line.text)
    return lines, len(lines)


class Logs(dict["Task", TaskLog]):
    """The output of the tasks of a run; a task that said nothing has an empty log."""

    def __missing__(self, task: Task) -> TaskLog:
        return self.setdefault(task, TaskLog())


class Lines:
    """With `log_stdout`: turns what a task prints into log records, a line each."""

    __slots__ = ("_logger", "_rest")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._rest = ""

    def write(self, text: str) -> None:
        """Log each whole line that is not blank; half a line waits for its other half."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._logger.info("%s", line)

    def end(self) -> None:
        """Log the half line that is left; called when the attempt is over, in its thread."""
        if self._rest:
            self.write("\n")


def keep(stream: str, text: str) -> None:
    """Keep what the calling thread said with the task that it is busy with, if any.

    The attempt's context says which: `_logs` is the run's, `_task` the task. So an attempt pays nothing for it
    until it says something.
    """
    values = thread.data
    logs = values.get("_logs")
    if logs is not None and "_task" in values:
        logs[values["_task"]].keep(stream, text, values)


def keep_figure(png: bytes) -> None:
    """Keep a picture that the calling thread showed with the task that it is busy with, if any."""
    values = thread.data
    logs = values.get("_logs")
    if logs is not None and "_task" in values:
        figures = logs[values["_task"]].figures
        if sum(map(len, figures)) + len(png) <= KEPT_BYTES:
            figures.append(Figure(png))


class _StandIn:
    """Stands in for a standard stream while runs go on."""

    def __init__(self, stream: Any, name: str) -> None:
        self.stream, self.name_of_stream = stream, name

    def write(self, text: str) -> int:
        if self.name_of_stream == "stdout":
            lines = thread.data.get("_lines")
            if lines is not None:
                lines.write(text)
                return len(text)
        keep(self.name_of_stream, text)
        return self.stream.write(text)  # type: ignore[no-any-return]

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Handler(logging.Handler):
    """Keeps the records that a task's thread logs."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _show_users_lines(record)
            keep(record.levelname, self.format(record))
        except Exception:  # noqa: BLE001 - as every logging handler: report, never break the caller
            self.handleError(record)
        # Our being there must not silence what Python prints when nobody has set up logging.
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _is_handled(logging.getLogger(record.name)):
            values = thread.data
            logs = values.pop("_logs", None)  # it is kept already, and would be again as a line on stderr
            try:
                last.handle(record)
            finally:
                if logs is not None:
                    values["_logs"] = logs


def _show_users_lines(record: logging.LogRecord) -> None:
    if record.exc_info and record.exc_info[1] is not None and "_task" in thread.data:
        kind, error, trace = record.exc_info
        if trace is error.__traceback__:
            show_users_lines(error, thread.data["_task"])
            if error.__traceback__ is not trace:
                record.exc_info = kind, error, error.__traceback__
                record.exc_text = None  # a handler before us has kept it as it was


class _Handlers(list[logging.Handler]):
    """The handlers of the root logger, and before them ours, which is called and not counted.

    So `logging.basicConfig()` in a task finds a logger that nobody has set up, and who removes all leaves ours.
    """

    def __init__(self, found: list[logging.Handler]) -> None:
        super().__init__(found)
        self._found = found

    def __iter__(self) -> Iterator[logging.Handler]:
        yield _handler
        values = thread.data
        logs = values.get("_logs")
        try:
            values.pop("_logs", None)  # what they write is kept already, and would be again as a line on stderr
            yield from super().__iter__()
        finally:
            if logs is not None:
                values["_logs"] = logs

    def given_back(self) -> list[logging.Handler]:
        """Return the list that was there before, with what there is now."""
        self._found[:] = self[:]
        return self._found


def _is_handled(logger: logging.Logger | None) -> bool:
    while logger is not None:
        if len(logger.handlers):  # ours is not counted
            return True
        logger = logger.parent if logger.propagate else None
    return False


_lock = threading.Lock()
_users = 0
_handler = _Handler()
_ours = logging.getLogger("nbflow")


@contextmanager
def installed() -> Iterator[None]:
    """Take the place of the standard streams for the time of a run; several runs share the stand-ins."""
    global _users
    with _lock:
        _users += 1
    try:
        with _lock:
            _take_streams()
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _give_streams_back()


def _take_streams() -> None:
    take_start()
    # Also by a run that is not the first: a test or a tool may have put streams of its own there meanwhile.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _StandIn):
            setattr(sys, name, _StandIn(stream, name))
    if not isinstance(logging.root.handlers, _Handlers):
        logging.root.handlers = _Handlers(logging.root.handlers)
    if not _ours.level:  # tasks log to loggers below it, and want their INFO to be kept
        _ours.setLevel(logging.INFO)


def _give_streams_back() -> None:
    give_start_back()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, _StandIn):  # a stream that somebody else put there stays
            setattr(sys, name, stream.stream)
    if isinstance(logging.root.handlers, _Handlers):
        logging.root.handlers = logging.root.handlers.given_back()


@in_child
def _let_streams_go() -> None:
    global _lock, _users
    _lock = threading.Lock()  # a thread that is not here may have held it
    _users = 0
    _give_streams_back()
