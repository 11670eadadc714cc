"""Kernel, Shut Down (or Restart) in the menu: what a background run holds open is closed on the way out."""

from __future__ import annotations

import psutil
import pytest
from jupyter_client.manager import KernelManager

from nbflow.notebook.shutdown import _BUDGET_S
from tests.cells import FLOW, WORKSHOP
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kernel

# A cleanup that takes longer than any kernel may take to end.
WAREHOUSE = """\
@resource_manager
class Warehouse:
    def __init__(self):
        self.folder = os.path.abspath(f"warehouse-{os.getpid()}")
    def early_handle(self):
        return {"folder": self.folder, "log": os.path.abspath("log")}
    def setup(self):
        os.mkdir(self.folder)
        return self.folder
    def cleanup(self, folder):
        log("closing")
        time.sleep(100)
        shutil.rmtree(folder)
        log("cleanup")
    @staticmethod
    def reclaim(handle):
        shutil.rmtree(handle["folder"], ignore_errors=True)
        with open(handle["log"], "a") as file:
            file.write("reclaimed\\n")

@task
def store(folder):
    log("stored")
    while not gate.wait(0.02):
        if nbflow.context.cancelled():
            raise RuntimeError("asked to stop")

import time
with nbflow.Flow("goods") as flow:
    with Warehouse() as folder:
        store(folder)
"""


@pytest.fixture
def work(kernel):
    kernel.run(WORKSHOP)
    return kernel


def test_what_is_done_on_the_way_out_takes_less_than_a_kernel_manager_leaves():
    assert KernelManager().shutdown_wait_time > _BUDGET_S


# With a child of the kernel's own process group alive, a kernel that shuts down never gets to `atexit`.
@pytest.mark.parametrize(
    ("command", "begun", "own_session"),
    [
        ("%flow start work", "busy", False),
        ("%flow until work first", "first", False),
        ("%flow start work", "busy", True),
    ],
    ids=["going", "held", "going, own session"],
)
def test_shutting_down_cleans_up_what_a_background_run_holds(
    work, log, wait_until, tmp_path, command, begun, own_session
):
    work.run(FLOW.replace("Workshop()", f"Workshop(own_session={own_session})"))
    work.run(command)
    wait_until(lambda: begun in log(), what="the task")
    (server,) = work.children()

    work.shutdown()

    psutil.wait_procs([server], timeout=PATIENCE_S)
    assert log()[-2:] == ["closing", "cleanup"]
    assert log().count("cleanup") == 1
    assert not server.is_running()
    assert list(tmp_path.glob("workshop-*")) == []


def test_restarting_cleans_up_and_the_new_kernel_begins_afresh(work, log, wait_until):
    work.run(FLOW)
    work.run("%flow start work")
    wait_until(lambda: "busy" in log(), what="the task to begin")

    work.shutdown(restart=True)

    assert log() == ["setup", "first", "busy", "closing", "cleanup"]
    assert work.run("import nbflow; print(len(nbflow.flows))").stdout == "0\n"
    assert work.children() == []


def test_shutting_down_while_a_cell_runs_the_flow_cleans_up(work, log, wait_until):
    work.run(FLOW)
    work.execute("%flow run work", wait=False)
    wait_until(lambda: "busy" in log(), what="the task to begin")

    work.shutdown()

    assert log() == ["setup", "first", "busy", "closing", "cleanup"]


def test_shutting_down_without_the_extension_cleans_up_as_well(work, log, wait_until):
    work.run("%unload_ext nbflow")
    work.run(
        "with nbflow.Flow('work') as flow:\n    with Workshop() as place:\n        busy(place)\nrun = flow.start()"
    )
    wait_until(lambda: "busy" in log(), what="the task to begin")

    work.shutdown()

    assert log() == ["setup", "busy", "closing", "cleanup"]


@pytest.mark.parametrize("executor", ["inline", "threads"])
@pytest.mark.parametrize("begin", ["flow.start", "flow.run", "flow.start().wait"])
def test_a_slow_cleanup_is_left_to_the_reaper_and_keeps_no_kernel_from_ending(
    work, log, wait_until, tmp_path, begin, executor
):
    work.run(WAREHOUSE)
    keywords = f"executor={executor!r}"
    cell = f"{begin}({keywords})" if "wait" not in begin else f"flow.start({keywords}).wait()"
    work.execute(cell, wait=False)
    wait_until(lambda: "stored" in log(), what="the task to begin")

    work.manager.shutdown_wait_time = 2 * PATIENCE_S  # after half of it SIGTERM would be sent

    work.shutdown()

    assert work.manager._shutdown_status.name == "ShutdownRequest"  # nobody had to terminate or to kill it
    wait_until(lambda: log()[-1] == "reclaimed", what="the reaper")
    assert log() == ["stored", "closing", "reclaimed"]
    assert list(tmp_path.glob("warehouse-*")) == []


def test_restarting_does_not_wait_for_a_slow_cleanup_either(work, log, wait_until):
    work.run(WAREHOUSE)
    work.run("run = flow.start()")
    wait_until(lambda: "stored" in log(), what="the task to begin")

    work.shutdown(restart=True)

    wait_until(lambda: log()[-1] == "reclaimed", what="the reaper")
    assert log() == ["stored", "closing", "reclaimed"]
    assert work.children() == []
