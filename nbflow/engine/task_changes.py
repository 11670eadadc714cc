"""The states that the tasks and children of a run have had, read from its events when somebody asks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped, Running
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.events import Event, EventLog
from nbflow.engine.time_spans import Change

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.record import Timings

_NO_STATES: Mapping[Task, State] = {}


class ChildrenWork:
    """How long the children of a mapped task have worked together."""

    __slots__ = ("_begun", "_sum")

    def __init__(self) -> None:
        self._sum = 0.0
        self._begun: dict[int, float] = {}

    def note(self, index: int, change: Change) -> None:
        """Note a child's new state."""
        start = self._begun.pop(index, None)
        if start is not None:
            self._sum += max(0.0, change.time - start)
        if isinstance(change.state, Running):
            self._begun[index] = change.time

    def until(self, now: float) -> float:
        """Return the sum in seconds by the time `now`."""
        return self._sum + sum(max(0.0, now - start) for start in self._begun.copy().values())

    def line(self, zero: float) -> tuple[float, int]:
        """Return the sum as a line: what it is at the time `zero`, and by how much it grows a second."""
        starts = self._begun.copy().values()
        return self._sum - sum(start - zero for start in starts), len(starts)


class TaskChanges:
    """The states of each task and child of a run, read from its events as far as they have come.

    What is read of a task is kept. Of children only a sum is: there may be a hundred thousand, and each would take more
    memory than all that a run keeps of it.

    Args:
        log: The run's events.
        graph: The run's graph.
        states: The states of its tasks as they are now; empty of a copy.
    """

    def __init__(self, log: EventLog, graph: CompiledGraph, states: Mapping[Task, State] = _NO_STATES) -> None:
        self._log, self.graph, self._states = log, graph, states
        self._changes: dict[tuple[Task, int | None], list[Change]] = {}
        self._work: dict[Task, ChildrenWork] = {}
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
        return {"graph": self.graph, "_changes": known, "_work": self._work}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(EventLog(""), state["graph"])  # type: ignore[misc]
        self._changes, self._work = state["_changes"], state["_work"]

    def of(self, task: Task, index: int | None) -> list[Change]:
        """Return the states that a task or child has had, in order."""
        self._read_on()
        with self._lock:
            found = list(self._changes.get((task, index), ()))
        if index is None or found:
            return found
        return [change for one, child, change in self._changes_from(0) if child == index and one is task]

    def children_work(self, task: Task) -> ChildrenWork:
        """Return how long the children of a mapped task have worked so far."""
        self._read_on()
        return self._work.get(task) or ChildrenWork()

    def of_children(self, task: Task, indexes: Container[int], first: int = 0) -> tuple[int, dict[int, list[Change]]]:
        """Return the states that some children of a mapped task have had, and up to where the log was read.

        Args:
            task: The mapped task.
            indexes: The children.
            first: Where to begin in the log: 0, or what was returned last.
        """
        end = len(self._log.entries)
        found: dict[int, list[Change]] = {}
        for one, index, change in self._changes_from(first, end):
            if one is task and index is not None and index in indexes:
                found.setdefault(index, []).append(change)
        return end, found

    def _read_on(self) -> None:
        with self._lock:
            end = len(self._log.entries)
            for task, index, change in self._changes_from(self._read, end):
                if index is None:
                    self._changes.setdefault((task, None), []).append(change)
                    continue
                work = self._work.get(task)
                if work is None:
                    work = self._work[task] = ChildrenWork()
                work.note(index, change)
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

    def is_waiting(self, task: Task, index: int | None) -> bool:
        """Tell whether a task or child has not ended; asked of one that was never called."""
        state = self._states.get(task)
        if index is not None and isinstance(state, Mapped):
            state = state.map_states[index]
        return state is not None and not state.is_finished()

    def ready_at(self, task: Task, index: int | None, timings: Timings) -> float | None:
        """Return when all that a task or child takes was there; None if that is not known, or not yet.

        What a block's tasks take of its resource does not count: for the block to open they wait.
        """
        known = timings.get(task)
        if index is not None:
            return None if known is None else known[0]
        role = self.graph.role
        node = self.graph.index[task]
        ups = [up for up in self.graph.upstream[node] if role[node] != ORDINARY or role[up] == ORDINARY]
        ends = [timings.over_at(up, self._states.get(up)) for up in map(self.graph.tasks.__getitem__, ups)]
        begun = timings.started_at
        if begun is None or any(end is None for end in ends):
            return None
        return max(begun, *(end for end in ends if end is not None)) if ends else begun
