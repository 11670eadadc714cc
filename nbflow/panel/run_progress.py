"""How far a run is, as plain data and without widgets: the head of a panel, what runs now, and what has ended since.

The numbers are the panel's own: both read them from a `Picture`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.states import Mapped
from nbflow.engine.time_spans import work_of
from nbflow.panel.part import RUN
from nbflow.panel.picture.static_snapshot import Picture
from nbflow.render.failure_groups import group_lines
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from nbflow.core.task import Task
    from nbflow.engine.events import Event
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json


class TaskTime(NamedTuple):
    """A task, or a child of a mapped one, that runs or has ended: its name, state and seconds of work if known."""

    name: str
    state: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        head: The head of a panel; see `Header.tell`.
        running: What runs now, the longest first.
        ended: The tasks that have ended since the last look, in that order.
        failed: What failed, and where.
    """

    head: Json
    running: list[TaskTime]
    ended: list[TaskTime]
    failed: list[tuple[str, str]]


class RunProgress:
    """Follows one run from its start.

    Args:
        run: The run; what has ended before is not told of.
        clock: Gives seconds since the epoch, as the run's timings do.
    """

    def __init__(self, run: Run, clock: Callable[[], float] = time.time) -> None:
        self.run = run
        self._clock = clock
        self._picture: Picture | None = None
        self._changed: dict[Hashable, None] = {}
        self._going: dict[Task, None] = {}
        self._ended: dict[Task, None] = {task: None for task, state in run.states.items() if state.is_finished()}
        self._failed: list[tuple[str, str]] = []
        self._any_failed = False
        self.has_news = True
        self.stop = run._record.log.listen(self._note)

    def _note(self, event: Event) -> None:
        # On the run's thread: nothing but notes, which the next look takes.
        task, state = event.task, event.state
        if task is None:
            self._changed[event.block or RUN] = None
        else:
            self._changed[task if event.map_index is None else (task, event.map_index)] = None
            self._any_failed = self._any_failed or (state is not None and state.is_failed())
        self.has_news = True

    def look(self) -> Progress:
        """Return how far the run is; called by one thread at a time."""
        run, states = self.run, self.run.states
        self.has_news = False
        keys: list[Hashable] = []
        if self._picture is None:  # not before somebody looks: most runs are over by then
            self._picture = Picture(run.graph, clock=self._clock)
            keys = [*self._picture.everything()]
        found = tuple(self._changed.copy())
        for key in found:
            del self._changed[key]
        head = self._picture.patch(run, [*keys, *found])["head"]
        ended = self._sort([*keys, *found])
        if self._any_failed:
            self._any_failed = False
            self._failed = group_lines(dict(states))
        running = [self._part(task) for task in self._going]
        running.sort(key=lambda part: -(part.seconds or 0.0))
        return Progress(head, running, ended, self._failed)

    def _sort(self, keys: list[Hashable]) -> list[TaskTime]:
        """Note which of the tasks that have changed run now; return those that have ended, in that order."""
        assert self._picture is not None
        ended = []
        for key in keys:
            task = key[0] if type(key) is tuple else key
            if task not in self._picture.rows:
                continue
            state, timing = self.run.states[task], self.run.timings.get(task)
            has_ended = timing is None or timing[1] is not None
            # The state of a mapped task says that it has ended while its children still run.
            if not state.is_finished() and not state.is_running():
                self._going.pop(task, None)
            elif not (state.is_finished() and has_ended):
                self._going[task] = None
            else:
                self._going.pop(task, None)
                if task not in self._ended:
                    self._ended[task] = None
                    ended.append(task)
        ended.sort(key=lambda task: self.run.timings[task][1] or 0.0)
        return [self._part(task) for task in ended]

    def _part(self, task: Task) -> TaskTime:
        timings = self.run.timings
        timing, seconds = timings.get(task), None
        if isinstance(self.run.states[task], Mapped):
            seconds = timings.children_work(task).until(self._clock())
        elif timing is not None and timings.is_divided(task):
            seconds = work_of(timings.spans(task), self._clock())
        elif timing is not None and timing[0] != timing[1]:  # what never ran began and ended at once
            seconds = max(0.0, (self._clock() if timing[1] is None else timing[1]) - timing[0])
        return TaskTime(one_line(task.name, 60), type(self.run.states[task]).__name__, seconds)
