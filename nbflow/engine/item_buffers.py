"""Iterators that several tasks take, or one task several times: each taker gets all items (docs/reruns.md, rule V3).

An iterator is used up by its first taker. So a buffer takes its place, in the states too, and hands all items out
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.shared_iterator import ItemBuffer
from nbflow.core.data.value_type import has_method
from nbflow.engine.object_versions import with_children

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

_NOT_A_SEQUENCE = ("read", "readline", "fetchone", "execute", "recv")


class ItemBuffers:
    """The buffers of a run's iterators, `found` by the identity of the iterator and of what took its place."""

    def __init__(self, graph: CompiledGraph, states: Mapping[Task, State]) -> None:
        self._graph, self._states = graph, states
        self.found: dict[int, tuple[Any, ItemBuffer]] = {}

    def items_of(self, task: Task, value: Any) -> Iterator[Any]:
        """Return all items of an iterator that a task gave; whoever else takes it gets all of them too."""
        buffer = self.find(task, value, comes_again=True)
        return iter(value) if buffer is None else buffer.take()

    def find(self, task: Task, value: Any, *, comes_again: bool) -> ItemBuffer | None:
        """Return what hands out all items of an iterator to each that takes it; None where one taker is all it has."""
        known = self.found.get(id(value))
        if known is not None:
            return known[1]
        # A file or a cursor gives items too, but its takers want what else it can do.
        if any(has_method(value, name) for name in _NOT_A_SEQUENCE):
            return None
        if not (comes_again or self._is_taken_often(task)):
            return None
        buffer = ItemBuffer(value)
        view = buffer.take()
        # By both: the states give the view from now on, but a list or an earlier run may hold the iterator itself.
        self.found[id(value)] = value, buffer
        self.found[id(view)] = view, buffer
        for state in self._states.values():  # for all who take it from now on
            for one in with_children(state):
                if vars(one).get("result") is value:
                    one.result = view
        return buffer

    def _is_taken_often(self, task: Task) -> bool:
        takers = self._graph.takers(task)
        # The cells of a notebook go on where the cell above has stopped, as they do without a flow.
        return len(takers) > 1 and not any(hasattr(vars(taker).get("run"), "changes") for taker in takers)
