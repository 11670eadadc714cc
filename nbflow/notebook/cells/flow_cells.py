"""The cells of a flow, which is always what they say: as a whole or not at all, and never twice.

The rules, without IPython: a cell's contribution is what was added while the cell was executed. When it is executed
again, the old one goes out and the new one comes to its place, and what other cells took from it by a name, they
take from what now has this name. Whatever fails, the flow is as it was.
"""

from __future__ import annotations

import weakref
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.core.graph import Graph
from nbflow.core.graph_edit import Baseline, GraphSnapshot, begin_made, end_made, version
from nbflow.core.parameter import Parameter
from nbflow.errors import ForeignTaskError
from nbflow.notebook.cells.assemble import assemble
from nbflow.notebook.cells.cell_change import CellChange, Namespace, execution_number
from nbflow.notebook.cells.contribution import Contribution, OldTaskError
from nbflow.notebook.cells.graph_diff import GraphDiff
from nbflow.notebook.cells.index import ContributionIndex, Dangling, Missing
from nbflow.notebook.cells.namespace import release_names
from nbflow.notebook.shell.defer_interrupt import DeferInterrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set

    from nbflow.core.placeholder_task import PlaceholderTask
    from nbflow.core.task import Task
    from nbflow.notebook.cells.index import Resolved

OUTSIDE = "outside of cells"


class Lineage:
    """The identity that a flow shares with those that its cells have made again in its place."""


class Cells:
    """The contributions to one graph.

    Attributes:
        graph: The graph.
        index: The contributions, in the order of their first execution.
        dangling: What is used and no longer made; while there is any, the flow does not run.
        lineage: That of the graph.
        skipped: The contributions, with their numbers, that the last run from the top has not made again.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.index = ContributionIndex()
        self.dangling: tuple[Dangling, ...] = ()
        self._missing: dict[Any, PlaceholderTask] = {}
        self._resolved: Resolved = {}
        self._replaced: weakref.WeakKeyDictionary[Task, str] = weakref.WeakKeyDictionary()
        self._known = Baseline(Graph("nothing yet"))
        self._version = -1
        self.hidden: set[str] = set()
        self.definitions: dict[str, dict[str, Any]] = {}  # the functions and classes of `%%task` cells, by cell
        self.lineage = Lineage()
        self.skipped: dict[str, int] = {}
        self.notable: weakref.WeakSet[Task] | None = None  # of `%%task`; see `notable_cells`

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled flow leaves its notebook behind.
        return type(None), ()

    @property
    def contributions(self) -> Mapping[str, Contribution]:
        """The contributions by their id, in order."""
        return self.index.contributions

    @contextmanager
    def executing(
        self,
        key: str,
        label: str,
        namespace: Namespace,
        *,
        source: str = "",
        reads: Collection[str] = (),
        binds: Collection[str] = (),
        cell_id: str | None = None,
    ) -> Iterator[None]:
        """Take what is added in this `with` for the contribution of the cell `key`, in place of its former one.

        It stands around `with graph:`, or within it.

        Args:
            key: What the cell is known by.
            label: What it is called in messages.
            namespace: The user's names. Those that hold tasks become what they were if the cell fails.
            source: What the cell says.
            reads: The names that the cell reads.
            binds: The names that it binds, as far as its source tells. Others are noticed when they change.
            cell_id: The id that the front end sends for it.

        Raises:
            OldTaskError: If the cell brought back a task of a replaced execution.
            NbflowError: If the graph is not valid afterwards.
        """
        with DeferInterrupt() as shield:
            watch = thread.data.get("cell")
            if watch is not None:  # else what is added here would be that of the cell around it as well
                watch.let_go(self.graph)
            change = CellChange(self, key, label, namespace, source, reads, binds, cell_id)
            begin_made(self.graph)
            try:
                change.begin()
                with shield.lowered():
                    yield
                change.end()
            except BaseException:
                change.undo()
                raise
            finally:
                end_made(self.graph)
            change.commit()

    def remove(self, ids: Collection[str], namespace: Namespace | None = None) -> None:
        """Take contributions out, as if their cells had been executed empty; no name of `namespace` leads to them.

        Raises:
            NbflowError: If the graph is not valid afterwards; then nothing is changed.
        """
        with DeferInterrupt():
            before = self._rebuild(lambda now: now.without(*ids))
            gone = [c for one, c in before.contributions.items() if one not in self.index.contributions]
            for contribution in gone:
                self.forget(contribution.made, contribution.label)
            if namespace is not None:
                release_names(namespace, self.graph, self.index, gone, self.hidden)

    def remove_cell(self, key: str, namespace: Namespace | None = None) -> None:
        """Take out what the cell `key` says; see `remove`."""
        one = self.index.id_of(key)
        if one is not None:
            self.remove([one], namespace)

    def take_over(self, former: Cells, is_old: Callable[[Contribution], bool] = lambda _: False) -> None:
        """Bring what cells had added to the flow whose place this one takes to this one, but for what `is_old`."""
        former.adopt_strangers()
        old = [one for one, c in former.index.contributions.items() if is_old(c)]
        if old:
            former.index = former.index.without(*old)
        for contribution in former.index.contributions.values():
            for block in contribution.blocks:
                block.flow = self.graph
        self.hidden = former.hidden
        self.lineage = former.lineage
        self.skipped = former.skipped
        self._replaced = former._replaced
        missing = Missing(former.index)
        assemble(self.graph, former.index, missing)
        self.take(former.index, missing)

    def is_shared(self, task: Task) -> bool:
        """Tell whether a task was made outside of all cells of the flow."""
        contributions = self.index.contributions.values()
        return any(task in c.tasks for c in contributions) and not any(task in c.made for c in contributions)

    def substitute(self, old: Task, new: Task) -> None:
        """Put `new` in the place of the shared task `old`, in all contributions.

        Raises:
            NbflowError: If the graph is not valid afterwards; then nothing is changed.
        """
        with DeferInterrupt():
            self._rebuild(
                lambda now: ContributionIndex({one: c.with_task(old, new) for one, c in now.contributions.items()})
            )

    def _rebuild(self, changed: Callable[[ContributionIndex], ContributionIndex]) -> ContributionIndex:
        """Make the flow what its contributions say once they are `changed`; returns what they were.

        Raises:
            NbflowError: If the graph is not valid afterwards; then nothing is changed.
        """
        given, snapshot = self.index, GraphSnapshot(self.graph)
        try:
            self.adopt_strangers()
            before, index = self.index, changed(self.index)
            missing = self.put_together(index)
        except BaseException:
            snapshot.restore()
            self.index, self._version = given, -1
            raise
        self.take(index, missing)
        return before

    # For a change

    def put_together(self, index: ContributionIndex, changed: Set[str] | None = None) -> Missing:
        """Make the graph what `index` says, and check it.

        `changed` are the names that may lead to something else than in the present index; None if any may.
        """
        missing = self.missing(index, changed)
        assemble(self.graph, index, missing)
        Graph.validate(self.graph)
        return missing

    def missing(self, index: ContributionIndex, changed: Set[str] | None = None) -> Missing:
        """Return what is to take what `index` misses; see `put_together`."""
        return Missing(index, dict(self._missing), changed=changed, resolved_before=self._resolved)

    def take(self, index: ContributionIndex, missing: Missing) -> None:
        """Keep an index that the graph was made from."""
        self.index = index
        self.dangling = tuple(missing.found.values())
        missing.tell()
        self._missing = missing.tasks
        self._resolved = missing.resolved
        self.note()

    def note(self) -> None:
        """Note that the graph is now what the index says."""
        self._known = Baseline(self.graph)
        self._version = version(self.graph)

    def adopt_strangers(self) -> None:
        """Write into the index what has been changed without a cell: by hand, or by a cell that nobody watched."""
        if version(self.graph) == self._version:
            return
        index = self._without_removed()
        made = set(self.graph.tasks) - self._known.tasks
        difference = GraphDiff(self.graph, self._known, index, "", made=made)
        number = execution_number()
        found = replace(difference.contribution({}, OUTSIDE), number=number)
        if found.tasks or found.cell_edges or found.foreign_arguments or found.memberships or found.references:
            index = index.with_(f"{OUTSIDE} {number}", found)
        self.index = index
        self.note()

    def _without_removed(self) -> ContributionIndex:
        graph, known = self.graph, self._known
        tasks = known.tasks - set(graph.tasks)
        edges = known.edges - set(graph.edges)
        if not (tasks or edges):
            return self.index

        def kept(c: Contribution) -> Contribution:
            cell_edges = tuple(one for one in c.cell_edges if one.edge not in edges and not one.edge.tasks & tasks)
            return replace(c, tasks=tuple(task for task in c.tasks if task not in tasks), cell_edges=cell_edges)

        return ContributionIndex({one: kept(c) for one, c in self.index.contributions.items()})

    def forget(self, tasks: Iterable[Task], label: str) -> None:
        """Note that tasks belong to an execution that has been replaced."""
        for task in tasks:
            self._replaced[task] = label

    def refuse_replaced(self, tasks: Iterable[Task]) -> None:
        """Raise if one of `tasks` is from an execution that has been replaced."""
        for task in tasks:
            if task in self._replaced:
                raise OldTaskError(task.name, self._replaced[task])

    def refuse_foreign(self, tasks: Iterable[Task]) -> None:
        """Raise if a cell of another flow made one of `tasks`; a parameter, which takes nothing, may be in several."""
        from nbflow.registry import flows

        graph = self.graph
        # The block's own tasks come with one that uses its resource: what the user has named is said first.
        for task in sorted(tasks, key=lambda task: hasattr(task, "block")):
            if isinstance(task, Parameter):
                continue
            for other in list(flows.values()):
                if other is graph or other.name == graph.name or task not in other.tasks:
                    continue
                if any(task in c.made for c in cells_of(other).index.contributions.values()):
                    raise ForeignTaskError(task.name, other.name, graph.name)


def cells_of(graph: Graph) -> Cells:
    """Return the contributions to `graph`; they live as long as it does."""
    cells = vars(graph).get("_cells")
    if not isinstance(cells, Cells) or cells.graph is not graph:  # a copy of a flow begins without cells
        cells = vars(graph)["_cells"] = Cells(graph)
    return cells
