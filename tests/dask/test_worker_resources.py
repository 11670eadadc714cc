"""Resources of the workers of a real cluster (``scope="worker"``): shared by threads, and workers that die or hang."""

from __future__ import annotations

import os
import socket
import time

import psutil
import pytest

from nbflow import Flow, context, ledger, task, unmapped
from nbflow.errors import WorkerGoneError
from nbflow.executors import DaskExecutor
from nbflow.executors.errors import StuckWorkerError
from nbflow.resources import DaskCluster
from nbflow.states import Cancelled
from tests.dask.conftest import cluster_of, kill, pid_of, wait_until
from tests.executors.journal import Journal
from tests.executors.journaled import Found, Plain, interrupt_thrice, open_rows, scoped, step_until
from tests.patience import PATIENCE_S
from tests.shared import SharedFlag

pytestmark = [pytest.mark.dask, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


@pytest.fixture(autouse=True)
def _own_ledger(tmp_path, monkeypatch):
    from nbflow.ledger import process_ledger

    monkeypatch.setenv("NBFLOW_HOME", str(tmp_path / "home"))
    yield
    process_ledger.process_ledger().session().close()


def flow_of(manager, journal, function, numbers=(1,), arg=None, **options):
    with Flow("f") as flow, manager(journal, arg) as held:
        done = task(function, name="done", **options).map(unmapped(held), list(numbers))
    return flow, done


def pair_of(manager, journal, function, arg):
    """Return a flow of two tasks that take one resource at once."""
    with Flow("f") as flow, manager(journal, arg) as held:
        both = [task(function, name=name, bundle=False)(held, name) for name in ("one", "other")]
    return flow, both


def wait_until_running(run, tasks):
    wait_until(lambda: all(run.states[one].is_running() for one in tasks))


class Gate(Found):
    """Its setup takes until it is let through; what it has made before is found by its early handle."""

    def early_handle(self):
        return [str(self.journal.path), "early"]

    def setup(self):
        self.journal.note("setup")
        self.arg.wait(PATIENCE_S)
        self.journal.note("set-up")
        return os.getpid()


# -- threads -------------------------------------------------------------------------------------------------------


def test_the_threads_of_a_worker_share_one_that_is_set_up_once(journal):
    go_on = SharedFlag()

    def use(held, name):
        journal.note(f"task:{id(held)}")
        return held

    class One(Gate):
        def setup(self):
            super().setup()
            return [os.getpid()]

    flow, both = pair_of(scoped(One), journal, use, go_on)
    with cluster_of(1, threads=2) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        wait_until_running(run, both)
        go_on.set()
        run.wait(PATIENCE_S)

    assert run.state.is_successful()
    assert [word.split(":")[0] for word in journal.words] == ["setup", "set-up", "task", "task", "cleanup"]
    assert len(set(journal.words[2:4])) == 1
    assert open_rows() == []


def test_a_setup_that_fails_is_tried_again_by_the_task_that_waits_for_it(journal):
    go_on = SharedFlag()

    class Second(Gate):
        def setup(self):
            pid = super().setup()
            if self.journal.words.count("setup") == 1:
                raise OSError("not yet")
            return pid

    flow, both = pair_of(scoped(Second), journal, lambda held, name: held, go_on)
    with cluster_of(1, threads=2) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        wait_until_running(run, both)
        go_on.set()
        run.wait(PATIENCE_S)

    assert sorted(type(run.states[one].result).__name__ for one in both) == ["OSError", "int"]
    assert journal.words.count("setup") == 2
    assert journal.words.count("cleanup") == 1


def test_each_worker_has_a_row_in_the_ledger_under_its_address(journal):
    go_on = SharedFlag()
    flow, _ = flow_of(scoped(Found), journal, lambda held, x: go_on.wait(PATIENCE_S), numbers=[1, 2], bundle=False)
    with cluster_of(2) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        wait_until(lambda: open_rows() == [("Found", "open")] * 2)
        names = {row.block for row in ledger.resources()}
        addresses = set(client.nthreads())
        go_on.set()
        run.wait(PATIENCE_S)

    assert names == {f"Found in worker {address}" for address in addresses}
    assert open_rows() == []


def test_the_workers_of_a_block_that_is_a_cluster_open_one_each(journal):
    with Flow("f") as flow, DaskCluster(2).as_executor(), scoped(Plain)(journal) as held:
        done = task(lambda held, x: held == os.getpid(), name="done").map(unmapped(held), list(range(8)))
    state = flow.run()

    assert state.result[done].result == [True] * 8
    opened = journal.pids("setup")
    assert str(os.getpid()) not in opened
    assert sorted(opened) == sorted(set(opened)) == sorted(journal.pids("cleanup"))


def test_workers_that_are_threads_of_the_kernel_open_one_for_all(journal):
    flow, done = flow_of(scoped(Plain), journal, lambda held, x: held, numbers=range(6))
    with cluster_of(1, threads=2, processes=False) as client:
        state = flow.run(executor=DaskExecutor(client=client))

    assert set(state.result[done].result) == {os.getpid()}
    assert journal.words == ["setup", "cleanup"]


# -- workers that die ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Found, Plain])
def test_what_a_killed_worker_had_open_is_reclaimed_once_or_named(client, cls, journal):
    with Flow("f") as flow, scoped(cls)(journal) as held:
        first = task(lambda held: held, name="first")(held)
        task(lambda x: x, name="second")(first)
    run = flow.start(executor=DaskExecutor(client=client), paused=True)
    step_until(run, lambda: run.states[first].is_finished())
    (worker,) = [one for one in client.nthreads() if pid_of(client, one) == run.results[first]]
    kill(client, worker)
    run.resume()
    run.wait(PATIENCE_S)

    assert run.state.is_successful()
    if cls is Found:  # its value was lost with it: to make it again opens another one
        assert journal.pids("reclaim") == [str(run.results[first])]
        assert sorted(journal.pids("reclaim") + journal.pids("cleanup")) == sorted(journal.pids("setup"))
        assert open_rows() == []
    else:
        (error,) = run.cleanup_failures.values()
        assert isinstance(error, WorkerGoneError)
        assert f"worker {worker} has ended before it cleaned 'Plain' up" in str(error)
        assert open_rows() == [("Plain", "failed")]


def test_a_worker_that_has_taken_the_place_of_a_killed_one_is_not_taken_for_it(journal):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with Flow("f") as flow, scoped(Found)(journal) as held:
        first = task(lambda held: held, name="first")(held)
        task(lambda x: x, name="second")(first)
    with cluster_of(1, worker_port=port) as client:
        run = flow.start(executor=DaskExecutor(client=client), paused=True)
        step_until(run, lambda: run.states[first].is_finished())
        (worker,) = client.nthreads()
        kill(client, worker)
        wait_until(lambda: list(client.nthreads()) == [worker])
        run.resume()
        run.wait(PATIENCE_S)

    assert run.cleanup_failures == {}
    assert journal.pids("reclaim") == [str(run.results[first])]
    assert open_rows() == []


def test_a_worker_that_is_killed_in_a_setup_leaves_its_early_handle_and_the_task_runs_again(client, journal):
    go_on = SharedFlag()
    flow, done = flow_of(scoped(Gate), journal, lambda held, x: held, arg=go_on)
    run = flow.start(executor=DaskExecutor(client=client))
    wait_until(lambda: journal.words == ["setup"])
    (worker,) = [one for one in client.nthreads() if str(pid_of(client, one)) in journal.pids("setup")]
    kill(client, worker)
    wait_until(lambda: journal.words == ["setup", "setup"])
    go_on.set()
    run.wait(PATIENCE_S)

    assert run.states[done].is_successful()
    assert journal.words[2:] == ["set-up", "cleanup", "reclaim"] or journal.words[2:] == [
        "set-up",
        "reclaim",
        "cleanup",
    ]
    assert open_rows() == []


def test_a_worker_that_is_killed_in_a_cleanup_is_reclaimed(client, journal):
    class Slow(Gate):
        def setup(self):
            return os.getpid()

        def cleanup(self, resource):
            self.journal.note("cleanup")
            self.arg.wait(PATIENCE_S)

    flow, _ = flow_of(scoped(Slow), journal, lambda held, x: held, arg=SharedFlag())
    run = flow.start(executor=DaskExecutor(client=client))
    wait_until(lambda: journal.words == ["cleanup"])
    (worker,) = [one for one in client.nthreads() if str(pid_of(client, one)) in journal.pids("cleanup")]
    kill(client, worker)
    run.wait(PATIENCE_S)

    assert run.cleanup_failures == {}
    assert journal.words == ["cleanup", "reclaim"]
    assert open_rows() == []


def test_a_worker_that_retires_cleans_up_what_nobody_can_reclaim(client, journal):
    with Flow("f") as flow, scoped(Plain)(journal) as held:
        first = task(lambda held: held, name="first")(held)
        task(lambda x: x, name="second")(first)
    run = flow.start(executor=DaskExecutor(client=client), paused=True)
    step_until(run, lambda: run.states[first].is_finished())
    (worker,) = [one for one in client.nthreads() if pid_of(client, one) == run.results[first]]
    client.retire_workers([worker], close_workers=True)

    wait_until(lambda: journal.words == ["setup", "cleanup"])
    run.resume()
    run.wait(PATIENCE_S)
    assert run.state.is_successful()
    assert len(journal.words) == 2


def test_a_worker_that_closes_in_the_middle_of_a_task_has_it_let_go_and_run_elsewhere(client, journal):
    def use(held, number, journal):
        journal.note("begun")
        try:
            while journal.words.count("begun") == 1:
                time.sleep(0.01)
        finally:
            journal.note("let-go")
        return held

    with Flow("f") as flow, scoped(Plain)(journal) as held:
        done = task(use, name="done")(held, 1, journal)
    run = flow.start(executor=DaskExecutor(client=client))
    wait_until(lambda: "begun" in journal.words)
    (first,) = journal.pids("begun")
    (worker,) = [one for one in client.nthreads() if str(pid_of(client, one)) == first]
    client.run(close_soon, workers=[worker])
    run.wait(PATIENCE_S)

    assert run.states[done].is_successful()
    assert str(run.results[done]) != first
    assert [line for line in journal.lines if first in line] == [
        f"{what} {first}" for what in ("setup", "begun", "let-go", "cleanup")
    ]
    assert sorted(journal.pids("cleanup")) == sorted(journal.pids("setup"))


def close_soon(dask_worker):
    dask_worker.loop.call_later(0.1, dask_worker.close)


def test_a_worker_that_has_had_nothing_open_for_a_while_opens_another_one(journal):
    flow, _ = flow_of(scoped(Plain), journal, lambda held, x: held)
    with cluster_of(1) as client:
        executor = DaskExecutor(client=client)
        for _ in range(2):
            assert flow.run(executor=executor).is_successful()
            wait_until(lambda: not any(client.run(is_watching).values()))

    assert journal.words == ["setup", "cleanup"] * 2


def is_watching():
    from nbflow.executors.dask import worker_host

    return any(host.resources._is_watching for host in worker_host._hosts.values())


def test_a_client_that_its_user_closes_has_the_workers_clean_up_and_it_is_named(journal):
    with Flow("f") as flow, scoped(Plain)(journal) as held:
        first = task(lambda held: held, name="first")(held)
        task(lambda x: x, name="second")(first)
    with cluster_of(1) as client:
        run = flow.start(executor=DaskExecutor(client=client), paused=True)
        step_until(run, lambda: run.states[first].is_finished())
        client.close()
        run.resume()
        run.wait(PATIENCE_S)
        wait_until(lambda: journal.words == ["setup", "cleanup"])

    (error,) = run.cleanup_failures.values()
    assert isinstance(error, WorkerGoneError)


# -- what hangs ------------------------------------------------------------------------------------------------------


class Hanging(Plain):
    """Its cleanup takes until it is let through."""

    def cleanup(self, resource):
        self.journal.note("cleanup")
        self.arg.wait(10 * PATIENCE_S)
        self.journal.note("cleaned")


def begin(held, number, journal):
    journal.note("begun")
    while not context.cancelled():
        time.sleep(0.01)


def cancelled_in(executor, manager, journal, arg, count=1):
    """Start a flow whose tasks wait, and cancel it."""
    with Flow("f") as flow, manager(journal, arg) as held:
        task(begin, bundle=False).map(unmapped(held), list(range(count)), unmapped(journal))
    run = flow.start(executor=executor)
    wait_until(lambda: journal.words.count("begun") == count)
    run.cancel()
    run.wait(PATIENCE_S)
    return run


def test_a_worker_of_the_runs_own_cluster_that_hangs_in_a_cleanup_is_ended_and_named(journal):
    executor = DaskExecutor(cluster_kwargs={"n_workers": 1, "threads_per_worker": 1})
    run = cancelled_in(executor, scoped(Hanging, cleanup_timeout_s=4), journal, SharedFlag())

    (error,) = run.cleanup_failures.values()
    assert isinstance(error, StuckWorkerError)
    assert "and was ended" in str(error)
    assert not psutil.pid_exists(int(journal.pids("cleanup")[0]))
    assert open_rows() == [("Hanging", "failed")]


def test_a_worker_of_another_cluster_that_hangs_in_a_cleanup_lives_on_and_is_named(client, journal):
    go_on, before = SharedFlag(), set(client.nthreads())
    run = cancelled_in(DaskExecutor(client=client), scoped(Hanging, cleanup_timeout_s=3), journal, go_on)

    (error,) = run.cleanup_failures.values()
    assert isinstance(error, StuckWorkerError)
    assert "may go on there" in str(error)
    assert set(client.nthreads()) == before
    assert open_rows() == [("Hanging", "failed")]
    (error,) = run.retry_cleanup().values()  # nothing is done beside a cleanup that goes on (rule 15)
    assert isinstance(error, StuckWorkerError)
    go_on.set()


def test_rule_6_three_interrupts_leave_what_hangs_to_the_reaper_for_when_the_kernel_ends(client, journal):
    class Watched(Hanging, Found):
        pass

    go_on = SharedFlag()
    flow, _ = flow_of(scoped(Watched), journal, lambda held, x: x, arg=go_on)
    run = flow.start(executor=DaskExecutor(client=client))
    wait_until(lambda: "cleanup" in journal.words)

    interrupt_thrice(run)

    assert open_rows() == [("Watched", "failed")]
    assert "reclaim" not in journal.words  # while its worker is at work on it
    go_on.set()


def test_a_setup_of_a_task_that_has_timed_out_is_waited_for_and_cleaned_up(client, journal):
    go_on = SharedFlag()
    with Flow("f") as flow, scoped(Gate, grace_s=0)(journal, go_on) as held:
        late = task(lambda held: journal.note("task"), name="late", timeout=5)(held)
    run = flow.start(executor=DaskExecutor(client=client))
    wait_until(lambda: journal.words == ["setup"])
    wait_until(lambda: run.states[late].is_finished())
    go_on.set()
    run.wait(PATIENCE_S)

    assert journal.words == ["setup", "set-up", "cleanup"]
    assert run.cleanup_failures == {}
    assert open_rows() == []


def test_a_setup_that_was_given_up_and_ends_after_the_run_is_cleaned_up_at_once(client, journal):
    go_on = SharedFlag()
    flow, _ = flow_of(scoped(Gate), journal, lambda held, x: journal.note("task"), arg=go_on)
    run = flow.start(executor=DaskExecutor(client=client))
    wait_until(lambda: journal.words == ["setup"])
    for count in (1, 2):
        run._loop.note_interrupt(count)
    run.wait(PATIENCE_S)

    (error,) = run.cleanup_failures.values()
    assert isinstance(error, StuckWorkerError)
    assert journal.words == ["setup"]
    go_on.set()
    wait_until(lambda: open_rows() == [])
    assert journal.words == ["setup", "set-up", "cleanup"]
    assert run.retry_cleanup() == {}


def test_a_cancel_of_a_task_that_waits_for_anothers_setup_ends_it_and_leaves_the_setup(journal):
    go_on = SharedFlag()
    flow, both = pair_of(scoped(Gate), journal, lambda held, name: journal.note("task"), go_on)
    with cluster_of(1, threads=2) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        wait_until_running(run, both)
        wait_until(lambda: journal.words == ["setup"])
        run.cancel()
        wait_until(lambda: any(isinstance(run.states[one], Cancelled) for one in both))
        go_on.set()
        run.wait(PATIENCE_S)

    assert all(isinstance(run.states[one], Cancelled) for one in both)
    assert journal.words == ["setup", "set-up", "cleanup"]
    assert open_rows() == []
