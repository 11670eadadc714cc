"""Values that stay on a cluster: the inspector says what is known of them, and fetches one when it is asked to."""

from __future__ import annotations

import pytest

from nbflow import Flow, task
from nbflow.core.states import Released
from nbflow.panel.inspector import inspector
from tests.executors.keeping_cluster import KeepingCluster
from tests.panel.test_inspector import Browser


@pytest.fixture
def browse(make_panel, sent, monkeypatch):
    monkeypatch.setattr(inspector, "INTERVAL_S", 0.02)
    return lambda run: Browser(make_panel(run.flow, run), sent)


@pytest.fixture
def cluster():
    with KeepingCluster(2).faked() as cluster:
        yield cluster


@pytest.fixture
def run(cluster):
    with Flow("remote") as flow:
        rows = task(lambda: [1, 2, 3], name="rows")()
        each = task(lambda n: [n], name="each").map(rows)
        task(lambda rows, each: len(rows) + len(each), name="count")(rows, each)
    run = flow.start(executor=cluster)
    assert run.wait(30).is_successful()
    return run


def test_the_facts_of_a_value_on_a_worker_are_told_and_nothing_is_fetched(browse, run, cluster):
    browser = browse(run)

    told = browser.select("rows-1").sections["result"]
    inputs = browser.select("count-1").sections["inputs"]["rows"]
    mapped = browser.select("each-1").sections["result"]
    child = browser.select("each-1", 1).sections

    assert (told["type"], told["text"], told["is_elsewhere"]) == ("list", "[1, 2, 3]", True)
    assert told["size"].startswith("3 items, ")
    assert [(row["name"], row["type"], row["is_elsewhere"]) for row in inputs] == [
        ("rows", "list", True),
        ("each", "list", True),
    ]
    assert (mapped["is_elsewhere"], mapped["size"].partition(",")[0]) == (True, "3 items")
    assert "on a worker: [1]" in mapped["text"]
    assert child["result"]["text"] == "[2]"
    assert child["inputs"]["rows"][0]["is_elsewhere"] is True
    assert cluster.values.fetched == []


def test_a_value_on_a_worker_is_fetched_when_it_is_asked_for(browse, run, cluster):
    browser = browse(run).select("rows-1")

    problem = browser.act("fetch")
    browser.until(lambda: "is_elsewhere" not in browser.sections["result"] and not browser.is_pending())

    assert problem == ""
    assert browser.sections["result"]["text"] == "[1, 2, 3]"
    assert cluster.values.fetched == ["rows"]


def test_the_children_of_a_map_are_fetched_together(browse, run, cluster):
    browser = browse(run).select("each-1")

    problem = browser.act("fetch")
    browser.until(lambda: "is_elsewhere" not in browser.sections["result"] and not browser.is_pending())

    assert problem == ""
    assert browser.sections["result"]["text"] == "[[1], [2], [3]]"
    assert cluster.values.fetched == ["each"] * 3


def test_a_value_that_went_with_its_cluster_says_why(browse, run, cluster):
    cluster.values.gone = Released("a task", "its cluster is closed", "rerun {task!r}")

    told = browse(run).select("rows-1").sections["result"]

    assert told == {"problem": "given back: its cluster is closed; rerun 'rows'"}


def test_a_value_that_cannot_be_fetched_says_so_beside_the_button(browse, run, cluster, monkeypatch):
    def broken(value):
        raise OSError("the network is down")

    monkeypatch.setattr(cluster.values, "fetch", broken)
    browser = browse(run).select("rows-1")

    assert "the network is down" in browser.act("fetch")
    assert browser.sections["result"]["is_elsewhere"] is True
