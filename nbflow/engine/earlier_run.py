"""An earlier run as a rerun sees it: by the nodes of today's graph, what tasks would be given and what they made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_type import identity
from nbflow.core.states import Mapped, Pending, State
from nbflow.engine.file_history import is_cell
from nbflow.engine.inputs import Inputs
from nbflow.engine.object_versions import ATOMS, MOST_ELEMENTS
from nbflow.engine.remote_value import Gathered, is_reference
from nbflow.engine.state_values import reference_of
from nbflow.errors import ValueReleasedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.object_versions import Followed
    from nbflow.engine.values import Values


class Lost(str):
    """Why there is no value."""

    __slots__ = ()


class EarlierRun:
    """Reads the values of an earlier run; changes nothing.

    Args:
        before: For each of its nodes the task that had its place then; None for new ones.

    Attributes:
        now: The nodes of today, by the tasks of then.
    """

    def __init__(
        self, graph: CompiledGraph, before: Sequence[Task | None], values: Values, states: Mapping[Task, State]
    ) -> None:
        self.graph, self.before, self.values = graph, before, values
        self.now = {old: node for node, old in enumerate(before) if old is not None}
        self._states: dict[Task, State] = {
            # A new task has none: Pending is no success, so nobody looks for its value.
            task: Pending() if old is None else states[old]
            for task, old in zip(graph.tasks, before, strict=True)
        }
        self._inputs = Inputs(graph, self._states, values.items_of)
        self._inputs.meet_references = True
        self._prints: dict[int, tuple[Any, str | None]] = {}
        self._above: dict[int, set[int]] = {}

    def given(self, node: int, child: int) -> Iterable[tuple[str, int, Any]]:
        """Yield the arguments of a task that can change: name, who gives it, the value (or why it is `Lost`)."""
        for edge in self.graph.edges_in[node]:
            up = self.graph.index[edge.upstream_task]
            if edge.key is None or not self._states[edge.upstream_task].is_successful():
                continue
            try:
                value = self._inputs.value(edge, child)
            # A value that was given back is a reason to run its task again, not one to leave the argument out.
            except ValueReleasedError as error:
                value = Lost(error.why)
            except Exception:  # noqa: BLE001 - the run will meet it again, and say so
                continue
            if is_reference(value):
                lost = value.lost
                if lost is None and type(value) is not Gathered:  # it never changes
                    continue
                value = value.leaves() if lost is None else Lost(lost.why)
            if identity(type(value)) not in ATOMS:  # what cannot change is as it was
                yield edge.key, up, value

    def children(self, node: int, children: frozenset[int] | None) -> Iterable[int]:
        """Return which children of a task are meant, None being all; -1 stands for a task that is not mapped."""
        if not self.graph.is_map[node]:
            return (-1,)
        state = self.state(node)
        if children is None and isinstance(state, Mapped):
            return range(len(state.map_states))
        return children or ()

    def state(self, node: int) -> State:
        """Return how a task ended then."""
        return self._states[self.graph.tasks[node]]

    def ends(self, node: int) -> Iterable[State]:
        """Return how a task ended, or how the children of a mapped one did."""
        state = self.state(node)
        return [one for one in state.map_states if one is not None] if isinstance(state, Mapped) else (state,)

    def values_of(self, node: int) -> list[Any]:
        """Return what a task, or each of its children, returned, as far as it is in the kernel."""
        return [value for state in self.ends(node) if state.is_successful() for value in held_here(state)]

    def followed_of(self, node: int) -> list[Followed]:
        """Return what is known of the objects that are a task's value, or elements of it."""
        found = []
        for value in (value for state in self.ends(node) for value in held_here(state)):
            inside = value if type(value) is list and len(value) <= MOST_ELEMENTS else ()
            objects = (one for one in (value, *inside) if identity(type(one)) not in ATOMS)
            found += [followed for one in objects if (followed := self.values.followed(one)) is not None]
        return found

    def print_of(self, value: Any) -> str | None:
        """Return the fingerprint that a value has now, whatever is known of it from then."""
        # Not `Followed.print`: that one is of the end of the run, and this asks who has changed the value since.
        known = self._prints.get(id(value))
        if known is None or known[0] is not value:
            followed = self.values.followed(value)
            now = known_fingerprint(value) if followed is None else followed.print_now
            known = self._prints[id(value)] = value, now
        return known[1]

    def is_above(self, other: int, node: int) -> bool:
        """Tell whether a task comes before another one: by what is taken, by an edge, or as a cell above its cell."""
        if other >= node:
            return False
        if is_cell(self.graph, other) and is_cell(self.graph, node):
            return True
        if node not in self._above:
            self._above[node] = self.graph.above(node)
        return other in self._above[node]

    def changed_by_cells(self) -> Iterator[tuple[int, Any]]:
        """Yield the notebook's cells that say that they change an input, each with the object."""
        for node, task in enumerate(self.graph.tasks):
            changes = getattr(vars(task).get("run"), "changes", ()) if is_cell(self.graph, node) else ()
            if self.before[node] is None or not self.state(node).is_successful():
                continue
            for edge in self.graph.edges_in[node] if changes else ():
                if edge.key in changes:
                    yield node, vars(self._states[edge.upstream_task]).get("result")


def held_here(state: State) -> list[Any]:
    """Return the value of a state, or what is in the kernel of one that is elsewhere."""
    reference = reference_of(state)
    if reference is None:
        return [vars(state).get("result")]
    return reference.leaves() if type(reference) is Gathered else []
