"""The order of the tasks of cells where no name ties them: who looks at a value comes before who changes it.

So does a cell that sets something for all below it, one that writes a file before those that read it, and each user
of a resource before the next one.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from nbflow.core.block import Block
from nbflow.core.graph_edit import in_order
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.source.cell_files import NO_NAMES
from nbflow.notebook.taskcell.cell_function import function_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from nbflow.core.task import Task
    from nbflow.flow import Flow
    from nbflow.notebook.taskcell.cell_function import CellFunction


def comes_after(flow: Flow, task: Task, inputs: Mapping[str, Task], later: Collection[Task]) -> list[Task]:
    """Return the tasks that a new task of a cell comes after although it takes no value of them.

    Its inputs are given by name; `later` are the tasks of the cells below.
    """
    function = function_of(task)
    assert function is not None
    first = dict.fromkeys(_readers(flow, [inputs[n] for n in function.changes]))
    first |= dict.fromkeys(_sharing_files(flow, function))
    for resource in filter(is_resource, inputs.values()):
        first |= dict.fromkeys(_users_above(flow, resource, later))
    producers = {*inputs.values(), *first}
    for setter in _setters_above(flow, task, later):
        # One that needs what this cell needs cannot come before it: that would be a cycle.
        if setter not in producers and below(flow, setter).isdisjoint(producers):
            first[setter] = None
    return list(first)


def is_resource(task: Task) -> bool:
    """Tell whether a task is one that sets a block's resource up."""
    block = vars(task).get("block")
    return isinstance(block, Block) and any(task is one for one in block.lifecycle)


def giving_cell(flow: Flow, task: Task) -> CellFunction | None:
    """Return the cell that gives the value of a task: its own, or that of the task which it takes a name from."""
    if task not in flow.tasks:
        return None
    for one in (task, *(edge.upstream_task for edge in flow.edges_in(task))):
        run = function_of(one)
        if run is not None:
            return run
    return None


def notable_cells(flow: Flow) -> list[Task]:
    """Return the tasks of cells that other cells may have to come before or after although no name ties them."""
    cells = cells_of(flow)
    if cells.notable is None:
        known = {*flow.tasks, *(task for c in cells.index.contributions.values() for task in c.tasks)}
        cells.notable = weakref.WeakSet(task for task in known if _is_notable(function_of(task)))
    return in_order(flow, cells.notable)


def note_if_notable(flow: Flow, task: Task) -> None:
    """Keep `notable_cells` up to date with a task that has been made."""
    cells = cells_of(flow)
    if cells.notable is not None and _is_notable(function_of(task)):
        cells.notable.add(task)


def _is_notable(function: CellFunction | None) -> bool:
    return function is not None and bool(function.sets or function.missing or function.files != NO_NAMES)


def below(flow: Flow, task: Task) -> set[Task]:
    """Return the tasks that come after a task, themselves or through others."""
    found: set[Task] = set()
    pending = [task]
    while pending:
        for edge in flow.edges_out(pending.pop()):
            if edge.downstream_task not in found:
                found.add(edge.downstream_task)
                pending.append(edge.downstream_task)
    return found


def _readers(flow: Flow, versions: Sequence[Task]) -> list[Task]:
    """Return the tasks that take one of `versions`: they come first, before it is changed in place."""
    edges = (edge for version in versions for edge in flow.edges_out(version) if edge.key is not None)
    return list(dict.fromkeys(edge.downstream_task for edge in edges))


def _sharing_files(flow: Flow, function: CellFunction) -> list[Task]:
    """Return the tasks that come first because of a file which both name, if their cells are above."""
    if function.files == NO_NAMES:
        return []
    others = ((task, function_of(task)) for task in notable_cells(flow))
    return [task for task, run in others if run is not None and function.files.comes_after(run.files)]


def _users_above(flow: Flow, resource: Task, later: Collection[Task]) -> list[Task]:
    """Return the cells above that use a resource, without those that come before another one of them."""
    users = [t for t in _readers(flow, [resource]) if function_of(t) is not None and t not in later]
    earlier = {edge.upstream_task for user in users for edge in flow.edges_in(user)}
    return [user for user in users if user not in earlier]


def _setters_above(flow: Flow, task: Task, later: Collection[Task]) -> list[Task]:
    """Return the cells above that set something for all cells below."""
    others = ((one, function_of(one)) for one in notable_cells(flow))
    return [one for one, run in others if run is not None and run.sets and one is not task and one not in later]
