"""The values that leave a cluster before it is closed, and what becomes of those that do not (rules V1, V5 and V6)."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.core.states import Released
from nbflow.engine import value_return
from nbflow.errors import ValueReleasedError
from nbflow.states import Cancelled
from tests.executors.keeping_cluster import KeepingCluster
from tests.shared import SharedList

CLOSED = Released("a task", "its cluster is closed", "rerun {task!r}")
WHY = "its value was on the cluster of block 'Cluster', which is closed"


@pytest.fixture
def inside():
    """Give a cluster that is the resource of a block."""
    with KeepingCluster(2, keeps_values=False).faked() as cluster:
        yield cluster


@pytest.fixture
def clusters(inside):
    """Give the manager of that block; what is on the cluster is gone once it is cleaned up."""

    @resource_manager(name="Cluster")
    class Cluster:
        def setup(self):
            inside.values.gone = None
            return inside

        def cleanup(self, cluster):
            inside.values.gone = CLOSED

    return Cluster


@pytest.fixture
def calls():
    return SharedList()


def made(name, calls):
    calls.append(name)
    return [name]


def run_of(flow, **options):
    run = flow.start(**options)
    assert run.wait(30).is_successful(), run.states
    return run


def end_of(run):
    run.resume()
    return run.wait(30)


def whys(plan):
    return {step.task.name: step.why for step in plan.steps if step.runs}


def test_a_value_that_a_task_outside_takes_is_fetched_before_the_cleanup(clusters, inside, calls):
    with Flow("leaves") as flow:
        with clusters().as_executor():
            first = task(made, name="first")("first", calls)
            second = task(lambda rows: rows * 2, name="second")(first)
        outside = task(lambda rows: len(rows), name="outside")(second)

    run = run_of(flow)

    assert run.states[outside].result == 2
    assert run.states[second].result == ["first", "first"]
    assert run.states[second].remote is None
    assert run.facts[second].where == "memory"
    assert inside.values.fetched == ["second"]


def test_what_nobody_takes_any_more_goes_with_the_cluster(clusters, inside, calls):
    with Flow("stays") as flow:
        with clusters().as_executor():
            first = task(made, name="first")("first", calls)
            second = task(lambda rows: rows * 2, name="second")(first)
        task(lambda rows: len(rows), name="outside")(second)

    run = run_of(flow)

    with pytest.raises(ValueReleasedError, match=f"'first' is not here: {WHY}; rerun 'first'"):
        _ = run.states[first].result
    assert (run.facts[first].where, run.facts[first].length) == ("released", 1)
    assert inside.values.parts == {}


def test_what_the_flow_comes_to_is_fetched(clusters, inside, calls):
    with Flow("ends") as flow, clusters().as_executor():
        first = task(made, name="first")("first", calls)
        last = task(lambda rows: [*rows, "last"], name="last")(first)

    run = run_of(flow)

    assert run.states[last].result == ["first", "last"]
    assert inside.values.fetched == ["last"]


def test_a_rerun_outside_of_the_block_takes_what_has_left_it(clusters, inside, calls):
    with Flow("leaves") as flow:
        with clusters().as_executor():
            first = task(made, name="first")("first", calls)
        outside = task(lambda rows: len(rows), name="outside")(first)
    run = run_of(flow)

    again = run.rerun(what=[outside])

    assert again.wait(30).is_successful()
    assert calls == ["first"]


def test_a_rerun_that_needs_what_was_on_a_closed_cluster_says_so_and_opens_the_block(clusters, inside, calls):
    with Flow("needs") as flow:
        with clusters().as_executor():
            first = task(made, name="first")("first", calls)
            second = task(lambda rows: rows * 2, name="second", portable=True)(first)
        outside = task(lambda rows: len(rows), name="outside")(second)
    run = run_of(flow)
    with flow:
        late = task(lambda rows: rows, name="late")(first)

    plan = flow.plan(what="stale")
    again = run.rerun(what="stale")

    assert whys(plan)["first"] == WHY
    assert again.wait(30).is_successful()
    assert again.states[late].result == ["first"]
    assert again.states[outside].result == 2
    assert calls == ["first", "first"]


def test_a_fetched_value_that_a_task_outside_changes_is_made_again_for_a_rerun(clusters, inside, calls):
    """V2: from then on it is like any value of the kernel's."""

    def change(rows):
        rows.append("changed")
        return len(rows)

    with Flow("changed") as flow:
        with clusters().as_executor():
            first = task(made, name="first")("first", calls)
        changed = task(change)(first)
    run = run_of(flow)

    plan = run.rerun(what=[changed], dry=True)

    assert run.states[first].result == ["first", "changed"]
    assert whys(plan)["first"] == "changed in place by 'change'"


def test_what_a_person_has_changed_in_what_they_saw_is_not_what_leaves_the_cluster(clusters, inside, calls):
    """V1."""
    with Flow("seen") as flow:
        with clusters().as_executor():
            first = task(made, name="first")("first", calls)
            second = task(lambda rows: rows * 2, name="second")(first)
        outside = task(lambda one, other: len(one) + len(other), name="outside")(first, second)
    run = flow.start(paused=True)
    run.until(first)
    run.states[first].result.append("changed")
    run.resume()

    assert run.wait(30).is_successful()
    assert run.states[outside].result == 3
    assert run.states[first].result == ["first"]


def test_what_a_person_has_seen_and_left_as_it_was_stays(clusters, inside, calls):
    with Flow("seen") as flow, clusters().as_executor():
        first = task(made, name="first")("first", calls)
        task(lambda rows: rows * 2, name="second")(first)
    run = flow.start(paused=True)
    run.until(first)
    seen = run.states[first].result
    run.resume()

    assert run.wait(30).is_successful()
    assert run.states[first].result is seen
    assert inside.values.fetched == ["first", "second"]


def test_children_and_collections_that_are_taken_outside_are_fetched(clusters, inside, calls):
    with Flow("map") as flow:
        with clusters().as_executor():
            each = task(lambda n: [n], name="each").map([1, 2, 3])
            other = task(lambda n: [n], name="other").map([1, 2, 3])
            single = task(made, name="single")("single", calls)
        both = task(lambda both: [*both[0], *both[1][0]], name="both")([single, each])
        mapped = task(lambda rows: rows[0], name="mapped").map(each)

    run = run_of(flow)

    assert run.states[both].result == ["single", 1]
    assert run.states[mapped].result == [1, 2, 3]
    assert run.states[each].result == [[1], [2], [3]]
    assert other in flow.reference_tasks()
    assert run.states[other].result == [[1], [2], [3]]


def test_many_small_values_leave_a_cluster_together(clusters, inside):
    with Flow("map") as flow, clusters().as_executor():
        each = task(lambda n: [n], name="each").map(list(range(20)))

    run = run_of(flow)

    assert run.states[each].result == [[n] for n in range(20)]
    assert inside.values.rounds == [20]


def test_children_that_nobody_takes_go_with_the_cluster(clusters, inside):
    with Flow("map") as flow, clusters().as_executor():
        each = task(lambda n: [n], name="each").map([1, 2, 3])
        task(lambda each: len(each), name="count")(each)

    run = run_of(flow)

    with pytest.raises(ValueReleasedError, match=f"'each' is not here: {WHY}"):
        _ = run.states[each].map_states[1].result
    assert inside.values.parts == {}


def test_a_map_outside_goes_on_over_what_has_left_the_cluster(clusters, inside):
    with Flow("map") as flow:
        with clusters().as_executor():
            rows = task(lambda: [[1], [2], [3]], name="rows")()
        first = task(lambda row: row[0], name="first").map(rows)
        task(lambda row, one: (row, one), name="second").map(rows, first)

    run = run_of(flow)

    assert run.states[first].result == [1, 2, 3]
    assert run.states[rows].result == [[1], [2], [3]]


def test_a_value_that_cannot_be_fetched_fails_who_takes_it_and_is_named(clusters, inside, calls, monkeypatch):
    def broken(value):
        raise OSError("the network is down")

    monkeypatch.setattr(inside.values, "fetch", broken)
    with Flow("broken") as flow:
        with clusters().as_executor():
            first = task(made, name="first")("first", calls)
        outside = task(lambda rows: len(rows), name="outside")(first)

    run = flow.start()
    with pytest.warns(RuntimeWarning, match="the value of 'first' could not be fetched before it went: .*network"):
        state = run.wait(30)

    assert state.is_failed()
    assert "the network is down" in run.states[outside].message
    with pytest.raises(ValueReleasedError, match="and could not be fetched before"):
        _ = run.states[first].result


def test_many_bytes_that_leave_a_cluster_are_named(clusters, inside, calls, monkeypatch):
    monkeypatch.setattr(value_return, "LARGE_BYTES", 1_000_000)
    with Flow("large") as flow:
        with clusters().as_executor():
            large = task(lambda: b"x" * 3_000_000 and [b"x" * 3_000_000], name="large")()
        outside = task(lambda rows: len(rows[0]), name="outside")(large)

    with pytest.warns(RuntimeWarning, match=r"3 MB of values are fetched that were on the cluster .*'large' 3 MB"):
        run = run_of(flow)

    assert run.states[outside].result == 3_000_000


def test_values_of_a_cluster_that_ends_with_the_run_are_fetched_if_the_flow_comes_to_them(inside, calls):
    with Flow("run") as flow:
        first = task(made, name="first")("first", calls)
        last = task(lambda rows: [*rows, "last"], name="last")(first)

    run = run_of(flow, executor=inside)
    inside.values.gone = CLOSED

    assert run.states[last].result == ["first", "last"]
    assert inside.values.fetched == ["last"]
    with pytest.raises(ValueReleasedError, match="its value was on the run's workers, which have ended with it"):
        _ = run.states[first].result
    assert whys(run.rerun(what=[last], dry=True))["first"].startswith("its value was on the run's workers")


def test_a_cluster_that_outlives_the_run_keeps_its_values(calls):
    with KeepingCluster(2).faked() as cluster, Flow("run") as flow:
        last = task(made, name="first")("first", calls)

    run = run_of(flow, executor=cluster)

    assert cluster.values.fetched == []
    assert run.states[last].remote is not None


def test_a_value_that_is_to_be_kept_or_was_pinned_leaves_the_cluster(clusters, inside, calls):
    with Flow("kept") as flow, clusters().as_executor():
        kept = task(made, name="kept", keep="all")("kept", calls)
        pinned = task(made, name="pinned")("pinned", calls)
        last = task(lambda one, other: len(one + other), name="last")(kept, pinned)
    run = flow.start(paused=True)
    run.until(pinned)
    run.pin(pinned)
    run.resume()

    assert run.wait(30).is_successful()
    assert (run.states[kept].result, run.states[pinned].result, run.states[last].result) == (["kept"], ["pinned"], 2)


def test_a_cancelled_run_leaves_nothing_on_the_cluster(clusters, inside, calls):
    with Flow("cancelled") as flow, clusters().as_executor():
        first = task(made, name="first")("first", calls)
        last = task(lambda rows: rows, name="last")(first)
    flow.set_reference_tasks([first, last])
    run = flow.start(paused=True)
    run.until(first)

    run.cancel()

    assert type(run.wait(30)) is Cancelled
    assert run.states[first].result == ["first"]
    assert run.states[first].remote is None
    assert inside.values.parts == {}


def test_a_user_who_asks_twice_waits_for_no_value(clusters, inside, calls, monkeypatch):
    let_go = threading.Event()
    monkeypatch.setattr(inside.values, "fetch", lambda value: let_go.wait(30))
    with Flow("cancelled") as flow, clusters().as_executor():
        first = task(made, name="first")("first", calls)
    run = flow.start(paused=True)
    run.until(first, wait=False)
    run._execution.loop.cancellation.is_hurried = True
    with pytest.warns(RuntimeWarning, match="'first' could not be fetched before it went: the run was cancelled"):
        end_of(run)
    let_go.set()

    assert inside.values.gone == CLOSED
    assert run.states[first].released is not None


def test_the_run_answers_while_values_are_fetched(clusters, inside, calls, monkeypatch):
    is_asked, let_go, read = threading.Event(), threading.Event(), inside.values.fetch

    def slow(value):
        is_asked.set()
        assert let_go.wait(30)
        return read(value)

    monkeypatch.setattr(inside.values, "fetch", slow)
    with Flow("slow") as flow, clusters().as_executor():
        last = task(made, name="last")("last", calls)
    run = flow.start()
    assert is_asked.wait(30)

    answered = threading.Event()
    run._execution.loop.post(answered.set)
    assert answered.wait(30)
    assert not run.is_finished
    let_go.set()

    assert run.wait(30).is_successful()
    assert run.states[last].result == ["last"]
