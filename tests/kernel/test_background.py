"""Runs in the background: they go on while other cells are executed, and are commanded between cells."""

from __future__ import annotations

import pytest

from tests.cells import FLOW, RUN, STATE, WORKSHOP

pytestmark = pytest.mark.kernel


@pytest.fixture
def work(kernel):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    return kernel


def test_a_started_run_goes_on_while_other_cells_are_executed(work, log, wait_until):
    work.run("%flow start work")
    wait_until(lambda: "busy" in log(), what="the task to begin")
    (server,) = work.children()

    during = work.run(f"{RUN}; print(6 * 7, type(run.state).__name__, run.open_resources)")
    work.run("gate.set()")
    wait_until(lambda: "cleanup" in log(), what="the run to end, with no cell going")

    assert during.stdout == "42 Running ['Workshop']\n"
    assert log() == ["setup", "first", "busy", "last", "closing", "cleanup"]
    assert work.run(f"{RUN}; print(type(run.wait()).__name__)").stdout == "Success\n"
    assert not server.is_running()


def test_a_resource_stays_open_between_steps(work, log, tmp_path):
    work.run("gate.set()")
    seen = []
    for _ in range(6):
        work.run("%flow step work")
        seen.append((log()[-1] if log() else "", len(work.children()), len([*tmp_path.glob("workshop-*")])))

    assert seen == [
        ("", 0, 0),  # init
        ("setup", 1, 1),
        ("first", 1, 1),
        ("busy", 1, 1),
        ("last", 1, 1),
        ("cleanup", 0, 0),
    ]
    assert work.run(STATE).stdout == "Success\n"
    refused = work.execute(f"{RUN}; run.step()")
    assert refused.ename == "NothingToStepError"


def test_a_held_resource_can_be_used_from_any_cell(work, log):
    work.run("%flow until work first")

    used = work.run(
        f"{RUN}; folder, server = run.results[place]\n"
        "Path(folder, 'mine').write_text('kept'); print(server.poll(), type(run.state).__name__)"
    )
    again = work.run("print(Path(folder, 'mine').read_text())")
    work.run("%flow cancel work")

    assert (used.stdout, again.stdout) == ("None Paused\n", "kept\n")
    assert log() == ["setup", "first", "closing", "cleanup"]
    assert work.children() == []


def test_pause_stands_still_after_the_running_task_and_resume_goes_on(work, log, wait_until):
    work.run("%flow start work")
    wait_until(lambda: "busy" in log(), what="the task to begin")
    work.run(f"%flow pause work\n{RUN}")
    work.run("gate.set()")
    wait_until(lambda: work.run("print(run.is_paused)").stdout == "True\n", what="the run to be paused")
    held = (log()[-1], len(work.children()), work.run("print(run.open_resources)").stdout)

    work.run("%flow resume work")
    ended = work.run("print(type(run.wait()).__name__)").stdout

    assert held == ("busy", 1, "['Workshop']\n")
    assert ended == "Success\n"
    assert log() == ["setup", "first", "busy", "last", "closing", "cleanup"]
    assert work.children() == []


def test_cancel_ends_a_task_that_is_running_and_cleans_up(work, log, wait_until):
    work.run("%flow start work")
    wait_until(lambda: "busy" in log(), what="the task to begin")

    shown = work.run("%flow cancel work")

    assert "cancelled" in shown.text.lower()
    assert log() == ["setup", "first", "busy", "closing", "cleanup"]
    assert work.run(STATE).stdout == "Cancelled\n"
    assert work.children() == []


def test_executing_the_flows_cell_again_does_not_disturb_the_run_that_is_going(kernel, log):
    kernel.run(WORKSHOP)
    kernel.run(FLOW, cell_id="cell-work")
    kernel.run("%flow until work first")
    kernel.run(f"{RUN}; old = (value, answer); gate.set()")

    kernel.run(FLOW.replace("last(place, value)", "last(place, 'new')"), cell_id="cell-work")
    kernel.run("%flow resume work")
    finished = kernel.run("print(type(run.wait()).__name__, [run.results[task] for task in old])")
    kernel.run("%flow run work")

    assert finished.stdout == "Success ['done', 'done']\n"
    assert kernel.run(f"{RUN}; print(run.number, run.results[answer])").stdout == "2 new\n"
    assert log().count("setup") == log().count("cleanup") == 2


def test_executing_the_cells_of_the_tasks_again_does_not_disturb_the_run_either(work, log):
    work.run("%flow until work first")

    work.run(WORKSHOP)  # `gate` is a new one, and so are the functions
    work.run("gate.set()")
    work.run("%flow resume work")

    assert work.run(f"{RUN}; print(type(run.wait()).__name__)").stdout == "Success\n"
    assert log() == ["setup", "first", "busy", "last", "closing", "cleanup"]
