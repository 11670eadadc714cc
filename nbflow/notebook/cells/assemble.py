"""Puts a flow together from the contributions of its cells: the one way in which cells change a flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.core.block import Block
from nbflow.core.edge import Edge
from nbflow.core.graph_edit import replace_parts
from nbflow.core.parameter import Parameter
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.core.task import Task
from nbflow.errors import ParameterUpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.core.graph import Graph
    from nbflow.notebook.cells.contribution import CellEdge, Contribution
    from nbflow.notebook.cells.index import ContributionIndex, Missing
    from nbflow.notebook.cells.references import CellReference


def assemble(graph: Graph, index: ContributionIndex, missing: Missing | None) -> None:
    """Make `graph` what the contributions in `index` say; whatever else it has is dropped.

    What is used and not made goes to `missing`. With None it is left out, for the time in which a cell is being
    executed.

    Raises:
        NbflowError: If the contributions do not go together.
    """
    _Assembly(graph, index, missing).make()


def cell_edges_of(
    index: ContributionIndex, one: str, contribution: Contribution, missing: Missing | None
) -> Iterator[Edge]:
    """Yield the edges of the contribution with the id `one`, between the tasks that its places lead to now.

    What is used and not made goes to `missing`; with None such edges are left out.
    """
    for cell_edge in contribution.cell_edges:
        if cell_edge.upstream is None and cell_edge.downstream is None:
            yield cell_edge.edge
        elif (edge := _edge(index, missing, one, cell_edge)) is not None:
            yield edge


def _edge(index: ContributionIndex, missing: Missing | None, one: str, cell_edge: CellEdge) -> Edge | None:
    edge = cell_edge.edge
    upstream, downstream = (
        task if place is None else _task(index, missing, place, one)
        for task, place in ((edge.upstream_task, cell_edge.upstream), (edge.downstream_task, cell_edge.downstream))
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


def _task(index: ContributionIndex, missing: Missing | None, place: CellReference, user: str) -> Task | None:
    found = index.resolve(place, user)
    if isinstance(found, Task):
        return found
    return None if missing is None else missing.task(place, user)


@dataclass(eq=False)
class _Assembly:
    graph: Graph
    index: ContributionIndex
    missing: Missing | None

    def make(self) -> None:
        contributions = self.index.contributions
        tasks = [task for c in contributions.values() for task in c.tasks]
        constants = {task: dict(values) for c in contributions.values() for task, values in c.constants.items()}
        blocks = self._blocks()
        edges = [edge for one, c in contributions.items() for edge in self._edges(one, c)]
        for one, c in contributions.items():
            for foreign_argument in c.foreign_arguments:
                task = _task(self.index, self.missing, foreign_argument.place, one)
                if task is not None:
                    constants.setdefault(task, {})[foreign_argument.argument] = foreign_argument.value
        stand_ins = list(self.missing.tasks.values()) if self.missing is not None else []
        replace_parts(
            self.graph,
            tasks=[*tasks, *stand_ins],
            edges=[*edges, *self._lost],
            constants=constants,
            blocks=blocks,
            references=self._references(),
        )

    def _edges(self, one: str, contribution: Contribution) -> list[Edge]:
        if self.missing is None:
            return list(cell_edges_of(self.index, one, contribution, None))
        known = self.missing.resolved_before.get(one)
        if known is not None and known[0] is contribution and self.missing.is_as_before(contribution):
            edges = known[1]
        else:
            found = len(self.missing.found)
            edges = list(cell_edges_of(self.index, one, contribution, self.missing))
            if len(self.missing.found) > found:  # what is missing has to be asked for each time
                return edges
        self.missing.resolved[one] = contribution, edges
        return edges

    def _blocks(self) -> dict[Block, tuple[Block | None, list[Task]]]:
        members: dict[Block, dict[Task, None]] = {}
        parents: dict[Block, Block] = {}
        self._lost: list[Edge] = []
        for c in self.index.contributions.values():
            members.update((block, {}) for block in c.blocks)
        for one, c in self.index.contributions.items():
            for membership in c.memberships:
                at, place = membership.inner_reference, membership.place
                inner = membership.inner if at is None else self.index.resolve(at, one)
                block = membership.block if place is None else self.index.resolve(place, one)
                if inner is None:
                    if self.missing is not None and at is not None:
                        self.missing.task(at, one)
                elif isinstance(block, Block) and block in members:
                    if isinstance(inner, Block):
                        parents[inner] = block
                    else:
                        members[block].setdefault(inner)
                elif self.missing is not None and place is not None:
                    stand_in = self.missing.task(place, one)
                    if isinstance(inner, Task):
                        self._lost.append(Edge(stand_in, inner))
        return {block: (parents.get(block), list(inside)) for block, inside in members.items()}

    def _references(self) -> list[Task]:
        found: list[Any] = []
        for one, c in self.index.contributions.items():
            if c.references is not None:
                found = [task if place is None else self.index.resolve(place, one) for task, place in c.references]
        return [task for task in found if isinstance(task, Task)]
