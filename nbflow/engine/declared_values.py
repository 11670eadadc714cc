"""The values that a run is given and the next run is to find as they were (docs/reruns.md, rule V4).

They are constants, parameters and cached values. The run works on a copy, where there can be one. Where there cannot,
and a task has changed the thing itself, the end of the run says so: better a warning than a second run that begins, in
silence, with what the first has left.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_plain_data
from nbflow.core.effects.mutation import MISSING, may_change
from nbflow.core.parameter import Parameter
from nbflow.errors import CannotCopyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.followed_objects import FollowedObjects

SMALL = 1 << 16  # bytes of which a copy is taken as it comes


class DeclaredValues:
    """Hands out the run's own copies, and remembers what is `without_copy`, with its task and the reason."""

    def __init__(self, graph: CompiledGraph, objects: FollowedObjects) -> None:
        self._graph, self._objects = graph, objects
        self._constants: dict[tuple[Task, str], Any] = {}
        self.without_copy: dict[int, tuple[Any, Task, str]] = {}

    def constant_of(self, task: Task, child: int, key: str, value: Any, *, changes_it: bool) -> Any:
        """Return what a call gets of a constant; the children of a mapped task share what the run has of it."""
        # Shared by the children, not the run's: what one task does to a constant is nothing to another one.
        if child < 0:
            return self.own_of(task, value, changes_it=changes_it)
        if (task, key) not in self._constants:
            self._constants[task, key] = self.own_of(task, value, changes_it=changes_it)
        return self._constants[task, key]

    def own_of(self, task: Task, value: Any, *, changes_it: bool = False) -> Any:
        """Return what this run gets of something declared, which the next run is to find as it was.

        A small thing is copied, since nobody knows what a task will do with it after its next edit; of a large one
        there is a copy where something may change it now.
        """
        if is_plain_data(value):
            with suppress(CannotCopyError):
                return copy_ahead(value, limit_bytes=SMALL)
        return self._copy_of(task, value) if changes_it else self.original_of(task, value)

    def original_of(self, task: Task, value: Any) -> Any:
        """Return a copy of what a task has returned; the thing itself if nobody will change it, or it has no copy."""
        return self._copy_of(task, value) if self._may_be_changed(task, value) else value

    def losses(self) -> Iterator[str]:
        """Yield what the next run will not find as it was declared, in words."""
        for value, task, why in self.without_copy.values():
            found = self._objects.find(value)
            if found is not None and found.print is not None and found.print != found.versions[0].print:
                by = dict.fromkeys(one for change in found.versions[1:] for one in change.by)
                yield said_of_loss(task, tuple(by), why)

    def _copy_of(self, task: Task, value: Any) -> Any:
        try:
            return copy_ahead(value)
        except CannotCopyError as error:
            # With the value itself: by its identity alone another object might be taken for it at the end.
            self.without_copy[id(value)] = value, task, error.reason
            return value

    def _may_be_changed(self, task: Task, value: Any) -> bool:
        """Tell whether a task that takes the value, or one below that may be handed it on, may change it in place."""
        # One pass is enough, since numbers are in start order: who hands the value on comes before who gets it.
        graph, below = self._graph, {self._graph.index[task]}
        for number in range(graph.index[task] + 1, len(graph.tasks)):
            for edge in graph.edges_in[number]:
                if edge.key is not None and (up := graph.index[edge.upstream_task]) in below:
                    # What comes out of another task, or out of a map, is not this value: its type says nothing.
                    taken = value if up == graph.index[task] and not edge.mapped else MISSING
                    if may_change(graph.tasks[number].run, edge.key, taken):
                        return True
                    below.add(number)
        return False


def said_of_loss(task: Task, by: Sequence[Task], why: str) -> str:
    """Return the warning: what tasks have changed that the next run gets as well, and what can be done."""
    of = "a constant of task"
    if not isinstance(task, Constant):
        of = "the value given to parameter" if isinstance(task, Parameter) else "the cached value of task"
    names = ", ".join(repr(one.name) for one in by[:3])
    return (
        f"{of} {task.name!r} was changed in place by {names}, and there is no copy of it ({why}): the next run begins "
        f"with what is left. Make it in a task, or have {names} change a copy"
    )
