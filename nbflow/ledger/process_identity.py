"""Who is who among processes: a pid means one process only with its start time, pid namespace, boot and host.

Standard library only: the reaper, which does not load nbflow, needs it too.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from nbflow.processes import UnknownStatusError, boot_id, machine_id, pid_namespace, status_of, ticks_per_s

UNKNOWN = 0.0
_SAME_START_S = 0.005  # a tick is 10 ms
_FIRST_SPACE = "pid:[4026531836]"  # of every Linux: PROC_PID_INIT_INO


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
        space: The id of its pid namespace, as containers have one of their own; "" where the system has none, or
            where it was recorded by an nbflow that did not know of them.
    """

    pid: int
    started: float
    host: str
    machine: str
    boot: str
    user: int
    space: str = ""

    @classmethod
    def this(cls) -> Kernel:
        """Return this process."""
        pid = os.getpid()
        host, started = os.uname().nodename, start_of(pid) or UNKNOWN
        return cls(pid, started, host, machine_id(), boot_id(), os.getuid(), pid_namespace())

    @property
    def is_in_container(self) -> bool:
        """Whether its pid namespace is not the one that its machine started with; in doubt it is not."""
        return self.space not in ("", _FIRST_SPACE)

    def is_of_host(self, other: Kernel) -> bool:
        """Whether both are processes of one machine, whatever its containers call it."""
        if self.boot and self.boot == other.boot and self.space != other.space:
            return True
        return (self.host, self.machine) == (other.host, other.machine)

    def shares_pids(self, other: Kernel) -> bool:
        """Whether a pid means the same process to both. An id that was given again is no harm: starts differ."""
        return self.boot == other.boot and self.space == other.space

    def is_alive(self) -> bool:
        """Whether this process, which is of this machine, runs; in doubt it does."""
        here = boot_id()
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
        status = status_of(pid)
    except UnknownStatusError:
        return UNKNOWN
    return None if status is None or status.is_zombie else status.start / ticks_per_s()
