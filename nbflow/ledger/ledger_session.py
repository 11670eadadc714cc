"""What this process has in one ledger, and the ways on when the file is lost, locked, full or damaged.

A row that could not be written is kept and written with the next one that can be; a resource that is alive is
written again when its file is gone.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nbflow.errors import DamagedLedgerError, LedgerUnavailableError, LockedLedgerError
from nbflow.ledger.journal import Journal
from nbflow.ledger.listing import owner_of
from nbflow.ledger.liveness import discard, hold, let_go
from nbflow.ledger.store import LOCK_WAIT_S, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.ledger.ledger_record import LedgerRecord
    from nbflow.ledger.process_identity import Kernel

    Tell = Callable[[str, str], None]  # the kind, told once, and the message

Result = TypeVar("Result")
PRUNE_AFTER = 500  # ended rows
FOLD_AFTER = 500  # lines of the journal
RIDE_S = 0.01  # changes of resources without a handle are written together, at most so often
_LOOK_S = 0.1  # between looks whether the files that are appended to are still there
_LONGEST_JOURNAL = 1 << 16  # bytes; then another one is begun
_WAIT_IN_TROUBLE_S = 0.05  # the full wait was paid once; later ones would add up
_RETRY_S = 1.0  # after which a change is tried again that need not be on disk at once
_TRIES = 3


class LedgerSession:
    """The rows of this process in one ledger file. Safe to use from several threads.

    Args:
        path: The file; it is opened, and made, when there is something to write.
        kernel: This process.
        token: A name that it alone has, for the lock that shows that it is alive; by default it holds none.
    """

    def __init__(self, path: Path, kernel: Kernel, token: str | None = None) -> None:
        self.path = path
        self.kernel = kernel
        self._token = token
        self._process = os.getpid()
        self._journal = Journal(path, kernel, token or f"{self._process}-{os.urandom(8).hex()}")
        self._records: dict[str, LedgerRecord] = {}
        self._dirty: dict[str, LedgerRecord] = {}
        self._store: Store | None = None
        self._reaper: tuple[int, float] | None = None
        self._has_written_reaper = True
        self._is_in_trouble = False
        self._committed_at = 0.0
        self._looked_at = 0.0  # when the files were seen to be there
        self._untold: list[tuple[str, str]] = []
        self._lock = threading.RLock()

    @property
    def is_open(self) -> bool:
        """Whether its file is open."""
        return self._store is not None

    def records(self) -> list[LedgerRecord]:
        """Return what may be alive, oldest first."""
        return list(self._records.values())

    def find(self, key: str) -> LedgerRecord | None:
        """Return what has this key and may be alive, or None."""
        return self._records.get(key)

    def note_reaper(self, reaper: tuple[int, float]) -> None:
        """Note the pid and start time of this process's reaper, to be written with the next row."""
        if reaper != self._reaper:
            self._reaper, self._has_written_reaper = reaper, False

    def save(self, record: LedgerRecord, tell: Tell, *, is_durable: bool = False) -> bool:
        """Write a row now, with all that still has to be written; tells whether it is on disk.

        Args:
            record: The row, new or changed.
            tell: Called with the kind and the text of a problem. Nothing is raised for one.
            is_durable: Whether it must survive the machine's death from now on.
        """
        with self._lock:
            self._note(record)
            return self._commit(tell, is_durable=is_durable)

    def save_soon(self, record: LedgerRecord, tell: Tell) -> None:
        """Write a change now if the last time that all was written is a while ago, else with the next ones."""
        with self._lock:
            self._note(record)
            if time.monotonic() - self._committed_at >= RIDE_S:
                self._commit(tell)

    def flush(self, tell: Tell) -> bool:
        """Write what still has to be; tells whether all is on disk."""
        with self._lock:
            return self._commit(tell)

    def _note(self, record: LedgerRecord) -> None:
        if record.until is None:
            self._records[record.key] = record
            self._dirty[record.key] = record
        else:
            self._records.pop(record.key, None)
            if not record.is_written:  # it came and went unwritten
                self._dirty.pop(record.key, None)
            else:
                self._dirty[record.key] = record

    def know(self, record: LedgerRecord) -> None:
        """Take in a row that is written already, as it belongs to this process from now on."""
        with self._lock:
            self._records[record.key] = record

    def drop(self, key: str) -> None:
        """Know a row no longer, as somebody else has closed it or taken it over."""
        with self._lock:
            self._records.pop(key, None)
            self._dirty.pop(key, None)

    def _commit(self, tell: Tell, *, is_durable: bool = False) -> bool:
        if os.getpid() != self._process:  # a fork records nothing (rule 14): file and journal are its parent's
            return False
        while self._untold:
            tell(*self._untold.pop())
        is_plain = not is_durable and all(record.handle is None for record in self._dirty.values())
        # Whether the files are still there was seen a moment ago. If they were removed since, that is no different
        # from having them removed after this: what is alive is written again with the next commit.
        if is_plain and self._store is not None and time.monotonic() - self._looked_at < _LOOK_S:
            try:
                self._append(self._store)
                return True
            except LedgerUnavailableError:
                pass  # and again, when the file was looked for
        if not self._dirty and (self._store is None or self._is_current(self._store)):
            return True
        try:
            if is_plain:
                self.use(self._append, tell, locks=False)
            else:
                self.use(lambda store: self._write(store, is_durable), tell)
        except LedgerUnavailableError as error:
            self._committed_at = time.monotonic() + _RETRY_S
            tell(type(error).__name__, f"{error}. The run goes on, its resources are not recorded meanwhile")
            if self._store is not None and not is_plain:  # those without a handle do not need the file
                with suppress(LedgerUnavailableError):
                    self._append(self._store)
            return False
        return True

    def _append(self, store: Store) -> None:
        records = [record for record in self._dirty.values() if record.handle is None]
        if records:
            self._journal.append(records, store.lock)
        for record in records:
            del self._dirty[record.key]
        self._committed_at = time.monotonic()
        if self._journal.ahead >= FOLD_AFTER:
            self._fold_now_and_then(store)

    def _write(self, store: Store, is_durable: bool) -> None:
        reaper = None if self._has_written_reaper else self._reaper
        is_behind = self._journal.ahead > 0
        if self._dirty or is_behind:
            records = tuple(self._dirty.values())
            store.write(self.kernel, records, reaper=reaper, is_durable=is_durable, is_behind=is_behind)
        self._has_written_reaper = self._has_written_reaper or reaper is not None
        self._journal.ahead = 0
        self._dirty.clear()
        self._committed_at = time.monotonic()
        self._prune(store)

    def _fold_now_and_then(self, store: Store) -> None:
        """Take the journal in; when that is not possible it is tried again after as many lines."""
        self._journal.ahead = 1
        try:
            self._fold(store, longest=_LONGEST_JOURNAL)
        except DamagedLedgerError:
            raise
        except LedgerUnavailableError:
            return

    def _fold(self, store: Store, *, longest: int = 0) -> None:
        store.wait_for_locks(_WAIT_IN_TROUBLE_S)  # nothing is lost if it is done another time
        try:
            if self._journal.name in store.fold():
                self._journal.ahead = 0
                if self._journal.size > longest:
                    self._journal.end()
            self._prune(store)
        finally:
            self._in_trouble(self._is_in_trouble)

    def _prune(self, store: Store) -> None:
        """Drop what ended long ago, and dead kernels of which nothing is left; a locked file has it the next time."""
        if store.ended < PRUNE_AFTER:
            return
        with suppress(LedgerUnavailableError):
            store.prune()
            dead = [(one, who) for one, who in store.idle_kernels() if owner_of(who, self.kernel) == "dead kernel"]
            if dead:
                store.drop_kernels([one for one, _ in dead])
            for _, who in dead:
                if who.lock is not None:
                    discard(self.path, who.lock)

    def use(self, action: Callable[[Store], Result], tell: Tell, *, locks: bool = True) -> Result:
        """Return what `action` makes of the open store; it is called again with another one if the file was lost.

        Args:
            action: May be called more than once.
            tell: Called when the file was lost or damaged, and another one was begun.
            locks: Whether it needs the file's lock, so that it is free again when this has worked.

        Raises:
            LedgerUnavailableError: If the ledger cannot be used; the subclass says why.
        """
        with self._lock:
            for _ in range(_TRIES):
                try:
                    result = action(self._opened(tell))
                except DamagedLedgerError as error:
                    self._move_aside(error, tell)
                except LockedLedgerError:
                    self._in_trouble(True)
                    raise
                except LedgerUnavailableError:
                    if self._store is not None and not self._is_current(self._store):
                        continue
                    raise
                else:
                    if locks:
                        self._in_trouble(False)
                    return result
            raise LedgerUnavailableError(str(self.path), "it is lost or damaged again and again")

    def read(self, action: Callable[[Store], Result]) -> Result:
        """Return what `action` reads from the open store, with the rows of this process up to date.

        Raises:
            LedgerUnavailableError: If the ledger cannot be read. A damaged one is left where it is.
        """
        with self._lock:
            try:
                store = self._opened(lambda kind, message: self._untold.append((kind, message)))  # for who writes next
                if self._dirty and not self._is_in_trouble:
                    with suppress(LedgerUnavailableError):  # the next commit tries again, and tells
                        self._write(store, is_durable=False)
                return action(store)
            except LockedLedgerError:
                self._in_trouble(True)
                raise

    def close(self) -> None:
        """Close the file; it is opened again when there is something to write."""
        with self._lock:
            if self._store is not None and self._journal.name:
                with suppress(LedgerUnavailableError):  # who reads it next does it
                    self._fold(self._store)
            self._close()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def rest(self) -> None:
        """Close the file for a while, and the lock with it; until then nobody can see that this process is alive."""
        with self._lock:
            if self._store is None:
                return
            if self._store.lock is not None:
                with suppress(LedgerUnavailableError):
                    self._fold(self._store)
                    self._store.show_lock(self.kernel, None)  # else other containers would find it free
                    let_go(self.path, self._token or "")
            self.close()

    def _in_trouble(self, is_in_trouble: bool) -> None:
        self._is_in_trouble = is_in_trouble
        if self._store is not None:
            self._store.wait_for_locks(_WAIT_IN_TROUBLE_S if is_in_trouble else LOCK_WAIT_S)

    def _is_current(self, store: Store) -> bool:
        try:
            return store.is_current()
        except DamagedLedgerError:
            return False

    def _opened(self, tell: Tell) -> Store:
        if self._store is not None and not (self._store.is_current() and self._journal.is_current()):
            self._close()
            self._write_all_again()
            tell("lost", f"the ledger {self.path} was removed while it was in use; another one was begun")
        self._looked_at = time.monotonic()
        if self._store is None:
            from nbflow.engine.file_watch import ignore  # not at the top: it looks about where Python is installed

            ignore(self.path.parent)  # a task may have an earlier home put to rest, whose journal is read then
            wait_s = _WAIT_IN_TROUBLE_S if self._is_in_trouble else LOCK_WAIT_S
            self._store = Store(self.path, lock_wait_s=wait_s)
            if self._token is not None:  # held before the first row is written
                self._store.lock = hold(self.path, self._token)
            self._store.ended = PRUNE_AFTER  # with the first rows that are written
        return self._store

    def _write_all_again(self) -> None:
        """Forget what the lost file held: what is alive is new to the next one, what has ended does not matter."""
        self._journal.leave()  # it has what is alive until that is written again
        self._dirty.clear()
        for record in self._records.values():
            record.is_written = False
            self._dirty[record.key] = record
        self._has_written_reaper = self._reaper is None

    def _move_aside(self, error: DamagedLedgerError, tell: Tell) -> None:
        before = None if self._store is None else self._store.identity
        with _only_one(self.path.parent):
            if before in (None, _identity(self.path)) and _is_damaged(self.path, before):
                aside = self._aside()
                for end in ("", "-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        Path(f"{self.path}{end}").rename(f"{aside}{end}")
                tell(
                    "damaged",
                    f"the ledger {self.path} was damaged ({error.reason}): it was moved aside as {aside.name}, and "
                    "another one was begun; what earlier kernels have left is listed in the old one only",
                )
            self._close()  # after the move: SQLite would write into what is still the ledger
            self._write_all_again()

    def _aside(self) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return self.path.with_name(f"{self.path.stem}.damaged-{stamp}-{self.kernel.pid}{self.path.suffix}")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep other kernels from moving the file as well; the lock ends with the process."""
    import fcntl

    try:
        number = os.open(folder / "moving.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerUnavailableError(str(folder), error.strerror or str(error)) from error
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_damaged(path: Path, was_open: tuple[int, int] | None) -> bool:
    """Whether it still is, now that nobody else moves it: another kernel may have begun a new one meanwhile."""
    if was_open is not None:
        return True
    try:
        Store(path).close()
    except DamagedLedgerError:
        return True
    except LedgerUnavailableError:
        return False
    return False
