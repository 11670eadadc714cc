"""A real Dask cluster of worker processes as the resource of a flow."""

from __future__ import annotations

import psutil
import pytest

from tests.cells import RUN, STATE
from tests.patience import PATIENCE_S

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


def test_after_the_stop_button_no_process_of_a_cluster_is_left(kernel, wait_until, tmp_path):
    kernel.run(CLUSTER)
    kernel.run(FLOW)
    cell = kernel.execute("%flow run cluster", wait=False)
    wait_until((tmp_path / "held").exists, what="the cluster to work")
    busy = workers(kernel)

    kernel.interrupt()
    reply = kernel.reply(cell)

    assert len(busy) == 2
    assert reply.ename == "KeyboardInterrupt"
    assert workers(kernel) == []
    assert (tmp_path / "cleaned").read_text() == "once\n"
    assert kernel.run(STATE.replace("work", "cluster")).stdout == "Cancelled\n"


def test_a_cluster_held_between_steps_is_gone_when_its_kernel_is_shut_down(kernel, tmp_path):
    kernel.run(CLUSTER)
    kernel.run(FLOW)
    kernel.run(f"%flow until cluster square\n{RUN.replace('work', 'cluster')}")
    held = workers(kernel)
    used = kernel.run("print(run.results[client].submit(sum, [1, 2]).result(), run.results[squared])")

    kernel.shutdown()

    _, left = psutil.wait_procs(held, timeout=PATIENCE_S)
    assert (len(held), used.stdout) == (2, "3 49\n")
    assert left == []
    assert (tmp_path / "cleaned").read_text() == "once\n"
