"""The edge: one task comes before another, and may give it an argument."""

from __future__ import annotations

import functools
import keyword
from typing import TYPE_CHECKING, Any

from nbflow.core.annotations import EdgeAnnotation
from nbflow.core.collections import Constant, as_task
from nbflow.core.task import Task
from nbflow.errors import EdgeKeyError, SelfEdgeError

if TYPE_CHECKING:
    from nbflow.core.graph import Graph


class Edge:
    """A directed edge between two tasks; edges with the same five values are equal.

    Args:
        upstream_task: The task that comes first; anything else is converted to one.
        downstream_task: The task that comes after it.
        key: The argument of the downstream task that gets the result; None for order alone.
        mapped: Whether the result is mapped over. An annotation around the upstream task wins.
        flattened: Whether the result is unnested by one level. An annotation wins here too.
        flow: Where tasks are put that a conversion makes.

    Raises:
        EdgeKeyError: If the key cannot be the name of an argument.
        SelfEdgeError: If both are the same task or constant.
    """

    __slots__ = ("_hash", "downstream_task", "flattened", "key", "mapped", "upstream_task")

    upstream_task: Task
    downstream_task: Task
    key: str | None
    mapped: bool
    flattened: bool

    def __init__(
        self,
        upstream_task: Any,
        downstream_task: Any,
        key: str | None = None,
        mapped: bool | None = None,
        flattened: bool | None = None,
        flow: Graph | None = None,
    ) -> None:
        mapped, flattened = mapped or False, flattened or False
        given = downstream_task
        if not isinstance(upstream_task, Task):
            if isinstance(upstream_task, EdgeAnnotation):
                upstream_task, mapped, flattened = upstream_task.unwrap(mapped, flattened)
            if upstream_task is given:  # it would become two tasks
                raise SelfEdgeError(Constant(given))
            upstream_task = as_task(upstream_task, flow=flow)
        if not isinstance(downstream_task, Task):
            downstream_task = as_task(downstream_task, flow=flow)
        if upstream_task is downstream_task:
            raise SelfEdgeError(upstream_task)
        if key is not None and not _is_argument_name(key):
            raise EdgeKeyError(key)
        self.upstream_task = upstream_task
        self.downstream_task = downstream_task
        self.key = key
        self.mapped = mapped
        self.flattened = flattened
        self._hash = hash((upstream_task, downstream_task, key, mapped, flattened))

    @property
    def tasks(self) -> set[Task]:
        """Both tasks."""
        return {self.upstream_task, self.downstream_task}

    def __repr__(self) -> str:
        key = "" if self.key is None else f" (key={self.key})"
        return f"<Edge{key}: {self.upstream_task.name} to {self.downstream_task.name}>"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Edge)
        return (
            self.upstream_task is other.upstream_task
            and self.downstream_task is other.downstream_task
            and self.key == other.key
            and self.mapped == other.mapped
            and self.flattened == other.flattened
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        # The hash is that of tasks, which have another one in the process that reads this.
        values = (self.upstream_task, self.downstream_task, self.key, self.mapped, self.flattened)
        return type(self), values


@functools.lru_cache(maxsize=4096)
def _is_argument_name(key: object) -> bool:
    return isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key)
