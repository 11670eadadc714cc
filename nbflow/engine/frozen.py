"""The graph a run keeps: tasks numbered in start order, with everything the scheduler asks for as plain tuples.

A run never looks at the flow again after this was made, so cells may change the flow while it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.collections import Constant
from nbflow.core.parameter import Parameter
from nbflow.core.triggers import all_successful

if TYPE_CHECKING:
    from nbflow.core.edge import Edge
    from nbflow.core.graph import Graph
    from nbflow.core.resource import Block
    from nbflow.core.task import Task

ORDINARY, INIT, SETUP, CLEANUP = range(4)
CountRule = Callable[[int, int, int, int], str]


class Shape(NamedTuple):
    """A block as the scheduler sees it: the numbers of its tasks, and the block around it (-1: none)."""

    init: int
    setup: int
    cleanup: int
    members: tuple[int, ...]
    parent: int
    mapped: bool
    grace_s: float
    max_concurrent: int | None


class FrozenGraph:
    """A flow's graph, frozen and numbered.

    `tasks` is in start order: topological, ties by declaration. Task *i* is node *i* of the scheduler.
    """

    __slots__ = (
        "blocks",
        "constants",
        "count_rules",
        "edges",
        "edges_in",
        "free",
        "index",
        "is_map",
        "is_plain",
        "is_simple",
        "limits",
        "name",
        "pairs",
        "reference",
        "role",
        "shape_of",
        "shapes",
        "skips",
        "slugs",
        "tasks",
        "terminal",
        "upstream",
    )

    def __init__(self, graph: Graph) -> None:
        tasks = graph.sorted_tasks()
        index = {task: i for i, task in enumerate(tasks)}
        self.name = graph.name
        self.tasks: tuple[Task, ...] = tasks
        self.index: dict[Task, int] = index
        self.slugs: dict[Task, str] = dict(graph.slugs)
        self.constants: dict[Task, dict[str, Any]] = {
            task: dict(values) for task, values in graph.constants.items() if values
        }
        self.edges_in: list[tuple[Edge, ...]] = [tuple(graph.edges_in(task)) for task in tasks]
        self.edges: list[Edge] = [edge for edges in self.edges_in for edge in edges]
        self.upstream: list[tuple[int, ...]] = []
        self.pairs: list[tuple[int, ...]] = []  # upstream nodes whose children are paired with this node's
        self.is_map: list[bool] = []
        for edges in self.edges_in:
            self._link(edges, index)
        self.skips = [bool(task.skip_on_upstream_skip) for task in tasks]
        self.count_rules: list[CountRule | None] = [getattr(task.trigger, "counts", None) for task in tasks]
        self.limits = {
            i: task.max_concurrent for i, task in enumerate(tasks) if task.max_concurrent is not None
        }
        # What a flattened edge gives is known from the children above, not from their parent's state alone.
        self.is_plain = [
            task.trigger is all_successful and not any(edge.flattened for edge in edges)
            for task, edges in zip(tasks, self.edges_in, strict=True)
        ]
        self.free = [isinstance(task, (Parameter, Constant)) or task.auto_generated for task in tasks]
        self.reference: frozenset[Task] = frozenset(graph.reference_tasks())
        self.terminal: frozenset[Task] = frozenset(graph.terminal_tasks())
        self.role = [ORDINARY] * len(tasks)
        # The shape that a lifecycle task belongs to; of any other task the innermost around it.
        self.shape_of = [-1] * len(tasks)
        # Outer ones first: a block made before another may have been entered inside of it.
        blocks = (block for block in graph.blocks if block.cleanup_task in index)
        self.blocks: tuple[Block, ...] = tuple(sorted(blocks, key=lambda block: block.depth))
        self.shapes: list[Shape] = []
        self._add_shapes()
        # Of these nothing but upstream ends and the attempt itself decides what becomes of them.
        self.is_simple = [
            plain
            and role == ORDINARY
            and not is_map
            and task.cache_for is None
            and task.timeout is None
            and not task.state_handlers
            and not task.log_stdout
            for task, plain, role, is_map in zip(tasks, self.is_plain, self.role, self.is_map, strict=True)
        ]

    def _link(self, edges: tuple[Edge, ...], index: dict[Task, int]) -> None:
        if not edges:
            self.upstream.append(())
            self.pairs.append(())
            self.is_map.append(False)
            return
        if len(edges) == 1 and not edges[0].mapped:
            self.upstream.append((index[edges[0].upstream_task],))
            self.pairs.append(())
            self.is_map.append(False)
            return
        upstream = dict.fromkeys(index[edge.upstream_task] for edge in edges)
        paired = {index[e.upstream_task] for e in edges if e.mapped and not e.flattened}
        whole = {index[e.upstream_task] for e in edges if not e.mapped or e.flattened}
        self.upstream.append(tuple(upstream))
        self.pairs.append(tuple(u for u in upstream if u in paired and u not in whole and self.is_map[u]))
        self.is_map.append(any(edge.mapped for edge in edges))

    def _add_shapes(self) -> None:
        number = {block: k for k, block in enumerate(self.blocks)}
        for k, block in enumerate(self.blocks):
            members = tuple(sorted(self.index[t] for t in block.members if t in self.index))
            init = self.index[block.init_task]
            setup = -1 if block.setup_task is None else self.index[block.setup_task]
            cleanup = self.index[block.cleanup_task]
            parent = -1 if block.parent is None else number.get(block.parent, -1)
            for node, role in ((init, INIT), (setup, SETUP), (cleanup, CLEANUP)):
                if node >= 0:
                    self.role[node] = role
                    self.shape_of[node] = k
            self.shapes.append(
                Shape(
                    init,
                    setup,
                    cleanup,
                    members,
                    parent,
                    self.is_map[init],
                    block.grace_s,
                    block.max_concurrent,
                )
            )
        for k, shape in enumerate(self.shapes):
            for node in shape.members:
                if self.role[node] == ORDINARY:
                    self.shape_of[node] = k

    def enclosing(self, shape: int) -> list[int]:
        """Return the numbers of the shapes around and including `shape`, innermost first."""
        around = []
        while shape >= 0:
            around.append(shape)
            shape = self.shapes[shape].parent
        return around
