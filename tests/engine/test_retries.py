"""Trying again: `max_retries`, `retry_on`, RETRY, and what waits for it (flow-model 4.7)."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from nbflow import Flow, context, task, triggers
from nbflow.signals import FAIL, RETRY, SKIP
from nbflow.states import Failed, Retrying, Running, Scheduled, Success, TriggerFailed
from tests.shared import SharedList

NOW = timedelta(0)


def failing(times, *, error=ValueError, **options):
    """Make a task that fails so many times, and a list of its run counts."""
    counts = SharedList()

    @task(name="failing", **options)
    def run():
        counts.append(context.task_run_count)
        if len(counts) <= times:
            raise error("again")
        return "done"

    return run, counts


def test_a_task_is_tried_again_until_it_succeeds(executor):
    """4.7"""
    t, counts = failing(2, max_retries=2, retry_delay=NOW)
    with Flow("f") as flow:
        a = t()

    state = flow.run(executor=executor)

    assert state.result[a] == Success(result="done")
    assert counts == [1, 2, 3]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_task_that_goes_on_failing_is_tried_once_more_than_its_retries(retries, executor):
    """4.7"""
    t, counts = failing(10, max_retries=retries, retry_delay=NOW if retries else None)
    with Flow("f") as flow:
        a = t()

    state = flow.run(executor=executor)

    assert type(state.result[a]) is Failed
    assert counts == list(range(1, retries + 2))


def test_a_raised_fail_is_tried_again_too():
    """4.7"""
    t, counts = failing(1, error=FAIL, max_retries=1, retry_delay=NOW)
    with Flow("f") as flow:
        a = t()

    assert flow.run().result[a].is_successful()
    assert counts == [1, 2]


def test_a_skip_is_not_tried_again():
    """4.7"""
    t, counts = failing(1, error=SKIP, max_retries=1, retry_delay=NOW)
    with Flow("f") as flow:
        a = t()

    assert flow.run().result[a].is_skipped()
    assert counts == [1]


@pytest.mark.parametrize(
    ("retry_on", "attempts"),
    [(ValueError, 3), (Exception, 3), (KeyError, 1), ({KeyError, OSError}, 1), ({KeyError, ValueError}, 3)],
)
def test_only_the_errors_asked_for_are_tried_again(retry_on, attempts):
    """4.7"""
    t, counts = failing(10, max_retries=2, retry_delay=NOW, retry_on=retry_on)
    with Flow("f") as flow:
        t()

    flow.run()

    assert len(counts) == attempts


def test_a_failed_trigger_is_not_tried_again():
    """4.7"""
    t, counts = failing(0, max_retries=2, retry_delay=NOW, trigger=triggers.all_failed)
    with Flow("f") as flow:
        b = t()
        b.set_upstream(task(lambda: 1, name="a")())

    assert isinstance(flow.run().result[b], TriggerFailed)
    assert counts == []


def test_what_is_below_waits_for_the_retries(executor):
    """4.7"""
    t, _ = failing(1, max_retries=1, retry_delay=timedelta(seconds=0.05))
    with Flow("f") as flow:
        b = task(lambda x: x, name="b")(t())

    assert flow.run(executor=executor).result[b].result == "done"


def test_the_delay_is_kept(executor):
    """4.7"""
    t, _ = failing(1, max_retries=1, retry_delay=timedelta(seconds=0.2))
    with Flow("f") as flow:
        t()

    start = time.monotonic()
    assert flow.run(executor=executor).is_successful()
    assert time.monotonic() - start >= 0.2


def test_other_tasks_go_on_while_one_waits_to_be_tried_again():
    """4.7"""
    order = SharedList()
    t, _ = failing(1, max_retries=1, retry_delay=timedelta(seconds=2))
    with Flow("f") as flow:
        task(lambda x: order.append("below"), name="below")(t())
        task(lambda: order.append("other"), name="other")()

    flow.run()

    assert order == ["other", "below"]


def test_the_handlers_see_the_retries():
    """4.7, 4.11"""
    seen = SharedList()
    t, _ = failing(1, max_retries=1, retry_delay=NOW, state_handlers=[lambda task, old, new: seen.append(new)])
    with Flow("f") as flow:
        t()

    flow.run()

    assert [type(state) for state in seen] == [Running, Failed, Retrying, Running, Success]
    assert seen[2].run_count == 1
    assert isinstance(seen[2].start_time, datetime)


def test_a_raised_retry_is_honoured_beyond_the_retries_of_the_task(executor):
    """4.7"""
    t, counts = failing(3, error=RETRY)
    with Flow("f") as flow:
        a = t()

    assert flow.run(executor=executor).result[a].is_successful()
    assert counts == [1, 2, 3, 4]


@pytest.mark.parametrize("naive", [False, True])
def test_a_raised_retry_may_say_when(naive):
    """4.7, 7.1"""
    times = SharedList()

    @task
    def later():
        times.append(time.monotonic())
        if len(times) == 1:
            at = datetime.now(UTC) + timedelta(seconds=0.15)
            raise RETRY("wait", start_time=at.replace(tzinfo=None) if naive else at)

    with Flow("f") as flow:
        later()

    assert flow.run().is_successful()
    assert times[1] - times[0] > 0.1


def test_a_handler_may_turn_a_failure_into_a_success_instead_of_a_retry():
    """4.11"""
    t, counts = failing(
        5,
        max_retries=2,
        retry_delay=NOW,
        state_handlers=[lambda task, old, new: Success(result=0) if new.is_retrying() else None],
    )
    with Flow("f") as flow:
        a = t()

    assert flow.run().result[a] == Success(result=0)
    assert counts == [1]


def test_the_inputs_are_the_same_at_each_attempt(executor):
    """4.7"""
    seen = SharedList()

    @task(max_retries=2, retry_delay=NOW)
    def use(x, y):
        seen.append((x, y))
        if len(seen) < 3:
            raise ValueError

    with Flow("f") as flow:
        use(task(random.random, name="a")(), 3)

    assert flow.run(executor=executor).is_successful()
    assert len(set(seen)) == 1


def test_a_given_retrying_state_counts_on():
    """4.3, 4.7"""
    t, counts = failing(10, max_retries=3, retry_delay=NOW)
    with Flow("f") as flow:
        a = t()

    flow.run(task_states={a: Retrying(run_count=2)})

    assert counts == [3, 4]


def test_a_given_state_scheduled_in_the_future_waits_for_its_time():
    """4.2, 4.5"""
    with Flow("f") as flow:
        a = task(lambda: time.monotonic(), name="a")()

    start = time.monotonic()
    state = flow.run(task_states={a: Scheduled(start_time=datetime.now(UTC) + timedelta(seconds=0.15))})

    assert state.result[a].result - start > 0.1


def test_mapped_children_are_tried_again_by_themselves(executor):
    """5.5"""
    ran = SharedList()

    @task(max_retries=2, retry_delay=NOW)
    def child(x):
        ran.append((x, context.task_run_count))
        if x and context.task_run_count <= x:
            raise ValueError
        return x

    with Flow("f") as flow:
        m = child.map([0, 1, 2])

    state = flow.run(executor=executor)

    assert state.result[m].result == [0, 1, 2]
    assert sorted(ran) == [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]


def test_a_child_tried_in_vain_fails_only_its_own_line(executor):
    """5.5"""

    @task(max_retries=1, retry_delay=NOW)
    def child(x):
        if x == 1:
            raise ValueError
        return x

    with Flow("f") as flow:
        m = child.map([0, 1, 2])
        below = task(lambda x: x, name="below").map(m)

    state = flow.run(executor=executor)

    assert [type(s) for s in state.result[below].map_states] == [Success, TriggerFailed, Success]


def test_a_run_that_is_run_again_counts_from_one():
    """4.7"""
    t, counts = failing(1, max_retries=1, retry_delay=NOW)
    with Flow("f") as flow:
        t()

    flow.run()
    flow.run()

    assert counts == [1, 2, 1]


def test_the_state_that_waits_says_which_attempt_it_was():
    """6.4"""
    seen = SharedList()
    t, _ = failing(1, max_retries=1, retry_delay=NOW, state_handlers=[lambda t, old, new: seen.append(new)])
    with Flow("f") as flow:
        t()

    flow.run()

    (retrying,) = [state for state in seen if state.is_retrying()]
    assert retrying.context["task_run_count"] == 1
