"""Rule 16 of the cleanup guarantee: what a task has done in another thread that takes its context along is its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

from nbflow import Flow, context, resource_manager, task
from tests.patience import PATIENCE_S


def look():
    print("said")
    return context.get("task_name")


async def in_to_thread():
    return await asyncio.to_thread(look)


def in_a_copied_context():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, look).result()


def test_work_in_another_thread_knows_its_task_and_is_in_its_log(executor):
    """Rule 16."""
    with Flow("f") as flow:
        one = task(in_to_thread, name="one")()
        other = task(in_a_copied_context, name="other")()

    state = flow.run(executor=executor)

    logs = flow.runs[-1].logs
    for each in (one, other):
        assert state.result[each].result == each.name
        assert "".join(line.text for line in logs[each]) == "said\n"


def test_asynchronous_tasks_that_wait_together_know_which_is_which():
    """Rule 16."""

    async def each(number):
        await asyncio.sleep(0)
        inside = await asyncio.to_thread(lambda: context.get("map_index"))
        return number, inside, context.get("map_index")

    with Flow("f") as flow:
        mapped = task(each, name="each").map(list(range(8)))

    state = flow.run(executor="threads")

    assert state.result[mapped].result == [(n, n, n) for n in range(8)]


def test_work_in_another_thread_sees_the_cancel():
    """Rules 6 and 16."""
    begun, seen = threading.Event(), threading.Event()

    def poll():
        begun.set()
        while not context.cancelled():
            pass
        seen.set()

    async def waits():
        await asyncio.to_thread(poll)

    with Flow("f") as flow:
        task(waits)()
    run = flow.start()
    assert begun.wait(PATIENCE_S)

    run.cancel()

    assert seen.wait(PATIENCE_S)
    run.wait(PATIENCE_S)


def test_a_thread_is_its_own_again_when_the_task_is_over():
    """Rule 16."""
    copied = []

    with Flow("f") as flow:
        task(lambda: copied.append(contextvars.copy_context()), name="one")()
    flow.run()

    assert copied[0].run(context.get, "task_name") is None
    with context(mine=1):
        assert context["mine"] == 1
    assert "mine" not in context


def test_values_that_other_threads_add_for_a_time_are_theirs():
    """Rule 16."""

    def inside():
        with context(mine=1):
            return context["mine"], context["task_name"]

    async def one():
        return await asyncio.to_thread(inside), context.get("mine")

    with Flow("f") as flow:
        made = task(one)()

    assert flow.run().result[made].result == ((1, "one"), None)


def test_a_setup_may_defer_from_another_thread(executor):
    """Rules 9 and 16."""
    undone = []

    @resource_manager
    class Server:
        async def setup(self):
            await asyncio.to_thread(self.defer, undone.append, "port")
            raise OSError("no")

        def cleanup(self, server): ...

    with Flow("f") as flow, Server() as server:
        task(lambda server: 1, name="use")(server)

    flow.run(executor=executor)

    assert undone == ["port"]


def test_the_threads_of_a_flow_that_a_task_starts_belong_to_that_flow(executor):
    """Rule 16."""
    with Flow("inner") as inner:
        name = task(lambda: context.get("task_name"), name="inside")()

    with Flow("f") as flow:
        made = task(lambda: inner.run(executor="threads").result[name].result, name="outside")()

    assert flow.run(executor=executor).result[made].result == "inside"
