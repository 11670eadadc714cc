"""Values that stay on a cluster, in reruns and when they are given back (docs/reruns.md, rules V1, V2, V5 and V6)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, task
from nbflow.core.states import Released
from nbflow.errors import ValueReleasedError
from nbflow.executors import ThreadExecutor
from tests.executors.keeping_cluster import KeepingCluster
from tests.executors.simulated_cluster import SimulatedCluster
from tests.shared import SharedList

GONE = Released("a task", "its cluster is closed", "rerun {task!r}")


@pytest.fixture
def cluster():
    with KeepingCluster(2).faked() as cluster:
        yield cluster


@pytest.fixture
def calls():
    return SharedList()


@pytest.fixture
def chain(calls):
    """Give a flow of two tasks that say when they are called, and the tasks."""

    def load():
        calls.append("load")
        return [1, 2, 3]

    def double(rows):
        calls.append("double")
        return [2 * row for row in rows]

    with Flow("chain") as flow:
        loaded = task(load)()
        doubled = task(double)(loaded)
    return flow, loaded, doubled


def run_of(flow, executor, **options):
    run = flow.start(executor=executor, **options)
    assert run.wait(30).is_successful(), run.states
    return run


def whys(plan):
    return {step.task.name: step.why for step in plan.steps if step.runs}


# -- reruns


def test_a_rerun_hands_on_what_stands_for_values_and_runs_nothing(cluster, chain, calls):
    flow, loaded, doubled = chain
    with flow:
        beside = task(lambda: 1, name="beside")()
    run = run_of(flow, cluster)

    again = run.rerun(what=[beside])

    assert run.rerun(what="stale", dry=True).is_empty
    assert again.wait(30).is_successful()
    assert calls == ["load", "double"]
    assert cluster.values.fetched == []
    assert again.states[loaded].remote is run.states[loaded].remote
    assert again.states[doubled].result == [2, 4, 6]


def test_a_rerun_of_a_task_takes_what_is_on_the_cluster(cluster, chain, calls):
    flow, _, doubled = chain
    run = run_of(flow, cluster)

    again = run.rerun(what=[doubled])

    assert again.wait(30).is_successful()
    assert calls == ["load", "double", "double"]
    assert cluster.values.fetched == []


def test_a_rerun_elsewhere_fetches_what_its_tasks_take(cluster, chain, calls):
    flow, _, doubled = chain
    run = run_of(flow, cluster)

    again = run.rerun(what=[doubled], executor="threads")

    assert again.wait(30).is_successful()
    assert again.states[doubled].remote is None
    assert again.states[doubled].result == [2, 4, 6]
    assert calls == ["load", "double", "double"]
    assert cluster.values.fetched == ["load"]


def test_a_rerun_on_other_workers_sends_them_what_they_take(cluster, chain):
    flow, _, doubled = chain
    run = run_of(flow, cluster)

    with SimulatedCluster(2).faked() as others:
        again = run.rerun(what=[doubled], executor=others)

        assert again.wait(30).is_successful()
    assert again.states[doubled].result == [2, 4, 6]
    assert again.states[doubled].remote is None


def test_a_value_that_is_gone_has_its_task_run_again_where_it_is_needed(cluster, chain, calls):
    """V6."""
    flow, loaded, doubled = chain
    run = run_of(flow, cluster)
    cluster.values.gone = GONE

    plan = run.rerun(what=[doubled], dry=True)
    with pytest.raises(ValueReleasedError, match="'load' is not here: its cluster is closed; rerun 'load'"):
        _ = run.states[loaded].result
    assert run.facts[loaded].where == "released"
    again = run.rerun(what=[doubled], executor="inline")

    assert whys(plan) == {"load": "its cluster is closed", "double": "asked for"}
    assert again.wait(30).is_successful()
    assert again.states[doubled].result == [2, 4, 6]
    assert calls == ["load", "double", "load", "double"]


def test_what_a_person_has_looked_at_is_not_handed_on_when_it_is_gone(cluster, chain):
    """V1: nobody knows what they have done with it."""
    flow, loaded, doubled = chain
    run = run_of(flow, cluster)
    run.states[loaded].result.append("changed")
    cluster.values.gone = GONE

    again = run.rerun(what=[doubled], executor="inline")

    assert again.wait(30).is_successful()
    assert again.states[doubled].result == [2, 4, 6]


def test_what_a_person_has_changed_is_not_what_tasks_get(cluster, chain):
    flow, loaded, doubled = chain
    run = run_of(flow, cluster)
    run.states[loaded].result.append("changed")

    again = run.rerun(what=[doubled])

    assert again.wait(30).is_successful()
    assert again.states[doubled].result == [2, 4, 6]


def test_a_collection_with_a_value_that_is_gone_is_made_again(cluster, calls):
    def named(name):
        calls.append(name)
        return [name]

    with Flow("list") as flow:
        one, other = task(named, name="one")("one"), task(named, name="other")("other")
        joined = task(lambda both: both[0] + both[1], name="joined")([one, other])
    run = run_of(flow, cluster)
    cluster.values.gone = GONE

    again = run.rerun(what=[joined], executor="inline")

    assert again.wait(30).is_successful()
    assert again.states[joined].result == ["one", "other"]
    assert sorted(calls) == ["one", "one", "other", "other"]


@pytest.mark.parametrize("what", ["stale", "failed"])
def test_children_that_were_computed_stay_on_the_cluster(cluster, calls, what):
    def shaky(n):
        calls.append(n)
        if n == 2 and calls.count(2) < 2:
            raise OSError
        return [n]

    with Flow("map") as flow:
        each = task(shaky).map([1, 2, 3])
        joined = task(lambda each: [*each[0], *each[1], *each[2]], name="joined")(each)
    run = flow.start(executor=cluster)
    run.wait(30)

    again = run.rerun(what=what)

    assert again.wait(30).is_successful()
    assert sorted(calls) == [1, 2, 2, 3]
    assert cluster.values.fetched == []
    assert again.states[joined].result == [1, 2, 3]


def test_a_changed_parameter_runs_what_is_below_it_and_hands_the_rest_on(cluster, chain, calls):
    flow, loaded, _ = chain
    with flow:
        factor = Parameter("factor", default=1)
        scaled = task(lambda rows, factor: [row * factor for row in rows], name="scaled")(loaded, factor)
    run = run_of(flow, cluster)

    again = run.rerun(what="stale", factor=2)

    assert again.wait(30).is_successful()
    assert again.states[scaled].result == [2, 4, 6]
    assert calls == ["load", "double"]


@pytest.mark.parametrize("elsewhere", [True, False], ids=["cluster", "threads"])
def test_a_change_in_place_of_what_stands_beside_a_value_elsewhere_is_seen(cluster, elsewhere):
    """V2: a list of values of both kinds shares those that are in the kernel."""

    async def small():  # asynchronous tasks are called in the kernel, and their values stay there
        return ["small"]

    async def change(both):
        both[1].append("changed")
        return len(both)

    with Flow("mixed") as flow:
        large, little = task(lambda: [1, 2], name="large")(), task(small)()
        changed = task(change)([large, little])
        after = task(lambda little, _: len(little), name="after")(little, changed)
    run = run_of(flow, cluster if elsewhere else ThreadExecutor(2))

    plan = run.rerun(what=[changed], dry=True)
    again = run.rerun(what=[changed])

    assert run.states[after].result == 2
    assert whys(plan)["small"] == "changed in place by 'change'"
    assert "large" not in whys(plan)
    assert again.wait(30).is_successful()
    assert again.states[after].result == 2
    assert again.states[little].result == ["small", "changed"]


# -- facts, and giving back


def test_facts_of_a_value_on_a_cluster_are_known_without_it(cluster, chain):
    """V5."""
    flow, loaded, _ = chain
    run = run_of(flow, cluster)

    facts = run.facts[loaded]

    assert (facts.type, facts.length, facts.repr, facts.where) == ("list", 3, "[1, 2, 3]", "worker")
    assert facts.size > 0
    assert run.facts.held_bytes == 0
    assert "<on a worker: [1, 2, 3]>" in repr(run.results)
    assert cluster.values.fetched == []


def test_a_value_takes_memory_here_once_somebody_has_looked_at_it(cluster, chain):
    flow, loaded, _ = chain
    run = run_of(flow, cluster)

    assert run.results[loaded] == [1, 2, 3]

    assert run.facts.held_bytes == run.facts[loaded].size
    assert run.facts[loaded].where == "worker"


def test_values_leave_the_cluster_when_their_last_taker_has_ended(cluster, chain):
    """V6."""
    flow, loaded, doubled = chain
    flow.keep = "needed"

    run = run_of(flow, cluster)

    assert len(cluster.values.parts) == 1
    assert run.states[doubled].result == [2, 4, 6]
    assert run.facts[loaded].where == "released"
    with pytest.raises(ValueReleasedError, match="the last task that takes it has ended"):
        _ = run.states[loaded].result


def test_a_run_that_forgets_leaves_nothing_on_the_cluster(cluster, calls):
    with Flow("map") as flow:
        each = task(lambda n: [n], name="each").map([1, 2, 3])
        joined = task(lambda both: both, name="joined")([each, each])
    run = run_of(flow, cluster)

    run.forget()

    assert cluster.values.parts == {}
    assert run.facts[joined].where == "released"
    assert run.states[joined].released is not None


def test_a_newer_run_takes_the_place_of_an_older_ones_values_on_the_cluster(cluster, chain):
    flow, *_ = chain
    run_of(flow, cluster)
    before = set(cluster.values.parts)

    run_of(flow, cluster)

    assert len(cluster.values.parts) == len(before) == 2
    assert before.isdisjoint(cluster.values.parts)


def test_two_runs_are_compared_without_fetching(cluster, chain):
    flow, loaded, doubled = chain
    run = run_of(flow, cluster)
    again = run.rerun(what=[doubled])
    assert again.wait(30).is_successful()

    pairs = {pair.slug: pair.value for pair in run.compare(again).tasks}

    assert pairs == {flow.slugs[loaded]: "same", flow.slugs[doubled]: "same"}
    assert cluster.values.fetched == []
