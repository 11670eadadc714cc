"""A real Dask cluster of worker processes as the resource of a block: whatever happens, its processes are gone."""

from __future__ import annotations

import threading
from datetime import timedelta

import psutil
import pytest

from nbflow import Flow, Parameter, resource_manager, task
from tests.patience import PATIENCE_S

pytestmark = [
    pytest.mark.dask,
    pytest.mark.filterwarnings("ignore"),  # of distributed, about ports and slow starts
]

opened = []


@resource_manager
class DaskCluster:
    def __init__(self, n_workers):
        self.n_workers = n_workers

    def setup(self):
        from dask.distributed import Client

        client = Client(n_workers=self.n_workers, threads_per_worker=1, dashboard_address=None)
        opened.append(client)
        return client

    def cleanup(self, client):
        cluster = client.cluster
        client.close()
        cluster.close()


@pytest.fixture(autouse=True)
def processes_before():
    opened.clear()
    before = set(psutil.Process().children(recursive=True))
    yield
    # What distributed keeps for itself (a fork server, a resource tracker) is no worker.
    left = [p for p in set(psutil.Process().children(recursive=True)) - before if _is_worker(p)]
    assert left == []


def _is_worker(process):
    try:
        return process.is_running() and "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def workers():
    return sum(map(_is_worker, psutil.Process().children(recursive=True)))


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_tasks_compute_on_the_cluster_and_its_processes_are_gone_afterwards(executor):
    """Rules 1 and 3."""

    @task
    def total(client, numbers):
        return client.submit(sum, numbers).result()

    with Flow("f") as flow:
        n_workers = Parameter("n_workers", default=2)
        with DaskCluster(n_workers) as client:
            first = total(client, [1, 2, 3])
            second = total(client, [4, 5, 6])

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert (state.result[first].result, state.result[second].result) == (6, 15)
    assert [client.status for client in opened] == ["closed"]


def test_a_task_that_is_tried_again_uses_the_same_cluster():
    """Rule 2."""
    used = []

    @task(max_retries=2, retry_delay=timedelta(0))
    def flaky(client):
        used.append(client)
        if len(used) < 3:
            raise ConnectionError("try again")
        return client.submit(abs, -1).result()

    with Flow("f") as flow, DaskCluster(1) as client:
        flaky(client)

    assert flow.run().is_successful()
    assert len(used) == 3
    assert set(map(id, used)) == {id(opened[0])}


def test_a_held_run_keeps_its_workers_and_a_cancel_ends_them():
    """Rule 6."""
    reached = threading.Event()

    @task
    def use(client):
        reached.set()
        return client.submit(abs, -1).result()

    with Flow("f") as flow, DaskCluster(1) as client:
        use(client)
        use(client)
    run = flow.start(paused=True)

    for _ in range(3):  # init, setup, the first use
        run.step()

    assert reached.is_set()
    assert workers() >= 1
    assert run.open_resources == ["DaskCluster"]
    run.cancel()
    assert type(run.wait(PATIENCE_S)).__name__ == "Cancelled"
    assert run.open_resources == []


def test_a_cluster_calls_the_tasks_of_its_block_and_is_gone_afterwards():
    import os

    def pid(x=None):
        return os.getpid()

    with Flow("f") as flow:
        before = task(pid, name="before")()
        with DaskCluster(2).as_executor():
            rows = task(pid, name="rows").map([1, 2, 3, 4])
            inside = task(pid, name="inside")(before)
    state = flow.run()

    assert state.is_successful()
    assert state.result[before].result == os.getpid()
    assert os.getpid() not in {state.result[inside].result, *state.result[rows].result}
