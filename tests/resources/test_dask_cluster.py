"""A Dask cluster as a resource: its processes are gone afterwards, whoever dies."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from nbflow import Flow, Parameter, task
from nbflow.errors import OptionError, OptionTypeError
from nbflow.resources import DaskCluster, Subprocess, resource_processes
from tests.patience import PATIENCE_S

PATH = "nbflow.resources.dask_cluster:DaskCluster"
SUBPROCESSES = "distributed.deploy.subprocess:SubprocessCluster"
pytestmark = pytest.mark.filterwarnings("ignore")  # of distributed, about ports, slow starts and its own sockets
dask = pytest.mark.dask


@pytest.fixture(autouse=True)
def _no_directory_is_left():
    def found():
        return set(Path(tempfile.gettempdir()).glob("nbflow-dask-*"))

    before = found()
    yield
    assert found() == before


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids_in(handle):
    return [pid for pid, *_ in handle["processes"]]


@dask
@pytest.mark.one_memory("a client stays in the kernel")
def test_tasks_compute_on_a_cluster_that_is_gone_afterwards(executor):
    pids = []

    @task
    def total(client, numbers):
        pids.extend(client.run(os.getpid).values())
        return client.submit(sum, numbers).result()

    with Flow("f") as flow, DaskCluster(n_workers=Parameter("n", default=2)) as client:
        first = total(client, [1, 2, 3])

    state = flow.run(executor=executor)

    assert state.result[first].result == 6
    assert len(pids) == 2
    assert not any(map(is_running, pids))


@dask
def test_an_event_loop_that_runs_in_the_thread_already_is_no_obstacle():
    """As in a kernel."""
    with Flow("f") as flow, DaskCluster(1) as client:
        answer = task(lambda client: client.submit(abs, -1).result(), name="ask")(client)

    async def cell():
        return flow.run()

    assert asyncio.run(cell()).result[answer].result == 1


@dask
def test_the_cleanup_does_not_wait_for_what_still_computes_and_prints_nothing(capfd):
    manager = DaskCluster.resource_class(1, stop_timeout_s=0.2)
    client = manager.setup()
    (pid,) = pids_in(manager.handle(client))
    future = client.submit(time.sleep, 1_000)
    client.submit(time.sleep, 1_000, pure=False)
    while not client.processing():
        pass

    manager.cleanup(client)

    assert future.status != "finished"
    assert not is_running(pid)
    assert capfd.readouterr() == ("", "")


@dask
def test_what_a_task_on_the_cluster_has_started_is_ended_with_it():
    manager = DaskCluster.resource_class(1)
    client = manager.setup()
    code = "import subprocess, sys; pid = subprocess.Popen(['sleep', '1000'], start_new_session=True).pid"

    def start():
        names = {}
        exec(code, names)
        return names["pid"]

    pid = client.submit(start).result()
    assert is_running(pid)

    manager.cleanup(client)

    assert not is_running(pid)


@dask
def test_the_workers_have_sessions_of_their_own():
    """The stop button's signal goes to the kernel's process group, and a child in it holds up the kernel's exit."""
    manager = DaskCluster.resource_class(1)
    client = manager.setup()

    (pid,) = pids_in(manager.handle(client))
    assert os.getsid(pid) == pid

    manager.cleanup(client)


@dask
def test_the_workers_may_be_threads_of_the_kernel():
    manager = DaskCluster.resource_class(1, cluster_kwargs={"processes": False})
    client = manager.setup()

    assert client.submit(os.getpid).result() == os.getpid()
    assert manager.handle(client)["processes"] == []

    manager.cleanup(client)


@dask
def test_options_of_the_cluster_are_kept():
    options = {
        "threads_per_worker": 3,
        "env": {"COLOUR": "red"},
        "preload": "import os; os.environ['A'] = '1'",
    }
    manager = DaskCluster.resource_class(1, cluster_kwargs=options)
    client = manager.setup()

    assert list(client.nthreads().values()) == [3]
    assert list(client.run(os.getenv, "COLOUR").values()) == ["red"]
    assert list(client.run(os.getenv, "A").values()) == ["1"]

    manager.cleanup(client)


@dask
def test_a_cluster_whose_workers_have_died_can_be_cleaned_up():
    manager = DaskCluster.resource_class(1)
    client = manager.setup()
    for pid in pids_in(manager.handle(client)):
        os.kill(pid, signal.SIGKILL)

    manager.cleanup(client)

    assert manager._sweep() == ()


@dask
def test_a_client_that_a_task_has_closed_can_be_cleaned_up():
    manager = DaskCluster.resource_class(1)
    client = manager.setup()
    client.close()

    manager.cleanup(client)

    assert manager._sweep() == ()


@dask
def test_a_setup_that_is_interrupted_leaves_nothing(wait_until):
    manager = DaskCluster.resource_class(1)
    caught = []

    def setup():
        try:
            manager.setup()
        except KeyboardInterrupt as error:
            caught.append(error)

    thread = threading.Thread(target=setup)
    thread.start()
    wait_until(manager._path.exists, what="the directory")
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
    thread.join(PATIENCE_S)

    assert len(caught) == 1
    assert manager._sweep() == ()


@dask
def test_a_run_that_is_cancelled_while_a_cluster_starts_leaves_nothing(wait_until):
    with Flow("f") as flow, DaskCluster(1) as client:
        task(lambda client: None, name="use")(client)
    folders = Path(tempfile.gettempdir())
    before = set(folders.glob("nbflow-dask-*"))
    run = flow.start()
    wait_until(lambda: set(folders.glob("nbflow-dask-*")) - before, what="the directory")

    run.cancel()

    assert type(run.wait(PATIENCE_S)).__name__ == "Cancelled"
    assert run.open_resources == []


@dask
def test_a_cluster_that_cannot_start_fails_the_setup_and_leaves_nothing():
    manager = DaskCluster.resource_class(1, cluster_kwargs={"no_such_option": 1})

    with pytest.raises((TypeError, RuntimeError)):
        manager.setup()

    assert manager._sweep() == ()


@dask
def test_another_class_of_clusters_is_reclaimed_with_its_scheduler(owner, reclaim):
    dying = owner(PATH, 1, SUBPROCESSES, {"worker_kwargs": {"nthreads": 1}})
    handle = dying.handle()
    pids = pids_in(handle)
    assert len(pids) >= 2  # the scheduler and a nanny, which may have started its worker by now

    dying.kill()
    reclaim(PATH, handle)
    reclaim(PATH, handle)  # and once more changes nothing

    assert not any(map(is_running, pids))


@dask
def test_after_the_death_of_its_owner_workers_that_do_not_notice_are_reclaimed(owner, reclaim):
    dying = owner(PATH, 2)
    handle = dying.handle()
    pids = pids_in(handle)
    assert len(pids) == 2
    for pid in pids:  # as if busy in code that lets no other thread run
        os.kill(pid, signal.SIGSTOP)

    dying.kill()
    assert all(map(is_running, pids))
    reclaim(PATH, handle)
    reclaim(PATH, handle)  # and once more changes nothing

    assert not any(map(is_running, pids))
    assert not Path(handle["path"]).exists()


@dask
def test_an_owner_that_dies_in_the_middle_of_the_setup_leaves_what_the_early_handle_finds(owner, reclaim, wait_until):
    dying = owner(PATH, 2)
    found = wait_until(lambda: resource_processes.processes_in(dying.early["path"]), what="a worker")
    for one in found:
        os.kill(one.pid, signal.SIGSTOP)

    dying.kill()
    reclaim(PATH, dying.early)

    assert not any(is_running(one.pid) for one in found)
    assert not Path(dying.early["path"]).exists()


@dask
def test_a_scheduler_elsewhere_is_shut_down_only_if_it_is_the_one_in_the_handle():
    from distributed import Client

    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", 0, "--no-dashboard"]
    command += ["--host", "127.0.0.1"]
    manager = Subprocess.resource_class(command, ready=r"Scheduler at:\s+\S+")
    process = manager.setup()
    try:
        address = process.output.partition("Scheduler at:")[2].split()[0]
        with Client(address, set_as_default=False) as client:
            scheduler = client.scheduler_info()["id"]
        handle = DaskCluster.resource_class().early_handle()

        DaskCluster.resource_class.reclaim({**handle, "address": address, "scheduler": "another"})
        assert process.poll() is None

        DaskCluster.resource_class.reclaim({**handle, "address": address, "scheduler": scheduler})
        assert process.wait(PATIENCE_S) == 0
    finally:
        manager.cleanup(process)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cluster_class": "distributed.LocalCluster"}, OptionError, "must be written as 'module:name'"),
        ({"cluster_class": "no_such_module:Cluster"}, OptionError, "can not be had: No module named"),
        ({"cluster_class": "math:Cluster"}, OptionError, "can not be had: .*no attribute 'Cluster'"),
        ({"cluster_class": 5}, OptionTypeError, "can not be called to make a cluster"),
        ({"cluster_kwargs": [1]}, OptionTypeError, "must be a dictionary"),
        ({"stop_timeout_s": -1}, OptionError, "must not be negative"),
    ],
)
def test_an_impossible_option_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        DaskCluster.resource_class(**options)
