"""Operations on a graph that no public method offers: a snapshot to go back to, and making it again from its parts.

Only this module knows, beside the graph itself, how a graph and its blocks keep their books.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, compress
from operator import is_, not_
from typing import TYPE_CHECKING, Any

from nbflow.core.observed_set import ObservedSet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbflow.core.block import Block
    from nbflow.core.edge import Edge
    from nbflow.core.graph import Graph
    from nbflow.core.task import Task

# Which `with` blocks are open right now is no part of what a graph is.
_OF_THE_MOMENT = ("_made", "_entered", "_repeated")


class Constants:
    """The known arguments of all tasks as they are now, in lists that are compared without a look at each task."""

    def __init__(self, graph: Graph) -> None:
        constants = graph.constants
        self.tasks = list(constants)
        self.counts = list(map(len, constants.values()))
        self.names = list(chain.from_iterable(constants.values()))
        self.values = list(chain.from_iterable(map(dict.values, constants.values())))

    def is_within(self, later: Constants, others: set[Task]) -> bool:
        """Tell whether these are the first of `later`, with the very same values, and the rest is that of `others`."""
        return (
            others.issuperset(later.tasks[len(self.tasks) :])
            and self.tasks == later.tasks[: len(self.tasks)]
            and self.counts == later.counts[: len(self.counts)]
            and self.names == later.names[: len(self.names)]
            and all(map(is_, self.values, later.values))
        )

    def as_dicts(self) -> dict[Task, dict[str, Any]]:
        """Return them as the graph has them."""
        items = zip(self.names, self.values, strict=True)
        return {task: dict(next(items) for _ in range(n)) for task, n in zip(self.tasks, self.counts, strict=True)}


class GraphSnapshot:
    """A graph and its blocks as they are now.

    Attributes:
        graph: The graph.
        version: Its version.
        number: The number of the task that is declared next.
        declared: Its tasks with their numbers.
        edges: The set of its edges.
        edge_list: The same in order.
        slugs: As the graph has them.
        order: Its tasks in topological order, if it has been asked for.
        references: The tasks that were set to decide the state of a run.
        blocks: Its blocks.
        constants: The known arguments.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        if graph._stale:
            graph._refresh()
        self.version, self.number = graph._version, graph._number
        self.declared = dict(graph._declared)
        self.edges = frozenset(graph._edges)
        self.edge_list = list(graph._edge_list)
        self.slugs = dict(graph.slugs)
        self.order: tuple[Task, ...] | None = graph._answers.get("sorted_tasks")
        self.references = set(graph._reference_tasks)
        self.blocks = list(graph.blocks)
        self.slug_numbers, self.slugs_taken = dict(graph._slug_numbers), set(graph._slugs_taken)
        self._books = graph._in
        self.constants = Constants(graph)
        self._rest = dict(vars(graph))
        self._blocks = [(block, _memento(block)) for block in graph.blocks]

    def restore(self) -> None:
        """Make the graph and its blocks what they were."""
        graph = self.graph
        moment = {name: vars(graph)[name] for name in (*_OF_THE_MOMENT, "_version")}
        vars(graph).update(self._rest)
        vars(graph).update(moment)
        graph.constants = defaultdict(dict, self.constants.as_dicts())
        graph.slugs, graph.blocks = dict(self.slugs), list(self.blocks)
        graph._reference_tasks = set(self.references)
        graph._slug_numbers, graph._slugs_taken = dict(self.slug_numbers), set(self.slugs_taken)
        graph._declared, graph._edge_list = dict(self.declared), list(self.edge_list)
        graph._tasks, graph._edges = ObservedSet(self.declared), ObservedSet(self.edge_list)
        graph._join()
        graph._stale, graph._answers = False, {}
        graph._watch()
        graph._changed()
        for block, memento in self._blocks:
            vars(block).update(memento)

    @property
    def has_same_books(self) -> bool:
        """True if the graph has only been changed by adding to it, and by taking a cell's own out, since then."""
        return self._books is self.graph._in and not self.graph._stale


class Baseline:
    """The parts of a graph as they are now, to tell later what has come and gone since.

    Edges that blocks made on their own are left out; they will make them again.
    """

    def __init__(self, graph: Graph) -> None:
        self.tasks = frozenset(graph._declared) if not graph._stale else frozenset(graph.tasks)
        self.edges = frozenset(graph.edges)
        self.constants = Constants(graph)
        self.blocks = frozenset(graph.blocks)
        self.members = {(task, block) for block in graph.blocks for task in block._members}
        self.parents = {block: block.parent for block in graph.blocks}
        self.references = frozenset(graph._reference_tasks)


def made_inside(graph: Graph) -> frozenset[Task]:
    """Return the tasks made since the graph was entered, as far as it knows."""
    return frozenset(graph._made or ())


def edges_since(graph: Graph, before: Baseline, more: Collection[Edge]) -> list[Edge]:
    """Return the edges that the graph did not have before, or that are in `more`, in declaration order."""
    if graph._stale:
        graph._refresh()
    new = frozenset(graph._edges).difference(before.edges).union(more)
    last = graph._edge_list[len(graph._edge_list) - len(new) :]
    found = [edge for edge in last if edge in new]
    return found if len(found) == len(new) else [edge for edge in graph._edge_list if edge in new]


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


def in_order(graph: Graph, tasks: Iterable[Task]) -> list[Task]:
    """Return those of `tasks` that the graph has, in declaration order."""
    if graph._stale:
        graph._refresh()
    declared = graph._declared
    return sorted((task for task in tasks if task in declared), key=declared.__getitem__)


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
        for indexes, end in ((graph._out, edge.upstream_task), (graph._in, edge.downstream_task)):
            if edge in indexes[end]:
                indexes[end].remove(edge)
    for task in tasks:
        graph._slugs_taken.discard(graph.slugs.pop(task))
        del graph._declared[task], graph._in[task], graph._out[task]
        graph.constants.pop(task, None)
    set.difference_update(graph._tasks, tasks)
    if edges:
        set.difference_update(graph._edges, edges)
        listed = graph._edge_list
        # Blocks have edges of their own that are equal to those in the list; else asking for the hash takes longer.
        gone: Any = edges if blocks else set(map(id, edges))
        ids: Any = listed if blocks else map(id, listed)
        graph._edge_list = list(compress(listed, map(not_, map(gone.__contains__, ids))))
    graph.blocks[:] = [block for block in graph.blocks if block not in blocks]
    for block in graph.blocks:
        for task in tasks:
            block.discard(task)
        for edge in edges & block._made_edges.keys():
            del block._made_edges[edge]
        if block.parent in blocks:
            block.parent = None
    graph._changed()


def replace_parts(
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
    fill(graph._tasks, declared)
    graph._edge_list = list(dict.fromkeys(edges))
    fill(graph._edges, graph._edge_list)
    graph._join()
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


def fill(watched: Any, members: Iterable[Any]) -> None:
    """Let a set of a graph consist of these members, past the watchers: the books are kept by who calls it."""
    set.clear(watched)
    set.update(watched, members)
    watched.take_added()


def _memento(block: Block) -> dict[str, Any]:
    return {
        name: dict(value) if isinstance(value, dict) else list(value) if isinstance(value, list) else value
        for name, value in vars(block).items()
    }
