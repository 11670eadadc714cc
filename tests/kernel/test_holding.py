"""A run in the background fails in the middle, is held with its resources open, looked at, fixed, and goes on."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from tests.cells import RUN, STATE
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kernel

CELLS = """\
%load_ext nbflow
import json, os, sys, threading, time
from pathlib import Path
import nbflow
from nbflow import task
from nbflow.resources import DaskCluster, Subprocess, TemporaryDirectory

gate = threading.Event()
SERVER = [sys.executable, "-uc", "print('up'); import time; time.sleep(1000)"]

def log(line):
    with open("log", "a") as file:
        file.write(line + "\\n")

def parse(text):
    return int(text)

@task
def fetch(folder, server):
    log(f"fetch {server.pid}")
    (folder / "numbers").write_text("1 2 - 4")
    while not gate.wait(0.02):
        pass
    return folder / "numbers"

@task
def report(total):
    log("report")
    return f"the total is {total}"
"""
TOTAL = """\
@task
def total(server, path):
    log(f"total {server.pid}")
    return sum(parse(text) for text in path.read_text().split())
"""
FLOW = """\
%%flow work --no-show
with TemporaryDirectory(dir=".", prefix="scratch-") as folder:
    with Subprocess(SERVER, ready="up") as server:
        summed = total(server, fetch(folder, server))
answer = report(summed)
"""
FIXED = {
    "the task": """\
@task
def total(server, path):
    log(f"fixed {server.pid}")
    return sum(int(text) for text in path.read_text().split() if text != "-")
""",
    "a function that it calls": "def parse(text):\n    return 0 if text == '-' else int(text)\n",
}


@pytest.fixture
def work(kernel):
    kernel.run(CELLS)
    kernel.run(TOTAL, cell_id="total")
    kernel.run(FLOW)
    return kernel


@pytest.fixture
def held(work):
    """The kernel, with a run that is paused at the failure of `total`."""
    work.run("gate.set()")
    work.run("%flow start work --hold")
    assert "failed" in work.run(f"%flow wait work\n{RUN}; print(run.state.message)").stdout
    return work


@pytest.fixture
def resources(tmp_path, log):
    """The resources of the run that `log` tells of: the server's process, and the folder."""

    def find():
        (folder,) = tmp_path.glob("scratch-*")
        return psutil.Process(int(log()[0].split()[1])), folder

    return find


@pytest.fixture
def assert_gone(wait_until):
    def check(server, folder):
        psutil.wait_procs([server], timeout=PATIENCE_S)
        assert not server.is_running()
        wait_until(lambda: not folder.exists(), what="the end of the folder")

    return check


# -- the story --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("definition", FIXED)
def test_a_run_in_the_background_is_held_looked_at_fixed_and_goes_on(
    work, log, wait_until, resources, assert_gone, definition
):
    work.run("%flow start work --hold")
    wait_until(log, what="the first task")
    going = work.run(f"{RUN}; print(6 * 7, type(run.state).__name__)")
    work.run("gate.set()")
    shown = work.run("%flow wait work")
    server, folder = resources()

    said = work.run("%flow values work")
    looked = work.run("print(server.poll(), path.read_text(), run.open_resources)")
    work.run(FIXED[definition], cell_id="total" if definition == "the task" else None)
    retried = work.run("%flow retry work")
    still = work.run("print(run.is_paused, server.poll(), path.exists())")
    work.run("%flow resume work")
    ended = work.run("print(run.wait().is_successful(), run.results[answer])")

    assert going.stdout == "42 Running\n"
    assert "ValueError" in shown.text
    assert said.text == "what total takes in run 1: server, path\n"
    assert looked.stdout == "None 1 2 - 4 ['Subprocess', 'TemporaryDirectory']\n"
    assert "Paused" in retried.text
    assert still.stdout == "True None True\n"
    assert ended.stdout == "True the total is 7\n"
    assert_gone(server, folder)
    assert [line.split()[0] for line in log()].count("fetch") == 1
    assert {line.split()[1] for line in log()[:-1]} == {str(server.pid)}  # one server for all of it


def test_a_later_run_uses_what_was_fixed(held, log):
    held.run(FIXED["the task"], cell_id="total")
    held.run("%flow retry work\n%flow resume work\nrun.wait()")

    held.run("%flow run work")

    assert held.run(STATE).stdout == "Success\n"
    assert log()[-2].startswith("fixed")


def test_the_debugger_looks_into_the_failing_frame_with_the_resources_open(held):
    answers = iter(["p text", "up 2", "p server.poll()", "q"])
    said = []

    held.client.execute_interactive(
        "%flow debug work",
        allow_stdin=True,
        timeout=30,
        stdin_hook=lambda message: held.client.input(next(answers)),
        output_hook=lambda message: said.append(message["content"].get("text", "")),
    )

    assert "'-'" in "".join(said)
    assert "None" in "".join(said)
    assert held.run("print(run.is_paused, run.open_resources)").stdout.startswith("True ['Subprocess'")


# -- the end of a held run ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["%flow cancel work", "%flow resume work\nrun.wait()"])
def test_letting_a_held_run_end_cleans_up(held, resources, assert_gone, command):
    there = resources()

    held.run(command)

    assert_gone(*there)
    assert held.run("print(run.is_finished, run.cleanup_failures)").stdout == "True {}\n"


@pytest.mark.parametrize("restart", [False, True], ids=["shut down", "restarted"])
def test_a_kernel_that_is_ended_while_a_run_is_held_leaves_nothing(held, resources, assert_gone, restart):
    there = resources()

    held.shutdown(restart=restart)

    assert_gone(*there)


def test_a_kernel_that_is_killed_while_a_run_is_held_leaves_nothing(held, resources, assert_gone):
    """Rule 12."""
    there = resources()

    held.kill()

    assert_gone(*there)


def test_a_kernel_that_is_killed_during_a_retry_leaves_nothing(held, resources, assert_gone, wait_until, log):
    there = resources()
    held.run("def parse(text):\n    log('parse')\n    threading.Event().wait()")
    held.execute("%flow retry work", wait=False)
    wait_until(lambda: log()[-1] == "parse", what="the retry")

    held.kill()

    assert_gone(*there)


def test_a_held_run_that_nobody_comes_back_to_ends_by_itself(work, log, wait_until, resources, assert_gone):
    work.run("run = nbflow.flows['work'].start(hold_on_failure=True, hold_limit_s=0.1)")
    wait_until(log, what="the first task")
    there = resources()

    work.run("gate.set()")

    assert_gone(*there)
    work.run("run.wait()")
    assert work.run(STATE).stdout == "Cancelled\n"
    assert [line.split()[0] for line in log()] == ["fetch", "total"]


# -- the stop button ----------------------------------------------------------------------------------------------


def test_the_stop_button_stops_another_cell_and_the_run_stays_held(held, resources, log, wait_until):
    server, folder = resources()
    cell = held.execute("log('cell'); time.sleep(100)", wait=False)
    wait_until(lambda: log()[-1] == "cell", what="the cell to begin")

    held.interrupt()

    assert held.reply(cell).ename == "KeyboardInterrupt"
    assert held.run("print(run.is_paused)").stdout == "True\n"
    assert server.is_running()
    assert folder.exists()


def test_the_stop_button_during_a_retry_ends_the_run_and_cleans_up(held, resources, assert_gone, log, wait_until):
    """Rule 6."""
    there = resources()
    held.run("def parse(text):\n    log('parse')\n    while True:\n        time.sleep(0.01)")
    cell = held.execute("%flow retry work", wait=False)
    wait_until(lambda: log()[-1] == "parse", what="the retry")

    held.interrupt()

    assert held.reply(cell).ename == "KeyboardInterrupt"
    assert held.run(STATE).stdout == "Cancelled\n"
    assert_gone(*there)


def test_the_stop_button_in_a_cell_that_waits_for_the_run_ends_it_and_cleans_up(
    work, resources, assert_gone, log, wait_until
):
    """Rule 6."""
    work.run("%flow start work --hold")
    wait_until(log, what="the first task")
    there = resources()
    cell = work.execute("log('waiting')\n%flow wait work", wait=False)
    wait_until(lambda: log()[-1] == "waiting", what="the cell to begin")

    work.interrupt()

    assert work.reply(cell).ename == "KeyboardInterrupt"
    assert work.run(STATE).stdout == "Cancelled\n"
    assert_gone(*there)


# -- on a cluster -------------------------------------------------------------------------------------------------

CLUSTER = """\
def half(n):
    return 1 / n

@task
def halves(client, numbers):
    pids = client.run(os.getpid)
    Path("pids").write_text(json.dumps(list(pids.values())))
    return client.gather(client.map(half, numbers))
"""
CLUSTER_FLOW = """\
%%flow work --no-show
with DaskCluster(2, cluster_kwargs={"silence_logs": 50}) as client:
    halved = halves(client, [1, 2, 0])
answer = report(halved)
"""


@pytest.fixture
def cluster(kernel, tmp_path):
    """The kernel, with a run that is paused with a cluster open, and the cluster's workers."""
    kernel.run(CELLS)
    kernel.run(CLUSTER)
    kernel.run(CLUSTER_FLOW)
    kernel.run(f"%flow start work --hold\n{RUN}")
    assert "ZeroDivisionError" in kernel.run("%flow wait work").text
    return kernel, [psutil.Process(pid) for pid in json.loads(Path(tmp_path, "pids").read_text())]


@pytest.mark.dask
@pytest.mark.slow
def test_a_cluster_stays_through_failure_look_and_retry_and_is_gone_at_the_end(cluster, tmp_path):
    kernel, workers = cluster
    kernel.run("%flow values work")
    looked = kernel.run("print(client.submit(sum, numbers).result())")
    kernel.run("def half(n):\n    return n / 2")
    kernel.run("%flow retry work")
    again = json.loads(Path(tmp_path, "pids").read_text())
    kernel.run("%flow resume work")
    ended = kernel.run("print(run.wait().is_successful(), run.results[answer])")

    assert looked.stdout == "3\n"
    assert sorted(again) == sorted(worker.pid for worker in workers)
    assert ended.stdout == "True the total is [0.5, 1.0, 0.0]\n"
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.dask
@pytest.mark.slow
@pytest.mark.parametrize("end", ["shutdown", "kill"])
def test_a_cluster_that_is_held_is_gone_with_its_kernel(cluster, end):
    kernel, workers = cluster
    assert all(worker.is_running() for worker in workers)

    getattr(kernel, end)()

    _, left = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert left == []
