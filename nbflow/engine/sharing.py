"""A value that a task changes in place and another one takes too, with nothing that says which comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph


def unordered_takers(graph: CompiledGraph, task: Task, source: Task) -> list[Task]:
    """Return the tasks that take the value of `source` as well, and come neither before nor after `task`.

    Cells that were made tasks are left out: their order is that of the notebook.
    """
    takers = dict.fromkeys(graph.takers(source))
    if any(hasattr(vars(taker).get("run"), "changes") for taker in takers):
        return []
    number = graph.index[task]
    around = {number, *graph.above(number), *_below(graph, number)}
    return [taker for taker in takers if graph.index[taker] not in around]


def said_of_sharing(task: Task, key: str, source: Task, others: Sequence[Task]) -> str:
    """Return the warning: who changes what, who takes it too, and what can be done."""
    names = ", ".join(repr(other.name) for other in others[:3])
    return (
        f"task {task.name!r} changes its argument {key!r} in place, the value of {source.name!r}, which {names} takes "
        f"too: nothing says which comes first. Take what {task.name!r} returns, or order them with "
        f"upstream_tasks=[...], or let it change a copy: @task(inputs='copy')"
    )


def _below(graph: CompiledGraph, number: int) -> set[int]:
    found = {number}
    for node in range(number + 1, len(graph.tasks)):  # in topological order
        if not found.isdisjoint(graph.upstream[node]):
            found.add(node)
    return found
