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
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread, work_of
from nbflow.engine import uncounted_handlers
from nbflow.engine.forks import in_child
from nbflow.engine.helper_threads import give_start_back, take_start
from nbflow.engine.shipped_code import show_users_lines
from nbflow.engine.task_log import Figure
from nbflow.engine.uncounted_handlers import UncountedHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEPT_BYTES = 10_000_000  # of the pictures of each task, all its children and attempts together
SHOWN = "_nbflow_shown"  # of a record of another process: what handlers wrote there
_NEWLINE, _SPACE = "\n", " "
_LONG = 1_000  # characters of a piece
_MANY = 1_000  # pieces of a stretch: it is measured when another one begins, so it must not grow for ever


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
        end_turns()
        logs[values["_task"]].keep(stream, text, values)


def keep_figure(png: bytes) -> None:
    """Keep a picture that the calling thread showed with the task that it is busy with, if any."""
    values = thread.data
    logs = values.get("_logs")
    if logs is not None and "_task" in values:
        figures = logs[values["_task"]].figures
        if sum(map(len, figures)) + len(png) <= KEPT_BYTES:
            figures.append(Figure(png))


class _Voice:
    """Who has the turn on a stream: an attempt, and where the pieces go that it writes."""

    __slots__ = ("attempt", "pieces", "times")  # read at each write: quicker than of a named tuple

    def __init__(self, attempt: object, pieces: list[str], times: list[float]) -> None:
        self.attempt, self.pieces, self.times = attempt, pieces, times


class _Turn:
    """One of the two streams: `now` is who spoke last on it, if nobody else has spoken since on either."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = _NOBODY


_NOBODY = _Voice(object(), [], [])
_OUT, _ERR = _Turn(), _Turn()


def end_turns() -> None:
    """Have whoever writes next be asked for the task that it is busy with; what it writes stands after all before.

    Called when somebody else speaks, when an attempt is over, and when a thread becomes busy with something that its
    context (`work_of`) does not tell of.
    """
    _OUT.now = _ERR.now = _NOBODY


class _StandIn:
    """Stands in for a standard stream while runs go on."""

    def __init__(self, stream: Any, name: str) -> None:
        self.stream = stream
        self._turn = _OUT if name == "stdout" else _ERR
        self.write = _writer(stream, name, self._turn)  # a function of the instance: quicker to find than a method

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pieces = self._turn.now.pieces
        if pieces and pieces[-1][-1:] != _NEWLINE:
            end_turns()  # half a line: what follows comes later, and has a time of its own
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _writer(stream: Any, name: str, turn: _Turn) -> Callable[[str], int]:
    """Return what writes to a stream and keeps it with the task; `print("n", n)` calls it four times.

    So it does nothing but what must be done each time. Who has the turn is read once, with all that belongs to it: what
    a thread writes goes to its own attempt, also if another thread takes the turn meanwhile.
    """
    on, clock, attempt_now = stream.write, time.time, work_of.get

    def write(text: str) -> int:
        voice = turn.now
        if attempt_now() is not voice.attempt:
            return begin(text)
        pieces = voice.pieces
        if text is _NEWLINE:  # as `print` writes it
            pieces.append(text)
            voice.times.append(clock())
            return on(text)  # type: ignore[no-any-return]
        if text is _SPACE:  # likewise
            pieces.append(text)
            return on(text)  # type: ignore[no-any-return]
        try:
            if "\n" in text or len(text) > _LONG or len(pieces) > _MANY:
                add(voice, text)
            else:
                pieces.append(text)
        except TypeError:  # it is no text, and the stream will say so
            turn.now = _NOBODY
        return on(text)  # type: ignore[no-any-return]

    def add(voice: _Voice, text: str) -> None:
        voice.pieces.append(text)
        if "\n" in text:
            voice.times.append(clock())
        if len(text) > _LONG or len(voice.pieces) > _MANY:
            turn.now = _NOBODY

    def begin(text: str) -> int:
        """Write as somebody who does not have the turn, and give it to the attempt that this thread is busy with."""
        values = thread.data
        if name == "stdout" and values.get("_lines") is not None:
            values["_lines"].write(text)
            return len(text)
        logs = values.get("_logs")
        if logs is not None and "_task" in values and isinstance(text, str) and text:
            end_turns()  # first: what is left out of the log, as soon as it gets another entry, nobody writes to
            log = logs[values["_task"]]
            attempt: object = work_of.get()
            if attempt is not None and getattr(values.get("_cancel_flag"), "__self__", None) is attempt:
                stretch = log.begin(name, values)
                voice = _Voice(attempt, stretch.pieces, stretch.times)
                turn.now = voice
                add(voice, text)
            else:  # of a handler, or told by another process: the context does not say whose it is
                log.keep(name, text, values)
        return on(text)  # type: ignore[no-any-return]

    return write


def keep_record(record: logging.LogRecord) -> None:
    """Keep a record of another process, whatever the loggers of this one let pass."""
    _handler.handle(record)


class _Handler(UncountedHandler):
    """Keeps the records that a task's thread logs."""

    @contextmanager
    def around(self) -> Iterator[None]:
        """Keep nothing of what others write of a record: it is kept already, and would be again as a line on stderr."""
        values = thread.data
        logs = values.pop("_logs", None)
        try:
            yield
        finally:
            if logs is not None:
                values["_logs"] = logs

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _show_users_lines(record)
            keep(record.levelname, self.format(record))
        except Exception:  # noqa: BLE001 - as every logging handler: report, never break the caller
            self.handleError(record)
        # Our being there must not silence what Python prints when nobody has set up logging, nor what handlers have
        # made of a record in the process where it was logged.
        last, shown = logging.lastResort, vars(record).get(SHOWN)
        is_seen = shown or (last is not None and record.levelno >= last.level)
        if is_seen and not _is_handled(logging.getLogger(record.name)):
            with self.around():
                if shown:
                    sys.stderr.write(shown)
                elif last is not None:
                    last.handle(record)


def _show_users_lines(record: logging.LogRecord) -> None:
    if record.exc_info and record.exc_info[1] is not None and "_task" in thread.data:
        kind, error, trace = record.exc_info
        if trace is error.__traceback__:
            show_users_lines(error, thread.data["_task"])
            if error.__traceback__ is not trace:
                record.exc_info = kind, error, error.__traceback__
                record.exc_text = None  # a handler before us has kept it as it was


def _is_handled(logger: logging.Logger | None) -> bool:
    if uncounted_handlers.are_told():
        return True
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
    uncounted_handlers.add(_handler)
    if not _ours.level:  # tasks log to loggers below it, and want their INFO to be kept
        _ours.setLevel(logging.INFO)


def _give_streams_back() -> None:
    give_start_back()
    end_turns()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, _StandIn):  # a stream that somebody else put there stays
            setattr(sys, name, stream.stream)
    uncounted_handlers.remove(_handler)


@in_child
def _let_streams_go() -> None:
    global _lock, _users
    _lock = threading.Lock()  # a thread that is not here may have held it
    _users = 0
    _give_streams_back()
