"""Kernel, Shut Down (or Restart) in the menu: what a background run holds open is closed on the way out."""

from __future__ import annotations

import psutil
import pytest

from tests.cells import FLOW, WORKSHOP

pytestmark = pytest.mark.kernel


@pytest.fixture
def work(kernel):
    kernel.run(WORKSHOP)
    return kernel


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

    psutil.wait_procs([server], timeout=5)
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
