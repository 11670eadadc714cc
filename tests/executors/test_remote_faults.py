"""What other processes do wrong: each ends in a clear state, nothing hangs, and cleanups come last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from nbflow import Flow, resource_manager, task
from nbflow.executors import ProcessExecutor
from nbflow.executors.errors import CannotReturnError, CannotTravelError, RemoteError, WorkerDiedError
from nbflow.states import Cancelled, Success, TimedOut
from tests.executors.keeping_cluster import KeepingCluster
from tests.executors.places import PROCESSES
from tests.executors.workers import workers_of_here

LIMIT_S = 30


def flow_of(function, *args):
    with Flow("f") as flow:
        one = task(function, name="one")(*args)
    return flow, one


class Unpicklable:
    def __init__(self):
        self.lock = threading.Lock()


def test_what_cannot_travel_is_named_before_anything_is_sent(remote):
    flow, one = flow_of(lambda held: held, Unpicklable())
    state = flow.run(executor=remote)

    error = state.result[one].result
    assert isinstance(error, CannotTravelError)
    assert (error.task_name, error.part, error.type_name) == ("one", "argument 'held'", "Unpicklable")
    assert "executor='threads'" in str(error)


def test_an_open_file_does_not_travel(remote, tmp_path):
    """Each process would read on by itself."""
    path = tmp_path / "rows.txt"
    path.write_text("a\nb\n")
    with path.open() as file:
        flow, one = flow_of(lambda held: held.readline(), file)
        error = flow.run(executor=remote).result[one].result

    assert isinstance(error, CannotTravelError)
    assert (error.part, error.type_name) == ("argument 'held'", "TextIOWrapper")
    assert "send its path" in str(error)


def test_an_iterator_that_several_take_does_not_travel(remote):
    if isinstance(remote, KeepingCluster):
        pytest.skip("it stays where it was made, and each that takes it gets one of its own")
    with Flow("f") as flow:
        made = task(lambda: iter([1, 2]), name="made")()
        one, _ = (task(lambda held: list(held), name=name)(made) for name in ("one", "other"))

    error = flow.run(executor=remote).result[one].result

    assert isinstance(error, CannotTravelError)
    assert "it is an iterator: send a list of its items" in str(error)


def test_a_resource_that_cannot_travel_is_named_and_cleaned_up(remote):
    told = []

    @resource_manager
    class Lock:
        def setup(self):
            return threading.Lock()

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Lock() as lock:
        one = task(lambda held: held, name="one")(lock)
    state = flow.run(executor=remote)

    assert isinstance(state.result[one].result, CannotTravelError)
    assert "lock" in str(state.result[one].result)
    assert told == ["cleanup"]


def test_a_result_that_cannot_travel_is_named(remote):
    flow, one = flow_of(lambda: threading.Lock())

    error = flow.run(executor=remote).result[one].result

    assert isinstance(error, CannotReturnError)
    assert (error.task_name, error.type_name) == ("one", "lock")


def raises_unpicklable():
    raise OddError(threading.Lock(), 1)


class OddError(Exception):
    """One that cannot be pickled."""


def raises_unreadable():
    try:
        {}["k"]
    except KeyError as cause:
        raise TwoArgumentsError(1, 2) from cause


class TwoArgumentsError(Exception):
    """One that cannot be made again from its arguments."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")
        self.code = two


def test_an_error_that_cannot_travel_is_told_by_its_name_and_text(remote):
    flow, one = flow_of(raises_unpicklable)

    error = flow.run(executor=remote).result[one].result

    assert isinstance(error, RemoteError)
    assert error.type_name == "OddError"


def test_an_error_keeps_its_class_its_attributes_and_its_cause(remote):
    flow, one = flow_of(raises_unreadable)

    error = flow.run(executor=remote).result[one].result

    assert (type(error), str(error), error.code) == (TwoArgumentsError, "1 and 2", 2)
    assert isinstance(error.__cause__, KeyError)


class WordlessError(Exception):
    """One that has no text, and cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __str__(self):
        raise ValueError("no words")


def test_an_error_without_a_text_is_an_error_all_the_same(remote):
    def raises():
        raise WordlessError

    flow, one = flow_of(raises)
    state = flow.run(executor=remote)

    assert state.result[one].is_failed()
    assert state.result[one].result.type_name == "WordlessError"


class UnreadableError(Exception):
    """Raised when one is made again."""


def refuse():
    raise UnreadableError("not here")


class Unreadable:
    def __reduce__(self):
        return refuse, ()


def test_what_a_worker_cannot_read_is_named_and_the_next_task_knows_its_context():
    from nbflow import context

    with Flow("f") as flow:
        unread = task(lambda x: 1, name="unread")(Unreadable())
        known = task(lambda: context.flow_name, name="known")()
    states = flow.run(executor=ProcessExecutor(1)).result

    assert "'unread'" in str(states[unread].result)
    assert "not here" in str(states[unread].result)
    assert states[known].result == "f"


@pytest.mark.parametrize("remote", PROCESSES, indirect=True)
def test_a_class_of_here_stays_as_it_is_when_an_instance_of_it_comes_back(remote):
    class Counted:
        made = 0

        def rate(self):
            return 1

    Counted.__module__ = "__main__"  # as in a notebook: it travels by value

    def make():
        Counted.made += 5
        return Counted()

    before = dict(vars(Counted))
    flow, one = flow_of(make)
    value = flow.run(executor=remote).result[one].result

    assert type(value) is Counted
    assert value.rate() == 1
    assert Counted.made == 0
    assert all(
        vars(Counted)[name] is member for name, member in before.items() if name not in ("__dict__", "__weakref__")
    )


def forks():
    import os

    pid = os.fork()
    if pid == 0:
        for number in range(50):
            print("child", number)
        os._exit(0)
    for number in range(50):
        print("parent", number)
    os.waitpid(pid, 0)
    return 1


def test_a_child_that_a_task_forks_leaves_the_connection_alone():
    with Flow("f") as flow:
        ones = task(lambda x: forks(), name="ones").map([1, 2, 3])

    assert flow.run(executor=ProcessExecutor(1)).result[ones].result == [1, 1, 1]


def test_a_worker_that_died_is_told_although_its_child_lives_on():
    def dies():
        import subprocess

        subprocess.Popen(["sleep", "60"], close_fds=False)
        if os.fork() == 0:
            threading.Event().wait(60)
        os._exit(3)

    flow, one = flow_of(dies)
    run = flow.start(executor=ProcessExecutor(1))

    assert run.wait(LIMIT_S)
    assert isinstance(run.states[one].result, WorkerDiedError)


def test_workers_go_where_a_setup_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("NBFLOW_TEST_PORT", "1")
    home = os.getcwd()

    @resource_manager
    class Elsewhere:
        def setup(self):
            os.chdir(tmp_path)
            os.environ["NBFLOW_TEST_PORT"] = "99"

        def cleanup(self, resource):
            os.chdir(home)

    def place():
        return os.getcwd(), os.environ["NBFLOW_TEST_PORT"]

    with Flow("f") as flow:
        before = task(place, name="before")()
        with Elsewhere() as elsewhere:
            inside = task(lambda held: place(), name="inside")(elsewhere, upstream_tasks=[before])
    states = flow.run(executor=ProcessExecutor(1)).result

    assert states[before].result == (home, "1")
    assert states[inside].result == (str(tmp_path), "99")


def test_an_initializer_that_raises_is_named():
    def initialize():
        raise RuntimeError("no licence")

    flow, one = flow_of(lambda: 1)

    error = flow.run(executor=ProcessExecutor(1, initializer=initialize)).result[one].result

    assert "the initializer raised RuntimeError: no licence" in str(error)


def test_an_initializer_that_cannot_travel_starts_no_process():
    lock = threading.Lock()
    flow, one = flow_of(lambda: 1)

    error = flow.run(executor=ProcessExecutor(1, initializer=lambda: lock)).result[one].result

    assert "lock" in str(error)
    assert workers_of_here() == []


class NamelessError(Exception):
    """One that raises when it is asked for its text."""

    def __repr__(self):
        raise ValueError("no words")

    __str__ = __repr__


def raise_nameless():
    raise NamelessError


class Nameless:
    def __reduce__(self):
        return raise_nameless, ()


def test_what_cannot_be_read_is_named_whatever_it_raises():
    with Flow("f") as flow:
        unread = task(lambda x: 1, name="unread")(Nameless())
        after = task(os.getpid, name="after")()
        before = task(os.getpid, name="before")()
    states = flow.run(executor=ProcessExecutor(1)).result

    assert "could not read task 'unread': <NamelessError>" in str(states[unread].result)
    assert states[after].result == states[before].result


def test_what_the_threads_of_a_task_print_is_the_tasks():
    def speaks():
        threads = [threading.Thread(target=print, args=("from a thread",)) for _ in range(3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    flow, one = flow_of(speaks)
    flow.run(executor=ProcessExecutor(1))

    assert "".join(line.text for line in flow.runs[-1].logs[one]).count("from a thread") == 3


def test_loggers_say_there_what_they_would_say_here(caplog):
    import logging

    logging.getLogger("talks").setLevel(logging.INFO)
    logging.getLogger("quiet").setLevel(logging.ERROR)

    def speaks():
        logging.getLogger("talks").info("heard")
        logging.getLogger("quiet").warning("not heard")

    flow, _ = flow_of(speaks)
    flow.run(executor=ProcessExecutor(1))

    assert "heard" in [record.getMessage() for record in caplog.records]
    assert "not heard" not in [record.getMessage() for record in caplog.records]


LOCK = threading.Lock()


def test_a_name_that_a_task_reads_is_named_if_it_cannot_travel(remote):
    def locks():
        with LOCK:
            return 1

    locks.__module__ = "__main__"  # as in a notebook
    flow, one = flow_of(locks)

    assert "'LOCK', which it reads, a lock" in str(flow.run(executor=remote).result[one].result)


def test_an_error_that_ends_programs_ends_no_worker(remote):
    flow, one = flow_of(lambda: sys.exit(3))
    with pytest.raises(SystemExit):
        flow.run(executor=remote)

    assert isinstance(flow.runs[-1].states[one].result, SystemExit)
    assert flow.runs[-1].states[one].result.code == 3


def test_a_task_that_crashes_its_process_fails_alone():
    with Flow("f") as flow:
        numbers = task(lambda x: os._exit(3) if x == 2 else x, name="numbers").map([1, 2, 3, 4])
    state = flow.run(executor=ProcessExecutor(2))

    ends = [one.result for one in state.result[numbers].map_states]
    assert [ends[0], *ends[2:]] == [1, 3, 4]
    assert isinstance(ends[1], WorkerDiedError)
    assert "exit code 3" in str(ends[1])
    assert "'numbers'" in str(ends[1])


def test_a_process_that_is_killed_is_told_by_its_signal():
    flow, one = flow_of(lambda: os.kill(os.getpid(), signal.SIGKILL))

    assert "SIGKILL" in str(flow.run(executor=ProcessExecutor(1)).result[one].result)


def test_a_worker_that_was_killed_while_idle_is_replaced():
    with Flow("f") as flow:
        first = task(os.getpid, name="first")()
        second = task(os.getpid, name="second")(upstream_tasks=[first])
    run = flow.start(executor=ProcessExecutor(1), paused=True)
    run.step()
    worker = psutil.Process(run.results[first])
    worker.kill()
    worker.wait(LIMIT_S)
    run.resume()
    run.wait(LIMIT_S)

    assert isinstance(run.states[second], Success)
    assert run.results[second] != run.results[first]


def test_workers_make_way_after_so_many_tasks():
    with Flow("f") as flow:
        pids = task(lambda x: os.getpid(), name="pids").map([1, 2, 3, 4])
    state = flow.run(executor=ProcessExecutor(1, max_tasks=2))

    first, second, third, fourth = state.result[pids].result
    assert first == second != third == fourth


def test_the_initializer_is_called_in_each_process():
    def initialize(name):
        os.environ["SET_BY"] = name

    flow, one = flow_of(lambda: os.environ["SET_BY"])
    state = flow.run(executor=ProcessExecutor(1, initializer=initialize, initargs=("me",)))

    assert state.result[one].result == "me"


def deaf(note):
    """Say that it has begun, and wait in one call, which no exception ends."""
    note.write_text("begun")
    time.sleep(LIMIT_S)


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_task_that_does_not_listen_is_ended_with_its_process_before_the_cleanup(how, tmp_path):
    told, note = [], tmp_path / "note"

    @resource_manager
    class Held:
        def setup(self):
            return 1

        def cleanup(self, resource):
            told.append(workers_of_here())

    with Flow("f") as flow, Held() as held:
        warm = task(lambda held: None, name="warm")(held)  # its process is there when the time begins to count
        wait_s = 3 if how == "timeout" else None
        late = task(lambda held: deaf(note), name="late", timeout=wait_s)(held, upstream_tasks=[warm])
    run = flow.start(executor=ProcessExecutor(1))
    if how == "cancel":
        while not note.exists():
            run.wait(0.01)
        run.cancel()
    run.wait(LIMIT_S)

    assert isinstance(run.states[late], TimedOut if how == "timeout" else Cancelled)
    assert told == [[]]
    assert workers_of_here() == []


def iter_until(run, is_true):
    """Yield once, when something has become true of a run."""
    came = threading.Event()
    stop = run.events.listen(lambda event: is_true() and came.set())
    if not is_true():
        assert came.wait(LIMIT_S)
    stop()
    yield True


def test_a_task_that_listens_ends_by_itself_and_its_process_stays():
    from nbflow import context

    def listens():
        while not context.cancelled():
            threading.Event().wait(0.01)
        return os.getpid()

    flow, one = flow_of(listens)
    run = flow.start(executor=ProcessExecutor(1))
    for _ in iter_until(run, lambda: run.states[one].is_running()):
        pass
    run.cancel()
    run.wait(LIMIT_S)

    assert run.states[one].is_finished()


def test_no_worker_outlives_a_kernel_that_was_killed(tmp_path):
    path = tmp_path / "pid"
    script = f"""
import os, pathlib, time
from nbflow import Flow, task
def one():
    pathlib.Path({str(path)!r}).write_text(str(os.getpid()))
    time.sleep({LIMIT_S})
with Flow("f") as flow:
    task(one)()
flow.run(executor="processes")
"""
    kernel = subprocess.Popen([sys.executable, "-c", script])
    until = time.monotonic() + LIMIT_S
    while not (path.exists() and path.read_text()) and time.monotonic() < until:
        threading.Event().wait(0.02)
    worker = psutil.Process(int(path.read_text()))
    kernel.kill()
    kernel.wait()

    gone, _ = psutil.wait_procs([worker], timeout=LIMIT_S)
    assert gone


def test_a_script_needs_no_guard_for_its_main(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(
        "from nbflow import Flow, task\n"
        "class Box:\n    def __init__(self, x): self.x = x\n"
        "@task\ndef one(): return Box(3)\n"
        "@task\ndef two(box): return Box(box.x + 1)\n"
        "with Flow('f') as flow:\n    last = two(one())\n"
        "value = flow.run(executor='processes').result[last].result\n"
        "assert isinstance(value, Box)\nprint(value.x)\n"
    )
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (ran.stdout, ran.returncode) == ("4\n", 0), ran.stderr


def test_arrays_may_be_written_to_in_the_task_and_stay_as_they_are_here(remote):
    numpy = pytest.importorskip("numpy")

    def changes(x):
        x += 1
        return x

    with Flow("f") as flow:
        made = task(lambda: numpy.arange(100_000), name="made")()
        changed = task(changes, name="changed")(made)
        again = task(changes, name="again")(changed)
    state = flow.run(executor=remote)

    assert state.result[made].result[-1] == 99_999
    assert state.result[again].result[-1] == 100_001
    state.result[again].result[0] = 5
