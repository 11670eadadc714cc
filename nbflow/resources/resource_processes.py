"""Finding the processes of a resource again, and ending them: also from another process, and never a stranger's.

A process is known by its pid together with the time of its start, since pids are given out again. The processes of a
resource are known by a mark: an unguessable token in the environment that each started process hands on to its
children. Beside it counts the session of a process that is known, for children that have cleared their environment.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from typing import TYPE_CHECKING, NamedTuple

from nbflow.processes import ProcessStatus, UnknownStatusError, boot_id, has_proc, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MARK = "NBFLOW_RESOURCE"
_KILL_TIMEOUT_S = 5
_LONGEST_PAUSE_S = 0.05
_CLEANERS = tuple(os.path.join("nbflow", "ledger", name) for name in ("reaper.py", "reclaim.py"))


class ProcessId(NamedTuple):
    """What tells one process from all others, as plain data.

    Attributes:
        pid: Its number.
        start: When it started, in the operating system's own unit, which no change of the clock touches.
        boot: Which start of the machine that number counts from.
    """

    pid: int
    start: float
    boot: str


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_hex(16)


def marked(environment: Mapping[str, str], token: str) -> dict[str, str]:
    """Return `environment` with `token` beside the tokens that it has already, of resources around this one."""
    return {**environment, MARK: f"{environment.get(MARK, '')} {token}".strip()}


def this_process() -> ProcessId:
    """Return the identity of the calling process; a Dask worker is asked for it, so it takes no arguments."""
    return identity(os.getpid()) or ProcessId(os.getpid(), -1, "")


def identity(pid: int) -> ProcessId | None:
    """Return the identity of the process that has `pid` now, None if there is none."""
    status = _status(pid)
    return None if status is None else ProcessId(pid, status.start, boot_id())


def is_there(process: ProcessId) -> bool:
    """Tell whether the process exists, if only as a zombie: its pid cannot be another's meanwhile."""
    status = _status(process.pid)
    return status is not None and status.start == process.start and process.boot == boot_id()


def is_running(process: ProcessId) -> bool:
    """Tell whether the process is alive."""
    status = _status(process.pid)
    return status is not None and not status.is_zombie and status.start == process.start and process.boot == boot_id()


def processes_of(token: str, known: Iterable[ProcessId] = ()) -> set[ProcessId]:
    """Return the living processes of a resource; it may belong to another, even to a dead kernel.

    They are those that carry the token, those of `known` themselves, and those in a session that one of `known` leads.
    Where a flow runs in a process of the resource, its reaper does not count: it has to outlive that process, and ends
    by itself.
    """
    import psutil

    there = {process.pid for process in known if is_there(process)}
    found = set()
    for pid in psutil.pids():
        status = _status(pid)
        if status is None or status.is_zombie or pid == os.getpid():
            continue
        if pid in there or status.session in there or (token in _tokens(pid) and not _cleans_up(pid)):
            found.add(ProcessId(pid, status.start, boot_id()))
    return found


def processes_in(directory: str) -> set[ProcessId]:
    """Return the living processes that have a file open in a directory, or below it."""
    import psutil

    prefix = os.path.join(os.path.realpath(directory), "")
    found = set()
    for pid in psutil.pids():
        try:
            is_in = pid != os.getpid() and any(
                file.path.startswith(prefix) for file in psutil.Process(pid).open_files()
            )
        except (psutil.Error, OSError):
            continue
        if is_in and (process := identity(pid)) is not None:
            found.add(process)
    return found


def end(find: Callable[[], set[ProcessId]], *, stop_timeout_s: float) -> tuple[int, ...]:
    """End all processes that `find` returns, until it returns none; returns the pids of those that it could not end.

    They are asked to terminate, and killed if they are there after `stop_timeout_s`. What they start in the meantime
    is found too.
    """
    known: set[ProcessId] = set()
    for number, budget_s in ((signal.SIGTERM, stop_timeout_s), (signal.SIGKILL, _KILL_TIMEOUT_S)):
        told: set[ProcessId] = set()
        deadline = time.monotonic() + budget_s
        pause_s = 0.002
        while True:
            known = {process for process in known if is_running(process)}
            if not known:  # to look through all processes costs more than to look at a few
                known = find()
            if not known:
                return ()
            for process in known - told:
                _send(process, number)
            told |= known
            if time.monotonic() >= deadline:
                break
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
    return tuple(sorted(process.pid for process in known if is_running(process)))


def kill(found: Iterable[ProcessId]) -> None:
    """Kill processes, without waiting for their end."""
    for process in found:
        _send(process, signal.SIGKILL)


def _send(process: ProcessId, number: signal.Signals) -> None:
    """Send a signal to this process and no other, even if its pid is given away right now."""
    try:
        descriptor = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return
    try:
        if not is_running(process):
            return
        # A process that was stopped takes a SIGTERM only when it goes on.
        for one in (number, signal.SIGCONT):
            if descriptor is None:
                os.kill(process.pid, one)
            else:
                signal.pidfd_send_signal(descriptor, one)
    except OSError:
        pass  # gone, or not ours: then it is found again, and reported
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _tokens(pid: int) -> list[str]:
    value = _mark_here(pid) if has_proc() else _mark_elsewhere(pid)
    return value.split()


def _mark_here(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read()
    except OSError:
        return ""
    name = MARK.encode() + b"="
    if name not in variables:  # nearly always: then there is nothing to take apart
        return ""
    found = (one for one in variables.split(b"\0") if one.startswith(name))
    return next(found, name).removeprefix(name).decode("utf-8", "replace")


def _mark_elsewhere(pid: int) -> str:
    import psutil

    try:
        environment: dict[str, str] = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return ""
    return environment.get(MARK, "")


def _cleans_up(pid: int) -> bool:
    """Tell whether a process is an nbflow reaper, or one of its helpers."""
    import psutil

    try:
        return any(part.endswith(_CLEANERS) for part in psutil.Process(pid).cmdline())
    except (psutil.Error, OSError):
        return False


def _status(pid: int) -> ProcessStatus | None:
    try:
        return status_of(pid)
    except UnknownStatusError:
        return None
