"""Whose page was gone when its run ended is told once, by the page that comes next; nobody else is told anything."""

from __future__ import annotations

import pytest

from nbflow import Flow, task
from nbflow.notebook.shell.cut_off import CutOffRuns, page_of
from tests.patience import PATIENCE_S


@pytest.fixture
def run():
    @task
    def load():
        raise KeyError("b")

    with Flow("etl") as flow:
        load()
    run = flow.start(paused=True)
    yield run
    run.cancel()
    run.wait(PATIENCE_S)


@pytest.fixture
def cut_off(run):
    """Give what follows the run, whose cell is one of the page "first", at the moment of its end."""
    return CutOffRuns(clock=lambda: run.timings.ended_at or 0.0)


def end(run):
    run.resume()
    run.wait(PATIENCE_S)


def test_the_page_that_comes_after_a_reload_is_told_once(run, cut_off):
    cut_off.watch(run, "first")
    cut_off.note_page("second")
    going = cut_off.tell("second")
    end(run)

    assert going == []
    assert cut_off.tell("second") == ["run 1 of etl, whose cell was cut off, ended: Failed at load: KeyError: 'b'"]
    assert cut_off.tell("second") == []


def test_a_page_that_was_heard_only_as_soon_as_the_cell_ended_counts(run, cut_off):
    cut_off.watch(run, "first")
    end(run)
    cut_off.note_page("second")

    assert len(cut_off.tell("second")) == 1


def test_a_page_that_is_opened_later_is_told_nothing(run):
    cut_off = CutOffRuns(clock=lambda: (run.timings.ended_at or 0.0) + 3_600)
    cut_off.watch(run, "first")
    end(run)
    cut_off.note_page("second")

    assert cut_off.tell("second") == []


def test_a_page_that_is_still_there_is_told_nothing_whoever_else_connects(run, cut_off):
    cut_off.watch(run, "first")
    cut_off.note_page("console")
    end(run)
    cut_off.note_cell("first")

    assert cut_off.tell("console") == []
    assert cut_off.tell("first") == []


def test_a_terminal_has_no_pages(run, cut_off):
    cut_off.watch(run, None)
    cut_off.note_page("second")
    end(run)

    assert cut_off.tell("second") == []
    assert page_of({}) is None
    assert page_of({"header": {"session": "first"}}) == "first"
