"""Rule 9 of the cleanup guarantee: what a setup that raises has done until then is undone."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from datetime import timedelta

import pytest

from nbflow import Flow, ledger, resource_manager, task
from nbflow.engine.open_resources import BlockStatus
from nbflow.executors import ThreadExecutor
from tests.shared import SharedList


@pytest.fixture
def diary():
    return SharedList()


@task
def use(resource):
    return resource


def flow_with(manager, *args):
    with Flow("f") as flow, manager(*args) as resource:
        use(resource)
    return flow


def two_parts(diary, error=None, **options):
    @resource_manager(name="parts", **options)
    class Parts:
        def setup(self):
            for part in ("first", "second"):
                diary.append(f"make {part}")
                self.defer(diary.append, f"remove {part}")
            if error is not None:
                raise error
            return "parts"

        def cleanup(self, parts):
            diary.append("cleanup")

    return Parts


def test_what_was_deferred_is_undone_in_reverse_when_setup_raises(diary, executor):
    """Rule 9."""
    flow = flow_with(two_parts(diary, ValueError("third part")))

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert diary == ["make first", "make second", "remove second", "remove first"]
    assert str(state.result[flow.blocks[0].setup_task].result) == "third part"
    assert flow.runs[-1].cleanup_failures == {}


def test_what_was_deferred_is_forgotten_when_setup_succeeds(diary, executor):
    """Rule 9: from then on cleanup is responsible."""
    assert flow_with(two_parts(diary)).run(executor=executor).is_successful()

    assert diary == ["make first", "make second", "cleanup"]


def test_each_try_of_a_setup_undoes_its_own(diary):
    """Rule 9."""
    tries = []

    @resource_manager(setup_task_kwargs={"max_retries": 1, "retry_delay": timedelta(0)})
    class Server:
        def setup(self):
            tries.append(1)
            self.defer(diary.append, f"undo {len(tries)}")
            if len(tries) == 1:
                raise OSError("port taken")
            return "server"

        def cleanup(self, server):
            diary.append("cleanup")

    assert flow_with(Server).run().is_successful()

    assert diary == ["undo 1", "cleanup"]


def test_deferring_works_in_an_init_that_is_the_setup(diary):
    """Rule 9: a manager without setup."""

    @resource_manager
    class Lock:
        def __init__(self):
            self.defer(diary.append, "unlock")
            raise OSError("disk full")

        def cleanup(self, nothing):
            diary.append("cleanup")

    with Flow("f") as flow, Lock():
        use(1)

    state = flow.run()

    assert state.result[flow.blocks[0].init_task].is_failed()
    assert diary == ["unlock"]


def test_deferring_works_from_a_thread_that_setup_has_started(diary):
    """Rule 9."""
    import threading

    @resource_manager
    class Pool:
        def setup(self):
            thread = threading.Thread(target=lambda: self.defer(diary.append, "undo"))
            thread.start()
            thread.join()
            raise OSError("no")

        def cleanup(self, pool):
            pass

    flow_with(Pool).run()

    assert diary == ["undo"]


def test_something_that_can_not_be_undone_does_not_stop_the_rest_and_is_never_silent(diary):
    """Rules 9 and 7."""
    broken = [OSError("in use")]

    def remove():
        if broken:
            raise broken.pop()
        diary.append("removed")

    @resource_manager
    class Parts:
        def setup(self):
            self.defer(diary.append, "first undone")
            self.defer(remove)
            raise ValueError("no")

        def cleanup(self, parts):
            diary.append("cleanup")

    flow = flow_with(Parts)

    with pytest.warns(RuntimeWarning, match="'Parts' failed.*in use"):
        flow.run()

    run = flow.runs[-1]
    assert diary == ["first undone"]
    assert [repr(error) for error in run.cleanup_failures.values()] == ["OSError('in use')"]
    assert run.retry_cleanup() == {}
    assert diary == ["first undone", "removed"]


@pytest.mark.parametrize("cleanup_fails", [False, True])
def test_what_an_earlier_try_has_left_is_named_although_the_next_one_went_well(diary, cleanup_fails):
    """Rules 7 and 13: the resource is cleaned up, and what is left of the first try stays to be retried."""
    stuck = [OSError("in use")]
    broken = [OSError("busy")] if cleanup_fails else []

    @resource_manager(setup_task_kwargs={"max_retries": 1, "retry_delay": timedelta(0)})
    class Server:
        tries = 0

        def setup(self):
            self.tries += 1
            self.defer(self.undo, self.tries)
            if self.tries == 1:
                raise OSError("port taken")
            return "server"

        def undo(self, number):
            if stuck:
                raise stuck.pop()
            diary.append(f"undo {number}")

        def cleanup(self, server):
            if broken:
                raise broken.pop()
            diary.append("cleanup")

    flow = flow_with(Server)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert flow.run().is_successful()

    assert "in use" in str(said[0].message)
    run, (block,) = flow.runs[-1], flow.blocks
    assert diary == ([] if cleanup_fails else ["cleanup"])
    assert list(run.cleanup_failures) == [block]
    assert run.block_status[block] is BlockStatus.LEAKED
    assert run.retry_cleanup() == {}
    assert run.block_status[block] is BlockStatus.CLEANED
    assert diary == ["cleanup", "undo 1"]
    assert [row for row in ledger.resources() if row.run == run.id] == []


def test_a_generator_is_a_manager(diary, executor):
    @resource_manager
    def scratch(name):
        diary.append(f"make {name}")
        yield name.upper()
        diary.append(f"remove {name}")

    flow = flow_with(scratch, "a")

    state = flow.run(executor=executor)

    assert diary == ["make a", "remove a"]
    assert state.result[flow.get_tasks("use")[0]].result == "A"
    assert flow.run().is_successful()
    assert diary == ["make a", "remove a"] * 2


def test_a_generator_cleans_up_when_a_task_fails_without_any_try(diary):
    @resource_manager
    def scratch():
        yield 1
        diary.append("removed")

    with Flow("f") as flow, scratch() as resource:
        task(lambda x: x / 0)(resource)

    assert flow.run().is_failed()
    assert diary == ["removed"]


def test_a_generator_that_raises_before_its_yield_unwinds_by_itself(diary):
    """Rule 9."""

    @resource_manager
    def scratch():
        try:
            raise OSError("disk full")
            yield
        finally:
            diary.append("unwound")

    assert flow_with(scratch).run().is_failed()
    assert diary == ["unwound"]


def test_a_generator_is_made_again_for_each_try_of_the_setup(diary):
    @resource_manager(setup_task_kwargs={"max_retries": 1, "retry_delay": timedelta(0)})
    def scratch():
        diary.append("setup")
        if len(diary) == 1:
            raise OSError("not yet")
        yield 1
        diary.append("cleanup")

    assert flow_with(scratch).run().is_successful()
    assert diary == ["setup", "setup", "cleanup"]


@pytest.mark.parametrize("count", [0, 2])
def test_a_generator_that_does_not_yield_once_is_an_error(count):
    @resource_manager
    def scratch():
        for number in range(count):  # noqa: UP028 - `yield from` would ask the range
            yield number

    flow = flow_with(scratch)
    if count == 0:
        state = flow.run()
        assert "never yields" in str(state.result[flow.blocks[0].setup_task].result)
    else:
        with pytest.warns(RuntimeWarning, match="yields a second time"):
            flow.run()


def test_an_asynchronous_generator_is_a_manager(diary, executor):
    @resource_manager
    async def connection():
        await asyncio.sleep(0)
        diary.append("open")
        yield "connection"
        await asyncio.sleep(0)
        diary.append("closed")

    assert flow_with(connection).run(executor=executor).is_successful()
    assert diary == ["open", "closed"]


def test_a_class_of_context_managers_is_a_manager_and_its_exit_is_told_the_error(diary):
    @resource_manager
    class Transaction:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            return self.name

        def __exit__(self, kind, error, traceback):
            diary.append((self.name, kind))

    flow_with(Transaction, "good").run()
    with Flow("f") as flow, Transaction("bad") as name:
        task(lambda x: 1 / 0)(name)
    flow.run()

    assert diary == [("good", None), ("bad", ZeroDivisionError)]


def test_a_function_made_by_contextlib_is_a_manager(diary):
    @resource_manager
    @contextlib.contextmanager
    def opened(name):
        try:
            yield name
        finally:
            diary.append(f"close {name}")

    assert flow_with(opened, "a").run().is_successful()
    assert diary == ["close a"]


def test_an_asynchronous_context_manager_is_a_manager(diary):
    @resource_manager
    class Session:
        async def __aenter__(self):
            return "session"

        async def __aexit__(self, *error):
            diary.append("closed")

    assert flow_with(Session).run(executor=ThreadExecutor(1)).is_successful()
    assert diary == ["closed"]


def test_a_factory_of_context_managers_is_told_of_managed():
    @resource_manager
    def made():
        return contextlib.nullcontext(1)

    with Flow("f") as flow, made():
        use(1)

    state = flow.run()

    assert "managed" in str(state.result[flow.blocks[0].init_task].result)


def test_a_context_manager_with_a_cleanup_of_its_own_is_entered_and_left():
    import tempfile
    from pathlib import Path

    directory = resource_manager(tempfile.TemporaryDirectory)
    with Flow("f") as flow, directory() as name:
        seen = use(name)

    state = flow.run()

    assert state.is_successful()
    assert not Path(state.result[seen].result).exists()
