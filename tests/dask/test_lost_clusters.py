"""A whole cluster goes while a flow runs there, or was never what it should be: clear errors, and no hang."""

from __future__ import annotations

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.executors import DaskExecutor
from tests.dask.conftest import cluster_of, wait_until
from tests.patience import PATIENCE_S
from tests.shared import SharedFlag

pytestmark = [pytest.mark.dask, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def told():
    return []


@pytest.fixture
def waiting(told):
    """A flow with a block whose task waits on the cluster: the flow, what tells that it waits, what ends that."""
    reached, go_on = SharedFlag(), SharedFlag()

    @resource_manager
    class Room:
        def setup(self):
            told.append("setup")
            return 1

        def cleanup(self, resource):
            told.append("cleanup")

    @task
    def waits(room):
        reached.set()
        go_on.wait(PATIENCE_S)

    with Flow("f") as flow, Room() as room:
        waits(room)
    yield flow, reached, go_on
    go_on.set()


def test_a_client_that_its_user_closes_fails_the_tasks_that_were_there(waiting, told):
    """Rule 1."""
    flow, reached, _ = waiting
    with cluster_of(1) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        assert reached.wait(PATIENCE_S)
        client.close()
        state = run.wait(PATIENCE_S)

    assert state.is_failed()
    assert "scheduler cannot be reached" in " ".join(str(one.result) for one in state.result.values())
    assert told == ["setup", "cleanup"]


def test_a_cluster_that_is_restarted_fails_what_ran_there(waiting, told):
    flow, reached, _ = waiting
    with cluster_of(1) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        assert reached.wait(PATIENCE_S)
        wait_until(lambda: any(one.is_running() for task, one in run.states.items() if task.name == "waits"))
        client.restart()
        state = run.wait(PATIENCE_S)

    assert state.is_failed()
    assert told == ["setup", "cleanup"]


def test_an_address_where_no_scheduler_is_fails_each_task_and_says_so(told):
    with Flow("f") as flow:
        one = task(lambda: 1, name="one")()
    executor = DaskExecutor("tcp://127.0.0.1:9", client_kwargs={"timeout": 1})

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert "127.0.0.1:9" in str(state.result[one].result)


def test_workers_with_another_version_are_refused_before_anything_is_sent():
    def pretend():
        from nbflow.executors.dask import worker_host

        worker_host.__version__ = "0.0.1"

    with Flow("f") as flow:
        one = task(lambda: 1, name="one")()
    with cluster_of(2) as client:
        client.run(pretend)
        state = flow.run(executor=DaskExecutor(client=client))

        assert state.is_failed()
        assert "has nbflow 0.0.1" in str(state.result[one].result)
        assert "install the same versions" in str(state.result[one].result)
        assert not any(event[1].get("client") for event in client.get_events("stealing"))


def test_a_temporary_cluster_ends_with_its_run(told):
    with Flow("f") as flow:
        one = task(lambda: 1, name="one")()

    state = flow.run(executor=DaskExecutor(cluster_kwargs={"n_workers": 1, "threads_per_worker": 1}))

    assert state.result[one].result == 1


def test_a_temporary_cluster_serves_all_runs_of_a_with_block(told):
    import os

    with Flow("f") as flow:
        one = task(os.getpid, name="one")()
    with DaskExecutor(cluster_kwargs={"n_workers": 1, "threads_per_worker": 1}) as executor:
        first, second = (flow.run(executor=executor).result[one].result for _ in range(2))

    assert first == second


def test_a_run_that_is_cancelled_while_its_cluster_starts_ends_at_once(told):
    starting, go_on = SharedFlag(), SharedFlag()

    def slow_cluster():
        from distributed import LocalCluster

        starting.set()
        go_on.wait(PATIENCE_S)
        return LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")

    with Flow("f") as flow:
        task(lambda: 1, name="one")()
    run = flow.start(executor=DaskExecutor(cluster_class=slow_cluster))
    assert starting.wait(PATIENCE_S)
    run.cancel()

    go_on.set()

    assert type(run.wait(PATIENCE_S)).__name__ == "Cancelled"


def test_workers_that_are_threads_of_the_kernel_will_do():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        for _ in range(5):
            with Flow("f") as flow:
                rows = task(lambda x: x + 1, name="rows").map(list(range(100)))
            state = flow.run(executor=DaskExecutor(client=client))
            assert state.result[rows].result == list(range(1, 101))


def test_what_was_fetched_or_is_small_is_held_on_the_cluster_no_longer():
    import gc

    with cluster_of(1) as client:
        gc.disable()
        try:
            with Flow("f") as flow:
                rows = task(lambda x: x + 1, name="rows").map(list(range(100)))
            state = flow.run(executor=DaskExecutor(client=client))
            assert state.result[rows].result == list(range(1, 101))
            wait_until(lambda: not [key for key in client.futures if "base" not in str(key)])
        finally:
            gc.enable()
