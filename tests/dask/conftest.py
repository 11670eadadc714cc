"""A cluster of real worker processes for each test that kills some of them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import dask
import psutil
import pytest

from tests.patience import PATIENCE_S


@contextmanager
def cluster_of(workers, *, threads=1, allowed_failures=2, **options):
    """Give a client of a new cluster whose workers are processes of this machine."""
    from distributed import Client, LocalCluster

    options = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL, **options}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": allowed_failures}),
        LocalCluster(n_workers=workers, threads_per_worker=threads, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def scheduler(folder, *worker_options):
    """Give the process of a scheduler with one worker, and where it can be reached."""
    file = folder / "scheduler.json"
    start = [sys.executable, "-m"]
    ways = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    ways["env"] = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    where = ["--no-dashboard", "--scheduler-file", str(file)]
    with subprocess.Popen([*start, "distributed.cli.dask_scheduler", "--port", "0", *where], **ways) as boss:
        wait_until(file.exists)
        options = ["--nthreads", "1", *worker_options, *where]
        with subprocess.Popen([*start, "distributed.cli.dask_worker", *options], **ways) as worker:
            yield boss, file
            worker.terminate()  # its nanny ends the process below it
        boss.kill()


def wait_until(is_so):
    """Wait until something is so of processes that nobody here tells about."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)


def pid_of(client, worker):
    """Return the number of a worker's process."""
    return client.run(os.getpid, workers=[worker])[worker]


def kill(client, worker):
    """Kill a worker, and wait until its scheduler knows."""
    os.kill(pid_of(client, worker), signal.SIGKILL)
    wait_until(lambda: worker not in client.nthreads())


@pytest.fixture
def client():
    """A client of a cluster of two workers."""
    with cluster_of(2) as client:
        yield client


@pytest.fixture(autouse=True)
def no_worker_is_left():
    """Whatever a test does to a cluster: its processes are gone when it has ended."""
    before = set(psutil.Process().children(recursive=True))
    yield
    left = [p for p in set(psutil.Process().children(recursive=True)) - before if is_worker(p)]
    assert left == []


def is_worker(process):
    """Tell whether a process is a worker: what distributed keeps for itself (a fork server) is none."""
    try:
        return process.is_running() and "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False
