"""A scheduler in a process of its own is killed, and a worker by its nanny: no hang, and all is cleaned up."""

from __future__ import annotations

import signal

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.executors import DaskExecutor
from tests.dask.conftest import cluster_of, scheduler
from tests.patience import PATIENCE_S
from tests.shared import SharedFlag

pytestmark = [pytest.mark.dask, pytest.mark.filterwarnings("ignore")]


def test_a_scheduler_that_is_killed_fails_what_ran_there_and_all_is_cleaned_up(tmp_path):
    """Rule 1."""
    from distributed import Client

    told, reached, go_on = [], SharedFlag(), SharedFlag()

    @resource_manager
    class Room:
        def setup(self):
            return 1

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Room() as room:
        task(lambda room: (reached.set(), go_on.wait(PATIENCE_S)), name="waits")(room)
    with scheduler(tmp_path) as (boss, file), Client(scheduler_file=str(file), set_as_default=False) as client:
        run = flow.start(executor=DaskExecutor(client=client))
        assert reached.wait(PATIENCE_S)
        boss.send_signal(signal.SIGKILL)
        state = run.wait(PATIENCE_S)
        go_on.set()

    assert state.is_failed()
    assert told == ["cleanup"]


def test_a_task_that_takes_more_memory_than_its_worker_may_fails_with_the_worker():
    never = SharedFlag()

    def takes():
        held = b"x" * 10**9
        never.wait(PATIENCE_S)  # the nanny looks now and then
        return len(held)

    with cluster_of(1, allowed_failures=0, memory_limit="400MB") as client:
        with Flow("f") as flow:
            greedy = task(takes, name="greedy")()
            modest = task(lambda: 1, name="modest")()
        state = flow.run(executor=DaskExecutor(client=client))

    assert state.result[modest].result == 1
    assert "died while it ran task 'greedy'" in str(state.result[greedy].result)
