"""What a task gets from upstream: its arguments, and the states its trigger sees. Mapping and flattening are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.edge import Edge
from nbflow.core.states import Failed, Mapped, Skipped, State, Success

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.core.task import Task
    from nbflow.engine.frozen import FrozenGraph

NOTHING_TO_MAP = "No upstream states can be mapped over."
UNMAPPABLE = "At least one upstream state has an unmappable result."


class Inputs:
    """Reads the states of a run on behalf of its tasks; keeps flattened lists so that they are made once."""

    def __init__(self, graph: FrozenGraph, states: dict[Task, State]) -> None:
        self._graph = graph
        self._states = states
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
                    Edge(Constant(value), task, key=key): Success(result=value)
                    for key, value in constants.items()
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
        lengths = {}
        for edge in self._graph.edges_in[node]:
            state = self._states[edge.upstream_task]
            if not edge.mapped or not state.is_successful():
                continue
            if not isinstance(state, Mapped) and not hasattr(state.result, "__getitem__"):
                return Failed(UNMAPPABLE)
            try:
                lengths[edge] = self._length(edge, state)
            except Exception as error:  # noqa: BLE001 - it has no length, or breaks while it is flattened
                return Failed(UNMAPPABLE, result=error)
        if not lengths:
            return Failed(NOTHING_TO_MAP)
        count = min(lengths.values())
        for edge in lengths:
            state = self._states[edge.upstream_task]
            if edge.flattened or isinstance(state, Mapped):
                continue
            try:  # here and not child by child, which might take the same element twice
                self._items[edge] = _items(state.result, count)
            except Exception as error:  # noqa: BLE001 - a dictionary, perhaps, that has no such keys
                return Failed(UNMAPPABLE, result=error)
        return count

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
                return Success(result=(state.result if items is None else items)[child])
            except Exception as error:  # noqa: BLE001 - the children were given, and this is none to map over
                return Failed(UNMAPPABLE, result=error)
        if edge.flattened and state.is_successful():
            # As in the ancestor, one skipped child below a flatten stands for the whole list.
            if isinstance(state, Mapped) and any(one.is_skipped() for one in state.map_states):
                return Skipped("A child was skipped.", result=_joined(state))
            return Success(state.message, result=_joined(state))
        return state

    def _flattened(self, edge: Edge) -> list[State]:
        flat = self._flat.get(edge)
        if flat is None:
            flat = self._flat[edge] = list(_flatten(self._states[edge.upstream_task]))
        return flat


def _items(value: Any, count: int) -> Sequence[Any]:
    return value if type(value) in (list, tuple) else [value[i] for i in range(count)]


def _flatten(state: State) -> list[State]:
    if not isinstance(state, Mapped):
        return [Success(result=value) for value in _joined(state)]
    flat: list[State] = []
    for child in state.map_states:
        if child.is_successful() and not child.is_skipped() and _is_nested(child.result):
            flat.extend(Success(result=value) for value in child.result)
        else:
            flat.append(child)
    return flat


def _joined(state: State) -> Any:
    if isinstance(state, Mapped):
        return [s.result for s in _flatten(state)]
    try:
        return [value for inner in state.result for value in inner]
    except Exception:  # noqa: BLE001 - not nested, whatever it says about that: it stays as it is
        return state.result


def _is_nested(value: object) -> bool:
    return hasattr(value, "__iter__")
