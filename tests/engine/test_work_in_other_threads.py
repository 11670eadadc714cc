"""Rule 16 of the cleanup guarantee: what a task has done in another thread that takes its context along is its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nbflow import Flow, context, resource_manager, task
from tests.patience import PATIENCE_S
from tests.shared import SharedList


def look():
    print("said")
    return context.get("task_name")


async def in_to_thread():
    return await asyncio.to_thread(look)


def in_a_copied_context():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, look).result()


def in_a_thread():
    found = SharedList()
    started = threading.Thread(target=lambda: found.append(look()))
    started.start()
    started.join()
    return found[0]


class Own(threading.Thread):
    def run(self):
        self.found = look()


def in_a_thread_of_a_class():
    started = Own(daemon=True)
    started.start()
    started.join()
    assert "run" not in vars(started)
    return started.found


def in_a_pool():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(look).result()


def test_work_in_another_thread_knows_its_task_and_is_in_its_log(executor):
    """Rule 16."""
    with Flow("f") as flow:
        one = task(in_to_thread, name="one")()
        ways = (in_a_copied_context, in_a_thread, in_a_thread_of_a_class, in_a_pool)
        others = [task(way, name=way.__name__)() for way in ways]

    state = flow.run(executor=executor)

    logs = flow.runs[-1].logs
    for each in (one, *others):
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
    copied = SharedList()

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
    undone = SharedList()

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


@pytest.mark.one_memory("elsewhere a task ends after its threads: see tests/executors/test_remote_threads.py")
@pytest.mark.parametrize("is_daemon", [False, True])
def test_the_cleanup_waits_for_a_thread_that_a_task_has_started(executor, is_daemon):
    """Rules 3 and 16: for one that is no daemon, since libraries have daemons that never end."""
    may_end, diary = threading.Event(), []

    @resource_manager
    class Client:
        def setup(self):
            return "client"

        def cleanup(self, client):
            diary.append("cleanup")
            may_end.set()

    def work():
        may_end.wait(PATIENCE_S)
        diary.append("worked")

    started = threading.Thread(target=work, daemon=is_daemon)

    with Flow("f") as flow:
        with Client() as client:
            value = task(lambda client: started.start(), name="starts")(client)
        if not is_daemon:
            task(lambda value: may_end.set(), name="after")(value)

    assert flow.run(executor=executor).is_successful()
    started.join(PATIENCE_S)
    assert diary == (["cleanup", "worked"] if is_daemon else ["worked", "cleanup"])


def test_a_run_that_is_stepped_stands_still_beside_a_thread_of_its_task():
    """Rules 3 and 16."""
    may_end, diary = threading.Event(), []

    @resource_manager
    class Client:
        def setup(self):
            return "client"

        def cleanup(self, client):
            diary.append("cleanup")

    started = threading.Thread(target=lambda: (may_end.wait(PATIENCE_S), diary.append("worked")))
    with Flow("f") as flow, Client() as client:
        task(lambda client: started.start(), name="starts")(client)
    run = flow.start(paused=True)

    for _ in range(3):
        run.step()
    assert run.is_paused
    may_end.set()
    run.resume()

    assert run.wait(PATIENCE_S).is_successful()
    assert diary == ["worked", "cleanup"]


def test_threads_are_started_as_ever_when_no_run_goes_on():
    """Rule 16."""
    before = threading.Thread.start
    with Flow("f") as flow:
        task(in_a_thread)()

    flow.run()

    assert threading.Thread.start is before
