"""Mapped tasks inside a block: it is opened for their first child that will run, and for no empty map (design 5.8)."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, resource_manager, task, unmapped
from nbflow.executors import ThreadExecutor
from tests.shared import SharedList


@pytest.fixture
def lines():
    return SharedList()


@pytest.fixture
def tool(lines):
    @resource_manager
    class Tool:
        def setup(self):
            lines.append("setup")
            return 10

        def cleanup(self, resource):
            lines.append("cleanup")

    return Tool


@task
def use(x, resource=None):
    return x if resource is None else resource + x


@task
def nothing():
    return []


@task
def broken(x=None):
    raise OSError("broken")


def test_a_block_is_not_set_up_for_a_map_over_nothing(tool, lines, executor):
    with Flow("f") as flow:
        items = nothing()
        with tool() as resource:
            used = use.map(items, unmapped(resource))

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[used].is_mapped()
    assert lines == []


def test_a_block_is_not_set_up_for_a_map_over_what_has_failed(tool, lines, executor):
    with Flow("f") as flow:
        items = broken()
        with tool() as resource:
            used = use.map(items, unmapped(resource))

    state = flow.run(executor=executor)

    assert state.result[used].message == "No upstream states can be mapped over."
    assert lines == []


def test_a_block_is_not_set_up_for_a_map_whose_children_will_all_fail_by_their_trigger(tool, lines, executor):
    with Flow("f") as flow:
        items = broken.map([1, 2])
        with tool() as resource:
            used = use.map(items, unmapped(resource))

    state = flow.run(executor=executor)

    assert [type(child).__name__ for child in state.result[used].map_states] == ["TriggerFailed"] * 2
    assert lines == []


def test_a_block_is_set_up_for_the_children_that_will_run(tool, lines, executor):
    with Flow("f") as flow:
        items = task(lambda x: 1 / x, name="items").map([0, 1])
        with tool() as resource:
            used = use.map(items, unmapped(resource))

    state = flow.run(executor=executor)

    assert [type(child).__name__ for child in state.result[used].map_states] == ["TriggerFailed", "Success"]
    assert lines == ["setup", "cleanup"]


def test_a_block_is_set_up_when_the_first_child_of_a_paired_map_is_ready_and_no_sooner(tool, lines):
    is_slow_over = threading.Event()

    @task
    def slow(x):
        is_slow_over.wait(0.2)  # long enough for a setup that does not wait for it
        lines.append("slow")
        return x

    with Flow("f") as flow:
        items = slow.map([1])
        with tool() as resource:
            use.map(items, unmapped(resource))

    flow.run(executor=ThreadExecutor(3))

    assert lines == ["slow", "setup", "cleanup"]


@pytest.mark.parametrize("is_mapped", [False, True])
def test_children_of_a_block_that_could_not_be_set_up_fail_by_their_trigger(executor, is_mapped):
    @resource_manager
    class Broken:
        def setup(self):
            raise OSError("no")

        def cleanup(self, resource):
            raise AssertionError

    with Flow("f") as flow, Broken() as resource:
        items = use.map([1, 2]) if is_mapped else [1, 2]
        used = use.map(items, unmapped(resource))

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert [type(child).__name__ for child in state.result[used].map_states] == ["TriggerFailed"] * 2


def test_a_map_over_the_resource_itself_waits_for_it(executor):
    @resource_manager
    class Tools:
        def setup(self):
            return [1, 2, 3]

        def cleanup(self, resource):
            pass

    with Flow("f") as flow, Tools() as resource:
        used = use.map(resource)

    assert flow.run(executor=executor).result[used].result == [1, 2, 3]


def test_a_whole_map_in_a_block_is_one_step_and_the_setup_another(tool, lines):
    with Flow("f") as flow, tool():
        task(lambda x: lines.append(x), name="each").map([1, 2, 3])

    run = flow.start(paused=True)
    so_far = SharedList()
    while not run.is_finished:
        run.step()
        so_far.append(len(lines))

    assert so_far == [0, 1, 4, 5]
    assert lines == ["setup", 1, 2, 3, "cleanup"]


def test_a_run_goes_on_until_the_end_of_a_map_in_a_block(tool, lines):
    with Flow("f") as flow, tool():
        each = task(lambda x: lines.append(x), name="each").map([1, 2, 3])

    run = flow.start(paused=True)
    run.step()
    run.until(each)

    assert lines == ["setup", 1, 2, 3]
    run.cancel()
    run.wait()


def test_a_map_over_a_value_that_the_user_replaces_is_as_long_as_that(tool, lines):
    with Flow("f") as flow:
        items = nothing()
        with tool() as resource:
            used = use.map(items, unmapped(resource))

    run = flow.start(paused=True)
    run.until(items)
    run.set_result(items, [1, 2])
    run.resume()
    run.wait()

    assert run.results[used] == [11, 12]
    assert lines == ["setup", "cleanup"]


@pytest.mark.one_memory("counts in an object of the kernel")
def test_what_is_mapped_over_is_looked_at_once(tool, executor):
    class Items:
        taken = 0

        def __len__(self):
            return 2

        def __getitem__(self, index):
            self.taken += 1
            return index

    made = Items()
    with Flow("f") as flow:
        items = task(lambda: made, name="items")()
        with tool() as resource:
            used = use.map(items, unmapped(resource))

    assert flow.run(executor=executor).result[used].result == [10, 11]
    assert made.taken == 2
