"""The facts of a run: the states of its tasks, the status of its resources, times. Changes are told as events."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from nbflow.core.states import Finished, Mapped, Paused, Pending, Running, State
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.events import EventLog, told
from nbflow.engine.file_record import FileRecord
from nbflow.engine.open_resources import BlockStatus, OpenResource, OpenResources
from nbflow.engine.task_changes import ChildrenWork, TaskChanges
from nbflow.engine.task_log import Logs
from nbflow.engine.time_spans import (
    SLOT,
    WORK,
    Change,
    Interval,
    Span,
    length_of,
    spans_of,
    waiting_of,
    work_of,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.files import TaskFiles
    from nbflow.engine.schedule import Schedule

NOT_RUN = "Task not run."


class Timings(dict["Task", tuple[float, float | None]]):
    """The times at which tasks began and ended, in seconds since the epoch; None: not yet.

    Attributes:
        started_at: When the run began.
        ended_at: When the run ended.
    """

    started_at: float | None = None
    ended_at: float | None = None

    def __init__(self, changes: TaskChanges | None = None) -> None:
        super().__init__()
        self._changes = changes
        self._pauses: list[Interval] = []
        self._held: dict[tuple[Task, int | None], list[Interval]] = {}
        self._again: set[Task] = set()  # those with more than one attempt, or turn of a loop
        self._kept_spans: Mapping[Task, list[Span]] = {}  # of a run that a store has kept
        self._kept_work: Mapping[Task, float] = {}

    def spans(self, task: Task, index: int | None = None) -> list[Span]:
        """Divide the time of a task into attempts, delays before retries, holds, and waiting for a place.

        The spans follow each other without a gap, from when all that the task takes is there. One that was never
        called has none once the run is over; of a mapped task the children have them. A store keeps those of tasks, not
        those of children; where an older nbflow has written it there is one, from begin to end.

        Args:
            task: The task.
            index: The child of a mapped task.

        Example:
            >>> from nbflow import Flow, task
            >>> with Flow("spans") as flow:
            ...     one = task(lambda: 1, name="one")()
            >>> run = flow.start()
            >>> _ = run.wait()
            >>> [span.state for span in run.timings.spans(one) if span.kind == "work"]
            ['Success']
        """
        if self._changes is None:
            if index is None and task in self._kept_spans:
                return [
                    span if span.end is not None else span._replace(end=max(span.start, self.ended_at or span.start))
                    for span in self._kept_spans[task]
                ]
            known = self.get(task) if index is None else None
            return [] if known is None or known[0] == known[1] else [Span(WORK, known[0], known[1], 1)]
        if task not in self._changes.graph.index:
            return []
        return self.divided(task, index, self._changes.of(task, index))

    def divided(self, task: Task, index: int | None, changes: list[Change]) -> list[Span]:
        """Divide the time of a task or child, as `spans` does, whose states somebody has read already."""
        known = self._changes
        assert known is not None, "only of a run of this kernel"
        begun = next((number for number, change in enumerate(changes) if isinstance(change.state, Running)), None)
        ready, now = known.ready_at(task, index, self), time.time()
        held, pauses = list(self._held.get((task, index), ())), list(self._pauses)
        if begun is None:
            if ready is None or self.ended_at is not None or not known.is_waiting(task, index):
                return []
            found = waiting_of(ready, now, held, pauses)
        else:
            if index is None and task not in self._again and self[task][0] > changes[begun].time:
                # It was given to a worker, which has begun with it a moment later.
                changes = [*changes[:begun], changes[begun]._replace(time=self[task][0]), *changes[begun + 1 :]]
            found = spans_of(changes, ready=ready, held=held, pauses=pauses, now=now)
        if known.graph.role[known.graph.index[task]] != ORDINARY:
            # A block opens when it is needed, and closes when it is not any more: it waits for no place.
            while found and found[0].kind == SLOT:
                del found[0]
        return found

    def changes_of_children(
        self, task: Task, indexes: Container[int], first: int = 0
    ) -> tuple[int, dict[int, list[Change]]]:
        """Return the states that some children of a mapped task have had; see `TaskChanges.of_children`."""
        return (0, {}) if self._changes is None else self._changes.of_children(task, indexes, first)

    def children_work(self, task: Task) -> ChildrenWork:
        """Return how long the children of a mapped task have worked so far."""
        return ChildrenWork() if self._changes is None else self._changes.children_work(task)

    def work_s(self, task: Task, index: int | None = None) -> float:
        """Return how long the attempts of a task have worked, in seconds; of a mapped task, those of all children.

        Neither delays nor holds are work, and no waiting for a place is.
        """
        now = time.time()
        if index is None and self._changes is not None and self._changes.children(task):
            return self._changes.children_work(task).until(now)
        if index is None and task in self._kept_work:
            return self._kept_work[task]
        return work_of(self.spans(task, index), now)

    @property
    def held_s(self) -> float:
        """How long the run has waited for a person so far, in seconds."""
        return self.held_until(time.time())

    def held_until(self, now: float) -> float:
        """Return how long the run had waited for a person by the time `now`, in seconds."""
        return length_of(list(self._pauses), now if self.ended_at is None else min(now, self.ended_at))

    @property
    def pauses(self) -> list[Interval]:
        """When the run was paused, in order."""
        return list(self._pauses)

    def take_kept(
        self, spans: Mapping[Task, list[Span]], work: Mapping[Task, float], pauses: Iterable[Interval]
    ) -> None:
        """Take the spans of tasks, the work of mapped ones, and the pauses, as a store has kept them."""
        self._kept_spans, self._kept_work, self._pauses = spans, work, list(pauses)

    def note_run(self, *, is_paused: bool, now: float) -> None:
        """Note that the run is paused, or is not."""
        is_noted = bool(self._pauses) and self._pauses[-1][1] is None
        if is_paused and not is_noted:
            self._pauses.append((now, None))
        elif is_noted and not is_paused:
            self._pauses[-1] = (self._pauses[-1][0], now)

    def note_begun(self, task: Task, now: float) -> None:
        """Note that an attempt of a task has begun."""
        if task in self:
            self._again.add(task)
        else:
            self[task] = (now, None)

    def note_hold(self, task: Task, index: int | None, *, is_over: bool = False) -> None:
        """Note that a task or child is held, or is not any more."""
        holds = self._held.setdefault((task, index), [])
        if not is_over:
            holds.append((time.time(), None))
        elif holds and holds[-1][1] is None:
            holds[-1] = (holds[-1][0], time.time())

    def is_divided(self, task: Task) -> bool:
        """Tell whether a task was held or had more than one attempt, so that it worked less than from begin to end."""
        return task in self._again or (task, None) in self._held

    def over_at(self, task: Task, state: State | None) -> float | None:
        """Return when a task was over for those that come after it; None if it is not.

        Args:
            task: The task.
            state: Its state as it is now; None of a copy, in which nothing goes on any more.
        """
        if state is not None and not state.is_finished():
            return None
        ended = self.get(task, (0.0, 0.0))[1]  # one without times was given to the run
        holds = self._held.get((task, None))
        if ended is None or not holds:
            return ended
        over = holds[-1][1]
        return None if over is None else max(ended, over)


class Record:
    """The state of one run. Read from any thread; changed by the run's thread only, each change told as an event.

    Attributes:
        state: The state of the run.
        states: The state of each task; children of a mapped task are in its state's `map_states`.
        with_values: The tasks that may hold more than a number: those whose values are worth giving back.
        timings: When each task was first started and when it ended, and the run.
        open_resources: The resources.
        logs: What each task printed and logged.
        files: What files the tasks opened.
        places: The name of the worker that a task or child was last called by, if not by the kernel.
        made_again: How often a task or child was called once more because its worker was lost.
        sources: Where a value comes from that the run did not compute: "cached", "reused", "edited" or "pinned".
    """

    def __init__(self, run_id: str, graph: CompiledGraph, schedule: Schedule) -> None:
        self.id, self.graph, self.schedule = run_id, graph, schedule
        self.log = EventLog(run_id)
        self.state: State = Pending()
        self.states: dict[Task, State] = dict.fromkeys(graph.tasks, Pending(NOT_RUN))
        self.with_values: dict[Task, None] = {}
        self.open_resources = OpenResources(graph.blocks)
        self.logs = Logs()
        self.places: dict[Task, dict[int, str]] = {}
        self.made_again: Counter[tuple[Task, int]] = Counter()
        self.sources: dict[Task, str] = {}
        self.timings = Timings(TaskChanges(self.log, graph, self.states))
        self.files = FileRecord()

    def current(self, node: int) -> State:
        """Return the state of a task or child."""
        schedule = self.schedule
        state = self.states[schedule.task(node)]
        child = schedule.child_index[node]
        return state.map_states[child] if child >= 0 and isinstance(state, Mapped) else state

    def set_task(self, node: int, old: State, state: State, attempt: int = 0) -> None:
        """Give a task or child a state."""
        schedule = self.schedule
        task = schedule.task(node)
        child = schedule.child_index[node]
        now = time.time()
        if task.tags:
            state.context.setdefault("tags", list(task.tags))
        if child < 0:
            self.states[task] = state
            self.with_values[task] = None
            if type(state) is Running:
                self.timings.note_begun(task, now)
            elif isinstance(state, Finished) and not isinstance(state, Mapped):
                begun = self.timings.get(task)
                self.timings[task] = (now if begun is None else begun[0], now)
            self.log.changed(task, None, told(old), told(state), attempt, now)
            return
        parent = self.states[task]
        if isinstance(parent, Mapped):
            parent.map_states[child] = state
        self.log.changed(task, child, told(old), told(state), attempt, now)

    def note_files(self, node: int, files: TaskFiles) -> None:
        """Note the files of an attempt of an ordinary task or child."""
        number = self.schedule.task_of[node]
        self.files.note(self.graph.tasks[number], self.schedule.child_index[node], files)

    def note_place(self, node: int, worker: str) -> None:
        """Note which worker has an attempt of a task or child."""
        number = self.schedule.task_of[node]
        self.places.setdefault(self.graph.tasks[number], {})[self.schedule.child_index[node]] = worker

    def place_of(self, task: Task, child: int = -1) -> str:
        """Return the name of the worker that had the last attempt of a task or child; empty: the kernel itself."""
        return self.places.get(task, {}).get(child, "")

    def note_again(self, node: int, worker: str, lost: str, behind: int = 0) -> None:
        """Note that a worker was lost, and another one makes once more what it had begun; see `Again`."""
        task = self.graph.tasks[self.schedule.task_of[node]]
        child = self.schedule.child_index[node]
        self.places.setdefault(task, {})[child] = worker
        self.made_again[task, child] += 1
        which = f"child {child} of task" if child >= 0 else "task"
        more = f"; {behind} more that it had got may have begun there" if behind else ""
        self.note(f"{which} {task.name!r} runs again on {worker}, as {lost} was lost{more}", task)

    def map_ended(self, node: int) -> None:
        """Note that the last child of a mapped task has ended."""
        task = self.graph.tasks[node]
        now = time.time()
        self.timings[task] = (self.timings.get(task, (now, None))[0], now)
        state = self.states[task]
        self.log.emit("task", task, None, None, state, state, note="all children ended")

    def set_run(self, state: State) -> None:
        """Give the run a state."""
        old, self.state = self.state, state
        self.timings.note_run(is_paused=isinstance(state, Paused), now=time.time())
        self.log.emit("run", old=old, state=state)

    def set_block(self, held: OpenResource, status: BlockStatus) -> None:
        """Give a resource a status."""
        if held.status is not status:
            held.status = status
            index = held.index if held.index >= 0 else None
            self.log.emit("block", map_index=index, block=held.block, note=status.value)

    def note(self, text: str, task: Task | None = None) -> None:
        """Tell the reader something that is no change of state."""
        self.log.emit("note", task, note=text)
