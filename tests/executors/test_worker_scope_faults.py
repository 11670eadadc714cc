"""What goes wrong with the resources of workers: each is closed or reclaimed once, or named as left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from nbflow import Flow, context, ledger, task, unmapped
from nbflow.errors import WorkerGoneError
from nbflow.executors import ProcessExecutor
from nbflow.executors.errors import StuckWorkerError, WorkerDiedError
from nbflow.states import Cancelled, Success
from tests.executors.journal import Journal
from tests.executors.journaled import Found, Plain, interrupt_thrice, open_rows, scoped, step_until
from tests.executors.workers import workers_of_here
from tests.ledger.conftest import eventually
from tests.patience import PATIENCE_S


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


# -- setups ------------------------------------------------------------------------------------------------------


class Failing(Plain):
    """Its first setup fails, and what it has deferred is undone."""

    def setup(self):
        self.journal.note("begin")
        self.defer(self.journal.note, "undone")
        if len(self.journal.pids("begin")) == 1:
            raise OSError("not yet")
        return super().setup()


def test_rule_9_a_setup_that_raises_fails_the_task_and_the_next_one_tries_again(journal, workers_of):
    flow, done = flow_of(scoped(Failing), journal, lambda held, x: x, numbers=[1, 2, 3])

    states = flow.run(executor=workers_of(1)).result[done].map_states

    assert [type(one) for one in states[1:]] == [Success, Success]
    assert isinstance(states[0].result, OSError)
    assert journal.words == ["begin", "undone", "begin", "setup", "cleanup"]
    assert open_rows() == []


class Half(Found):
    """Its setup fails when it has made something, which can be found by its early handle."""

    def early_handle(self):
        return [str(self.journal.path), "early"]

    def setup(self):
        self.journal.note("setup")
        if self.arg == "die":
            os._exit(3)
        raise OSError("half")


def test_rule_13_what_half_a_setup_has_made_is_reclaimed_at_once(journal, workers_of):
    flow, done = flow_of(scoped(Half), journal, lambda held, x: x)

    state = flow.run(executor=workers_of(1))

    assert isinstance(state.result[done].map_states[0].result, OSError)
    assert journal.lines[1:] == ["reclaim early"]
    assert open_rows() == []


def test_rule_13_a_worker_that_dies_in_a_setup_leaves_its_early_handle(journal):
    flow, done = flow_of(scoped(Half), journal, lambda held, x: x, arg="die")

    state = flow.run(executor=ProcessExecutor(1))

    assert isinstance(state.result[done].map_states[0].result, WorkerDiedError)
    assert journal.lines[1:] == ["reclaim early"]
    assert open_rows() == []


class Undoing(Plain):
    """Its setup fails, and what it has deferred cannot be undone."""

    def setup(self):
        self.defer(_refuse)
        raise OSError("half")


def _refuse():
    raise PermissionError("it stays")


def test_rule_9_what_cannot_be_undone_is_named_and_stays_in_the_ledger(journal, workers_of):
    flow, done = flow_of(scoped(Undoing), journal, lambda held, x: x)

    with pytest.warns(match="it stays"):
        flow.run(executor=workers_of(1))

    assert isinstance(flow.runs[-1].states[done].map_states[0].result, OSError)
    assert open_rows() == [("Undoing", "failed")]


class Cut(Plain):
    """Its setup is cut, in the midst of something."""

    def setup(self):
        self.journal.note("setup")
        if self.arg == "undone":
            self.defer(self.journal.note, "undone")
        raise SystemExit("cut")


def test_rule_13_a_setup_that_was_cut_is_named_as_nobody_knows_what_it_has_made(journal, workers_of):
    flow, _ = flow_of(scoped(Cut), journal, lambda held, x: x)

    with pytest.warns(match="cut short"), pytest.raises(SystemExit):
        flow.run(executor=workers_of(1))

    (error,) = flow.runs[-1].cleanup_failures.values()
    assert "cut short" in str(error)
    assert open_rows() == [("Cut", "failed")]


def test_rule_13_a_setup_that_was_cut_and_has_undone_what_it_made_leaves_nothing(journal, workers_of):
    flow, _ = flow_of(scoped(Cut), journal, lambda held, x: x, arg="undone")

    with pytest.raises(SystemExit):
        flow.run(executor=workers_of(1))

    assert journal.words == ["setup", "undone"]
    assert flow.runs[-1].cleanup_failures == {}
    assert open_rows() == []


class Slow(Found):
    """Its setup takes until it is let go."""

    def setup(self):
        self.journal.note("setup")
        while not os.path.exists(self.arg):
            time.sleep(0.01)
        self.journal.note("set-up")
        return os.getpid()


def test_rule_13_a_cancel_leaves_a_setup_to_end_and_has_it_cleaned_up(journal, tmp_path, workers_of):
    go = tmp_path / "go"
    flow, done = flow_of(scoped(Slow), journal, lambda held, x: journal.note("task"), arg=str(go))
    run = flow.start(executor=workers_of(1))
    eventually(lambda: journal.words)

    run.cancel()
    threading.Event().wait(3)  # longer than a task that is to stop would have
    go.touch()
    run.wait(PATIENCE_S)

    assert isinstance(run.states[done].map_states[0], Cancelled)
    assert journal.words == ["setup", "set-up", "cleanup"]
    assert open_rows() == []


def test_rule_6_three_interrupts_leave_a_setup_to_the_reaper(journal, tmp_path):
    class Early(Slow):
        def early_handle(self):
            return [str(self.journal.path), "early"]

    flow, _ = flow_of(scoped(Early), journal, lambda held, x: None, arg=str(tmp_path / "never"))
    run = flow.start(executor=ProcessExecutor(1))
    eventually(lambda: journal.words)

    with pytest.warns(match="given up"):
        interrupt_thrice(run)

    eventually(lambda: "reclaim" in journal.words)
    eventually(lambda: open_rows() == [])
    assert workers_of_here() == []
    assert journal.words == ["setup", "reclaim"]


# -- workers that die --------------------------------------------------------------------------------------------


def crash(held, x):
    if x == 2:
        os._exit(3)
    return held


@pytest.mark.parametrize("cls", [Found, Plain])
def test_what_a_crashed_worker_had_open_is_reclaimed_once_or_named(cls, journal):
    flow, done = flow_of(scoped(cls), journal, crash, numbers=[1, 2, 3])
    if cls is Found:
        flow.run(executor=ProcessExecutor(1))
    else:
        with pytest.warns(match="cleanup of 'Plain' failed.*WorkerGoneError"):
            flow.run(executor=ProcessExecutor(1))
    run = flow.runs[-1]

    first, _, third = (one.result for one in run.states[done].map_states)
    assert journal.pids("setup") == [str(first), str(third)]
    assert journal.pids("cleanup") == [str(third)]
    if cls is Found:
        assert journal.pids("reclaim") == [str(first)]
        assert open_rows() == []
    else:
        (error,) = run.cleanup_failures.values()
        assert isinstance(error, WorkerGoneError)
        assert f"worker process {first} has ended before it cleaned 'Plain' up" in str(error)
        assert open_rows() == [("Plain", "failed")]


def test_a_worker_that_was_killed_while_idle_is_reclaimed(journal):
    with Flow("f") as flow, scoped(Found)(journal) as held:
        first = task(lambda held: held, name="first")(held)
        task(lambda x: x, name="second")(first)
    run = flow.start(executor=ProcessExecutor(1), paused=True)
    step_until(run, lambda: run.states[first].is_finished())
    worker = psutil.Process(run.results[first])
    worker.kill()
    worker.wait(PATIENCE_S)
    run.resume()
    run.wait(PATIENCE_S)

    assert run.state.is_successful()
    assert journal.lines == [f"setup {worker.pid}", f"reclaim {worker.pid}"]
    assert open_rows() == []


def deaf(held, journal):
    journal.note("begun")
    time.sleep(10 * PATIENCE_S)


def test_rule_3_a_worker_that_does_not_stop_is_ended_before_it_is_reclaimed(journal):
    class Watched(Found):
        @staticmethod
        def reclaim(handle):
            assert not psutil.pid_exists(handle[1])
            Found.reclaim(handle)

    with Flow("f") as flow, scoped(Watched)(journal) as held:
        task(deaf)(held, journal)
    run = flow.start(executor=ProcessExecutor(1))
    eventually(lambda: "begun" in journal.words)
    run.cancel()
    run.wait(PATIENCE_S)

    assert run.cleanup_failures == {}
    assert journal.words == ["setup", "begun", "reclaim"]
    assert open_rows() == []


def test_a_cancel_has_it_cleaned_up_where_it_is_open(journal, workers_of):
    def waits(held, journal):
        journal.note("begun")
        while not context.cancelled():
            time.sleep(0.01)

    with Flow("f") as flow, scoped(Found)(journal) as held:
        task(waits)(held, journal)
    run = flow.start(executor=workers_of(1))
    eventually(lambda: "begun" in journal.words)
    run.cancel()
    run.wait(PATIENCE_S)

    assert journal.words == ["setup", "begun", "cleanup"]
    assert len({line.split()[1] for line in journal.lines}) == 1
    assert open_rows() == []


# -- cleanups ----------------------------------------------------------------------------------------------------


class Unclean(Found):
    """Its cleanup raises as long as there is something in the way."""

    def cleanup(self, resource):
        self.journal.note("cleanup")
        if os.path.exists(self.arg):
            raise PermissionError("in the way")


def test_rule_7_a_cleanup_that_raises_is_named_and_can_be_made_again(journal, tmp_path, workers_of):
    (tmp_path / "in the way").touch()
    flow, _ = flow_of(scoped(Unclean), journal, lambda held, x: x, arg=str(tmp_path / "in the way"))

    with pytest.warns(match="cleanup of 'Unclean' failed.*in the way"):
        state = flow.run(executor=workers_of(1))

    run = flow.runs[-1]
    assert state.is_successful()
    assert [type(one) for one in run.cleanup_failures.values()] == [PermissionError]
    assert open_rows() == [("Unclean", "failed")]
    assert run.retry_cleanup() == {}  # its worker is gone, and it is reclaimed
    assert journal.words == ["setup", "cleanup", "reclaim"]
    assert open_rows() == []


def test_rule_7_a_cleanup_is_tried_again_in_its_worker(journal, tmp_path, workers_of):
    class Second(Unclean):
        def cleanup(self, resource):
            self.journal.note("cleanup")
            if len(self.journal.pids("cleanup")) == 1:
                raise OSError("once more")

    from datetime import timedelta

    manager = scoped(Second, cleanup_task_kwargs={"max_retries": 1, "retry_delay": timedelta(0)})
    flow, _ = flow_of(manager, journal, lambda held, x: x)
    flow.run(executor=workers_of(1))

    assert journal.words == ["setup", "cleanup", "cleanup"]
    assert len(set(journal.pids("cleanup"))) == 1
    assert flow.runs[-1].cleanup_failures == {}
    assert open_rows() == []


def test_the_ledger_cleans_what_a_cleanup_has_left(journal, tmp_path, workers_of):
    (tmp_path / "in the way").touch()
    flow, _ = flow_of(scoped(Unclean), journal, lambda held, x: x, arg=str(tmp_path / "in the way"))
    with pytest.warns(match="in the way"):
        flow.run(executor=workers_of(1))
    (row,) = ledger.resources()

    assert ledger.clean(row.id).state == "closed"

    assert journal.words == ["setup", "cleanup", "reclaim"]
    assert flow.runs[-1].cleanup_failures == {}


class Hanging(Plain):
    """The first cleanup hangs."""

    def cleanup(self, resource):
        self.journal.note("cleanup")
        try:
            os.mkdir(self.arg)
        except FileExistsError:
            return
        time.sleep(10 * PATIENCE_S)


def test_a_worker_that_hangs_in_a_cleanup_is_ended_and_named_and_the_others_are_closed(journal, tmp_path):
    def begin(held, journal, number):
        journal.note("begun")
        while not context.cancelled():
            time.sleep(0.01)

    with Flow("f") as flow, scoped(Hanging, cleanup_timeout_s=3)(journal, str(tmp_path / "first")) as held:
        task(begin).map(unmapped(held), unmapped(journal), [1, 2])
    run = flow.start(executor=ProcessExecutor(2))
    eventually(lambda: journal.words.count("begun") == 2)
    run.cancel()
    with pytest.warns(match="cleanup of 'Hanging' failed.*StuckWorkerError"):
        run.wait(PATIENCE_S)

    (error,) = run.cleanup_failures.values()
    assert isinstance(error, StuckWorkerError)
    assert journal.words.count("cleanup") == 2
    assert open_rows() == [("Hanging", "failed")]
    assert workers_of_here() == []


class HangingFound(Found):
    """Its cleanup hangs."""

    def cleanup(self, resource):
        self.journal.note("cleanup")
        time.sleep(10 * PATIENCE_S)


def test_rule_6_three_interrupts_leave_a_cleanup_that_hangs_to_the_reaper(journal):
    class Watched(HangingFound):
        @staticmethod
        def reclaim(handle):
            assert not psutil.pid_exists(handle[1])
            Found.reclaim(handle)

    flow, _ = flow_of(scoped(Watched), journal, lambda held, x: x)
    run = flow.start(executor=ProcessExecutor(1))
    eventually(lambda: "cleanup" in journal.words)

    with pytest.warns(match="failed"):
        interrupt_thrice(run)

    eventually(lambda: open_rows() == [])
    assert journal.words == ["setup", "cleanup", "reclaim"]


def test_rule_7_a_failed_cleanup_is_made_again_in_its_worker_as_long_as_the_run_goes_on(journal, tmp_path, workers_of):
    way = tmp_path / "in the way"
    way.touch()
    with Flow("f") as flow:
        with scoped(Unclean)(journal, str(way)) as held:
            done = task(lambda held: held, name="done")(held)
        task(lambda x: x, name="after")(done)
    run = flow.start(executor=workers_of(1), paused=True)
    with pytest.warns(match="in the way"):
        step_until(run, lambda: run.cleanup_failures)
    way.unlink()
    (row,) = ledger.resources()

    assert ledger.clean(row.id).state == "closed"

    assert journal.words == ["setup", "cleanup", "cleanup"]
    assert len({line.split()[1] for line in journal.lines}) == 1
    run.resume()
    run.wait(PATIENCE_S)
    assert run.state.is_successful()
    assert open_rows() == []


def test_rule_19_what_is_kept_ends_with_its_worker_and_can_be_reclaimed(journal, workers_of):
    def never(states):
        return False

    manager = scoped(Found, cleanup_task_kwargs={"trigger": never})
    flow, _ = flow_of(manager, journal, lambda held, x: x)
    flow.run(executor=workers_of(1))

    assert journal.words == ["setup"]
    (row,) = ledger.resources()
    assert row.state == "open"
    ledger.clean(row.id)
    assert journal.words == ["setup", "reclaim"]


# -- kernels that die --------------------------------------------------------------------------------------------

KERNEL = """
import os, sys, time
from nbflow import Flow, resource_manager, task, unmapped
from nbflow.executors import ProcessExecutor
log, moment = sys.argv[1:]
class Found:
    def __init__(self, log, moment):
        self.log, self.moment = log, moment
    def note(self, what):
        with open(self.log, "a") as file:
            file.write(f"{what} {os.getpid()}\\n")
        if what == self.moment:
            time.sleep(600)
    def early_handle(self):
        return [self.log, os.getpid()]
    def setup(self):
        self.note("setup")
        return os.getpid()
    def cleanup(self, resource):
        self.note("cleanup")
    def handle(self, resource):
        return [self.log, resource]
    @staticmethod
    def reclaim(handle):
        import psutil
        is_there = psutil.pid_exists(handle[1]) and psutil.Process(handle[1]).status() != psutil.STATUS_ZOMBIE
        word = "early" if is_there else "reclaim"
        with open(handle[0], "a") as file:
            file.write(f"{word} {handle[1]}\\n")
def work(held, log, moment, x):
    with open(log, "a") as file:
        file.write(f"task {held}\\n")
    while moment == "task" or open(log).read().count("task") < 2:
        time.sleep(0.01)
with Flow("f") as flow, resource_manager(Found, scope="worker")(log, moment) as held:
    task(work).map(unmapped(held), unmapped(log), unmapped(moment), [1, 2])
flow.run(executor=ProcessExecutor(2))
"""


@pytest.mark.parametrize("moment", ["setup", "task", "cleanup"])
def test_rule_12_what_the_workers_of_a_killed_kernel_held_is_reclaimed_once_each(moment, journal):
    kernel = subprocess.Popen([sys.executable, "-c", KERNEL, str(journal.path), moment])
    eventually(lambda: journal.words.count(moment) == 2)
    workers = [psutil.Process(int(pid)) for pid in journal.pids("setup")]
    assert [block for block, _ in open_rows()] == ["Found", "Found"]

    kernel.send_signal(signal.SIGKILL)
    kernel.wait()

    eventually(lambda: open_rows() == [])
    assert sorted(journal.pids("reclaim")) == sorted(journal.pids("setup"))
    assert "early" not in journal.words  # while a worker was still there
    assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []
