"""What a result depends on besides the values of other tasks: the task's code, and how its arguments are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.collections import Constant
from nbflow.core.data.fingerprint import fingerprint

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph


def inputs_of(graph: CompiledGraph, task: Task) -> dict[str, str]:
    """Say of each argument which task it comes from, or which constant it is (as a fingerprint).

    Edges that only say what comes first do not count: they change no value.
    """
    found = {key: f"constant {fingerprint(value)}" for key, value in graph.constants.get(task, {}).items()}
    for edge in graph.edges_in[graph.index[task]]:
        if edge.key is None and not edge.mapped:
            continue
        upstream = edge.upstream_task
        if isinstance(upstream, Constant):
            source = f"constant {fingerprint(upstream.value)}"
        else:
            source = f"task {graph.slugs[upstream]}"
        how = " mapped" * bool(edge.mapped) + " flattened" * bool(edge.flattened)
        found[edge.key or f"({source})"] = source + how
    return found
