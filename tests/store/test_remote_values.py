"""Values that stay on a cluster are fetched when they are stored, and not kept in the kernel for that."""

from __future__ import annotations

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.core.states import Released
from nbflow.errors import NotKeptError
from tests.executors.keeping_cluster import KeepingCluster
from tests.shared import SharedList

CLOSED = Released("a task", "its cluster is closed", "rerun {task!r}")


@pytest.fixture
def cluster():
    with KeepingCluster(2).faked() as cluster:
        yield cluster


def test_values_on_a_cluster_are_stored_and_stay_there(store, cluster):
    with Flow("f", store=store) as flow:
        rows = task(lambda: [1, 2], name="rows")()
        each = task(lambda n: [n], name="each").map(rows)
        both = task(lambda both: len(both), name="both")([rows, each])

    run = flow.start(executor=cluster)
    assert run.wait(30).is_successful()
    stored = flow.stored_runs()[-1]

    assert stored.results[rows] == [1, 2]
    assert stored.results[each] == [[1], [2]]
    assert stored.results[both] == 2
    gathered = next(one for one in flow.tasks if one.name == "List" and both in flow.downstream_tasks(one))
    assert stored.results[gathered] == [[1, 2], [[1], [2]]]
    assert run.facts.held_bytes == 0
    assert not run.states[rows].remote.is_here


def test_a_stored_run_goes_on_without_its_cluster(store, cluster):
    calls = SharedList()

    def rows():
        calls.append("rows")
        return [1, 2]

    def shaky(rows):
        calls.append("shaky")
        if len(calls) < 3:
            raise OSError
        return len(rows)

    with Flow("f", store=store) as flow:
        made = task(rows)()
        counted = task(shaky)(made)
    flow.start(executor=cluster).wait(30)
    cluster.values.gone = CLOSED

    run = flow.resume(what="failed", executor="inline")

    assert run.wait(30).is_successful()
    assert run.states[counted].result == 2
    assert calls == ["rows", "shaky", "shaky"]


def test_a_rerun_keeps_what_is_stored_already(store, cluster):
    with Flow("f", store=store) as flow:
        rows = task(lambda: [1, 2], name="rows")()
        counted = task(lambda rows: len(rows), name="counted")(rows)
    run = flow.start(executor=cluster)
    run.wait(30)
    fetched = cluster.values.fetched.copy()

    again = run.rerun(what=[counted])

    assert again.wait(30).is_successful()
    assert cluster.values.fetched == fetched == ["rows"]
    assert flow.stored_runs()[-1].results[rows] == [1, 2]


def test_what_waits_to_be_stored_is_fetched_before_its_cluster_is_closed(store):
    with KeepingCluster(2, keeps_values=False).faked() as inside:

        @resource_manager
        class Cluster:
            def setup(self):
                return inside

            def cleanup(self, cluster):
                inside.values.gone = CLOSED

        with Flow("f", store=store) as flow, Cluster().as_executor():
            rows = task(lambda: [1, 2], name="rows")()
            counted = task(lambda rows: len(rows), name="counted")(rows)
        run = flow.start()
        assert run.wait(30).is_successful()

    assert flow.stored_runs()[-1].results[rows] == [1, 2]
    assert run.states[rows].released is not None
    assert run.states[counted].result == 2
    assert inside.values.parts == {}


def test_a_value_that_cannot_be_fetched_is_not_kept_and_says_why(store, cluster, monkeypatch):
    def broken(value):
        raise OSError("the network is down")

    monkeypatch.setattr(cluster.values, "fetch", broken)
    with Flow("f", store=store) as flow:
        rows = task(lambda: [1, 2], name="rows")()
    flow.start(executor=cluster).wait(30)

    with pytest.raises(NotKeptError, match=r"it could not be fetched: .*the network is down"):
        _ = flow.stored_runs()[-1].results[rows]
