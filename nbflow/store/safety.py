"""How a value can be kept while the run goes on: as it is, as a copy, or only before anything else happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import package_of
from nbflow.core.effects.mutation import MISSING, may_change
from nbflow.errors import CannotCopyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

SMALL = 100_000
LARGEST_COPY = 64 << 20
_COPIED_IN_BULK = ("numpy", "pandas")


class Safety:
    """Knows which values of a run somebody may change while it goes on.

    A value may be in what the tasks below return, and it may be, or hold, a part of what its task was given. So the
    tasks that take something from below count, and those that take the values from above.

    Args:
        graph: The graph of the run.
        value_of: Returns the value of a task; raises if it is not there.
    """

    def __init__(self, graph: CompiledGraph, value_of: Callable[[Task], Any]) -> None:
        self._graph = graph
        self._value_of = value_of
        self._takers: list[list[tuple[int, str, bool]]] = [[] for _ in graph.tasks]
        for node in range(len(graph.tasks)):
            for edge in graph.edges_in[node]:
                if edge.key is not None:
                    self._takers[graph.index[edge.upstream_task]].append((node, edge.key, bool(edge.mapped)))
        self._below: list[bool] | None = None
        self._above: dict[int, bool] = {}
        self._dirty: dict[int, tuple[int, bool]] = {}

    def redefined(self) -> None:
        """Look again: a task has got another function."""
        self._below = None
        self._above.clear()
        self._dirty.clear()

    def may_be_changed(self, task: Task, value: Any) -> bool:
        """Tell whether a task may change the value of another one in place, or something in it."""
        if is_fixed(value):
            return False
        node = self._graph.index[task]
        return self._is_changed_below(node, value) or self._is_changed_above(node)

    def _is_changed_below(self, node: int, value: Any) -> bool:
        if self._below is None:
            self._below = self._look_below()
        return any(
            self._below[taker] or may_change(self._graph.tasks[taker].run, key, MISSING if mapped else value)
            for taker, key, mapped in self._takers[node]
        )

    def _look_below(self) -> list[bool]:
        """Say of each task whether some task may change what is in the value that it will return."""
        found = [False] * len(self._graph.tasks)
        for node in range(len(found) - 1, -1, -1):  # what is below comes first
            found[node] = any(
                found[taker] or may_change(self._graph.tasks[taker].run, key) for taker, key, _ in self._takers[node]
            )
        return found

    def _is_changed_above(self, node: int) -> bool:
        """Say of a task whether some task may change what it was given, or what was in that."""
        pending = [node]
        while pending:  # they may be more than functions can be nested
            one = pending[-1]
            ups = {self._graph.index[e.upstream_task] for e in self._graph.edges_in[one] if e.key is not None}
            left = [up for up in ups if up not in self._above]
            if left:
                pending += left
                continue
            self._above[one] = any(map(self._is_dirty, ups))
            pending.pop()
        return self._above[node]

    def _is_dirty(self, up: int) -> bool:
        try:
            value = self._value_of(self._graph.tasks[up])
        except Exception:  # noqa: BLE001 - it is not there, or not any more
            value = MISSING
        if value is MISSING or is_fixed(value):
            return value is MISSING
        what, dirty = self._dirty.get(up, (0, False))
        if what != id(value):
            dirty = self._above[up] or self._is_changed_below(up, value)
            self._dirty[up] = id(value), dirty
        return dirty


def copied_ahead(value: Any) -> Any:
    """Return a copy of a value if that costs next to nothing.

    Raises:
        CannotCopyError: If there is none, or it is large: it takes about as long to pickle it.
    """
    is_bulk = package_of(value) in _COPIED_IN_BULK
    copied = copy_ahead(value, LARGEST_COPY if is_bulk else SMALL)
    if copied is value:
        raise CannotCopyError("its copy is the thing itself")
    return copied
