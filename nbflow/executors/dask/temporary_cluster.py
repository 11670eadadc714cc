"""A Dask cluster that is made for a run, and ends with it."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ALLOWED_FAILURES = 1  # a task whose worker dies runs once more; Dask's own three take half a minute
# Run by each worker process as it starts: in a session of its own, the stop button's signal does not reach it.
_PRELOAD = (
    "import logging, multiprocessing, os\n"
    "if multiprocessing.parent_process() is not None:\n"
    "    logging.getLogger('distributed.worker.state_machine').setLevel(logging.ERROR)\n"
    "    if os.getpid() != os.getsid(0):\n"
    "        os.setsid()\n"
)


class TemporaryCluster:
    """Makes a cluster, and ends it.

    Args:
        make: Makes it; None: `distributed.LocalCluster`, with quiet logs and a directory of its own.
        options: Keyword arguments of `make`.
        adapts: Keyword arguments of the cluster's `adapt`.
    """

    def __init__(self, make: Callable[..., Any] | None, options: dict[str, Any], adapts: dict[str, Any]) -> None:
        self._make, self._options, self._adapts = make, options, adapts
        self._cluster: Any = None
        self._folder = ""

    def __repr__(self) -> str:
        return f"a {getattr(self._make, '__name__', 'LocalCluster')} for each run"

    @property
    def slots(self) -> int:
        """How many tasks it is going to run at once, as far as its options say."""
        workers = max(self._options.get("n_workers") or 0, self._adapts.get("maximum") or 0)
        threads = self._options.get("threads_per_worker") or 1
        return int(workers * threads) if workers else os.cpu_count() or 1

    def open(self, client_options: dict[str, Any]) -> Any:
        """Return a client of a new cluster."""
        import dask
        from distributed import Client, LocalCluster

        make = self._make or LocalCluster
        options = dict(self._options)
        if make is LocalCluster:
            self._folder = tempfile.mkdtemp(prefix="nbflow-dask-")
            preload = options.pop("preload", None) or dask.config.get("distributed.worker.preload")
            options = {
                "dashboard_address": ":0",
                "silence_logs": logging.ERROR,
                "local_directory": self._folder,
                **options,
            }
            if options.get("processes", True):
                options["preload"] = [_PRELOAD, *([preload] if isinstance(preload, str) else preload)]
        try:
            with dask.config.set({"distributed.scheduler.allowed-failures": _ALLOWED_FAILURES}):
                self._cluster = make(**options)
            if self._adapts:
                self._cluster.adapt(**self._adapts)
            return Client(self._cluster, set_as_default=False, **client_options)
        except BaseException:
            self.close(None)
            raise

    def close(self, client: Any) -> None:
        """End the cluster, and what its workers have left."""
        cluster, self._cluster = self._cluster, None
        with ExitStack() as ends:  # whatever one of them raises, the others are closed all the same
            if self._folder:
                ends.callback(shutil.rmtree, self._folder, ignore_errors=True)
            ends.enter_context(_quiet())
            for part in (cluster, client):
                if part is not None:
                    ends.callback(part.close)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what is said of connections that end, for the time of a `with` block."""
    loud = [logging.getLogger(name) for name in ("distributed", "tornado")]
    before = [one.level for one in loud]
    for one in loud:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loud, before, strict=True):
            one.setLevel(level)


def resolved(cluster_class: Any) -> Callable[..., Any] | None:
    """Return what makes a cluster, given as it is or as "module:name" or "module.name".

    Raises:
        ValueError: If it leads nowhere, or cannot be called.
    """
    if isinstance(cluster_class, str):
        module, _, name = cluster_class.replace(":", ".").rpartition(".")
        try:
            cluster_class = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(f"cluster_class={cluster_class!r} cannot be had: {error}") from error
    if cluster_class is not None and not callable(cluster_class):
        raise ValueError(f"cluster_class={cluster_class!r} cannot be called to make a cluster")
    made: Callable[..., Any] | None = cluster_class
    return made
