"""Operations on a graph that no public method offers: a snapshot to go back to, and making it anew from its parts.

Only this module of the notebook knows how a graph and its blocks keep their books.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from nbflow.core.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbflow.core.block import Block
    from nbflow.core.edge import Edge
    from nbflow.core.task import Task

# Which `with` blocks are open right now is no part of what a graph is.
_OF_THE_MOMENT = ("_made", "_entered", "_repeated")


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


class Baseline:
    """What a graph consists of now, to tell later what has come and gone since.

    Edges that blocks made on their own are left out; they will make them again.
    """

    def __init__(self, graph: Graph) -> None:
        self.tasks = frozenset(graph._declared) if not graph._stale else frozenset(graph.tasks)
        self.edges = frozenset(graph.edges)
        self.constants = {task: dict(values) for task, values in graph.constants.items() if values}
        self.blocks = frozenset(graph.blocks)
        self.members = {(task, block) for block in graph.blocks for task in block._members}
        self.parents = {block: block.parent for block in graph.blocks}
        self.references = frozenset(graph._reference_tasks)


def made_inside(graph: Graph) -> frozenset[Task]:
    """Return the tasks made since the graph was entered, as far as it knows."""
    return frozenset(graph._made or ())


def automatic_edges(graph: Graph) -> set[Edge]:
    """Return the edges that blocks made on their own, and will make again."""
    return {edge for block in graph.blocks for edge in block._made_edges}


def begin_made(graph: Graph) -> None:
    """Have tasks noted that are made in any `with graph:` from now on."""
    if graph._made is None:
        graph._made = {}


def end_made(graph: Graph) -> None:
    """Note them no longer."""
    if not graph._entered:
        graph._made = None


def version(graph: Graph) -> int:
    """Return a number that changes with every change of the graph's tasks and edges."""
    return graph._version


def begin_watching(graph: Graph) -> None:
    """Have edges noted that are added although they are there, and the setting of reference tasks."""
    graph._repeated = {}
    graph._reference_tasks = set()


def end_watching(graph: Graph) -> set[Edge]:
    """Return the edges that were added although they were there."""
    repeated, graph._repeated = graph._repeated, None
    return set(repeated or ())


def take_out(graph: Graph, tasks: Collection[Task], blocks: Collection[Block]) -> None:
    """Take tasks and blocks out, with all edges of the tasks, for as long as their cell is being executed."""
    if graph._stale:
        graph._refresh()
    edges = {edge for task in tasks for edge in (*graph._in[task], *graph._out[task])}
    edges.update(edge for block in blocks for edge in block._made_edges)
    for edge in edges:
        for books, end in ((graph._out, edge.upstream_task), (graph._in, edge.downstream_task)):
            if edge in books[end]:
                books[end].remove(edge)
    for task in tasks:
        graph._slugs_taken.discard(graph.slugs.pop(task))
        del graph._declared[task], graph._in[task], graph._out[task]
        graph.constants.pop(task, None)
    set.difference_update(graph._tasks, tasks)
    if edges:
        set.difference_update(graph._edges, edges)
        graph._edge_list = [edge for edge in graph._edge_list if edge not in edges]
    graph.blocks[:] = [block for block in graph.blocks if block not in blocks]
    for block in graph.blocks:
        for task in tasks:
            block.discard(task)
        for edge in edges & block._made_edges.keys():
            del block._made_edges[edge]
        if block.parent in blocks:
            block.parent = None
    graph._changed()


def make_anew(
    graph: Graph,
    *,
    tasks: Iterable[Task],
    edges: Iterable[Edge],
    constants: dict[Task, dict[str, Any]],
    blocks: Mapping[Block, tuple[Block | None, Iterable[Task]]],
    references: Iterable[Task],
) -> None:
    """Make the graph consist of these parts, declared in this order.

    Args:
        graph: The graph, whose sets stay the same objects.
        tasks: All its tasks.
        edges: All its edges between them, without those that blocks make on their own.
        constants: The arguments that are known; the dictionaries become the graph's.
        blocks: `{block: (the block around it, its members)}`.
        references: The tasks that were set to decide the state of a run.

    Raises:
        DuplicateSlugError: If two tasks want the same slug.
    """
    graph._declared, graph._number = {}, 0
    graph._slugs_taken, graph._slug_numbers = set(), {}
    graph.slugs.clear()
    for task in tasks:
        if task not in graph._declared:
            graph._declare(task)
    declared = graph._declared
    _fill(graph._tasks, declared)
    graph._in = {task: [] for task in declared}
    graph._out = {task: [] for task in declared}
    graph._edge_list = list(dict.fromkeys(edges))
    _fill(graph._edges, graph._edge_list)
    into, out = graph._in, graph._out
    for edge in graph._edge_list:
        out[edge.upstream_task].append(edge)
        into[edge.downstream_task].append(edge)
    graph.constants = defaultdict(dict, constants)
    graph._reference_tasks = {task for task in references if task in declared}
    graph.blocks[:] = blocks
    for block, (parent, members) in blocks.items():
        block.parent = parent
        block._members = dict.fromkeys(members)
        block._made_edges = {}
    graph._stale = False
    graph._changed()
    for block in sorted(blocks, key=lambda block: -block.depth):  # the inner ones first
        block._tie()


def _fill(watched: Any, members: Iterable[Any]) -> None:
    # Past the watchers: the books are kept here.
    set.clear(watched)
    set.update(watched, members)
    watched.take_added()


def _memento(block: Block) -> dict[str, Any]:
    return {
        name: dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value
        for name, value in vars(block).items()
    }
