"""A graph as it is at one moment: what a drawing of it depends on, and nothing else.

Two are equal if the same drawing would be made of them, so that one can be kept. It never changes, so that it can
be drawn on another thread while cells go on changing the flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.render.build import start_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.edge import Edge
    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.render.build import GraphLike


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """What there is to draw; it can be drawn as a graph can.

    Attributes:
        name: The flow's name.
        tasks: The tasks in start order.
        edges: The edges between them.
        slugs: The tasks' unique names.
        blocks: The resource blocks.
        names: The names of the tasks.
        sizes: How many tasks each block has.
    """

    name: str
    tasks: tuple[Task, ...]
    edges: frozenset[Edge]
    slugs: Mapping[Task, str]
    blocks: tuple[Block, ...]
    names: tuple[str, ...]
    sizes: tuple[int, ...]


def cache_key(graph: GraphLike) -> CacheKey:
    """Return the structure of a flow, or of the compiled graph of a run."""
    tasks = start_order(graph)
    known = set(tasks)
    # Outer ones first, as a compiled graph has them.
    blocks = sorted((block for block in graph.blocks if block.cleanup_task in known), key=lambda b: b.depth)
    return CacheKey(
        name=graph.name,
        tasks=tasks,
        edges=frozenset(graph.edges),
        slugs={task: graph.slugs[task] for task in tasks if task in graph.slugs},
        blocks=tuple(blocks),
        names=tuple([task.name for task in tasks]),
        sizes=tuple([len(tuple(block.tasks)) for block in blocks]),
    )
