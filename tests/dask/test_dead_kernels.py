"""A kernel dies: the workers of a run's own cluster go with it, those of others clean up what they have open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.dask.conftest import cluster_of, is_worker, wait_until
from tests.executors.journal import Journal
from tests.executors.journaled import open_rows

pytestmark = pytest.mark.dask

SCRIPT = """
import sys, time
from nbflow import Flow, task
from nbflow.executors import DaskExecutor

@task
def waits(folder):
    open(folder + "/reached", "w").close()
    time.sleep(60)

def main():
    with Flow("f") as flow:
        waits(sys.argv[1])
    flow.run(executor=DaskExecutor(cluster_kwargs={"n_workers": 2, "threads_per_worker": 1}))

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_workers_of_a_runs_own_cluster_end_with_the_kernel(tmp_path, how):
    """Rules 12 and 14."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as kernel:
        wait_until((tmp_path / "reached").exists)
        workers = [one for one in psutil.Process(kernel.pid).children(recursive=True) if is_worker(one)]
        assert workers
        kernel.send_signal(how)
        kernel.wait()

    wait_until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in workers))
    if how is not signal.SIGKILL:
        assert not list(tmp_path.glob("nbflow-dask-*"))


SCOPED = """
import os, sys, time
from nbflow import Flow, resource_manager, task
from nbflow.executors import DaskExecutor

log, address, moment = sys.argv[1:]

class Plain:
    def __init__(self, log, moment):
        self.log, self.moment = log, moment
    def note(self, what):
        with open(self.log, "a") as file:
            file.write(f"{what} {os.getpid()}\\n")
    def setup(self):
        self.note("setup")
        if self.moment == "setup":
            time.sleep(5)
        return self
    def cleanup(self, resource):
        self.note("cleanup")

class Found(Plain):
    def early_handle(self):
        return [self.log, os.getpid()]
    def handle(self, resource):
        return [self.log, os.getpid()]
    @staticmethod
    def reclaim(handle):
        with open(handle[0], "a") as file:
            file.write(f"reclaim {handle[1]}\\n")

def work(plain, found):
    plain.note("task")
    try:
        while True:
            time.sleep(0.01)
    finally:
        plain.note("let-go")

with Flow("f") as flow:
    with resource_manager(Plain, scope="worker")(log, moment) as plain:
        with resource_manager(Found, scope="worker")(log, "") as found:
            task(work)(plain, found)
flow.run(executor=DaskExecutor(address))
"""


@pytest.mark.parametrize("moment", ["setup", "task"])
def test_workers_that_outlive_the_kernel_clean_up_what_nobody_reclaims(tmp_path, moment, monkeypatch):
    """Rule 12: and its tasks let go first."""
    monkeypatch.setenv("NBFLOW_HOME", str(tmp_path / "home"))
    journal = Journal(tmp_path / "journal")
    with cluster_of(1) as client:
        address = client.scheduler.address
        kernel = subprocess.Popen([sys.executable, "-c", SCOPED, str(journal.path), address, moment])
        wait_until(lambda: moment in journal.words)
        kernel.send_signal(signal.SIGKILL)
        kernel.wait()

        wait_until(lambda: "cleanup" in journal.words)
        if moment == "task":
            wait_until(lambda: "reclaim" in journal.words)
        assert client.submit(abs, -1).result() == 1  # its thread is free again

    if moment == "setup":
        assert journal.words == ["setup", "cleanup"]
    else:
        assert sorted(journal.words) == sorted(["setup", "setup", "task", "let-go", "cleanup", "reclaim"])
        assert journal.words.index("let-go") < journal.words.index("cleanup")
        assert len(set(journal.pids("setup"))) == 1
    assert [block for block, _ in open_rows()] == ["Plain"]  # nobody has told the ledger
