"""The changes that the tasks of an earlier run made in place, and whom they reach (docs/reruns.md, rule V2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.data.value_traits import is_fixed, is_one_shot
from nbflow.core.data.value_type import identity
from nbflow.core.effects.mutation import may_change, may_change_parts, seen_to_change, seen_to_change_parts
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.earlier_run import Lost
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.random_state import drawing_after, is_generator
from nbflow.engine.renewal import newest_run
from nbflow.engine.value_parts import contained_in, holds_any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from nbflow.core.task import Task
    from nbflow.engine.earlier_run import EarlierRun
    from nbflow.engine.object_versions import Change, Followed
    from nbflow.engine.random_state import Draws

OUTSIDE = "changed since its run"
USED_UP = "used up"
_FEW = 3


class ValueChanges:
    """Reads the versions of an earlier run's objects, and its draws: one changes what the next one draws."""

    def __init__(self, earlier: EarlierRun, draws: Draws) -> None:
        self._earlier, self._graph, self._values, self._draws = earlier, earlier.graph, earlier.values, draws
        self._changed_by: dict[int, dict[int, str]] | None = None
        self._reached: dict[int, dict[int, str]] | None = None

    def changers(self, node: int) -> list[int]:
        """Return the tasks that change the value of a task in place, in start order."""
        now, found = self._earlier.now, set[int]()
        for followed in self._earlier.followed_of(node):
            for change in _lasting(followed):
                found.update(now[task] for task in change.by if task in now)
        found.discard(node)
        return sorted(found)

    def changed_by(self, node: int) -> dict[int, str]:
        """Return the tasks whose values a task has changed in place, and what to say of it."""
        if self._changed_by is None:  # of all tasks at once: to ask each time would be quadratic
            self._changed_by = {}
            for other in range(len(self._graph.tasks)):
                for changer in self.changers(other) if self._graph.role[other] == ORDINARY else ():
                    followed = self._earlier.followed_of(other)
                    how = USED_UP if all(is_one_shot(one.value) for one in followed) else "changed in place"
                    why = f"{how} by {self._graph.tasks[changer].name!r}"
                    self._changed_by.setdefault(changer, {})[other] = why
        return self._changed_by.get(node, {})

    def reached(self, node: int) -> dict[int, str]:
        """Return the tasks that take, after a task, what that one changes in place, and what to say of it."""
        if self._reached is None:
            self._reached = self._reached_by_all()
        return {**self._drawing_after(node), **self._reached.get(node, {})}

    def _reached_by_all(self) -> dict[int, dict[int, str]]:
        found: dict[int, dict[int, str]] = {}
        now = self._earlier.now
        for (old, _), taken in self._values.taken.items():
            taker = now.get(old, -1)
            parts = (part for one in taken.values() for part in one.parts)
            by = (task for one, version in parts for change in one.versions[1 : version + 1] for task in change.by)
            for task in by:
                if task in now and now[task] < taker:
                    found.setdefault(now[task], {})[taker] = f"takes what {task.name!r} changes in place"
        return found

    def _drawing_after(self, node: int) -> dict[int, str]:
        if not self._draws.met or self._graph.free[node]:
            return {}
        then = dict(zip(self._graph.tasks, self._earlier.before, strict=True))

        def drew(task: Task) -> frozenset[str]:
            one = then[task]
            return frozenset() if one is None else self._draws.names_of(one)

        # A generator that a task is given is its own business, and seen as a change of that value.
        given = self._earlier.given(node, -1) if not self._graph.is_map[node] else ()
        return drawing_after(self._graph, node, drew, {key for key, _, value in given if is_generator(value)})

    def about_to_reach(self, node: int) -> dict[int, str]:
        """Return the tasks that take, below a task, what its new code is seen to change, and what to say of it."""
        task, found = self._graph.tasks[node], {}
        if self._graph.role[node] != ORDINARY or self._graph.is_map[node] or task._input_mode == "copy":
            return {}
        given = [(key, value) for key, _, value in self._earlier.given(node, -1) if type(value) is not Lost]
        # By its code alone: the new code has not run yet, so there are no versions that it has made.
        run = newest_run(task)
        changed: set[int] = set()
        for key, value in given:
            # What a generator of random numbers is called for is, as a rule, a draw.
            if seen_to_change(run, key, value) or (is_generator(value) and may_change(run, key, value)):
                changed.add(id(value))
            parts = {id(one): one for one in contained_in(value) if one is not value and not is_fixed(one)}
            if len(parts) == 1 and (  # of several, nothing says which
                seen_to_change_parts(run, key, value)
                or (is_generator(*parts.values()) and may_change_parts(run, key, value))
            ):
                changed.update(parts)
        for old, child in self._values.taken if changed else ():
            taker = self._earlier.now.get(old, -1)
            if taker in found or not self._earlier.is_above(node, taker):
                continue
            if any(holds_any(value, changed) for _, _, value in self._earlier.given(taker, child)):
                found[taker] = f"takes what {task.name!r} changes in place"
        return found

    def missed(self) -> dict[int, str]:
        """Return the tasks that took an object before a task above them changed it, and what to say of them.

        Such a one was taken over while the other one was run with new code, or the two ran at once.
        """
        found: dict[int, str] = {}
        for (old, child), taken in self._values.taken.items() if self._values.objects.has_changes else ():
            node = self._earlier.now.get(old)
            if node is None or node in found or not self._earlier.state(node).is_successful():
                continue
            for key, _, value in self._earlier.given(node, child):
                parts = value if type(value) is list and self._values.followed(value) is None else (value,)
                parts = [part for part in parts if type(part) is not Lost and not is_fixed(part)]
                took = taken[key].parts if key in taken else ()
                if len(parts) != len(took):
                    continue  # it is another value by now: `Reuse.reasons` says so
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
        nodes, wanted = self._earlier.now, now.versions[0].print
        for number, change in enumerate(now.versions[1:], 1):
            if any(nodes.get(task, -1) >= node for task in change.by):  # in a fresh run it comes later too
                break
            if not change.by or not all(self._earlier.is_above(nodes.get(task, node), node) for task in change.by):
                return None  # nothing says which comes first
            wanted = change.print
            if now is not then or number > version:
                changer = change.by[-1]
        return None if wanted is None or wanted == newest else changer

    def changed_outside(self) -> dict[int, str]:
        """Return the tasks whose values no task of the run has changed, but somebody else."""
        return {
            node: OUTSIDE
            for node, role in enumerate(self._graph.role)
            if role == ORDINARY and any(map(self._is_other_now, self._earlier.values_of(node)))
        }

    def _is_other_now(self, value: Any) -> bool:
        if identity(type(value)) in ATOMS:
            return False
        followed = self._values.followed(value)
        if followed is None or is_one_shot(value):
            return False
        known = followed.print
        return known is not None and self._earlier.print_of(value) != known


def said_of_changes(changes: Sequence[Change], value: Any) -> str:
    """Return the words for who has changed a value."""
    names = dict.fromkeys(task.name for change in changes for task in change.by)
    if not names:
        return OUTSIDE
    few = ", ".join(map(repr, list(names)[:_FEW])) + (", ..." if len(names) > _FEW else "")
    return f"{USED_UP if is_one_shot(value) else 'changed in place'} by {few}"


def _lasting(followed: Followed) -> Sequence[Change]:
    """Return the changes of an object, without those that a failed attempt made and that were put back."""
    # Such a one is followed by a change back to the contents before it, by the same task. To run that task again for
    # it would be needless, and it might fail once more.
    kept = [followed.versions[0]]
    for change in followed.versions[1:]:
        if len(kept) > 1 and change.by == kept[-1].by and None is not change.print == kept[-2].print:
            kept.pop()
        else:
            kept.append(change)
    return kept[1:]
