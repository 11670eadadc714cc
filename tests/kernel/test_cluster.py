"""A real Dask cluster of worker processes as the resource of a flow."""

from __future__ import annotations

import psutil
import pytest

from tests.kernel.cells import RUN

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

CLUSTER = """\
%load_ext nbflow
import logging
import threading
from pathlib import Path
import nbflow
from dask.distributed import Client
from nbflow import resource_manager, task

@resource_manager
class DaskCluster:
    def setup(self):
        return Client(
            n_workers=2, threads_per_worker=1, memory_limit="1GiB", dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    def cleanup(self, client):
        client.close()
        Path("cleaned").open("a").write("once\\n")

def hold():
    Path("held").touch()
    threading.Event().wait(100)

@task
def square(client):
    return client.submit(lambda x: x * x, 7).result()

@task
def wait_on_the_cluster(client):
    return client.submit(hold).result()
"""
FLOW = """\
%%flow cluster --no-show
with DaskCluster() as client:
    squared = square(client)
    waited = wait_on_the_cluster(client, upstream_tasks=[squared])
"""


def workers(kernel):
    """The cluster's processes; Python's own helper, which it starts once and keeps, is none of them."""
    found = []
    for child in kernel.children():
        try:
            if "resource_tracker" not in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("command", ["%flow run cluster", "%flow start cluster"], ids=["run", "start and wait"])
def test_after_the_stop_button_no_process_of_a_cluster_is_left(kernel, wait_until, tmp_path, command):
    kernel.run(CLUSTER)
    kernel.run(FLOW)
    cell = kernel.execute(f"{command}\nnbflow.flows['cluster'].runs[-1].wait()", wait=False)
    wait_until((tmp_path / "held").exists, what="the cluster to work")
    busy = workers(kernel)

    kernel.interrupt()
    reply = kernel.reply(cell)

    assert len(busy) == 2
    assert reply.ename == "KeyboardInterrupt"
    assert workers(kernel) == []
    assert (tmp_path / "cleaned").read_text() == "once\n"
    told = kernel.run(f"{RUN.replace('work', 'cluster')}; print(type(run.state).__name__, run.results[squared])")
    assert told.stdout == "Cancelled 49\n"
