"""One resource for each element of a map: odd managers, failures, retries (flow-model 5.8, design 5.1 to 5.3)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nbflow import Flow, apply_map, context, resource_manager, task, unmapped
from tests.shared import SharedList


@task
def inc(x):
    return x + 1


@task
def add(x, y):
    return x + y


def run(func, *args, executor, **kwargs):
    """Map a function over its arguments and return the final states of its children."""
    with Flow("f") as flow:
        result = apply_map(func, *args, **kwargs)
    return flow.run(executor=executor).result[result]


@pytest.fixture
def closed():
    return SharedList()


def test_an_init_that_fails_concerns_its_own_element_only(executor, closed):
    """1.9, design 5.3"""

    @resource_manager
    class Manager:
        def __init__(self, x):
            self.x = x
            self.quotient = 1 / (x - 2)

        def setup(self):
            return self.x

        def cleanup(self, resource):
            closed.append(resource)

    def func(x):
        with Manager(x) as r:
            return inc(r)

    state = run(func, [1, 2, 3], executor=executor)

    assert [child.is_successful() for child in state.map_states] == [True, False, True]
    assert sorted(closed) == [1, 3]


def test_a_manager_without_setup_is_made_and_cleaned_up_for_each_element(executor, closed):
    """1.3, 5.8"""

    @resource_manager
    class Bare:
        def __init__(self, x):
            self.x = x

        def cleanup(self, resource):
            assert resource is None
            closed.append(self.x)

    def func(x):
        with Bare(x):
            return inc(x)

    assert run(func, [1, 2, 3], executor=executor).result == [2, 3, 4]
    assert sorted(closed) == [1, 2, 3]


def test_a_manager_that_takes_nothing_of_the_element_is_made_for_each_all_the_same(executor, closed):
    """5.8"""

    @resource_manager
    class Same:
        def __init__(self, y=5):
            self.y = y

        def setup(self):
            return self.y

        def cleanup(self, resource):
            closed.append(resource)

    def func(x, y):
        with Same() as r, Same(y) as s:
            return add(add(x, r), s)

    assert run(func, [1, 2], y=unmapped(100), executor=executor).result == [106, 107]
    assert sorted(closed) == [5, 5, 100, 100]


def test_retries_share_the_resource_of_their_element(executor):
    """design 5.2"""
    lines = SharedList()

    @resource_manager
    class Manager:
        def __init__(self, x):
            self.x = x

        def setup(self):
            lines.append((self.x, "setup"))
            return self.x

        def cleanup(self, resource):
            lines.append((resource, "cleanup"))

    @task(max_retries=1, retry_delay=timedelta(0))
    def shaky(r):
        lines.append((r, "use"))
        if context.task_run_count == 1:
            raise ValueError
        return r

    def func(x):
        with Manager(x) as r:
            return shaky(r)

    assert run(func, [1, 2], executor=executor).result == [1, 2]
    for element in (1, 2):
        assert [what for x, what in lines if x == element] == ["setup", "use", "use", "cleanup"]
