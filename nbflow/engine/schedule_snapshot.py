"""A copy of all that a schedule knows at one moment, to which it can be set back."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from nbflow.engine.compiled_graph import ORDINARY, CompiledGraph
from nbflow.engine.nodes import ASLEEP, DONE, EXPANDED, HELD, READY, RUNNING, WAITING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.schedule import Schedule

_ROOM = "nbflow.engine."
_PLAIN = frozenset({int, float, bool, str, type(None), range, CompiledGraph})
_STILL = (WAITING, READY, ASLEEP)
# What follows from threads, time and executors, and from the end of no task: it stays as it is now. Above all who is
# still busy with a resource, without which it would be cleaned up under that one's hands (rule 3).
_STAYS = frozenset(
    {
        "busy",
        "grace_until",
        "grace_s",
        "open",
        "open_lifetimes",
        "_open_lifetimes",
        "now",
        "_graces",
        "capacity",
        "ahead",
    }
)


class ScheduleSnapshot:
    """Keeps what a schedule knew when this was made. For a schedule at rest: nothing may be on its way to a call.

    What follows from an end is spread over many counts, heaps and lifetimes. To copy all of them is exact by
    construction; to take each back one by one is not.
    """

    def __init__(self, schedule: Schedule, graph: CompiledGraph) -> None:
        self._schedule, self._free = schedule, graph.free
        self._copies = list(_copies(schedule))
        self._phase = schedule.phase.copy()

    def went_on(self, node: int) -> int | None:
        """Return a node, other than the given one, that has done since what cannot be taken back; None: there is none.

        Tasks that ran beside and have ended, or are held, have not: `restore` has them end once more.
        """
        now = self._schedule.phase
        if len(now) != len(self._phase):  # a mapped task has got children
            return self._schedule.task_of[len(self._phase)]
        return next((other for other in self._changed() if other != node and not self._comes_along(other)), None)

    def followed(self, node: int) -> list[int]:
        """Return the nodes that ended only because the given one did: its map, and what is no step, such as lists."""
        changed, phase = self._changed(), self._schedule.phase
        return [other for other in changed if other != node and phase[other] == DONE and self._follows(other)]

    def restore(self, node: int) -> None:
        """Set the schedule back to before the end of a node; what else has ended beside it since ends once more."""
        schedule = self._schedule
        beside = [
            (other, schedule.phase[other], schedule.verdict[other])
            for other in self._changed()
            if other != node and self._phase[other] == RUNNING
        ]
        for found, copied in self._copies:
            _set_back(found, copied)
        for other, phase, verdict in beside:
            if phase == HELD:
                schedule.hold(other)
            else:
                schedule.ended(other, verdict)
        schedule.consider_cleanups()

    def _changed(self) -> list[int]:
        return [
            node for node, (then, now) in enumerate(zip(self._phase, self._schedule.phase, strict=False)) if then != now
        ]

    def _comes_along(self, node: int) -> bool:
        schedule, then, now = self._schedule, self._phase[node], self._schedule.phase[node]
        if then in _STILL and now in _STILL:
            return True  # it follows from what has ended
        if then == RUNNING and now in (DONE, HELD):
            return schedule.role[node] == ORDINARY
        return now == DONE and self._follows(node)

    def _follows(self, node: int) -> bool:
        return self._phase[node] == EXPANDED or self._free[self._schedule.task_of[node]]


def _copies(root: object) -> Iterator[tuple[Any, Any]]:
    """Yield whatever can change of an object and all that it holds, each with a copy."""
    seen: set[int] = set()
    todo = [root]
    while todo:
        found = todo.pop()
        if type(found) in _PLAIN or id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, (list, set, deque)):
            yield found, found.copy()
            todo += found
        elif isinstance(found, dict):
            yield found, found.copy()
            todo += found.values()
        elif isinstance(found, tuple):
            todo += found
        elif type(found).__module__.startswith(_ROOM):
            fields = {name: getattr(found, name) for name in _fields(found) if name not in _STAYS}
            yield found, fields
            todo += fields.values()


def _fields(found: object) -> list[str]:
    return [*getattr(type(found), "__slots__", ()), *getattr(found, "__dict__", ())]


def _set_back(found: Any, copied: Any) -> None:
    if isinstance(found, list):
        found[:] = copied
    elif isinstance(found, (set, dict)):
        found.clear()
        found.update(copied)
    elif isinstance(found, deque):
        found.clear()
        found.extend(copied)
    else:
        for name, value in copied.items():
            setattr(found, name, value)
