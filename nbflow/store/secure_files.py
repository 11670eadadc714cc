"""Folders and files that nobody but their owner can have written, which is what makes unpickling them safe.

What is read is checked on the open file, never by its name alone: between two looks at a name it may be replaced.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from nbflow.errors import StoreUnavailableError, UntrustedStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
# A FIFO in the place of a file must not hold us up, and a symbolic link is somebody else's choice of file.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
PARTIAL = ".partial"


def make_folder(path: Path) -> None:
    """Make a folder for its owner's eyes only; the folders above it are made in the usual way.

    Raises:
        UntrustedStoreError: If there is one that others own or may write to.
        StoreUnavailableError: If it cannot be made.
    """
    with in_our_words(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
    check_folder(path)


def check_folder(path: Path) -> None:
    """Refuse a folder in which somebody else may put files.

    Raises:
        UntrustedStoreError: If it is not this user's, or a link, or others may write to it.
        StoreUnavailableError: If it is not there.
    """
    with in_our_words(path):
        found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise UntrustedStoreError(str(path), "is not a folder")
    _check_owner(path, found)


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file that only this user can have written.

    Raises:
        UntrustedStoreError: If it is somebody else's, or no ordinary file, or others may write to it.
        StoreUnavailableError: If it cannot be read.
    """
    with in_our_words(path):
        descriptor = os.open(path, _READ)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UntrustedStoreError(str(path), "is not an ordinary file")
        _check_owner(path, found)
        with in_our_words(path), os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


class NewFile:
    """A file that is written beside its place and put there whole, or not at all.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> new = NewFile(Path(tempfile.mkdtemp()) / "value")
        >>> new.write(b"42"), new.commit(), new.path.read_bytes()
        (None, None, b'42')
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._beside = path.with_name(f"{path.name}.{os.getpid()}-{id(self):x}{PARTIAL}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._beside, flags, 0o600), "wb")

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes to its end."""
        self._file.write(data)

    def commit(self, path: Path | None = None) -> None:
        """Put it in its place, or another one in the same folder, where it replaces what was there."""
        self._file.close()
        os.replace(self._beside, path or self.path)

    def discard(self) -> None:
        """Leave no trace of it."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            os.unlink(self._beside)


def write_whole(path: Path, data: bytes, *, may_commit: Callable[[], bool] = lambda: True) -> None:
    """Write a file at once, or not at all.

    Args:
        path: The file; what is there is replaced.
        data: What is to be in it.
        may_commit: Asked when all is written: whether it still counts.

    Raises:
        StoreUnavailableError: If it cannot be written.
    """
    with in_our_words(path):
        new = NewFile(path)
        try:
            new.write(data)
            (new.commit if may_commit() else new.discard)()
        except BaseException:
            new.discard()
            raise


@contextmanager
def in_our_words(path: Path) -> Iterator[None]:
    """Turn what the system says about a file into an error of the store's."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(str(path), error.strerror or str(error)) from error


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.getuid():
        raise UntrustedStoreError(str(path), f"belongs to another user (number {found.st_uid})")
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise UntrustedStoreError(str(path), "can be written by other users")
