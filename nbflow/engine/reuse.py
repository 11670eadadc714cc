"""The values of an earlier run that a rerun may hand on, and whom it has to call again where it may not.

docs/reruns.md, rules V1 to V3. A task that runs is to meet what it would meet in a fresh run: of an object that was
changed in place, the version that it took before. If the object is another version by now, the task that made it runs
again, and after it, in their order, those that change it. Looks at values and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import identity
from nbflow.core.effects.mutation import may_change, may_change_parts
from nbflow.core.states import Mapped, State, without_value
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.earlier_run import EarlierRun, Lost, held_here
from nbflow.engine.file_history import is_cell
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.renewal import newest_run
from nbflow.engine.value_changes import ValueChanges, said_of_changes
from nbflow.engine.value_parts import contained_in, holds_any, may_hold_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.object_versions import Followed, Taken
    from nbflow.engine.random_state import Draws
    from nbflow.engine.values import Values


class NoReuse:
    """The answers where nothing is known of an earlier run's values: all may be handed on."""

    def reasons(self, node: int, children: frozenset[int] | None) -> dict[int, str]:
        """Return the tasks whose values a task cannot get as they are, and why."""
        return {}

    def changers(self, node: int) -> list[int]:
        """Return the tasks that change the value of a task in place, in start order."""
        return []

    def changed_by(self, node: int) -> dict[int, str]:
        """Return the tasks whose values a task has changed in place, and what to say of it."""
        return {}

    def shares(self, node: int, other: int) -> bool:
        """Tell whether the value of a task may hold parts of the value of another one."""
        return True

    def sharing(self, node: int) -> dict[int, bool]:
        """Return the tasks below whose values are known to hold parts of the value of a task, and whether all of it."""
        return {}

    def may_change(self, node: int, other: int, *, parts: bool = False) -> bool:
        """Tell whether a task may change in place what it takes from another one, or what is in that."""
        return False

    def reached(self, node: int) -> dict[int, str]:
        """Return the tasks that take, after a task, what that one changes in place, and what to say of it."""
        return {}

    def about_to_reach(self, node: int) -> dict[int, str]:
        """Return the tasks that take, below a task, what its new code is seen to change, and what to say of it."""
        return {}

    def missed(self) -> dict[int, str]:
        """Return the tasks that took an object before a task above them changed it, and what to say of them."""
        return {}

    def changed_outside(self) -> dict[int, str]:
        """Return the tasks whose values no task of the run has changed, but somebody else."""
        return {}

    def has_original(self, node: int) -> bool:
        """Tell whether there is a copy of the value that a person has pinned or set."""
        return False

    def was_set(self, node: int) -> bool:
        """Tell whether a person has set the value that is pinned."""
        return False

    def original(self, node: int, state: State) -> State:
        """Return the state of a task whose value a person has pinned or set, with that value as it was then."""
        return state


class Reuse(ValueChanges, NoReuse):
    """Knows the values of an earlier run.

    Args:
        before: For each of its nodes the task that had its place then; None for new ones.
        draws: Who drew on the global generators of random numbers then.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        before: Sequence[Task | None],
        values: Values,
        states: Mapping[Task, State],
        draws: Draws,
    ) -> None:
        super().__init__(EarlierRun(graph, before, values, states), draws)
        self._before = before
        self._told: list[tuple[int, Any]] | None = None

    # -- what a task would get --------------------------------------------------------------------------------------

    def reasons(self, node: int, children: frozenset[int] | None) -> dict[int, str]:
        """Return the tasks whose values a task cannot get as they are, and why."""
        found: dict[int, str] = {}
        old = self._before[node]
        for child in self._earlier.children(node, children):
            taken = {} if old is None else self._values.taken.get((old, child), {})
            for key, up, value in self._earlier.given(node, child):
                if up in found or self._graph.role[up] != ORDINARY:
                    continue
                why = value if type(value) is Lost else self._reason(node, taken.get(key), value)
                if why:
                    found[up] = str(why)
        # After what was seen: a fingerprint says more than a cell, which may not do what it says.
        for up, why in self._told_by_cells(node):
            found.setdefault(up, why)
        return found

    def _reason(self, node: int, taken: Taken | None, value: Any) -> str:
        whole = self._values.followed(value)
        parts = (value,) if whole is not None or type(value) is not list else tuple(value)
        parts = tuple(part for part in parts if not is_fixed(part))
        # What it took is compared part by part; if it took another number of parts, they say nothing of these.
        wanted = None if taken is None or len(taken.parts) != len(parts) else taken.parts
        for number, part in enumerate(parts):
            followed = self._values.followed(part)
            if wanted is not None:
                then, version = wanted[number]
            elif followed is not None:
                then, version = followed, self._version_before(followed, node)
            else:
                continue
            if why := self._difference(then, version, followed, part):
                return why
        return ""

    def _difference(self, then: Followed, version: int, now: Followed | None, value: Any) -> str:
        wanted = then.versions[version].print
        if wanted is None:  # nobody can know, so whoever may have changed it has
            if now is then and version == len(then.versions) - 1:
                return ""
            return said_of_changes(then.versions[version + 1 :], value)
        if self._earlier.print_of(value) == wanted:
            return ""
        changes = now.versions[1:] if now is not None and now is not then else then.versions[version + 1 :]
        return said_of_changes(changes or then.versions[1:], value)

    def _version_before(self, followed: Followed, node: int) -> int:
        """Return the version that a task would meet which has not taken the object yet: by the order of starts."""
        for version, change in enumerate(followed.versions):
            if any(self._earlier.now.get(task, -1) > node for task in change.by):
                return version - 1
        return len(followed.versions) - 1

    def _told_by_cells(self, node: int) -> Iterable[tuple[int, str]]:
        """Give the tasks whose values a notebook's cell says that it changes, where nobody can look into the value.

        A connection that has been closed or a pool that was shut down is not what its task returned. And what cells
        have done with a block's resource is gone when the block is opened again.
        """
        if not is_cell(self._graph, node):
            return
        for edge in self._graph.edges_in[node]:
            up = self._graph.index[edge.upstream_task]
            if edge.key is None:
                continue
            if self._graph.role[up] != ORDINARY:
                for user in filter(lambda one: is_cell(self._graph, one), range(node)):
                    if any(e.key and e.upstream_task is edge.upstream_task for e in self._graph.edges_in[user]):
                        yield user, f"uses {edge.upstream_task.name!r}, which is set up again"
                continue
            value = vars(self._earlier.state(up)).get("result")
            followed = self._values.followed(value)
            if identity(type(value)) in ATOMS or (followed is not None and followed.print is not None):
                continue  # its fingerprint tells
            if self._told is None:
                self._told = list(self._earlier.changed_by_cells())
            changer = next((n for n, held in self._told if held is value and n > up), None)
            if changer is not None:
                yield self._graph.maker(up), f"changed in place by {self._graph.tasks[changer].name!r}"

    def may_change(self, node: int, other: int, *, parts: bool = False) -> bool:
        """Tell whether a task may change in place what it takes from another one, or what is in that."""
        task = self._graph.tasks[node]
        if task._input_mode == "copy":
            return False
        is_map, sources, run = self._graph.is_map[node], self._graph.sources_of(task), newest_run(task)
        if not self._earlier.state(other).is_successful():  # nothing is known of the value that it is to give
            keys = (edge.key for edge in self._graph.edges_in[node] if self._graph.index[edge.upstream_task] == other)
            return any(key is not None and may_change(run, key) for key in keys)

        def changes(key: str, value: Any) -> bool:
            # The list of a map's values is made for each who takes it: nobody else sees a change of the list itself.
            look = may_change_parts if parts or (sources[key].gathers and not is_map) else may_change
            return type(value) is Lost or look(run, key, value)

        given = self._earlier.given(node, 0 if is_map else -1)
        return any(up == other and changes(key, value) for key, up, value in given)

    # -- values in values -------------------------------------------------------------------------------------------

    def shares(self, node: int, other: int) -> bool:
        """Tell whether the value of a task may hold parts of the value of another one."""
        values = (value for state in self._earlier.ends(node) for value in held_here(state))
        return may_hold_any(values, {id(one.value) for one in self._earlier.followed_of(other)})

    def sharing(self, node: int) -> dict[int, bool]:
        """Return the tasks below whose values are known to hold parts of the value of a task, and whether all of it."""
        values_of = self._earlier.values_of
        wholes = {id(value) for value in values_of(node) if not is_fixed(value)}
        parts = {id(one) for value in values_of(node) for one in contained_in(value) if not is_fixed(one)}
        parts.update(id(one) for followed in self._earlier.followed_of(node) for one in followed.taken_out)
        old = self._before[node]
        apart = {} if old is None else self._values.apart.get(old, {})
        known = {self._earlier.now[task]: holds_all for task, holds_all in apart.items() if task in self._earlier.now}
        return known | {
            other: any(holds_any(value, wholes) for value in values_of(other))
            for other in (range(node + 1, len(self._graph.tasks)) if parts else ())
            if self._graph.role[other] == ORDINARY and any(holds_any(value, parts) for value in values_of(other))
        }

    # -- what a person has pinned or set ----------------------------------------------------------------------------

    def has_original(self, node: int) -> bool:
        """Tell whether there is a copy of the value that a person has pinned or set."""
        return self._before[node] in self._values.originals

    def was_set(self, node: int) -> bool:
        """Tell whether a person has set the value that is pinned."""
        return self._before[node] in self._values.set_by_user

    def original(self, node: int, state: State) -> State:
        """Return the state of a task whose value a person has pinned or set, with that value as it was then."""
        old = self._before[node]
        if old is None or old not in self._values.originals:
            return state
        value = copy_ahead(self._values.originals[old])
        if isinstance(state, Mapped):
            pairs = zip(state.map_states, value, strict=True)
            return Mapped(state.message, map_states=[_with(child, one) for child, one in pairs])
        return _with(state, value)


def _with(state: State, value: Any) -> State:
    fresh = without_value(state, None)
    fresh.result = value
    return fresh
