"""Runs of earlier kernels in the panel: listed from the store, and gone on from with the plan shown first."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, task
from tests.panel.conftest import until
from tests.panel.test_panel import head
from tests.panel.test_rerun_dialog import told


def make(store, *, fails=False, new_code=False):
    """Make the flow, as the next kernel does."""

    def work(x):
        return x + 1

    def failing(x):
        raise ValueError("not yet")

    with Flow("example", store=store) as flow:
        first = task((lambda n: 10 * n) if new_code else (lambda n: n), name="load")(Parameter("n", default=1))
        flow.last = task(failing if fails else work, name="work")(first)
    return flow


@pytest.fixture
def store(tmp_path):
    """A store with a run of an earlier kernel whose last task failed."""
    make(tmp_path / "kept", fails=True).run(n=5, flow_run_name="first try", run_tags=["large"], run_note="<b>note</b>")
    return tmp_path / "kept"


@pytest.fixture
def ask(sent):
    """Say something as the script does; returns what is shown in answer."""

    def ask(panel, kind, **fields):
        part = next(part for part in panel.parts if kind in part.handles)
        panel._body._handle_custom_msg({"kind": kind, **fields}, [])
        part.listing.settle()
        part.background.settle()
        return (told(sent, panel, "earlier" if kind == "list_earlier" else "plan") or [None])[-1]

    return ask


def stored_id(flow):
    return flow.stored_runs()[0].id


def test_they_are_listed_with_what_is_said_of_them(make_panel, ask, store):
    panel = make_panel(make(store))

    listed = ask(panel, "list_earlier")

    (run,) = listed["runs"]
    assert (run["number"], run["state"], run["tasks"]) == (1, "Failed", "1 of 2, 1 failed")
    assert (run["name"], run["tags"], run["note"]) == ("first try", "large", "<b>note</b>")
    assert (run["kind"], run["parameters"]) == ("earlier kernel", "n = 5")
    assert listed["trouble"] == []


def test_nothing_is_read_before_it_was_asked_for_and_a_run_of_this_kernel_is_not_among_them(
    make_panel, sent, ask, store
):
    flow = make(store)
    panel = make_panel(flow)
    flow.run()

    assert told(sent, panel, "earlier") == []
    assert [run["number"] for run in ask(panel, "list_earlier")["runs"]] == [1]


def test_a_flow_without_a_store_has_none(make_panel, ask):
    assert ask(make_panel(make(None)), "list_earlier") == {"kind": "earlier", "runs": [], "trouble": []}


@pytest.mark.parametrize("name", ["run.json", "label.json", "load-1.*"])
def test_a_store_that_cannot_be_read_is_told_in_words(make_panel, ask, store, name):
    next(store.rglob(name)).write_text("damaged")
    panel = make_panel(make(store))

    listed = ask(panel, "list_earlier")

    assert listed["runs"] == []
    assert len(listed["trouble"]) == 1
    assert panel._head.error == ""


def test_the_plan_is_shown_first_and_only_what_is_left_runs(make_panel, ask, store):
    flow = make(store, fails=True)
    panel = make_panel(flow)

    shown = ask(panel, "resume", id=stored_id(flow))

    assert shown["title"] == "Resume stored run 1 (first try)"
    assert shown["follow"] == "follow_resume"
    assert [(name, runs) for _, name, runs, _, _ in shown["rows"]] == [("load", 0), ("work", 1)]
    assert len(flow.runs) == 0

    ask(panel, "follow_resume")
    flow.runs[-1].wait()

    assert flow.runs[-1].parent.number == 1
    assert flow.runs[-1].parameters == {"n": 5}
    assert {task.name: source for task, source in flow.runs[-1].sources.items()}["load"] == "reused"
    until(lambda: head(panel)["number"] == 2)


def test_pressed_twice_it_begins_one_run(make_panel, ask, store):
    flow = make(store, fails=True)
    panel = make_panel(flow)
    ask(panel, "resume", id=stored_id(flow))

    ask(panel, "follow_resume")
    flow.runs[-1].wait()
    ask(panel, "follow_resume")

    assert len(flow.runs) == 1


def test_after_a_change_of_code_it_asks_what_is_to_run(make_panel, ask, store):
    flow = make(store, new_code=True)
    panel = make_panel(flow)

    shown = ask(panel, "resume", id=stored_id(flow))

    assert shown["is_empty"]
    assert shown["headline"] == "Something has changed since. Say what is to run:"
    assert ["load-1", "its code has changed"] in shown["changes"]
    assert [what for _, what, _ in shown["choices"]] == ["stale", "failed", "all"]

    shown = ask(panel, "resume", id=stored_id(flow), what="stale")
    assert [runs for _, _, runs, _, _ in shown["rows"]] == [1, 1]
    ask(panel, "follow_resume")
    flow.runs[-1].wait()
    assert flow.runs[-1].results[flow.last] == 51


def test_while_a_run_is_going_it_says_so(make_panel, ask, store):
    flow = make(store)
    panel = make_panel(flow)
    flow.start(paused=True)

    shown = ask(panel, "resume", id=stored_id(flow))

    assert shown["headline"] == "Run 2 is still going. Cancel it, or wait for its end."
    ask(panel, "follow_resume")
    assert len(flow.runs) == 1


@pytest.mark.parametrize("run_id", ["", "not there", None, 3])
def test_a_run_that_is_not_there_is_said_to_be_gone(make_panel, ask, store, run_id):
    shown = ask(make_panel(make(store)), "resume", id=run_id)

    assert shown["headline"] == "This run is not in the store any more, or cannot be read."


def test_a_result_that_is_lost_after_the_plan_was_shown_is_told(make_panel, ask, store):
    flow = make(store, fails=True)
    panel = make_panel(flow)
    ask(panel, "resume", id=stored_id(flow))
    next(store.rglob("run.json")).unlink()

    shown = ask(panel, "follow_resume")

    assert shown["headline"] == "This run is not in the store any more, or cannot be read."
    assert len(flow.runs) == 0


def test_a_run_that_ended_well_is_taken_from_the_store_whole(make_panel, ask, tmp_path):
    make(tmp_path).run(n=5)
    flow = make(tmp_path)
    panel = make_panel(flow)

    shown = ask(panel, "resume", id=stored_id(flow))
    assert (shown["is_empty"], shown["headline"]) == (False, "Nothing runs: all results are taken from the store.")
    ask(panel, "follow_resume")
    flow.runs[-1].wait()

    assert flow.runs[-1].results[flow.last] == 6


def test_a_plan_of_a_rerun_takes_the_place_of_it(make_panel, ask, sent, store):
    flow = make(store, fails=True)
    flow.run()
    panel = make_panel(flow, flow.runs[-1])
    panel.plans.ask("all")
    panel.plans.background.settle()

    shown = ask(panel, "resume", id=flow.stored_runs()[0].id)

    assert shown["follow"] == "follow_resume"
    assert panel.plans._asked is None
