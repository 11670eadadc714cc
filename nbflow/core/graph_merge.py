"""Changes of a graph as a whole: a task in the place of another one, and the tasks and blocks of another graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.block import Block, copied_blocks
from nbflow.core.collections import as_task
from nbflow.core.context import context, thread
from nbflow.core.parameter import Parameter
from nbflow.core.task import Task
from nbflow.errors import OptionError

if TYPE_CHECKING:
    from nbflow.core.graph import Graph


def take_blocks(graph: Graph) -> None:
    """Give the graph the blocks of the tasks that it was made with, as far as all three of a block are there."""
    of_init: dict[Task, Block] = {}
    for task in graph._tasks:
        block: Block | None = vars(task).get("block")
        if block is not None and graph._tasks.issuperset(block.lifecycle):
            of_init[block.init_task] = block
    found = list(of_init.values())
    if not found:
        return
    graph.blocks += copied_blocks(found, graph)
    for block in found:
        for task in block.tasks:
            if task in graph._declared and (values := block.flow.constants.get(task)):
                taken = {edge.key for edge in graph._in[task]}
                graph.constants[task].update({k: v for k, v in values.items() if k not in taken})


def replace_task(graph: Graph, old: Task, new: Any, validate: bool) -> None:
    """Carry out `Graph.replace`."""
    graph._known(old)
    if new is old:
        return
    was_here = issubclass(type(new), Task) and new in graph._tasks
    for block in graph.blocks if was_here else ():
        if block.is_lifecycle(old):
            raise OptionError(
                f"{new!r} is in the flow already, so it cannot take the place of {old!r} in block {block.name!r}; "
                "give a task of its own"
            )
    # It goes where the old one was, and not into the block or case that is open here.
    with context(case=None, resource=None):
        new = as_task(new, flow=graph)
    affected = [edge for edge in graph._edge_list if edge.upstream_task is old or edge.downstream_task is old]
    graph._tasks.discard(old)
    if graph._made is not None:  # it was added: nothing to warn of
        graph._made.pop(old, None)
    graph._edges.difference_update(affected)
    with context(case=None, resource=None):
        graph.add_task(new)
    if old in graph.constants:
        graph.constants[new] = {**graph.constants.pop(old), **graph.constants.get(new, {})}
    for edge in affected:
        upstream, downstream = (new if t is old else t for t in (edge.upstream_task, edge.downstream_task))
        graph.add_edge(upstream, downstream, edge.key, edge.mapped, edge.flattened)
    if old in graph._reference_tasks:
        graph._reference_tasks = {new if task is old else task for task in graph._reference_tasks}
    for block in graph.blocks:
        if was_here:
            block.discard(old)
        else:
            block.replace(old, new)
    case = thread.data.get("case")
    if case is not None:
        case.replace(old, new, is_member=not was_here)
    if validate:
        graph.validate()


def merge(
    graph: Graph, other: Graph, merge_parameters: bool, validate: bool | None, merge_reference_tasks: bool
) -> None:
    """Carry out `Graph.update`."""
    references = graph.reference_tasks() | other.reference_tasks() if merge_reference_tasks else set()
    same_name = {p.name: p for p in graph.parameters()} if merge_parameters else {}
    inside = {task for block in other.blocks for task in block.members}
    for task in other.tasks:
        if task in graph._tasks:
            continue
        if isinstance(task, Parameter) and task.name in same_name:
            references.discard(same_name[task.name])
            graph.replace(same_name[task.name], task, validate=False)
        elif task in inside:
            # It has its block: that is nested in the one that is open, with all that is in it.
            with context(resource=None):
                graph.add_task(task)
        else:
            graph.add_task(task)
    for edge in other.edges:
        if edge not in graph._edges:
            graph.add_edge(edge.upstream_task, edge.downstream_task, edge.key, edge.mapped, edge.flattened, validate)
    for task, values in other.constants.items():
        graph.constants[task].update(values)
    if other.blocks and other is not graph:
        _bring_blocks(graph, other)
    if merge_reference_tasks:
        graph.set_reference_tasks(references)
    graph._changed()


def _bring_blocks(graph: Graph, other: Graph) -> None:
    known = {block.init_task: block for block in graph.blocks}
    for block in other.blocks:
        if block.init_task in known:
            known[block.init_task].take_over(block)
    outer = thread.data.get("resource")
    new = [block for block in other.blocks if block.init_task not in known]
    graph.blocks += copied_blocks(new, graph, outer if isinstance(outer, Block) else None)
