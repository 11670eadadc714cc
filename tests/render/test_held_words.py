"""What a run that is held says of itself, and what it says can be done next."""

from __future__ import annotations

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.render.held_words import held_failure, held_line, next_steps


@resource_manager
def room():
    yield "room"


@task
def load():
    return [1, 2, 3]


@task
def outliers(rows, within):
    raise ValueError(rows)


@pytest.fixture
def flow():
    with Flow("etl run") as flow, room() as within:
        outliers(load(), within)
    return flow


@pytest.fixture
def hold(request):
    """Start a run that is cancelled at the end."""

    def start(flow, **options):
        run = flow.start(**options)
        request.addfinalizer(run.wait)
        request.addfinalizer(run.cancel)
        return run

    return start


def the(flow, name):
    (found,) = flow.get_tasks(name)
    return found


def test_a_run_that_is_held_at_a_failure_says_that_it_failed_and_where(flow, hold):
    run = hold(flow, hold_on_failure=True)
    run.wait(or_held=True)

    assert held_line(run) == "Failed at outliers, held"
    assert held_failure(run) == (the(flow, "outliers"), None)


def test_its_next_steps_are_lines_to_execute_and_name_what_is_open(flow, hold):
    run = hold(flow, hold_on_failure=True)
    run.wait(or_held=True)

    steps = next_steps(run)

    assert steps[0] == (
        "fix the function in its cell, then try it again; room is open",
        "%flow retry 'etl run' outliers",
    )
    assert [line.split()[1] for _, line in steps] == ["retry", "values", "debug", "set", "skip", "cancel"]


def test_a_breakpoint_is_no_failure(flow, hold):
    run = hold(flow, paused=True)
    run.break_at(the(flow, "outliers"))
    run.resume()
    run.wait(or_held=True)

    assert held_line(run) == "Paused before outliers"
    assert held_failure(run) is None
    assert next_steps(run) == []


def test_a_breakpoint_behind_a_task_says_so(flow, hold):
    run = hold(flow, paused=True)
    run.break_at(the(flow, "load"), after=True)
    run.resume()
    run.wait(or_held=True)

    assert held_line(run) == "Paused after load"


def test_a_run_that_is_paused_at_no_task_says_no_more_than_its_state(flow, hold):
    assert held_line(hold(flow, paused=True)) == ""


def test_the_children_of_a_map_are_named_by_their_numbers(hold):
    with Flow("rows") as flow:
        outliers.map(load(), within=[1, 2, 3])

    run = hold(flow, hold_on_failure=True)
    run.wait(or_held=True)

    assert held_line(run) == "Failed at outliers[0], held"
    assert held_failure(run) == (the(flow, "outliers"), 0)


def test_a_task_whose_name_another_one_has_is_named_by_its_slug(hold):
    with Flow("twice") as flow:
        load()
        outliers(1, 2)
        outliers(3, 4)

    run = hold(flow, hold_on_failure=True)
    run.wait(or_held=True)

    assert held_line(run) == "Failed at outliers-1, held"
    assert next_steps(run)[0][1] == "%flow retry twice outliers-1"


def test_a_run_that_has_failed_can_be_rerun_from_there(flow):
    flow.run()

    assert [line for _, line in next_steps(flow.runs[-1])] == ["%flow rerun 'etl run' failed", "%flow debug 'etl run'"]


def test_a_run_that_went_well_needs_nothing():
    with Flow("well") as flow:
        load()
    flow.run()

    assert next_steps(flow.runs[-1]) == []
    assert held_line(flow.runs[-1]) == ""
