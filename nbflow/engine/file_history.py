"""What the files of an earlier run mean for a graph: which task is stale, which must write its files again, who waits.

The tasks count in start order, as a fresh run calls them. A task that reads a file sees the version of the last task
before it that wrote it. Pure, but for looking how the files are now.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.edge import Edge
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.files import FileState, difference, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.files import TaskFiles


class _Touch(NamedTuple):
    """What a task did to a file."""

    node: int
    reads: bool
    writes: FileState | None
    makes: bool


class FileHistory:
    """The files of the tasks of a graph.

    Args:
        files: Those of each node; None for a task that has none, or is new.
        vanished: What the earlier run has taken away itself.
    """

    def __init__(self, files: Sequence[TaskFiles | None], vanished: Collection[str] = ()) -> None:
        self._files, self._vanished = files, vanished
        self._changes: dict[tuple[str, FileState], str] = {}
        self._touches: dict[str, list[_Touch]] = defaultdict(list)
        for node, one in enumerate(files):
            if one is None:
                continue
            for path in {**one.inputs, **one.outputs}:
                touch = _Touch(node, path in one.inputs, one.outputs.get(path), path in one.made)
                self._touches[path].append(touch)

    def change(self, node: int) -> str:
        """Return what has changed about the files that a task read, in words; empty: nothing.

        What tasks after it have made of them in the same run is no change.
        """
        files = self._files[node]
        for path, state in files.inputs.items() if files is not None else ():
            if path in self._vanished:
                continue
            after = (one.writes for one in reversed(self._touches[path]) if one.node >= node)
            expected = next((written for written in after if written is not None), state)
            if how := self._difference(path, expected):
                return f"file {shown(path)!r} {how}"
        return ""

    def needs(self, node: int) -> tuple[tuple[int, str], ...]:
        """Return which tasks have to write their files again if this one runs, and why."""
        files = self._files[node]
        found: dict[int, str] = {}
        for path in {**files.inputs, **files.outputs} if files is not None else ():
            touches = self._touches[path]
            place = next(i for i, one in enumerate(touches) if one.node == node)
            if not self._goes_on(touches, place):
                continue
            writer = next((one for one in reversed(touches[:place]) if one.writes is not None), None)
            if writer is None or writer.writes is None:
                continue
            if how := self._difference(path, writer.writes):
                found.setdefault(writer.node, f"file {shown(path)!r} {how}")
        return tuple(found.items())

    def ties(self) -> Iterator[tuple[int, int, bool]]:
        """Find who comes after whom: (node, node below, whether that one needs what the other has written)."""
        for touches in self._touches.values():
            if len(touches) == 1:
                continue
            sources: list[int] = []
            readers: list[int] = []
            for place, one in enumerate(touches):
                goes_on = self._goes_on(touches, place)
                if goes_on or one.makes:
                    yield from ((up, one.node, goes_on) for up in sources)
                if one.makes and sources and not goes_on:
                    yield from ((up, one.node, False) for up in readers)
                if one.makes:
                    sources, readers = [], []
                if one.writes is not None:
                    sources.append(one.node)
                else:
                    readers.append(one.node)

    @staticmethod
    def _goes_on(touches: list[_Touch], place: int) -> bool:
        """Tell whether a task needs the file as those before it have left it.

        Whoever only adds to a file, or removes it, needs that if one of them made it: nobody makes a log.
        """
        one = touches[place]
        return one.reads or (not one.makes and any(other.makes for other in touches[:place]))

    def _difference(self, path: str, state: FileState) -> str:
        key = path, state
        if key not in self._changes:
            self._changes[key] = difference(path, state)
        return self._changes[key]


def tie(graph: CompiledGraph, history: FileHistory, *, only_cells: bool = False) -> None:
    """Let tasks of `graph` that read a file come after those that wrote it.

    With `only_cells` those alone that cells became, whose order is that of the cells.
    """
    ties = dict.fromkeys(graph.file_ties)
    for up, down, needs in history.ties():
        if graph.role[up] != ORDINARY or graph.role[down] != ORDINARY:
            continue
        if only_cells and not (is_cell(graph, up) and is_cell(graph, down)):
            continue
        ties[up, down] = None
        if needs and graph.is_plain[down] and not _comes_after(graph, down, up):
            edge = Edge(graph.tasks[up], graph.tasks[down])
            graph.file_edges.add(edge)
            graph.add_edge(edge)
    graph.file_ties = tuple(ties)


def is_cell(graph: CompiledGraph, node: int) -> bool:
    """Tell whether a task is one that a cell became."""
    return getattr(vars(graph.tasks[node]).get("run"), "keeps_order", False) is True


def _comes_after(graph: CompiledGraph, node: int, other: int) -> bool:
    seen, left = {node}, [node]
    while left:
        for up in graph.upstream[left.pop()]:
            if up == other:
                return True
            if up > other and up not in seen:  # the others come before it
                seen.add(up)
                left.append(up)
    return False
