"""A rerun shows its plan first, on no callback's thread, and then does what the plan says."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, Parameter, task
from tests.panel.conftest import told, until
from tests.panel.test_panel import enabled, head


@pytest.fixture
def say(sent):
    """Say something as the script does, and give the plan that is shown when all is done."""

    def say(panel, kind, **fields):
        panel._body._handle_custom_msg({"kind": kind, **fields}, [])
        return settled(sent, panel)

    return say


def settled(sent, panel):
    panel.plans.background.settle()
    plans = told(sent, panel, "plan")
    return plans[-1] if plans else None


def over(panel):
    # Its end has been told, too: a plan that was asked for before is shown once more then.
    until(lambda: panel.run is not None and panel._ended is panel.run and "run" in enabled(panel))
    panel._changes.flush_now()  # one flush at a time: it waits for the one that tells the end
    return panel.run


@pytest.fixture
def broken():
    """As long as there is something in it, the task `work` fails."""
    return [True]


@pytest.fixture
def panel(make_panel, broken):
    @task
    def load(n):
        return n

    @task
    def work(x):
        if broken:
            raise ValueError("not yet")
        return x

    @task
    def last(x):
        return x

    with Flow("example") as flow:
        last(work(load(Parameter("n", default=1))))
    return make_panel(flow)


def test_rerun_shows_its_plan_and_starts_nothing(panel, sent):
    panel.buttons["run"].click()
    over(panel)
    assert panel.commands.bar.what.value == "failed"  # suggested, because something has

    panel.buttons["rerun"].click()
    plan = settled(sent, panel)

    assert plan["title"] == "Rerun what failed"
    assert plan["headline"] == "2 tasks run, 1 is reused"
    assert plan["rows"] == [
        ["load-1", "load", 0, "computed in run 1", ""],
        ["work-1", "work", 1, "failed in run 1", ""],
        ["last-1", "last", 1, "could not run in run 1", ""],
    ]
    assert plan["keys"] == ["work-1", "last-1"]
    assert plan["cancels"] == ""
    assert len(panel.flow.runs) == 1


def test_rerun_now_does_what_the_plan_says(panel, sent, say, broken):
    panel.buttons["run"].click()
    over(panel)
    panel.buttons["rerun"].click()
    settled(sent, panel)
    broken.clear()

    plan = say(panel, "follow")

    assert plan == {"kind": "plan", "is_shown": False}
    assert over(panel).number == 2
    assert panel.run.state.is_successful()
    assert [step.runs for step in panel.run.plan.steps if step.task.name in ("load", "work")] == [False, True]


def test_a_plan_that_is_dropped_starts_nothing(panel, sent, say):
    panel.buttons["run"].click()
    over(panel)
    panel.buttons["rerun"].click()
    settled(sent, panel)

    say(panel, "drop_plan")
    say(panel, "follow")

    assert len(panel.flow.runs) == 1


def test_nothing_to_rerun_is_no_error(panel, sent, broken):
    broken.clear()
    panel.buttons["run"].click()
    over(panel)
    panel.commands.bar.what.value = "failed"

    panel.buttons["rerun"].click()
    plan = settled(sent, panel)

    assert plan["is_empty"]
    assert plan["headline"] == "Nothing has failed."
    assert panel._head.error == ""


def test_from_the_selected_task_on(panel, sent, say, broken):
    broken.clear()
    panel.buttons["run"].click()
    over(panel)
    panel.commands.bar.what.value = "from"
    panel.buttons["rerun"].click()
    assert settled(sent, panel)["headline"] == "Select a task or a block first, in the graph or in the table."

    say(panel, "select", key="work-1", index=None)
    panel.buttons["rerun"].click()

    plan = settled(sent, panel)
    assert plan["title"] == "Rerun from work"
    assert plan["keys"] == ["work-1", "last-1"]
    assert say(panel, "plan", what="from", key="last-1")["keys"] == ["last-1"]


def test_what_was_edited_in_the_form_goes_in_and_the_plan_says_so(panel, sent, say, broken):
    broken.clear()
    panel.buttons["run"].click()
    over(panel)
    panel.buttons["rerun"].click()
    settled(sent, panel)

    panel.form.entries["n"].input.value = 5  # while the plan is shown
    plan = settled(sent, panel)
    assert plan["parameters"] == [["n", "1", "5"]]
    say(panel, "follow")

    assert over(panel).parameters == {"n": 5}


def test_a_plan_of_a_run_that_goes_on_says_that_it_is_cancelled_first(make_panel, flow, sent, say, gate):
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: panel._body.snapshot["rows"]["wait-1"][0] == "Running")

    panel.buttons["rerun"].click()
    plan = settled(sent, panel)
    assert plan["cancels"] == "Run 1 is still going. It is cancelled first, and its resources are cleaned up."
    assert [name for name, _ in plan["blocks"]] == ["Cluster"]
    assert "block--Cluster-1" in plan["keys"]
    gate.set()
    until(lambda: head(panel)["state"] == "Success" and settled(sent, panel)["cancels"] == "")

    assert settled(sent, panel)["note"] == "Run 1 has ended since."


def test_rerun_now_ends_the_run_that_goes_on_and_blocks_no_callback(make_panel, flow, say, gate):
    panel = make_panel(flow, flow.start(paused=True))
    first = panel.run
    first.until(flow.test.first)
    say(panel, "plan", what="all")

    threading.Timer(0.05, gate.set).start()
    say(panel, "follow")

    assert over(panel).number == 2
    assert type(first.state).__name__ == "Cancelled"
    assert first.open_resources == []
    assert panel.run.state.is_successful()


def test_another_run_that_begins_makes_the_plan_again(panel, sent, broken):
    panel.buttons["run"].click()
    over(panel)
    panel.buttons["rerun"].click()
    settled(sent, panel)
    broken.clear()

    panel.flow.run()

    until(lambda: settled(sent, panel)["number"] == 2)
    until(lambda: settled(sent, panel)["is_empty"])


def test_a_flow_that_has_changed_since_shows_its_plan_again(panel, sent, say):
    panel.buttons["run"].click()
    over(panel)
    panel.buttons["rerun"].click()
    settled(sent, panel)
    with panel.flow:
        task(lambda: 1, name="new")()

    plan = say(panel, "follow")

    assert plan["is_shown"]
    assert plan["note"] == "The flow has changed since: this is the plan now."
    assert "new-1" in plan["keys"]
    assert len(panel.flow.runs) == 1


def test_a_plan_that_can_not_be_made_shows_the_error(make_panel, panel, sent):
    panel.buttons["run"].click()
    over(panel)
    with panel.flow:
        task(lambda x: x, name="needy")(Parameter("needed"))

    panel.buttons["rerun"].click()
    settled(sent, panel)

    assert "needed" in panel._head.error
    make_panel.errors.clear()


def test_the_plan_of_a_large_flow_is_short(make_panel, sent):
    @task
    def nothing(i):
        return i

    with Flow("wide") as flow:
        for i in range(2_000):
            nothing(i)
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: panel.run is not None and panel.run.is_finished, 60)
    until(lambda: "run" in enabled(panel), 30)

    panel.buttons["rerun"].click()
    plan = settled(sent, panel)

    assert plan["headline"] == "2,000 tasks run"
    assert len(plan["rows"]) == 200
    assert plan["more"] == [1_800, 0]
    assert len(repr(plan)) < 100_000


def test_no_thread_is_left(panel, sent):
    panel.buttons["run"].click()
    over(panel)
    panel.buttons["rerun"].click()
    settled(sent, panel)

    until(lambda: not [t for t in threading.enumerate() if t.name == "nbflow-plan"])


def test_a_plan_that_is_confirmed_twice_is_started_once(panel, sent, say):
    panel.buttons["run"].click()
    run = over(panel)
    assert say(panel, "plan", what="all")["is_shown"]

    panel._hear({"kind": "follow"})
    panel._hear({"kind": "follow"})
    panel.plans.background.settle()

    until(lambda: panel.run is not run and panel.run.is_finished)
    assert len(panel.flow.runs) == 2
