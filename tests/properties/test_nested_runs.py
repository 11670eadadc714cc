"""A flow that a task runs: it is known to what ends the outer one, and cleans up first (rule 14)."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest

from nbflow import Flow, resource_manager, states, task
from nbflow.engine.live_runs import live_runs
from tests.patience import PATIENCE_S

KINDS = pytest.mark.parametrize(
    ("what", "outer_on", "inner_on"),
    list(itertools.product(("setup", "cleanup", "task"), ("inline", "threads"), ("inline", "threads"))),
)


class Nested:
    """A flow whose one task runs another, which waits at a place until it is let go, in pieces of user's code."""

    def __init__(self, place, inner_on, **options):
        self.log, self.began, self.free = [], threading.Event(), threading.Event()
        self.place = place
        nested = self

        @resource_manager(name="it")
        class Manager:
            def setup(self):
                nested.wait_at("setup")
                nested.log.append("setup")
                return 1

            def cleanup(self, resource):
                nested.wait_at("cleanup")
                nested.log.append("cleanup")

        with Flow("inner") as self.inner, Manager() as resource:
            task(lambda resource: self.wait_at("task"), name="use")(resource)
        with Flow("outer") as self.outer:
            task(lambda: self.inner.run(executor=inner_on), name="runs", **options)()

    def wait_at(self, place):
        if place == self.place:
            self.began.set()
            until = time.monotonic() + PATIENCE_S
            while not self.free.is_set() and time.monotonic() < until:
                time.sleep(0.002)


@KINDS
def test_a_cancel_of_the_outer_run_lets_the_inner_one_clean_up(what, outer_on, inner_on):
    """Rules 1 and 14."""
    nested = Nested(what, inner_on)
    run = nested.outer.start(executor=outer_on)
    assert nested.began.wait(PATIENCE_S)

    run.cancel()
    inner = nested.inner.runs[-1]
    if what != "task":  # which is interrupted
        until = time.monotonic() + PATIENCE_S
        while inner._loop.asked_with is None and time.monotonic() < until:
            time.sleep(0.002)
        nested.free.set()
    state = run.wait(PATIENCE_S)

    assert type(state) is states.Cancelled
    assert inner.wait(PATIENCE_S).is_finished()
    assert nested.log == ["setup", "cleanup"]


def in_a_daemon(run):
    threading.Thread(target=run, daemon=True).start()
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:  # the task does not end by itself when the inner run has been cancelled
        time.sleep(0.002)


async def in_a_pool(run):
    await asyncio.to_thread(run)
    await asyncio.sleep(PATIENCE_S)


@pytest.mark.parametrize("way", [in_a_daemon, in_a_pool])
@pytest.mark.parametrize("how", ["cancel", "time-out"])
@pytest.mark.parametrize("outer_on", ["inline", "threads"])
def test_a_run_in_a_thread_of_a_tasks_is_cancelled_with_the_task(outer_on, how, way):
    """Rules 14 and 16."""
    nested = Nested("task", "inline")
    with Flow("outer") as outer:
        runs = task(way, name="runs", timeout=1 if how == "time-out" else None)(nested.inner.run)

    run = outer.start(executor=outer_on)
    assert nested.began.wait(PATIENCE_S)
    if how == "cancel":
        run.cancel()
    run.wait(PATIENCE_S)

    assert type(run.states[runs]) is (states.Cancelled if how == "cancel" else states.TimedOut)
    assert type(nested.inner.runs[-1].wait(PATIENCE_S)) is states.Cancelled
    assert nested.log == ["setup", "cleanup"]


@pytest.mark.parametrize("outer_on", ["inline", "threads"])
def test_a_time_out_of_the_outer_task_is_told_when_the_inner_run_has_cleaned_up(outer_on):
    """Rule 14: it is not lost."""
    nested = Nested("task", "inline", timeout=1)

    state = nested.outer.run(executor=outer_on)

    assert state.is_failed()
    assert [type(one) for one in state.result.values()] == [states.TimedOut]
    assert nested.inner.runs[-1].wait(PATIENCE_S).is_finished()
    assert nested.log == ["setup", "cleanup"]


def test_a_run_that_blocks_another_thread_is_among_those_that_an_end_finds():
    """Rule 14."""
    nested = Nested("task", "inline")
    thread = threading.Thread(target=nested.inner.run)
    thread.start()
    assert nested.began.wait(PATIENCE_S)

    (run,) = [one for one in live_runs() if one.flow is nested.inner]
    run._execution.end_soon("the process ends", 0.0)
    thread.join(PATIENCE_S)

    assert type(run.state) is states.Cancelled
    assert nested.log == ["setup", "cleanup"]


def test_a_thread_that_cannot_be_stopped_is_given_up_when_the_process_ends():
    """Rule 14: cleanups begin beside it, without the grace of its block."""
    free, log = threading.Event(), []
    began = threading.Event()

    @resource_manager(grace_s=PATIENCE_S * 10)
    class Manager:
        def setup(self):
            return 1

        def cleanup(self, resource):
            log.append("cleanup")

    def deaf(resource):
        began.set()
        while not free.is_set():
            try:
                free.wait(PATIENCE_S)
            except BaseException:
                continue

    with Flow("f") as flow, Manager() as resource:
        task(deaf)(resource)
    run = flow.start(executor="threads")
    assert began.wait(PATIENCE_S)

    run._execution.end_soon("the process ends", 0.05)
    run.wait(PATIENCE_S)
    free.set()

    assert log == ["cleanup"]
    assert run.is_finished
