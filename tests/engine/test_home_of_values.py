"""The one home of values: states and events refer to them and hold none (docs/reruns.md)."""

from __future__ import annotations

import gc
import weakref
from datetime import timedelta

import pytest

from nbflow import Flow, context, task
from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.engine.object_versions import Followed, take_prints
from nbflow.errors import ValueReleasedError
from nbflow.signals import LOOP
from tests.engine.changing import Box
from tests.shared import SharedList

LIMIT_S = 20


def the_run_of(flow, **options):
    run = flow.start(**options)
    run.wait(LIMIT_S)
    return run


def test_an_event_carries_no_value_and_says_where_it_is(executor):
    """Values, rule V5."""
    with Flow("f") as flow:
        made = task(lambda: [1], name="made")()
    run = the_run_of(flow, executor=executor)
    state = next(event.state for event in run.events if event.task is made and event.state.is_successful())

    with pytest.raises(ValueReleasedError, match=r"events carry no values; ask `run\.results\[task\]`"):
        _ = state.result
    assert run.results[made] == [1]


def test_a_listener_is_told_no_values(executor):
    """Values, rule V5."""
    told = SharedList()
    with Flow("f") as flow:
        task(lambda: [1], name="made")()
    run = flow.start(executor=executor)
    run.listen(told.append, replay=True)
    run.wait(LIMIT_S)

    states = [state for event in (*told, *run.events) for state in (event.old, event.state) if state is not None]

    assert any(state.is_successful() for state in states)
    assert not any("result" in vars(state) and vars(state)["result"] == [1] for state in states)


def test_the_log_keeps_no_value_alive(executor):
    """Values, rule V5."""
    with Flow("f") as flow:
        made = task(lambda: Box([1]), name="made")()
    run = the_run_of(flow, executor=executor)
    value = weakref.ref(run.results[made])
    events = list(run.events)
    del run, flow, made
    gc.collect()

    assert value() is None
    assert events


@pytest.mark.one_memory("the values of an attempt are the worker's")
def test_the_log_keeps_no_earlier_value_of_a_loop_alive(executor):
    """Values, rule V5."""
    made = SharedList()

    def turn():
        box = Box([1])
        made.append(weakref.ref(box))
        if context.get("task_loop_count", 1) < 4:
            raise LOOP(result=box)
        return box

    with Flow("f") as flow:
        turned = task(turn)()
    run = the_run_of(flow, executor=executor)
    gc.collect()

    assert [box() is not None for box in made] == [False, False, False, True]
    assert run.results[turned] is made[-1]()


@pytest.mark.one_memory("the values of an attempt are the worker's")
def test_the_log_keeps_no_frame_of_a_failed_attempt_alive(executor):
    """Values, rule V5: the newest failure's traceback stays, so that it can be debugged."""
    local = SharedList()

    def fail():
        box = Box([1])
        local.append(weakref.ref(box))
        raise ValueError("broken")

    with Flow("f") as flow:
        failed = task(fail, max_retries=3, retry_delay=timedelta(0))()
    run = the_run_of(flow, executor=executor)
    gc.collect()

    assert [box() is not None for box in local] == [False, False, False, True]
    assert run.states[failed].result.__traceback__ is not None


@pytest.mark.one_memory("the values of an attempt are the worker's")
def test_a_success_lets_go_of_the_attempts_that_failed_before(executor):
    """Values, rule V5."""
    local = SharedList()

    def fail():
        box = Box([1])
        local.append(weakref.ref(box))
        if len(local) < 3:
            raise ValueError("broken")

    with Flow("f") as flow:
        task(fail, max_retries=3, retry_delay=timedelta(0))()
    run = the_run_of(flow, executor=executor)
    gc.collect()

    assert run.state.is_successful()
    assert [box() for box in local] == [None, None, None]


def test_a_state_that_the_user_holds_keeps_its_value(executor):
    """Values, rules V5 and V6."""
    with Flow("f") as flow:
        made = task(lambda: Box([1]), name="made")()
    state = flow.run(executor=executor).result[made]
    del flow
    gc.collect()

    assert state.result.content == [1]


def test_large_arrays_are_known_by_the_fingerprints_that_each_has_alone():
    numpy = pytest.importorskip("numpy")
    arrays = [numpy.full(1 << 21, number, dtype="int64") for number in range(3)]
    followed = [Followed(one, 0) for one in (*arrays, [1])]

    take_prints(followed)

    assert [one.print for one in followed] == [known_fingerprint(one) for one in (*arrays, [1])]
    assert len({one.print for one in followed}) == 4
