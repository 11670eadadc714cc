"""LOOP: the same task again, at once, with a value carried on (flow-model 4.8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nbflow import Flow, Parameter, context, task
from nbflow.signals import LOOP, RETRY
from nbflow.states import Looped, Pending, Retrying, Running, Scheduled, Success
from tests.shared import SharedList

NOW = timedelta(0)


@task
def count_to_three():
    count = context.get("task_loop_count", 1)
    if count == 3:
        return count, context.task_loop_result
    raise LOOP(result=(context.get("task_loop_result") or []) + [count])


def test_the_task_is_run_again_with_count_and_result(executor):
    """4.8"""
    with Flow("f") as flow:
        t = count_to_three()
        below = task(lambda x: x[0], name="below")(t)

    state = flow.run(executor=executor)

    assert type(state.result[t]) is Success
    assert state.result[t].result == (3, [1, 2])
    assert state.result[below].result == 3


def test_the_first_iteration_is_number_one_without_a_result(executor):
    """4.8"""
    seen = SharedList()

    @task
    def look():
        seen.append((context.get("task_loop_count", 1), context.get("task_loop_result")))
        if len(seen) < 3:
            raise LOOP(result=len(seen))

    with Flow("f") as flow:
        look()

    flow.run(executor=executor)

    assert seen == [(1, None), (2, 1), (3, 2)]


def test_inputs_stay_the_same_in_each_iteration(executor):
    """4.8"""

    @task
    def add_up(x, y):
        total = context.get("task_loop_result", 0) + x
        if total < y:
            raise LOOP(result=total)
        return total

    with Flow("f") as flow:
        t = add_up(Parameter("x", default=3), 10)

    assert flow.run(executor=executor).result[t].result == 12


def test_a_loop_may_go_on_for_long():
    """4.8: iterations take no stack."""

    @task
    def long():
        count = context.get("task_loop_count", 1)
        if count < 3000:
            raise LOOP(result=None)
        return count

    with Flow("f") as flow:
        t = long()

    assert flow.run().result[t].result == 3000


def test_the_handlers_see_each_iteration():
    """4.8, 4.11"""
    seen = SharedList()

    @task(state_handlers=[lambda task, old, new: seen.append((type(old), type(new)))])
    def twice():
        if context.get("task_loop_count", 1) == 1:
            raise LOOP("once more", result=1)

    with Flow("f") as flow:
        twice()

    flow.run()

    assert [new for _, new in seen] == [Running, Looped, Running, Success]


def test_a_handler_may_end_the_loop():
    """4.8, 4.11"""

    def stop(task, old, new):
        return Success(result="stopped") if new.is_looped() and new.loop_count == 2 else None

    @task(state_handlers=[stop])
    def forever():
        raise LOOP(result=1)

    with Flow("f") as flow:
        t = forever()

    assert flow.run().result[t].result == "stopped"


def test_a_retry_goes_on_at_the_same_iteration(executor):
    """4.8"""
    seen = SharedList()

    @task(max_retries=1, retry_delay=NOW)
    def shaky():
        count, attempt = context.get("task_loop_count", 1), context.task_run_count
        seen.append((count, attempt, context.get("task_loop_result")))
        if count == 2 and attempt == 1:
            raise ValueError
        if count < 4:
            raise LOOP(result=count * 10)
        return "end"

    with Flow("f") as flow:
        t = shaky()

    state = flow.run(executor=executor)

    assert state.result[t].result == "end"
    assert seen == [(1, 1, None), (2, 1, 10), (2, 2, 10), (3, 1, 20), (4, 1, 30)]


def test_each_iteration_has_all_the_retries(executor):
    """4.8"""
    seen = SharedList()

    @task(max_retries=1, retry_delay=NOW)
    def shaky():
        count, attempt = context.get("task_loop_count", 1), context.task_run_count
        seen.append((count, attempt))
        if attempt == 1:
            raise ValueError
        if count < 3:
            raise LOOP(result=count)
        return "end"

    with Flow("f") as flow:
        t = shaky()

    assert flow.run(executor=executor).result[t].result == "end"
    assert seen == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]


def test_a_raised_retry_inside_a_loop_keeps_the_iteration():
    """4.8"""
    seen = SharedList()

    @task
    def shaky():
        count, attempt = context.get("task_loop_count", 1), context.task_run_count
        seen.append((count, attempt, context.get("task_loop_result")))
        if count == 1:
            raise LOOP(result="carried")
        if attempt == 1:
            raise RETRY("again")

    with Flow("f") as flow:
        shaky()

    assert flow.run().is_successful()
    assert seen == [(1, 1, None), (2, 1, "carried"), (2, 2, "carried")]


def test_mapped_children_loop_by_themselves(executor):
    """4.8"""

    @task
    def up_to(x):
        count = context.get("task_loop_count", 1)
        if count < x:
            raise LOOP(result=count)
        return count, context.get("task_loop_result")

    with Flow("f") as flow:
        m = up_to.map([1, 2, 3])

    assert flow.run(executor=executor).result[m].result == [(1, None), (2, 1), (3, 2)]


def test_mapped_children_loop_with_retries_of_their_own(executor):
    """4.8, 5.5"""
    seen = SharedList()

    @task(max_retries=1, retry_delay=NOW)
    def shaky(x):
        count, attempt = context.get("task_loop_count", 1), context.task_run_count
        seen.append((x, count, attempt))
        if x == 1 and attempt == 1:
            raise ValueError
        if count < 2:
            raise LOOP(result=count)
        return x

    with Flow("f") as flow:
        m = shaky.map([0, 1])

    assert flow.run(executor=executor).result[m].result == [0, 1]
    assert sorted(seen) == [(0, 1, 1), (0, 2, 1), (1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2)]


def test_a_loop_result_may_be_none_or_the_signal():
    """7.1"""
    seen = SharedList()

    @task
    def look():
        seen.append(context.get("task_loop_result"))
        if len(seen) == 1:
            raise LOOP("no result")

    with Flow("f") as flow:
        look()

    flow.run()

    assert isinstance(seen[1], LOOP)


@pytest.mark.parametrize("make", [Pending, Scheduled, Retrying])
def test_a_given_state_may_start_in_the_middle_of_a_loop(make):
    """4.3, 4.8"""
    with Flow("f") as flow:
        t = count_to_three()

    state = flow.run(task_states={t: make(context={"task_loop_count": 3, "task_loop_result": "given"})})

    assert state.result[t].result == (3, "given")


def test_a_loop_is_nobody_elses():
    """4.8"""
    with Flow("f") as flow:
        t = count_to_three()
        below = task(lambda x: (context.task_loop_count, context.get("task_loop_result")), name="below")(t)

    assert flow.run().result[below].result == (1, None)


def test_a_loop_begins_at_the_count_that_the_context_gives(executor):
    """4.8"""
    seen = SharedList()

    @task
    def loop():
        seen.append((context.task_loop_count, context.get("task_loop_result")))
        if context.task_loop_count < 22:
            raise LOOP(result=context.task_loop_count)
        return "end"

    with Flow("f") as flow:
        t = loop()

    given = {"task_loop_count": 20, "task_loop_result": "so far"}
    assert flow.run(context=given, executor=executor).result[t].result == "end"
    assert seen == [(20, "so far"), (21, 20), (22, 21)]


def test_children_and_retries_begin_there_too():
    """4.8"""
    tries = SharedList()

    @task(max_retries=1, retry_delay=NOW)
    def loop(x):
        tries.append((x, context.task_loop_count))
        if len(tries) == 1:
            raise OSError
        if context.task_loop_count < 6:
            raise LOOP

    with Flow("f") as flow:
        loop.map(["a", "b"])

    with context(task_loop_count=5):
        assert flow.run().is_successful()
    assert sorted(tries) == [("a", 5), ("a", 5), ("a", 6), ("b", 5), ("b", 6)]


def test_a_task_in_a_loop_does_not_lend_its_count_to_the_flow_that_it_runs():
    """4.8"""

    @task
    def outer():
        if context.task_loop_count < 3:
            raise LOOP
        with Flow("inner") as inner:
            within = task(lambda: context.task_loop_count, name="within")()
        return inner.run().result[within].result

    with Flow("f") as flow:
        t = outer()

    assert flow.run().result[t].result == 1
