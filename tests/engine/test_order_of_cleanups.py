"""Rule 4 of the cleanup guarantee: inside out, and no failing cleanup keeps another from being made or told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nbflow import Flow, apply_map, resource_manager, task
from tests.shared import SharedList

SOON = timedelta(milliseconds=50)


@pytest.fixture
def lines():
    return SharedList()


@pytest.fixture
def manager(lines):
    def make(name, *, failures=0, retries=0):
        left = [failures]

        class Manager:
            def __init__(self, number=""):
                self.name = f"{name}{number}"

            def setup(self):
                return self.name

            def cleanup(self, resource):
                lines.append(self.name)
                if left[0]:
                    left[0] -= 1
                    raise OSError(f"{self.name} is stuck")

        options = {"max_retries": retries, "retry_delay": SOON} if retries else {}
        return resource_manager(name=name, cleanup_task_kwargs=options)(Manager)

    return make


@task
def use(resource):
    return resource


def test_an_outer_cleanup_waits_until_an_inner_one_has_been_tried_again(manager, lines, executor):
    with Flow("f") as flow, manager("outer")() as outer:
        use(outer)
        with manager("inner", failures=1, retries=1)() as inner:
            use(inner)

    assert flow.run(executor=executor).is_successful()
    assert lines == ["inner", "inner", "outer"]


def test_the_cleanup_around_an_element_waits_until_its_inner_one_has_been_tried_again(manager, lines, executor):
    outer, inner = manager("outer"), manager("inner", failures=1, retries=1)

    def func(number):
        with outer(number), inner(number) as resource:
            return use(resource)

    with Flow("f") as flow:
        apply_map(func, [0])

    assert flow.run(executor=executor).is_successful()
    assert lines == ["inner0", "inner0", "outer0"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_failing_inner_cleanup_does_not_prevent_the_outer_one(manager, lines, executor):
    with Flow("f") as flow, manager("outer", failures=1)(), manager("inner", failures=1)() as inner:
        use(inner)

    flow.run(executor=executor)

    assert lines == ["inner", "outer"]
    failures = flow.runs[-1].cleanup_failures
    assert {block.name: str(error) for block, error in failures.items()} == {
        "inner": "inner is stuck",
        "outer": "outer is stuck",
    }


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_errors_of_all_elements_are_kept(manager, executor):
    made = manager("tool", failures=2)

    def func(number):
        with made(number) as resource:
            return use(resource)

    with Flow("f") as flow:
        apply_map(func, [0, 1, 2])

    flow.run(executor=executor)

    (error,) = flow.runs[-1].cleanup_failures.values()
    assert isinstance(error, BaseExceptionGroup)
    assert len(error.exceptions) == 2
    assert all("is stuck" in str(one) for one in error.exceptions)
