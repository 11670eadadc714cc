"""Workers of a real cluster are killed in the middle of their work: what ran there runs again, and is seen to."""

from __future__ import annotations

import os
import signal

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.executors import DaskExecutor
from tests.dask.conftest import cluster_of, kill, wait_until
from tests.patience import PATIENCE_S
from tests.shared import SharedFlag, SharedList

pytestmark = [pytest.mark.dask, pytest.mark.filterwarnings("ignore")]


def notes_of(run):
    return [event.note for event in run.events if "again" in event.note]


def numbers(count):
    import numpy

    return numpy.arange(count)


class OneDeath:
    """Ends the worker that is the first to come here."""

    def __init__(self):
        self.calls = SharedList()

    def __call__(self, value):
        self.calls.append(os.getpid())
        if len(self.calls) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return value


def test_a_task_whose_worker_is_killed_runs_again_and_it_shows(client):
    death = OneDeath()
    with Flow("f") as flow:
        one = task(lambda: death(7), name="one")()
        below = task(lambda x: x + 1, name="below")(one)

    state = flow.run(executor=DaskExecutor(client=client))

    assert state.result[below].result == 8
    assert len(set(death.calls)) == 2
    assert len(notes_of(flow.runs[-1])) == 1
    assert "task 'one' runs again on tcp://" in notes_of(flow.runs[-1])[0]


def test_a_task_that_is_not_to_run_again_fails_instead(client):
    death = OneDeath()
    with Flow("f") as flow:
        one = task(lambda: death(7), name="one", rerun_if_lost=False)()

    state = flow.run(executor=DaskExecutor(client=client))

    assert state.is_failed()
    assert "it is not to run again (rerun_if_lost=False)" in str(state.result[one].result)
    assert len(death.calls) == 1


def test_a_value_that_is_lost_with_its_worker_is_made_again_and_it_shows(client):
    made, go_on = SharedList(), SharedFlag()

    @task
    def make():
        made.append(os.getpid())
        return numbers(100_000)

    @task
    def waits():
        go_on.wait(PATIENCE_S)

    with Flow("f") as flow:
        many = make()
        last = task(lambda x, after: int(x[-1]), name="last")(many, waits())
    run = flow.start(executor=DaskExecutor(client=client))
    wait_until(lambda: run.states[many].is_successful())
    kill(client, run._record.place_of(many))
    go_on.set()

    assert run.wait(PATIENCE_S).is_successful()
    assert run.results[last] == 99_999
    assert len(set(made)) == 2
    assert any("'make' runs again" in note for note in notes_of(run))


def test_a_value_that_is_lost_when_its_run_is_over_is_made_again_and_it_shows(client):
    with Flow("f") as flow:
        many = task(lambda: numbers(100_000), name="make")()
    run = flow.start(executor=DaskExecutor(client=client))
    assert run.wait(PATIENCE_S).is_successful()
    kill(client, run._record.place_of(many))

    wait_until(lambda: any("'make' runs again" in note for note in notes_of(run)))
    assert run.results[many][-1] == 99_999


def test_what_was_computed_stays_when_an_idle_worker_is_killed(client):
    with Flow("f") as flow:
        one = task(lambda: 1, name="one")()
    executor = DaskExecutor(client=client)

    for _ in range(3):
        assert flow.run(executor=executor).result[one].result == 1
        kill(client, next(iter(client.nthreads())))
    assert flow.run(executor=executor).result[one].result == 1


def test_a_task_that_ends_each_worker_fails_and_those_beside_it_do_not():
    with cluster_of(2, allowed_failures=1) as client:
        with Flow("f") as flow:
            bad = task(lambda: os._exit(3), name="bad")()
            good = task(lambda x: x, name="good").map(list(range(30)))

        state = flow.run(executor=DaskExecutor(client=client))

    assert state.is_failed()
    assert "died 2 times while it ran task 'bad'" in str(state.result[bad].result)
    assert state.result[good].result == list(range(30))


def test_a_cluster_whose_workers_are_all_killed_gets_new_ones_and_goes_on(client):
    reached, go_on, calls = SharedFlag(), SharedFlag(), SharedList()

    @task
    def one():
        calls.append(1)
        reached.set()
        go_on.wait(PATIENCE_S)
        return 5

    with Flow("f") as flow:
        value = one()
    run = flow.start(executor=DaskExecutor(client=client))
    assert reached.wait(PATIENCE_S)
    for worker in list(client.nthreads()):
        kill(client, worker)
    go_on.set()

    assert run.wait(PATIENCE_S).is_successful()
    assert run.results[value] == 5


def test_the_resource_is_cleaned_up_once_whatever_happens_to_the_workers(client):
    """Rules 1 and 3."""
    told, death = [], OneDeath()

    @resource_manager
    class Room:
        def setup(self):
            told.append("setup")
            return 1

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Room() as room:
        task(lambda x: death(x), name="dies")(room)
        task(lambda x: x, name="beside").map([room] * 3)

    assert flow.run(executor=DaskExecutor(client=client)).is_successful()
    assert told == ["setup", "cleanup"]
