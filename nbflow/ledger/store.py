"""The ledger on disk: a SQLite file in WAL mode. What is written, by whom and when, is decided elsewhere.

The reaper, which does not load nbflow, uses it too; SQLite itself is loaded when a file is opened.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from nbflow.errors import DamagedLedgerError, LedgerUnavailableError, LockedLedgerError, NewerLedgerError
from nbflow.ledger import schema
from nbflow.ledger.journal import Page, pages_of
from nbflow.ledger.ledger_record import made_with
from nbflow.ledger.listing import Owner, Written
from nbflow.ledger.paths import claim, make_private
from nbflow.ledger.process_identity import UNKNOWN, Kernel
from nbflow.ledger.schema import VERSION
from nbflow.ledger.serialization import digest_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nbflow.ledger.ledger_record import LedgerRecord

LOCK_WAIT_S = 2.0
KEPT = 2_000  # rows of ended resources; older ones are dropped now and then
_BUSY, _LOCKED, _CORRUPT, _NOT_A_DB = 5, 6, 11, 26


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
            self._db = sqlite3.connect(path, timeout=lock_wait_s, isolation_level=None, check_same_thread=False)
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
                for migration in schema.MIGRATIONS[self._version() :]:  # another process may have been faster
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

    # -- writing --------------------------------------------------------------------------------------------------

    def write(
        self,
        kernel: Kernel,
        records: Sequence[LedgerRecord],
        *,
        reaper: tuple[int, float] | None = None,
        is_durable: bool = False,
        is_behind: bool = False,
    ) -> None:
        """Write rows in one commit; those that are new are noted to be written.

        Args:
            kernel: Who owns them.
            records: The rows, new or changed.
            reaper: The pid and start time of the kernel's reaper, to be written too.
            is_durable: Whether they must survive the machine's death at once, which costs a flush of the disk.
            is_behind: Whether the journals may have what these rows were before, which is taken in first.

        Raises:
            LedgerUnavailableError: If nothing could be written, for the reason that the subclass names.
        """
        with self._explained():
            if is_durable:
                self._db.execute("PRAGMA synchronous = FULL")
            try:
                self._write(kernel, records, reaper, is_behind)
            finally:
                if is_durable:
                    self._db.execute("PRAGMA synchronous = NORMAL")

    def _write(
        self, kernel: Kernel, records: Sequence[LedgerRecord], reaper: tuple[int, float] | None, is_behind: bool
    ) -> None:
        number = self._kernel_ids.get(kernel)
        is_one = len(records) == 1 and (records[0].code is None or records[0].until is not None)
        if number is not None and reaper is None and is_one and not is_behind:  # a transaction of its own
            self._write_one(number, records[0])
        else:
            with self._transaction():
                if is_behind:
                    self._take_in()
                number = number or self._introduce(kernel)
                if reaper is not None:
                    self._db.execute(
                        "UPDATE kernels SET reaper_pid = ?, reaper_started = ? WHERE id = ?", (*reaper, number)
                    )
                for record in records:
                    self._write_one(number, record)
            self._kernel_ids[kernel] = number
        for record in records:  # after the commit: until then it has no row
            record.is_written = True
            self.ended += record.until is not None

    def _write_one(self, number: int, record: LedgerRecord) -> None:
        code = None if record.until is not None else self._code_id(record.code)
        if record.is_written:
            changed = (record.state, record.handle, code, record.until, record.note)
            self._db.execute(schema.UPDATE, (*changed, record.key))
        else:
            self._db.execute(schema.INSERT, self._whole(number, record, code))

    @staticmethod
    def _whole(number: int, record: LedgerRecord, code: int | None) -> tuple[object, ...]:
        changing = (record.state, record.handle, code, record.until, record.note)
        return (record.key, number, *changing, *made_with(record))

    def _code_id(self, code: str | None) -> int | None:
        """Return the number of a class's code, which is written once however many rows have it."""
        if code is None:
            return None
        digest = digest_of(code)
        self._db.execute("INSERT OR IGNORE INTO codes (digest, code) VALUES (?, ?)", (digest, code))
        return int(self._db.execute("SELECT id FROM codes WHERE digest = ?", (digest,)).fetchone()[0])

    def _introduce(self, kernel: Kernel) -> int:
        """Return the number of this process's row, made when it is new here."""
        number = self._number_of(kernel, self.lock)
        self._db.execute(schema.LOCK, (self.lock, number))
        return number

    def _number_of(self, kernel: Kernel, lock: str | None) -> int:
        found = self._db.execute(
            "SELECT id FROM kernels WHERE pid = ? AND started = ? AND host = ? AND machine = ? AND boot = ?"
            " AND user = ? AND space = ?",
            kernel,
        ).fetchone()
        if found:
            return int(found[0])
        row = self._db.execute(
            "INSERT INTO kernels (pid, started, host, machine, boot, user, space, lock)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*kernel, lock),
        ).lastrowid
        return int(row or 0)

    def fold(self) -> set[str]:
        """Take the journals beside the file in, each line once, and remove those of the dead.

        Returns:
            The names of those that were taken in to their ends.

        Raises:
            LedgerUnavailableError: If there is something to take in, and it could not be written.
        """
        with self._explained():
            folded = self._folded()
            pages = list(pages_of(self.path, folded))
            if any(page.end > folded.get(page.path.name, 0) for page in pages):
                with self._transaction():
                    pages = self._take_in()
        for page in pages:  # after the commit
            if page.is_over:
                with suppress(OSError):
                    page.path.unlink()
        return {page.path.name for page in pages}

    def _folded(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT name, folded FROM journals"))

    def _take_in(self) -> list[Page]:
        """Take the journals in, in the same transaction as how far that is."""
        folded = self._folded()
        pages = list(pages_of(self.path, folded))
        for page in pages:
            number = self._number_of(page.owner.kernel, page.owner.lock)
            records = page.records()
            self._db.executemany(
                schema.INSERT, (self._whole(number, record, None) for record in records if not record.is_written)
            )
            for record in records:
                if record.is_written:
                    self._write_one(number, record)
                self.ended += record.until is not None
            self._db.execute("INSERT OR REPLACE INTO journals VALUES (?, ?)", (page.path.name, page.end))
        for name in folded:
            if not self.path.with_name(name).exists():  # no name comes again
                self._db.execute("DELETE FROM journals WHERE name = ?", (name,))
        return pages

    def prune(self) -> None:
        """Drop the rows of what ended long ago."""
        self.ended = 0
        with self._explained():
            self._db.execute(schema.PRUNE, (KEPT,))

    def idle_kernels(self) -> list[tuple[int, Owner]]:
        """Return the kernels of which no row is left, with their numbers."""
        self.fold()
        with self._explained():
            found = self._db.execute(schema.IDLE).fetchall()
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
                self._db.execute(schema.LOCK, (lock, number))
        self.lock = lock

    def mark(self, key: str, state: str, until: float | None, note: str) -> bool:
        """Write how the resource of `key` ended, or that it did not; tells whether its row was still open."""
        self.fold()
        with self._explained():
            return bool(self._db.execute(schema.MARK, (state, until, note, key)).rowcount)

    def mark_all(self, marks: Sequence[tuple[str, str, float | None, str]]) -> None:
        """Write how several resources ended, as `mark` does, in one commit."""
        self.fold()
        with self._explained(), self._transaction():
            for key, state, until, note in marks:
                self._db.execute(schema.MARK, (state, until, note, key))

    def hand_over(self, row: Written, kernel: Kernel) -> bool:
        """Give an open row to another kernel; tells whether nobody else was faster."""
        self.fold()
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
        return self._read("WHERE r.until IS NULL ORDER BY r.since, r.id")

    def all_rows(self) -> list[Written]:
        """Return every row that is kept, oldest first."""
        return self._read("ORDER BY r.since, r.id")

    def row(self, row_id: int) -> Written | None:
        """Return one row, or None if there is none of this number."""
        return next(iter(self._read("WHERE r.id = ?", row_id)), None)

    def row_of(self, key: str) -> Written | None:
        """Return the row of this key, or None if there is none."""
        return next(iter(self._read("WHERE r.key = ?", key)), None)

    def last_id(self) -> int:
        """Return the number of the newest row that was taken in, or 0 if there is none."""
        with self._explained():
            return int(self._db.execute("SELECT coalesce(max(id), 0) FROM resources").fetchone()[0])

    def _read(self, where: str, *values: Any) -> list[Written]:
        self.fold()
        with self._explained():
            found = self._db.execute(schema.SELECT + where, values).fetchall()
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


def _identity(path: Path) -> tuple[int, int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size
