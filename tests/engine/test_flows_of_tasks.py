"""Flows made of the tasks and edges of another one, or copied, keep blocks and constants (flow-model 2.1, 2.8)."""

from __future__ import annotations

import copy

import pytest

from nbflow import Flow, resource_manager, task
from tests.shared import SharedList


@pytest.fixture
def log():
    return SharedList()


@pytest.fixture
def flow(log):
    @resource_manager
    class Session:
        def __init__(self, name):
            self.name = name

        def setup(self):
            log.append(f"+{self.name}")
            return self.name

        def cleanup(self, session):
            log.append(f"-{session}")

    @task(max_retries=1, retry_delay=0)
    def use(session, word):
        log.append(f"{session} {word}")
        if len(log) < 5:
            raise ValueError
        return word

    with Flow("f") as flow, Session("outer") as outer:
        use(outer, "a")
        with Session("inner") as inner:
            use(inner, "b")
    return flow


EXPECTED = ["+outer", "outer a", "+inner", "inner b", "inner b", "-inner", "outer a", "-outer"]


@pytest.mark.parametrize(
    "made_of",
    [
        lambda flow: Flow("g", tasks=flow.tasks, edges=flow.edges),
        lambda flow: Flow("g", tasks=list(flow.tasks)[::-1], edges=flow.edges),
        lambda flow: Flow("g", edges=flow.edges),
        lambda flow: flow.copy(),
        copy.copy,
        lambda flow: Flow("g", tasks=flow.copy().tasks, edges=flow.copy().edges),
    ],
)
def test_a_flow_made_of_another_ones_tasks_sets_up_once_and_cleans_up_last(made_of, flow, log):
    """flow-model 2.1: the retry of a task shares the resource."""
    made = made_of(flow)

    assert [block.name for block in sorted(made.blocks, key=lambda block: block.depth)] == [
        "Session",
        "Session",
    ]
    assert all(block.flow is made for block in made.blocks)
    assert made.run().is_successful()
    assert sorted(log) == sorted(EXPECTED)
    assert log.index("-inner") < log.index("-outer") == len(log) - 1


def test_tasks_without_their_whole_block_make_no_block(flow):
    """flow-model 2.1"""
    setup = flow.blocks[0].setup_task

    assert Flow("g", tasks=[setup]).blocks == []


def test_a_copy_keeps_its_constants_whatever_becomes_of_the_flow():
    """flow-model 2.8"""

    @task
    def add(x, y):
        return x + y

    with Flow("f") as flow:
        total = add(1, 2)
    copied = flow.copy()
    flow.constants[total]["x"] = 10

    assert copied.run().result[total].result == 3
    assert flow.run().result[total].result == 12


def test_replacing_in_a_copy_leaves_the_flow_as_it_is(flow, log):
    """flow-model 2.8"""
    member = next(one for one in flow.tasks if one.name == "use")
    copied = flow.copy()

    @task
    def other(session, word):
        log.append("other")

    copied.replace(member, other)

    assert flow.run().is_successful()
    assert sorted(log) == sorted(EXPECTED)


def test_a_block_stays_in_the_one_whose_init_was_replaced_in_a_copy(flow, log):
    """flow-model 2.1: the inner block's tasks know the outer block as it was in the flow that was copied."""
    copied = flow.copy()
    outer = min(copied.blocks, key=lambda block: block.depth)
    manager = outer.manager.resource_class("new")

    @task
    def ready_made(name):
        return manager

    copied.replace(outer.init_task, ready_made)
    made = Flow("g", tasks=copied.tasks, edges=copied.edges)

    assert sorted(block.depth for block in made.blocks) == [0, 1]
    assert made.run().is_successful()
    assert log[0] == "+new"
    assert log[-1] == "-new"
