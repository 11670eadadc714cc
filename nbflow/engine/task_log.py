"""The log of a task: what it printed, logged and displayed, in order; of a flood, what came first and what came last.

A `print` writes its line in several pieces, and to make an entry of each would cost several times the print itself. So
pieces are only put aside as they come, in a `Stretch`, and become lines when somebody reads: see `engine/capture.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

if TYPE_CHECKING:
    from nbflow.core.task import Task

KEPT_CHARACTERS = 100_000  # of each task, all its children and attempts together: as many first as last ones
_HALF = KEPT_CHARACTERS // 2
_SMALL = _HALF // 4  # characters of an entry that is not cut in two
_WRITTEN_TO = 8  # entries at the end: an older one does not grow any more


class LogLine(NamedTuple):
    """Something a task said: `stream` is ``"stdout"``, ``"stderr"`` (warnings too) or a logging level's name.

    `time` is seconds since the epoch; `map_index` is None for a task that is not mapped. `text` is what one print or
    write said: a line with its line break as a rule, or several, or half a line where something came between.
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


class Stretch:
    """What an attempt wrote on one stream without anybody else speaking meanwhile.

    Attributes:
        begun: When and by whom; a line without a text.
        pieces: The texts, as they were written.
        times: When each piece that ends a line was written, in seconds since the epoch.
    """

    __slots__ = ("_size", "begun", "pieces", "times")

    def __init__(self, begun: LogLine) -> None:
        self.begun = begun
        self._size = 0, 0  # of so many pieces, that many characters
        self.pieces: list[str] = []
        self.times: list[float] = []

    def add(self, text: str) -> None:
        """Put a piece aside."""
        self.pieces.append(text)
        if "\n" in text:
            self.times.append(time.time())

    @property
    def size(self) -> int:
        """How many characters it has."""
        pieces, size = self._size
        if pieces < len(self.pieces):
            text = "".join(self.pieces)
            self._size = len(self.pieces), len(text)
            return len(text)
        return size

    def lines(self) -> list[LogLine]:
        """Return the lines, each as one print or write ended it; what has no end yet is the last one."""
        pieces, times = self.pieces[:], iter(self.times[:])  # in this order: another thread adds to them
        begun = self.begun
        found: list[LogLine] = []
        text, at = "", begun.time
        for piece in pieces:
            text += piece
            if "\n" in piece:
                at = next(times, at)
                found.append(begun._replace(time=at, text=text))
                text = ""
        if text:
            found.append(begun._replace(time=at, text=text))
        return found


class Gap:
    """Stands for what is left out in the middle of a log."""

    __slots__ = ("_after", "size")

    def __init__(self, after: LogLine, size: int) -> None:
        self._after, self.size = after, size

    def lines(self) -> list[LogLine]:
        """Return the line that tells of it."""
        text = f"\n... {self.size:,} characters are left out here ...\n"
        return [self._after._replace(text=text, map_index=None)]


_Entry = LogLine | Stretch | Gap


class TaskLog(Sequence[LogLine]):
    """The output of one task, in order; of more than `KEPT_CHARACTERS`, what came first and what came last.

    A line in the middle says how much is left out there. Children write from several threads, and others read.
    Nobody waits for anybody: a finalizer or a handler of signals may speak while this thread keeps a line.

    Attributes:
        figures: The pictures it showed, in order; no more of them after `KEPT_BYTES`.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._size = 0  # characters, about: threads that count at once may lose a few, and the newest is not counted
        self._left_out = 0  # characters
        self._first = 0  # how many entries are kept before those that are left out
        self._leaving_out = threading.Lock()
        self._read: tuple[object, list[LogLine]] = None, []  # the lines, and of which entries they were made
        self.figures: list[Figure] = []

    def keep(self, stream: str, text: str, values: dict[str, Any]) -> None:
        """Keep `text`, for the time being; called from the thread of the task."""
        if text:
            self._add(_said_now(stream, text, values))

    def begin(self, stream: str, values: dict[str, Any]) -> Stretch:
        """Return what takes all that the attempt says on a stream, until somebody else speaks."""
        begun = Stretch(_said_now(stream, "", values))
        self._add(begun)
        return begun

    def lines(self) -> list[LogLine]:
        """Return what was said so far."""
        return [line for entry in self._entries[:] for line in _lines_of(entry)]

    def since(self, position: int) -> tuple[list[LogLine], int]:
        """Return what came after so many characters, and how many these are now; what is left out, its line tells of.

        Half a line that was read and has gone on since then is told from where it goes on.
        """
        found: list[LogLine] = []
        at = 0
        for entry in self._entries[:]:
            lines = None
            if type(entry) is Stretch:
                lines = entry.lines()  # once: it may grow
                size = sum(len(line.text) for line in lines)
            else:
                size = _size_of(entry)
            if at + size > position:
                rest = _lines_of(entry) if lines is None else lines
                found += rest if type(entry) is Gap else _after(rest, position - at)
            at += size
        return found, at

    # -- as a sequence of lines -------------------------------------------------------------------------------

    def _made(self) -> list[LogLine]:
        entries = self._entries
        newest = sum(len(one.pieces) for one in entries[-_WRITTEN_TO:] if type(one) is Stretch)
        state = len(entries), self._left_out, newest
        if self._read[0] != state:
            self._read = state, self.lines()
        return self._read[1]

    def __len__(self) -> int:
        return len(self._made())

    @overload
    def __getitem__(self, index: int) -> LogLine: ...

    @overload
    def __getitem__(self, index: slice) -> list[LogLine]: ...

    def __getitem__(self, index: int | slice) -> LogLine | list[LogLine]:
        return self._made()[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TaskLog):
            return self is other or self.lines() == other.lines()
        return self.lines() == other

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        return repr(self.lines())

    # -- what is left out -------------------------------------------------------------------------------------

    def _add(self, entry: _Entry) -> None:
        for before in self._entries[-1:]:
            if type(before) is Stretch:
                self._size += before.size  # only now: while it was the last it grew
        self._entries.append(entry)
        if type(entry) is LogLine:
            self._size += len(entry.text)
        # Not for each line that comes: it takes time. Who finds it held leaves it to that one, which may be itself.
        if self._size > KEPT_CHARACTERS + _HALF and self._leaving_out.acquire(blocking=False):
            try:
                self._leave_out()
            finally:
                self._leaving_out.release()

    def _leave_out(self) -> None:
        """Put other entries in place of those there are, at once: others may add some and read them meanwhile."""
        found = self._entries[:]
        entries, first = (found, self._first) if self._left_out else _split(found, _HALF, is_first=True)
        last = entries[first + (self._left_out > 0) :]
        size = sum(map(_size_of, last))
        last, count = _split(last, max(0, size - _HALF), is_first=False)
        if count:
            dropped = sum(map(_size_of, last[:count]))
            gap = Gap(_begun(last[count - 1]), self._left_out + dropped)
            self._entries[: len(found)] = [*entries[:first], gap, *last[count:]]
            self._first, self._left_out = first, self._left_out + dropped
            size -= dropped
        self._size = _HALF + min(size, _HALF)  # at most: where nothing could be left out it is not tried each time


class Logs(dict["Task", TaskLog]):
    """The output of the tasks of a run; a task that said nothing has an empty log."""

    def __missing__(self, task: Task) -> TaskLog:
        return self.setdefault(task, TaskLog())


def _said_now(stream: str, text: str, values: dict[str, Any]) -> LogLine:
    return LogLine(time.time(), stream, text, values.get("map_index"), values.get("task_run_count", 1))


def _lines_of(entry: _Entry) -> list[LogLine]:
    return [entry] if type(entry) is LogLine else entry.lines()  # type: ignore[union-attr]


def _begun(entry: _Entry) -> LogLine:
    return entry.begun if type(entry) is Stretch else _lines_of(entry)[0]


def _size_of(entry: _Entry) -> int:
    return len(entry.text) if type(entry) is LogLine else entry.size  # type: ignore[union-attr]


def _after(lines: list[LogLine], characters: int) -> list[LogLine]:
    found: list[LogLine] = []
    for line in lines:
        if len(line.text) > characters:
            found.append(line._replace(text=line.text[characters:]) if characters > 0 else line)
        characters -= len(line.text)
    return found


def _split(entries: list[_Entry], characters: int, *, is_first: bool) -> tuple[list[_Entry], int]:
    """Return entries of which the first ones have so many characters, and how many these are.

    Only a large entry is cut in two: that takes time, and a flood would wait for it. A small one is kept whole, with
    the first ones or, unless `is_first`, with the last ones.
    """
    for place, entry in enumerate(entries):
        size = _size_of(entry)
        if size > characters:
            if not characters:
                return entries, place
            if size <= _SMALL:
                return entries, place + is_first
            lines = _lines_of(entry)
            first: list[_Entry] = []
            rest = _after(lines, characters)
            for line in lines:
                if characters <= 0:
                    break
                first.append(line._replace(text=line.text[:characters]))
                characters -= len(line.text)
            return [*entries[:place], *first, *rest, *entries[place + 1 :]], place + len(first)
        characters -= size
    return entries, len(entries)
