"""Tasks that take too long, wherever they run (flow-model 4.10)."""

from __future__ import annotations

import threading
import time
import warnings
from datetime import timedelta

import pytest

from nbflow import Flow, context, resource_manager, task, triggers
from nbflow.signals import TaskTimeoutSignal
from nbflow.states import Success, TimedOut, TriggerFailed

pytestmark = pytest.mark.slow


def nap(seconds):
    """Sleep in small pieces, so that a thread can be stopped in between."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.005)


def in_another_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join(30)
    return found[0]


@pytest.fixture(params=["inline", "inline in another thread", "threads", "start"])
def run(request):
    """Ways to run a flow, each of which has a way of its own to stop a task."""
    if request.param == "start":
        return lambda flow, **kwargs: flow.start(**kwargs).wait()
    if request.param == "inline in another thread":
        return lambda flow, **kwargs: in_another_thread(lambda: flow.run(**kwargs))
    return lambda flow, **kwargs: flow.run(executor=request.param, **kwargs)


@task(timeout=1)
def too_long(x=0):
    nap(20 if x == 0 else 0)
    return x


def test_a_task_that_takes_too_long_is_timed_out(run):
    """4.10"""
    with Flow("f") as flow:
        a = too_long()
        b = task(lambda x: x, name="b")(a)

    start = time.monotonic()
    state = run(flow)

    assert time.monotonic() - start < 5
    assert state.is_failed()
    assert isinstance(state.result[a], TimedOut)
    assert "timed out" in state.result[a].message
    assert isinstance(state.result[a].result, TaskTimeoutSignal)
    assert isinstance(state.result[b], TriggerFailed)


def test_a_task_that_is_quick_enough_is_not(run):
    """4.10"""
    with Flow("f") as flow:
        a = too_long(5)

    assert run(flow).result[a] == Success(result=5)


def test_a_long_sleep_does_not_hold_up_the_run_on_the_main_thread_or_a_pool():
    """4.10"""

    @task(timeout=1)
    def sleeps():
        time.sleep(4)

    with Flow("f") as flow:
        a = sleeps()

    for executor in ("inline", "threads"):
        start = time.monotonic()
        assert isinstance(flow.run(executor=executor).result[a], TimedOut)
        assert time.monotonic() - start < 4


def test_a_timed_out_task_may_be_tried_again(run):
    """4.7, 4.10"""

    @task(timeout=1, max_retries=1, retry_delay=timedelta(0))
    def second_time():
        nap(20 if context.task_run_count == 1 else 0)
        return context.task_run_count

    with Flow("f") as flow:
        a = second_time()

    assert run(flow).result[a].result == 2


def test_a_permissive_task_below_goes_on(run):
    """4.6, 4.10"""
    with Flow("f") as flow:
        b = task(lambda x: type(x), name="b", trigger=triggers.all_failed)(too_long())

    assert run(flow).result[b].result is TaskTimeoutSignal


def test_mapped_children_time_out_by_themselves(run):
    """4.10"""
    with Flow("f") as flow:
        m = too_long.map([5, 0, 6])

    state = run(flow).result[m]

    assert [type(s) for s in state.map_states] == [Success, TimedOut, Success]


def test_an_error_within_the_time_is_the_tasks_own(run):
    """4.10"""

    @task(timeout=5)
    def fail():
        raise ValueError("mine")

    with Flow("f") as flow:
        a = fail()

    state = run(flow).result[a]

    assert not isinstance(state, TimedOut)
    assert isinstance(state.result, ValueError)


def test_async_tasks_time_out_too(run):
    """4.10"""
    import asyncio

    @task(timeout=1)
    async def sleeps():
        for _ in range(1000):
            await asyncio.sleep(0.01)

    with Flow("f") as flow:
        a = sleeps()
        b = task(lambda: 1, name="b")()

    state = run(flow)

    assert isinstance(state.result[a], TimedOut)
    assert state.result[b].is_successful()


def test_a_task_that_times_out_in_a_block_is_cleaned_up_after(run):
    """4.10, design 5.1"""
    closed = []

    @resource_manager
    class Resource:
        def setup(self):
            return []

        def cleanup(self, resource):
            closed.append(resource)

    with Flow("f") as flow, Resource() as r:
        a = task(lambda r: nap(20), name="a", timeout=1)(r)

    state = run(flow)

    assert isinstance(state.result[a], TimedOut)
    assert len(closed) == 1


def test_a_setup_that_takes_too_long_is_timed_out(run):
    """4.10"""
    closed = []

    @resource_manager(setup_task_kwargs={"timeout": 1})
    class Resource:
        def setup(self):
            nap(3)

        def cleanup(self, resource):
            closed.append(resource)

    with Flow("f") as flow, Resource() as r:
        a = task(lambda r: r, name="a")(r)

    state = run(flow)

    assert isinstance(state.result[r], TimedOut)
    assert isinstance(state.result[a], TriggerFailed)


def test_the_grace_of_nested_blocks_is_waited_for_once():
    """Rule 3: for the blocks around a thread that does not let go together, not one after the other."""
    closed = []

    def manager(name):
        kind = type(
            name, (), {"setup": lambda s: 1, "cleanup": lambda s, r: closed.append((name, time.monotonic()))}
        )
        return resource_manager(name=name, grace_s=0.5)(kind)

    stuck = threading.Event()
    with Flow("f") as flow, manager("outer")(), manager("inner")() as inner:
        task(lambda r: stuck.wait(5), name="stuck", timeout=1)(inner)
    begun = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flow.start(executor="threads").wait(20)
    stuck.set()

    assert [name for name, _ in closed] == ["inner", "outer"]
    assert closed[1][1] - closed[0][1] < 0.4
    assert closed[0][1] - begun >= 1.4
