"""A Dask cluster as the place where tasks run."""

from __future__ import annotations

import importlib.util
import os
import threading
from typing import TYPE_CHECKING, Any

from nbflow.executors.dask.cluster_link import ClusterLink, link_to
from nbflow.executors.dask.dask_session import DaskSession
from nbflow.executors.dask.temporary_cluster import TemporaryCluster, resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.executor import Report


class DaskExecutor:
    """Run tasks on a Dask cluster: one that is there, or one that is made for each run.

    Short tasks travel together; their states, output and small values come back as they end. What is larger than some
    kilobytes stays on the cluster and goes from worker to worker: ``state.result`` fetches it when somebody looks.
    Init, setup and cleanup of blocks stay in the kernel. One executor may serve several runs, also at once.

    Args:
        address: Of the scheduler of a cluster that is there, such as ``"tcp://scheduler:8786"``.
        client: A `distributed.Client` that is connected to one; it stays yours.
        cluster_class: Makes a cluster for each run, which ends with it: a class, any function, or "module:name". By
            default, if there is neither an address nor a client, `distributed.LocalCluster`: processes on this machine.
        cluster_kwargs: Keyword arguments of `cluster_class`.
        adapt_kwargs: Keyword arguments of the cluster's `adapt`: it grows and shrinks between ``minimum`` and
            ``maximum`` workers.
        client_kwargs: Keyword arguments of the `distributed.Client` that is made for `address` or `cluster_class`.
        debug: Has no effect; flows of Prefect 1 may give it.

    Raises:
        ValueError: If more than one of address, client and cluster is given, or options of one that is not.
        ImportError: If distributed is not installed.

    Example::

        flow.run(executor=DaskExecutor("tcp://scheduler:8786"))

        with DaskExecutor(cluster_kwargs={"n_workers": 4}) as executor:  # one cluster for all runs inside
            flow.run(executor=executor)
    """

    serial = False

    def __init__(
        self,
        address: str | None = None,
        *,
        client: Any = None,
        cluster_class: str | Callable[..., Any] | None = None,
        cluster_kwargs: Mapping[str, Any] | None = None,
        adapt_kwargs: Mapping[str, Any] | None = None,
        client_kwargs: Mapping[str, Any] | None = None,
        debug: bool = False,
    ) -> None:
        if importlib.util.find_spec("distributed") is None:  # said here, not by the first task
            raise ImportError("flows run on Dask if distributed is installed: pip install 'jupyter-nbflow[dask]'")
        makes = cluster_class is not None or bool(cluster_kwargs) or bool(adapt_kwargs)
        given = [
            name for name, is_given in (("address", address), ("client", client), ("cluster_class", makes)) if is_given
        ]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given, but tasks run on one cluster: give one of them")
        if client is not None and client_kwargs:
            raise ValueError("client_kwargs are for a client that is made here, and a client is given")
        self.address, self._client, self._client_kwargs = address, client, dict(client_kwargs or {})
        self._cluster = TemporaryCluster(resolved(cluster_class), dict(cluster_kwargs or {}), dict(adapt_kwargs or {}))
        self._lock, self._users, self._holders = threading.Lock(), 0, 0
        self._link: ClusterLink | None = None

    def __repr__(self) -> str:
        where = self.address or (self._client is not None and repr(self._client)) or repr(self._cluster)
        return f"<DaskExecutor: {where}>"

    def __enter__(self) -> DaskExecutor:
        with self._lock:
            self._holders += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
        self._close_if_unused()

    @property
    def is_temporary(self) -> bool:
        """Whether the cluster ends with the run, or with the `with` block, and the values on it."""
        return self.address is None and self._client is None

    @property
    def dashboard_link(self) -> str | None:
        """The address of the page on which the cluster shows what it does; None while there is no cluster."""
        client = self._client if self._link is None else self._link.client
        return None if client is None else str(client.dashboard_link)

    @property
    def outlives_runs(self) -> bool:
        """Whether the values on the cluster can be had when a run has ended."""
        return not self.is_temporary or self._holders > 0

    @property
    def capacity(self) -> int:
        """How many tasks may run at once, as far as is known before the cluster is there."""
        link = self._link
        if link is not None and not link.is_lost:
            return max(1, link.slots)
        if self._client is not None:
            return max(1, int(sum(self._client.nthreads().values())))
        return self._cluster.slots if self.is_temporary else os.cpu_count() or 1

    def open(self, report: Report, *, name: str) -> DaskSession:
        """Begin to serve a run."""
        return DaskSession(report, name, self)

    def acquire(self) -> ClusterLink:
        """Return the connection to the cluster, which is made if there is none; it may take some seconds.

        Raises:
            Exception: Whatever stops the cluster from being made, or reached.
        """
        with self._lock:
            if self._link is None or self._link.is_lost:
                self._link = self._connected()
            self._users += 1
            return self._link

    def release(self, link: ClusterLink) -> None:
        """Give the connection back."""
        with self._lock:
            self._users -= 1
        self._close_if_unused()

    def _connected(self) -> ClusterLink:
        from distributed import Client

        if self._client is not None:
            return link_to(self._client)
        if self.is_temporary:
            return ClusterLink(self._cluster.open(self._client_kwargs))
        # Its client is closed with the last value that is on the cluster.
        return ClusterLink(Client(self.address, set_as_default=False, **self._client_kwargs), owns_client=True)

    def _close_if_unused(self) -> None:
        """Close a cluster of the executor's own that nobody uses any more."""
        with self._lock:
            if self._users or self._holders or not self.is_temporary or self._link is None:
                return
            link, self._link = self._link, None
        try:
            link.close()
        finally:
            self._cluster.close(link.client)
