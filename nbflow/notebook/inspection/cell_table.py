"""`flow.cells`: which cell defines what, as a value that prints well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from nbflow.core.block import Block
from nbflow.core.collections import Constant
from nbflow.engine.task_notes import notes_of as run_notes
from nbflow.engine.task_notes import notes_of_flow, stale_tasks
from nbflow.notebook.cells.flow_cells import OUTSIDE, cells_of
from nbflow.notebook.inspection.deleted_cells import gone, passed_over, saved_notebook
from nbflow.notebook.shell.tables import bundle
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.core.graph import Graph
    from nbflow.core.task import Task
    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.cells.flow_cells import Cells
    from nbflow.notebook.cells.index import ContributionIndex
    from nbflow.notebook.cells.references import CellReference

GONE = "gone: the saved notebook no longer has this cell"
PASSED_OVER = "old: left out when the cells around it were last executed"
SKIPPED = "old: not executed by the last run of the notebook from its top"


@dataclass(frozen=True, slots=True)
class Cell:
    """The contribution of one cell of the notebook to a flow, to be read.

    Attributes:
        id: What the flow knows the contribution by.
        label: What the cell is called in messages, such as ``cell In [3]``.
        source: What it says, without the line of the magic.
        tasks: The tasks that it adds.
        names: The names of the notebook that it binds to them.
        takes: What it takes from other cells: `(name, label of the other cell)`.
        missing: What it uses and no cell makes any more.
        note: Why it may be no longer in the notebook; empty if nothing speaks for that.
        marks: Which of its tasks are stale and why, and which are edited, pinned, reused or have a breakpoint.
    """

    id: str
    label: str
    source: str
    tasks: tuple[Task, ...]
    names: tuple[str, ...]
    takes: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    note: str
    marks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.label}: {', '.join(task.name for task in self.tasks) or 'no tasks'}>"


class CellTable(Sequence[Cell]):
    """The cells of a flow, in the order of their first execution.

    Example:
        >>> from nbflow import Flow
        >>> Flow("example").cells
        example: no cell of the notebook has added anything
    """

    def __init__(self, flow: str, cells: Sequence[Cell]) -> None:
        self.flow = flow
        self._cells = tuple(cells)

    @overload
    def __getitem__(self, which: int) -> Cell: ...

    @overload
    def __getitem__(self, which: slice) -> Sequence[Cell]: ...

    def __getitem__(self, which: int | slice) -> Cell | Sequence[Cell]:
        return self._cells[which]

    def __len__(self) -> int:
        return len(self._cells)

    def of(self, task: Task) -> Cell | None:
        """Return the cell that a task comes from."""
        return next((cell for cell in self._cells if task in cell.tasks), None)

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        if not self._cells:
            return bundle(f"{self.flow}: no cell of the notebook has added anything")
        count = "1 cell" if len(self) == 1 else f"{len(self)} cells"
        return bundle(
            f"{self.flow}: {count}", ("cell", "adds", "binds", "takes", "note"), [_row(cell) for cell in self._cells]
        )


def _row(cell: Cell) -> tuple[str, ...]:
    own = [name for task in cell.tasks if (name := _added(task))]
    notes = [f"missing: {name}" for name in cell.missing] + ([cell.note] if cell.note else [])
    notes += cell.marks
    return (
        cell.label,
        _listed(own),
        _listed(cell.names),
        _listed([name if not label else f"{name} ({label.removeprefix('cell ')})" for name, label in cell.takes]),
        "; ".join(notes),
    )


def _added(task: Task) -> str:
    """Return what a task is called in the table; a block's own three tasks stand for the block."""
    block = getattr(task, "block", None)
    if isinstance(block, Block) and block.is_lifecycle(task):
        return f"[{block.name}]" if task is block.init_task else ""
    return "" if task.auto_generated or isinstance(task, Constant) else task.name


def _listed(words: Sequence[str]) -> str:
    shown = [one_line(word, 40) for word in words[:8]]
    return ", ".join(shown) + (f" and {len(words) - 8} more" if len(words) > 8 else "")


def cell_table(flow: Graph) -> CellTable:
    """Return which cell of the notebook adds what to `flow`."""
    cells = cells_of(flow)
    cells.adopt_strangers()
    index = cells.index
    notes = notes_of(cells)
    stale = stale_tasks(flow)
    marked = run_notes(flow.runs[-1]) if getattr(flow, "runs", None) else notes_of_flow(flow)  # type: ignore[attr-defined]
    missing: dict[str, list[str]] = {}
    for dangling in cells.dangling:
        missing.setdefault(dangling.user, []).append(str(dangling.place))
    return CellTable(
        one_line(flow.name),
        [
            Cell(
                id=one,
                label=contribution.label,
                source=contribution.source,
                tasks=contribution.tasks,
                names=tuple(contribution.binds),
                takes=_takes(index, one, contribution),
                missing=tuple(missing.get(one, ())),
                note=notes.get(one, ""),
                marks=tuple(
                    [f"{task.name}: stale, {stale[task]}" for task in contribution.tasks if task in stale]
                    + [f"{task.name}: {marked[task]}" for task in contribution.tasks if task in marked]
                ),
            )
            for one, contribution in index.contributions.items()
            if contribution.cells or contribution.label == OUTSIDE
        ],
    )


def notes_of(cells: Cells) -> dict[str, str]:
    """Return, by contribution, why its cell may be no longer in the notebook."""
    index = cells.index
    known = index.contributions
    skipped = [one for one, number in cells.skipped.items() if one in known and known[one].number == number]
    return (
        dict.fromkeys(skipped, SKIPPED)
        | dict.fromkeys(passed_over(index), PASSED_OVER)
        | dict.fromkeys(gone(index, saved_notebook()), GONE)
    )


def _takes(index: ContributionIndex, one: str, contribution: Contribution) -> tuple[tuple[str, str], ...]:
    used = [place for edge in contribution.cell_edges for place in (edge.upstream, edge.downstream)]
    used += [membership.place for membership in contribution.memberships]
    places: dict[Any, CellReference] = {}
    for base in (place.base for place in used if place is not None):
        places.setdefault(base.id, base)
    found = []
    for place in places.values():
        if index.resolve(place, one) is not None:
            binder = index.binder(place.name, one) if place.name is not None else place.owner
            found.append((str(place), index.label(binder) if binder is not None else ""))
    return tuple(found)


def labels(flow: Graph) -> dict[Task, str]:
    """Return the label of the cell that each task comes from; what was changed by hand since is not looked at."""
    return {task: c.label for c in cells_of(flow).index.contributions.values() for task in c.tasks}
