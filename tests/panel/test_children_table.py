"""The children of a map as a table: every order, a page at a time, and nothing of users' code breaks it."""

from __future__ import annotations

import pytest

from nbflow import Flow, task
from nbflow.panel.inspector.children_table import PAGE, SORTS, rows_of
from tests.panel.conftest import until
from tests.patience import PATIENCE_S

INDEX, STATE, LINE, SECONDS, INPUT, ERROR = range(6)


@task
def clean(row, scale):
    if row == 20:
        raise ValueError("b")
    if row == 3:
        raise KeyError("a")
    return row * scale


@pytest.fixture
def run():
    with Flow("rows") as flow:
        clean.map([10, 3, 20, 1], scale=[1, 1, 2, 2])
    flow.run()
    return flow.runs[-1]


def mapped(run):
    (found,) = run.flow.get_tasks("clean")
    return found


def ask(run, sort="index", *, down=False, failed=False, page=0, **more):
    return rows_of(run, mapped(run), sort, down, failed, page, **more)


def order(run, sort, **options):
    return [row[INDEX] for row in ask(run, sort, **options)["rows"]]


def test_what_failed_comes_first_by_state(run):
    assert order(run, "state") == [1, 2, 0, 3]
    assert order(run, "index", down=True) == [3, 2, 1, 0]


def test_errors_are_sorted_by_their_text_and_what_has_none_comes_last(run):
    assert order(run, "error") == [1, 2, 0, 3]
    assert [row[ERROR] for row in ask(run, "error")["rows"]] == ["KeyError: 'a'", "ValueError: b", "", ""]


def test_only_failed_ones_are_listed_on_demand(run):
    assert order(run, "index", failed=True) == [1, 2]
    assert ask(run, failed=True)["total"] == 2


def test_inputs_that_are_numbers_are_sorted_as_numbers():
    @task
    def double(x):
        return 2 * x

    with Flow("numbers") as flow:
        double.map([10, 9, 2])
    flow.run()
    run = flow.runs[-1]
    (task_,) = flow.get_tasks("double")

    found = rows_of(run, task_, "input", False, False, 0)

    assert [row[INPUT] for row in found["rows"]] == ["2", "9", "10"]


def test_of_several_mapped_arguments_each_is_named(run):
    assert ask(run)["rows"][0][INPUT] == "row=10, scale=1"


def test_time_is_that_of_work_and_nothing_for_what_has_not_begun(run):
    assert all(row[SECONDS] >= 0 for row in ask(run, "time")["rows"])
    held = run.flow.start(paused=True)
    assert rows_of(held, mapped(run), "index", False, False, 0) is None
    held.cancel()
    held.wait(timeout_s=PATIENCE_S)


def test_of_many_one_page_is_told_and_a_page_beyond_the_last_is_the_last():
    with Flow("many") as flow:
        clean.map(list(range(100, 100 + PAGE + 7)), scale=[1] * (PAGE + 7))
    flow.run()
    run = flow.runs[-1]

    found = ask(run, page=9)

    assert (found["page"], found["pages"], found["total"]) == (1, 2, PAGE + 7)
    assert [row[INDEX] for row in found["rows"]] == list(range(PAGE, PAGE + 7))


def test_a_repr_that_raises_costs_its_own_cell_alone():
    class Mute:
        def __repr__(self):
            raise RuntimeError

    @task
    def take(x):
        return None

    with Flow("mute") as flow:
        take.map([Mute(), 1])
    flow.run()
    (task_,) = flow.get_tasks("take")

    found = rows_of(flow.runs[-1], task_, "index", False, False, 0)

    assert found["rows"][1][INPUT] == "1"


def test_the_script_is_told_rows_first_and_their_inputs_after(run, make_panel, sent):
    panel = make_panel(run.flow, run)

    def told():
        contents = [data.get("content", {}) for _, data in sent]
        return [content for content in contents if content.get("kind") == "children_rows"]

    panel._hear({"kind": "children", "key": "clean-1", "sort": "time", "down": True, "failed": False, "page": 0})

    until(lambda: len(told()) == 2)
    first, second = told()
    assert [row[INPUT] for row in first["rows"]] == [None] * 4
    assert None not in [row[INPUT] for row in second["rows"]]


@pytest.mark.parametrize(
    "message", [{}, {"key": "clean-1", "sort": "size", "page": 0}, {"key": 1, "sort": "index", "page": 0}]
)
def test_nonsense_of_a_script_is_passed_over(run, make_panel, sent, message):
    panel = make_panel(run.flow, run)

    panel._hear({"kind": "children", **message})

    assert not [1 for _, data in sent if data.get("content", {}).get("kind") == "children_rows"]


def test_every_column_can_be_sorted_by_in_both_directions(run):
    for sort in SORTS:
        assert sorted(order(run, sort)) == sorted(order(run, sort, down=True)) == [0, 1, 2, 3]
