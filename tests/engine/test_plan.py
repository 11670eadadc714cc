"""Plans: what they say, in words, tables and drawings, and that making one changes nothing."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.engine.plan import said
from nbflow.engine.record import Timings


@resource_manager
class Cluster:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


@pytest.fixture
def flow():
    with Flow("etl") as flow:
        n = Parameter("n", default=2)
        loaded = task(lambda n: list(range(n)), name="load")(n)
        with Cluster() as cluster:
            fitted = task(lambda rows, cluster: sum(rows), name="fit")(loaded, cluster)
        task(lambda x: 1 / x, name="report")(fitted)
    return flow


def test_before_the_first_run_everything_is_new(flow):
    plan = flow.plan()

    assert plan.previous is None
    assert plan.kind == "run"
    assert {step.why for step in plan.steps if step.runs} >= {"new"}
    assert plan.tasks == flow.sorted_tasks()
    assert len(flow.runs) == 0


def test_a_plan_says_in_words_what_runs_and_why(flow):
    flow.run(n=1)

    assert flow.plan("failed").text() == (
        "plan of 'etl', going on from run 1: 1 task runs, 2 reused, 0 blocks open\n"
        "  load     reused  computed in run 1\n"
        "  fit      reused  computed in run 1\n"
        "  report   runs    failed in run 1\n"
        "  Cluster  closed  nothing inside runs"
    )
    assert flow.plan("failed", n=3).text() == (
        "plan of 'etl', going on from run 1: 3 tasks run, 1 block opens\n"
        "  n        given  changed from 1 to 3\n"
        "  load     runs   downstream of 'n'\n"
        "  fit      runs   downstream of 'load'\n"
        "  report   runs   failed in run 1\n"
        "  Cluster  opens  'fit' runs inside"
    )


def test_an_empty_plan_says_so(flow):
    flow.run()

    assert flow.plan("stale").headline() == (
        "plan of 'etl', going on from run 1: nothing runs; everything is up to date"
    )


def test_a_plan_is_shown_as_text_and_drawing(flow):
    flow.run(n=1)

    bundle = flow.plan("failed")._repr_mimebundle_()

    assert bundle["text/plain"] == flow.plan("failed").text()
    assert "<svg" in bundle["text/html"]
    assert "going on from run 1" in bundle["text/html"]


def test_two_tasks_of_one_name_are_told_apart():
    with Flow("twins") as flow:
        one = task(lambda: 1, name="twin")
        one()
        one()

    assert "twin-1" in flow.plan().text()
    assert "twin-2" in flow.plan().text()


def test_a_long_plan_shows_what_runs():
    with Flow("long") as flow:
        numbers = [task(lambda: 1, name=f"t{i}")() for i in range(100)]
    flow.run()

    lines = flow.plan([numbers[7]]).text().splitlines()

    assert lines[1:] == ["  t7  runs  asked for", "  ... and 99 more"]


def test_children_that_run_are_named():
    with Flow("maps") as flow:
        task(lambda x: 1 / x, name="invert").map([1, 0, 2, 0])
    flow.run()

    plan = flow.plan("failed")

    assert plan.steps[-1].children == (1, 3)
    assert "invert[1, 3]  runs  2 children failed in run 1" in plan.text()


def test_durations_are_those_of_the_last_good_end(flow):
    flow.run()
    first = flow.runs[-1]
    report = next(one for one in flow.tasks if one.name == "report")
    first._record.timings = kept = Timings()  # as those of a run that a store has kept
    kept[report] = (100.0, 165.0)
    flow.run(n=1)  # in which it fails, in no time

    plan = flow.plan("failed")

    assert plan[report].expected_s == 65.0
    assert plan.expected_s == 65.0
    assert "failed in run 2 (about 65 s)" in plan.text()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.2, ""),
        (3.14, "about 3.1 s"),
        (64.6, "about 65 s"),
        (754, "about 13 min"),
        (9_000, "about 2.5 h"),
    ],
)
def test_durations_are_said_in_round_numbers(seconds, text):
    assert said(seconds) == text


def test_a_plan_of_a_run_that_is_going_leaves_it_alone(flow):
    run = flow.start(paused=True)
    run.step()

    plan = flow.plan("failed")

    assert not run.is_finished
    assert "has no result yet" in plan.text()
    run.cancel()
    run.wait()


def test_a_drawn_plan_needs_no_front_end(flow):
    flow.run()

    assert set(flow.plan()._repr_mimebundle_()) == {"text/html", "text/plain"}
