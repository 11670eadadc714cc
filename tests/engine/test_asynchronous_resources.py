"""Rule 16 of the cleanup guarantee: asynchronous resources live in one place, on the one event loop of their run."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
import threading
import time

import pytest

from nbflow import Flow, context, resource_manager, task, unmapped
from tests.patience import PATIENCE_S
from tests.shared import SharedFlag, SharedList

name = contextvars.ContextVar("name", default="nothing")


@pytest.fixture
def diary():
    return SharedList()


def where():
    return asyncio.get_running_loop(), asyncio.current_task(), threading.get_ident()


@task
async def look(resource):
    return asyncio.get_running_loop()


async def look_each(number, resource):
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


def test_all_asynchronous_tasks_of_a_run_share_the_loop_of_its_resources(executor):
    """Rule 16."""
    loops = set()

    @resource_manager
    async def client():
        loops.add(asyncio.get_running_loop())
        yield "client"

    with Flow("f") as flow, client() as resource:
        one = look(resource)
        each = task(look_each).map([1, 2], unmapped(resource))
    states = flow.run(executor=executor).result

    assert {states[one].result, *states[each].result} == loops


def async_generator(diary):
    @resource_manager
    async def made():
        diary.append(where())
        token = name.set("resource")
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
            yield "resource"
        name.reset(token)
        diary.append(where())

    return made


def async_class(diary):
    @resource_manager
    class Made:
        async def setup(self):
            diary.append(where())
            self.token = name.set("resource")
            self.group = asyncio.TaskGroup()
            await self.group.__aenter__()
            return "resource"

        async def cleanup(self, resource):
            await self.group.__aexit__(None, None, None)
            name.reset(self.token)
            diary.append(where())

    return Made


def async_context(diary):
    @resource_manager
    @contextlib.asynccontextmanager
    async def made():
        diary.append(where())
        token = name.set("resource")
        async with asyncio.TaskGroup():
            yield "resource"
        name.reset(token)
        diary.append(where())

    return made


def plain_generator(diary):
    @resource_manager
    def made():
        token = name.set("resource")
        yield "resource"
        name.reset(token)

    return made


def plain_class(diary):
    @resource_manager
    class Made:
        def setup(self):
            self.token = name.set("resource")
            return "resource"

        def cleanup(self, resource):
            name.reset(self.token)

    return Made


KINDS = pytest.mark.parametrize("kind", [async_generator, async_class, async_context])


@KINDS
def test_setup_and_cleanup_run_in_one_asyncio_task_and_one_context(diary, executor, kind):
    """Rule 16: a task group can be entered in one and left in the other, a context variable set back."""
    with Flow("f") as flow, kind(diary)() as resource:
        task(lambda resource: 1, name="use")(resource)

    assert flow.run(executor=executor).is_successful()
    assert flow.runs[-1].cleanup_failures == {}
    assert len(diary) == 2
    assert diary[0] == diary[1]


@pytest.mark.one_memory("context variables stay in the kernel")
@pytest.mark.parametrize("kind", [async_generator, async_class, async_context, plain_generator, plain_class])
def test_context_variables_set_in_a_setup_are_seen_by_the_tasks_of_the_block(diary, executor, kind):
    """Rule 16."""

    async def read(resource):
        return name.get(), await asyncio.to_thread(name.get)

    with Flow("f") as flow:
        with kind(diary)() as resource:
            plain = task(lambda resource: name.get(), name="plain")(resource)
            asynchronous = task(read)(resource)
            timed = task(lambda resource: name.get(), name="timed", timeout=60)(resource)
        outside = task(lambda before: name.get(), name="outside")(plain)

    state = flow.run(executor=executor)

    assert state.result[plain].result == "resource"
    assert state.result[asynchronous].result == ("resource", "resource")
    assert state.result[timed].result == "resource"
    assert state.result[outside].result == "nothing"
    assert name.get() == "nothing"
    assert flow.runs[-1].cleanup_failures == {}


@pytest.mark.one_memory("context variables stay in the kernel")
def test_the_variables_of_an_inner_resource_are_seen_inside_of_it_only(executor):
    """Rule 16."""

    @resource_manager
    async def named(value):
        token = name.set(f"{name.get()} {value}")
        yield value
        name.reset(token)

    read = task(lambda resource: name.get(), name="read")
    with Flow("f") as flow, named("outer") as outer:
        with named("inner") as inner:
            deep = read(inner)
        shallow = read(outer)

    state = flow.run(executor=executor)

    assert state.result[deep].result == "nothing outer inner"
    assert state.result[shallow].result == "nothing outer"
    assert flow.runs[-1].cleanup_failures == {}


def test_a_server_started_in_a_setup_answers_ordinary_tasks(executor):
    """Rule 16."""

    @resource_manager
    async def server():
        async def hello(reader, writer):
            writer.write(b"hi")
            await writer.drain()
            writer.close()

        serving = await asyncio.start_server(hello, "127.0.0.1", 0)
        yield serving.sockets[0].getsockname()[1]
        serving.close()

    @task
    def call(port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            return connection.recv(10)

    with Flow("f") as flow, server() as port:
        answer = call(port)

    assert flow.run(executor=executor).result[answer].result == b"hi"


def test_a_worker_started_in_a_setup_serves_asynchronous_tasks(executor):
    """Rule 16."""

    @resource_manager
    async def worker():
        queue = asyncio.Queue()

        async def work():
            while True:
                await queue.get()
                queue.task_done()

        job = asyncio.create_task(work())
        yield queue
        job.cancel()

    @task
    async def put(queue):
        await queue.put(5)
        await queue.join()

    with Flow("f") as flow, worker() as queue:
        put(queue)

    run = flow.start(executor=executor)

    assert run.wait(PATIENCE_S).is_successful()


@pytest.mark.parametrize("is_blocking", [True, False])
def test_an_asynchronous_task_that_blocks_the_loop_is_stopped_all_the_same(executor, is_blocking):
    """Rules 6 and 16."""
    begun = SharedFlag()

    @resource_manager
    async def client():
        yield "client"

    @task
    async def blocks(resource):
        begun.set()
        while True:
            time.sleep(0.001)

    with Flow("f") as flow, client() as resource:
        blocks(resource)

    def cancel():
        assert begun.wait(PATIENCE_S)
        flow.runs[-1].cancel()

    if is_blocking:
        threading.Thread(target=cancel).start()
        state = flow.run(executor=executor)
    else:
        run = flow.start(executor=executor)
        cancel()
        state = run.wait(PATIENCE_S)

    assert type(state).__name__ == "Cancelled"
    assert flow.runs[-1].is_finished
    assert flow.runs[-1].block_status == {flow.blocks[0]: "cleaned"}


def test_an_asynchronous_task_is_cancelled_at_its_await(executor, diary):
    """Rules 6 and 16."""
    begun = SharedFlag()

    @task
    async def waits():
        begun.set()
        try:
            await asyncio.sleep(PATIENCE_S * 2)
        except asyncio.CancelledError:
            diary.append("cancelled")
            raise

    with Flow("f") as flow:
        waits()
    run = flow.start(executor=executor)
    assert begun.wait(PATIENCE_S)

    run.cancel()

    assert type(run.wait(PATIENCE_S)).__name__ == "Cancelled"
    assert diary == ["cancelled"]


def test_an_asynchronous_task_may_run_a_flow(executor):
    """Rules 14 and 16."""

    @task
    async def inside():
        await asyncio.sleep(0)
        return context["task_name"]

    with Flow("inner") as inner:
        made = inside()

    @task
    async def outside():
        return inner.run().result[made].result, context["task_name"]

    with Flow("f") as flow:
        one = outside()

    assert flow.run(executor=executor).result[one].result == ("inside", "outside")


def test_nothing_of_the_loop_is_left_when_the_run_is_over(executor):
    """Rule 16."""

    @task
    async def leaves():
        asyncio.get_running_loop().kept = asyncio.create_task(asyncio.sleep(PATIENCE_S * 2))

    with Flow("f") as flow:
        leaves()

    assert flow.run(executor=executor).is_successful()
    assert [one.name for one in threading.enumerate() if one.name.endswith("-loop")] == []


def test_the_cleanup_waits_for_a_thread_that_works_for_a_task(executor, diary):
    """Rules 3 and 16: also when the task does not wait for it itself."""
    may_end = SharedFlag()

    @resource_manager
    class Client:
        def setup(self):
            return "client"

        def cleanup(self, client):
            diary.append("cleanup")

    def work():
        may_end.wait(PATIENCE_S)
        diary.append("worked")

    @task
    async def starts(client):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(work), 0.001)
        return "went on"

    with Flow("f") as flow:
        with Client() as client:
            value = starts(client)
        task(lambda value: may_end.set(), name="after")(value)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[value].result == "went on"
    assert diary == ["worked", "cleanup"]


def test_a_cancelled_run_waits_for_a_thread_that_works_for_a_task(diary):
    """Rules 3, 6 and 16."""
    begun, may_end = threading.Event(), threading.Event()

    @resource_manager
    class Client:
        def setup(self):
            return "client"

        def cleanup(self, client):
            diary.append("cleanup")

    def work():
        begun.set()
        may_end.wait(PATIENCE_S)
        diary.append("worked")

    @task
    async def waits(client):
        try:
            await asyncio.to_thread(work)
        finally:
            may_end.set()

    with Flow("f") as flow, Client() as client:
        waits(client)
    run = flow.start()
    assert begun.wait(PATIENCE_S)

    run.cancel()
    run.wait(PATIENCE_S)

    assert diary == ["worked", "cleanup"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_asynchronous_cleanup_may_be_tried_again_when_the_run_is_over(executor, diary):
    """Rules 7 and 16: the loop of the run has ended by then."""

    @resource_manager
    class Client:
        async def setup(self):
            return "client"

        async def cleanup(self, client):
            await asyncio.sleep(0)
            diary.append("cleanup")
            if len(diary) == 1:
                raise OSError("busy")

    with Flow("f") as flow, Client() as client:
        task(lambda client: 1, name="use")(client)
    flow.run(executor=executor)

    assert flow.runs[-1].retry_cleanup() == {}
    assert diary == ["cleanup", "cleanup"]


def test_a_child_of_a_task_group_that_fails_is_told_when_the_group_is_left(executor):
    """Rule 16: the group's error is one of the cleanup, and does not end what waits for it."""

    @resource_manager
    async def watched():
        failed = asyncio.Event()

        async def fails():
            failed.set()
            raise OSError("the watch is broken")

        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            yield failed

    @task
    async def use(failed):
        await failed.wait()

    with Flow("f") as flow, watched() as failed:
        use(failed)

    with pytest.warns(RuntimeWarning, match="the watch is broken"):
        state = flow.run(executor=executor)

    assert state.is_successful()
    assert isinstance(flow.runs[-1].cleanup_failures[flow.blocks[0]], ExceptionGroup)
