"""The list of the flow's runs: live, and told only to who asks; another one is shown, two are compared."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, Parameter, task
from tests.panel.conftest import until
from tests.panel.test_panel import head
from tests.panel.test_rerun_dialog import told


def say(panel, kind, **fields):
    panel._body._handle_custom_msg({"kind": kind, **fields}, [])


@pytest.fixture
def flow():
    @task
    def double(n):
        return 2 * n

    @task
    def always():
        return 1

    with Flow("example") as flow:
        double(Parameter("n", default=1))
        always()
    return flow


@pytest.fixture
def part(make_panel, flow):
    flow.run()
    flow.run(n=3)
    return make_panel(flow, flow.runs[-1]).parts[-1]


def lists(sent, part):
    return told(sent, part.panel, "runs")


def test_runs_are_listed_newest_first_with_what_differs_from_the_one_before(sent, part, flow):
    flow.runs[-1].rerun("all", n=3).wait()

    say(part.panel, "list_runs")

    listed = lists(sent, part)[-1]
    assert [(run["number"], run["state"], run["kind"], run["parameters"]) for run in listed["runs"]] == [
        (3, "Success", "rerun of 2: everything", ""),
        (2, "Success", "", "n = 3"),
        (1, "Success", "", "n = 1"),
    ]
    assert listed["shown"] == 3
    assert all(run["seconds"] >= 0 and not run["going"] for run in listed["runs"])


def test_nothing_is_told_before_it_was_asked_for(sent, part, flow):
    flow.run()

    assert lists(sent, part) == []


def test_a_run_that_begins_and_ends_is_told_as_it_does(sent, part, flow):
    say(part.panel, "list_runs")

    flow.run(n=9)

    until(lambda: lists(sent, part)[-1]["runs"][0]["number"] == 3)
    until(lambda: lists(sent, part)[-1]["runs"][0]["state"] == "Success")
    until(lambda: not lists(sent, part)[-1]["runs"][0]["going"])


def test_another_run_is_shown_and_the_next_one_is_followed_again(sent, part, flow):
    panel = part.panel
    say(panel, "list_runs")

    say(panel, "show", number=1)
    assert panel.run is flow.runs[0]
    assert head(panel)["number"] == 1
    assert lists(sent, part)[-1]["shown"] == 1

    flow.run()
    until(lambda: head(panel)["number"] == 3)


def test_a_run_that_is_not_kept_any_more_is_said_to_be_gone(sent, part, flow):
    say(part.panel, "show", number=99)

    assert lists(sent, part)[-1]["note"] == "Run 99 is not kept any more: the flow keeps the newest 20."
    assert part.panel.run is flow.runs[-1]
    assert part.panel._head.error == ""


@pytest.mark.parametrize("numbers", [None, [], [1], [1, "x"], [1, None], "12"])
def test_strange_questions_are_not_answered(sent, part, numbers):
    say(part.panel, "compare", runs=numbers)
    part.background.settle()

    assert told(sent, part.panel, "comparison") == []


def test_two_runs_are_put_side_by_side_what_differs_first(sent, part):
    say(part.panel, "compare", runs=[1, 2])
    part.background.settle()

    compared = told(sent, part.panel, "comparison")[-1]
    assert compared["names"] == ["run 1", "run 2"]
    assert compared["parameters"] == [["n", "1", "3", "different"]]
    assert [(name, value, code, differs) for _, name, _, _, value, code, _, differs in compared["tasks"]] == [
        ("double", "different", "same", 1),
        ("always", "same", "same", 0),
    ]
    assert compared["tasks"][0][2] == [["Success", "✓ Success"]] * 2
    assert (compared["differing"], compared["total"]) == (1, 2)


def test_no_value_of_a_task_is_told_by_a_comparison(sent, make_panel):
    with Flow("example") as flow:
        task(lambda: "a secret value", name="secret")()
    flow.run()
    flow.run()
    part = make_panel(flow, flow.runs[-1]).parts[-1]

    say(part.panel, "compare", runs=[1, 2])
    part.background.settle()

    assert "a secret value" not in repr(sent)


def test_a_comparison_of_large_flows_is_cut(sent, make_panel):
    @task
    def nothing(i):
        return i

    with Flow("wide") as flow:
        for i in range(700):
            nothing(i)
    flow.run()
    flow.run()
    part = make_panel(flow, flow.runs[-1]).parts[-1]

    say(part.panel, "compare", runs=[1, 2])
    part.background.settle()

    compared = told(sent, part.panel, "comparison")[-1]
    assert compared["total"] == 700
    assert len(compared["tasks"]) == 500


def test_a_closed_panel_hears_of_no_run_any_more(sent, part, flow):
    say(part.panel, "list_runs")
    assert len(flow._start_listeners) == 2

    part.panel.close()

    assert flow._start_listeners == ()


def test_the_list_can_be_told_while_other_threads_start_runs(make_panel):
    with Flow("often") as flow:
        task(lambda: 1, name="one")()
    panel = make_panel(flow)
    panel._hear({"kind": "list_runs"})
    part = next(part for part in panel.parts if "list_runs" in part.handles)
    run, enough = flow.start(), threading.Event()
    starting = threading.Thread(target=lambda: [flow.runs.append(run) for _ in iter(enough.is_set, True)], daemon=True)
    starting.start()

    told = [part._marks() for _ in range(3_000)]

    enough.set()
    starting.join()
    assert all(told)
