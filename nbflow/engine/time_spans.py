"""The time of a task, told apart: work, the delay before a retry, waiting for a person, and waiting for a place.

Derived from the events of a run when somebody asks, so that a run itself pays nothing for it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.states import Finished, Looped, Mapped, Paused, Retrying, Running
from nbflow.engine.events import Event, EventLog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

WORK, DELAY, HOLD, SLOT = "work", "delay", "hold", "slot"
Interval = tuple[float, float | None]
"""A begin and an end, in seconds since the epoch; None: not yet."""


class Span(NamedTuple):
    """A part of a task's time.

    Attributes:
        kind: "work" (one attempt of it), "delay" (before it is tried again), "hold" (a person is waited for) or
            "slot" (it is ready, and waits for a place).
        start: When it began, in seconds since the epoch.
        end: When it ended; None: not yet.
        attempt: The number of the attempt that it is, or that it is waited for.
        state: The name of the state in which an attempt ended; empty for the others, and while it goes on.
    """

    kind: str
    start: float
    end: float | None
    attempt: int
    state: str = ""


class Change(NamedTuple):
    """A task's or child's new state, when it got it, and in which attempt."""

    time: float
    state: State
    attempt: int


def spans_of(
    changes: Sequence[Change],
    *,
    ready: float | None = None,
    held: Iterable[float] = (),
    pauses: Sequence[Interval] = (),
) -> list[Span]:
    """Divide the time of a task or child into spans, which follow each other without a gap.

    Args:
        changes: Its states, in order.
        ready: When all that it takes was there, if that is known; else its time begins with its first attempt.
        held: When breakpoints have held it before it could start, in order.
        pauses: When the run was paused, in order.
    """
    found: list[Span] = []
    at = ready
    mode, due, attempt = "", 0.0, 1
    if not any(isinstance(change.state, Running) for change in changes):
        return found  # it was never called, and took no time
    for number, change in enumerate(changes):
        now = change.time if at is None else max(at, change.time)  # a worker's clock may be behind
        begun = isinstance(change.state, Running)
        if at is not None and mode == HOLD and isinstance(change.state, Retrying):
            now = at  # nobody was waited for: the failure of an attempt is told, and at once that there is another
        if at is not None and now > at:
            if mode == WORK:
                found.append(Span(WORK, at, now, attempt, type(change.state).__name__))
            else:
                found += _idle(at, now, mode, due, change.attempt if begun else attempt, held, pauses)
        if isinstance(change.state, Finished) and number == len(changes) - 1:
            return found
        if begun:
            at, mode, attempt = now, WORK, change.attempt or attempt
        elif isinstance(change.state, Retrying):
            start = change.state.start_time
            at, mode, attempt = now, DELAY, change.state.run_count + 1
            due = now if start is None else start.timestamp()
        else:
            # After a turn of a loop nobody is waited for: the next turn follows as soon as there is a place.
            is_held = isinstance(change.state, (Finished, Paused)) and not isinstance(change.state, Looped)
            at, mode = now, HOLD if is_held else ""
    if at is not None:
        found.append(Span(mode or SLOT, at, None, attempt))
    return found


def work_of(spans: Iterable[Span], now: float | None = None) -> float:
    """Return how long attempts have worked, in seconds; of one that goes on, up to `now`."""
    ends = ((span.start, now if span.end is None else span.end) for span in spans if span.kind == WORK)
    return sum(max(0.0, end - start) for start, end in ends if end is not None)


def length_of(intervals: Iterable[Interval], now: float) -> float:
    """Return the length of intervals, in seconds; of one that goes on, up to `now`."""
    return sum(max(0.0, (now if end is None else end) - start) for start, end in intervals)


def _idle(
    start: float,
    end: float,
    mode: str,
    due: float,
    attempt: int,
    held: Iterable[float],
    pauses: Sequence[Interval],
) -> list[Span]:
    """Divide the time between two attempts, or before the first."""
    if mode == HOLD:
        return [Span(HOLD, start, end, attempt)]
    found = []
    if mode == DELAY and due > start:
        found.append(Span(DELAY, start, min(due, end), attempt))
        start = min(due, end)
    stops = [(begun, end if over is None else min(over, end)) for begun, over in pauses if begun < end]
    stops += [(begun, end) for begun in held if start <= begun < end]
    for begun, over in sorted(stops):
        begun = max(begun, start)
        if over > begun:
            if begun > start:
                found.append(Span(SLOT, start, begun, attempt))
            found.append(Span(HOLD, begun, over, attempt))
            start = over
    if end > start:
        found.append(Span(SLOT, start, end, attempt))
    return found


class TaskChanges:
    """The states of each task and child of a run, read from its events as far as they have come.

    What is read of a task is kept. Of children nothing is: there may be a hundred thousand, and each would take more
    memory than all that a run keeps of it.

    Args:
        log: The run's events.
        graph: The run's graph.
    """

    def __init__(self, log: EventLog, graph: CompiledGraph) -> None:
        self._log, self.graph = log, graph
        self._changes: dict[tuple[Task, int | None], list[Change]] = {}
        self._read = 0
        self._lock = threading.Lock()  # any thread may ask

    def __getstate__(self) -> dict[str, Any]:
        # A copy knows what there was: its run tells it nothing more, and the run's listeners are not copied with it.
        self._read_on()
        with self._lock:
            known = {key: list(changes) for key, changes in self._changes.items()}
        for task, index, change in self._changes_from(0):
            if index is not None:
                known.setdefault((task, index), []).append(change)
        return {"graph": self.graph, "_changes": known}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(EventLog(""), state["graph"])  # type: ignore[misc]
        self._changes = state["_changes"]

    def of(self, task: Task, index: int | None) -> list[Change]:
        """Return the states that a task or child has had, in order."""
        self._read_on()
        with self._lock:
            found = list(self._changes.get((task, index), ()))
        if index is None or found:
            return found
        return [change for one, child, change in self._changes_from(0) if child == index and one is task]

    def children_work(self, task: Task, now: float) -> float:
        """Return how long all children of a mapped task have worked together by the time `now`, in seconds."""
        total = 0.0
        begun: dict[int, float] = {}
        changes = [
            (i, c) for (one, i), kept in self._changes.copy().items() if i is not None and one is task for c in kept
        ]
        live = ((index, change) for one, index, change in self._changes_from(0) if index is not None and one is task)
        for index, change in (*changes, *live):
            start = begun.pop(index, None)
            if start is not None:
                total += max(0.0, change.time - start)
            if isinstance(change.state, Running):
                begun[index] = change.time
        return total + sum(max(0.0, now - start) for start in begun.values())

    def _read_on(self) -> None:
        with self._lock:
            end = len(self._log.entries)
            for task, index, change in self._changes_from(self._read, end):
                if index is None:
                    self._changes.setdefault((task, None), []).append(change)
            self._read = end

    def _changes_from(self, first: int, end: int | None = None) -> Iterator[tuple[Task, int | None, Change]]:
        """Yield the changes of the log; entries that nobody has looked at as events stay as small as they are."""
        for entry in self._log.entries[first:end]:
            if not isinstance(entry, Event):
                task, index, _, state, attempt, at = entry
                yield task, index, Change(at, state, attempt)
            elif entry.kind == "task" and entry.task is not None and entry.state is not None and not entry.note:
                yield entry.task, entry.map_index, Change(entry.time, entry.state, entry.attempt)

    def children(self, task: Task) -> int:
        """Return how many children a mapped task has; 0 of any other one."""
        changes = self.of(task, None)
        state = next((change.state for change in reversed(changes) if isinstance(change.state, Mapped)), None)
        return 0 if state is None else state.n_map_states

    def ready_at(self, task: Task, index: int | None, timings: Mapping[Task, Interval]) -> float | None:
        """Return when all that a task or child takes was there; None if that is not known."""
        known = timings.get(task)
        if index is not None:
            return None if known is None else known[0]
        ups = [self.graph.tasks[up] for up in self.graph.upstream[self.graph.index[task]]]
        ends = [timings[up][1] for up in ups if up in timings]
        if any(end is None for end in ends):
            return None
        return max((end for end in ends if end is not None), default=None)
