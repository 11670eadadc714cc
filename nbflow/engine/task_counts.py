"""How many tasks a run has, and how many of them ended well or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.counted_tasks import is_counted
from nbflow.core.states import Mapped, TriggerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph


class TaskCounts(NamedTuple):
    """Numbers of tasks as all lists count them, the children of a map each; parameters and collections are left out.

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
    found: list[State | None] = []
    for task in graph.tasks:
        state = states.get(task)
        if state is None or not is_counted(task):
            continue
        found += state.map_states if isinstance(state, Mapped) and state.map_states else [state]
    well = sum(state is not None and state.is_successful() for state in found)
    return TaskCounts(len(found), well, sum(state is not None and has_failed(state) for state in found))


def has_failed(state: State) -> bool:
    """Tell whether a task, or a child of a mapped one, has failed by itself: not because of what is above it."""
    if isinstance(state, Mapped):
        return any(child is not None and has_failed(child) for child in state.map_states or ())
    return state.is_failed() and not isinstance(state, TriggerFailed)
