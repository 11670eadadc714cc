"""What `@task(resources=, workers=, priority=, bundle=, rerun_if_lost=)` means where there is no cluster."""

from __future__ import annotations

import os

import pytest

from nbflow import Flow, task
from nbflow.executors import ProcessExecutor
from nbflow.states import Failed

NOWHERE = {"resources": {"GPU": 1}, "workers": "alice", "priority": 2}


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_a_task_runs_where_the_executor_says_whatever_it_asks_of_a_cluster(executor):
    with Flow("f") as flow:
        first = task(lambda: 1, name="first", **NOWHERE)()
        each = task(lambda x, one: x + one, name="each", bundle=False, **NOWHERE).map([1, 2], one=[first, first])

    state = flow.run(executor=executor)

    assert state.result[each].result == [2, 3]


def test_a_task_whose_process_dies_fails_whether_or_not_it_is_to_run_again():
    with Flow("f") as flow:
        ends = [task(os._exit, name=f"ends {again}", rerun_if_lost=again)(1) for again in (True, False)]

    state = flow.run(executor=ProcessExecutor(1))

    assert [type(state.result[one]) for one in ends] == [Failed, Failed]
