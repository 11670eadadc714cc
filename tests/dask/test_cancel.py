"""A run on a real cluster is cancelled, stepped, or waits: its tasks let go before anything is cleaned up."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from nbflow import Flow, context, resource_manager, task
from nbflow.executors import DaskExecutor
from tests.dask.conftest import cluster_of, kill, pid_of, scheduler, wait_until
from tests.patience import PATIENCE_S
from tests.shared import SharedFlag, SharedList

pytestmark = [pytest.mark.dask, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def told():
    return SharedList()


def in_a_block(told, **tasks):
    """Return a flow with a block, its cleanup told, in which tasks of some functions run."""

    @resource_manager(grace_s=10 * PATIENCE_S)  # a task that is thought to hang would show
    class Room:
        def setup(self):
            return 1

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Room() as room:
        for name, function in tasks.items():
            task(function, name=name)(room)
    return flow


def cancelled(flow, client, reached):
    run = flow.start(executor=DaskExecutor(client=client))
    assert reached.wait(PATIENCE_S)
    run.cancel()
    return run.wait(PATIENCE_S)


def test_a_task_that_looks_at_the_flag_ends_before_the_cleanup(client, told):
    """Rules 3 and 6."""
    reached = SharedFlag()

    def looks(room):
        reached.set()
        until = time.monotonic() + PATIENCE_S
        while not context.cancelled() and time.monotonic() < until:
            time.sleep(0.01)
        told.append("let go")

    assert type(cancelled(in_a_block(told, looks=looks), client, reached)).__name__ == "Cancelled"
    assert told == ["let go", "cleanup"]


def test_a_task_that_does_not_look_gets_an_exception_and_ends_before_the_cleanup(client, told):
    """Rules 3 and 6."""
    reached = SharedFlag()

    def busy(room):
        reached.set()
        try:
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until:
                time.sleep(0.01)
        finally:
            told.append("let go")

    assert type(cancelled(in_a_block(told, busy=busy), client, reached)).__name__ == "Cancelled"
    assert told == ["let go", "cleanup"]


def test_the_worker_of_a_cancelled_task_lives_on(client, told):
    reached = SharedFlag()
    before = set(client.nthreads())

    def busy(room):
        reached.set()
        while True:
            time.sleep(0.01)

    cancelled(in_a_block(told, busy=busy), client, reached)

    assert set(client.nthreads()) == before
    assert client.submit(abs, -1).result(PATIENCE_S) == 1


def test_what_has_not_begun_never_does(client, told):
    """Rule 6."""
    reached, go_on = SharedFlag(), SharedFlag()

    @task
    def waits(number):
        told.append(number)
        reached.set()
        while not (context.cancelled() or go_on.is_set()):
            time.sleep(0.01)

    with Flow("f") as flow:
        waits.map(list(range(500)))
    state = cancelled(flow, client, reached)

    assert type(state).__name__ == "Cancelled"
    assert len(told) <= 2


def test_a_run_that_is_paused_begins_nothing_more(client, told):
    reached, go_on = SharedFlag(), SharedFlag()

    @task
    def one(number):
        told.append(number)
        if number == 200:
            reached.set()
            go_on.wait(PATIENCE_S)

    with Flow("f") as flow:
        one.map(list(range(1000)))
    run = flow.start(executor=DaskExecutor(client=client))
    assert reached.wait(PATIENCE_S)
    run.pause()
    go_on.set()
    wait_until(lambda: run.is_paused)
    count = len(told)

    assert count < 1000
    run.resume()
    assert run.wait(PATIENCE_S).is_successful()
    assert sorted(told) == list(range(1000))


def test_a_run_whose_only_worker_is_lost_and_has_none_in_its_place_ends_when_it_is_cancelled(tmp_path, told):
    """Rules 1 and 6."""
    from distributed import Client

    reached, never = SharedFlag(), SharedFlag()

    def waits(room):
        reached.set()
        never.wait(PATIENCE_S)

    def lose(client):
        os.kill(pid_of(client, next(iter(client.nthreads()))), signal.SIGKILL)
        wait_until(lambda: not client.nthreads())

    flow = in_a_block(told, waits=waits)
    options = {"scheduler_file": str(tmp_path / "scheduler.json"), "set_as_default": False}
    with scheduler(tmp_path, "--no-nanny"), Client(**options) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        assert reached.wait(PATIENCE_S)
        lose(client)
        run.cancel()
        state = run.wait(PATIENCE_S)

    assert type(state).__name__ == "Cancelled"
    assert told == ["cleanup"]


def test_a_task_that_did_not_listen_is_not_begun_by_the_worker_that_comes_for_its_own():
    """Rule 6."""
    reached, refused, go_on, calls = SharedFlag(), SharedFlag(), SharedFlag(), SharedList()

    @task
    def stubborn():
        calls.append(os.getpid())
        reached.set()
        while not go_on.is_set():
            try:
                go_on.wait(PATIENCE_S)
            except BaseException:
                refused.set()

    with Flow("f") as flow:
        stubborn()
    with cluster_of(1) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        assert reached.wait(PATIENCE_S)
        run.cancel()
        assert refused.wait(PATIENCE_S)
        kill(client, next(iter(client.nthreads())))
        state = run.wait(PATIENCE_S)
        go_on.set()

    assert type(state).__name__ == "Cancelled"
    assert len(calls) == 1


@pytest.mark.parametrize("work", [lambda: None, lambda: 1 / 0, lambda: sys.exit(3), lambda: print("out")])
def test_a_child_that_a_task_forks_ends_where_it_comes_back(client, told, work):
    """Rules 1 and 14."""

    @task
    def forks():
        child = os.fork()
        if not child:
            work()
            return
        told.append("child ended")
        os.waitpid(child, 0)

    with Flow("f") as flow:
        after = task(lambda: told.append("after"), name="after")(upstream_tasks=[forks()])

    assert flow.run(executor=DaskExecutor(client=client)).result[after].is_successful()
    assert told == ["child ended", "after"]
