"""Where a Dask cluster can be found again, what it says on its way out, and how one that is left is shut down."""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from nbflow.resources import resource_processes
from nbflow.resources.resource_processes import ProcessId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

_CONNECT_TIMEOUT_S = 5
_LOUD = ("distributed", "tornado")


def has_scheduler_here(cluster: Any) -> bool:
    """Tell whether the cluster's scheduler lives in this process, and so ends with it."""
    from distributed import Scheduler

    return isinstance(getattr(cluster, "scheduler", None), Scheduler)


def processes_here(cluster: Any, client: Client) -> list[ProcessId]:
    """Return the cluster's processes, but for the kernel; those on other machines do no harm."""
    found = _children(cluster)
    if not has_scheduler_here(cluster):
        asked: list[Any] = []
        with suppress(Exception):  # where nbflow is not installed, nobody can answer
            asked.append(client.run_on_scheduler(resource_processes.this_process))
        for nanny in (False, True):
            with suppress(Exception):
                asked += client.run(resource_processes.this_process, nanny=nanny, on_error="ignore").values()
        found |= {one for one in asked if isinstance(one, ProcessId)}
    return list(found - {resource_processes.this_process()})


def _children(cluster: Any) -> set[ProcessId]:
    """Return those children of the kernel that the cluster knows by their pids, with what they have started."""
    import psutil

    workers = getattr(cluster, "workers", None)
    members = [getattr(cluster, "scheduler", None), *(workers.values() if isinstance(workers, dict) else ())]
    pids = {getattr(one, "pid", getattr(getattr(one, "process", None), "pid", None)) for one in members}
    found = set()
    for child in psutil.Process().children():
        if child.pid in pids:
            family = [child.pid]
            with suppress(psutil.Error):
                family += [one.pid for one in child.children(recursive=True)]
            found |= {one for pid in family if (one := resource_processes.identity(pid)) is not None}
    return found


def shut_down(address: str, scheduler: str) -> None:
    """Shut a cluster down, if there still is one at the address and it is the right one."""
    from distributed import Client
    from distributed.comm.addressing import get_address_host_port

    with suppress(OSError):
        # The client would go on trying where nobody is left to answer.
        socket.create_connection(get_address_host_port(address), timeout=_CONNECT_TIMEOUT_S).close()
        with quiet(), Client(address, timeout=_CONNECT_TIMEOUT_S, set_as_default=False) as client:
            if client.scheduler_info()["id"] == scheduler:
                client.shutdown()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Dask from reporting, as something unexpected, that connections end."""

    def drop(record: logging.LogRecord) -> bool:
        return False

    names = [name for name in tuple(logging.root.manager.loggerDict) if name.split(".")[0] in _LOUD]
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(drop)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(drop)
