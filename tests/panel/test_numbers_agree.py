"""How many tasks there are: one number, wherever it is read."""

from __future__ import annotations

import re

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.core.counted_tasks import said_tasks
from nbflow.engine.task_counts import task_counts
from nbflow.panel.picture.static_snapshot import Picture
from nbflow.panel.progress_html import counted
from nbflow.panel.run_progress import RunProgress
from nbflow.panel.runs.plan_json import plan_json
from nbflow.panel.runs.runs_json import run_json
from nbflow.panel.runs.stored_json import stored_json
from nbflow.render.status_marks import summary
from tests.patience import PATIENCE_S

CHILDREN = 3
OF_BLOCK = 3  # init, setup, cleanup


@resource_manager
class Room:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


@pytest.fixture
def flow(tmp_path):
    with Flow("numbers", store=tmp_path) as flow:
        year = Parameter("year", default=3)
        with Room() as room:
            rows = task(lambda room, year: [1, 2, year], name="load")(room, year)
            parts = task(lambda x, k: x + k, name="each").map(rows, k=[1, 1, 1])
        task(lambda parts: sum(parts), name="total")(parts)
    return flow


def numbers(words):
    return [int(number) for number in re.findall(r"\d+", words)]


def test_before_a_run_a_map_counts_once_and_a_plan_names_the_blocks_beside_the_tasks(flow):
    (total,) = numbers(said_tasks(flow.tasks))
    assert Picture(flow).snapshot(None)["head"]["total"] == total
    runs, opens = numbers(flow.plan().headline().partition(":")[2])
    assert runs + opens * OF_BLOCK == total


def test_after_a_run_every_child_counts_wherever_it_is_told(flow):
    (before,) = numbers(said_tasks(flow.tasks))
    run = flow.start()
    progress = RunProgress(run)
    run.wait(PATIENCE_S)
    total = before - 1 + CHILDREN
    head = Picture(run.graph).snapshot(run)["head"]
    told = {
        "head": [head["done"], head["total"]],
        "bar": [sum(count for _, _, count in head["counts"]), head["total"]],
        "%flow run": numbers(counted(progress.look().head)),
        "%flow runs": numbers(task_counts(run.graph, run.states).words()),
        "list of runs": numbers(run_json(run, None, now=0.0)["tasks"]),
        "picture": numbers(summary(run.states)) * 2,
        "store": numbers(stored_json(flow.stored_runs()[-1])["tasks"]),
    }
    assert told == {key: [total, total] for key in told}
    again = run.rerun("all", dry=True)
    runs, opens = numbers(plan_json(again, run)["headline"].partition(", about")[0])
    assert runs + opens * OF_BLOCK == before
