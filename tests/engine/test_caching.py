"""Results of earlier runs that are used again: `cache_for`, validators, given Cached states (flow-model 4.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nbflow import Flow, Parameter, context, task
from nbflow.cache_validators import (
    all_inputs,
    all_parameters,
    duration_only,
    never_use,
    partial_inputs_only,
    partial_parameters_only,
)
from nbflow.states import Cached, Mapped, Pending, Success
from tests.shared import SharedList

HOUR = timedelta(hours=1)


def counting(**options):
    """Make a task of two arguments that is cached, and a list of its calls."""
    calls = SharedList()

    @task(name="counting", cache_for=HOUR, **options)
    def run(x=0, y=0):
        calls.append((x, y))
        return x + y

    return run, calls


def flow_of(t, name="f"):
    with Flow(name) as flow:
        result = t(Parameter("x", default=1), Parameter("y", default=2))
    return flow, result


def test_a_success_is_kept_with_all_that_a_validator_may_ask_for(executor):
    """4.9"""
    t, _ = counting()
    flow, a = flow_of(t)

    state = flow.run(executor=executor).result[a]

    assert isinstance(state, Cached)
    assert state.result == 3
    assert state.cached_parameters == {"x": 1, "y": 2}
    assert set(state.hashed_inputs) == {"x", "y"}
    assert timedelta(minutes=59) < state.cached_result_expiration - datetime.now(UTC) <= HOUR


def test_a_later_run_uses_the_kept_result(executor):
    """4.9"""
    t, calls = counting()
    flow, a = flow_of(t)

    first = flow.run(executor=executor)
    second = flow.run(executor=executor)

    assert calls == [(1, 2)]
    assert second.result[a].is_cached()
    assert second.result[a].result == first.result[a].result == 3


def test_it_is_kept_by_name_so_that_another_flow_may_use_it():
    """4.9"""
    t, calls = counting()

    flow_of(t, "one")[0].run()
    flow_of(t, "two")[0].run()

    assert len(calls) == 1


def test_a_key_of_its_own_keeps_results_apart_or_shares_them():
    """4.9"""
    t, calls = counting(cache_key="mine")
    other, other_calls = counting(cache_key="mine")

    flow_of(t)[0].run()
    flow_of(other)[0].run()

    assert list(context.caches) == ["mine"]
    assert calls
    assert not other_calls


def test_a_result_is_not_used_once_it_has_expired():
    """4.9"""
    calls = SharedList()

    @task(cache_for=timedelta(seconds=-1))
    def old():
        calls.append(1)

    with Flow("f") as flow:
        old()

    flow.run()
    flow.run()

    assert len(calls) == 2


@pytest.mark.parametrize(
    ("validator", "changed", "used"),
    [
        (never_use, {}, False),
        (duration_only, {"x": 5}, True),
        (all_inputs, {}, True),
        (all_inputs, {"x": 5}, False),
        (all_parameters, {}, True),
        (all_parameters, {"y": 5}, False),
        (partial_inputs_only(validate_on=["x"]), {"y": 5}, True),
        (partial_inputs_only(validate_on=["x"]), {"x": 5}, False),
        (partial_inputs_only(validate_on=None), {"x": 5}, True),
        (partial_parameters_only(validate_on=["y"]), {"x": 5}, True),
        (partial_parameters_only(validate_on=["y"]), {"y": 5}, False),
        (partial_parameters_only(validate_on=None), {"y": 5}, True),
    ],
)
def test_the_validator_decides(validator, changed, used):
    """4.9"""
    t, calls = counting(cache_validator=validator)
    flow, _ = flow_of(t)

    flow.run()
    flow.run(**changed)

    assert len(calls) == (1 if used else 2)


def test_the_first_kept_result_that_is_accepted_is_used():
    """4.9"""
    t, calls = counting(cache_validator=all_inputs)
    flow, a = flow_of(t)

    flow.run(x=1)
    flow.run(x=2)

    assert flow.run(x=1).result[a].result == 3
    assert flow.run(x=2).result[a].result == 4
    assert len(calls) == 2


def test_a_validator_of_the_users_is_given_state_inputs_and_parameters():
    """4.9"""
    given = SharedList()

    def look(state, inputs, parameters):
        given.append((type(state), inputs, parameters))
        return True

    t, _ = counting(cache_validator=look)
    flow, _ = flow_of(t)

    flow.run()
    flow.run(x=7)

    assert given == [(Cached, {"x": 7, "y": 2}, {"x": 7, "y": 2})]


def test_a_validator_that_raises_fails_the_task():
    """4.9"""

    def breaks(state, inputs, parameters):
        raise ZeroDivisionError

    t, _ = counting(cache_validator=breaks)
    flow, a = flow_of(t)
    flow.run()

    state = flow.run()

    assert state.is_failed()
    assert isinstance(state.result[a].result, ZeroDivisionError)


def test_a_failure_is_not_kept():
    """4.9"""
    calls = SharedList()

    @task(cache_for=HOUR)
    def fail():
        calls.append(1)
        raise ValueError

    with Flow("f") as flow:
        fail()

    flow.run()
    flow.run()

    assert len(calls) == 2
    assert not context.caches.get("fail")


def test_a_given_cached_state_is_used_if_the_validator_accepts_it():
    """4.3, 4.9"""
    t, calls = counting()
    flow, a = flow_of(t)
    valid = Cached(result=100, cached_result_expiration=datetime.now(UTC) + HOUR)
    expired = Cached(result=100, cached_result_expiration=datetime.now(UTC) - HOUR)

    assert flow.run(task_states={a: valid}).result[a].result == 100
    assert calls == []
    assert flow.run(task_states={a: expired}).result[a].result == 3


def test_a_given_cached_state_of_a_task_that_is_not_cached_is_computed_again():
    """4.3"""
    with Flow("f") as flow:
        a = task(lambda: 3, name="a")()

    assert flow.run(task_states={a: Cached(result=100)}).result[a].result == 3


def test_without_cache_for_nothing_is_kept():
    """4.9"""
    with Flow("f") as flow:
        a = task(lambda: 3, name="a")()

    assert type(flow.run().result[a]) is Success
    assert not context.caches


def test_the_caches_may_be_given_with_the_context():
    """4.9"""
    t, calls = counting()
    flow, a = flow_of(t)
    caches = {"counting": [Cached(result=100)]}

    assert flow.run(context={"caches": caches}).result[a].result == 100
    assert calls == []


def test_mapped_children_are_cached_each_by_its_inputs(executor):
    """4.9, 5.5"""
    calls = SharedList()

    @task(cache_for=HOUR, cache_validator=all_inputs)
    def child(x):
        calls.append(x)
        return x * 10

    with Flow("f") as flow:
        m = child.map(Parameter("xs", default=[1, 2]))

    flow.run(executor=executor)
    state = flow.run(xs=[2, 3], executor=executor)

    assert sorted(calls) == [1, 2, 3]
    assert state.result[m].result == [20, 30]
    assert all(s.is_cached() for s in state.result[m].map_states)


def test_a_given_mapped_state_may_hold_cached_children():
    """4.3, 4.9"""
    calls = SharedList()

    @task(cache_for=HOUR)
    def child(x):
        calls.append(x)
        return x * 10

    with Flow("f") as flow:
        m = child.map([1, 2])

    state = flow.run(task_states={m: Mapped(map_states=[Cached(result="kept"), Pending()])})

    assert state.result[m].map_states[0].result == "kept"


def test_what_waits_for_a_retry_is_cached_once_it_succeeds():
    """4.7, 4.9"""
    calls = SharedList()

    @task(cache_for=HOUR, max_retries=1, retry_delay=timedelta(0))
    def shaky():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError
        return 5

    with Flow("f") as flow:
        t = shaky()

    assert flow.run().result[t].is_cached()
    assert flow.run().result[t].result == 5
    assert len(calls) == 2


def test_handlers_see_cached_in_place_of_success():
    """4.9, 4.11"""
    seen = SharedList()
    t, _ = counting(state_handlers=[lambda task, old, new: seen.append(type(new).__name__)])
    flow, _ = flow_of(t)

    flow.run()
    flow.run()

    assert seen == ["Running", "Success", "Cached", "Cached"] or seen == ["Running", "Cached", "Cached"]
