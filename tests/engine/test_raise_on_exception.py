"""`context.raise_on_exception`: errors reach the caller, after everything is cleaned up (flow-model 4.5)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nbflow import Flow, Task, context, resource_manager, task
from nbflow.signals import SKIP

RAISE = {"raise_on_exception": True}


@task
def fail(x=None):
    raise ZeroDivisionError("mine")


def test_the_error_of_a_task_reaches_the_caller(executor):
    """4.5"""
    with Flow("f") as flow:
        fail()

    with pytest.raises(ZeroDivisionError, match="mine"):
        flow.run(context=RAISE, executor=executor)


def test_it_may_be_asked_for_around_the_run():
    """4.5"""
    with Flow("f") as flow:
        fail()

    with context(RAISE), pytest.raises(ZeroDivisionError):
        flow.run()
    assert flow.run().is_failed()


def test_nothing_more_is_started():
    """4.5"""
    ran = []
    with Flow("f") as flow:
        a = fail()
        task(lambda: ran.append(1), name="b")().set_upstream(a)

    with pytest.raises(ZeroDivisionError):
        flow.run(context=RAISE)
    assert not ran


def test_the_error_comes_after_the_cleanup(executor):
    """design 5.1"""
    closed = []

    @resource_manager
    class Resource:
        def setup(self):
            return 1

        def cleanup(self, resource):
            closed.append(resource)

    with Flow("f") as flow, Resource() as r:
        fail(r)

    with pytest.raises(ZeroDivisionError):
        flow.run(context=RAISE, executor=executor)
    assert closed == [1]


def test_the_error_of_a_trigger_reaches_the_caller():
    """4.5"""

    def trigger(states):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Flow("f", tasks=[Task("t", trigger=trigger)]).run(context=RAISE)


def test_a_skip_is_no_error():
    """4.5"""

    @task
    def skip():
        raise SKIP

    with Flow("f") as flow:
        skip()

    assert flow.run(context=RAISE).is_successful()


def test_it_comes_before_the_retries():
    """4.5: as soon as the error is there."""
    calls = []

    @task(max_retries=2, retry_delay=timedelta(0))
    def shaky():
        calls.append(1)
        raise ZeroDivisionError

    with Flow("f") as flow:
        shaky()

    with pytest.raises(ZeroDivisionError):
        flow.run(context=RAISE)
    assert len(calls) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_error_that_is_meant_for_the_process_always_reaches_the_caller(error, executor):
    """design 5.1"""

    @task
    def leave():
        raise error

    with Flow("f") as flow:
        leave()

    with pytest.raises(error):
        flow.run(executor=executor)
