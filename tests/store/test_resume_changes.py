"""Rule V2, resume from the store: a task is handed what it would meet in a fresh run, never what others have left."""

from __future__ import annotations

import json

import pytest

from nbflow import Flow, task
from nbflow.errors import NothingToRerunError

CALLED: list[str] = []


def said(name, value=None):
    CALLED.append(name)
    return value


def taken():
    called = CALLED.copy()
    CALLED.clear()
    return called


@pytest.fixture(autouse=True)
def _nothing_was_called():
    CALLED.clear()


def make(store, *, reader=1, adder=1, alias=False):
    """Make the flow again, as the next kernel does; `reader` and `adder` stand for edits of these tasks' code."""
    with Flow("f", store=store) as flow:
        rows = task(lambda: said("rows", [1]), name="rows")()
        early = task(lambda rows: said("early", len(rows)), name="early")(rows)
        handed = task(lambda rows: said("handed", rows), name="handed")(rows) if alias else rows
        if adder == 1:
            added = task(lambda rows, _: said("add", rows.append(2)), name="add")(handed, early)
        else:
            added = task(lambda rows, _: said("add", rows.append(20)), name="add")(handed, early)
        if reader == 1:
            read = task(lambda rows, _: said("read", list(rows)), name="read")(rows, added)
        else:
            read = task(lambda rows, _: said("read", [*rows, "edited"]), name="read")(rows, added)
        task(lambda read: said("last", sum(1 for _ in read)), name="last")(read)
    return flow, {one.name: one for one in flow.tasks}


def end(run):
    run.wait(30)
    return taken()


@pytest.mark.parametrize("alias", [False, True])
def test_a_task_gets_the_version_that_it_would_get_in_a_fresh_run(store, alias):
    make(store, alias=alias)[0].run()
    taken()
    flow, tasks = make(store, reader=2, alias=alias)

    run = flow.resume("stale")

    assert end(run) == ["add", "read", "last"]
    assert run.results[tasks["read"]] == [1, 2, "edited"]


def test_the_plan_says_who_changes_what(store):
    make(store)[0].run()
    flow, _ = make(store, reader=2)

    plan = flow.resume("stale", dry=True)

    why = {step.task.name: step.why for step in plan.steps}
    assert why["add"] == "changes the value of 'rows' in place"
    assert why["rows"] == "computed in run 1"


def test_a_task_that_comes_before_the_change_gets_the_value_as_it_was(store):
    make(store)[0].run()
    taken()
    flow, tasks = make(store)

    run = flow.resume([tasks["early"]])

    assert end(run)[0] == "early"
    assert run.results[tasks["early"]] == 1


def test_an_edit_of_the_task_that_changes_runs_those_that_take_the_value_later(store):
    make(store)[0].run()
    taken()
    flow, tasks = make(store, adder=2)

    run = flow.resume("stale")

    assert end(run) == ["add", "read", "last"]
    assert run.results[tasks["read"]] == [1, 20]


def test_nothing_runs_where_nothing_has_changed(store):
    make(store)[0].run()
    taken()

    assert end(make(store)[0].resume()) == []


def test_two_runs_that_go_on_from_one_do_not_see_what_the_other_has_changed(store):
    make(store)[0].run()
    taken()
    flow, tasks = make(store, reader=2)
    stored = flow.stored_runs()[-1]
    assert stored.results[tasks["rows"]] == [1]

    runs = [stored.resume("stale") for _ in range(3)]
    for run in runs:
        run.wait(30)

    assert [run.results[tasks["read"]] for run in runs] == [[1, 2, "edited"]] * 3
    assert stored.results[tasks["rows"]] == [1]
    assert all(run.parent is stored for run in runs)


def test_a_run_that_goes_on_from_one_that_went_on_knows_the_changes_too(store):
    make(store)[0].run()
    make(store)[0].resume().wait(30)
    taken()
    flow, tasks = make(store, reader=2)

    run = flow.resume("stale")

    assert end(run) == ["add", "read", "last"]
    assert run.results[tasks["read"]] == [1, 2, "edited"]


def test_what_was_changed_is_known_of_a_run_whose_kernel_died(store):
    make(store)[0].run()
    taken()
    path = next(store.rglob("run.json"))
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"changed": {}, "ended": None, "state": "Running"}))
    flow, tasks = make(store, reader=2)

    run = flow.resume("stale")

    assert end(run) == ["add", "read", "last"]
    assert run.results[tasks["read"]] == [1, 2, "edited"]


def test_what_a_mapped_task_changes_is_known(store):
    def make_one(last):
        with Flow("g", store=store) as flow:
            rows = task(lambda: [[1], [2]], name="rows")()
            each = task(lambda row: said("each", row.append(0)), name="each").map(rows)
            read = task(last, name="read")(rows, each)
        return flow, read

    make_one(lambda rows, _: rows)[0].run()
    taken()
    flow, read = make_one(lambda rows, _: [len(row) for row in rows])

    run = flow.resume("stale")

    assert end(run) == ["each", "each"]
    assert run.results[read] == [2, 2]


def test_a_value_that_a_person_has_set_is_changed_again_by_the_task_that_changes_it(store):
    flow, tasks = make(store)
    run = flow.start(paused=True)
    run.set_result(tasks["rows"], [5])
    run.resume()
    run.wait(30)
    taken()
    flow, tasks = make(store, reader=2)

    run = flow.resume("stale")

    assert end(run) == ["add", "read", "last"]
    assert run.results[tasks["read"]] == [5, 2, "edited"]


def test_a_rerun_of_a_run_that_went_on_knows_the_changes_too(store):
    make(store)[0].run()
    flow, tasks = make(store)
    run = flow.resume()
    run.wait(30)
    taken()

    again = run.rerun([tasks["read"]])

    assert end(again) == ["add", "read", "last"]
    assert again.results[tasks["read"]] == [1, 2]
    assert end(again.rerun([tasks["read"]])) != []
    assert flow.runs[-1].results[tasks["read"]] == [1, 2]


def test_a_rerun_of_a_run_that_went_on_runs_nothing_where_nothing_has_changed(store):
    make(store)[0].run()
    flow, _ = make(store)
    run = flow.resume()
    run.wait(30)

    with pytest.raises(NothingToRerunError):
        run.rerun("stale")
