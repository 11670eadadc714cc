"""`%flow run` in a front end: one output that follows the run, and becomes the picture of how it ended."""

from __future__ import annotations

import pytest

from tests.cells import FLOW, WORKSHOP
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kernel

# The task goes on once the view was shown.
SHOWN = """\
from nbflow.notebook.shell import live_view
shown, put = threading.Event(), live_view.InPlace._put
def note(*args, **options):
    put(*args, **options)
    shown.set()
live_view.InPlace._put = note

@task
def busy(place):
    print("busy at work")
    assert shown.wait(60)
    return "done"
"""


def test_a_run_that_takes_its_time_is_shown_in_one_output_which_becomes_its_picture(kernel):
    kernel.run(WORKSHOP)
    kernel.run(SHOWN)
    kernel.run(FLOW, cell_id="a")

    reply = kernel.run("%flow run work", cell_id="b")

    first, *more = reply.shown
    assert 'class="nbflow-run' in first["text/html"]
    assert "busy" in first["text/html"]
    assert "Workshop" in first["text/html"]
    assert more == []
    assert "<svg" in reply.updated[-1]["text/html"]
    assert "Success" in reply.updated[-1]["text/plain"]
    assert reply.stdout == "busy at work\n"


def test_after_a_task_has_cleared_the_output_the_picture_is_shown_all_the_same(kernel):
    kernel.run(WORKSHOP)
    kernel.run(SHOWN.replace('return "done"', "__import__('IPython.display').display.clear_output()"))
    kernel.run(FLOW, cell_id="a")

    reply = kernel.run("%flow run work", cell_id="b")

    assert "<svg" in reply.shown[-1]["text/html"]


def test_a_quick_run_shows_its_picture_alone(kernel):
    kernel.run(WORKSHOP)
    kernel.run("gate.set()")
    kernel.run(FLOW, cell_id="a")
    kernel.run("from nbflow.notebook.shell.live_view import InPlace; InPlace.patience_s = 100")

    reply = kernel.run("%flow run work", cell_id="b")

    assert ["<svg" in data["text/html"] for data in reply.shown] == [True]
    assert reply.updated == []


def test_a_program_that_executes_notebooks_gets_lines_once_a_run_takes_long(kernel):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    kernel.run("gate.set()")
    quick = kernel.run("%flow run work")
    # Lines follow at once instead of after seconds, and the last task waits for one.
    kernel.run(
        "import sys\n"
        "from nbflow.notebook.shell import live_view\n"
        "said = threading.Event()\n"
        "class AtOnce(live_view.Lines):\n"
        "    def __init__(self, patience_s):\n"
        "        super().__init__(0.01, lambda line: (print(line), said.set()))\n"
        "live_view.Lines = AtOnce\n"
        "@task\n"
        "def last(place, value):\n"
        "    assert said.wait(60)\n"
        "%flow reset work"
    )
    kernel.run(FLOW)

    slow = kernel.run("%flow run work")

    assert quick.stdout == ""
    assert "✓ first" in slow.stdout
    assert slow.stdout.count("✓ first") == 1
    assert ["<svg" in data["text/html"] for data in slow.shown] == [True]


def test_an_error_in_the_view_is_a_warning_and_the_run_ends_as_usual(kernel):
    kernel.run(WORKSHOP)
    kernel.run(FLOW, cell_id="a")
    kernel.run(
        "from nbflow.notebook.shell import live_view\n"
        "def fail(now):\n"
        "    gate.set()\n"
        "    raise ZeroDivisionError\n"
        "live_view.progress_html = fail"
    )

    reply = kernel.run("%flow run work", cell_id="b")

    assert "the view of run 1 of 'work' has stopped, it raised ZeroDivisionError()" in reply.stderr
    assert "Success" in reply.shown[-1]["text/plain"]


def test_a_page_that_connects_while_a_run_blocks_its_cell_is_answered(kernel, log, wait_until):
    kernel.run(WORKSHOP)
    kernel.run(FLOW, cell_id="a")
    cell = kernel.execute("%flow run work", wait=False, cell_id="b")
    wait_until(lambda: "busy" in log(), what="the task to begin")

    kernel.client.kernel_info()
    info = kernel.client.get_shell_msg(timeout=PATIENCE_S)
    kernel.client.comm_info()
    comms = kernel.client.get_shell_msg(timeout=PATIENCE_S)
    is_going = "last" not in log()
    kernel.interrupt()
    kernel.reply(cell)

    assert (info["msg_type"], comms["msg_type"]) == ("kernel_info_reply", "comm_info_reply")
    assert is_going


def test_without_the_extension_the_kernel_answers_as_before(kernel):
    kernel.run("%load_ext nbflow")
    kernel.run("%unload_ext nbflow")

    kernel.client.kernel_info()

    assert kernel.client.get_shell_msg(timeout=PATIENCE_S)["msg_type"] == "kernel_info_reply"
