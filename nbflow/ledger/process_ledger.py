"""What this process has of the ledger: who it is, one session for each file, its reaper. A fork begins with nothing.

The child of a fork is another process: the connections, locks and pipes it inherits are its parent's.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING

from nbflow.ledger.ledger_session import LedgerSession
from nbflow.ledger.paths import ledger_path
from nbflow.ledger.process_identity import Kernel
from nbflow.ledger.reaper_client import ReaperClient

if TYPE_CHECKING:
    from pathlib import Path

_OPEN_FILES = 3  # a process uses one ledger, a test session hundreds
_NAMES_OF_HOME = ("NBFLOW_HOME", "XDG_DATA_HOME", "HOME")


class ProcessLedger:
    """The ledgers and the reaper of one process. Safe to use from several threads."""

    def __init__(self) -> None:
        self.kernel = Kernel.this()
        self._token = f"{self.kernel.pid}-{os.urandom(8).hex()}"
        self.reaper = ReaperClient(self.kernel, token=self._token)
        self.recovering = threading.Lock()
        self._sessions: dict[Path, LedgerSession] = {}
        self._found: Path | None = None  # the user's ledger, for these names
        self._asked: tuple[str | None, ...] = ()
        self._lock = threading.Lock()

    def session(self, path: Path | None = None) -> LedgerSession:
        """Return the session of a ledger, by default of the one that is the user's now (``NBFLOW_HOME`` may change)."""
        path = path or self._default()
        with self._lock:
            session = self._sessions.pop(path, None) or LedgerSession(path, self.kernel, self._token)
            self._sessions[path] = session  # the last one used is the last one
            resting = list(self._sessions.values())[:-_OPEN_FILES]
        for other in resting:
            other.rest()
        return session

    def _default(self) -> Path:
        """Return the path of the user's ledger, looked up again when that could be another one."""
        asked = tuple(os.environ.get(name) for name in _NAMES_OF_HOME)
        known = self._sessions.get(self._found) if self._found is not None and asked == self._asked else None
        if known is None or not known.is_open or not os.path.isabs(asked[0] or "/"):
            self._found, self._asked = ledger_path(), asked
        assert self._found is not None
        return self._found

    def sessions(self) -> list[LedgerSession]:
        """Return every session that was used."""
        with self._lock:
            return list(self._sessions.values())

    def close(self) -> None:
        """Close the files, at the end of the process; what is done after it opens them again."""
        for session in self.sessions():
            session.close()


class _Process:
    """Holds the one `ProcessLedger` of the process, which a forked child makes again."""

    def __init__(self) -> None:
        self._ledger: ProcessLedger | None = None
        self._left: list[ProcessLedger] = []
        self._lock = threading.Lock()

    def get(self) -> ProcessLedger:
        """Return what this process has of the ledger."""
        with self._lock:
            if self._ledger is None:
                self._ledger = ProcessLedger()
            return self._ledger

    def after_fork(self) -> None:
        self._lock = threading.Lock()  # the parent's may have been held by a thread that is not here
        here, self._ledger = self._ledger, None
        if here is not None:
            here.reaper.let_go()
            self._left.append(here)  # not closed: SQLite must not be used across a fork, not even for that

    def at_exit(self) -> None:
        if self._ledger is not None:
            self._ledger.close()


_process = _Process()
process_ledger = _process.get
os.register_at_fork(after_in_child=_process.after_fork)
atexit.register(_process.at_exit)
