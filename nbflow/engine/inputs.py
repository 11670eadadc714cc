"""The inputs of a task: its arguments, and the states its trigger sees. Mapping and flattening are here."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.edge import Edge
from nbflow.core.states import Failed, Mapped, Skipped, State, Success
from nbflow.engine.elements import all_elements, element, elements, is_iterator, is_mappable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

NOTHING_TO_MAP = "No upstream states can be mapped over."
UNMAPPABLE = "At least one upstream state has an unmappable result."


class Inputs:
    """Reads the states of a run on behalf of its tasks; keeps flattened lists so that they are made once.

    Args:
        items_of: Returns all items of an iterator that a task gave, whoever else takes them.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        states: dict[Task, State],
        items_of: Callable[[Task, Any], Iterator[Any]] | None = None,
    ) -> None:
        self._graph, self._states, self._items_of = graph, states, items_of
        self._flat: dict[Edge, list[State]] = {}
        self._items: dict[Edge, Sequence[Any]] = {}  # what is mapped over, element by element
        self._plans: dict[int, tuple[list[State], int | State]] = {}  # of maps, and from which states
        self._constant_states: dict[Task, dict[Edge, State]] = {}

    def values(self, node: int, child: int = -1) -> dict[str, Any]:
        """Return the arguments of a task, or of one child of a mapped task."""
        states = self._states
        task = self._graph.tasks[node]
        constants = self._graph.constants.get(task)
        found = dict(constants) if constants else {}
        for edge in self._graph.edges_in[node]:
            if edge.key is None:
                continue
            if edge.mapped or edge.flattened:
                found[edge.key] = self.value(edge, child)
            else:
                found[edge.key] = states[edge.upstream_task].result
        return found

    def value(self, edge: Edge, child: int = -1) -> Any:
        """Return what comes along an edge."""
        if not (edge.mapped or edge.flattened):
            return self._states[edge.upstream_task].result
        items = self._items.get(edge)
        return items[child] if items is not None and child >= 0 else self._state(edge, child).result

    def states(self, node: int, child: int = -1) -> dict[Edge, State]:
        """Return the upstream states of a task by edge, those of its constants included."""
        found = {edge: self._state(edge, child) for edge in self._graph.edges_in[node]}
        task = self._graph.tasks[node]
        constants = self._graph.constants.get(task)
        if constants:
            if task not in self._constant_states:
                self._constant_states[task] = {
                    Edge(Constant(value), task, key=key): Success(result=value) for key, value in constants.items()
                }
            found.update(self._constant_states[task])
        return found

    def plan_map(self, node: int) -> int | State:
        """Return how many children a mapped task gets, or the state it ends in because it cannot be mapped.

        May be asked again: the user's values are looked at once, unless others took their place.
        """
        edges = [edge for edge in self._graph.edges_in[node] if edge.mapped]
        states = [self._states[edge.upstream_task] for edge in edges]
        known = self._plans.get(node)
        if known is None or any(a is not b for a, b in zip(known[0], states, strict=True)):
            for edge in edges:
                self._flat.pop(edge, None)
            known = self._plans[node] = states, self._plan_map(node)
        return known[1]

    def forget(self, task: Task) -> None:
        """Let go of what was kept of a task's value."""
        for edge in [edge for edge in (*self._items, *self._flat) if edge.upstream_task is task]:
            self._items.pop(edge, None)
            self._flat.pop(edge, None)
        for node in tuple(self._plans):
            if any(edge.upstream_task is task for edge in self._graph.edges_in[node]):
                del self._plans[node]

    def _plan_map(self, node: int) -> int | State:
        lengths: dict[Edge, int] = {}
        endless: list[Edge] = []  # or not: an iterator has no length
        for edge in self._graph.edges_in[node]:
            state = self._states[edge.upstream_task]
            if not edge.mapped or not state.is_successful():
                continue
            if not isinstance(state, Mapped) and not is_mappable(state.result):
                return Failed(UNMAPPABLE)
            if not (edge.flattened or isinstance(state, Mapped)) and is_iterator(state.result):
                endless.append(edge)
                continue
            try:
                lengths[edge] = self._length(edge, state)
            except Exception as error:  # noqa: BLE001 - it has no length, or breaks while it is flattened
                return Failed(UNMAPPABLE, result=error)
        for edge in endless:
            shortest = min(lengths.values(), default=None)
            try:
                self._items[edge] = list(islice(self._all_of(edge), shortest))
            except Exception as error:  # noqa: BLE001 - what it is made by breaks off
                return Failed(UNMAPPABLE, result=error)
            lengths[edge] = len(self._items[edge])
        if not lengths:
            return Failed(NOTHING_TO_MAP)
        count = min(lengths.values())
        for edge in lengths:
            state = self._states[edge.upstream_task]
            if edge.flattened or isinstance(state, Mapped) or edge in endless:
                continue
            try:  # here and not child by child, which might take the same element twice
                self._items[edge] = elements(state.result, count)
            except Exception as error:  # noqa: BLE001 - a dictionary, perhaps, that has no such keys
                return Failed(UNMAPPABLE, result=error)
        return count

    def _all_of(self, edge: Edge) -> Iterator[Any]:
        """Return the items of the iterator that comes along an edge."""
        value = self._states[edge.upstream_task].result
        items: Iterator[Any] = value if self._items_of is None else self._items_of(edge.upstream_task, value)
        return items

    def _length(self, edge: Edge, state: State) -> int:
        if edge.flattened:
            return len(self._flattened(edge))
        return len(state.map_states if isinstance(state, Mapped) else state.result)

    def _state(self, edge: Edge, child: int) -> State:
        state = self._states[edge.upstream_task]
        if edge.mapped and child >= 0:
            if edge.flattened:
                return self._flattened(edge)[child] if state.is_successful() else state
            if isinstance(state, Mapped):
                return state.map_states[child]
            if not state.is_successful():
                return state
            items = self._items.get(edge)
            try:
                return Success(result=element(state.result, child) if items is None else items[child])
            except Exception as error:  # noqa: BLE001 - the children were given, and this is none to map over
                return Failed(UNMAPPABLE, result=error)
        if edge.flattened and state.is_successful():
            # As in the ancestor, one skipped child below a flatten stands for the whole list.
            if isinstance(state, Mapped) and any(one.is_skipped() for one in state.map_states):
                return Skipped("A child was skipped.", result=self._joined(edge))
            return Success(state.message, result=self._joined(edge))
        return state

    def _flattened(self, edge: Edge) -> list[State]:
        flat = self._flat.get(edge)
        if flat is None:
            flat = self._flat[edge] = list(self._flatten(edge.upstream_task))
        return flat

    def _flatten(self, task: Task) -> list[State]:
        state = self._states[task]
        if not isinstance(state, Mapped):
            return [Success(result=value) for value in self._unnested(task, state.result)]
        flat: list[State] = []
        for child in state.map_states:
            if child.is_successful() and not child.is_skipped() and hasattr(child.result, "__iter__"):
                flat.extend(Success(result=value) for value in self._inside(task, child.result))
            else:
                flat.append(child)
        return flat

    def _joined(self, edge: Edge) -> Any:
        state = self._states[edge.upstream_task]
        if isinstance(state, Mapped):
            return [s.result for s in self._flatten(edge.upstream_task)]
        return self._unnested(edge.upstream_task, state.result)

    def _unnested(self, task: Task, value: Any) -> Any:
        if is_iterator(value):
            value = list(self._inside(task, value))
        try:
            return [item for inner in all_elements(value) for item in self._inside(task, inner)]
        except Exception:  # noqa: BLE001 - not nested, whatever it says about that: it stays as it is
            return value

    def _inside(self, task: Task, value: Any) -> Iterable[Any]:
        if is_iterator(value) and self._items_of is not None:
            return self._items_of(task, value)
        return all_elements(value)
