"""The rules that blocks add to a graph: which tasks are its last, who waits for whom, and who may take a resource."""

from __future__ import annotations

from graphlib import CycleError as GraphlibCycleError
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from nbflow.core.operators import GetItem, Operator
from nbflow.core.resource_tasks import ResourceCleanupTask, ResourceInitTask
from nbflow.errors import ResourceScopeError, UnevenBlockError

if TYPE_CHECKING:
    from nbflow.core.block import Block
    from nbflow.core.graph import Graph
    from nbflow.core.task import Task


def default_reference_tasks(graph: Graph) -> set[Task]:
    """Return the last tasks of a graph, where a block's cleanup does not count as coming after."""
    # While a block is open its setup is not tied to what is inside, and comes before it all the same.
    before = {block.setup_task for block in graph.blocks if block.members}
    before |= {
        edge.upstream_task for edge in graph._edge_list if not isinstance(edge.downstream_task, ResourceCleanupTask)
    }
    left = graph._tasks - before
    return {task for task in left if not isinstance(task, (ResourceInitTask, ResourceCleanupTask))}


def circular_wait(graph: Graph) -> tuple[str, ...]:
    """Return the names of tasks that wait for each other because of their blocks; empty if there are none.

    What is inside of a block waits for its setup (without one, for its init), and its cleanup for what is inside,
    also where no edge says so.
    """
    waits_for: dict[Task, set[Task]] = {
        task: {edge.upstream_task for edge in graph.edges_in(task)} for task in graph.tasks
    }
    for block in graph.blocks:
        if not waits_for.keys() >= set(block.lifecycle):
            continue
        inside = [task for task in block.members if task in waits_for]
        for task in inside:
            waits_for[task].add(block.setup_task or block.init_task)
        waits_for[block.cleanup_task].update(inside)
    try:
        TopologicalSorter(waits_for).prepare()
    except GraphlibCycleError as error:
        circle: list[Task] = error.args[1]
        return tuple(task.name for task in circle)
    return ()


def check_mapping(graph: Graph) -> None:
    """Refuse a block with a mapped setup and one init, or the other way round.

    Raises:
        UnevenBlockError: If there is such a block.
    """
    if not graph._answer("has maps", lambda: any(edge.mapped for edge in graph.edges)):
        return
    for block in graph.blocks:
        if block.setup_task is None or not graph.tasks.issuperset(block.lifecycle):
            continue
        pair = (block.init_task, block.setup_task)
        over = {task: edge.upstream_task for task in pair for edge in graph.edges_in(task) if edge.mapped}
        if len(over) == 1:
            ((mapped, up),) = over.items()
            other = next(task for task in pair if task is not mapped)
            raise UnevenBlockError(mapped.name, up.name, other.name)


def check_scope(graph: Graph) -> None:
    """Refuse a task that takes the resource of a block it is not inside.

    A value that was derived from the resource by a task inside may leave the block.

    Raises:
        ResourceScopeError: If there is such a task; the first in start order is named.
    """
    home: dict[Task, Block] = {}
    for block in graph.blocks:
        if block.setup_task is None or block.setup_task not in graph.tasks:
            continue
        taking = {edge.downstream_task for edge in graph.edges_out(block.setup_task) if edge.key is not None}
        taking -= block._members.keys()
        taking.discard(block.cleanup_task)
        if not taking:
            continue
        if not home:
            home = {task: one for one in graph.blocks for task in one.members}
            home |= {one.cleanup_task: one for one in graph.blocks}
        strangers = {task for task in taking if task not in home or block not in home[task]._around()}
        if strangers:
            first = next(task for task in graph.sorted_tasks() if task in strangers)
            raise ResourceScopeError(*_as_written(graph, first), block.name)


def _as_written(graph: Graph, task: Task) -> tuple[str, str | None]:
    """Return the name of the task that a user wrote, and that of the one made for it that takes the resource."""
    if not (task.auto_generated or isinstance(task, (Operator, GetItem))):
        return task.name, None
    below = [one for one in graph.sorted_tasks(root_tasks=[task]) if not isinstance(one, (Operator, GetItem))]
    written = next((one for one in below if not one.auto_generated and one is not task), None)
    if written is None or isinstance(written, ResourceCleanupTask):
        return task.name, None
    return written.name, None if task.auto_generated else task.name
