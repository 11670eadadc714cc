"""The inputs of a task: its arguments, and the states its trigger sees. Mapping and flattening are here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.edge import Edge
from nbflow.core.states import Failed, Mapped, Skipped, State, Success
from nbflow.engine.elements import all_elements, element, elements, is_iterator, is_mappable
from nbflow.engine.remote_value import Gathered, RemoteItem, gathered, is_reference
from nbflow.engine.state_values import held_by, with_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

NOTHING_TO_MAP = "No upstream states can be mapped over."
UNMAPPABLE = "At least one upstream state has an unmappable result."


class Inputs:
    """Reads the states of a run on behalf of its tasks; keeps flattened lists so that they are made once.

    Nothing that is elsewhere is fetched for that, but to be mapped over or flattened where its facts do not do.

    Args:
        items_of: Returns all items of an iterator that a task gave, whoever else takes them.

    Attributes:
        meet_references: Whether values may be elsewhere. Then something stands for them.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        states: dict[Task, State],
        items_of: Callable[[Task, Any], Iterator[Any]] | None = None,
    ) -> None:
        self._graph, self._states, self._items_of = graph, states, items_of
        self.meet_references = False
        self._flat: dict[Edge, list[State]] = {}
        self._items: dict[Edge, Sequence[Any]] = {}  # what is mapped over, element by element
        self._plans: dict[int, tuple[list[State], int | State]] = {}  # of maps, and from which states
        self._constant_states: dict[Task, dict[Edge, State]] = {}

    def values(self, node: int, child: int = -1) -> dict[str, Any]:
        """Return the arguments of a task, or of one child of a mapped task."""
        states, meet_references = self._states, self.meet_references
        task = self._graph.tasks[node]
        constants = self._graph.constants.get(task)
        found = dict(constants) if constants else {}
        for edge in self._graph.edges_in[node]:
            if edge.key is None:
                continue
            if edge.mapped or edge.flattened:
                found[edge.key] = self.value(edge, child)
            else:
                state = states[edge.upstream_task]
                found[edge.key] = held_by(state) if meet_references else state.result
        return found

    def value(self, edge: Edge, child: int = -1) -> Any:
        """Return what comes along an edge."""
        if not (edge.mapped or edge.flattened):
            return held_by(self._states[edge.upstream_task])
        items = self._items.get(edge)
        return items[child] if items is not None and child >= 0 else held_by(self._state(edge, child))

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
            if not isinstance(state, Mapped):
                value = _mapped_over(held_by(state))
                if not (is_reference(value) or is_mappable(value)):
                    return Failed(UNMAPPABLE)
                if not edge.flattened and is_iterator(value):
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
                value = _mapped_over(held_by(state))
                self._items[edge] = _Items(value, count) if is_reference(value) else elements(value, count)
            except Exception as error:  # noqa: BLE001 - a dictionary, perhaps, that has no such keys
                return Failed(UNMAPPABLE, result=error)
        return count

    def _all_of(self, edge: Edge) -> Iterator[Any]:
        """Return the items of the iterator that comes along an edge."""
        value = _mapped_over(held_by(self._states[edge.upstream_task]))
        items: Iterator[Any] = value if self._items_of is None else self._items_of(edge.upstream_task, value)
        return items

    def _length(self, edge: Edge, state: State) -> int:
        if edge.flattened:
            return len(self._flattened(edge))
        if isinstance(state, Mapped):
            return len(state.map_states)
        value = _mapped_over(held_by(state))
        return len(_Items(value, value.facts.elements) if is_reference(value) else value)

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
                value = items[child] if items is not None else _element(_mapped_over(held_by(state)), child)
                return with_value(Success(), value)
            except Exception as error:  # noqa: BLE001 - the children were given, and this is none to map over
                return Failed(UNMAPPABLE, result=error)
        if edge.flattened and state.is_successful():
            # As in the ancestor, one skipped child below a flatten stands for the whole list.
            if isinstance(state, Mapped) and any(one.is_skipped() for one in state.map_states):
                return with_value(Skipped("A child was skipped."), self._joined(edge))
            return with_value(Success(state.message), self._joined(edge))
        return state

    def _flattened(self, edge: Edge) -> list[State]:
        flat = self._flat.get(edge)
        if flat is None:
            flat = self._flat[edge] = list(self._flatten(edge.upstream_task))
        return flat

    def _flatten(self, task: Task) -> list[State]:
        state = self._states[task]
        if not isinstance(state, Mapped):
            return [with_value(Success(), value) for value in self._unnested(task, held_by(state))]
        flat: list[State] = []
        for child in state.map_states:
            value = _gone_through(held_by(child)) if child.is_successful() and not child.is_skipped() else None
            if is_reference(value) or hasattr(value, "__iter__"):
                flat.extend(with_value(Success(), item) for item in self._inside(task, value))
            else:
                flat.append(child)
        return flat

    def _joined(self, edge: Edge) -> Any:
        state = self._states[edge.upstream_task]
        if isinstance(state, Mapped):
            return gathered([held_by(one) for one in self._flatten(edge.upstream_task)])
        return self._unnested(edge.upstream_task, held_by(state))

    def _unnested(self, task: Task, value: Any) -> Any:
        if is_reference(value) and type(value) is not Gathered:  # who does not look cannot know how long its items are
            value = _here(value)
        if is_iterator(value):
            value = list(self._inside(task, value))
        try:
            inner = map(_gone_through, value.members if type(value) is Gathered else all_elements(value))
            return gathered([item for one in inner for item in self._inside(task, one)])
        except Exception:  # noqa: BLE001 - not nested, whatever it says about that: it stays as it is
            return value

    def _inside(self, task: Task, value: Any) -> Iterable[Any]:
        if is_reference(value):
            return _Items(value, value.facts.elements)
        if is_iterator(value) and self._items_of is not None:
            return self._items_of(task, value)
        return all_elements(value)


class _Items(Sequence[Any]):
    """What stands for the elements of a value that is elsewhere, made as they are asked for."""

    def __init__(self, value: Any, count: int) -> None:
        self._value, self._count = value, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: Any) -> Any:
        if place >= self._count:
            raise IndexError(place)
        return self._value.item(place)


# Whose items, gone through one by one, are those that a map over it takes.
_SEQUENCES = frozenset({"list", "tuple", "str", "bytes", "bytearray", "range", "ndarray", "Series", "DataFrame"})
_MAPPINGS = frozenset({"dict", "defaultdict", "OrderedDict", "Counter"})  # whose items may be anything


def _mapped_over(value: Any) -> Any:
    """Return what a map goes over: what stands for a value that is elsewhere only if its facts say how long it is."""
    if not is_reference(value):
        return value
    if type(value) is RemoteItem or value.facts.elements is None or value.facts.type in _MAPPINGS:
        return _here(value)
    return value


def _gone_through(value: Any) -> Any:
    """Return what is gone through for all of its items, as for a map."""
    if is_reference(value) and (type(value) is RemoteItem or value.facts.type not in _SEQUENCES):
        return _here(value)
    return _mapped_over(value)


def _here(value: Any) -> Any:
    """Return a value that is elsewhere; of an iterator a copy of its own, as it is going to be used up."""
    found = value.look()
    return value.fetch() if is_iterator(found) else found


def _element(value: Any, place: int) -> Any:
    return value.item(place) if is_reference(value) else element(value, place)
