"""A kernel dies while a cluster of a run's own is open: its workers go with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.dask.conftest import is_worker, wait_until

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
