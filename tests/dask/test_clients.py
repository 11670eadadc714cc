"""A Dask client as a resource: tasks on the cluster get their worker's own, those elsewhere what can be had there."""

from __future__ import annotations

import gc
import os

import pytest

from nbflow import Flow, Parameter, resource_manager, task, unmapped
from nbflow.errors import ValueReleasedError
from nbflow.executors import DaskExecutor
from nbflow.resources import DaskCluster
from tests.dask.conftest import cluster_of, wait_until
from tests.patience import PATIENCE_S
from tests.shared import SharedList

pytestmark = [pytest.mark.dask, pytest.mark.filterwarnings("ignore")]


@resource_manager
class Cluster:
    """The one of the README."""

    def __init__(self, n_workers):
        self.n_workers = n_workers

    def setup(self):
        from dask.distributed import Client

        return Client(n_workers=self.n_workers, threads_per_worker=1, dashboard_address=":0")

    def cleanup(self, client):
        cluster = client.cluster
        client.close()
        cluster.close()


@task
def total(client, numbers):
    return client.submit(sum, numbers).result()


@task
def double(client, number):
    return client.submit(lambda x: 2 * x, number).result()


def readme():
    with Flow("readme") as flow:
        n_workers = Parameter("n_workers", default=2)
        with Cluster(n_workers=n_workers) as client:
            first = total(client, [1, 2, 3])
            second = double(client, first)
    return flow, second


@pytest.mark.parametrize("executor", ["inline", "threads", "processes", "dask"])
def test_the_example_of_the_readme_runs_with_each_kind_of_executor(executor):
    flow, second = readme()

    assert flow.run(executor=executor).result[second].result == 12


def test_the_example_of_the_readme_runs_on_its_own_cluster():
    with Flow("own") as flow, Cluster(2).as_executor() as client:
        first = total(client, [1, 2, 3])
        second = double(client, first)
        many = double.map(unmapped(client), [1, 2, 3, 4, 5, 6])
    state = flow.run()

    assert state.result[second].result == 12
    assert state.result[many].result == [2, 4, 6, 8, 10, 12]


def test_more_tasks_wait_for_tasks_of_their_own_than_there_are_slots(client):
    with Flow("f") as flow:
        many = double.map(unmapped(client), [1, 2, 3, 4, 5, 6])
    state = flow.run(executor=DaskExecutor(client=client))

    assert state.result[many].result == [2, 4, 6, 8, 10, 12]


def test_a_client_of_another_cluster_leads_there(client):
    """It is the same cluster to which the user has connected, whoever calls the task."""
    with cluster_of(1) as other:
        with Flow("f") as flow:
            where = task(lambda client: client.scheduler.address, name="where")(other)
            one = total(other, [1])
        state = flow.run(executor=DaskExecutor(client=client))

        assert state.result[where].result == other.scheduler.address
        assert state.result[one].result == 1


def test_tasks_of_a_block_run_on_its_cluster_and_what_they_give_outlives_it():
    import numpy

    @task
    def make(n):
        return numpy.arange(n)

    @task
    def last(values):
        return os.getpid(), int(values[-1])

    with Flow("f") as flow:
        with DaskCluster(n_workers=2).as_executor():
            values = make(100_000)
            inside = last(values)
        outside = last(values)
    state = flow.run()

    assert state.result[inside].result[1] == state.result[outside].result[1] == 99_999
    assert state.result[outside].result[0] == os.getpid() != state.result[inside].result[0]
    with pytest.raises(ValueReleasedError, match="on the cluster of block 'DaskCluster', which is closed"):
        state.result[values].result  # noqa: B018 - reading it is what raises


def test_what_tells_how_a_flow_went_is_fetched_before_its_own_cluster_ends():
    import numpy

    with Flow("f") as flow:
        lost = task(lambda: numpy.arange(100_000), name="lost")()
        last = task(lambda values: values + 1, name="last")(lost)
    state = flow.run(executor=DaskExecutor(cluster_kwargs={"n_workers": 1, "threads_per_worker": 1}))

    assert state.result[last].result[-1] == 100_000
    with pytest.raises(ValueReleasedError, match="ended with it"):
        state.result[lost].result  # noqa: B018 - reading it is what raises


def test_values_on_a_cluster_are_used_again_by_a_rerun(client):
    """Rules V1 and V6."""
    import numpy

    made = SharedList()

    def make():
        made.append(1)
        return numpy.arange(100_000)

    factor = 2
    with Flow("f") as flow:
        values = task(make, name="make")()
        last = task(lambda values: int(values[-1]) * factor, name="last")(values)
    first = flow.run(executor=DaskExecutor(client=client))
    again = flow.runs[-1].rerun([last])

    assert first.result[last].result == 199_998
    assert again.wait(PATIENCE_S).result[last].result == 199_998
    assert len(made) == 1


def test_the_large_values_of_a_map_are_fetched_together(client):
    import numpy

    with Flow("f") as flow:
        many = task(lambda n: numpy.full(10_000, n), name="many").map(list(range(40)))
        firsts = task(lambda arrays: [int(one[0]) for one in arrays], name="firsts")(many)
    state = flow.run(executor=DaskExecutor(client=client))

    assert state.result[firsts].result == list(range(40))
    assert [one[-1] for one in state.result[many].result] == list(range(40))


def test_runs_by_one_client_share_what_is_on_its_cluster_and_leave_nothing_there(client):
    import numpy

    def kernels():
        from nbflow.executors.dask import worker_host

        return len(worker_host._hosts)

    with Flow("f") as flow:
        values = task(lambda: numpy.arange(100_000), name="make")()
        last = task(lambda values: int(values[-1]), name="last")(values)
    flow.run(executor=client)
    again = flow.runs[-1].rerun([last])

    assert again.wait(PATIENCE_S).result[last].result == 99_999
    assert not again.states[values].remote.is_here
    assert set(client.run(kernels).values()) <= {0, 1}

    del again
    flow.runs.clear()
    gc.collect()
    wait_until(lambda: set(client.run(kernels).values()) == {0})
