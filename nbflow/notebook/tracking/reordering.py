"""Puts the contributions to a flow into another order, as if their cells had been executed in it.

What a cell of `%%flow` takes from others it takes by name, and finds it in any order. A cell that is a task comes
after those that look at what it changes, which depends on the order: such cells are defined again, from the first one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.graph_edit import GraphSnapshot
from nbflow.errors import NbflowError
from nbflow.notebook.cells.contribution import Contribution
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.cells.graph_diff import is_made
from nbflow.notebook.cells.index import ContributionIndex
from nbflow.notebook.cells.namespace import release_names
from nbflow.notebook.shell.defer_interrupt import DeferInterrupt
from nbflow.notebook.taskcell.cell_function import CellFunction, function_of
from nbflow.notebook.taskcell.definition import tie_others

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from nbflow.core.task import Task
    from nbflow.flow import Flow


def reorder(flow: Flow, order: Sequence[str], namespace: MutableMapping[str, Any], left_out: str | None = None) -> bool:
    """Put the contributions to `flow`, all of them, into this order.

    One that is about to be made again is `left_out`: it is empty until then.

    Returns:
        Whether it was possible; otherwise nothing has changed.
    """
    state = _State(flow, namespace)
    cells = cells_of(flow)
    with DeferInterrupt():
        try:
            index = ContributionIndex({one: cells.index.contributions[one] for one in order})
            tasks = {one: task for one, c in index.contributions.items() if (task := _cell_task(c)) is not None}
            functions = {one: run for one, task in tasks.items() if (run := function_of(task)) is not None}
            emptied = dict(functions) | ({} if left_out is None else {left_out: None})
            gone = [index.contributions[one] for one in emptied]
            for one in emptied:
                c = index.contributions[one]
                empty = Contribution(label=c.label, cells=c.cells, cell_id=c.cell_id, number=c.number, time=c.time)
                index = index.with_(one, empty)
            cells.take(index, cells.put_together(index))
            release_names(namespace, flow, index, gone, cells.hidden)
            for c in gone:
                cells.forget(c.made, c.label)
            for one, function in functions.items():
                if one != left_out:
                    _define(flow, one, function, state.index.contributions[one])
            if left_out is None:
                _name_last(flow, namespace)
        except BaseException as error:
            state.restore()
            if isinstance(error, NbflowError):  # it cannot be their order, then
                return False
            raise
    return True


def _cell_task(contribution: Contribution) -> Task | None:
    """Return a contribution's task if its cell can be defined again."""
    for task in contribution.tasks:
        run = function_of(task)
        if task in contribution.made and run is not None and run.define_again is not None:
            return task
    return None


def _define(flow: Flow, one: str, function: CellFunction, former: Contribution) -> None:
    assert function.define_again is not None
    function.define_again()
    cells = cells_of(flow)
    now = cells.index.contributions[one]
    cells.index = cells.index.with_(one, replace(now, number=former.number, time=former.time))
    task = _cell_task(now)
    if task is not None:
        function.give_way_to(task.run)  # type: ignore[arg-type]
        tie_others(flow, task, now.cells[0])


def _name_last(flow: Flow, namespace: MutableMapping[str, Any]) -> None:
    """Let each name that several cells bind hold what the last one bound."""
    index = cells_of(flow).index
    for name, binders in index.binders.items():
        if is_made(namespace.get(name)):
            namespace[name] = index.value(name, binders[-1])


class _State:
    """All that reordering changes, as it is now."""

    def __init__(self, flow: Flow, namespace: MutableMapping[str, Any]) -> None:
        cells = cells_of(flow)
        cells.adopt_strangers()
        self.cells = cells
        self.snapshot = GraphSnapshot(flow)
        self.index = cells.index
        self.kept = {name: vars(cells)[name] for name in ("dangling", "_missing", "_resolved", "_known", "_version")}
        self.replaced = dict(cells._replaced)
        self.hidden = set(cells.hidden)
        self.namespace = namespace
        self.names = {name: held for name, held in namespace.items() if is_made(held)}

    def restore(self) -> None:
        """Make everything what it was."""
        self.snapshot.restore()
        cells = self.cells
        vars(cells).update(self.kept, index=self.index, _version=-1)
        cells._replaced.clear()
        cells._replaced.update(self.replaced)
        cells.hidden.clear()
        cells.hidden.update(self.hidden)
        for name, held in list(self.namespace.items()):
            if name not in self.names and is_made(held):
                del self.namespace[name]
        self.namespace.update(self.names)
        cells.note()
