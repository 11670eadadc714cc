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
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow

QUICK_ENOUGH_S = (
    4  # for what does nothing, on the busiest machine; each test that has it waits so long for another task
)


def nap(over=None):
    """Sleep in small pieces until it is stopped, or the event `over` comes; slept to its end, it is an error."""
    until = time.monotonic() + PATIENCE_S
    while over is None or not over.is_set():
        assert time.monotonic() < until, "nobody has stopped it"
        time.sleep(0.005)


def in_another_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
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
    if x == 0:
        nap()
    return x


def test_a_task_that_takes_too_long_is_timed_out(run):
    """4.10"""
    with Flow("f") as flow:
        a = too_long()
        b = task(lambda x: x, name="b")(a)

    state = run(flow)

    assert state.is_failed()
    assert isinstance(state.result[a], TimedOut)
    assert "timed out" in state.result[a].message
    assert isinstance(state.result[a].result, TaskTimeoutSignal)
    assert isinstance(state.result[b], TriggerFailed)


def test_a_task_that_is_quick_enough_is_not(run):
    """4.10"""
    with Flow("f") as flow:
        a = task(lambda: 5, timeout=60)()

    assert run(flow).result[a] == Success(result=5)


def test_a_long_sleep_does_not_hold_up_the_run_on_the_main_thread_or_a_pool():
    """4.10"""
    awake, slept = threading.Event(), []

    @task(timeout=1)
    def sleeps():
        slept.append(awake.wait(PATIENCE_S))  # in one piece, like a call of a library

    with Flow("f") as flow:
        a = sleeps()

    try:
        for executor in ("inline", "threads"):
            assert isinstance(flow.run(executor=executor).result[a], TimedOut)
            assert slept == []
    finally:
        awake.set()


def test_a_timed_out_task_may_be_tried_again(run):
    """4.7, 4.10"""

    @task(timeout=QUICK_ENOUGH_S, max_retries=1, retry_delay=timedelta(0))
    def second_time():
        if context.task_run_count == 1:
            nap()
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
        m = too_long.copy(timeout=QUICK_ENOUGH_S).map([5, 0, 6])

    state = run(flow).result[m]

    assert [type(s) for s in state.map_states] == [Success, TimedOut, Success]


def test_an_error_within_the_time_is_the_tasks_own(run):
    """4.10"""

    @task(timeout=60)
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
        a = task(lambda r: nap(), name="a", timeout=1)(r)

    state = run(flow)

    assert isinstance(state.result[a], TimedOut)
    assert len(closed) == 1


def test_a_setup_that_takes_too_long_is_timed_out(run):
    """4.10"""
    closed, timed_out = [], threading.Event()

    def note(task, old, new):
        if isinstance(new, TimedOut):
            timed_out.set()

    @resource_manager(setup_task_kwargs={"timeout": 1, "state_handlers": [note]})
    class Resource:
        def setup(self):
            nap(timed_out)  # a setup in a thread of a pool is left to end

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
        kind = type(name, (), {"setup": lambda s: 1, "cleanup": lambda s, r: closed.append(name)})
        return resource_manager(name=name, grace_s=0.5)(kind)

    stuck = threading.Event()
    with Flow("f") as flow, manager("outer")(), manager("inner")() as inner:
        task(lambda r: stuck.wait(PATIENCE_S), name="stuck", timeout=1)(inner)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = flow.start(executor="threads")
        run.wait()
    assert not stuck.is_set()
    stuck.set()

    assert closed == ["inner", "outer"]
    assert [sum(word in event.note for event in run.events) for word in ("'inner.c", "'outer.c")] == [1, 1]
    ends = [lifetime.grace_until for lifetimes in run._loop.schedule.lifetimes for lifetime in lifetimes]
    assert len(ends) == 2
    assert ends[0] == ends[1]


@pytest.mark.parametrize("what_then", ["return", "raise", "go on"])
def test_a_task_that_swallows_its_time_out_is_timed_out_all_the_same(run, what_then):
    """flow-model 4.10: on every executor."""

    @task(timeout=1)
    def stubborn():
        try:
            nap()
        except Exception:
            if what_then == "raise":
                raise OSError from None
        return "too late"

    with Flow("f") as flow:
        found = stubborn()
    state = run(flow).result[found]

    assert type(state) is TimedOut
    assert isinstance(state.result, TaskTimeoutSignal)
    assert "timed out" in state.message


def test_a_mapped_child_that_swallows_its_time_out_is_timed_out(run):
    """flow-model 4.10"""

    @task(timeout=1)
    def stubborn(x):
        try:
            nap()
        except Exception:
            return x

    with Flow("f") as flow:
        found = stubborn.map([1])

    assert [type(one) for one in run(flow).result[found].map_states] == [TimedOut]
