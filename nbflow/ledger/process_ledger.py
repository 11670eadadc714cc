"""What this process has of the ledger: who it is, one book for each file, its reaper. A fork begins with nothing.

The child of a fork is another process: the connections, locks and pipes it inherits are its parent's.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING

from nbflow.ledger.ledger_session import Book
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import Kernel
from nbflow.ledger.reaper_client import ReaperClient

if TYPE_CHECKING:
    from pathlib import Path

_OPEN_FILES = 3  # a process uses one ledger, a test session hundreds
_NAMES_OF_HOME = ("NBFLOW_HOME", "XDG_DATA_HOME", "HOME")


class Here:
    """The ledgers and the reaper of one process. Safe to use from several threads."""

    def __init__(self) -> None:
        self.kernel = Kernel.this()
        self._token = f"{self.kernel.pid}-{os.urandom(8).hex()}"
        self.reaper = ReaperClient(self.kernel, token=self._token)
        self.recovering = threading.Lock()
        self._books: dict[Path, Book] = {}
        self._found: Path | None = None  # the user's ledger, for these names
        self._asked: tuple[str | None, ...] = ()
        self._lock = threading.Lock()

    def book(self, path: Path | None = None) -> Book:
        """Return the book of a ledger, by default of the one that is the user's now (``NBFLOW_HOME`` may change)."""
        path = path or self._default()
        with self._lock:
            book = self._books.pop(path, None) or Book(path, self.kernel, self._token)
            self._books[path] = book  # the last one used is the last one
            resting = list(self._books.values())[:-_OPEN_FILES]
        for other in resting:
            other.rest()
        return book

    def _default(self) -> Path:
        """Return the path of the user's ledger, looked up anew when that could be another one."""
        asked = tuple(os.environ.get(name) for name in _NAMES_OF_HOME)
        known = self._books.get(self._found) if self._found is not None and asked == self._asked else None
        if known is None or not known.is_open or not os.path.isabs(asked[0] or "/"):
            self._found, self._asked = ledger_path(), asked
        assert self._found is not None
        return self._found

    def books(self) -> list[Book]:
        """Return every book that was used."""
        with self._lock:
            return list(self._books.values())

    def close(self) -> None:
        """Close the files, at the end of the process; what is done after it opens them again."""
        for book in self.books():
            book.close()


class _Place:
    """Holds the one `Here` of the process, which a forked child makes anew."""

    def __init__(self) -> None:
        self._here: Here | None = None
        self._left: list[Here] = []
        self._lock = threading.Lock()

    def get(self) -> Here:
        with self._lock:
            if self._here is None:
                self._here = Here()
            return self._here

    def after_fork(self) -> None:
        self._lock = threading.Lock()  # the parent's may have been held by a thread that is not here
        here, self._here = self._here, None
        if here is not None:
            here.reaper.let_go()
            self._left.append(here)  # not closed: SQLite must not be used across a fork, not even for that

    def at_exit(self) -> None:
        here = self._here
        if here is not None:
            here.close()


_place = _Place()
os.register_at_fork(after_in_child=_place.after_fork)
atexit.register(_place.at_exit)


def process_ledger() -> Here:
    """Return what this process has of the ledger."""
    return _place.get()
