"""What a run's timings say of loops, and copies of them: a copy tells the same as the run did when it was made."""

from __future__ import annotations

import copy

import cloudpickle
import pytest

from nbflow import Flow, signals, task
from nbflow.core.states import Looped, Running, Success
from nbflow.engine.time_spans import Change, Span, spans_of
from tests.patience import PATIENCE_S


def test_the_turns_of_a_loop_wait_for_no_person():
    changes = [
        Change(1.0, Running(), 1),
        Change(2.0, Looped(), 0),
        Change(5.0, Running(), 1),
        Change(6.0, Success(), 1),
    ]
    assert spans_of(changes) == [
        Span("work", 1.0, 2.0, 1, "Looped"),
        Span("slot", 2.0, 5.0, 1),
        Span("work", 5.0, 6.0, 1, "Success"),
    ]


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda timings: cloudpickle.loads(cloudpickle.dumps(timings))]
)
def test_a_copy_of_the_timings_tells_the_same(copied):
    calls = []

    def turning():
        calls.append(1)
        if len(calls) < 3:
            raise signals.LOOP(result=len(calls))
        return 1

    with Flow("copied") as flow:
        task(turning, name="turning")()
        task(lambda x: x, name="each").map([1, 2])
    run = flow.start()
    run.wait(PATIENCE_S)
    made = copied(run.timings)

    def told(timings):
        return [
            (known.name, times, timings.work_s(known), [timings.spans(known, index) for index in (None, 0, 1)])
            for known, times in timings.items()
        ]

    assert told(made) == told(run.timings)
    assert (made.started_at, made.ended_at) == (run.timings.started_at, run.timings.ended_at)
