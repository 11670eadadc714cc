"""Threads that a task starts in another process are the task's own: it has ended when they have (rules 3 and 16)."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, context, resource_manager, task
from nbflow.executors import ProcessExecutor
from tests.executors.places import PROCESSES
from tests.patience import PATIENCE_S
from tests.shared import SharedFlag, SharedList


def test_a_thread_of_a_task_knows_its_context(remote):
    @task
    def starts():
        found = []
        started = threading.Thread(target=lambda: found.append(context.get("task_name")))
        started.start()
        started.join()
        return found

    with Flow("f") as flow:
        one = starts()

    assert flow.run(executor=remote).result[one].result == ["starts"]


@pytest.mark.parametrize("remote", PROCESSES, indirect=True)
def test_the_cleanup_waits_for_a_thread_that_a_task_has_started(remote):
    diary, begun, may_end = SharedList(), SharedFlag(), SharedFlag()

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

    def lets_it_end():
        begun.wait(PATIENCE_S)
        may_end.set()

    with Flow("f") as flow:
        with Client() as client:
            task(lambda client: threading.Thread(target=work).start(), name="starts")(client)
        task(lets_it_end)()

    assert flow.run(executor=remote).is_successful()
    assert diary == ["worked", "cleanup"]


@pytest.mark.parametrize("place", ["threads", "pool of threads"], indirect=True)
def test_no_cleanup_begins_beside_a_thread_that_a_task_has_started(place):
    diary, cleans = [], threading.Event()

    @resource_manager
    class Client:
        def setup(self):
            return "client"

        def cleanup(self, client):
            diary.append("cleanup")
            cleans.set()

    def work():
        cleans.wait(0.5)  # in vain: it waits for the end of this
        diary.append("worked")

    with Flow("f") as flow, Client() as client:
        task(lambda client: threading.Thread(target=work, daemon=False).start(), name="starts")(client)

    assert flow.run(executor=place).is_successful()
    assert diary == ["worked", "cleanup"]


def test_a_cancel_ends_a_task_whose_thread_goes_on():
    begun, never = SharedFlag(), SharedFlag()

    def work():
        begun.set()
        never.wait(PATIENCE_S)

    with Flow("f") as flow:
        task(lambda: threading.Thread(target=work).start(), name="starts")()
    run = flow.start(executor=ProcessExecutor(1))
    assert begun.wait(PATIENCE_S)

    run.cancel()

    assert type(run.wait(PATIENCE_S)).__name__ == "Cancelled"


def test_a_thread_knows_its_task_also_after_a_task_that_ran_a_flow():
    def runs_a_flow():
        from nbflow import Flow, task

        with Flow("inner") as inner:
            task(lambda: 1, name="one")()
        return inner.run().is_successful()

    def in_a_thread():
        import threading

        from nbflow import context

        found = []
        thread = threading.Thread(target=lambda: found.append(context.task_name))
        thread.start()
        thread.join()
        return found

    with Flow("f") as flow:
        inner = task(runs_a_flow, name="runs")()
        after = task(in_a_thread, name="after")(upstream_tasks=[inner])
    states = flow.run(executor=ProcessExecutor(1)).result

    assert states[inner].result is True
    assert states[after].result == ["after"]
