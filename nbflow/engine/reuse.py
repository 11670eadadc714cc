"""Which values of an earlier run a rerun may hand on, and whom it has to call again where it may not.

docs/reruns.md, rules V1 to V3. A task that runs is to meet what it would meet in a fresh run: of an object that was
changed in place, the version that it took before. If the object is another version by now, the task that made it runs
again, and after it, in their order, those that change it. Looks at values and changes nothing.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_fixed, is_one_shot
from nbflow.core.data.value_type import type_of
from nbflow.core.effects.mutation import may_change, may_change_parts, seen_to_change
from nbflow.core.ownership import is_ours
from nbflow.core.states import Mapped, Pending, State, without_value
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.file_history import is_cell
from nbflow.engine.inputs import Inputs
from nbflow.engine.object_versions import ATOMS, MOST_ELEMENTS
from nbflow.engine.random_state import drawing_after, is_generator
from nbflow.errors import ValueReleasedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.object_versions import Change, Followed, Taken
    from nbflow.engine.random_state import Draws
    from nbflow.engine.values import Values

OUTSIDE = "changed since its run"
USED_UP = "used up"
_FEW = 3
_LOOKED_INTO = (list, tuple, set, dict)
_HOLDERS = (list, tuple, set, frozenset, deque)


class NoReuse:
    """What is asked where nothing is known of an earlier run's values: all may be handed on."""

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


class Reuse(NoReuse):
    """Knows the values of an earlier run.

    Args:
        graph: The graph of now.
        before: For each of its nodes the task that had its place then; None for new ones.
        values: The home of the earlier run's values.
        states: The states of that run, by its own tasks.
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
        self._graph = graph
        self._draws = draws
        self._before = before
        self._values = values
        self._states: dict[Task, State] = {
            task: Pending() if old is None else states[old]
            for task, old in zip(graph.tasks, before, strict=True)
        }
        self._inputs = Inputs(graph, self._states, values.items_of)
        self._now = {old: node for node, old in enumerate(before) if old is not None}
        self._prints: dict[int, tuple[Any, str | None]] = {}
        self._reached: dict[int, dict[int, str]] | None = None
        self._changed_by: dict[int, dict[int, str]] | None = None
        self._told: list[tuple[int, Any]] | None = None
        self._above: dict[int, set[int]] = {}

    # -- what a task would get --------------------------------------------------------------------------------------

    def reasons(self, node: int, children: frozenset[int] | None) -> dict[int, str]:
        """Return the tasks whose values a task cannot get as they are, and why."""
        found: dict[int, str] = {}
        old = self._before[node]
        for child in self._children(node, children):
            taken = {} if old is None else self._values.taken.get((old, child), {})
            for key, up, value in self._given(node, child):
                if up in found or self._graph.role[up] != ORDINARY:
                    continue
                why = value if type(value) is _Lost else self._reason(node, taken.get(key), value)
                if why:
                    found[up] = str(why)
        for up, why in self._told_by_cells(node):
            found.setdefault(up, why)
        return found

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
                    if any(
                        e.key and e.upstream_task is edge.upstream_task for e in self._graph.edges_in[user]
                    ):
                        yield user, f"uses {edge.upstream_task.name!r}, which is set up again"
                continue
            value = vars(self._states[edge.upstream_task]).get("result")
            followed = self._values.followed(value)
            if id(type(value)) in ATOMS or (followed is not None and followed.print is not None):
                continue
            changer = next((n for n, held in self._changes_of_cells() if held is value and n > up), None)
            if changer is not None:
                yield self._graph.maker(up), f"changed in place by {self._graph.tasks[changer].name!r}"

    def _changes_of_cells(self) -> list[tuple[int, Any]]:
        """Return the cells that say that they change an input, each with the object."""
        if self._told is None:
            self._told = []
            for node, task in enumerate(self._graph.tasks):
                changes = getattr(vars(task).get("run"), "changes", ()) if is_cell(self._graph, node) else ()
                if self._before[node] is None or not self._states[task].is_successful():
                    continue
                for edge in self._graph.edges_in[node] if changes else ():
                    if edge.key in changes:
                        self._told.append((node, vars(self._states[edge.upstream_task]).get("result")))
        return self._told

    def _given(self, node: int, child: int) -> Iterable[tuple[str, int, Any]]:
        for edge in self._graph.edges_in[node]:
            up = self._graph.index[edge.upstream_task]
            if edge.key is None or not self._states[edge.upstream_task].is_successful():
                continue
            try:
                value = self._inputs.value(edge, child)
            except ValueReleasedError as error:
                value = _Lost(error.why)
            except Exception:  # noqa: BLE001 - the run will meet it again, and say so
                continue
            if id(type(value)) not in ATOMS:
                yield edge.key, up, value

    def _children(self, node: int, children: frozenset[int] | None) -> Iterable[int]:
        if not self._graph.is_map[node]:
            return (-1,)
        state = self._states[self._graph.tasks[node]]
        return (
            range(len(state.map_states)) if children is None and isinstance(state, Mapped) else children or ()
        )

    def _reason(self, node: int, taken: Taken | None, value: Any) -> str:
        whole = self._values.followed(value)
        parts = (value,) if whole is not None or type(value) is not list else tuple(value)
        wanted = (
            None
            if taken is None or len(taken.parts) != sum(not is_fixed(p) for p in parts)
            else iter(taken.parts)
        )
        for part in parts:
            if is_fixed(part):
                continue
            followed = self._values.followed(part)
            if wanted is not None:
                then, version = next(wanted)
            elif followed is not None:
                then, version = followed, self._version_before(followed, node)
            else:
                continue
            if why := self._differs(then, version, followed, part):
                return why
        return ""

    def _differs(self, then: Followed, version: int, now: Followed | None, value: Any) -> str:
        wanted = then.versions[version].print
        if wanted is None:  # nobody can know, so whoever may have changed it has
            if now is then and version == len(then.versions) - 1:
                return ""
            return _said(then.versions[version + 1 :], value)
        if self._print_of(value) == wanted:
            return ""
        changes = now.versions[1:] if now is not None and now is not then else then.versions[version + 1 :]
        return _said(changes or then.versions[1:], value)

    def _version_before(self, followed: Followed, node: int) -> int:
        """Return the version that a task would meet which has not taken the object yet: by the order of starts."""
        for version, change in enumerate(followed.versions):
            if any(self._now.get(task, -1) > node for task in change.by):
                return version - 1
        return len(followed.versions) - 1

    def _print_of(self, value: Any) -> str | None:
        known = self._prints.get(id(value))
        if known is None or known[0] is not value:
            followed = self._values.followed(value)
            now = known_fingerprint(value) if followed is None else followed.print_now
            known = self._prints[id(value)] = value, now
        return known[1]

    # -- who changes what -------------------------------------------------------------------------------------------

    def changers(self, node: int) -> list[int]:
        """Return the tasks that change the value of a task in place, in start order."""
        found: set[int] = set()
        for followed in self._followed_of(node):
            for change in _lasting(followed):
                found.update(self._now[task] for task in change.by if task in self._now)
        found.discard(node)
        return sorted(found)

    def changed_by(self, node: int) -> dict[int, str]:
        """Return the tasks whose values a task has changed in place, and what to say of it."""
        if self._changed_by is None:
            self._changed_by = {}
            for other in range(len(self._graph.tasks)):
                for changer in self.changers(other) if self._graph.role[other] == ORDINARY else ():
                    how = USED_UP if self._is_one_shot(other) else "changed in place"
                    why = f"{how} by {self._graph.tasks[changer].name!r}"
                    self._changed_by.setdefault(changer, {})[other] = why
        return self._changed_by.get(node, {})

    def _is_one_shot(self, node: int) -> bool:
        followed = self._followed_of(node)
        return bool(followed) and all(is_one_shot(one.value) for one in followed)

    def _followed_of(self, node: int) -> list[Followed]:
        found = []
        for state in self._parts(self._states[self._graph.tasks[node]]):
            value = vars(state).get("result")
            inside = value if type(value) is list and len(value) <= MOST_ELEMENTS else ()
            objects = (one for one in (value, *inside) if id(type(one)) not in ATOMS)
            found += [followed for one in objects if (followed := self._values.followed(one)) is not None]
        return found

    @staticmethod
    def _parts(state: State) -> Iterable[State]:
        return [one for one in state.map_states if one is not None] if isinstance(state, Mapped) else (state,)

    def shares(self, node: int, other: int) -> bool:
        """Tell whether the value of a task may hold parts of the value of another one."""
        parts = {id(followed.value) for followed in self._followed_of(other)}
        states = self._parts(self._states[self._graph.tasks[node]])
        pending: list[Any] = [vars(state).get("result") for state in states]
        seen: set[int] = set()
        while pending:
            value = pending.pop()
            if id(type(value)) in ATOMS or is_fixed(value) or id(value) in seen:
                continue
            seen.add(id(value))
            if id(value) in parts or len(seen) > MOST_ELEMENTS or type_of(value) not in _LOOKED_INTO:
                return True
            pending += value.values() if type(value) is dict else value
        return False

    def sharing(self, node: int) -> dict[int, bool]:
        """Return the tasks below whose values are known to hold parts of the value of a task, and whether all of it."""
        wholes = {id(value) for value in self._results_of(node) if not is_fixed(value)}
        parts = {
            id(one) for value in self._results_of(node) for one in _objects_in(value) if not is_fixed(one)
        }
        parts.update(id(one) for followed in self._followed_of(node) for one in followed.taken_out)
        others = range(node + 1, len(self._graph.tasks)) if parts else ()
        return {
            other: any(holds_any(value, wholes) for value in self._results_of(other))
            for other in others
            if self._graph.role[other] == ORDINARY
            and any(holds_any(value, parts) for value in self._results_of(other))
        }

    def _results_of(self, node: int) -> list[Any]:
        states = self._parts(self._states[self._graph.tasks[node]])
        return [vars(state).get("result") for state in states if state.is_successful()]

    def may_change(self, node: int, other: int, *, parts: bool = False) -> bool:
        """Tell whether a task may change in place what it takes from another one, or what is in that."""
        changes = may_change_parts if parts else may_change
        task = self._graph.tasks[node]
        if task.input_mode == "copy":
            return False
        child = 0 if self._graph.is_map[node] else -1
        return any(
            up == other and (type(value) is _Lost or changes(task.run, key, value))
            for key, up, value in self._given(node, child)
        )

    def reached(self, node: int) -> dict[int, str]:
        """Return the tasks that take, after a task, what that one changes in place, and what to say of it."""
        if self._reached is None:
            self._reached = {}
            for (old, _), taken in self._values.taken.items():
                taker = self._now.get(old)
                if taker is not None:
                    self._note_reached(taker, taken)
        return {**self._drawing_after(node), **self._reached.get(node, {})}

    def _drawing_after(self, node: int) -> dict[int, str]:
        if not self._draws.met or self._graph.free[node]:
            return {}
        then = dict(zip(self._graph.tasks, self._before, strict=True))

        def drew(task: Task) -> frozenset[str]:
            one = then[task]
            return frozenset() if one is None else self._draws.names_of(one)

        given = self._given(node, -1) if not self._graph.is_map[node] else ()
        return drawing_after(self._graph, node, drew, {key for key, _, value in given if is_generator(value)})

    def _note_reached(self, taker: int, taken: Mapping[str, Taken]) -> None:
        assert self._reached is not None
        for one in taken.values():
            for followed, version in one.parts:
                for change in followed.versions[1 : version + 1]:
                    for task in change.by:
                        changer = self._now.get(task)
                        if changer is not None and changer < taker:
                            why = f"takes what {task.name!r} changes in place"
                            self._reached.setdefault(changer, {})[taker] = why

    def about_to_reach(self, node: int) -> dict[int, str]:
        """Return the tasks that take, below a task, what its new code is seen to change, and what to say of it."""
        task, found = self._graph.tasks[node], {}
        if self._graph.role[node] != ORDINARY or self._graph.is_map[node] or task.input_mode == "copy":
            return {}
        given = [(key, value) for key, _, value in self._given(node, -1) if type(value) is not _Lost]
        changed = [id(value) for key, value in given if seen_to_change(task.run, key, value)]
        for old, child in self._values.taken if changed else ():
            taker = self._now.get(old, -1)
            if taker in found or not self._is_above(node, taker):
                continue
            if any(holds_any(value, changed) for _, _, value in self._given(taker, child)):
                found[taker] = f"takes what {task.name!r} changes in place"
        return found

    def missed(self) -> dict[int, str]:
        """Return the tasks that took an object before a task above them changed it, and what to say of them.

        Such a one was taken over while the other one was run with new code, or the two ran at once.
        """
        found: dict[int, str] = {}
        for (old, child), taken in self._values.taken.items() if self._values.objects.has_changes else ():
            node = self._now.get(old)
            if node is None or node in found or not self._states[self._graph.tasks[node]].is_successful():
                continue
            for key, _, value in self._given(node, child):
                parts = value if type(value) is list and self._values.followed(value) is None else (value,)
                parts = [part for part in parts if type(value) is not _Lost and not is_fixed(part)]
                took = taken[key].parts if key in taken else ()
                if len(parts) != len(took):
                    continue
                for part, (then, version) in zip(parts, took, strict=True):
                    changer = self._missed_change(node, then, version, self._values.followed(part))
                    if changer is not None:
                        found[node] = f"has not seen what {changer.name!r} changes in place"
        return found

    def _missed_change(self, node: int, then: Followed, version: int, now: Followed | None) -> Task | None:
        """Return who changed an object above a task, and after that took it; None if nobody did."""
        changer, newest = None, then.versions[version].print
        if now is None or newest is None:
            return None
        wanted = now.versions[0].print
        for number, change in enumerate(now.versions[1:], 1):
            if any(self._now.get(task, -1) >= node for task in change.by):
                break
            if not change.by or not all(self._comes_before(task, node) for task in change.by):
                return None  # nothing says which comes first
            wanted = change.print
            if now is not then or number > version:
                changer = change.by[-1]
        return None if wanted is None or wanted == newest else changer

    def _comes_before(self, task: Task, node: int) -> bool:
        return self._is_above(self._now.get(task, node), node)

    def _is_above(self, other: int, node: int) -> bool:
        """Tell whether a task comes before another one: by what is taken, by an edge, or as a cell above its cell."""
        if other >= node:
            return False
        if is_cell(self._graph, other) and is_cell(self._graph, node):
            return True
        if node not in self._above:
            found, pending = {node}, [node]
            while pending:
                new = [up for up in self._graph.upstream[pending.pop()] if up not in found]
                found.update(new)
                pending += new
            self._above[node] = found
        return other in self._above[node]

    def changed_outside(self) -> dict[int, str]:
        """Return the tasks whose values no task of the run has changed, but somebody else."""
        found = {}
        for node, task in enumerate(self._graph.tasks):
            if self._graph.role[node] != ORDINARY:
                continue
            for state in self._parts(self._states[task]):
                value = vars(state).get("result")
                if id(type(value)) in ATOMS or not state.is_successful():
                    continue
                followed = self._values.followed(value)
                if followed is None or is_one_shot(value):
                    continue
                known = followed.print
                if known is not None and self._print_of(value) != known:
                    found[node] = OUTSIDE
                    break
        return found

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


def holds_any(value: Any, objects: Collection[int]) -> bool:
    """Tell whether a value is one of some objects, or holds one, as far as that can be seen; else it is not known.

    Args:
        value: The value.
        objects: The identities of the objects.
    """
    return any(id(one) in objects for one in _objects_in(value))


def _objects_in(value: Any) -> Iterator[Any]:
    """Yield a value and what is in it, as far as that can be seen."""
    pending: list[Any] = [value]
    seen: set[int] = set()
    while pending and len(seen) < MOST_ELEMENTS:
        one = pending.pop()
        yield one
        if id(type(one)) in ATOMS or id(one) in seen:
            continue
        seen.add(id(one))
        if issubclass(type(one), dict):
            pending += dict.values(one)
        elif type_of(one) in _HOLDERS:
            pending += one
        elif type(one) is getattr(sys.modules.get("numpy"), "ndarray", None):
            pending.append(one.base)  # what it is a view of
        elif is_ours(type_of(one).__module__):
            with suppress(AttributeError):
                pending += object.__getattribute__(one, "__dict__").values()


class _Lost(str):
    """Why there is no value."""

    __slots__ = ()


def _lasting(followed: Followed) -> Sequence[Change]:
    """Return the changes of an object, without those that a failed attempt made and that were put back."""
    kept = [followed.versions[0]]
    for change in followed.versions[1:]:
        if len(kept) > 1 and change.by == kept[-1].by and None is not change.print == kept[-2].print:
            kept.pop()
        else:
            kept.append(change)
    return kept[1:]


def _with(state: State, value: Any) -> State:
    fresh = without_value(state, None)
    fresh.result = value
    return fresh


def _said(changes: Sequence[Change], value: Any) -> str:
    names = dict.fromkeys(task.name for change in changes for task in change.by)
    if not names:
        return OUTSIDE
    few = ", ".join(map(repr, list(names)[:_FEW])) + (", ..." if len(names) > _FEW else "")
    if is_one_shot(value):
        return f"{USED_UP} by {few}"
    return f"changed in place by {few}"
