"""Where the ledger is, and whether only its owner can write there."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def ledger_path() -> Path:
    """Return the file of the ledger: in ``NBFLOW_HOME``, else in the user's data directory. It need not exist."""
    home = os.environ.get("NBFLOW_HOME")
    if not home:
        from platformdirs import user_data_dir

        home = user_data_dir("nbflow", appauthor=False)
    # The folders above may be links; the home itself is looked at when the ledger is opened.
    path = Path(os.path.abspath(Path(home).expanduser()))
    return path.parent.resolve() / path.name / "ledger" / "ledger.sqlite3"


def make_private(path: Path) -> None:
    """Make the file and its folder if they are missing, for their owner's eyes only.

    Raises:
        OSError: If that is not possible, or if the home, its folder or the file is a link or another user's: who made
            it could put something in the place of what is read here.
    """
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    for one in (path.parent.parent, path.parent, path):
        _check_ours(one)
    try:
        path.parent.mkdir(mode=0o700)
    except FileExistsError:
        if stat.S_IMODE(path.parent.stat().st_mode) & 0o077:
            path.parent.chmod(0o700)
    if not path.exists():  # else it must not be opened: closing it would end the locks that SQLite has on it
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _check_ours(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise OSError(
            errno.ELOOP, f"{path} is a symbolic link; set NBFLOW_HOME to the folder that it leads to"
        )
    if found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, f"{path} belongs to another user; set NBFLOW_HOME to a folder of your own")


def is_private(path: Path) -> bool:
    """Whether nobody but this user can have written the file: what is unpickled from it is our own."""
    try:
        found = (path.stat(), path.parent.stat())
    except OSError:
        return False
    return all(one.st_uid == os.getuid() and not one.st_mode & _OTHERS_MAY_WRITE for one in found)
