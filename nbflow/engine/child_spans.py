"""The spans of the first children of a mapped task, looked at again and again while its run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.record import Timings
    from nbflow.engine.time_spans import Change, Span


class ChildSpans:
    """Divides the time of the first children of a mapped task. The run's events are read once, as they come.

    Args:
        timings: The run's.
        task: The mapped task.
        count: How many of its children.
    """

    def __init__(self, timings: Timings, task: Task, count: int) -> None:
        self._timings, self._task, self.count = timings, task, count
        self._changes: dict[int, list[Change]] = {index: [] for index in range(count)}
        self._read = 0

    def news(self, *, everything: bool = False) -> dict[int, list[Span]]:
        """Return the spans of the children that have had another state since the last time.

        Args:
            everything: Those of all others as well: what they wait for may have changed.
        """
        self._read, found = self._timings.changes_of_children(self._task, range(self.count), self._read)
        for index, changes in found.items():
            self._changes[index] += changes
        indexes = self._changes if everything else found
        return {index: self._timings.divided(self._task, index, self._changes[index]) for index in indexes}
