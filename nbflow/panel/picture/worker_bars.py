"""When each task and child was worked on, and by which worker: the bars of a timeline with a lane for each worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.states import Running
from nbflow.render.names import one_line
from nbflow.render.palette import state_look
from nbflow.render.status_marks import state_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.events import Event
    from nbflow.engine.run import Run

# Key of the row, child (None: the task itself), start, end (None while it goes on), state, its icon and word, worker
# (empty: the kernel). Children that are not told one by one have no key, and their number in place of the child.
Bar = list[Any]

# So many children are told one by one, all further ones as one bar for each worker.
MOST_CHILDREN = 4_000
PLACE_LIMIT = 80
_INDEX, _START, _END, _STATE, _LINE, _PLACE = 1, 2, 3, 4, 5, 6


class WorkerBars:
    """The last attempt of each task and child, in seconds since the run's start; nothing as long as no worker had one.

    The run's log is read once, as it grows. Only of the last attempt it is known where it was.

    Args:
        keys: The key of each task that has a row.
        most_children: How many children are told one by one.
    """

    def __init__(self, keys: Mapping[Task, str], *, most_children: int = MOST_CHILDREN) -> None:
        self._keys = keys
        self._room = most_children
        self._read = 0
        self._all: dict[str, Bar] = {}
        # Which task and child a bar without an end is of, and where the attempt before was: until another worker is
        # noted, what is noted is that.
        self._going: dict[str, tuple[Task, int, str]] = {}
        self._begun: dict[tuple[Task, int], float] = {}  # children that are not told one by one

    def news(self, run: Run | None) -> dict[str, Bar]:
        """Return the bars that have begun or changed since the last call, by an id of each."""
        if run is None or not run._record.places:
            return {}
        events = run._record.log.events  # not the public list, a copy of what may be a million
        began = run.timings.started_at or 0.0
        changed: dict[str, None] = {}
        while self._read < len(events):
            event = events[self._read]
            self._read += 1
            task = event.task
            if event.kind == "task" and task is not None and task in self._keys and event.state is not None:
                changed.update(dict.fromkeys(self._note(event, task, round(event.time - began, 3), run)))
        changed.update(dict.fromkeys(self._placed(run)))
        return {bar: list(self._all[bar]) for bar in changed}

    def all(self) -> dict[str, Bar]:
        """Return all bars, as of the last news."""
        return {bar: list(one) for bar, one in self._all.items()}

    def _note(self, event: Event, task: Task, at: float, run: Run) -> tuple[str, ...]:
        child = -1 if event.map_index is None else event.map_index
        key = self._keys[task]
        name = key if child < 0 else f"{key}/{child}"
        if type(event.state) is Running:
            if name not in self._all and child >= 0:
                if self._room <= 0:
                    self._begun[task, child] = at
                    return ()
                self._room -= 1
            self._all[name] = [key, event.map_index, at, None, *_looks(event), ""]
            self._going[name] = task, child, _place(run, task, child) if event.attempt > 1 else ""
            return (name,)
        if (start := self._begun.pop((task, child), None)) is not None:
            return (self._note_rest(start, at, _place(run, task, child)),)
        bar = self._all.get(name)
        if bar is None:
            return ()  # it was never called
        if self._going.pop(name, None) is not None:
            bar[_END], bar[_PLACE] = at, _place(run, task, child)
        bar[_STATE], bar[_LINE] = _looks(event)
        return (name,)

    def _note_rest(self, start: float, end: float, place: str) -> str:
        name = f"more/{place}"
        bar = self._all.setdefault(name, ["", 0, start, end, "", "", place])
        bar[_INDEX] += 1
        bar[_START], bar[_END] = min(bar[_START], start), max(bar[_END], end)
        return name

    def _placed(self, run: Run) -> list[str]:
        """Return the bars that go on and whose worker has become known."""
        found = []
        for name, (task, child, before) in self._going.items():
            bar = self._all[name]
            if not bar[_PLACE] and (place := _place(run, task, child)) != before:
                bar[_PLACE] = place
                found.append(name)
        return found


def _looks(event: Event) -> tuple[str, str]:
    name = state_name(event.state)
    return name, state_look(name).label


def _place(run: Run, task: Task, child: int) -> str:
    place = run._record.place_of(task, child)
    return one_line(place, PLACE_LIMIT) if place else ""
