"""The sources of arguments: which task gives each of them, and how it is handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nbflow.engine.compiled_graph import ORDINARY

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph


class Source(NamedTuple):
    """The source of an argument.

    Attributes:
        task: The task that gives it.
        is_resource: Whether it is what a block has set up.
        gathers: Whether it is a list of the values of several tasks or children.
    """

    task: Task
    is_resource: bool
    gathers: bool


class ArgumentSources:
    """The sources of a graph's arguments, found out once for each task that takes any."""

    def __init__(self, graph: CompiledGraph) -> None:
        self._graph = graph
        self._found: dict[Task, dict[str, Source]] = {}

    def of(self, task: Task) -> dict[str, Source]:
        """Return the sources of a task's arguments; constants have none."""
        found = self._found.get(task)  # by the task: each of its children would ask again
        if found is None:
            graph = self._graph
            found = self._found[task] = {}
            for edge in graph.edges_in[graph.index[task]]:
                if edge.key is not None:
                    up = graph.index[edge.upstream_task]
                    # What is gathered is a list that nobody made: its elements are followed, not the list.
                    gathers = edge.flattened or (graph.is_map[up] and not edge.mapped)
                    found[edge.key] = Source(edge.upstream_task, graph.role[up] != ORDINARY, bool(gathers))
        return found
