"""The ledger on disk: a SQLite file in WAL mode. What is written, by whom and when, is decided elsewhere.

The reaper, which does not load nbflow, uses it too; SQLite itself is loaded when a file is opened.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.errors import (
    DamagedLedgerError,
    LedgerUnavailableError,
    LockedLedgerError,
    NewerLedgerError,
)
from nbflow.ledger.place import claim, make_private
from nbflow.ledger.processes import UNKNOWN, Kernel

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nbflow.ledger.entry import Entry

LOCK_WAIT_S = 2.0
KEPT = 2_000  # rows of ended resources; older ones are dropped now and then
_BUSY, _LOCKED, _CORRUPT, _NOT_A_DB = 5, 6, 11, 26

_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE IF NOT EXISTS kernels (
  id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, started REAL NOT NULL, host TEXT NOT NULL, machine TEXT NOT NULL,
  boot TEXT NOT NULL, user INTEGER NOT NULL, reaper_pid INTEGER, reaper_started REAL)""",
        """CREATE TABLE IF NOT EXISTS resources (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kernel INTEGER NOT NULL REFERENCES kernels (id),
  flow TEXT NOT NULL, run TEXT NOT NULL, block TEXT NOT NULL, manager TEXT NOT NULL, state TEXT NOT NULL,
  handle TEXT, code TEXT, since REAL NOT NULL, until REAL, note TEXT NOT NULL)""",
    ),
    (
        "ALTER TABLE kernels ADD COLUMN space TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE kernels ADD COLUMN lock TEXT",
    ),
    (  # code once for each class, and neither code nor handle of what has ended
        "CREATE TABLE codes (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, code TEXT NOT NULL)",
        "ALTER TABLE resources ADD COLUMN code_id INTEGER REFERENCES codes (id)",
        "CREATE INDEX resources_of_code ON resources (code_id) WHERE code_id IS NOT NULL",
        """CREATE TRIGGER resource_ended AFTER UPDATE OF until ON resources WHEN NEW.until IS NOT NULL
AND coalesce(NEW.handle, NEW.code, NEW.code_id, OLD.code_id) IS NOT NULL BEGIN
  UPDATE resources SET handle = NULL, code = NULL, code_id = NULL WHERE id = NEW.id;
  DELETE FROM codes WHERE id IN (OLD.code_id, NEW.code_id)
    AND NOT EXISTS (SELECT 1 FROM resources WHERE code_id = codes.id);
END""",
        "UPDATE resources SET handle = NULL, code = NULL WHERE until IS NOT NULL",
    ),
)
"""What makes the schema of each version of that of the one before. A kernel of an older nbflow may have the file open
while it is migrated, so what its statements name has to stay."""
VERSION = len(_MIGRATIONS)
_INSERT = """INSERT INTO resources (key, kernel, flow, run, block, manager, state, handle, code_id, since, until, note)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state,
handle = excluded.handle, code_id = excluded.code_id, until = excluded.until, note = excluded.note"""
# The conflict is with ourselves: an interrupt came between the commit and the note that it was made.
_UPDATE = """UPDATE resources SET state = ?, handle = ?, code_id = ?, until = ?, note = ? WHERE key = ?
AND until IS NULL"""  # what ended, perhaps by the reaper, does not come back
_MARK = "UPDATE resources SET state = ?, until = ?, note = ? WHERE key = ? AND until IS NULL"
_PRUNE = "DELETE FROM resources WHERE until IS NOT NULL AND id <= (SELECT max(id) FROM resources) - ?"
_IDLE = """SELECT id, lock, pid, started, host, machine, boot, user, space FROM kernels
WHERE id NOT IN (SELECT kernel FROM resources)"""
_LOCK = "UPDATE kernels SET lock = ? WHERE id = ?"
_SELECT = """SELECT r.id, r.key, r.state, r.flow, r.run, r.block, r.manager, r.handle,
coalesce(c.code, r.code), r.since, r.until,
r.note, k.reaper_pid, k.reaper_started, k.lock, k.pid, k.started, k.host, k.machine, k.boot, k.user, k.space
FROM resources r JOIN kernels k ON k.id = r.kernel LEFT JOIN codes c ON c.id = r.code_id """


class Owner(NamedTuple):
    """A kernel as the file `ledger` knows it, with the lock that shows that it is alive."""

    kernel: Kernel
    lock: str | None
    ledger: Path


class Written(NamedTuple):
    """A row as it stands in the file `ledger`, with the kernel that owns it, its reaper and its lock."""

    id: int
    key: str
    state: str
    flow: str
    run: str
    block: str
    manager: str
    handle: str | None
    code: str | None
    since: float
    until: float | None
    note: str
    reaper: tuple[int, float] | None
    lock: str | None
    kernel: Kernel
    ledger: Path


class Store:
    """One connection to one file, for one process; its user sees to it that one thread at a time uses it.

    Args:
        path: The file. It and its folder are made if they are missing, readable by their owner only.
        lock_wait_s: How long to wait for another process that holds the file's lock.

    Raises:
        LedgerUnavailableError: If it cannot be opened; the subclass says whether it is locked, damaged or newer.
    """

    def __init__(self, path: Path, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        import sqlite3

        self.path = path
        self.ended = 0  # rows since the last `prune`
        self.lock: str | None = None  # what shows that this process is alive: see `nbflow.ledger.liveness`
        self._sqlite3 = sqlite3
        self._kernel_ids: dict[Kernel, int] = {}
        self._wait_s = lock_wait_s
        with self._explained():
            make_private(path)
            self._db = sqlite3.connect(
                path, timeout=lock_wait_s, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
                claim(path)
            except BaseException:
                self._db.close()
                raise
            self._seen = _identity(path)

    def _prepare(self) -> None:
        version = self._version()
        if version < VERSION:
            if version == 0:
                self._db.execute("PRAGMA journal_mode = WAL")
            with self._transaction():
                for migration in _MIGRATIONS[self._version() :]:  # another process may have been faster
                    for statement in migration:
                        self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("PRAGMA synchronous = NORMAL")

    def _version(self) -> int:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise NewerLedgerError(str(self.path), f"version {version}, this one knows {VERSION}")
        return version

    def close(self) -> None:
        """Close the connection; what is written stays."""
        with suppress(self._sqlite3.Error):
            self._db.close()

    @property
    def identity(self) -> tuple[int, int]:
        """The device and the inode of the file that was opened."""
        return self._seen[:2]

    def is_current(self) -> bool:
        """Whether the path still leads to the file that was opened.

        Raises:
            DamagedLedgerError: If it is that file, but shorter than it was.
        """
        try:
            device, inode, size = _identity(self.path)
        except OSError:
            return False
        if (device, inode) != self._seen[:2]:
            return False
        if size < self._seen[2]:
            raise DamagedLedgerError(str(self.path), "it was cut short while it was in use")
        return True

    def wait_for_locks(self, seconds: float) -> None:
        """Wait this long for other processes from now on."""
        if seconds != self._wait_s:
            self._wait_s = seconds
            self._db.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def limit_size(self, pages: int) -> None:
        """Let the file grow to this many pages of 4 KiB only, as on a disk that is full then."""
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    # -- writing --------------------------------------------------------------------------------------------------

    def write(
        self,
        kernel: Kernel,
        entries: Sequence[Entry],
        *,
        reaper: tuple[int, float] | None = None,
        is_durable: bool = False,
    ) -> None:
        """Write rows in one commit; those that are new are noted to be written.

        Args:
            kernel: Who owns them.
            entries: The rows, new or changed.
            reaper: The pid and start time of the kernel's reaper, to be written too.
            is_durable: Whether they must survive the machine's death at once, which costs a flush of the disk.

        Raises:
            LedgerUnavailableError: If nothing could be written, for the reason that the subclass names.
        """
        with self._explained():
            if is_durable:
                self._db.execute("PRAGMA synchronous = FULL")
            try:
                self._write(kernel, entries, reaper)
            finally:
                if is_durable:
                    self._db.execute("PRAGMA synchronous = NORMAL")

    def _write(self, kernel: Kernel, entries: Sequence[Entry], reaper: tuple[int, float] | None) -> None:
        number = self._kernel_ids.get(kernel)
        is_one = len(entries) == 1 and (entries[0].code is None or entries[0].until is not None)
        if number is not None and reaper is None and is_one:  # a transaction of its own
            self._write_one(number, entries[0])
        else:
            with self._transaction():
                number = number or self._introduce(kernel)
                if reaper is not None:
                    self._db.execute(
                        "UPDATE kernels SET reaper_pid = ?, reaper_started = ? WHERE id = ?",
                        (*reaper, number),
                    )
                for entry in entries:
                    self._write_one(number, entry)
            self._kernel_ids[kernel] = number
        for entry in entries:  # after the commit: until then it has no row
            entry.is_written = True
            self.ended += entry.until is not None

    def _write_one(self, number: int, entry: Entry) -> None:
        changing = (entry.state, entry.handle, None if entry.until is not None else self._code_id(entry.code))
        ending = (entry.until, entry.note)
        if entry.is_written:
            self._db.execute(_UPDATE, (*changing, *ending, entry.key))
        else:
            named = (entry.key, number, entry.flow, entry.run, entry.block, entry.manager)
            self._db.execute(_INSERT, (*named, *changing, entry.since, *ending))

    def _code_id(self, code: str | None) -> int | None:
        """Return the number of a class's code, which is written once however many rows have it."""
        if code is None:
            return None
        digest = _digest(code)
        self._db.execute("INSERT OR IGNORE INTO codes (digest, code) VALUES (?, ?)", (digest, code))
        return int(self._db.execute("SELECT id FROM codes WHERE digest = ?", (digest,)).fetchone()[0])

    def _introduce(self, kernel: Kernel) -> int:
        """Return the number of a kernel's row, made when it is new here."""
        found = self._db.execute(
            "SELECT id FROM kernels WHERE pid = ? AND started = ? AND host = ? AND machine = ? AND boot = ?"
            " AND user = ? AND space = ?",
            kernel,
        ).fetchone()
        if found:
            self._db.execute(_LOCK, (self.lock, found[0]))
            return int(found[0])
        row = self._db.execute(
            "INSERT INTO kernels (pid, started, host, machine, boot, user, space, lock)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*kernel, self.lock),
        ).lastrowid
        return int(row or 0)

    def prune(self) -> None:
        """Drop the rows of what ended long ago."""
        self.ended = 0
        with self._explained():
            self._db.execute(_PRUNE, (KEPT,))

    def idle_kernels(self) -> list[tuple[int, Owner]]:
        """Return the kernels of which no row is left, with their numbers."""
        with self._explained():
            found = self._db.execute(_IDLE).fetchall()
        return [(one[0], Owner(Kernel._make(one[2:]), one[1], self.path)) for one in found]

    def drop_kernels(self, numbers: Sequence[int]) -> None:
        """Forget kernels that are dead and of which no row is left."""
        with self._explained(), self._transaction():
            for number in numbers:
                self._db.execute(
                    "DELETE FROM kernels WHERE id = ? AND id NOT IN (SELECT kernel FROM resources)", (number,)
                )

    def show_lock(self, kernel: Kernel, lock: str | None) -> None:
        """Write what a kernel holds from now on to show that it is alive."""
        number = self._kernel_ids.get(kernel)
        if number is not None:
            with self._explained():
                self._db.execute(_LOCK, (lock, number))
        self.lock = lock

    def mark(self, key: str, state: str, until: float | None, note: str) -> bool:
        """Write how the resource of `key` ended, or that it did not; tells whether its row was still open."""
        with self._explained():
            return bool(self._db.execute(_MARK, (state, until, note, key)).rowcount)

    def mark_all(self, marks: Sequence[tuple[str, str, float | None, str]]) -> None:
        """Write how several resources ended, as `mark` does, in one commit."""
        with self._explained(), self._transaction():
            for key, state, until, note in marks:
                self._db.execute(_MARK, (state, until, note, key))

    def hand_over(self, row: Written, kernel: Kernel) -> bool:
        """Give an open row to another kernel; tells whether nobody else was faster."""
        with self._explained(), self._transaction():
            old = self._db.execute("SELECT kernel FROM resources WHERE key = ?", (row.key,)).fetchone()
            owner = self._db.execute(
                "SELECT pid, started, host, machine, boot, user, space FROM kernels WHERE id = ?", old
            ).fetchone()
            if owner is None or Kernel(*owner) != row.kernel:
                return False
            number = self._kernel_ids.get(kernel) or self._introduce(kernel)
            found = self._db.execute(
                "UPDATE resources SET kernel = ? WHERE key = ? AND until IS NULL", (number, row.key)
            )
            return bool(found.rowcount)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(self._sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            raise

    # -- reading --------------------------------------------------------------------------------------------------

    def open_rows(self) -> list[Written]:
        """Return the rows of resources that may be alive, oldest first."""
        return self._read("WHERE r.until IS NULL ORDER BY r.id")

    def all_rows(self) -> list[Written]:
        """Return every row that is kept, oldest first."""
        return self._read("ORDER BY r.id")

    def row(self, row_id: int) -> Written | None:
        """Return one row, or None if there is none of this number."""
        return next(iter(self._read("WHERE r.id = ?", row_id)), None)

    def row_of(self, key: str) -> Written | None:
        """Return the row of this key, or None if there is none."""
        return next(iter(self._read("WHERE r.key = ?", key)), None)

    def _read(self, where: str, *values: Any) -> list[Written]:
        with self._explained():
            found = self._db.execute(_SELECT + where, values).fetchall()
        return [
            Written._make((*one[:12], _pair(one[12], one[13]), one[14], Kernel._make(one[15:]), self.path))
            for one in found
        ]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._sqlite3.Error as error:
            raise self._in_our_words(error) from error
        except OSError as error:
            raise LedgerUnavailableError(str(self.path), error.strerror or str(error)) from error

    def _in_our_words(self, error: sqlite3.Error) -> LedgerUnavailableError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        reason, path = str(error), str(self.path)
        if code in (_BUSY, _LOCKED):
            return LockedLedgerError(path, reason)
        if code in (_CORRUPT, _NOT_A_DB) or reason.startswith("no such"):
            return DamagedLedgerError(path, reason)
        return LedgerUnavailableError(path, reason)


def _pair(pid: int | None, started: float | None) -> tuple[int, float] | None:
    return None if pid is None else (pid, started or UNKNOWN)


@lru_cache(maxsize=64)
def _digest(code: str) -> str:
    from hashlib import sha256

    return sha256(code.encode()).hexdigest()


def _identity(path: Path) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size
