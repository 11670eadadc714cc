"""How many tasks a run has, and how many of them ended well or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.states import Mapped, TriggerFailed
from nbflow.engine.compiled_graph import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph


class TaskCounts(NamedTuple):
    """Numbers of tasks as a plan counts them: parameters, collections and what opens blocks are left out.

    `well` includes what was skipped; `failed` leaves out those that were not called as something before them failed.
    """

    total: int
    well: int
    failed: int

    def words(self) -> str:
        """Return them in words."""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.well} of {self.total}{failed}"


def task_counts(graph: CompiledGraph, states: Mapping[Task, State]) -> TaskCounts:
    """Count the tasks of a run, or of a stored one, by how they ended."""
    found = [
        states[task]
        for node, task in enumerate(graph.tasks)
        if graph.role[node] == ORDINARY and not graph.free[node] and task in states
    ]
    failed = [has_failed(state) for state in found]
    # A mapped state counts as a success whatever its children do.
    well = sum(state.is_successful() and not bad for state, bad in zip(found, failed, strict=True))
    return TaskCounts(len(found), well, sum(failed))


def has_failed(state: State) -> bool:
    """Tell whether a task, or a child of a mapped one, has failed by itself: not because of what is above it."""
    if isinstance(state, Mapped):
        return any(child is not None and has_failed(child) for child in state.map_states or ())
    return state.is_failed() and not isinstance(state, TriggerFailed)
