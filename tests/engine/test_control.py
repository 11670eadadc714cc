"""Branches at run time: case, switch, ifelse, merge, FilterTask, triggers (flow-model 7.2, 8)."""

from __future__ import annotations

import logging

import pytest

from nbflow import FilterTask, Flow, Parameter, Task, case, ifelse, merge, switch, task, triggers
from nbflow.signals import FAIL, SKIP
from nbflow.states import Skipped, Success, TriggerFailed


@task
def identity(x):
    return x


@task
def inc(x):
    return x + 1


@task
def boom(x=None):
    raise ValueError("boom")


def ran(state, *tasks):
    return [not state.result[t].is_skipped() for t in tasks]


@pytest.mark.parametrize(("value", "expected"), [("a", [True, False]), ("b", [False, True]), ("c", [False, False])])
def test_only_the_case_that_applies_runs(value, expected, executor):
    """8.1"""
    with Flow("f") as flow:
        x = Parameter("x")
        with case(x, "a"):
            a = identity(1)
            a2 = inc(a)
        with case(x, "b"):
            b = identity(2)

    state = flow.run(x=value, executor=executor)

    assert state.is_successful()
    assert ran(state, a, b) == expected
    assert state.result[a2].is_skipped() == state.result[a].is_skipped()


def test_merge_takes_the_branch_that_ran(executor):
    """8.3"""
    with Flow("f") as flow:
        x = Parameter("x")
        with case(x, 1):
            a = identity("one")
        with case(x, 2):
            b = identity("two")
        with case(x, 3):
            c = identity(None)
        m = merge(a, b, c)

    assert flow.run(x=1, executor=executor).result[m].result == "one"
    assert flow.run(x=2, executor=executor).result[m].result == "two"
    assert flow.run(x=3, executor=executor).result[m] == Success(result=None)
    assert flow.run(x=4, executor=executor).result[m].is_skipped()


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(1, 1, 11), (1, 2, 12), (2, 1, 20), (2, 2, 20), (1, 3, None), (3, 1, "skipped")]
)
def test_nested_cases_merge_inside_out(x, y, expected, executor):
    """8.1"""
    with Flow("f") as flow:
        p, q = Parameter("p"), Parameter("q")
        with case(p, 1):
            with case(q, 1):
                a = identity(11)
            with case(q, 2):
                b = identity(12)
            inner = merge(a, b)
        with case(p, 2):
            c = identity(20)
        m = merge(inner, c)

    state = flow.run(p=x, q=y, executor=executor)

    assert state.is_successful()
    assert ("skipped" if state.result[m].is_skipped() else state.result[m].result) == expected


def test_a_failed_branch_fails_the_merge():
    """8.3"""
    with Flow("f") as flow:
        m = merge(boom(), identity(1))

    state = flow.run()

    assert state.is_failed()
    assert isinstance(state.result[m], TriggerFailed)


def test_merge_prefers_the_order_of_the_keys_as_text():
    """8.3"""
    with Flow("f") as flow:
        m = merge(*[identity(i) if i in (2, 10) else identity(None) for i in range(1, 12)])

    assert flow.run().result[m].result == 10


def test_merge_never_compares_results_for_equality():
    """8.3"""

    class Array:
        def __eq__(self, other):
            raise ValueError("ambiguous")

        __hash__ = None

    value = Array()
    with Flow("f") as flow:
        m = merge(identity(None), task(lambda: value, name="array")())

    assert flow.run().result[m].result is value


def test_a_case_of_a_tasks_own_result_may_hold_a_resource_less_chain(executor):
    """8.1"""
    with Flow("f") as flow:
        cond = identity(True)
        with case(cond, True):
            a = identity(1)
            b = inc(a)
            c = inc(b)
        d = inc(c)

    assert flow.run(executor=executor).result[d].result == 4


def test_switch_runs_the_task_of_the_value(executor):
    """8.2"""
    with Flow("f") as flow:
        x = Parameter("x")
        a, b, c = identity("a"), identity("b"), inc(10)
        switch(x, {"a": a, "b": b})
        c.set_upstream(b)

    state = flow.run(x="a", executor=executor)

    assert ran(state, a, b, c) == [True, False, False]
    assert ran(flow.run(x="b", executor=executor), a, b, c) == [False, True, True]


def test_a_list_as_a_branch_skips_the_list_and_not_its_members():
    """8.2"""
    with Flow("f") as flow:
        x = Parameter("x")
        a, b = identity(1), identity(2)
        switch(x, {True: [a, b]})
        (gathered,) = flow.get_tasks(name="List")

    state = flow.run(x=False)

    assert ran(state, a, b, gathered) == [True, True, False]


def test_a_mapped_switch_decides_for_each_element(executor):
    """8.2"""
    with Flow("f") as flow:
        xs = identity(["a", "b", "a"])
        a, b = inc.map(identity([1, 2, 3])), inc.map(identity([10, 20, 30]))
        switch(xs, {"a": a, "b": b}, mapped=True)
        m = merge(a, b, mapped=True)

    state = flow.run(executor=executor)

    assert [s.is_skipped() for s in state.result[a].map_states] == [False, True, False]
    assert state.result[m].result == [2, 21, 4]


@pytest.mark.parametrize("value", [0, 1, "", "x", None, [], [0]])
def test_ifelse_goes_by_truth(value, executor):
    """8.2"""
    with Flow("f") as flow:
        cond = Parameter("cond")
        yes, no = identity("yes"), identity("no")
        ifelse(cond, yes, no)
        m = merge(yes, no)

    state = flow.run(cond=value, executor=executor)

    assert ran(state, yes, no) == [bool(value), not value]
    assert state.result[m].result == ("yes" if value else "no")


@pytest.mark.parametrize(
    ("branches", "value", "expected"),
    [
        ((True, False), True, True),
        ((True, False), False, False),
        ((False, True), True, False),
        ((False, True), False, True),
    ],
)
def test_a_branch_of_ifelse_may_be_missing(branches, value, expected):
    """8.2"""
    with Flow("f") as flow:
        cond = identity(value)
        t = identity(1)
        ifelse(cond, *(t if wanted else None for wanted in branches))

    assert ran(flow.run(), t) == [expected]


def test_a_condition_that_fails_fails_the_branches():
    """8.1"""
    with Flow("f") as flow, case(boom(), 1):
        a = identity(1)

    state = flow.run()

    assert state.is_failed()
    assert isinstance(state.result[a], TriggerFailed)


def test_a_condition_that_is_skipped_skips_the_branches():
    """8.1"""

    @task
    def skip():
        raise SKIP

    with Flow("f") as flow, case(skip(), 1):
        a = identity(1)

    assert flow.run().result[a].is_skipped()


def test_filter_drops_what_failed_or_was_skipped(executor):
    """8.4"""

    @task
    def choosy(x):
        if x == 1:
            raise SKIP
        if x == 2:
            raise ValueError
        return x

    with Flow("f") as flow:
        kept = FilterTask(filter_func=lambda r: not isinstance(r, (Exception, type(None))))(choosy.map([0, 1, 2, 3]))
        default = FilterTask()(choosy.map([0, 1, 2, 3]))

    state = flow.run(executor=executor)

    assert state.result[kept].result == [0, 3]
    assert state.result[default].result == [0, 3]


def test_a_filter_may_log_what_it_keeps(caplog):
    """8.4"""
    with Flow("f") as flow:
        t = FilterTask(filter_func=lambda x: x > 1, log_func=lambda kept: f"kept {kept}")([1, 2])

    with caplog.at_level(logging.INFO, logger="nbflow"):
        assert flow.run().result[t].result == [2]

    assert "kept [2]" in caplog.text


def test_a_filter_with_a_strict_trigger_fails_with_its_inputs():
    """8.4"""
    with Flow("f") as flow:
        t = FilterTask(trigger=triggers.all_successful)([boom(), identity(1)])

    assert isinstance(flow.run().result[t], TriggerFailed)


def outcome(trigger, *, good=0, bad=0, skipped=0, executor="inline"):
    """Run a task with a trigger below so many others of each kind."""

    @task
    def skip():
        raise SKIP

    with Flow("f") as flow:
        t = Task("t", trigger=trigger, skip_on_upstream_skip=False)
        above = [
            *(identity(1) for _ in range(good)),
            *(boom() for _ in range(bad)),
            *(skip() for _ in range(skipped)),
        ]
        t.set_dependencies(upstream_tasks=above)
    return flow.run(executor=executor).result[t]


@pytest.mark.parametrize(
    ("trigger", "counts", "expected"),
    [
        (triggers.all_successful, {"good": 2}, Success),
        (triggers.all_successful, {"good": 1, "skipped": 1}, Success),
        (triggers.all_successful, {"good": 1, "bad": 1}, TriggerFailed),
        (triggers.all_failed, {"bad": 2}, Success),
        (triggers.all_failed, {"good": 1, "bad": 1}, TriggerFailed),
        (triggers.any_successful, {"good": 1, "bad": 1}, Success),
        (triggers.any_successful, {"bad": 1}, TriggerFailed),
        (triggers.any_failed, {"good": 1, "bad": 1}, Success),
        (triggers.any_failed, {"good": 1}, TriggerFailed),
        (triggers.all_finished, {"good": 1, "bad": 1, "skipped": 1}, Success),
        (triggers.always_run, {"bad": 1}, Success),
        (triggers.not_all_skipped, {"good": 1, "skipped": 1}, Success),
        (triggers.not_all_skipped, {"skipped": 2}, Skipped),
        (triggers.not_all_skipped, {"good": 1, "bad": 1}, TriggerFailed),
        (triggers.some_failed(at_least=2), {"good": 1, "bad": 2}, Success),
        (triggers.some_failed(at_least=0.5), {"good": 2, "bad": 1}, TriggerFailed),
        (triggers.some_successful(at_least=1, at_most=2), {"good": 3}, TriggerFailed),
    ],
)
def test_the_trigger_decides_from_the_states_above(trigger, counts, expected, executor):
    """7.2"""
    assert type(outcome(trigger, **counts, executor=executor)) is expected


def test_a_trigger_failure_counts_as_a_failure_further_down():
    """7.2"""
    with Flow("f") as flow:
        below = identity(boom())
        rescue = Task("rescue", trigger=triggers.all_failed)
        rescue.set_upstream(below)

    assert flow.run().result[rescue].is_successful()


def test_a_raised_fail_may_carry_a_value():
    """7.1"""

    @task
    def fail():
        raise FAIL("no", result={"left": 1})

    with Flow("f") as flow:
        t = fail()

    assert flow.run().result[t].result == {"left": 1}
