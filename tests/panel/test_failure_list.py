"""The list of failures: what it tells, when, and what the clipboard gets."""

from __future__ import annotations

import pytest

from nbflow import Flow, task
from tests.panel.conftest import until
from tests.patience import PATIENCE_S


@task
def clean(row):
    if row % 2 == 0:
        raise ValueError(f"row {row} is <b>bad</b>")
    return row


@task
def collect(rows):
    return rows


@pytest.fixture
def flow():
    with Flow("etl") as flow:
        collect(clean.map([0, 1, 2, 3]))
    return flow


@pytest.fixture
def lists(sent):
    """All lists that were told so far."""

    def read(kind="failures"):
        contents = [data.get("content", {}) for _, data in sent]
        return [content for content in contents if content.get("kind") == kind]

    return read


def test_equal_errors_are_one_group_and_each_failure_can_be_chosen(flow, make_panel, lists):
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    make_panel(flow, run)

    until(lists)
    told = lists()[-1]
    assert (told["total"], told["kinds"], told["left_out"]) == (2, 1, 1)
    (group,) = told["groups"]
    assert (group["type"], group["message"]) == ("ValueError", "row 0 is <b>bad</b>")
    assert group["size"] == "2 children of clean"
    assert [(chip["key"], chip["name"], index) for chip, index in group["chips"]] == [
        ("clean-1", "clean[0]", 0),
        ("clean-1", "clean[2]", 2),
    ]


def test_a_failure_is_told_while_the_run_is_held_at_it(flow, make_panel, lists):
    panel = make_panel(flow)
    run = flow.start(hold_on_failure=True)
    run.wait(or_held=True)

    until(lambda: lists() and lists()[-1]["total"] == 1)
    assert panel.run is run
    run.cancel()
    run.wait(timeout_s=PATIENCE_S)


def test_another_run_without_a_failure_takes_the_list_away(flow, make_panel, lists):
    failed = flow.start()
    failed.wait(timeout_s=PATIENCE_S)
    panel = make_panel(flow, failed)
    until(lists)
    with Flow("well") as well:
        collect([1])
    good = well.start()
    good.wait(timeout_s=PATIENCE_S)

    panel.follow(good)

    assert lists()[-1]["total"] == 0


def test_a_page_that_comes_later_is_told_it_again(flow, make_panel, lists):
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    panel = make_panel(flow, run)
    until(lists)
    count = len(lists())

    panel._hear({"kind": "hello"})

    assert len(lists()) == count + 1
    assert lists()[-1]["total"] == 2


def test_the_clipboard_gets_every_kind_with_its_traceback(flow, make_panel, lists):
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    panel = make_panel(flow, run)

    panel._hear({"kind": "copy_failures"})

    until(lambda: lists("failures_text"))
    text = lists("failures_text")[-1]["text"]
    assert text.startswith("etl, run 1: 2 failures, 1 kind")
    assert "Traceback (most recent call last)" in text
    assert "clean[0], clean[2]" in text
