"""Tasks that cells became keep the order of their cells where one reads a file that another wrote in an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.file_history import FileHistory, is_cell, tie
from nbflow.engine.run_history import match

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.files import TaskFiles

_MOST_RUNS = 5


def keep_order_of_cells(graph: CompiledGraph, runs: Sequence[Any]) -> None:
    """Let cells' tasks come after those that wrote what they read, as far as earlier runs have seen it.

    The runs come oldest first. Of each task the newest counts in which it ended well.
    """
    known = [run for run in [*runs][: -_MOST_RUNS - 1 : -1] if run._execution.record.files]
    if not known or not any(is_cell(graph, node) for node in range(len(graph.tasks))):
        return
    files: list[TaskFiles | None] = [None] * len(graph.tasks)
    left = set(range(len(graph.tasks)))
    for run in known:
        then = match(graph, run.graph)
        for node in [*left]:
            old = then[node]
            if old is not None and run.states[old].is_successful():
                files[node] = run._execution.record.files.of(old)
                left.discard(node)
    tie(graph, FileHistory(files), only_cells=True)
