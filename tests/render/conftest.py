"""Flows to draw: one with all that a flow can have, and its states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from nbflow.core.control import case, merge
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.core.resource import resource_manager
from nbflow.core.states import Failed, Mapped, Pending, Running, Skipped, Success

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.core.states import State
    from nbflow.core.task import Task


@resource_manager
class Cluster:
    def __init__(self, size):
        self.size = size

    def setup(self):
        return self.size

    def cleanup(self, resource):
        pass


@resource_manager(name="Database")
class Store:
    def setup(self):
        return "db"

    def cleanup(self, resource):
        pass


@task
def load(client, db):
    return [1, 2, 3]


@task
def clean(row):
    return row


@task
def total(rows):
    return 1


@task
def report(value):
    return value


@dataclass
class Scene:
    graph: Graph
    tasks: dict[str, Task]
    blocks: dict[str, Block]
    states: dict[Task, State]
    status: dict[Block, str]


@pytest.fixture
def scene() -> Scene:
    with Graph("scene") as graph:
        size = Parameter("size", default=2)
        cluster = Cluster(size)
        with cluster as client:
            store = Store()
            with store as db:
                rows = load(client, db)
            cleaned = clean.map(rows)
            amount = total(cleaned)
        with case(amount, True):
            large = report(amount, task_args={"name": "large"})
        with case(amount, False):
            small = report(amount, task_args={"name": "small"})
        merged = merge(large, small)
        both = report([merged, rows], task_args={"name": "both"})
    tasks = {
        "size": size,
        "rows": rows,
        "cleaned": cleaned,
        "amount": amount,
        "large": large,
        "small": small,
        "merged": merged,
        "both": both,
    }
    states: dict[Task, State] = dict.fromkeys(graph.tasks, Pending())
    states[size] = states[rows] = Success()
    states[cleaned] = Mapped(map_states=[Success()] * 35 + [Failed("no")] * 2 + [Running()] * 3 + [Pending()] * 60)
    states[small] = Skipped()
    states[both] = Failed("<disk & full>")
    return Scene(graph, tasks, {"cluster": cluster, "store": store}, states, {cluster: "open", store: "cleaned"})
