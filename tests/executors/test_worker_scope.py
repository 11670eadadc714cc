"""Resources of the workers (``scope="worker"``): one for each process that needs it, and each is closed once."""

from __future__ import annotations

import os
import re
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import pytest

from nbflow import Flow, apply_map, ledger, resource_manager, task, unmapped
from nbflow.errors import OptionError, WorkerScopeError
from nbflow.executors import ProcessExecutor
from nbflow.executors.errors import ManagerCannotTravelError
from nbflow.resources import TemporaryDirectory, managed
from tests.executors.journal import Journal
from tests.executors.workers import workers_of_here

LIMIT_S = 30


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


class Model:
    """Something that a process loads once."""

    def __init__(self, journal, weight=2):
        self.journal, self.weight = journal, weight

    def setup(self):
        self.journal.note("setup")
        return {"weight": self.weight, "pid": os.getpid(), "lock": threading.Lock()}

    def cleanup(self, resource):
        assert resource["pid"] == os.getpid()
        self.journal.note("cleanup")


def apply(model, x):
    assert model["pid"] == os.getpid()
    return model["weight"] * x


WorkerModel = resource_manager(Model, scope="worker")


def flow_of(manager, journal, function=apply, numbers=(1, 2, 3, 4), **options):
    with Flow("f") as flow:
        block = manager(journal)
        with block:
            taken = block.setup_task or block.init_task
            done = task(function, name="done", **options).map(unmapped(taken), list(numbers))
    return flow, done


DASK = pytest.param("dask", marks=pytest.mark.cluster)


@pytest.mark.parametrize("place", ["inline", "threads", "pool of threads", "processes", DASK], indirect=True)
def test_each_process_opens_one_and_closes_it(place, journal):
    flow, done = flow_of(WorkerModel, journal)

    state = flow.run(executor=place)

    assert state.is_successful()
    assert state.result[done].result == [2, 4, 6, 8]
    opened = journal.pids("setup")
    assert len(opened) == len(set(opened)) <= 2
    assert sorted(journal.pids("cleanup")) == sorted(opened)
    assert ledger.resources() == []


def test_a_process_whose_tasks_do_not_take_it_opens_none(journal, workers_of):
    with Flow("f") as flow, WorkerModel(journal):
        task(lambda x: x, name="done").map([1, 2, 3])

    assert flow.run(executor=workers_of(2)).is_successful()
    assert journal.lines == []


def test_a_resource_is_found_in_lists_and_dictionaries(journal, workers_of):
    with Flow("f") as flow, WorkerModel(journal) as model:
        done = task(lambda held: (held["a"][0]["weight"], held["a"][0] is held["b"]), name="done")(
            {"a": [model, 1], "b": model}
        )

    assert flow.run(executor=workers_of(1)).result[done].result == (2, True)
    assert len(journal.lines) == 2


@pytest.mark.parametrize("kind", ["generator", "context manager", "no setup", "factory", "asynchronous"])
def test_managers_of_all_kinds_are_opened_there(kind, journal, workers_of):
    def generator(journal):
        journal.note("setup")
        yield {"weight": 2, "pid": os.getpid()}
        journal.note("cleanup")

    async def asynchronous(journal):
        journal.note("setup")
        yield {"weight": 2, "pid": os.getpid()}
        journal.note("cleanup")

    class Bare(dict):
        def __init__(self, journal):
            super().__init__(weight=2, pid=os.getpid())
            self.journal = journal
            journal.note("setup")

        def cleanup(self, resource):
            self.journal.note("cleanup")

    def factory(journal):
        return Model(journal)

    made_of = {
        "generator": generator,
        "asynchronous": asynchronous,
        "context manager": contextmanager(generator),
        "no setup": Bare,
        "factory": factory,
    }
    flow, done = flow_of(resource_manager(made_of[kind], scope="worker"), journal)

    state = flow.run(executor=workers_of(2))

    assert state.result[done].result == [2, 4, 6, 8]
    opened = journal.pids("setup")
    assert str(os.getpid()) not in opened
    assert sorted(journal.pids("cleanup")) == sorted(opened) == sorted(set(opened))


def test_a_manager_of_a_module_makes_what_is_unique_to_each_process(workers_of):
    Folder = TemporaryDirectory.with_options(scope="worker")

    def note(folder, x):
        (folder / str(x)).touch()
        return folder

    with Flow("f") as flow, Folder() as folder:
        folders = task(note, name="note").map(unmapped(folder), list(range(6)))
    found = flow.run(executor=workers_of(2)).result[folders].result

    assert len(set(found)) <= 2
    assert not any(one.exists() for one in found)


def test_a_block_inside_may_take_the_resource_and_closes_first(journal, workers_of):
    class Inner:
        def __init__(self, outer, journal):
            self.outer, self.journal = outer, journal

        def setup(self):
            self.journal.note("inner")
            return self.outer["weight"] + 1

        def cleanup(self, resource):
            assert self.outer["pid"] == os.getpid()
            self.journal.note("uninner")

    with Flow("f") as flow, WorkerModel(journal) as outer:
        with resource_manager(Inner, scope="worker")(outer, journal) as inner:
            done = task(lambda held: held, name="done")(inner)
        after = task(apply, name="after")(outer, done)
    state = flow.run(executor=workers_of(1))

    assert state.result[after].result == 6
    assert journal.words == ["setup", "inner", "uninner", "cleanup"]


def test_a_mapped_block_has_one_for_each_element(journal, workers_of):
    def one(x):
        with WorkerModel(journal, weight=x) as model:
            return task(apply, name="done")(model, 1)

    with Flow("f") as flow:
        done = apply_map(one, [3, 4, 5])
    state = flow.run(executor=workers_of(2))

    assert state.result[done].result == [3, 4, 5]
    assert sorted(journal.words) == ["cleanup"] * 3 + ["setup"] * 3
    assert sorted(journal.pids("setup")) == sorted(journal.pids("cleanup"))


def test_a_run_that_is_stepped_holds_it_open_in_its_worker(journal, workers_of):
    with Flow("f") as flow, WorkerModel(journal) as model:
        first = task(apply, name="first")(model, 1)
        second = task(apply, name="second")(model, first)
    run = flow.start(executor=workers_of(1), paused=True)
    run.step()
    while run.states[first].is_pending():
        run.step()
    assert journal.words == ["setup"]

    (row,) = ledger.resources()
    assert row.state == "open"
    assert re.fullmatch(rf"Model in worker (process {journal.pids('setup')[0]}|tcp://[\d.:]+)", row.block)
    run.resume()
    run.wait(LIMIT_S)

    assert run.results[second] == 4
    assert journal.words == ["setup", "cleanup"]
    assert ledger.resources() == []


def test_a_worker_closes_it_before_it_makes_way(journal):
    flow, done = flow_of(WorkerModel, journal, numbers=range(5))

    state = flow.run(executor=ProcessExecutor(1, max_tasks=2))

    assert state.result[done].result == [0, 2, 4, 6, 8]
    assert journal.words == ["setup", "cleanup"] * 3
    assert len(set(journal.pids("setup"))) == 3


class Telling(Model):
    """Says what it is told of its tasks."""

    def cleanup(self, resource, outcome):
        failed = ",".join(one.name for one in outcome.failed)
        self.journal.note(f"cleanup:{failed}:{len(outcome.errors)}:{outcome.is_successful}")
        print("cleaned up", outcome.error)

    def on_failure(self, resource):
        self.journal.note("on_failure")
        raise OSError("the hook's")


def fails(model, x):
    if x == 2:
        raise ValueError("no two")
    return x


def test_its_cleanup_is_told_how_the_tasks_have_ended(journal, workers_of):
    flow, _ = flow_of(resource_manager(Telling, scope="worker"), journal, fails, numbers=[2, 3])
    block = flow.blocks[0]

    with pytest.warns(match="a hook of 'Telling' raised"):
        flow.run(executor=workers_of(1))

    assert journal.words == ["setup", "on_failure", "cleanup:done:1:False"]
    said = "".join(line.text for line in flow.runs[-1].logs[block.cleanup_task])
    assert said == "cleaned up no two\n"


def test_the_cleanup_of_a_worker_that_makes_way_is_told_how_its_own_tasks_have_ended(journal):
    flow, _ = flow_of(resource_manager(Telling, scope="worker"), journal, fails, numbers=[2, 3])

    flow.run(executor=ProcessExecutor(1, max_tasks=1))

    ended = [word for word in journal.words if word.startswith("cleanup")]
    assert ended[0] == "cleanup:done:1:False"
    assert len(ended) == 2


def test_what_a_setup_prints_is_said_by_the_task_that_needs_it(journal, workers_of):
    class Talking(Model):
        def setup(self):
            print("loading")
            return super().setup()

    flow, done = flow_of(resource_manager(Talking, scope="worker"), journal, numbers=[1])
    flow.run(executor=workers_of(1))

    assert "".join(line.text for line in flow.runs[-1].logs[done]) == "loading\n"


def test_a_setup_may_start_a_thread_that_goes_on_until_the_cleanup(journal, workers_of):
    class Serving(Model):
        def setup(self):
            self.stop = threading.Event()
            self.thread = threading.Thread(target=self.stop.wait)
            self.thread.start()
            return super().setup()

        def cleanup(self, resource):
            self.stop.set()
            self.thread.join()
            super().cleanup(resource)

    flow, done = flow_of(resource_manager(Serving, scope="worker"), journal)

    assert flow.run(executor=workers_of(1)).result[done].result == [2, 4, 6, 8]
    assert journal.words == ["setup", "cleanup"]


def test_processes_that_are_kept_open_one_in_each_run(journal):
    flow, _ = flow_of(WorkerModel, journal)
    with ProcessExecutor(1) as executor:
        flow.run(executor=executor)
        flow.run(executor=executor)

        assert len(workers_of_here()) == 1

    assert journal.words == ["setup", "cleanup"] * 2
    assert len({line.split()[1] for line in journal.lines}) == 1


@resource_manager
class Workers:
    def setup(self):
        return ProcessExecutor(2)

    def cleanup(self, executor):
        pass


def test_the_processes_of_a_block_open_one_each(journal):
    with Flow("f") as flow:
        with Workers().as_executor(), WorkerModel(journal) as model:
            done = task(apply, name="done").map(unmapped(model), [1, 2, 3, 4])
        total = task(lambda numbers: sum(numbers), name="total")(done)
    state = flow.run()

    assert state.result[total].result == 20
    opened = journal.pids("setup")
    assert str(os.getpid()) not in opened
    assert sorted(opened) == sorted(set(opened)) == sorted(journal.pids("cleanup"))


async def turn(model, x):
    return apply(model, x)


def test_a_task_of_another_executor_cannot_take_it(journal, workers_of):
    with Flow("f") as flow, WorkerModel(journal) as model:
        here = task(apply, name="here")(model, 1)
        asynchronous = task(turn, name="asynchronous")(model, 1)
        with managed(ThreadPoolExecutor, 1).as_executor():
            kernels = task(apply, name="kernels")(model, 1)
        with Workers().as_executor():
            others = task(apply, name="others")(model, 1)
    states = flow.run(executor=workers_of(1)).result

    assert states[here].result == 2
    for one in (kernels, others, asynchronous):
        assert isinstance(states[one].result, WorkerScopeError)
        assert "not called by the workers that open it" in str(states[one].result)
    assert journal.words == ["setup", "cleanup"]


# -- where it cannot be ------------------------------------------------------------------------------------------


def test_a_pool_of_the_users_is_refused_before_a_task_runs(journal):
    flow, _ = flow_of(WorkerModel, journal)
    block = flow.blocks[0]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        state = flow.run(executor=pool)

    error = state.result[block.init_task].result
    assert isinstance(error, WorkerScopeError)
    assert "executor='processes'" in str(error)
    assert state.is_failed()
    assert journal.lines == []


def test_a_manager_that_cannot_travel_is_named_before_a_task_runs(journal, workers_of):
    with Flow("f") as flow, WorkerModel(journal, weight=threading.Lock()) as model:
        done = task(apply, name="done")(model, 1)
    block = flow.blocks[0]
    state = flow.run(executor=workers_of(1))

    error = state.result[block.init_task].result
    assert isinstance(error, ManagerCannotTravelError)
    assert (error.block_name, error.part, error.type_name) == ("Model", "argument 'weight'", "lock")
    assert state.result[done].is_failed()


def test_a_block_of_the_kernel_cannot_take_it(journal, workers_of):
    @resource_manager
    class Kernels(Model):
        pass

    with Flow("f") as flow, WorkerModel(journal) as outer, Kernels(journal, weight=outer) as inner:
        task(apply, name="done")(inner, 1)
    state = flow.run(executor=workers_of(1))

    error = state.result[flow.blocks[1].init_task].result
    assert isinstance(error, WorkerScopeError)
    assert "'Kernels'" in str(error)
    assert "'Model'" in str(error)
    assert journal.lines == []


def test_a_scope_is_one_of_two():
    with pytest.raises(OptionError, match="'run' or 'worker'"):
        resource_manager(Model, scope="process")
    assert WorkerModel.with_options(name="other").scope == "worker"
    with Flow("f"), pytest.raises(OptionError, match="scope='run'"):
        WorkerModel(None).as_executor()
