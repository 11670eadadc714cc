"""What the system says of processes: when one started, its session, and which boot, machine and namespace this is.

Standard library only (psutil where there is no ``/proc``): the reaper, which does not load nbflow, needs it too.
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple


class UnknownStatusError(Exception):
    """There is such a process, and the system does not say more."""


class ProcessStatus(NamedTuple):
    """What the system says of a process.

    Attributes:
        start: When it started, in `ticks_per_s` since the boot where there is a ``/proc``: no clock that is set moves
            it. Elsewhere in seconds since the epoch.
        session: The id of its session.
        is_zombie: Whether it has ended, and nobody has asked for its end yet.
    """

    start: float
    session: int
    is_zombie: bool


def status_of(pid: int) -> ProcessStatus | None:
    """Return what the system says of a process; None if there is none.

    Raises:
        UnknownStatusError: If there is one of which it says nothing.
    """
    if not has_proc():
        return _status_elsewhere(pid)
    try:
        # Behind the command's name, which may hold anything.
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError as error:
        raise UnknownStatusError from error
    return ProcessStatus(int(fields[19]), int(fields[3]), fields[0] in b"ZX")


def _status_elsewhere(pid: int) -> ProcessStatus | None:
    if not os.path.exists("/proc/self/stat"):  # else psutil would read that of others, too
        try:
            import psutil
        except ImportError:
            pass
        else:
            try:
                process = psutil.Process(pid)
                is_zombie = process.status() == psutil.STATUS_ZOMBIE
                return ProcessStatus(process.create_time(), os.getsid(pid), is_zombie)
            except (psutil.NoSuchProcess, ProcessLookupError):
                return None
            except (psutil.Error, OSError) as error:
                raise UnknownStatusError from error
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError as error:
        raise UnknownStatusError from error
    raise UnknownStatusError


@cache
def has_proc() -> bool:
    """Tell whether ``/proc`` tells of the processes that our pids name: in a container it may be the machine's."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


os.register_at_fork(after_in_child=has_proc.cache_clear)  # the child may be the first of a new namespace


@cache
def ticks_per_s() -> int:
    """Return the unit of `ProcessStatus.start`."""
    return os.sysconf("SC_CLK_TCK") if has_proc() else 1


def pid_namespace() -> str:
    """Return the id of this process's pid namespace; "" where the system has none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


@cache
def boot_id() -> str:
    """Return the id of the machine's boot, or ""."""
    return _first_line("/proc/sys/kernel/random/boot_id")


@cache
def machine_id() -> str:
    """Return the id of the machine's installation, as two machines may have one name; or ""."""
    return _first_line("/etc/machine-id")


def _first_line(path: str) -> str:
    try:
        return _read(path).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
