"""The stop button: a run that is interrupted cleans up exactly once, and only then the user sees KeyboardInterrupt."""

from __future__ import annotations

import os
import subprocess
import sys
from queue import Empty

import pytest

from tests.cells import FLOW, RUN, STATE, WORKSHOP
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kernel

# It never looks at the flag: only the exception gets it out of there.
STUBBORN = """\
@task
def busy(place):
    log("busy")
    threading.Event().wait(100)
"""


def leave(pipe):
    """Let the cleanup go on that waits at the named pipe; False if none does yet."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def errors_shown(kernel):
    """The errors that the kernel has sent to the page and nobody has looked at yet."""
    found = []
    while True:
        try:
            message = kernel.client.get_iopub_msg(timeout=0.05)
        except Empty:
            return found
        if message["msg_type"] == "error":
            found.append(message["content"]["ename"])


@pytest.mark.parametrize("body", ["", STUBBORN], ids=["reads the flag", "only waits"])
def test_the_stop_button_cleans_up_once_before_the_user_sees_the_interrupt(kernel, log, wait_until, tmp_path, body):
    kernel.run(WORKSHOP)
    kernel.run(body + "os.mkfifo('leave')")
    kernel.run(FLOW)
    cell = kernel.execute("%flow run work", wait=False)
    wait_until(lambda: "busy" in log(), what="the task to begin")

    kernel.interrupt()
    wait_until(lambda: "closing" in log(), what="the cleanup to begin")
    shown_during_cleanup = errors_shown(kernel)
    assert kernel.children()
    wait_until(lambda: leave(tmp_path / "leave"), what="the cleanup to wait")
    reply = kernel.reply_only(cell)

    assert shown_during_cleanup == []
    assert reply == ("error", "KeyboardInterrupt")
    assert log() == ["setup", "first", "busy", "closing", "cleanup"]
    assert kernel.run(STATE).stdout == "Cancelled\n"
    assert kernel.children() == []
    assert list(tmp_path.glob("workshop-*")) == []


def test_after_the_stop_button_the_kernel_and_the_flow_are_usable(kernel, log, wait_until):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    cell = kernel.execute("%flow run work", wait=False)
    wait_until(lambda: "busy" in log(), what="the task to begin")
    kernel.interrupt()
    stopped = kernel.reply(cell)

    kernel.run("gate.set()")
    kernel.run("%flow run work")

    assert stopped.ename == "KeyboardInterrupt"
    assert "cancelled" in stopped.text.lower()  # the run is drawn, so that one sees what was cleaned up
    assert log().count("setup") == log().count("cleanup") == 2
    assert kernel.run(f"{RUN}; print(run.results[answer], run.open_resources)").stdout == "done []\n"


@pytest.mark.parametrize(
    "source",
    ["%flow run work", "nbflow.flows['work'].run()", "%flow until work answer", "%flow start work\n%flow wait work"],
)
def test_the_stop_button_says_in_one_line_what_it_left(kernel, log, wait_until, source):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    cell = kernel.execute(source, wait=False)
    wait_until(lambda: "busy" in log(), what="the task to begin")

    kernel.interrupt()
    stopped = kernel.reply(cell)

    assert stopped.ename == "KeyboardInterrupt"
    assert stopped.traceback == ("interrupted; everything that was set up is cleaned up; run 1 of work is Cancelled")
    assert "Traceback" not in stopped.stderr


def test_the_stop_button_names_what_could_not_be_cleaned_up(kernel, log, wait_until):
    kernel.run(WORKSHOP.replace('log("cleanup")', "raise OSError"))
    kernel.run(FLOW)
    cell = kernel.execute("%flow run work", wait=False)
    wait_until(lambda: "busy" in log(), what="the task to begin")

    kernel.interrupt()

    assert kernel.reply(cell).traceback.startswith("interrupted; still open, or not cleaned up: Workshop;")


def test_a_second_press_leaves_the_cleanup_that_is_going_alone(kernel, log, wait_until, tmp_path):
    kernel.run(WORKSHOP)
    kernel.run("os.mkfifo('leave')")
    kernel.run(FLOW)
    cell = kernel.execute("%flow run work", wait=False)
    wait_until(lambda: "busy" in log(), what="the task to begin")
    kernel.interrupt()
    wait_until(lambda: "closing" in log(), what="the cleanup to begin")

    kernel.interrupt()
    wait_until(lambda: leave(tmp_path / "leave"), what="the cleanup to wait")

    assert kernel.reply(cell).ename == "KeyboardInterrupt"
    assert log()[-2:] == ["closing", "cleanup"]


def test_the_stop_button_reaches_tasks_on_threads(kernel, log, wait_until):
    kernel.run(WORKSHOP)
    kernel.run(
        "%%flow work --no-show\nwith Workshop() as place:\n    one, two = busy(place), busy(place)\n"
        "    answer = last(place, one, upstream_tasks=[two])"
    )
    cell = kernel.execute("%flow run work --executor threads", wait=False)
    wait_until(lambda: log().count("busy") == 2, what="both tasks to begin")

    kernel.interrupt()

    assert kernel.reply(cell).ename == "KeyboardInterrupt"
    assert log() == ["setup", "busy", "busy", "closing", "cleanup"]
    assert kernel.run(STATE).stdout == "Cancelled\n"
    assert kernel.children() == []


def test_the_stop_button_while_waiting_cancels_the_background_run(kernel, log, wait_until):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    kernel.run(f"%flow start work\n{RUN}")
    wait_until(lambda: "busy" in log(), what="the task to begin")
    cell = kernel.execute("log('waiting'); run.wait()", wait=False)
    wait_until(lambda: "waiting" in log(), what="the cell to wait")

    kernel.interrupt()

    assert kernel.reply(cell).ename == "KeyboardInterrupt"
    assert log()[-2:] == ["closing", "cleanup"]
    assert kernel.run(STATE).stdout == "Cancelled\n"


def test_the_stop_button_on_another_cell_leaves_a_background_run_alone(kernel, log, wait_until):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    kernel.run("%flow start work")
    wait_until(lambda: "busy" in log(), what="the task to begin")
    cell = kernel.execute("log('other'); threading.Event().wait(100)", wait=False)
    wait_until(lambda: "other" in log(), what="the other cell")

    kernel.interrupt()

    assert kernel.reply(cell).ename == "KeyboardInterrupt"
    assert kernel.run(f"{RUN}; gate.set(); print(type(run.wait()).__name__)").stdout == "Success\n"
    assert log()[-3:] == ["last", "closing", "cleanup"]


def test_a_retried_task_is_stopped_with_its_one_resource(kernel, log, wait_until):
    kernel.run(WORKSHOP)
    kernel.run(
        "from datetime import timedelta\n"
        "@task(max_retries=5, retry_delay=timedelta(0))\n"
        "def busy(place):\n"
        "    log('busy')\n"
        "    if nbflow.context.task_run_count < 3:\n"
        "        raise ValueError('again')\n"
        "    threading.Event().wait(100)"
    )
    kernel.run(FLOW)
    cell = kernel.execute("%flow run work", wait=False)
    wait_until(lambda: log().count("busy") == 3, what="the third attempt")

    kernel.interrupt()

    assert kernel.reply(cell).ename == "KeyboardInterrupt"
    assert log() == ["setup", "first", "busy", "busy", "busy", "closing", "cleanup"]


def test_the_stop_button_finds_a_run_that_a_cell_awaits_on_another_thread(kernel, log, wait_until):
    """Rule 14: also where nothing else turns the event loop of the kernel."""
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    kernel.execute("import asyncio\nawait asyncio.to_thread(nbflow.flows['work'].run)", wait=False)
    wait_until(lambda: "busy" in log(), what="the task to begin")

    kernel.interrupt()

    wait_until(lambda: "cleanup" in log(), what="the cleanup")
    assert log().count("cleanup") == 1
    assert kernel.children() == []


def test_what_is_held_is_cleaned_up_when_a_terminal_is_left(tmp_path):
    """Rule 14: before IPython empties the names that the cleanup needs."""
    typed = """\
%load_ext nbflow
from nbflow import Flow, resource_manager, task
import os
import subprocess
import sys

@resource_manager
class Server:
    def setup(self): return os.getpid()
    def cleanup(self, pid): open("cleaned", "w").write(str(os.getpid() == pid))

@task
def fails(pid): raise ValueError

with Flow("f") as flow:
    with Server() as pid: fails(pid)

run = flow.start(hold_on_failure=True); run.wait(60, or_held=True)
exit
"""
    command = [sys.executable, "-m", "IPython", "--no-banner", "--simple-prompt", "--no-autoindent"]
    environment = {
        **os.environ,
        "NBFLOW_HOME": str(tmp_path / "home"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }

    subprocess.run(command, cwd=tmp_path, env=environment, input=typed, text=True, timeout=PATIENCE_S, check=True)

    assert (tmp_path / "cleaned").read_text() == "True"
