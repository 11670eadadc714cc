"""The time of a task told apart: whatever a run does, its spans follow each other, and work is what attempts took."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow import Flow, resource_manager, task
from nbflow.core.states import Failed, Paused, Pending, Retrying, Running, Skipped, Success
from nbflow.engine.compare import compare
from nbflow.engine.record import Timings
from nbflow.engine.time_spans import Change, Span, spans_of, waiting_of, work_of
from tests.patience import PATIENCE_S


def retrying(start, attempt=1):
    return Retrying(start_time=datetime.fromtimestamp(start, UTC), run_count=attempt)


def failing_at_first():
    calls = []

    def flaky():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("at first")
        return 1

    return flaky


def test_waiting_for_a_place_is_no_work():
    changes = [Change(5.0, Running(), 1), Change(7.0, Success(), 1)]
    assert spans_of(changes, ready=2.0) == [Span("slot", 2.0, 5.0, 1), Span("work", 5.0, 7.0, 1, "Success")]


def test_a_retry_has_two_attempts_and_a_delay_between_them():
    changes = [
        Change(1.0, Running(), 1),
        Change(2.0, Failed(), 1),
        Change(2.5, retrying(10.0), 1),
        Change(12.0, Running(), 2),
        Change(13.0, Success(), 2),
    ]
    spans = spans_of(changes)
    assert spans == [
        Span("work", 1.0, 2.0, 1, "Failed"),
        Span("delay", 2.0, 10.0, 2),
        Span("slot", 10.0, 12.0, 2),
        Span("work", 12.0, 13.0, 2, "Success"),
    ]
    assert work_of(spans) == 2.0


def test_a_failure_at_which_a_run_is_held_is_a_hold_until_it_is_tried_again():
    changes = [
        Change(1.0, Running(), 1),
        Change(2.0, Failed(), 1),
        Change(60.0, Pending(), 2),
        Change(60.0, Running(), 2),
        Change(61.0, Success(), 2),
    ]
    kinds = [(span.kind, span.start, span.end) for span in spans_of(changes)]
    assert kinds == [("work", 1.0, 2.0), ("hold", 2.0, 60.0), ("work", 60.0, 61.0)]


def test_a_paused_run_holds_a_task_that_could_start():
    changes = [Change(9.0, Running(), 1), Change(10.0, Success(), 1)]
    kinds = [(span.kind, span.start, span.end) for span in spans_of(changes, ready=1.0, pauses=[(3.0, 8.0)])]
    assert kinds == [("slot", 1.0, 3.0), ("hold", 3.0, 8.0), ("slot", 8.0, 9.0), ("work", 9.0, 10.0)]


def test_a_breakpoint_holds_a_task_from_when_it_is_met():
    changes = [Change(9.0, Running(), 1), Change(10.0, Success(), 1)]
    kinds = [
        (span.kind, span.start, span.end)
        for span in spans_of(changes, ready=1.0, held=[(2.0, 9.0)], pauses=[(3.0, 9.0)])
    ]
    assert kinds == [("slot", 1.0, 2.0), ("hold", 2.0, 9.0), ("work", 9.0, 10.0)]


def test_what_was_never_called_took_no_time():
    assert spans_of([Change(5.0, Skipped(), 0)], ready=1.0) == []


def test_what_goes_on_has_no_end_yet():
    spans = spans_of([Change(5.0, Running(), 1)])
    assert spans == [Span("work", 5.0, None, 1)]
    assert work_of(spans, now=8.0) == 3.0


def test_what_waits_is_held_as_soon_as_its_run_is_paused():
    assert waiting_of(1.0, 9.0, pauses=[(3.0, None)]) == [Span("slot", 1.0, 3.0, 1), Span("hold", 3.0, None, 1)]
    assert waiting_of(1.0, 9.0, pauses=[(3.0, 5.0)])[-1] == Span("slot", 5.0, None, 1)
    assert waiting_of(1.0, 1.0) == [Span("slot", 1.0, None, 1)]


def test_a_delay_has_no_end_before_it_is_over():
    changes = [Change(1.0, Running(), 1), Change(2.0, Failed(), 1), Change(2.0, retrying(10.0), 1)]
    assert spans_of(changes, now=5.0)[-1] == Span("delay", 2.0, None, 2)
    assert spans_of(changes, now=11.0)[-2:] == [Span("delay", 2.0, 10.0, 2), Span("slot", 10.0, None, 2)]


def test_a_failure_is_held_from_its_end_on():
    changes = [Change(1.0, Running(), 1), Change(2.0, Failed(), 1)]
    assert spans_of(changes, held=[(2.1, None)]) == [Span("work", 1.0, 2.0, 1, "Failed"), Span("hold", 2.0, None, 1)]
    assert spans_of(changes, held=[(2.1, 7.0)])[-1] == Span("hold", 2.0, 7.0, 1)
    assert [span.kind for span in spans_of(changes, held=[(0.5, 0.9)])] == ["work"], "that was before it began"


moments = st.floats(0, 100)
steps = st.lists(
    st.tuples(
        moments,
        st.one_of(
            st.sampled_from([Running(), Failed(), Pending(), Success(), Paused()]), moments.map(lambda at: retrying(at))
        ),
        st.integers(0, 3),
    ),
    max_size=8,
)


@given(
    steps=steps,
    ready=st.none() | moments,
    held=st.lists(st.tuples(moments, st.none() | moments), max_size=3),
    pauses=st.lists(st.tuples(moments, st.none() | moments), max_size=3),
    now=st.none() | st.just(200.0),
)
def test_spans_follow_each_other_without_a_gap(steps, ready, held, pauses, now):
    changes = [Change(*step) for step in steps]
    spans = spans_of(changes, ready=ready, held=held, pauses=pauses, now=now)
    for span, following in itertools.pairwise(spans):
        assert span.end is not None
        assert span.end > span.start
        assert span.end == following.start
    assert 0.0 <= work_of(spans, now=200.0) <= 200.0
    if spans and ready is not None:
        assert spans[0].start == ready


def test_the_time_of_a_run_of_a_map_on_few_threads_is_told_apart():
    calls = []

    def flaky(x):
        calls.append(x)
        if calls.count(x) == 1 and x % 2:
            raise ValueError("at first")
        return x

    with Flow("few") as flow:
        each = task(flaky, name="each", max_retries=1, retry_delay=timedelta(0)).map(list(range(6)))
    run = flow.start(executor="threads")
    run.wait(PATIENCE_S)
    timings = run.timings
    for index in range(6):
        spans = timings.spans(each, index)
        assert [span.state for span in spans if span.kind == "work"] == (["Failed"] if index % 2 else []) + ["Success"]
        assert all(one.end == other.start for one, other in itertools.pairwise(spans))
        assert 0 <= timings.work_s(each, index) <= spans[-1].end - spans[0].start + 1e-6
    assert timings.work_s(each) == pytest.approx(sum(timings.work_s(each, index) for index in range(6)))
    assert timings.spans(each) == []
    assert timings.held_s == 0


def test_what_a_person_made_a_run_wait_for_is_held_and_no_work():
    with Flow("held") as flow:
        one = task(lambda: 1, name="one")()
        two = task(lambda x: x, name="two")(one)
    run = flow.start(paused=True)
    run.wait(PATIENCE_S, or_held=True)
    assert run.is_paused
    run.resume()
    run.wait(PATIENCE_S)
    assert run.timings.held_s > 0
    assert run.timings.work_s(two) <= run.timings.ended_at - run.timings.started_at - run.timings.held_s + 1e-6


def kinds(run, task):
    return [span.kind for span in run.timings.spans(task)]


def test_a_failure_that_is_held_waits_for_a_person_for_as_long_as_it_is():
    with Flow("fails") as flow:
        bad = task(lambda: 1 / 0, name="bad")()
        after = task(lambda x: x, name="after")(bad)
    run = flow.start(hold_on_failure=True)
    run.wait(PATIENCE_S, or_held=True)
    assert kinds(run, bad)[-2:] == ["work", "hold"]
    assert run.timings.spans(bad)[-1].end is None
    assert kinds(run, after) == [], "it cannot start: what it takes is not there"
    worked = run.timings.work_s(bad)
    run.resume()
    run.wait(PATIENCE_S)
    hold = run.timings.spans(bad)[-1]
    assert (hold.kind, hold.end is None) == ("hold", False)
    assert run.timings.work_s(bad) == worked
    assert run.timings.is_divided(bad)


def test_a_failure_that_was_held_and_tried_again_keeps_the_begin_of_its_first_attempt():
    flaky = failing_at_first()
    with Flow("again") as flow:
        one = task(flaky, name="one")()
    run = flow.start(hold_on_failure=True)
    run.wait(PATIENCE_S, or_held=True)
    begun = run.timings[one][0]
    run.retry(one)
    run.resume()
    run.wait(PATIENCE_S)
    assert [kind for kind in kinds(run, one) if kind != "slot"] == ["work", "hold", "work"]
    assert run.timings[one][0] == begun
    assert run.timings.work_s(one) < run.timings[one][1] - begun


def test_a_value_that_a_person_gives_to_a_held_failure_ends_its_hold():
    with Flow("given") as flow:
        bad = task(lambda: 1 / 0, name="bad")()
    run = flow.start(hold_on_failure=True)
    run.wait(PATIENCE_S, or_held=True)
    run.set_result(bad, 1)
    run.resume()
    run.wait(PATIENCE_S)
    assert kinds(run, bad)[-2:] == ["work", "hold"]
    assert run.timings.spans(bad)[-1].end == run.timings[bad][1]


def test_the_first_task_of_a_run_that_was_started_paused_waits_for_a_person():
    with Flow("paused") as flow:
        one = task(lambda: 1, name="one")()
        two = task(lambda x: x, name="two")(one)
    run = flow.start(paused=True)
    run.wait(PATIENCE_S, or_held=True)
    assert kinds(run, one)[-1] == "hold"
    assert run.timings.spans(one)[-1].end is None
    assert kinds(run, two) == []
    run.resume()
    run.wait(PATIENCE_S)
    assert [kind for kind in kinds(run, one) if kind != "slot"] == ["hold", "work"]
    assert "hold" not in kinds(run, two)


def test_a_task_waits_for_its_block_to_open_and_the_block_waits_for_nothing():
    @resource_manager
    class Room:
        def setup(self):
            return 1

        def cleanup(self, resource):
            pass

    with Flow("rooms") as flow:
        with Room() as room:
            inside = task(lambda x: x, name="inside")(room)
        after = task(lambda x: x, name="after")(inside)
    run = flow.start()
    run.wait(PATIENCE_S)
    block = run.graph.blocks[0]
    assert kinds(run, inside) == ["slot", "work"]
    assert run.timings.spans(inside)[0].end >= run.timings[block.setup_task][1]
    for one in (block.init_task, block.setup_task, block.cleanup_task):
        assert kinds(run, one) == ["work"]
    assert run.timings.spans(after)[0].start >= run.timings[inside][1]


def test_times_that_were_kept_are_one_attempt():
    with Flow("kept"):
        one = task(lambda: 1, name="one")()
    kept = Timings()
    kept[one] = (2.0, 5.0)
    assert kept.spans(one) == [Span("work", 2.0, 5.0, 1)]
    assert kept.work_s(one) == 3.0


def test_a_plan_and_a_comparison_leave_out_what_was_no_work():
    flaky = failing_at_first()
    with Flow("planned") as flow:
        one = task(flaky, name="one", max_retries=1, retry_delay=timedelta(seconds=0.05))()
    run = flow.start()
    run.wait(PATIENCE_S)
    begun, ended = run.timings[one]
    worked = run.timings.work_s(one)
    assert worked <= ended - begun - 0.04, "the delay is no work"
    assert flow.plan()[one].expected_s == worked
    assert compare(run, run).tasks[0].seconds == (worked, worked)
