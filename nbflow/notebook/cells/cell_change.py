"""One execution of one cell, as a change of the flow: it is kept as a whole, or undone as a whole."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, MutableMapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nbflow.core.graph import Graph
from nbflow.core.graph_edit import Baseline, GraphSnapshot, begin_watching, end_watching, made_inside, take_out, version
from nbflow.notebook.cells.assemble import assemble
from nbflow.notebook.cells.contribution import CellEdge, Contribution, OldTaskError
from nbflow.notebook.cells.graph_diff import GraphDiff
from nbflow.notebook.cells.lent_values import give_results_back
from nbflow.notebook.cells.namespace import CellNamespace
from nbflow.notebook.cells.references import reached
from nbflow.notebook.cells.task_replacement import exchange

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.notebook.cells.flow_cells import Cells
    from nbflow.notebook.cells.index import ContributionIndex, Missing

Namespace = MutableMapping[str, Any]
_executions = itertools.count(1)  # of all flows, so that numbers can be compared when a flow is made again


def execution_number() -> int:
    """Count an execution of a cell."""
    return next(_executions)


@dataclass(eq=False)
class CellChange:
    """The old contribution of a cell goes out, the new one is found and comes in; `Cells.executing` says with what.

    `begin` comes before the cell's code and `end` after it. Either `commit` or `undo` follows; `undo` may also come
    before `end`, wherever the cell has failed.
    """

    cells: Cells
    key: str
    label: str
    namespace: Namespace
    source: str = ""
    reads: Collection[str] = ()
    binds: Collection[str] = ()
    cell_id: str | None = None
    missing: Missing | None = field(init=False, default=None)
    scope: CellNamespace | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        cells = self.cells
        self.graph = cells.graph
        self.before = cells.index, cells._known, cells._version
        self.snapshot = GraphSnapshot(cells.graph)
        self.is_in_step = self.snapshot.version == cells._version
        self.old = Contribution(label=self.label)

    def begin(self) -> None:
        """Take the former contribution out, and give names the values they have at this cell's place."""
        cells = self.cells
        # First of all: what was changed by hand since the last cell must not count as this cell's.
        cells.adopt_strangers()
        unsettled = give_results_back(cells, self.namespace)
        self._choose()
        index = cells.index
        self.scope = CellNamespace(
            self.namespace, self.graph, index, self.id, cells.hidden, cells._replaced.__contains__
        )
        self.rest = self._index_without_old()
        if cells.dangling or self.old.cell_edges != self._own_cell_edges() or self._shares():
            self.is_in_step = False
            assemble(self.graph, self.rest, None)
        elif not self.old.is_empty:
            take_out(self.graph, self.old.tasks, self.old.blocks)
        begin_watching(self.graph)
        self.baseline = Baseline(self.graph)
        self.scope.enter(self.old, unsettled)

    def _own_cell_edges(self) -> tuple[CellEdge, ...]:
        """Return those ties of the former contribution that go with its own tasks."""
        own = self.old.made
        return tuple(t for t in self.old.cell_edges if t.edge.upstream_task in own or t.edge.downstream_task in own)

    def _shares(self) -> bool:
        """Tell whether the former contribution has more than its own tasks, which others may need."""
        return bool(self.old.foreign_arguments) or len(self.old.made) < len(self.old.tasks)

    def _index_without_old(self) -> ContributionIndex:
        """Return the index in which this cell still has its place, and says nothing."""
        if self.id not in self.cells.index.contributions:
            return self.cells.index
        return self.cells.index.with_(self.id, Contribution(label=self.label, cells=(self.key,)))

    def _choose(self) -> None:
        """Find which contribution the cell says, or an id for a new one."""
        index = self.cells.index
        one = index.id_of(self.key)
        if one is None:
            one = self.key if self.key not in index.contributions else f"{self.key} {execution_number()}"
        self.id = one
        self.old = index.contributions.get(one, self.old)

    def end(self, held_before: Namespace | None = None) -> None:
        """Find what was added, and put the flow together with it.

        `held_before` are the names before the cell, if the flow has not seen all tasks being made: what these names did
        not hold was made in the cell.
        """
        cells, scope = self.cells, self.scope
        assert scope is not None
        difference = GraphDiff(
            self.graph,
            self.baseline,
            self.rest,
            self.id,
            reads=self.reads,
            made=self._made(held_before),
            repeated=end_watching(self.graph),
        )
        new = difference.contribution(scope.bound(self.binds), self.label)
        cells.refuse_replaced(new.tasks)
        cells.refuse_foreign(task for task in new.tasks if task not in new.made)
        for task in new.tasks:
            if task in self.old.made:
                raise OldTaskError(task.name, "this cell")
        new = replace(
            new,
            cells=(self.key,),
            cell_id=self.cell_id or "",
            source=self.source.strip(),
            number=execution_number(),
            time=time.time(),
            before=scope.before(new),
        )
        self.index = cells.index.with_(self.id, new)
        changed = self.index.changed_with((*self.old.binds, *new.binds))
        if self.is_in_step:
            missing = cells.missing(self.index, changed)
            without, constants = self.baseline, difference.constants
            if exchange(self.graph, self.snapshot, without, constants, self.index, self.id, self.old, missing):
                Graph.validate(self.graph)
                self.missing = missing
                return
        self.missing = cells.put_together(self.index, changed)

    def _made(self, held_before: Namespace | None) -> Collection[Task]:
        made = made_inside(self.graph)
        if held_before is None:
            return made
        new = {task for task in self.graph.tasks if task not in self.baseline.tasks and task not in made}
        if new:
            new -= {one for value in held_before.values() for _, one in reached(value)}
        return made | new

    def commit(self) -> None:
        """Keep the change; nothing here can fail."""
        cells, scope = self.cells, self.scope
        assert scope is not None
        assert self.missing is not None
        gone = self.old.made.difference(self.graph.tasks)
        cells.forget(gone, self.label)
        cells.take(self.index, self.missing)
        scope.leave(self.index, self.old)

    def leave(self) -> None:
        """Let the graph be what the cell has made of it, although it cannot be run; to be looked at, and fixed."""
        end_watching(self.graph)

    def undo(self) -> None:
        """Make everything what it was."""
        cells = self.cells
        end_watching(self.graph)
        # Names may still hold tasks of the execution that failed: a cell that brings one back is refused.
        cells.forget(set(self.graph.tasks) - self.snapshot.declared.keys(), self.label)
        self.snapshot.restore()
        cells.index, cells._known, _ = self.before
        cells._version = -1 if self.before[2] != self.snapshot.version else version(self.graph)
        if self.scope is not None:
            self.scope.undo()
