"""The contribution of each notebook cell to a flow, and what it got from the others: values, kept by cell.

A contribution names what it takes from other cells by place, not by task. So the flow can be put together again
from the contributions at any time, and is the same however often and in which order the cells were executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nbflow.core.edge import Edge
from nbflow.errors import NbflowError, carries
from nbflow.notebook.cells.references import CellReference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.core.block import Block
    from nbflow.core.task import Task
    from nbflow.notebook.cells.references import Made, Steps

ABSENT: Any = object()


@carries
class OldTaskError(NbflowError, ValueError):
    """A cell uses a task from an execution that another one has replaced."""

    task: str
    cell: str
    _text = (
        "task {self.task!r} comes from an earlier execution of {self.cell}, which has been replaced; "
        "execute that cell again and use what it makes now"
    )


@dataclass(frozen=True, slots=True)
class CellEdge:
    """An edge, with the places of those of its ends that other cells made."""

    edge: Edge
    upstream: CellReference | None = None
    downstream: CellReference | None = None


@dataclass(frozen=True, slots=True)
class ForeignArgument:
    """A known argument that the cell gave to another cell's task."""

    task: Task
    place: CellReference
    argument: str
    value: Any


@dataclass(frozen=True, slots=True)
class BlockMembership:
    """A task or a whole block that the cell put into a block; a place where another cell made one of the two."""

    inner: Made
    inner_reference: CellReference | None
    block: Block
    place: CellReference | None


@dataclass(frozen=True, slots=True)
class Binding:
    """The value that a cell bound to a name.

    Attributes:
        value: The value itself.
        reached: The tasks and blocks in it, by the steps to them; a place for those of other cells.
    """

    value: Any
    reached: dict[Steps, Made | CellReference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """The tasks, edges, blocks and names that one cell added.

    Attributes:
        label: What the cell is called in messages.
        cells: The key of the cell that says it; none if it was made outside of cells.
        cell_id: The id that the front end sent for it the last time, if it did.
        source: What the cell says, without the line of the magic.
        number: Grows with each execution of any cell of the flow.
        time: When it was executed, in seconds since the epoch.
        tasks: Added by the cell, in declaration order.
        made: Those of them that did not exist before.
        cell_edges: The edges that the cell added, without those that blocks make on their own.
        constants: The known arguments of the cell's own tasks.
        foreign_arguments: Those that it gave to tasks of other cells.
        blocks: Opened by the cell.
        memberships: What it put into blocks, its own and those of others.
        references: The tasks that it set to decide the state of a run, with their places.
        binds: What it bound names to, as far as tasks and blocks are concerned.
        before: What those names held before, if it was nothing of a flow.
        uses: The names by which its edges get at other cells' tasks; None if one does without a name.
        has_aliases: Whether it bound a name to what another cell made.
        aliased: The names by which it got at that; None if it did without a name.
        leans: The names that lead to tasks and blocks of other cells with which it did more than tie its own to them;
            None if it got at one without a name.
    """

    label: str
    cells: tuple[str, ...] = ()
    cell_id: str = ""
    source: str = ""
    number: int = 0
    time: float = 0.0
    tasks: tuple[Task, ...] = ()
    made: frozenset[Task] = frozenset()
    cell_edges: tuple[CellEdge, ...] = ()
    constants: dict[Task, dict[str, Any]] = field(default_factory=dict)
    foreign_arguments: tuple[ForeignArgument, ...] = ()
    blocks: tuple[Block, ...] = ()
    memberships: tuple[BlockMembership, ...] = ()
    references: tuple[tuple[Task, CellReference | None], ...] | None = None
    binds: dict[str, Binding] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)
    uses: frozenset[str] | None = field(init=False, default=None)
    has_aliases: bool = field(init=False, default=False)
    aliased: frozenset[str] | None = field(init=False, default=None)
    leans: frozenset[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        cell_edges = [place for cell_edge in self.cell_edges for place in (cell_edge.upstream, cell_edge.downstream)]
        bound = [one for bound in self.binds.values() for one in bound.reached.values()]
        aliases = [one for one in bound if isinstance(one, CellReference)]
        others = [foreign_argument.place for foreign_argument in self.foreign_arguments]
        others += [place for one in self.memberships for place in (one.inner_reference, one.place) if place is not None]
        others += [place for _, place in self.references or () if place is not None]
        object.__setattr__(self, "uses", _names_of(cell_edges))
        object.__setattr__(self, "has_aliases", bool(aliases))
        object.__setattr__(self, "aliased", _names_of(aliases))
        object.__setattr__(self, "leans", _names_of(others))

    def with_task(self, old: Task, new: Task) -> Contribution:
        """Return the contribution with another task, of which no cell is the maker, in the place of `old`."""
        if old not in self.tasks:
            return self

        def now(task: Task) -> Task:
            return new if task is old else task

        def moved(cell_edge: CellEdge) -> CellEdge:
            edge = cell_edge.edge
            if old not in edge.tasks:
                return cell_edge
            upstream, downstream = now(edge.upstream_task), now(edge.downstream_task)
            return replace(cell_edge, edge=Edge(upstream, downstream, edge.key, edge.mapped, edge.flattened))

        constants = {now(task): values for task, values in self.constants.items()}
        tasks, cell_edges = tuple(map(now, self.tasks)), tuple(map(moved, self.cell_edges))
        return replace(self, tasks=tasks, cell_edges=cell_edges, constants=constants)

    @property
    def is_plain(self) -> bool:
        """True if it has nothing but tasks that the cell made, their ties and names."""
        return not (self.foreign_arguments or self.memberships or self.blocks or self.references) and len(
            self.made
        ) == len(self.tasks)

    @property
    def is_empty(self) -> bool:
        """True if it adds nothing to its flow."""
        return not (
            self.tasks or self.cell_edges or self.foreign_arguments or self.memberships or self.references or self.binds
        )


def _names_of(places: Iterable[CellReference | None]) -> frozenset[str] | None:
    """Return the names that lead to places; None if one is got at without a name."""
    names = {place.name for place in places if place is not None}
    return None if None in names else frozenset(name for name in names if name is not None)
