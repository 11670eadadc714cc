"""The time that a run still takes: known where all that is left has run before, and never guessed."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from nbflow import Flow, task
from nbflow.engine.remaining_time import Left, RemainingTime, remaining_s
from tests.patience import PATIENCE_S

seconds = st.floats(0, 1e6)
parts = st.lists(st.builds(Left, seconds, seconds, st.integers(0, 50), st.integers(0, 50)), max_size=20)


def test_what_is_left_is_the_work_that_is_expected_less_what_is_done():
    assert remaining_s([Left(3.0, 1.0), Left(4.0)]) == 6.0


def test_several_places_share_the_work_but_no_task_is_shared():
    assert remaining_s([Left(4.0), Left(4.0)], capacity=2) == 4.0
    assert remaining_s([Left(9.0), Left(1.0)], capacity=2) == 9.0


def test_one_task_of_which_nothing_is_known_leaves_all_unknown():
    assert remaining_s([Left(3.0), Left(None)]) is None


def test_a_map_is_expected_by_the_pace_of_its_own_children():
    assert remaining_s([Left(None, 10.0, done=20, left=40)], capacity=4) == 20.0


def test_a_map_none_of_whose_children_has_ended_is_expected_by_earlier_runs():
    assert remaining_s([Left(40.0, 1.0, left=20)], capacity=4) == 9.0
    assert remaining_s([Left(None, 1.0, left=20)]) is None


def test_nothing_left_takes_no_time():
    assert remaining_s([]) == 0.0


@given(parts, st.integers(1, 8))
def test_it_is_never_negative_and_more_places_never_take_longer(left, capacity):
    found = remaining_s(left, capacity)

    assert found is not None
    assert found >= 0
    assert remaining_s(left, capacity + 1) <= found


@given(parts, seconds)
def test_one_more_task_never_takes_less(left, expected):
    assert remaining_s([*left, Left(expected)]) >= remaining_s(left)


def held_up():
    """A flow whose first task waits for an event of the second run on."""
    go, begun = threading.Event(), threading.Event()
    go.set()

    @task
    def load():
        begun.set()
        assert go.wait(PATIENCE_S)
        return [1, 2]

    @task
    def clean(rows):
        return rows

    with Flow("etl") as flow:
        clean(load())
    return flow, go, begun


def test_a_first_run_expects_nothing_and_a_second_one_what_the_first_took():
    flow, go, begun = held_up()
    flow.run()
    first = flow.runs[-1]
    go.clear()
    begun.clear()
    run = flow.start()
    assert begun.wait(PATIENCE_S)
    load, clean = (flow.get_tasks(name)[0] for name in ("load", "clean"))
    worked = first.timings.work_s(load) + first.timings.work_s(clean)

    assert RemainingTime(run).at(run.timings[load][0]) == round(worked, 1)
    go.set()
    run.wait(timeout_s=PATIENCE_S)
    assert RemainingTime(run).at(run.timings.ended_at) is None


def test_of_a_flow_that_never_ended_well_nothing_is_known():
    flow, go, begun = held_up()
    go.clear()
    run = flow.start()
    assert begun.wait(PATIENCE_S)

    assert RemainingTime(run).at(run.timings.started_at) is None
    go.set()
    run.wait(timeout_s=PATIENCE_S)
