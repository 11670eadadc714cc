"""Puts a flow together from the contributions of its cells: the one way in which cells change a flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.block import Block
from nbflow.core.edge import Edge
from nbflow.core.parameter import Parameter
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.core.task import Task
from nbflow.errors import ParameterUpstreamError
from nbflow.notebook.surgery import make_anew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.core.graph import Graph
    from nbflow.notebook.book import Book, Missing
    from nbflow.notebook.contributions import Contribution, Tie
    from nbflow.notebook.places import Made, Place


def assemble(graph: Graph, book: Book, missing: Missing | None) -> None:
    """Make `graph` what the contributions in `book` say.

    Args:
        graph: The graph; whatever else it has is dropped.
        book: The contributions.
        missing: Takes what is used and not made; with None that is left out, for the time in which a cell is
            being executed.

    Raises:
        NbflowError: If the contributions do not go together.
    """
    _Assembly(graph, book, missing).make()


def ties_of(book: Book, one: str, contribution: Contribution, missing: Missing | None) -> Iterator[Edge]:
    """Yield the edges of a contribution, between the tasks that its places lead to now.

    Args:
        book: The contributions.
        one: The id of the contribution.
        contribution: The contribution.
        missing: Takes what is used and not made; with None such edges are left out.
    """
    for tie in contribution.ties:
        if tie.upstream is None and tie.downstream is None:
            yield tie.edge
        elif (edge := _edge(book, missing, one, tie)) is not None:
            yield edge


def _edge(book: Book, missing: Missing | None, one: str, tie: Tie) -> Edge | None:
    edge = tie.edge
    upstream, downstream = (
        task if place is None else _task(book, missing, place, one)
        for task, place in ((edge.upstream_task, tie.upstream), (edge.downstream_task, tie.downstream))
    )
    if upstream is None or downstream is None:
        return None
    if upstream is downstream and isinstance(upstream, PlaceholderTask):
        return None
    if upstream is edge.upstream_task and downstream is edge.downstream_task:
        return edge
    if isinstance(downstream, Parameter):
        raise ParameterUpstreamError(downstream)
    return Edge(upstream, downstream, edge.key, edge.mapped, edge.flattened)


def _task(book: Book, missing: Missing | None, place: Place, user: str) -> Task | None:
    found = book.resolve(place, user)
    if isinstance(found, Task):
        return found
    return None if missing is None else missing.task(place, user)


class _Assembly:
    def __init__(self, graph: Graph, book: Book, missing: Missing | None) -> None:
        self.graph = graph
        self.book = book
        self.missing = missing

    def make(self) -> None:
        contributions = self.book.contributions
        tasks = [task for c in contributions.values() for task in c.tasks]
        constants = {
            task: dict(values) for c in contributions.values() for task, values in c.constants.items()
        }
        blocks = self._blocks()
        edges = [edge for one, c in contributions.items() for edge in self._edges(one, c)]
        for one, c in contributions.items():
            for gift in c.gifts:
                task = _task(self.book, self.missing, gift.place, one)
                if task is not None:
                    constants.setdefault(task, {})[gift.argument] = gift.value
        stand_ins = list(self.missing.tasks.values()) if self.missing is not None else []
        make_anew(
            self.graph,
            tasks=[*tasks, *stand_ins],
            edges=[*edges, *self._lost],
            constants=constants,
            blocks=blocks,
            references=self._references(),
        )

    def _edges(self, one: str, contribution: Contribution) -> list[Edge]:
        if self.missing is None:
            return list(ties_of(self.book, one, contribution, None))
        known = self.missing.resolved_before.get(one)
        if known is not None and known[0] is contribution and self.missing.is_as_before(contribution):
            edges = known[1]
        else:
            found = len(self.missing.found)
            edges = list(ties_of(self.book, one, contribution, self.missing))
            if len(self.missing.found) > found:  # what is missing has to be asked for each time
                return edges
        self.missing.resolved[one] = contribution, edges
        return edges

    def _blocks(self) -> dict[Block, tuple[Block | None, list[Task]]]:
        members: dict[Block, dict[Task, None]] = {}
        parents: dict[Block, Block] = {}
        self._lost: list[Edge] = []
        for c in self.book.contributions.values():
            members.update((block, {}) for block in c.blocks)
        for one, c in self.book.contributions.items():
            for home in c.homes:
                inner = home.inner if home.inner_place is None else self.book.resolve(home.inner_place, one)
                block = home.block if home.place is None else self.book.resolve(home.place, one)
                if inner is None:
                    if self.missing is not None and home.inner_place is not None:
                        self.missing.task(home.inner_place, one)
                elif isinstance(block, Block) and block in members:
                    self._put(inner, block, members, parents)
                elif self.missing is not None and home.place is not None:
                    stand_in = self.missing.task(home.place, one)
                    if isinstance(inner, Task):
                        self._lost.append(Edge(stand_in, inner))
        return {block: (parents.get(block), list(inside)) for block, inside in members.items()}

    @staticmethod
    def _put(
        inner: Made, block: Block, members: dict[Block, dict[Task, None]], parents: dict[Block, Block]
    ) -> None:
        if isinstance(inner, Block):
            parents[inner] = block
        else:
            members[block].setdefault(inner)

    def _references(self) -> list[Task]:
        found: list[Any] = []
        for one, c in self.book.contributions.items():
            if c.references is not None:
                found = [
                    task if place is None else self.book.resolve(place, one) for task, place in c.references
                ]
        return [task for task in found if isinstance(task, Task)]
