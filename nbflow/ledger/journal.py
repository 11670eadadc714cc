"""Journals: what a process appends beside the ledger of its resources without a handle, until it is folded in.

A line costs a tenth of a commit, and survives the process once it is written. A journal is only ever appended to, its
name is never used again, and the ledger knows up to where it has taken it in: so each line is taken in once, whoever
does it and whenever it is cut short.

Standard library only: the reaper needs it too.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import stat
from contextlib import suppress
from json.encoder import encode_basestring_ascii as _quoted
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.errors import LedgerUnavailableError
from nbflow.ledger.ledger_record import MADE_WITH, LedgerRecord, made_with
from nbflow.ledger.listing import Owner, owner_of
from nbflow.ledger.liveness import is_free
from nbflow.ledger.process_identity import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_END = ".jsonl"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Journal:
    """The journal that this process appends to; its user sees to it that one thread at a time does.

    Args:
        ledger: The file that it stands beside; its folder exists when it is appended to.
        kernel: Whose resources they are.
        token: A name that this process alone has.

    Attributes:
        name: The name of its file, or "" as long as there is none.
        size: The bytes in it.
        ahead: The lines that were appended since it was last taken in.
    """

    def __init__(self, ledger: Path, kernel: Kernel, token: str) -> None:
        self.name = ""
        self.size = 0
        self.ahead = 0
        self._ledger = ledger
        self._kernel = kernel
        self._token = token
        self._file = -1
        self._count = itertools.count()

    def append(self, records: Sequence[LedgerRecord], lock: str | None) -> None:
        """Write rows down, new or changed, all or none; those that are new are noted to be written.

        Args:
            records: The rows.
            lock: What shows that this process is alive: see `nbflow.ledger.liveness`.

        Raises:
            LedgerUnavailableError: If they could not be written.
        """
        # A line begins with an end, too: what a full disk has cut off before it spoils nothing.
        line = f"\n[{', '.join([_change(record) for record in records])}]\n".encode("ascii")
        # By its size: an interrupt may have come when the file was there, and nothing yet in it.
        is_first = self.size == 0
        try:
            if self._file < 0:
                self._begin()
            if is_first:
                line = json.dumps([self._kernel, lock]).encode("ascii") + line
            written = os.write(self._file, line)
            self.size += written
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if is_first:  # nobody could read whose it is
                self.end()
            raise LedgerUnavailableError(str(self._ledger), error.strerror or str(error)) from error
        self.ahead += 1
        for record in records:
            record.is_written = True

    def _begin(self) -> None:
        self.name = f"{self._ledger.name}.{self._token}-{next(self._count):06}{_END}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(self._ledger.with_name(self.name), flags, 0o600)

    def is_current(self) -> bool:
        """Whether what was appended can be read by others, which it cannot when the file was removed."""
        return self._file < 0 or os.fstat(self._file).st_nlink > 0

    def end(self) -> None:
        """Remove it, as all of it was taken in; what is appended next begins another one."""
        path = self._ledger.with_name(self.name) if self._file >= 0 else None
        self.leave()  # first: nothing is to be appended to a file that is removed
        self.ahead = 0
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def leave(self) -> None:
        """Begin another one with what is appended next; what is in this one may still have to be taken in."""
        number = self._file
        self._file, self.name, self.size, self.ahead = -1, "", 0, 1
        if number >= 0:  # forgotten before it is closed: the number may be another file's at once
            os.close(number)


class Page(NamedTuple):
    """What a journal has that the ledger has not.

    Attributes:
        path: The journal's file.
        owner: Who appended to it.
        is_over: Whether that one is dead, so that no line comes any more.
        lines: Its lines, as they were written.
        end: Up to where it was read.
    """

    path: Path
    owner: Owner
    is_over: bool
    lines: bytes
    end: int

    def records(self) -> Iterable[LedgerRecord]:
        """Return the rows as the lines leave them, oldest first; of those that the ledger has, what has changed."""
        records: dict[str, LedgerRecord] = {}
        for changes in _loaded([line for line in self.lines.split(b"\n") if line]):
            for change in changes:
                try:
                    _apply(change, records)
                except (ValueError, TypeError):  # a disk that lost it: the others count
                    continue
        return records.values()


def journals_of(ledger: Path) -> list[Path]:
    """Return the journals beside a ledger."""
    try:
        names = os.listdir(ledger.parent)
    except OSError:
        return []
    first = f"{ledger.name}."
    return [ledger.with_name(name) for name in sorted(names) if name.startswith(first) and name.endswith(_END)]


def pages_of(ledger: Path, folded: Mapping[str, int]) -> Iterator[Page]:
    """Return what the journals beside a ledger have beyond the places in `folded`, which are by name.

    Raises:
        OSError: If one cannot be read; what others could have written is not.
    """
    paths = journals_of(ledger)
    this = Kernel.this() if paths else None
    for path in paths:
        page = this and _page(ledger, path, folded.get(path.name, 0), this)
        if page:
            yield page


def _page(ledger: Path, path: Path, begin: int, this: Kernel) -> Page | None:
    """Return what a journal has beyond a place in it, or None if it is gone, not ours alone, or was not begun."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, PermissionError):  # it was taken in, and removed
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link
            return None
        raise
    with open(number, "rb") as file:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE:
            return None
        try:
            kernel, lock = json.loads(file.readline())
            owner = Owner(Kernel(*kernel), lock, ledger)
        except (ValueError, TypeError):  # its process was killed when it had just made it
            if is_free(ledger, path.name[len(ledger.name) + 1 : -len(_END)].rpartition("-")[0]):
                with suppress(OSError):
                    path.unlink()
            return None
        # Before it is read, as a living one may append meanwhile.
        is_over = owner_of(owner, this) == "dead kernel"
        file.seek(max(begin, file.tell()))
        begin, data = file.tell(), file.read()
    whole = data.rfind(b"\n") + 1  # a line that is being written, or was cut with its process, is none
    return Page(path, owner, is_over, data[:whole], begin + whole)


def _loaded(lines: Sequence[bytes]) -> list[list[list[Any]]]:
    try:
        return list(json.loads(b"[" + b",".join(lines) + b"]"))  # in a third of the time
    except ValueError:
        if len(lines) < 2:  # the one that was cut off
            return []
        half = len(lines) // 2
        return _loaded(lines[:half]) + _loaded(lines[half:])


def _change(record: LedgerRecord) -> str:
    """Return a row, or what has changed of one that is written, as JSON; `json.dumps` takes four times as long."""
    until = "null" if record.until is None else repr(record.until)
    changing = f"{_quoted(record.key)}, {_quoted(record.state)}, {until}, {_quoted(record.note)}"
    if record.is_written:
        return f"[{changing}]"
    return f"[{changing}, {', '.join([_json(one) for one in made_with(record)])}]"


def _json(one: object) -> str:
    if isinstance(one, str):
        return _quoted(one)
    return repr(one) if isinstance(one, float) else json.dumps(one, default=str)


def _apply(change: list[Any], records: dict[str, LedgerRecord]) -> None:
    key, state, until, note, *new = change
    if new:
        records[key] = LedgerRecord(key=key, **dict(zip(MADE_WITH, new, strict=False)))  # of another nbflow, perhaps
    record = records.get(key)
    if record is None:
        record = records[key] = LedgerRecord(key=key, flow="", run="", block="", manager="", since=0.0, is_written=True)
    record.state, record.until, record.note = state, until, note
