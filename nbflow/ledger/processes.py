"""Who is who among processes: a pid means one process only together with its start time, its boot and its host.

Standard library only (psutil where there is no ``/proc``): the reaper, which does not load nbflow, needs it too.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

UNKNOWN = 0.0
_SAME_START_S = 0.005  # a tick is 10 ms


class Kernel(NamedTuple):
    """A process that holds resources, told apart from every other of all times.

    Attributes:
        pid: Its process id.
        started: When it started: seconds since the boot (Linux: no clock that is set moves it), elsewhere since the
            epoch; `UNKNOWN` where the system does not say.
        host: The name of its machine.
        machine: The id of its machine's installation, as two machines may have one name; or "".
        boot: The id of that machine's boot, or "".
        user: The id of its user.
    """

    pid: int
    started: float
    host: str
    machine: str
    boot: str
    user: int

    @classmethod
    def this(cls) -> Kernel:
        """Return this process."""
        pid = os.getpid()
        return cls(pid, start_of(pid) or UNKNOWN, os.uname().nodename, _machine(), _boot(), os.getuid())

    def is_of_host(self, other: Kernel) -> bool:
        """Whether both are processes of one machine."""
        return (self.host, self.machine) == (other.host, other.machine)

    def is_alive(self) -> bool:
        """Whether this process, which is of this machine, runs; in doubt it does."""
        here = _boot()
        if self.boot and here and self.boot != here:
            return False
        return is_alive(self.pid, self.started)


def is_alive(pid: int, started: float) -> bool:
    """Whether the process of this pid and start time runs on this machine; a zombie does not.

    Args:
        pid: The process id.
        started: What `start_of` said when it was known to run; `UNKNOWN` fits every process.
    """
    now = start_of(pid)
    return now is not None and (UNKNOWN in (now, started) or abs(now - started) < _SAME_START_S)


def start_of(pid: int) -> float | None:
    """Return when a process started (see `Kernel.started`), or None if there is none or it is a zombie."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None if _has_proc() else _start_elsewhere(pid)
    except OSError:
        return UNKNOWN
    fields = raw[raw.rindex(b")") + 2 :].split()  # behind the command's name, which may hold anything
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19]) / _ticks()


def _start_elsewhere(pid: int) -> float | None:
    try:
        import psutil
    except ImportError:
        return _start_unknown(pid)
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return UNKNOWN


def _start_unknown(pid: int) -> float | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return UNKNOWN
    return UNKNOWN


@cache
def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


@cache
def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK")


@cache
def _boot() -> str:
    return _first_line("/proc/sys/kernel/random/boot_id")


@cache
def _machine() -> str:
    return _first_line("/etc/machine-id")


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
