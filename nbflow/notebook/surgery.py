"""Operations on a graph that no public method offers: a snapshot to go back to, taking out, putting in order.

Only this module of the notebook knows how a graph and its blocks keep their books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nbflow.core.block import Block
    from nbflow.core.edge import Edge
    from nbflow.core.task import Task

# Which `with` blocks are open right now is no part of what a graph is.
_OF_THE_MOMENT = ("_made", "_entered")


class Snapshot:
    """A graph and its blocks as they are now."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.copy = Graph.copy(graph)
        self._blocks = [(block, _memento(block)) for block in graph.blocks]

    def restore(self) -> None:
        """Make the graph and its blocks what they were."""
        graph = self.graph
        moment = {name: vars(graph)[name] for name in _OF_THE_MOMENT}
        version = graph._version
        vars(graph).update(vars(self.copy), **moment, _version=version)
        graph._watch()
        graph._changed()
        for block, memento in self._blocks:
            vars(block).update(memento)


def made_inside(graph: Graph) -> frozenset[Task]:
    """Return the tasks made since the graph was entered, as far as it knows."""
    return frozenset(graph._made or ())


def automatic_edges(graph: Graph) -> set[Edge]:
    """Return the edges that blocks made on their own, and will make again."""
    return {edge for block in graph.blocks for edge in block._made_edges}


def take_out(
    graph: Graph, tasks: Collection[Task], edges: Iterable[Edge], blocks: Collection[Block]
) -> set[Block]:
    """Take tasks, edges and blocks out of the graph, with all edges of the tasks.

    Returns:
        The blocks that stay and lost a member or an edge.
    """
    touching = [e for e in graph.edges if e.upstream_task in tasks or e.downstream_task in tasks]
    graph.edges.difference_update(touching, edges, *(block._made_edges for block in blocks))
    graph.tasks.difference_update(tasks)
    for task in tasks:
        graph.constants.pop(task, None)
    graph.blocks[:] = [block for block in graph.blocks if block not in blocks]
    graph._reference_tasks -= set(tasks)
    changed = set()
    for block in graph.blocks:
        lost = [task for task in block.members if task in tasks]
        for task in lost:
            block.discard(task)
        for edge in [e for e in block._made_edges if e.upstream_task in tasks or e.downstream_task in tasks]:
            del block._made_edges[edge]
            changed.add(block)
        if lost:
            changed.add(block)
    return changed


def tie_again(blocks: Iterable[Block]) -> None:
    """Let blocks whose members or edges changed make their own edges anew, the inner ones first."""
    for block in sorted(blocks, key=lambda block: -block.depth):
        block._tie()


def put_in_order(graph: Graph, tasks: Iterable[Task], blocks: Iterable[Block]) -> None:
    """Declare the graph's tasks anew in this order: slugs and ties are then as if they had come in it."""
    graph.sorted_tasks()  # brings the books up to date
    graph._declared = {}
    graph._slugs_taken = set()
    graph._slug_numbers = {}
    graph._number = 0
    graph.slugs.clear()
    for task in tasks:
        graph._declare(task)
    graph.blocks[:] = blocks
    graph._mark_stale()


def _memento(block: Block) -> dict[str, Any]:
    return {
        name: dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value
        for name, value in vars(block).items()
    }
