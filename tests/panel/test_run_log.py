"""The output of a whole run: in the order of time, with names, told only while somebody looks."""

from __future__ import annotations

import logging
import threading

import pytest

from nbflow import Flow, task
from tests.panel.conftest import until
from tests.patience import PATIENCE_S


@task
def load():
    print("loading")
    return [1, 2]


@task
def clean(row):
    logging.getLogger("etl").warning("row %s", row)


@pytest.fixture
def flow():
    with Flow("etl") as flow:
        clean.map(load())
    return flow


@pytest.fixture
def told(sent):
    def read():
        contents = [data.get("content", {}) for _, data in sent]
        return [content for content in contents if content.get("kind") == "run_log"]

    return read


def lines(told):
    return [(line[1], line[2].strip(), line[3], line[5], line[6]) for one in told for line in one["lines"]]


def test_all_tasks_speak_in_one_stream(flow, make_panel, told):
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    panel = make_panel(flow, run)

    panel._hear({"kind": "follow_log", "on": True})

    until(told)
    assert lines(told()) == [
        ("stdout", "loading", None, "load", "load-1"),
        ("WARNING", "row 1", 0, "clean", "clean-1"),
        ("WARNING", "row 2", 1, "clean", "clean-1"),
    ]
    assert told()[0]["is_other"] is True


def test_nothing_is_told_before_somebody_looks_nor_after(flow, make_panel, told):
    panel = make_panel(flow)
    flow.start().wait(timeout_s=PATIENCE_S)
    assert told() == []

    panel._hear({"kind": "follow_log", "on": True})
    until(told)
    panel._hear({"kind": "follow_log", "on": False})
    count = len(told())
    flow.start().wait(timeout_s=PATIENCE_S)

    assert len(told()) == count


def test_what_is_printed_meanwhile_comes_and_each_line_once(make_panel, told):
    begun, go = threading.Event(), threading.Event()

    @task
    def speak():
        print("one")
        begun.set()
        assert go.wait(PATIENCE_S)
        print("two")

    with Flow("speech") as flow:
        speak()
    panel = make_panel(flow)
    panel._hear({"kind": "follow_log", "on": True})
    run = flow.start()
    assert begun.wait(PATIENCE_S)
    until(lambda: "one" in [line[1] for line in lines(told())])
    go.set()
    run.wait(timeout_s=PATIENCE_S)

    until(lambda: "two" in [line[1] for line in lines(told())])
    assert [line[1] for line in lines(told())] == ["one", "two"]
