"""Which tasks run again in a resumed run because of what they change in place (rule V2).

On disk each value is as its task returned it. A fresh run would hand some tasks a later version: what others had made
of it in place by then. So those others run again, in their order, and get the value as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.random_state import drawing_after
from nbflow.engine.reuse import NoReuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.core.states import State
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.store.stored_run import StoredDraws


class StoredReuse(NoReuse):
    """Knows who changed whose value in a stored run.

    Args:
        graph: The graph of now.
        changes: By slug, the tasks that changed the value of a task in place.
        draws: Who drew on the global generators of random numbers; None if that is known otherwise.
    """

    def __init__(
        self, graph: CompiledGraph, changes: Mapping[str, Sequence[str]], draws: StoredDraws | None = None
    ) -> None:
        self._graph = graph
        self._draws = draws
        nodes = {graph.slugs[task]: node for node, task in enumerate(graph.tasks)}
        self._changers = {
            nodes[owner]: sorted(nodes[one] for one in changers if one in nodes)
            for owner, changers in changes.items()
            if owner in nodes and graph.role[nodes[owner]] == ORDINARY
        }

    def reasons(self, node: int, children: frozenset[int] | None) -> dict[int, str]:
        """Return the tasks that change what a task takes before it does, and what to say of it."""
        graph, found = self._graph, {}
        for edge in graph.edges_in[node]:
            if edge.key is not None:
                for changer in self._changers.get(graph.index[edge.upstream_task], ()):
                    if changer < node:
                        found[changer] = f"changes the value of {edge.upstream_task.name!r} in place"
        return found

    def changers(self, node: int) -> list[int]:
        """Return the tasks that change the value of a task in place, in start order."""
        return [one for one in self._changers.get(node, ()) if one != node]

    def reached(self, node: int) -> dict[int, str]:
        """Return the tasks that take, after a task, what that one changes in place, and what to say of it."""
        graph, draws = self._graph, self._draws
        found = {}
        if draws is not None and not graph.free[node]:
            found = drawing_after(graph, node, draws.names_of)
        for taker in range(node + 1, len(graph.tasks)):
            for edge in graph.edges_in[taker]:
                if edge.key is not None and node in self._changers.get(graph.index[edge.upstream_task], ()):
                    found[taker] = f"takes what {graph.tasks[node].name!r} changes in place"
        return found


class AlsoStored(NoReuse):
    """Knows a run that has taken over values from disk: of those, it is as of a stored run; else as of any other.

    Args:
        reuse: Knows the values as they are in memory.
        stored: Knows who changed those that came from disk, where they are as they were before.
    """

    def __init__(self, reuse: NoReuse, stored: StoredReuse) -> None:
        self._reuse = reuse
        self._stored = stored

    def reasons(self, node: int, children: frozenset[int] | None) -> dict[int, str]:
        """Return the tasks whose values a task cannot get as they are, and those that change them before it."""
        return self._stored.reasons(node, children) | self._reuse.reasons(node, children)

    def changers(self, node: int) -> list[int]:
        """Return the tasks that change the value of a task in place, in start order."""
        return sorted({*self._reuse.changers(node), *self._stored.changers(node)})

    def changed_by(self, node: int) -> dict[int, str]:
        """Return the tasks whose values a task has changed in place, in memory, and what to say of it."""
        return self._reuse.changed_by(node)

    def shares(self, node: int, other: int) -> bool:
        """Tell whether the value of a task may hold parts of the value of another one."""
        return node in self._stored.changers(other) or self._reuse.shares(node, other)

    def reached(self, node: int) -> dict[int, str]:
        """Return the tasks that take, after a task, what that one changes in place, and what to say of it."""
        return self._stored.reached(node) | self._reuse.reached(node)

    def about_to_reach(self, node: int) -> dict[int, str]:
        """Return the tasks that take, below a task, what its new code is seen to change, of values in memory."""
        return self._reuse.about_to_reach(node)

    def missed(self) -> dict[int, str]:
        """Return the tasks that took an object before a task above them changed it, in memory."""
        return self._reuse.missed()

    def changed_outside(self) -> dict[int, str]:
        """Return the tasks whose values no task of the run has changed, but somebody else."""
        return self._reuse.changed_outside()

    def was_set(self, node: int) -> bool:
        """Tell whether a person has set the value that is pinned."""
        return self._reuse.was_set(node)

    def has_original(self, node: int) -> bool:
        """Tell whether there is a copy of the value that a person has pinned or set."""
        return self._reuse.has_original(node)

    def original(self, node: int, state: State) -> State:
        """Return the state of a task whose value a person has pinned or set, with that value as it was then."""
        return self._reuse.original(node, state)
