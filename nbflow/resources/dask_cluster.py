"""A Dask cluster as a resource."""

from __future__ import annotations

import importlib
import logging
import os
import tempfile
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbflow.core.resource import resource_manager
from nbflow.errors import OptionError, OptionTypeError
from nbflow.resources import directory, resource_processes
from nbflow.resources.dask_recovery import has_scheduler_here, processes_here, quiet, shut_down
from nbflow.resources.errors import StillRunningError
from nbflow.resources.interrupt_safe_open import InterruptSafeOpen
from nbflow.resources.resource_processes import ProcessId

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Client


# Run by each worker process as it starts. In a session of its own, the stop button's signal does not reach it and it
# does not hold up the kernel's exit. A worker that is told to stop in the middle of a task says so with a warning.
_PRELOAD = (
    "import logging, multiprocessing, os\n"
    "if multiprocessing.parent_process() is not None:\n"
    "    logging.getLogger('distributed.worker.state_machine').setLevel(logging.ERROR)\n"
    "    if os.getpid() != os.getsid(0):\n"
    "        os.setsid()\n"
)


@resource_manager
class DaskCluster:
    """A Dask cluster for the tasks of a block; by default of processes on this machine.

    The resource is a `distributed.Client` that is connected to it, and Dask's default client meanwhile. The cleanup
    closes both, quickly and without the usual warnings; what still runs on the cluster is given up.

    It is reclaimable: if the kernel dies, also in the middle of the setup, the reaper ends the cluster's processes on
    this machine with what they have started, and removes its directory. A cluster with a scheduler outside of the
    kernel is told to shut down, if it can still be reached without credentials.

    The local cluster is `distributed.LocalCluster` with these changes, all of which `cluster_kwargs` may change back: a
    dashboard on any free port (`client.dashboard_link`), errors as the only log, a temporary directory of its own. Its
    workers have sessions of their own, so the stop button's signal does not reach them.

    Args:
        n_workers: How many workers; by default what the cluster's class chooses.
        cluster_class: Another class of clusters: itself, or as the text "module:name", or any function that returns a
            cluster.
        cluster_kwargs: Keyword arguments of the cluster's class.
        stop_timeout_s: How long the workers on this machine may take to end, before they are killed.

    Raises:
        ImportError: If distributed is not installed.
        OptionError: If `cluster_class` is a text that leads nowhere, or a time is negative.
        OptionTypeError: If an option has the wrong type.
        StillRunningError: If the cleanup could not end all processes.

    Example::

        with Flow("sums") as flow:
            with DaskCluster(n_workers=4) as client:
                total(client, numbers)
    """

    def __init__(
        self,
        n_workers: int | None = None,
        cluster_class: str | Callable[..., Any] | None = None,
        cluster_kwargs: Mapping[str, Any] | None = None,
        *,
        stop_timeout_s: float = 2,
    ) -> None:
        if stop_timeout_s < 0:
            raise OptionError(f"stop_timeout_s={stop_timeout_s!r} must not be negative")
        if cluster_kwargs is not None and not isinstance(cluster_kwargs, Mapping):
            raise OptionTypeError(f"cluster_kwargs={cluster_kwargs!r} must be a dictionary of keyword arguments")
        self.n_workers = n_workers
        self.cluster_class = _resolved(cluster_class)
        self.cluster_kwargs = dict(cluster_kwargs or {})
        self.stop_timeout_s = stop_timeout_s
        self._token = resource_processes.new_token()
        self._path = directory.new_path(tempfile.gettempdir(), "nbflow-dask-")
        self._known: list[ProcessId] = []

    def early_handle(self) -> dict[str, Any]:
        """Return what finds the processes and the directory as soon as they exist."""
        return {"token": self._token, "path": str(self._path)}

    def handle(self, client: Client) -> dict[str, Any]:
        """Return what finds the processes, the directory and a scheduler outside of the kernel."""
        handle: dict[str, Any] = {**self.early_handle(), "processes": [list(one) for one in self._known]}
        if not has_scheduler_here(client.cluster):
            scheduler = client.scheduler_info()
            handle |= {"address": scheduler["address"], "scheduler": scheduler["id"]}
        return handle

    def setup(self) -> Client:
        """Start the cluster and connect to it."""
        # An interrupt must not hit the start, which would leave half a cluster that nobody knows: it is made by a
        # thread of its own, and closed by it if nobody waits any more.
        opening = InterruptSafeOpen(self._open)
        try:
            client: Client = opening.wait()
        except BaseException:
            opening.give_up(self._close)
            self._sweep()
            raise
        return client

    def cleanup(self, client: Client) -> None:
        """Disconnect, close the cluster, and end what is left of it."""
        try:
            self._close(client)
        finally:
            left = self._sweep()
        if left:
            raise StillRunningError("a Dask cluster", left)

    @staticmethod
    def reclaim(handle: dict[str, Any]) -> None:
        """End what is still running and remove the directory, from any process."""
        if "address" in handle:
            shut_down(handle["address"], handle["scheduler"])
        known = [ProcessId(*one) for one in handle.get("processes", ())]
        left = _sweep(handle["token"], known, handle["path"], stop_timeout_s=1)
        if left:
            raise StillRunningError("a Dask cluster", left)

    def _open(self) -> Client:
        from distributed import Client

        cluster = self._make_cluster()
        try:
            client = Client(cluster)
            self._known = processes_here(cluster, client)
        except BaseException:
            cluster.close()
            raise
        return client

    def _make_cluster(self) -> Any:
        from distributed import LocalCluster

        make = self.cluster_class or LocalCluster
        options = {} if self.n_workers is None else {"n_workers": self.n_workers}
        options |= self.cluster_kwargs
        if make is LocalCluster:
            directory.make(self._path)
            options = self._local_options(options)
        return make(**options)

    def _local_options(self, options: dict[str, Any]) -> dict[str, Any]:
        import dask
        from distributed import Nanny

        defaults = {
            "dashboard_address": ":0",  # even without a dashboard, the usual port would be asked for
            "silence_logs": logging.ERROR,
            "local_directory": str(self._path),
            # The scheduler would leave a directory of its own if the kernel is killed.
            "scheduler_kwargs": {"local_directory": str(self._path), **options.pop("scheduler_kwargs", {})},
        }
        worker_class = options.get("worker_class", Nanny)
        if not (options.get("processes", True) and issubclass(worker_class, Nanny)):
            return {**defaults, **options}  # its workers are threads of the kernel
        mark = resource_processes.marked(os.environ, self._token)[resource_processes.MARK]
        preload = options.get("preload", dask.config.get("distributed.worker.preload"))
        preload = [preload] if isinstance(preload, str) else list(preload)
        return {
            **defaults,
            **options,
            "env": {**options.get("env", {}), resource_processes.MARK: mark},
            "preload": [_PRELOAD, *preload],
        }

    def _close(self, client: Client) -> None:
        cluster: Any = client.cluster
        # A worker that is in the middle of a task would be waited for.
        killer = threading.Timer(self.stop_timeout_s, self._kill)
        killer.daemon = True
        with quiet():
            killer.start()
            try:
                try:
                    client.close()
                finally:
                    cluster.close()
            finally:
                killer.cancel()
                killer.join()

    def _kill(self) -> None:
        resource_processes.kill(_find(self._token, self._known, str(self._path)))

    def _sweep(self) -> tuple[int, ...]:
        return _sweep(self._token, self._known, str(self._path), stop_timeout_s=self.stop_timeout_s)


def _resolved(cluster_class: Any) -> Callable[..., Any] | None:
    if isinstance(cluster_class, str):
        module, colon, name = cluster_class.partition(":")
        if not (module and colon and name):
            raise OptionError(f"cluster_class={cluster_class!r} must be written as 'module:name'")
        try:
            cluster_class = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise OptionError(f"cluster_class={cluster_class!r} can not be had: {error}") from error
    if cluster_class is not None and not callable(cluster_class):
        raise OptionTypeError(f"cluster_class={cluster_class!r} can not be called to make a cluster")
    found: Callable[..., Any] | None = cluster_class
    return found


def _find(token: str, known: list[ProcessId], path: str) -> set[ProcessId]:
    # A worker that was started again is not among the known ones, but holds a lock in the directory.
    return resource_processes.processes_of(token, known) | resource_processes.processes_in(path)


def _sweep(token: str, known: list[ProcessId], path: str, *, stop_timeout_s: float) -> tuple[int, ...]:
    left = resource_processes.end(lambda: _find(token, known, path), stop_timeout_s=stop_timeout_s)
    directory.remove(path)
    return left
