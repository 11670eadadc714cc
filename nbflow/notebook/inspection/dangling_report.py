"""A warning under a cell that has taken something away which other cells use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.inspection.undefined import undefined
from nbflow.notebook.shell.tables import show_warning

if TYPE_CHECKING:
    from nbflow.core.graph import Graph


class DanglingReport:
    """Knows what was missing before, and says what is missing since the cell of this label is executed."""

    def __init__(self, flow: Graph, label: str) -> None:
        self.flow = flow
        self.label = label
        self._before = {(dangling.user, dangling.place.id) for dangling in cells_of(flow).dangling}

    def lines(self) -> list[str]:
        """Return a sentence for each cell that misses something since."""
        cells = cells_of(self.flow)
        errors = [cells.index.error(d) for d in cells.dangling if (d.user, d.place.id) not in self._before]
        return [
            f"{self.flow.name}: {str(error).replace(f'which {self.label} no', 'which this cell no')}. "
            "The flow does not run until then"
            for error in errors
        ]

    def show(self) -> None:
        """Display the sentences, if there are any."""
        show_warning(*self.lines())


def show_undefined(flow: Graph, key: str) -> None:
    """Display what the tasks that the cell `key` added will miss when they run, if there is anything."""
    index = cells_of(flow).index
    one = index.id_of(key)
    tasks = () if one is None else index.contributions[one].tasks
    show_warning(*(f"{flow.name}: {said}" for _, said in undefined(flow, tasks)))
