"""How the tasks of one run look now. Whoever asks says what has changed, and pays for that only.

A mapped task may have thousands of children: they are counted once, then only those that changed are looked at.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.core.states import Failed, Mapped
from nbflow.render.status_marks import MISSING_MARK, Mark, class_of_many, mark_of, mark_of_many

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.core.states import State
    from nbflow.core.task import Task


class TaskMarks:
    """The marks of tasks; told of each change, it keeps count of the children of mapped ones."""

    def __init__(self) -> None:
        self._maps: dict[Task, Children] = {}

    def mark(self, task: Task, state: State | None, changed: Iterable[int] | None = None) -> Mark:
        """Return how a task looks; of a mapped one, only the children in `changed` are looked at, if given."""
        if isinstance(state, Mapped):
            return self._children(task, state, changed).mark
        if isinstance(task, PlaceholderTask):
            return MISSING_MARK
        return mark_of(type(state))

    def counted_as(self, task: Task, state: State | None) -> type:
        """Return the class that its state counts as among others; of a mapped task, as `mark` has seen it last."""
        if isinstance(state, Mapped):
            known = self._maps.get(task) or self._children(task, state, None)
            return class_of_many(known.counts)
        return type(state)

    def counts_of(self, task: Task, state: State | None) -> Mapping[type, int] | None:
        """Return how many children of a mapped task have a state of each class, as `mark` has seen them last."""
        known = self._maps.get(task) if isinstance(state, Mapped) else None
        return None if known is None else known.counts

    def first_failed(self, task: Task) -> int | None:
        """Return the first failed child of a mapped task, as `mark` has seen it last."""
        known = self._maps.get(task)
        return None if known is None else known.first_failed

    def _children(self, task: Task, state: Mapped, changed: Iterable[int] | None) -> Children:
        known = self._maps.get(task)
        if known is None:
            known = self._maps[task] = Children()
        known.read(state.map_states or [], changed)
        return known


class Children:
    """The states of a mapped task's children, counted by class."""

    def __init__(self) -> None:
        self.counts: Counter[type] = Counter()
        self.first_failed: int | None = None
        self.mark = mark_of_many(self.counts, "Mapped")
        self._states: list[Any] | None = None
        self._seen: list[type] = []

    def read(self, states: list[Any], changed: Iterable[int] | None) -> None:
        """Read the states of the `changed` children; of all, if these are others or that is not known."""
        # Others: an earlier run's children were replaced, or a handler's own list has taken their place.
        if changed is None or states is not self._states or len(states) != len(self._seen):
            self._states = states
            self._seen = list(map(type, states))
            self.counts = Counter(self._seen)
            self._find_failed(0)
        else:
            for index in changed:
                self._read_one(index, type(states[index]))
        self.mark = mark_of_many(self.counts, "Mapped")

    def _read_one(self, index: int, now: type) -> None:
        before = self._seen[index]
        if before is now:
            return
        self._seen[index] = now
        self.counts[before] -= 1
        self.counts[now] += 1
        if issubclass(now, Failed):
            if self.first_failed is None or index < self.first_failed:
                self.first_failed = index
        elif index == self.first_failed:
            self._find_failed(index + 1)

    def _find_failed(self, start: int) -> None:
        bad = {sort for sort, n in self.counts.items() if n and issubclass(sort, Failed)}
        found = (i for i in range(start, len(self._seen)) if self._seen[i] in bad) if bad else iter(())
        self.first_failed = next(found, None)
