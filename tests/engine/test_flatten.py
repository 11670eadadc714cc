"""`flatten`: one level of nesting less, before mapping or as a plain argument (flow-model 5.6, 5.7)."""

from __future__ import annotations

import pytest

from nbflow import Flow, flatten, task, triggers, unmapped
from nbflow.signals import SKIP
from nbflow.states import Failed, Success, TriggerFailed


@task
def identity(x):
    return x


@task
def inc(x):
    return x + 1


@task
def nested():
    return [[1], [2, 3], []]


@task
def numbers():
    return [1, 2, 3]


@task
def nest(x):
    return [x, x * 10]


def test_a_nested_constant_is_mapped_flat(executor):
    """5.6"""
    with Flow("f") as flow:
        m = inc.map(flatten([[1], [2, 3]]))

    assert flow.run(executor=executor).result[m].result == [2, 3, 4]


def test_a_nested_result_is_mapped_flat(executor):
    """5.6"""
    with Flow("f") as flow:
        m = inc.map(flatten(nested()))

    assert flow.run(executor=executor).result[m].result == [2, 3, 4]


def test_the_lists_of_children_are_joined(executor):
    """5.6"""
    with Flow("f") as flow:
        m = inc.map(flatten(nest.map(numbers())))

    assert flow.run(executor=executor).result[m].result == [2, 11, 3, 21, 4, 31]


def test_a_flattened_map_may_be_flattened_again(executor):
    """5.6"""
    with Flow("f") as flow:
        again = nest.map(flatten(nest.map(numbers())))
        m = identity.map(flatten(again))

    assert flow.run(executor=executor).result[m].result == [1, 10, 10, 100, 2, 20, 20, 200, 3, 30, 30, 300]


def test_a_reduction_may_be_flattened(executor):
    """5.6"""
    with Flow("f") as flow:
        a = identity(flatten(nest.map(numbers())))
        b = identity(flatten(nested()))

    state = flow.run(executor=executor)

    assert state.result[a].result == [1, 10, 2, 20, 3, 30]
    assert state.result[b].result == [1, 2, 3]


def test_unmapped_and_flatten_may_be_combined(executor):
    """5.7"""
    with Flow("f") as flow:
        a = task(lambda x, y: (x, y), name="a").map(numbers(), unmapped(flatten(nested())))
        b = task(lambda x, y: (x, y), name="b").map(numbers(), flatten(unmapped(nested())))

    state = flow.run(executor=executor)

    expected = [(x, [1, 2, 3]) for x in (1, 2, 3)]
    assert state.result[a].result == expected
    assert state.result[b].result == expected


def test_what_is_not_nested_stays_as_it_is(executor):
    """5.6"""
    with Flow("f") as flow:
        a = inc.map(flatten(numbers()))
        b = identity(flatten(numbers()))
        c = inc.map(flatten(inc.map(numbers())))
        d = identity(flatten(inc.map(numbers())))

    state = flow.run(executor=executor)

    assert state.result[a].result == [2, 3, 4]
    assert state.result[b].result == [1, 2, 3]
    assert state.result[c].result == [3, 4, 5]
    assert state.result[d].result == [2, 3, 4]


def test_one_child_that_is_not_nested_is_an_element_itself(executor):
    """5.6"""
    with Flow("f") as flow:
        some = task(lambda x: x if x == 2 else [x], name="some").map(numbers())
        m = inc.map(flatten(some))

    assert flow.run(executor=executor).result[m].result == [2, 3, 4]


def test_what_cannot_be_iterated_is_unmappable(executor):
    """5.6"""
    with Flow("f") as flow:
        m = inc.map(flatten(inc(1)))

    state = flow.run(executor=executor).result[m]

    assert type(state) is Failed
    assert "unmappable" in state.message


def test_a_skipped_child_gives_one_child_with_none(executor):
    """5.6"""

    @task
    def some(x):
        if x == 2:
            raise SKIP
        return [x, x]

    see = task(lambda x: x, name="see", skip_on_upstream_skip=False)
    with Flow("f") as flow:
        skipped = identity.map(flatten(some.map(numbers())))
        seen = see.map(flatten(some.map(numbers())))

    state = flow.run(executor=executor)

    assert len(state.result[skipped].map_states) == 5
    assert state.result[skipped].result == [1, 1, None, 3, 3]
    assert len(state.result[seen].map_states) == 5


def test_a_failed_child_gives_one_failed_child(executor):
    """5.6"""

    @task
    def some(x):
        if x == 2:
            raise ValueError
        return [x, x]

    with Flow("f") as flow:
        m = inc.map(flatten(some.map(numbers())))

    state = flow.run(executor=executor)

    assert [type(s) for s in state.result[m].map_states] == [
        Success,
        Success,
        TriggerFailed,
        Success,
        Success,
    ]


def test_a_permissive_task_gets_the_joined_list_with_the_exception(executor):
    """5.6"""

    @task
    def some(x):
        if x == 2:
            raise ValueError
        return [x, x]

    keep = task(lambda xs: [x for x in xs if isinstance(x, int)], name="keep", trigger=triggers.all_finished)
    with Flow("f") as flow:
        t = keep(flatten(some.map(numbers())))

    assert flow.run(executor=executor).result[t].result == [1, 1, 3, 3]


def test_two_flattened_inputs_are_mapped_in_step(executor):
    """5.6"""
    with Flow("f") as flow:
        m = task(lambda x, y: x + y, name="m").map(flatten(nest.map(numbers())), flatten([[1, 2], [3]]))

    assert flow.run(executor=executor).result[m].result == [2, 12, 5]


@pytest.mark.parametrize("value", [[], [[]], [[], []]])
def test_an_empty_nest_gives_no_children(value, executor):
    """5.6"""
    with Flow("f") as flow:
        m = inc.map(flatten(value))

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[m].map_states == []


def test_one_skipped_child_skips_the_task_that_takes_the_flattened_whole():
    """5.6"""

    @task
    def listed(x):
        if x == 2:
            raise SKIP("two")
        return [x]

    with Flow("f") as flow:
        whole = task(lambda x: x)(flatten(listed.map([1, 2, 3])))

    assert flow.run().result[whole].is_skipped()
