"""The ledgers of other hosts in a home that several share: the log of SQLite needs one machine, so each has its own.

They are read from a copy, as another machine may be writing to them.
"""

from __future__ import annotations

import os
import re
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from nbflow.errors import LedgerUnavailableError
from nbflow.ledger.journal import journals_of
from nbflow.ledger.paths import ledger_path

if TYPE_CHECKING:
    from nbflow.ledger.listing import Written

_ROWS = 1_000_000_000  # more than any ledger has: the number of a row here says which file it is of
_NAME = re.compile(r"ledger(-[0-9a-f]+)?\.sqlite3")


def other_ledgers() -> list[Path]:
    """Return the files of other hosts in this home that are ours to read."""
    own = ledger_path()
    try:
        found = sorted(path for path in own.parent.iterdir() if _NAME.fullmatch(path.name) and path != own)
        return [path for path in found if path.lstat().st_uid == os.geteuid() and not path.is_symlink()]
    except OSError:
        return []


def rows_of(ledger: Path, *, all: bool = False) -> list[Written]:
    """Return the rows of another host's ledger, with numbers that no row of this host's has."""
    import shutil
    from tempfile import TemporaryDirectory

    from nbflow.ledger.store import Store

    try:
        with TemporaryDirectory(prefix="nbflow-") as folder:
            copy = Path(folder) / "ledger" / "copy.sqlite3"
            copy.parent.mkdir(mode=0o700)
            for journal in journals_of(ledger):  # before the file, into which they go
                with suppress(FileNotFoundError):
                    shutil.copy(journal, f"{copy}{journal.name.removeprefix(ledger.name)}", follow_symlinks=False)
            for end in ("", "-wal"):
                if Path(f"{ledger}{end}").exists():
                    shutil.copyfile(f"{ledger}{end}", f"{copy}{end}")
            with closing(Store(copy)) as store:
                last = store.last_id()
                found = store.all_rows() if all else store.open_rows()
    except (OSError, LedgerUnavailableError):  # it was written to meanwhile, or is of a newer nbflow
        return []
    return [one._replace(id=_number(ledger, one, last), ledger=ledger) for one in found]


def row_of(number: int) -> Written | None:
    """Return the row of another host's ledger that has this number here, or None if there is none."""
    for ledger in other_ledgers():
        if 0 < number - _first(ledger) < _ROWS:
            found = rows_of(ledger, all=True)
            return next((one for one in found if number in (one.id, _number(ledger, one, 0))), None)
    return None


def _number(ledger: Path, row: Written, last: int) -> int:
    """Return a row's number here: by its key as long as its own ledger has given it none."""
    return _first(ledger) + (row.id if row.id <= last else _ROWS // 2 + crc32(row.key.encode()) % (_ROWS // 2))


def _first(ledger: Path) -> int:
    return (crc32(ledger.name.encode()) % 9_000 + 1_000) * _ROWS
