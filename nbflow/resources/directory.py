"""Making a directory that is known before it exists, and removing it for good: that one, and nothing else."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from pathlib import Path

from nbflow.resources.errors import NotOurDirectoryError

_TRIES = 5


def new_path(folder: str | os.PathLike[str], prefix: str) -> Path:
    """Return a path in `folder` that nobody can guess; nothing is made yet."""
    return Path(os.path.abspath(folder), f"{prefix}{secrets.token_hex(16)}")


def make(path: Path) -> None:
    """Make the directory, for the owner only.

    Raises:
        OSError: If it exists, or cannot be made.
    """
    path.mkdir(mode=0o700)


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a directory with all that is in it, also what is read-only; do nothing if it is gone.

    Links are removed, never followed.

    Raises:
        NotOurDirectoryError: If something else is there, or the directory belongs to another user.
        OSError: If it cannot be removed.
    """
    path = os.fspath(path)
    for attempt in range(_TRIES):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return
        _check(path, found)
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            continue  # somebody else removes it too
        except OSError:
            # Something in it is read-only, or a task that could not be stopped is still writing.
            if attempt == _TRIES - 1:
                raise
            _open_up(path)


def _check(path: str, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise NotOurDirectoryError(path, "a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        raise NotOurDirectoryError(path, "a file")
    if found.st_uid != os.geteuid():
        raise NotOurDirectoryError(path, f"a directory of another user (uid {found.st_uid})")


def _open_up(path: str) -> None:
    """Let the owner write in every directory below `path`."""
    _allow(path)
    for folder, subfolders, _ in os.walk(path):
        for name in subfolders:
            _allow(os.path.join(folder, name))


def _allow(path: str) -> None:
    try:
        if not os.path.islink(path):
            os.chmod(path, 0o700)
    except OSError:
        pass  # the removal will say what is wrong
