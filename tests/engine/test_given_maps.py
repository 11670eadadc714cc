"""A mapped state that is given for a task, with nothing upstream to map over (flow-model 4.3, 5.2)."""

from __future__ import annotations

import pytest

from nbflow import Flow, task, triggers
from nbflow.states import Failed, Mapped, Skipped, Success


@task
def double(x):
    return 2 * x


@task
def take(x):
    return x


def given(*results):
    return Mapped(map_states=[Success(result=result) for result in results])


@pytest.fixture
def flow():
    with Flow("f") as flow:
        flow.up = take(1)
        flow.map = double.map(flow.up)
        flow.below = double.map(flow.map)
        flow.all = take(flow.map)
    return flow


@pytest.mark.parametrize("up", [None, Success(result=1), Success(result=None), Failed("no")])
def test_it_has_the_children_that_it_was_given(up, flow, executor):
    """4.3"""
    states = {flow.map: given(10, 20)} | ({} if up is None else {flow.up: up})

    state = flow.run(task_states=states, executor=executor)

    assert state.result[flow.map].is_mapped()
    assert state.result[flow.map].result == [10, 20]
    assert state.result[flow.all].result == [10, 20]
    assert state.result[flow.below].result == [20, 40]


def test_where_there_is_something_to_map_over_its_length_counts(flow):
    """5.2"""
    state = flow.run(task_states={flow.map: given(10, 20), flow.up: Success(result=[1, 2, 3])})

    assert state.result[flow.map].result == [10, 20, 6]


def test_a_child_that_was_not_given_fails_by_itself(flow, executor):
    """5.2"""
    states = [Mapped(map_states=[Success(result=1), None]), Mapped(n_map_states=2)]

    for one, expected in zip(states, ([False, True], [True, True]), strict=True):
        state = flow.run(task_states={flow.map: one}, executor=executor)

        assert [child.is_failed() for child in state.result[flow.map].map_states] == expected
        assert state.is_failed()


def test_so_it_does_where_its_trigger_looks_at_the_states():
    """5.3"""
    with Flow("f") as flow:
        children = double.copy(trigger=triggers.all_finished).map(take(1))

    state = flow.run(task_states={children: Mapped(n_map_states=1)})

    assert state.result[children].map_states[0].is_failed()


def test_a_skip_upstream_skips_the_map(flow):
    """5.2"""
    state = flow.run(task_states={flow.map: given(10), flow.up: Skipped("no")})

    assert state.result[flow.map].is_skipped()
