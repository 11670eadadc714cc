"""The files of a run's tasks: noted when an attempt ends, taken over for what a rerun does not run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbflow.engine.files import NO_FILES, TaskFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.plan import Plan

_WHOLE = -1


class FileRecord:
    """Which files each task of a run read and wrote; a mapped task's by child.

    Attributes:
        vanished: Files that were there when a task ended and no longer when the run did: with a scratch folder that
            was cleaned up, say.
    """

    def __init__(self) -> None:
        self._noted: dict[Task, dict[int, TaskFiles]] = {}
        self._taken_over: dict[Task, dict[int, TaskFiles]] = {}
        self.vanished: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self._noted or self._taken_over)

    def note(self, task: Task, child: int, files: TaskFiles) -> None:
        """Note the files of an attempt that has ended; those of former attempts in this run count as well."""
        known = self._noted.setdefault(task, {})
        before = known.get(child)
        known[child] = files if before is None else before.and_then(files)

    def of(self, task: Task) -> TaskFiles:
        """Return the files of a task, of a mapped one those of all its children."""
        children = self._children(task)
        found = NO_FILES
        for child in sorted(children):
            found = children[child] if found is NO_FILES else found.beside(children[child])
        return found

    def tasks(self) -> dict[Task, TaskFiles]:
        """Return the files of each task that has some."""
        return {task: self.of(task) for task in {**self._taken_over, **self._noted}}

    def take_over(self, plan: Plan, then: Mapping[Task, Task], former: FileRecord) -> None:
        """Take over the files of what `plan` does not run; `then` says what the tasks were in the earlier run."""
        self.vanished = former.vanished
        for step in plan.steps:
            known = former._children(then[step.task]) if step.task in then else {}
            if step.runs:
                again = step.children
                known = {} if again is None else {k: v for k, v in known.items() if k not in again}
            if known:
                self._taken_over[step.task] = known

    def end(self) -> None:
        """Note what is no longer there now that the run is over: it has taken that away itself."""
        found: set[str] = set()
        for files in self.tasks().values():
            for states in (files.inputs, files.outputs):
                found.update(path for path, state in states.items() if state.size >= 0)
        self.vanished = frozenset(path for path in found if not os.path.exists(path))

    def _children(self, task: Task) -> dict[int, TaskFiles]:
        return self._taken_over.get(task, {}) | self._noted.get(task, {})
