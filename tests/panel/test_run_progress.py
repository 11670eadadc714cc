"""How far a run is, as data, as HTML that is sent often, and as lines that are printed once."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.panel.picture.static_snapshot import Picture
from nbflow.panel.progress_html import clock_time, progress_html
from nbflow.panel.progress_lines import ProgressLines, pause_s
from nbflow.panel.run_progress import RunProgress
from tests.panel.conftest import until
from tests.patience import PATIENCE_S


@pytest.fixture
def going(flow, gate):
    """Give a run of the flow that waits in its second task, followed from the start."""
    run = flow.start(paused=True)
    progress = RunProgress(run)
    run.resume()
    until(lambda: type(run.states[flow.test.wait]).__name__ == "Running")
    yield run, progress
    gate.set()
    run.wait(PATIENCE_S)


def test_the_numbers_are_those_of_a_panel(going):
    run, progress = going
    picture = Picture(run.graph)
    shown = picture.patch(run, picture.everything())["head"]

    head = progress.look().head

    same = ("flow", "number", "state", "total", "done", "counts", "open")
    assert {name: head[name] for name in same} == {name: shown[name] for name in same}


def test_what_runs_now_and_what_has_ended_is_told_and_the_latter_once(going):
    _, progress = going

    first, second = progress.look(), progress.look()

    assert [one.name for one in first.running] == ["wait"]
    assert "first" in [one.name for one in first.ended]
    assert second.ended == []
    assert [one.name for one in second.running] == ["wait"]


def test_an_update_in_place_names_what_runs_and_what_is_open_and_is_short(going):
    _, progress = going

    page = progress_html(progress.look())

    assert "example, run 1" in page
    assert "wait 0 s" in page
    assert "● Cluster" in page
    assert len(page) < 4_000


def test_of_a_large_failing_flow_the_update_is_short_and_its_names_are_text():
    @task(name="<b>" + "x" * 300)
    def fail():
        raise ValueError("<i>" + "y" * 5_000)

    @resource_manager
    class Room:
        def setup(self):
            return 1

        def cleanup(self, resource):
            raise OSError("z" * 1_000)

    with Flow("f" * 500) as flow:
        for _ in range(14):
            with Room():
                fail()
    progress = RunProgress(run := flow.start(paused=True))
    run.resume()
    run.wait(PATIENCE_S)

    page = progress_html(progress.look())

    assert "ValueError" in page
    assert "<b>x" not in page
    assert "<i>y" not in page
    assert len(page) < 4_000


def test_screen_readers_are_told_of_changes_and_not_of_each_second(going):
    _, progress = going

    def said():
        page = progress_html(progress.look())
        return re.search(r'role="status">(.*?)</div>', page)[1]

    before, first = said(), progress.look().head["seconds"]
    until(lambda: progress.look().head["seconds"] > first)

    assert said() == before
    assert before.startswith("example, run 1: Running")


def test_the_expected_time_is_shown_where_it_is_known(going):
    _, progress = going
    shown = progress.look()
    shown.head["remaining"] = 125.0

    assert "about 2 min 05 s left" in progress_html(shown)
    assert [clock_time(s) for s in (0.4, 59.9, 61, 3_700)] == ["0 s", "59 s", "1 min 01 s", "1 h 01 min"]


def test_each_task_has_one_line_and_an_error_has_its_own(gate):
    @task
    def load():
        return 1

    @task
    def fail(x):
        raise KeyError("b")

    @task
    def after(x):
        return x

    with Flow("etl") as flow:
        after(fail(load()))
    progress, lines = RunProgress(run := flow.start(paused=True)), ProgressLines()
    run.step()
    first = lines.lines(progress.look())
    run.resume()
    run.wait(PATIENCE_S)

    second = lines.lines(progress.look())

    assert [re.sub(r"[\d.]+ s", "T", line) for line in first] == ["✓ load T"]
    assert any(line.startswith("✗ fail: KeyError: 'b'\n    test_run_progress.py, line") for line in second)
    assert [line for line in second if line.startswith("✗ fail ")] == []
    assert sum(line.startswith("⊗ after") for line in second) == 1
    assert lines.lines(progress.look()) == []


def test_many_that_end_together_share_a_line():
    with Flow("many") as flow:
        for _ in range(1_000):
            task(lambda: 1, name="one")()
    progress = RunProgress(run := flow.start(paused=True))
    run.resume()
    run.wait(PATIENCE_S)

    found = ProgressLines().lines(progress.look())

    assert len(found) == 1
    assert "1000 of 1000 done" in found[0]


def test_the_longer_a_run_takes_the_less_often_there_are_lines():
    assert pause_s(2.0) == 1.0
    assert pause_s(3_600.0) == 180.0


def test_what_had_ended_before_is_not_told_again(going):
    run, _ = going

    late = RunProgress(run)

    assert late.look().ended == []


def test_following_ends_with_the_run_s_listener_removed(going):
    run, progress = going

    progress.stop()

    assert run._record.log.listeners == ()


def test_showing_how_far_a_run_is_loads_no_widgets():
    code = "import sys, nbflow.notebook.shell.live_view; print([n for n in sys.modules if n.endswith('widgets')])"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"
