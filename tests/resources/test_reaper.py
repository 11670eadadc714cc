"""The ready-made resources in flows whose process is killed: the reaper removes what it finds (rule 12)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from nbflow.resources import Subprocess, resource_processes

FLOW = """
import sys, threading
from nbflow import Flow, task
from nbflow.resources import Subprocess, TemporaryDirectory

@task
def work(folder, process):
    (folder / "data").write_text("x")
    print("at work", process.pid, folder, flush=True)
    threading.Event().wait()

with Flow("f") as flow:
    with TemporaryDirectory(dir=sys.argv[1]) as folder:
        with Subprocess(["sleep", "1000"]) as process:
            work(folder, process)

flow.run(executor="threads")
"""
CLUSTER = """
import os, signal, sys, threading
from nbflow import Flow, task
from nbflow.resources import DaskCluster

@task
def work(client):
    pids = list(client.run(os.getpid).values())
    (path, *_) = client.run(lambda dask_worker: dask_worker.local_directory).values()
    for pid in pids:  # as if busy in code that lets no other thread run
        os.kill(pid, signal.SIGSTOP)
    print("at work", path.partition("/dask-scratch-space")[0], *pids, flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    with Flow("f") as flow:
        with DaskCluster(2) as client:
            work(client)
    flow.run()
"""


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_after_a_kill_the_directory_and_the_process_of_a_flow_are_gone(tmp_path, wait_until):
    with subprocess.Popen([sys.executable, "-c", FLOW, tmp_path], stdout=subprocess.PIPE, text=True) as kernel:
        _, _, pid, path = kernel.stdout.readline().split()
        assert is_running(int(pid))
        assert Path(path, "data").exists()

        kernel.kill()

    wait_until(lambda: not is_running(int(pid)), what="the end of the process")
    wait_until(lambda: not Path(path).exists(), what="the end of the directory")


def test_a_flow_inside_of_a_process_that_is_ended_has_its_resources_reclaimed(tmp_path, wait_until):
    """Its reaper carries the outer process's mark, but is left to do its work."""
    command = [sys.executable, "-c", FLOW, tmp_path]
    manager = Subprocess.resource_class(command, ready="at work .*\n", stop_timeout_s=0.2)
    process = manager.setup()
    _, _, pid, path = process.output.split()

    manager.cleanup(process)

    assert not is_running(int(pid))
    wait_until(lambda: not Path(path).exists(), what="the end of the directory")
    wait_until(lambda: not _marked(manager), what="the end of the reaper")


def _marked(manager):
    token = manager.early_handle()["token"]
    return [
        one for one in psutil.process_iter() if token in resource_processes._tokens(one.pid) and is_running(one.pid)
    ]


@pytest.mark.dask
def test_after_a_kill_the_workers_of_a_cluster_are_gone(tmp_path, wait_until):
    script = tmp_path / "script.py"
    script.write_text(CLUSTER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as kernel:
        _, _, path, *pids = kernel.stdout.readline().split()
        assert len(pids) == 2
        assert all(is_running(int(pid)) for pid in pids)

        kernel.send_signal(signal.SIGKILL)

    wait_until(lambda: not any(is_running(int(pid)) for pid in pids), what="the end of the workers")
    wait_until(lambda: not Path(path).exists(), what="the end of the cluster's directory")
