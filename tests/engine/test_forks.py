"""Rule 14 of the cleanup guarantee, for forks: the resource is the parent's, and so are the run and its handlers."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

# Each process writes lines of its own, and "here" or "child" with them.
BEGIN = """
import os, signal, sys, time
from nbflow import Flow, ledger, resource_manager, task

def log(text):
    with open("diary", "a") as file:
        file.write(("child " if hasattr(sys, "is_child") else "here ") + text + "\\n")

def child_of(work):
    pid = os.fork()
    if pid == 0:
        sys.is_child = True
        return work()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def report(status):
    if status is not None:  # in the parent
        log(f"status {status}")

@resource_manager
class Server:
    def setup(self):
        log("setup")
        return "server"
    def cleanup(self, server):
        log("cleanup")

@resource_manager
def session():
    log("setup")
    try:
        yield "session"
    finally:
        log("cleanup")
"""

FLOW = """
@task
def forks(resource):
    report(child_of(lambda: WORK))

@task
def after(resource):
    log("after")

with Flow("f") as flow, MANAGER() as resource:
    after(resource, upstream_tasks=[forks(resource)])
flow.run(executor=EXECUTOR)
log("script")
"""


def diary_of(script: str, folder: Path, *, status: int = 0) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", BEGIN + script], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == status, ended.stderr
    return (folder / "diary").read_text().splitlines()


WAYS = {
    "return": ("None", 0),
    "an exception": ("1 / 0", 1),
    "sys.exit": ("sys.exit(3)", 3),
    "os._exit": ("os._exit(4)", 4),
}


@pytest.mark.one_home("each script would start a cluster: tests/dask has a test of its own")
@pytest.mark.parametrize(("work", "status"), WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("manager", ["Server", "session"])
def test_a_child_that_comes_back_from_a_task_ends_there(tmp_path, executor, work, status, manager):
    """Rules 1 and 14."""
    script = FLOW.replace("WORK", work).replace("MANAGER", manager).replace("EXECUTOR", repr(executor))

    assert diary_of(script, tmp_path) == [
        "here setup",
        f"here status {status}",
        "here after",
        "here cleanup",
        "here script",
    ]


@pytest.mark.parametrize("place", ["setup", "cleanup", "handler", "asynchronous task"])
def test_a_child_that_comes_back_from_other_code_of_the_user_ends_there(tmp_path, place):
    """Rules 1 and 14."""
    script = """
def fork(where):
    if where == PLACE:
        report(child_of(lambda: None))

@resource_manager
class Forking:
    def setup(self):
        fork("setup")
        log("setup")
    def cleanup(self, resource):
        fork("cleanup")
        log("cleanup")

@task(state_handlers=[lambda task, old, new: fork("handler") if new.is_finished() else None])
async def use(resource):
    fork("asynchronous task")
    log("use")

with Flow("f") as flow, Forking() as resource:
    use(resource)
flow.run()
log("script")
"""
    diary = diary_of(script.replace("PLACE", repr(place)), tmp_path)

    # What the child does before it comes back to us is the user's.
    assert [line for line in diary if line.startswith("here")].count("here cleanup") == 1
    assert diary.count("child cleanup") == (1 if place == "cleanup" else 0)
    assert "here status 0" in diary
    assert "child script" not in diary
    assert diary[-1] == "here script"


@pytest.mark.parametrize("manager", ["Server", "session"])
def test_a_child_of_a_script_with_a_held_run_ends_without_cleaning_up(tmp_path, manager):
    """Rule 14: it waits for nothing, and does not free a suspended generator either."""
    script = """
import gc
with Flow("f") as flow, MANAGER() as resource:
    task(lambda resource: log("use"), name="use")(resource)
run = flow.start(paused=True)
while "MANAGER" not in run.open_resources:
    run.step()

def leave():
    global run, flow
    assert run.wait() is run.state
    del run, flow
    gc.collect()
    log("end")
    sys.exit(5)

report(child_of(leave))
log(", ".join(row.state for row in ledger.resources()))
run.cancel()
run.wait()
log(f"{len(ledger.resources())} left")
"""

    assert diary_of(script.replace("MANAGER", manager), tmp_path) == [
        "here setup",
        "child end",
        "here status 5",
        "here open",
        "here cleanup",
        "here 0 left",
    ]


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_signal_to_a_child_has_its_usual_effect_there(tmp_path, signal, is_blocking):
    """Rule 14: `Process.terminate()` ends it at once."""
    script = """
import multiprocessing, threading
begun = threading.Event()

def work():
    sys.is_child = True
    log("begun")
    time.sleep(PATIENCE)

@task
def forks(resource):
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    while not os.path.exists("diary") or "begun" not in open("diary").read():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGNAL)
    process.join()
    log("ended by SIGTERM" if process.exitcode == -signal.SIGTERM else f"ended with {process.exitcode}")

with Flow("f") as flow, Server() as resource:
    forks(resource)
log(type(flow.run() if IS_BLOCKING else flow.start().wait()).__name__)
"""
    script = script.replace("SIGNAL", signal).replace("IS_BLOCKING", str(is_blocking))

    assert diary_of(script.replace("PATIENCE", str(PATIENCE_S)), tmp_path) == [
        "here setup",
        "child begun",
        "here ended by SIGTERM" if signal == "SIGTERM" else "here ended with 1",
        "here cleanup",
        "here Success",
    ]


def test_a_child_may_run_flows_of_its_own(tmp_path):
    """Rule 14: only its parent's are none of its business."""
    script = """
with Flow("inner") as inner, Server() as resource:
    task(lambda resource: log("use"), name="use")(resource)

def work():
    log(type(inner.run()).__name__)
    log(f"{len(ledger.resources())} open")
    os._exit(0)

@task
def forks(resource):
    child_of(work)

with Flow("f") as flow, session() as resource:
    forks(resource)
flow.run()
"""

    assert diary_of(script, tmp_path) == [
        "here setup",
        "child setup",
        "child use",
        "child cleanup",
        "child Success",
        "child 1 open",  # the parent's
        "here cleanup",
    ]


def test_what_a_child_prints_is_shown_and_not_kept(tmp_path):
    """Rule 14: it records nothing."""
    script = """
@task
def forks():
    print("parent")
    child_of(lambda: print("child"))

with Flow("f") as flow:
    forks()
flow.run()
log(repr([line.text for line in flow.runs[-1].logs[flow.get_tasks("forks")[0]]]))
"""

    assert diary_of(script, tmp_path) == [r"here ['parent\n']"]
