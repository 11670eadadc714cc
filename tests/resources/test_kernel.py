"""The ready-made resources in a real kernel: the stop button, the menu, and the kernel's death."""

from __future__ import annotations

import psutil
import pytest

from tests.kernel.conftest import Kernel
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

CELL = """\
%load_ext nbflow
import os, sys, threading
from pathlib import Path
from nbflow import task
from nbflow.resources import DaskCluster, Subprocess, TemporaryDirectory

@task
def work(folder, process, client):
    pids = [process.pid, *client.run(os.getpid).values()]
    Path("pids").write_text(" ".join(map(str, [*pids, folder])))
    Path("pids").rename("begun")
    threading.Event().wait(100)
"""
FLOW = """\
%%flow work --no-show
with TemporaryDirectory(dir=".") as folder:
    with Subprocess([sys.executable, "-uc", "print('up'); import time; time.sleep(1000)"], ready="up") as process:
        with DaskCluster(2) as client:
            work(folder, process, client)
"""
ENDS = {
    "the stop button": lambda kernel: kernel.interrupt(),
    "Shut Down in the menu": lambda kernel: kernel.shutdown(),
    "a kill": lambda kernel: kernel.kill(),
}


@pytest.fixture
def kernel(tmp_path):
    kernel = Kernel(tmp_path)
    yield kernel
    kernel.close()


@pytest.mark.parametrize("end", ENDS)
def test_nothing_of_a_flow_is_left_after(end, kernel, tmp_path, wait_until):
    kernel.run(CELL)
    kernel.run(FLOW)
    message = kernel.execute("%flow run work", wait=False)
    wait_until((tmp_path / "begun").exists, what="the task to begin", timeout_s=PATIENCE_S)
    *pids, folder = (tmp_path / "begun").read_text().split()
    there = [psutil.Process(int(pid)) for pid in pids]
    assert len(there) == 3

    ENDS[end](kernel)

    _, left = psutil.wait_procs(there, timeout=PATIENCE_S)
    assert left == []
    wait_until(lambda: not (tmp_path / folder).exists(), what="the end of the directory")
    if end == "the stop button":
        reply = kernel.reply(message)
        assert reply.ename == "KeyboardInterrupt"
        assert "distributed" not in reply.stderr
        assert kernel.run("print(1)").stdout == "1\n"
