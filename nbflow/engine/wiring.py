"""How the tasks of a graph are joined, numbered in start order: what follows from its edges alone.

It is found once for each version of a graph and shared by its runs, most of which find the graph as the last one did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.core.edge import Edge
    from nbflow.core.graph import Graph
    from nbflow.core.task import Task


class Wiring:
    """The edges of a graph by number. It is shared: whoever wants other edges makes lists of its own.

    Attributes:
        tasks: The tasks in start order: topological, ties by declaration.
        index: The number of each.
        edges: All edges.
        edges_in: The edges into each task.
        upstream: The numbers of the tasks right before each.
        pairs: Those of them whose children are paired with the children of the task.
        is_map: Whether each is mapped.
        is_flattened: Whether an edge into it is flattened.
        left: How many tasks are right before each.
        down: The tasks right after each, without those whose children are paired with its own.
        paired_down: Those, of each that has any.
    """

    __slots__ = (
        *("down", "edges", "edges_in", "index", "is_flattened", "is_map", "left", "paired_down", "pairs", "tasks"),
        "upstream",
    )

    def __init__(self, graph: Graph) -> None:
        self.tasks: tuple[Task, ...] = graph.sorted_tasks()
        self.index: dict[Task, int] = {task: i for i, task in enumerate(self.tasks)}
        self.edges: list[Edge] = []
        self.edges_in: list[list[Edge]] = []
        self.upstream: list[tuple[int, ...]] = []
        self.pairs: list[tuple[int, ...]] = []
        self.is_map: list[bool] = []
        self.is_flattened: list[bool] = []
        for task in self.tasks:
            self._add(graph.edges_in(task).copy())
        self.left: list[int] = [len(upstream) for upstream in self.upstream]
        self.paired_down: dict[int, list[int]] = {}
        down: list[list[int]] = [[] for _ in self.tasks]
        for node, (upstream, pairs) in enumerate(zip(self.upstream, self.pairs, strict=True)):
            for up in upstream:
                (self.paired_down.setdefault(up, []) if up in pairs else down[up]).append(node)
        # Tuples, of which the garbage collector keeps no account: see `Nodes.down`.
        self.down: list[tuple[int, ...]] = [tuple(below) for below in down]

    def _add(self, edges: list[Edge]) -> None:
        upstream = dict.fromkeys(self.index[edge.upstream_task] for edge in edges)
        is_map = any(edge.mapped for edge in edges)
        pairs: tuple[int, ...] = ()
        if is_map:
            whole = {self.index[e.upstream_task] for e in edges if not e.mapped or e.flattened}
            pairs = tuple(up for up in upstream if up not in whole and self.is_map[up])
        self.edges += edges
        self.edges_in.append(edges)
        self.upstream.append(tuple(upstream))
        self.pairs.append(pairs)
        self.is_map.append(is_map)
        self.is_flattened.append(any(edge.flattened for edge in edges))


def wiring_of(graph: Graph) -> Wiring:
    """Return how the tasks of a graph are joined as it is now.

    Raises:
        StrayEdgeError: If an edge leads from or to a task that the graph does not have.
        CycleError: If tasks wait for each other.
    """
    return graph._answer("wiring", lambda: Wiring(graph))
