"""Reruns: what is run again, what is taken over, which blocks open, and where a run comes from."""

from __future__ import annotations

import gc
import threading
from collections import Counter

import pytest

from nbflow import Flow, Parameter, case, resource_manager, task, unmapped
from nbflow.errors import (
    NothingToRerunError,
    ParameterError,
    RerunError,
    SetResultError,
    UnexpectedArgumentError,
    UnknownTaskError,
)
from nbflow.states import Mapped, Skipped, Success
from tests.patience import PATIENCE_S


class Story:
    """A flow `load -> clean (mapped) -> [fit, score] in a cluster -> report`, whose tasks fail on request."""

    def __init__(self, portable=False):
        self.calls = []
        self.bad = set()
        story = self

        def note(name):
            story.calls.append(name)
            if name in story.bad:
                raise ValueError(name)

        @resource_manager
        class Cluster:
            def __init__(self, size):
                self.size = size

            def setup(self):
                note("setup")
                return self

            def cleanup(self, resource):
                note("cleanup")

        @task
        def load(path):
            note("load")
            return [1, 2, 3]

        @task
        def clean(row):
            note(f"clean {row}")
            return 10 * row

        @task
        def fit(cluster, rows):
            note("fit")
            return sum(rows)

        @task(portable=portable)
        def score(model, cluster):
            note("score")
            return model + 1

        @task
        def report(value):
            note("report")
            return f"{value}!"

        with Flow("story") as flow:
            self.path, self.size = Parameter("path", default="a.csv"), Parameter("size", default=1)
            self.load = load(self.path)
            self.clean = clean.map(self.load)
            with Cluster(self.size) as self.cluster:
                self.fit = fit(self.cluster, self.clean)
                self.score = score(self.fit, self.cluster)
            self.report = report(self.score)
        self.flow = flow

    def run(self, *bad):
        self.bad = set(bad)
        self.flow.run()
        self.calls.clear()
        self.bad = set()
        return self.flow.runs[-1]

    def rerun(self, *args, **kwargs):
        run = self.flow.runs[-1].rerun(*args, **kwargs)
        run.wait()
        return run


@pytest.fixture
def story():
    return Story()


def test_without_a_choice_everything_runs_again(story):
    story.run()

    run = story.rerun()

    assert story.calls == [
        "load",
        "clean 1",
        "clean 2",
        "clean 3",
        "setup",
        "fit",
        "score",
        "cleanup",
        "report",
    ]
    assert set(run.sources.values()) == {"computed"}


def test_what_failed_is_run_again_with_what_depends_on_it(story):
    story.run("report")

    run = story.rerun("failed")

    assert story.calls == ["report"]
    assert run.state.is_successful()
    assert run.results[story.report] == "61!"
    assert run.sources[story.fit] == "reused"
    assert run.sources[story.report] == "computed"


def test_a_new_resource_makes_what_was_computed_with_the_old_one_run_again(story):
    story.run("score")

    run = story.rerun("failed")

    assert story.calls == ["setup", "fit", "score", "cleanup", "report"]
    assert run.open_resources == []


def test_a_portable_value_outlives_its_resource():
    story = Story(portable=True)
    story.run()

    story.rerun([story.fit])
    assert story.calls == ["setup", "fit", "score", "cleanup", "report"]  # its input is new
    story.calls.clear()
    story.rerun(size=2, what=[])

    assert story.calls == ["setup", "fit", "score", "cleanup", "report"]


def test_a_block_with_portable_values_only_stays_closed_when_its_resource_would_be_another():
    story = Story(portable=True)
    story.fit.portable = True
    story.run()

    plan = story.flow.plan("stale", size=2)

    assert [one.name for one in plan.tasks] == ["size"]
    assert [block.opens for block in plan.blocks] == [False]


def test_of_a_map_only_the_failed_children_are_run_again(story):
    first = story.run("clean 2")

    run = story.rerun("failed")

    assert story.calls == ["clean 2", "setup", "fit", "score", "cleanup", "report"]
    assert run.results[story.clean] == [10, 20, 30]
    assert isinstance(first.states[story.clean].map_states[1].result, ValueError)  # what was, stays


def test_of_a_map_over_a_map_only_the_children_below_are_run_again():
    calls, bad = [], {2}

    @task
    def one(x):
        calls.append(("one", x))
        if x in bad:
            raise ValueError(x)
        return x

    @task
    def two(x, y):
        calls.append(("two", x))
        return x + y

    with Flow("maps") as flow:
        pairs = two.map(one.map([1, 2, 3]), unmapped(100))
    flow.run()
    calls.clear()
    bad.clear()

    run = flow.runs[-1].rerun("failed")

    assert run.wait().is_successful()
    assert calls == [("one", 2), ("two", 2)]
    assert run.results[pairs] == [101, 102, 103]


def test_a_map_that_is_asked_for_runs_whole(story):
    story.run()

    story.rerun([story.clean])

    assert story.calls[:3] == ["clean 1", "clean 2", "clean 3"]


def test_a_map_that_is_taken_over_does_not_open_its_block():
    opened = []

    @resource_manager
    class Lock:
        def setup(self):
            opened.append(1)

        def cleanup(self, resource):
            pass

    with Flow("map inside") as flow:
        with Lock() as lock:
            inside = task(lambda x, lock: x, name="inside").map([1, 2], unmapped(lock))
        outside = task(lambda x: len(x), name="outside")(inside)
    flow.run()

    run = flow.runs[-1].rerun([outside])

    assert run.wait().is_successful()
    assert opened == [1]
    assert run.results[outside] == 2
    assert [event.kind for event in run.events if event.kind == "block"] == []


def test_a_changed_parameter_runs_only_what_depends_on_it(story):
    story.run()

    run = story.rerun("failed", size=3)

    assert story.calls == ["setup", "fit", "score", "cleanup", "report"]
    assert run.parameters == {"path": "a.csv", "size": 3}
    assert run.kind == "fork"


def test_the_parameters_of_the_run_are_kept(story):
    story.flow.run(path="b.csv")

    run = story.rerun([story.report])

    assert run.parameters == {"path": "b.csv", "size": 1}
    assert story.rerun(path="c.csv").parameters["path"] == "c.csv"


def test_what_a_chosen_task_needs_runs_too(story):
    story.run("load")

    story.rerun([story.fit])

    assert story.calls == [
        "load",
        "clean 1",
        "clean 2",
        "clean 3",
        "setup",
        "fit",
        "score",
        "cleanup",
        "report",
    ]


def test_a_chosen_block_is_opened_again(story):
    story.run()

    story.rerun(story.cluster)

    assert story.calls == ["setup", "fit", "score", "cleanup", "report"]


def test_a_branch_that_was_not_taken_stays_skipped():
    with Flow("branches") as flow:
        condition = task(lambda: False, name="ask")()
        with case(condition, True):
            inside = task(lambda: 1, name="inside")()
        outside = task(lambda: 2, name="outside")()
    flow.run()

    run = flow.runs[-1].rerun([outside])

    assert run.wait().is_successful()
    assert isinstance(run.states[inside], Skipped)
    assert run.plan[inside].why == "skipped in run 1"


def test_an_ordering_after_a_closed_block_still_holds(story):
    after = task(lambda: "after", name="after")
    with story.flow:
        last = after(upstream_tasks=[story.cluster.block.cleanup_task])
    story.run()

    run = story.rerun([last])

    assert run.results[last] == "after"
    assert story.calls == []


# -- lineage ------------------------------------------------------------------------------------------------------


def test_a_rerun_is_a_new_run_that_knows_where_it_comes_from(story):
    first = story.run()

    second = story.rerun([story.report])

    assert (first.kind, second.kind) == ("run", "replay")
    assert (first.parent, second.parent) == (None, first)
    assert (first.number, second.number) == (1, 2)
    assert first.id != second.id
    assert list(story.flow.runs) == [first, second]
    assert second.plan.tasks == (story.report,)


def test_an_edited_value_makes_a_fork_and_stays_marked(story):
    first = story.flow.start(paused=True)
    first.until(story.load)
    first.set_result(story.load, [5])
    first.resume()
    first.wait()

    second = story.rerun([story.report])
    third = story.rerun([story.report])

    assert (second.kind, third.kind) == ("fork", "fork")
    assert third.sources[story.load] == "edited"
    assert third.plan[story.load].why == "edited in run 2"


def test_an_edited_value_stays_when_its_block_is_opened_for_another_task(story):
    first = story.flow.start(paused=True)
    first.until(story.fit)
    first.set_result(story.fit, 5)
    first.resume()
    first.wait()

    second = story.rerun([story.score])

    assert second.plan.blocks[0].opens
    assert not second.plan[story.fit].runs
    assert second.results[story.report] == "6!"


def test_a_pinned_value_is_taken_over_whatever_runs(story):
    first = story.run()
    first.pin(story.load)

    run = story.rerun(path="b.csv")

    assert "load" not in story.calls
    assert "clean 1" in story.calls
    assert run.sources[story.load] == "pinned"
    assert run.kind == "fork"
    story.calls.clear()
    story.rerun([story.load])
    assert story.calls[0] == "load"


def test_a_map_is_pinned_once_all_of_its_children_have_ended_well(story):
    first = story.run("clean 2")
    with pytest.raises(SetResultError, match=r"'clean' .*: its child 1 is Failed, so there is no value to keep"):
        first.pin(story.clean)

    second = story.rerun("failed")
    second.pin(story.clean)
    story.calls.clear()
    third = story.rerun("all")

    assert third.sources[story.clean] == "pinned"
    assert not any(call.startswith("clean ") for call in story.calls)


def test_a_map_that_is_going_is_not_pinned():
    going, gate = threading.Event(), threading.Event()

    @task
    def part(x):
        if x == 2:
            going.set()
            assert gate.wait(PATIENCE_S)
        return x

    with Flow("map") as flow:
        parts = part.map([1, 2, 3])
    run = flow.start()
    assert going.wait(PATIENCE_S)

    with pytest.raises(SetResultError, match="its child 1 is Running, so there is no value to keep"):
        run.pin(parts)

    gate.set()
    run.wait()
    run.pin(parts)
    assert run.sources[parts] == "pinned"


def test_reruns_do_not_keep_all_that_were_before_them(story):
    story.run()
    for _ in range(story.flow.runs.maxlen):
        story.rerun([story.report])
    gc.collect()

    assert story.flow.runs[0].number == 2
    assert story.flow.runs[0].parent is None
    assert story.flow.runs[1].parent is story.flow.runs[0]


def test_a_run_that_is_going_is_finished_first():
    calls, started = Counter(), threading.Event()

    @resource_manager
    class Room:
        def setup(self):
            calls["setup"] += 1
            return calls["setup"]

        def cleanup(self, resource):
            calls["cleanup"] += 1

    @task
    def first():
        calls["first"] += 1

    @task
    def work(room):
        started.set()
        return room

    with Flow("going") as flow:
        one = first()
        with Room() as room:
            done = work(room)
            last = work(room)
    flow.add_edge(one, room)
    flow.add_edge(done, last)
    run = flow.start(paused=True)
    run.until(done)
    assert run.open_resources

    following = run.rerun("failed")
    following.wait()

    assert run.is_finished
    assert following.results[done] == 2
    assert calls == {"first": 1, "setup": 2, "cleanup": 2}


def test_hold_on_failure_is_kept(story):
    run = story.flow.start(hold_on_failure=True)
    run.wait()

    assert story.rerun([story.report]).hold_on_failure


def test_a_rerun_may_start_paused(story):
    story.run()

    run = story.flow.runs[-1].rerun([story.report], paused=True)

    assert run.step().result == "61!"
    assert run.wait().is_successful()


def test_the_events_of_a_rerun_tell_what_was_taken_over(story):
    story.run()

    run = story.rerun([story.report])
    told = {event.task: event.state for event in run.events if event.kind == "task"}

    assert type(told[story.load]) is Success
    assert isinstance(told[story.clean], Mapped)


# -- what cannot be run again --------------------------------------------------------------------------------------


def test_nothing_to_do_is_said_and_refused(story):
    run = story.run()

    assert run.rerun("failed", dry=True).is_empty
    with pytest.raises(NothingToRerunError, match="nothing has failed"):
        run.rerun("failed")
    with pytest.raises(NothingToRerunError, match="everything is up to date"):
        run.rerun("stale")
    with pytest.raises(NothingToRerunError, match="nothing was asked for"):
        run.rerun([])
    assert len(story.flow.runs) == 1


@pytest.mark.parametrize("what", ["some", 3, [3], None])
def test_an_unknown_choice_is_refused(story, what):
    run = story.run()

    with pytest.raises(RerunError):
        run.rerun(what)


def test_a_task_of_another_flow_is_refused(story):
    run, other = story.run(), Story()

    with pytest.raises(UnknownTaskError):
        run.rerun([other.fit])


def test_a_task_that_the_flow_no_longer_has_is_refused_and_named_in_the_plan(story):
    run = story.run()
    story.flow.tasks.discard(story.report)
    story.flow.edges = {edge for edge in story.flow.edges if story.report not in edge.tasks}

    with pytest.raises(UnknownTaskError):
        run.rerun([story.report])
    plan = run.rerun([story.score], dry=True)

    assert plan.gone == ("report-1",)
    assert "report-1" in plan.text()


def test_a_new_task_runs_whatever_is_asked_for(story):
    story.run()
    with story.flow:
        extra = task(lambda x: -x, name="extra")(story.fit)

    run = story.rerun("failed")

    assert run.plan.tasks == (extra,)
    assert run.results[extra] == -60
    assert story.calls == []


def test_unknown_parameters_and_options_are_refused(story):
    run = story.run()

    with pytest.raises(UnexpectedArgumentError):
        run.rerun("failed", speed=3)
    with pytest.raises(ParameterError):
        story.flow.plan(speed=3)


def test_a_refused_rerun_leaves_the_run_that_is_going_alone(story):
    run = story.flow.start(paused=True)

    with pytest.raises(RerunError):
        run.rerun("some")

    assert not run.is_finished
    run.cancel()
    run.wait()
