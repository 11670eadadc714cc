"""`max_concurrent`: how many children of a map, or resources of a mapped block, may go on at once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from nbflow import Flow, apply_map, resource_manager, task
from nbflow.executors import ThreadExecutor
from tests.patience import PATIENCE_S


class Meter:
    """Counts how many are inside at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = self.most = self.total = 0

    def enter(self):
        with self.lock:
            self.inside += 1
            self.total += 1
            self.most = max(self.most, self.inside)

    def leave(self):
        with self.lock:
            self.inside -= 1


def test_no_more_children_run_at_once_than_asked_for():
    meter = Meter()
    two = threading.Barrier(2)

    @task(max_concurrent=2)
    def work(x):
        meter.enter()
        two.wait(PATIENCE_S)  # two are really inside together
        meter.leave()
        return x

    with Flow("f") as flow:
        worked = work.map(list(range(10)))

    state = flow.run(executor=ThreadExecutor(6))

    assert state.result[worked].result == list(range(10))
    assert (meter.most, meter.total) == (2, 10)


def test_children_that_fail_retry_or_are_skipped_give_their_place_back():
    attempts = []

    @task(max_concurrent=1, max_retries=1, retry_delay=timedelta(0))
    def work(x):
        attempts.append(x)
        if x % 2 or attempts.count(x) == 1:
            raise ValueError(x)
        return x

    with Flow("f") as flow:
        worked = work.map([0, 1, 2, 3])

    state = flow.run(executor="threads")

    assert [child.is_successful() for child in state.result[worked].map_states] == [True, False, True, False]
    assert attempts == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("executor", ["inline", ThreadExecutor(6)], ids=["inline", "threads"])
@pytest.mark.parametrize("has_setup", [True, False])
def test_no_more_resources_of_a_mapped_block_are_open_at_once_than_asked_for(executor, has_setup):
    meter = Meter()

    class Store:
        def __init__(self, number):
            self.number = number
            if not has_setup:
                meter.enter()

        def cleanup(self, resource):
            meter.leave()

    if has_setup:

        def setup(self):
            meter.enter()
            return self.number

        Store.setup = setup

    manager = resource_manager(max_concurrent=2)(Store)

    @task
    def use(number):
        return number * 10

    def each(number):
        with manager(number):
            return use(number)

    with Flow("f") as flow:
        used = apply_map(each, [0, 1, 2, 3, 4, 5, 6])

    state = flow.run(executor=executor)

    assert state.result[used].result == [0, 10, 20, 30, 40, 50, 60]
    assert meter.most <= 2
    assert (meter.inside, meter.total) == (0, 7)


def test_a_cancelled_run_does_not_wait_for_places():
    running = threading.Event()
    cancelled = threading.Event()

    @task(max_concurrent=1)
    def work(x):
        running.set()
        cancelled.wait(PATIENCE_S)

    with Flow("f") as flow:
        work.map(list(range(5)))
    run = flow.start(executor="threads")
    running.wait(PATIENCE_S)

    run.cancel()
    cancelled.set()

    assert type(run.wait(PATIENCE_S)).__name__ == "Cancelled"


@pytest.mark.parametrize("limit", [0, -1, 1.5, "2"])
def test_an_impossible_limit_is_refused(limit):
    with pytest.raises(ValueError, match="max_concurrent must be a whole number"):
        task(max_concurrent=limit)(lambda: None)
    with pytest.raises(ValueError, match="max_concurrent must be a whole number"):
        resource_manager(max_concurrent=limit)(type("M", (), {"cleanup": lambda self, r: None}))
