"""Where the ledger is, and whether only its owner can write there."""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from nbflow.ledger.process_identity import Kernel

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NAME = "ledger.sqlite3"
_HOST = "host.json"  # whose that file is


def ledger_path() -> Path:
    """Return the file of this host's ledger: in ``NBFLOW_HOME``, else in the user's data directory. It need not exist.

    In a home that several hosts share, the first one has the plain name, and the others their own.
    """
    home = os.environ.get("NBFLOW_HOME")
    if not home:
        from platformdirs import user_data_dir

        home = user_data_dir("nbflow", appauthor=False)
    # The folders above may be links; the home itself is looked at when the ledger is opened.
    path = Path(os.path.abspath(Path(home).expanduser()))
    folder = path.parent.resolve() / path.name / "ledger"
    this = _this(os.getpid())
    if _is_ours(folder / _HOST, this):
        return folder / _NAME
    from hashlib import sha256

    # A container's own name may be another one each time; those of one boot share a machine, whatever it is called.
    whose = this.boot if this.is_in_container and this.boot else f"{this.host} {this.machine}"
    return folder / f"ledger-{sha256(whose.encode()).hexdigest()[:12]}.sqlite3"


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


@lru_cache(maxsize=1)
def _this(pid: int) -> Kernel:  # for the child of a fork it is made again
    return Kernel.this()


def _is_ours(claim: Path, this: Kernel) -> bool:
    """Whether the plain name is this machine's, or nobody's yet."""
    try:
        boot, *name, is_in_container = json.loads(claim.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    if boot and boot == this.boot:
        return True
    return name == [this.host, this.machine] and not is_in_container and not this.is_in_container


def claim(path: Path) -> None:
    """Write down whose the ledger of the plain name is, once it is known to be one.

    Raises:
        OSError: If that is not possible.
    """
    if path.name != _NAME:
        return
    this, file = Kernel.this(), path.with_name(_HOST)
    text = json.dumps([this.boot, this.host, this.machine, this.is_in_container])
    with suppress(FileExistsError):
        _write(file, text)
    if (
        _is_ours(file, this) and not this.is_in_container and file.read_text(encoding="utf-8") != text
    ):  # the machine has booted again
        new = file.with_name(f"{_HOST}.{this.pid}")
        with suppress(OSError):
            _write(new, text)
            new.replace(file)


def _write(path: Path, text: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)


def _check_ours(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, f"{path} is a symbolic link; set NBFLOW_HOME to the folder that it leads to")
    if found.st_uid != os.geteuid():
        raise OSError(errno.EPERM, f"{path} belongs to another user; set NBFLOW_HOME to a folder of your own")


def is_private(path: Path) -> bool:
    """Whether nobody but this user can have written the file: what is unpickled from it is our own."""
    try:
        found = (path.stat(), path.parent.stat())
    except OSError:
        return False
    return all(one.st_uid == os.getuid() and not one.st_mode & _OTHERS_MAY_WRITE for one in found)
