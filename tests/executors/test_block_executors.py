"""Blocks whose resource calls the tasks inside: `Block.as_executor`."""

from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbflow import Flow, apply_map, mapped, resource_manager, task
from nbflow.errors import NotAnExecutorError
from nbflow.executors import ProcessExecutor, ThreadExecutor
from nbflow.resources import managed
from nbflow.states import Cancelled, Success, TriggerFailed
from nbflow.triggers import all_finished, any_failed
from tests.executors.workers import workers_of_here

LIMIT_S = 60
OUTSIDE = ["inline", "threads"]


@pytest.fixture
def told():
    return []


@pytest.fixture
def processes(told):
    """Give a manager of worker processes that says what it does, and whether a process is left when it cleans up."""

    @resource_manager
    class Processes:
        def __init__(self, count=1):
            self.count = count

        def setup(self):
            told.append("setup")
            return ProcessExecutor(self.count)

        def cleanup(self, resource):
            told.append(("cleanup", len(workers_of_here())))

    return Processes


def pid(x=None):
    return os.getpid()


def test_only_the_tasks_inside_are_called_by_the_resource(processes, told):
    with Flow("f") as flow:
        before = task(pid, name="before")()
        with processes().as_executor():
            inside = task(pid, name="inside")(before)
            rows = task(pid, name="rows").map(mapped(list(range(50))))
        after = task(pid, name="after")(inside)
    states = flow.run().result

    here = os.getpid()
    assert (states[before].result, states[after].result) == (here, here)
    assert set(states[rows].result) == {states[inside].result} != {here}
    assert told == ["setup", ("cleanup", 0)]


@pytest.mark.parametrize("outside", OUTSIDE)
def test_a_flow_has_several_executors_and_the_innermost_one_counts(processes, told, outside):
    with Flow("f") as flow:
        with processes().as_executor():
            outer = task(pid, name="outer")()
            with managed(ThreadPoolExecutor, 1).as_executor():
                inner = task(pid, name="inner")(outer)
                thread = task(lambda: threading.current_thread().name, name="thread")()
            again = task(pid, name="again")(inner)
        with processes().as_executor():
            other = task(pid, name="other")(again)
    states = flow.run(executor=outside).result

    assert states[inner].result == os.getpid()
    assert states[thread].result.startswith("ThreadPoolExecutor")
    assert states[outer].result == states[again].result
    assert len({os.getpid(), states[outer].result, states[other].result}) == 3
    assert told.count("setup") == 2  # on threads the second one may come before the first cleanup
    assert len(told) == 4


def test_as_many_tasks_run_at_once_as_the_resource_takes_also_in_an_inline_run():
    barrier = threading.Barrier(3)

    @resource_manager
    class Threads:
        def setup(self):
            return ThreadExecutor(3)

        def cleanup(self, resource):
            pass

    with Flow("f") as flow, Threads().as_executor():
        for number in range(3):
            task(lambda: barrier.wait(LIMIT_S), name=f"t{number}")()

    assert flow.run().is_successful()


def test_the_tasks_of_a_resource_that_calls_none_say_so_and_it_is_cleaned_up(told):
    @resource_manager
    class Numbers:
        def setup(self):
            return {}

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Numbers().as_executor():
        one = task(pid, name="one")()
    state = flow.run()

    assert isinstance(state.result[one].result, NotAnExecutorError)
    assert "'Numbers' is a dict" in str(state.result[one].result)
    assert "concurrent.futures" in str(state.result[one].result)
    assert told == ["cleanup"]


def test_a_setup_that_fails_calls_nothing(told):
    @resource_manager
    class Broken:
        def setup(self):
            raise OSError("no")

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Broken().as_executor():
        one = task(pid, name="one")()
    state = flow.run()

    assert isinstance(state.result[one], TriggerFailed)
    assert told == []


def test_a_manager_without_a_setup_is_the_executor_itself(told):
    @resource_manager
    class Threads(ThreadExecutor):
        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Threads(2).as_executor():
        one = task(lambda: threading.current_thread() is threading.main_thread(), name="one")()

    assert flow.run().result[one].result is False
    assert told == ["cleanup"]


def test_each_element_of_a_map_has_an_executor_of_its_own(processes, told):
    def row(x):
        with processes().as_executor():
            return task(pid, name="row")(x)

    with Flow("f") as flow:
        rows = apply_map(row, mapped([1, 2, 3]))
    state = flow.run()

    assert len({os.getpid(), *state.result[rows].result}) == 4
    assert told.count("setup") == 3
    assert len(told) == 6
    assert told[-1] == ("cleanup", 0)


def test_a_cancelled_run_ends_the_tasks_of_a_block_and_then_cleans_up(processes, told, tmp_path):
    note = tmp_path / "note"

    def waits():
        note.write_text("begun")
        threading.Event().wait(LIMIT_S)

    with Flow("f") as flow, processes().as_executor():
        one = task(waits, name="one")()
    run = flow.start()
    while not note.exists():
        run.wait(0.01)
    run.cancel()
    run.wait(LIMIT_S)

    assert isinstance(run.states[one], Cancelled)
    assert told == ["setup", ("cleanup", 0)]


def test_a_run_is_stepped_through_a_block_and_rerun_from_inside(processes, told):
    with Flow("f") as flow:
        first = task(lambda: 1, name="first")()
        with processes().as_executor():
            second = task(lambda x: x + 1, name="second")(first)
            third = task(lambda x: x + 1, name="third")(second)
    run = flow.start(paused=True)
    for one in (first, second):
        while not run.is_paused:
            run.wait(0.01)
        while not run.states[one].is_finished():
            run.step()
    assert run.results[second] == 2
    assert not run.states[third].is_finished()
    run.resume()
    run.wait(LIMIT_S)
    again = run.rerun([third])
    again.wait(LIMIT_S)

    assert again.results[third] == 3
    assert isinstance(again.states[third], Success)
    assert told == ["setup", ("cleanup", 0)] * 2


def test_the_handle_is_on_disk_before_the_resource_is_asked_for_its_executor(told):
    """Rule 10."""

    class Asked(ThreadExecutor):
        def open(self, report, *, name):
            told.append("open")
            return super().open(report, name=name)

    @resource_manager
    class Threads:
        def setup(self):
            return Asked(1)

        def handle(self, resource):
            told.append("handle")
            return 1

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Threads().as_executor():
        task(pid, name="one")()

    assert flow.run().is_successful()
    assert told == ["handle", "open", "cleanup"]


class Broken(ThreadExecutor):
    """An executor that raises in one of its methods."""

    def __init__(self, error, *, opens=False, capacity=1):
        super().__init__(1)
        self.error, self.opens, self.capacity = error, opens, capacity

    def open(self, report, *, name):
        if not self.opens:
            raise self.error
        session = super().open(report, name=name)
        close = session.close

        def close_and_raise(timeout_s):
            close(timeout_s)
            raise self.error

        session.close = close_and_raise
        return session


def flow_on(executor, told):
    @resource_manager
    class Held:
        def setup(self):
            return executor

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Held().as_executor():
        one = task(pid, name="one")()
    return flow, one


def test_an_executor_that_does_not_open_fails_its_tasks_and_is_cleaned_up(told):
    flow, one = flow_on(Broken(OSError("no licence")), told)

    state = flow.run()

    assert "no licence" in str(state.result[one].result)
    assert told == ["cleanup"]


def test_an_executor_that_ends_the_program_is_cleaned_up_first(told):
    flow, _ = flow_on(Broken(SystemExit(3)), told)

    with pytest.raises(SystemExit):
        flow.run()

    assert told == ["cleanup"]


@pytest.mark.parametrize("error", [OSError("gone"), SystemExit(3)])
def test_an_executor_that_raises_when_it_is_closed_is_cleaned_up_all_the_same(told, error):
    flow, one = flow_on(Broken(error, opens=True), told)

    with pytest.warns(RuntimeWarning, match="could not be closed"):
        state = flow.run()

    assert state.result[one].result == os.getpid()
    assert told == ["cleanup"]


@pytest.mark.parametrize("capacity", [0, None])
def test_an_executor_without_room_for_a_task_says_so(told, capacity):
    flow, one = flow_on(Broken(OSError(), opens=True, capacity=capacity), told)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = flow.run()

    assert "capacity" in str(state.result[one].result)
    assert told == ["cleanup"]


def test_a_thread_of_a_block_that_lets_go_late_is_no_thread_of_the_run():
    """Its end is not counted as room elsewhere, where nobody would take the next task."""
    may_end, has_ended, both = threading.Event(), threading.Event(), threading.Barrier(2)

    @resource_manager(grace_s=0)
    class Threads:
        def setup(self):
            return ThreadExecutor(1)

        def cleanup(self, resource):
            pass

    def deaf():
        while not may_end.is_set():
            try:
                may_end.wait(0.05)
            except BaseException:  # as code that swallows all does
                continue
        has_ended.set()

    def after():
        may_end.set()
        assert has_ended.wait(LIMIT_S)

    with Flow("f") as flow:
        with Threads().as_executor():
            late = task(deaf, name="late", timeout=1)()
        first = task(after, name="after", trigger=all_finished)(upstream_tasks=[late])
        two = [task(lambda: both.wait(LIMIT_S), name=f"both {n}")(upstream_tasks=[first]) for n in range(2)]
    run = flow.start(executor="threads")

    assert run.wait(2 * LIMIT_S)
    assert all(run.states[one].is_successful() for one in two)


def test_a_setup_that_comes_too_late_is_no_executor_and_is_cleaned_up(told):
    may_set_up = threading.Event()

    @resource_manager(setup_task_kwargs={"timeout": 1}, grace_s=LIMIT_S)
    class Slow:
        def setup(self):
            may_set_up.wait(LIMIT_S)
            return ThreadExecutor(1)

        def cleanup(self, resource):
            told.append("cleanup")

    def lets_go():
        may_set_up.set()

    with Flow("f") as flow:
        with Slow().as_executor():
            inside = task(lets_go, name="inside", trigger=any_failed)()
            after = task(pid, name="after", trigger=all_finished)(upstream_tasks=[inside])
        last = task(pid, name="last", trigger=all_finished)(upstream_tasks=[after])
    run = flow.start(executor="threads")

    assert run.wait(LIMIT_S)
    assert run.states[last].is_successful()
    assert run._loop.schedule.is_idle
    assert told == ["cleanup"]
