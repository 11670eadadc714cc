"""The spans of tasks and children as plain data, for a timeline with a lane for each: only what is new is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped
from nbflow.engine.child_spans import ChildSpans
from nbflow.engine.time_spans import WORK
from nbflow.render.palette import state_look
from nbflow.render.status_marks import state_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.engine.time_spans import Span
    from nbflow.panel.part import Json

# So many spans of a task are told one by one: the first, and the last ones. Those between are one, of the kind "many".
MOST_SPANS = 120
MANY = "many"
# Kind, start, end (None: it goes on), attempt (of "many": how many attempts), state that it ended in.
WireSpan = list[Any]


class SpanLanes:
    """What the lanes of one run show, in seconds since its start; read when somebody asks, and told once.

    Args:
        run: The run.
        keys: The key of each task that has a lane.
    """

    def __init__(self, run: Run, keys: Mapping[Task, str]) -> None:
        self.run = run
        self._keys = keys
        self._tasks = {key: task for task, key in keys.items()}
        self._children: dict[str, ChildSpans] = {}
        self._told: dict[Any, Any] = {}
        self._below: list[list[int]] = [[] for _ in run.graph.tasks]
        for node, ups in enumerate(run.graph.upstream):
            for up in ups:
                self._below[up].append(node)

    def forget(self) -> None:
        """Tell all of it again, to somebody who has not heard it."""
        self._told.clear()

    def news(self, changed: Iterable[Task] | None, wanted: Mapping[str, int]) -> Json:
        """Return what is new: `lanes` by key, `maps` with their number of children, and `children` by key and number.

        Args:
            changed: The tasks that may have changed; None: all.
            wanted: The maps whose children are looked at, and how many of them.
        """
        run = self.run
        tasks = self._keys if changed is None else self._around(changed)
        lanes, maps = {}, {}
        for task in tasks:
            key, state = self._keys[task], run.states.get(task)
            if self._is_news(key, wire := self._wire(run.timings.spans(task))):
                lanes[key] = wire
            if isinstance(state, Mapped) and self._is_news((key, "n"), count := len(state.map_states)):
                maps[key] = count
        children = {key: found for key, count in wanted.items() if (found := self._of_map(key, count, changed is None))}
        return {"lanes": lanes, "maps": maps, "children": children}

    def _around(self, changed: Iterable[Task]) -> dict[Task, None]:
        """Return tasks and those after them, which may wait from now on."""
        graph = self.run.graph
        found: dict[Task, None] = {}
        for task in changed:
            below = (graph.tasks[node] for node in self._below[graph.index[task]])
            found.update((one, None) for one in (task, *below) if one in self._keys)
        return found

    def _of_map(self, key: str, count: int, everything: bool) -> dict[int, list[Any]]:
        task = self._tasks.get(key)
        state = None if task is None else self.run.states.get(task)
        if task is None or not isinstance(state, Mapped):
            self._children.pop(key, None)
            return {}
        count = min(count, len(state.map_states))
        known = self._children.get(key)
        if known is None or known.count != count:
            known, everything = ChildSpans(self.run.timings, task, count), True
            self._children[key] = known
        found = {}
        for index, spans in known.news(everything=everything).items():
            name = state_name(state.map_states[index])
            told = [name, state_look(name).label, self._wire(spans)]
            if self._is_news((key, index), told):
                found[index] = told
        return found

    def _is_news(self, key: Any, told: Any) -> bool:
        if self._told.get(key, []) == told:  # what has no spans need not be told
            return False
        self._told[key] = told
        return True

    def _wire(self, spans: list[Span]) -> list[WireSpan]:
        began = self.run.timings.started_at or 0.0
        found: list[WireSpan] = [
            [span.kind, _at(span.start, began), None if span.end is None else _at(span.end, began), *span[3:]]
            for span in spans
        ]
        found = [one for one in found if one[0] == WORK or one[2] is None or one[2] > one[1]]
        if len(found) <= MOST_SPANS:
            return found
        between = found[1 : 2 - MOST_SPANS]
        attempts = sum(one[0] == WORK for one in between)
        return [found[0], [MANY, between[0][1], between[-1][2], attempts, ""], *found[2 - MOST_SPANS :]]


def _at(time: float, began: float) -> float:
    return round(time - began, 3)
