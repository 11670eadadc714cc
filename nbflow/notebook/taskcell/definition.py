"""The definition of a task by a cell: kept, so that it can be repeated when another cell changes what it means."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from types import FunctionType
from typing import TYPE_CHECKING, Any

from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.core.task import Task
from nbflow.errors import NbflowError
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.taskcell.cell_function import CellFunction, function_of
from nbflow.notebook.taskcell.task_order import below, is_resource, notable_cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.flow import Flow
    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.taskcell.task_cell import Defined, TaskCell


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A cell that makes a task, with what stood on its line.

    Attributes:
        cell: The cell.
        key: What the cell is known by.
        cell_id: The id that the front end sends for it.
        name: The name of the task, if it was given.
        block: The block to put it into, if it was given.
    """

    cell: TaskCell
    key: str
    cell_id: str | None
    name: str | None
    block: str | None

    def add_to(self, flow: Flow, asked: Collection[str] = ()) -> Defined:
        """Make the task the contribution of the cell, in place of its former one.

        `asked` are names that a cell is about to read which the flow does not know yet.

        Raises:
            NbflowError: If the flow would not be valid then; it is as it was.
        """
        cell = self.cell
        cells = cells_of(flow)
        later = _TasksAfter(flow, self.key)
        if cell.looks_up:
            cell.below = _given_below(flow, self.key)
            cell.find_names(flow)

        def wanted(names: Collection[str]) -> set[str]:
            return _wanted_after(flow, self.key, names).union(asked)

        outputs = cell.roles(cell.given(flow), wanted(cell.by_the_way)).outputs
        before = _task_of(flow, self.key)
        taken = set() if before is None else _taken_names(flow, before)
        with (
            flow,
            cells.executing(
                self.key,
                cell.text.label,
                cell.shell.user_ns,
                source=f"{cell.text.magic}\n{cell.text.body}",
                reads={*cell.names.read, *([self.block] if self.block else [])},
                binds=outputs,
                cell_id=self.cell_id,
            ),
        ):
            above = _definitions_above(flow, self.key, cell.names.read)
            defined = cell.add_to(flow, self.name, self.block, later, wanted, above)
        if defined.task is not None:
            vars(defined.task.run)["define_again"] = lambda asked=(): self.add_to(flow, asked)
            old, new = None if before is None else function_of(before), function_of(defined.task)
            if old is not None and new is not None:
                old.give_way_to(new, taken)
        return defined


def ask_for(flow: Flow, cell: TaskCell, key: str) -> None:
    """Have cells above give what this one reads of names that they bind by the way: in a loop, under a condition."""
    names = cell.shell.user_ns
    missing = [n for n in cell.find_names(flow).read if n not in names or isinstance(names[n], Task)]
    nearest = _cells_above(flow, key)
    above: list[CellFunction] = []  # those looked at so far
    asked: dict[CellFunction, None] = {}
    for name in missing:
        for function in chain(above[:], _noting(nearest, above)):
            if name in function.outputs:
                break
            if name in function.spare:
                asked[function] = None
                break
    for function in asked:
        if function.define_again is not None:
            function.define_again(missing)


def note_definitions(flow: Flow, cell: TaskCell, key: str) -> None:
    """Note which functions and classes a cell has defined, and let each cell mean the ones above it.

    Where two cells define one name, the notebook has the one that was executed last; a cell between the two means
    the upper one.
    """
    own = {n: v for n, v in cell.own.items() if isinstance(v, (FunctionType, type))}
    defined = {n: v for n, v in own.items() if getattr(v, "__module__", None) == "__main__"}
    known = cells_of(flow).definitions
    before = known.get(key, {})
    known[key] = defined
    if not defined:
        del known[key]  # most cells define nothing
    several = {n for n in (*before, *defined) if sum(n in names for names in known.values()) > 1}
    if not several:
        return
    for task in flow.sorted_tasks():
        run = function_of(task)
        if run is not None and several.intersection(run.read):
            _repeat(run)


def _repeat(function: CellFunction) -> None:
    """Define a cell's task again; where it cannot be, the cell itself says why when it is executed."""
    if function.define_again is not None:
        with suppress(NbflowError):
            function.define_again()


def _definitions_above(flow: Flow, key: str, names: Iterable[str]) -> dict[str, Any]:
    """Return what the nearest cell above the cell `key` has defined, of the names that several cells define."""
    index = cells_of(flow).index
    known = cells_of(flow).definitions
    places = {other: index.place_of(other) for other in known if index.id_of(other) is not None}
    here = index.place_of(key)
    found = {}
    for name in names:
        defining = sorted((places[other], other) for other in places if name in known[other])
        above = [other for place, other in defining if place < here]
        if len(defining) > 1 and above and name not in known.get(key, {}):
            found[name] = known[above[-1]][name]
    return found


def repair_order(flow: Flow) -> None:
    """Define cells again that came after one which is gone, for the order of the two only."""
    for task in [*flow.tasks]:
        run = function_of(task)
        if run is not None and _has_lost_its_place(flow, task):
            _repeat(run)


def _has_lost_its_place(flow: Flow, task: Task) -> bool:
    return any(isinstance(e.upstream_task, PlaceholderTask) and e.key is None for e in flow.edges_in(task))


def tie_others(flow: Flow, task: Task, key: str) -> None:
    """Define again what `task` gives a new meaning: cells that missed a name it gives, or change what it reads.

    Names that cells take from each other follow by themselves; this is about what was not there to be taken, and
    about the order of those that look at a value and the one that changes it in place.
    """
    function = function_of(task)
    assert function is not None
    later = _TasksAfter(flow, key)
    after = {edge.downstream_task for edge in flow.edges_out(task)}
    versions = [edge.upstream_task for edge in flow.edges_in(task) if edge.key is not None]
    changing = {e.downstream_task for v in versions for e in flow.edges_out(v) if _changes(e.downstream_task, e.key)}
    using = {e.downstream_task for v in versions if is_resource(v) for e in flow.edges_out(v)}
    if using:
        changing |= using - below(flow, task)
    if function.sets:
        changing |= {t for t in later if function_of(t) is not None} - below(flow, task)
    looked_at = {*changing, *notable_cells(flow), *after}
    if cells_of(flow).dangling:
        looked_at.update(later)
    for other in flow.sorted_tasks() if looked_at - {task} else ():
        if other not in looked_at:
            continue
        run = function_of(other)
        if other is task or run is None or run.define_again is None:
            continue
        misses = not set(run.missing).isdisjoint(function.outputs)
        moves = other in changing and other in later and other not in after
        if misses or moves or (other in later and _is_tied_otherwise(flow, task, other)):
            _repeat(run)


def _task_of(flow: Flow, key: str) -> Task | None:
    """Return the task that the cell `key` was, before it is executed again."""
    index = cells_of(flow).index
    one = index.id_of(key)
    contribution = None if one is None else index.contributions.get(one)
    tasks = () if contribution is None else contribution.tasks
    return next((task for task in tasks if function_of(task) is not None), None)


def _taken_names(flow: Flow, task: Task) -> set[str]:
    """Return the names that a cell's task gives and that other tasks take."""
    outputs = vars(task)["run"].outputs
    if len(outputs) == 1:
        return {*outputs} if flow.edges_out(task) else set()
    items = {edge.downstream_task for edge in flow.edges_out(task)}
    return {name for name in outputs for one in items if one.name == f"{task.name}[{name!r}]" and flow.edges_out(one)}


def _is_tied_otherwise(flow: Flow, task: Task, other: Task) -> bool:
    """Tell whether the files of two cells say that another order holds than `other`, the lower one, was made with."""
    should = other.run.files.comes_after(task.run.files)  # type: ignore[attr-defined]
    keys = [edge.key for edge in flow.edges_out(task) if edge.downstream_task is other]
    return _has_lost_its_place(flow, other) or (not keys if should else None in keys)


def _functions_of(contributions: Iterable[Contribution]) -> Iterator[CellFunction]:
    for contribution in contributions:
        for task in contribution.tasks:
            run = function_of(task)
            if run is not None:
                yield run


def _cells_above(flow: Flow, key: str) -> Iterator[CellFunction]:
    """Give the cells that come before the cell `key`, the nearest first."""
    index = cells_of(flow).index
    return _functions_of(reversed([*index.contributions.values()][: index.place_of(key)]))


def _wanted_after(flow: Flow, key: str, names: Collection[str]) -> set[str]:
    """Return those of `names` that cells below the cell `key` read, and no cell between gives."""
    wanted: set[str] = set()
    index = cells_of(flow).index
    open_names = set(names)
    if not open_names:
        return wanted
    for function in _functions_of([*index.contributions.values()][index.place_of(key) + 1 :]):
        wanted.update(open_names.intersection(function.read))
        open_names.difference_update(function.outputs, wanted)
        if not open_names:
            break
    return wanted


def _noting(functions: Iterator[CellFunction], seen: list[CellFunction]) -> Iterator[CellFunction]:
    for function in functions:
        seen.append(function)
        yield function


def _changes(task: Task, name: str | None) -> bool:
    run = function_of(task)
    return run is not None and name in run.changes


def _given_below(flow: Flow, key: str) -> set[str]:
    """Return the names that only the cell `key` itself and cells below it give."""
    index = cells_of(flow).index
    here = index.place_of(key)
    return {name for name, binders in index.binders.items() if all(index.position[b] >= here for b in binders)}


class _TasksAfter(Collection[Task]):
    """The tasks of the cells that come after the cell `key`; one is found without a look at the others."""

    def __init__(self, flow: Flow, key: str) -> None:
        self._index = cells_of(flow).index
        self._place = self._index.place_of(key)

    def __contains__(self, task: object) -> bool:
        owner = self._index.owners.get(task)  # type: ignore[call-overload]
        if owner is not None:
            return bool(self._index.position[owner] > self._place)
        return any(task is one for one in self)  # no cell has made it, but one may have it

    def __iter__(self) -> Iterator[Task]:
        for contribution in [*self._index.contributions.values()][self._place + 1 :]:
            yield from contribution.tasks

    def __len__(self) -> int:
        return sum(1 for _ in self)
