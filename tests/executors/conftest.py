"""Each place where tasks may run, by its name."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from nbflow.executors import DaskExecutor, InlineExecutor, ProcessExecutor, ThreadExecutor
from tests.executors.keeping_cluster import KeepingCluster
from tests.executors.places import PROCESSES
from tests.executors.simulated_cluster import SimulatedCluster

KEEPING = "simulated cluster that keeps values"
REMOTE = [*PROCESSES, "simulated cluster", KEEPING, pytest.param("dask", marks=pytest.mark.cluster)]


@pytest.fixture(params=["inline", "threads", "pool of threads", *REMOTE])
def place(request):
    """Give an executor; what a flow comes to must not depend on it."""
    yield from executor_of(request.param, request)


@pytest.fixture(params=REMOTE)
def remote(request):
    """Give an executor whose tasks run in other processes."""
    yield from executor_of(request.param, request)


@pytest.fixture(params=["processes", pytest.param("dask", marks=pytest.mark.cluster)])
def workers_of(request):
    """Give what makes an executor of one worker process, or two, which can be told to close what they have open."""
    clients = {1: "lone_dask_client", 2: "dask_client"}
    if request.param == "processes":
        return ProcessExecutor
    return lambda count: DaskExecutor(client=request.getfixturevalue(clients[count]))


def executor_of(name, request):
    """Yield an executor of two workers; a pool is shut down afterwards."""
    if name == "inline":
        yield InlineExecutor()
    elif name == "threads":
        yield ThreadExecutor(2)
    elif name == "processes":
        yield ProcessExecutor(2)
    elif name == "dask":
        yield DaskExecutor(client=request.getfixturevalue("dask_client"))
    elif name == KEEPING:
        with KeepingCluster(2).faked() as cluster:
            yield cluster
    elif name == "simulated cluster":
        with SimulatedCluster(2).faked() as cluster:
            yield cluster
    elif name == "pool of threads":
        with ThreadPoolExecutor(2) as pool:
            yield pool
    else:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            yield pool
