"""Reads off a graph what was added to it since a baseline, as a contribution."""

from __future__ import annotations

from collections import Counter
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from nbflow.core.graph_edit import Baseline, Constants, automatic_edges, edges_since
from nbflow.core.task import Task
from nbflow.notebook.cells.contribution import Binding, BlockMembership, CellEdge, Contribution, ForeignArgument
from nbflow.notebook.cells.references import CellReference, Made, Steps, reached

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbflow.core.edge import Edge
    from nbflow.core.graph import Graph
    from nbflow.notebook.cells.index import ContributionIndex


@dataclass(eq=False, repr=False)
class GraphDiff:
    """The difference that one cell made to a graph, and the places by which it got at what other cells had made.

    Args:
        graph: The graph as it is now.
        baseline: What it was before.
        index: The other contributions.
        cell: The contribution that is read; it sees names as it does at its position.
        reads: The names that the cell reads: of several that lead to the same, one of these is taken.
        made: The tasks made in the cell, as far as known.
        repeated: Edges that the cell added although another one had.
    """

    graph: Graph
    baseline: Baseline
    index: ContributionIndex
    cell: str
    _: KW_ONLY
    reads: Collection[str] = ()
    made: Collection[Task] = ()
    repeated: Collection[Edge] = ()

    def __post_init__(self) -> None:
        self._places: dict[Made, CellReference] = {}

    def contribution(self, names: dict[str, Any], label: str) -> Contribution:
        """Return what the cell of this label added; `names` are those that it bound, with what they hold."""
        graph, before = self.graph, self.baseline
        tasks = [task for task in graph.tasks if task not in before.tasks]
        self.own = {*tasks}
        blocks = tuple(block for block in graph.blocks if block not in before.blocks)
        self.own_blocks = {*blocks}
        automatic = automatic_edges(graph)
        edges = [e for e in edges_since(graph, before, self.repeated) if e not in automatic]
        cell_edges = tuple(CellEdge(e, self._place(e.upstream_task), self._place(e.downstream_task)) for e in edges)
        # What existed before and is nobody's is shared by all cells that use it, and is there as long as one does.
        shared = {t for edge in edges for t in edge.tasks if t not in self.own and self._place(t) is None}
        tasks += [task for task in graph.tasks if task in shared] if shared else []
        return Contribution(
            label=label,
            tasks=tuple(tasks),
            made=frozenset(self.made).intersection(tasks),
            cell_edges=cell_edges,
            constants={t: dict(graph.constants[t]) for t in self.own if graph.constants.get(t)},
            foreign_arguments=tuple(self._foreign_arguments()),
            blocks=blocks,
            memberships=tuple(self._memberships()),
            references=self._references(),
            binds={name: bound for name, value in names.items() if (bound := self._bound(value)).reached},
        )

    def _foreign_arguments(self) -> list[ForeignArgument]:
        found: list[ForeignArgument] = []
        self.constants = Constants(self.graph)
        if self.baseline.constants.is_within(self.constants, self.own):
            return found
        before = self.baseline.constants.as_dicts()
        for task, values in self.graph.constants.items():
            if task in self.own or not values:
                continue
            known = before.get(task, {})
            for argument, value in values.items():
                if argument not in known or known[argument] is not value:
                    place = self._place(task)
                    if place is not None:
                        found.append(ForeignArgument(task, place, argument, value))
        return found

    def _memberships(self) -> list[BlockMembership]:
        before = self.baseline
        found = []
        for block in self.graph.blocks:
            place = self._place(block)
            found += [
                BlockMembership(task, self._place(task), block, place)
                for task in block.members
                if (task, block) not in before.members
            ]
            if block.parent is not None and block.parent is not before.parents.get(block):
                found.append(BlockMembership(block, place, block.parent, self._place(block.parent)))
        return found

    def _references(self) -> tuple[tuple[Task, CellReference | None], ...] | None:
        now = self.graph._reference_tasks
        if not now or now == self.baseline.references:
            return None
        return tuple((task, self._place(task)) for task in self.graph.tasks if task in now)

    def _bound(self, value: Any) -> Binding:
        known: dict[Steps, Made | CellReference] = {}
        for steps, one in reached(value):
            if one in self.own or one in self.own_blocks:
                known[steps] = one
            elif (place := self._place(one)) is not None:
                known[steps] = place
            elif isinstance(one, Task) and one in self.graph.tasks:
                known[steps] = one
        return Binding(value, known)

    # Where things of other cells are found

    def _place(self, one: Made) -> CellReference | None:
        """Return where another cell's task or block is found; None for what no other cell made."""
        if one in self.own or one in self.own_blocks:
            return None
        if one in self._places:
            return self._places[one]
        owner = self._owner(one)
        if owner is None:
            return None
        place = self._places[one] = self._by_name(one, owner) or self._by_number(one, owner)
        return place

    def _owner(self, one: Made) -> str | None:
        owner = self.index.owners.get(one)
        if owner != self.cell:
            return owner
        for key, c in self.index.contributions.items():
            if key != self.cell and (one in c.made if isinstance(one, Task) else one in c.blocks):
                return key
        return None

    def _by_name(self, one: Made, owner: str) -> CellReference | None:
        """Return the way by a name that the cell reads; else the shortest, by a name of the owner or of another."""
        for names in (self.reads, self.index.contributions[owner].binds, self.index.binders):
            found = [(name, steps) for name in names for steps in self._steps(name, one)]
            if found:
                name, steps = min(found, key=lambda way: len(way[1]))
                return CellReference(name=name, steps=steps, owner=owner, kind=one.name)
        return None

    def _steps(self, name: str, one: Made) -> list[Steps]:
        """Return the ways from what `name` means to the cell to `one`."""
        binder = self.index.binder(name, self.cell)
        if binder is None:
            return []
        ways = self.index.contributions[binder].binds[name].reached.items()
        return [
            steps
            for steps, found in ways
            if found is one or (isinstance(found, CellReference) and self.index.resolve(found, binder) is one)
        ]

    def _by_number(self, one: Made, owner: str) -> CellReference:
        c = self.index.contributions[owner]
        seen: Counter[str] = Counter()
        made: list[Made] = [*c.tasks, *c.blocks]
        for other in made:
            if other is one:
                break
            seen[other.name] += 1
        return CellReference(name=None, owner=owner, kind=one.name, number=seen[one.name])


def is_made(value: Any) -> bool:
    """Tell whether a value is a task or a block, or has some in it."""
    return next(reached(value), None) is not None
