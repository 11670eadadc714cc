"""Stepping to the end of a block, with waiting and without."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.errors import NothingToStepError
from tests.patience import PATIENCE_S


@pytest.fixture
def gate():
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def flow(gate):
    @resource_manager
    class Place:
        def setup(self):
            return "place"

        def cleanup(self, resource):
            pass

    @task
    def inside(resource):
        assert gate.wait(PATIENCE_S)

    with Flow("example") as flow:
        with Place() as place:
            within = inside(place)
        task(lambda: 1, name="after")(upstream_tasks=[within])
    return flow


def test_step_block_ends_with_the_cleanup_and_stands_still(flow, gate):
    gate.set()
    run = flow.start(paused=True)

    run.step_block()

    assert run.is_paused
    assert [task.name for task, state in run.states.items() if not state.is_finished()] == ["after"]
    run.step_block()  # there is no other block: a step
    assert run.wait(PATIENCE_S).is_successful()


def test_step_block_nowait_returns_while_the_block_still_runs(flow, gate):
    run = flow.start(paused=True)

    run.step_block_nowait()

    assert not run.is_finished
    gate.set()
    run.wait(PATIENCE_S, or_held=True)
    while not run.is_paused:
        run.wait(PATIENCE_S, or_held=True)
    assert [task.name for task, state in run.states.items() if not state.is_finished()] == ["after"]
    run.cancel()
    run.wait(PATIENCE_S)


def test_a_run_that_is_over_can_not_be_stepped(flow, gate):
    gate.set()
    flow.run()

    with pytest.raises(NothingToStepError):
        flow.runs[-1].step_block_nowait()
