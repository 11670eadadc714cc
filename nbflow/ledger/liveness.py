"""Locks by which processes that cannot see each other's pids know whether the other is alive.

A pid says nothing outside of its pid namespace. A lock on a file that both see does, as the system lets go of it
when its holder ends, however that came about. The file is known by device and inode, too: through another mount, or
on another machine, the lock might not be seen, and then nothing is known.

Standard library only: the reaper needs it too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_REAPER = ".reaper"
_held: dict[Path, int] = {}


def hold(ledger: Path, token: str) -> str | None:
    """Hold a lock beside a ledger until this process ends; returns what `is_held` knows it by.

    Args:
        ledger: The ledger's file; its folder exists.
        token: A name that no other process has.

    Returns:
        None where files cannot be locked. Asked again, it is the same lock, made again if its file was removed.
    """
    path = _file(ledger, token)
    try:
        number = _held.get(path)
        if number is None or not _is_at(path, number):
            number = _locked(path)
            _close(path)
            _held[path] = number
        found = os.fstat(number)
    except (OSError, ImportError):
        return None
    return f"{token}:{found.st_dev}:{found.st_ino}"


def let_go(ledger: Path, token: str) -> None:
    """Give the lock of this process up."""
    _close(_file(ledger, token))


def hold_as_reaper(ledger: Path, token: str) -> None:
    """Hold the lock of the reaper of the process that holds `token`."""
    hold(ledger, token + _REAPER)


def is_held(ledger: Path, lock: str | None) -> bool | None:
    """Whether the process that `hold` gave `lock` to is alive, or None if that cannot be seen from here."""
    token, _, file = (lock or "").partition(":")
    return _is_locked(_file(ledger, token), file) if token and file else None


def is_free(ledger: Path, token: str) -> bool:
    """Whether the process that held the lock of this name is gone for certain."""
    return _is_locked(_file(ledger, token), None) is False


def has_reaper(ledger: Path, lock: str | None) -> bool:
    """Whether the reaper of that process is alive, as far as it can be seen from here."""
    token, _, _ = (lock or "").partition(":")
    return bool(token) and _is_locked(_file(ledger, token + _REAPER), None) is True


def discard(ledger: Path, lock: str) -> None:
    """Remove the files of a process that has left nothing, unless it is alive."""
    if is_held(ledger, lock) is False and not has_reaper(ledger, lock):
        token = lock.partition(":")[0]
        for name in (token, token + _REAPER):
            with suppress(OSError):
                _file(ledger, name).unlink()


def _file(ledger: Path, name: str) -> Path:
    return ledger.with_name(f"alive-{name}.lock")


def _locked(path: Path) -> int:
    import fcntl

    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
    except BaseException:
        os.close(number)
        raise
    return number


def _is_locked(path: Path, file: str | None) -> bool | None:
    try:
        import fcntl

        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, ImportError):
        return None
    try:
        found = os.fstat(number)
        if file not in (None, f"{found.st_dev}:{found.st_ino}"):
            return None
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not see each other
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(number)
    return False


def _is_at(path: Path, number: int) -> bool:
    try:
        there, ours = path.stat(), os.fstat(number)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _close(path: Path) -> None:
    number = _held.pop(path, None)
    if number is not None:
        with suppress(OSError):
            os.close(number)


def _after_fork() -> None:
    """Close the parent's locks in the child, which would hold them when the parent is dead."""
    for path in tuple(_held):
        _close(path)


os.register_at_fork(after_in_child=_after_fork)
