"""Time spans given as numbers, and spans longer than there is time (flow-model 3.2, 4.7, 4.9, 4.10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nbflow import Flow, Task, task
from nbflow.errors import OptionError, OptionTypeError
from tests.patience import PATIENCE_S
from tests.shared import SharedList


def failing_once():
    calls = SharedList()

    def work():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError
        return len(calls)

    return work


@pytest.mark.parametrize("delay", [0, 0.001, timedelta(0), timedelta(milliseconds=1)])
def test_a_retry_delay_may_be_a_number_of_seconds(delay, executor):
    """flow-model 4.7"""
    with Flow("f") as flow:
        found = task(failing_once(), max_retries=1, retry_delay=delay)()

    assert flow.run(executor=executor).result[found].result == 2


def test_a_number_of_seconds_is_a_time_span_on_the_task():
    """flow-model 3.2"""
    made = Task(max_retries=1, retry_delay=1.5, cache_for=60)

    assert made.retry_delay == timedelta(seconds=1.5)
    assert made.cache_for == timedelta(minutes=1)
    assert made.copy(retry_delay=2).retry_delay == timedelta(seconds=2)


def test_a_delay_that_was_set_later_counts_too():
    """flow-model 4.7"""
    with Flow("f") as flow:
        found = task(failing_once(), max_retries=1, retry_delay=timedelta(0))()
    found.retry_delay = 0.001

    assert flow.run().result[found].result == 2


@pytest.mark.parametrize("option", ["retry_delay", "cache_for"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [("3", OptionTypeError), (True, OptionTypeError), (-1, OptionError), (float("nan"), OptionError)],
)
def test_what_is_no_time_span_is_refused_when_the_task_is_made(option, value, kind):
    """flow-model 3.2"""
    with pytest.raises(kind, match=option):
        Task(max_retries=1, **{"retry_delay": 0, option: value})


@pytest.mark.parametrize("retries", ["1", 1.5, True])
def test_max_retries_is_a_whole_number(retries):
    """flow-model 3.2"""
    with pytest.raises(OptionTypeError, match="max_retries"):
        Task(max_retries=retries, retry_delay=1)


@pytest.mark.parametrize("option", ["retry_delay", "retry_on"])
def test_a_retry_option_without_retries_is_named(option):
    """flow-model 3.2"""
    with pytest.raises(OptionError, match=f"`max_retries` argument greater than 0.*`{option}`"):
        Task(**{option: {"retry_delay": 1, "retry_on": ValueError}[option]})


@pytest.mark.parametrize("delay", [timedelta.max, 1e300, float("inf"), 1e15])
def test_a_retry_may_be_as_far_away_as_time_goes(delay, executor):
    """flow-model 4.7"""
    with Flow("f") as flow:
        task(failing_once(), max_retries=1, retry_delay=delay)()

    run = flow.start(executor=executor)
    run.listen(lambda event: run.cancel() if event.state and event.state.is_retrying() else None, replay=True)
    state = run.wait(timeout_s=PATIENCE_S)

    assert type(state).__name__ == "Cancelled"


@pytest.mark.parametrize("span", [timedelta.max, 1e300, float("inf")])
def test_a_result_may_be_cached_for_ever(span):
    """flow-model 4.9"""
    with Flow("f") as flow:
        found = task(lambda: 1, name="cached for ever", cache_for=span)()

    state = flow.run().result[found]

    assert state.is_cached()
    assert state.cached_result_expiration == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("limit", [timedelta.max, 10**30])
def test_a_timeout_may_be_as_long_as_you_like(limit, executor):
    """flow-model 4.10"""
    with Flow("f") as flow:
        found = task(lambda: 1, name="quick", timeout=limit)()

    assert flow.run(executor=executor).result[found].result == 1
