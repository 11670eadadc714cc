"""The way from one cell to what another one made: a name of the notebook, and the steps from there.

A place outlives the task that it led to. When the other cell is executed again, it leads to the new one.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from nbflow.core.block import Block
from nbflow.core.task import Task

Steps = tuple[Hashable, ...]
Made = Task | Block

_BLOCK = "block"
_DEEPEST = 3
_MOST = 2_000  # items looked at; what has more of them is data, and not a list of tasks


@dataclass(frozen=True, slots=True)
class _Attribute:
    """A step by attribute, which is told from a key of a dictionary."""

    name: str


_ROLES = ("init_task", "setup_task", "cleanup_task")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReference:
    """The place where a task or block is found.

    Attributes:
        name: The name of the notebook that leads to it; None if none did.
        steps: From what the name holds: places in a list, keys of a dictionary, the block of a resource.
        owner: The contribution that made it.
        kind: What the task or block itself was called.
        number: Which one of the owner's that are called so; counts where there is no name.
    """

    name: str | None
    steps: Steps = ()
    owner: str = ""
    kind: str = ""
    number: int = 0

    @property
    def id(self) -> Hashable:
        """The same for places that lead to the same."""
        return (self.name, self.steps) if self.name is not None else (self.owner, self.kind, self.number)

    @property
    def base(self) -> CellReference:
        """The place without steps by attribute: of a resource's block, that of the resource."""
        steps = self.steps
        while steps and isinstance(steps[-1], _Attribute):
            steps = steps[:-1]
        return self if steps == self.steps else replace(self, steps=steps)

    def __str__(self) -> str:
        if self.name is None:
            return self.kind
        inner = "".join(f"[{step!r}]" for step in self.steps if not isinstance(step, _Attribute))
        return self.name + inner


def reached(value: Any) -> Iterator[tuple[Steps, Made]]:
    """Find the tasks and blocks in what a name holds: itself, in lists, tuples and dictionaries."""
    # By type: a user's object may do anything when it is asked for its class.
    if issubclass(type(value), (Task, Block)):
        yield from _around(value, ())
    elif issubclass(type(value), (list, tuple, dict)):
        yield from _inside(value, (), 0, itertools.count())


def _inside(value: Any, steps: Steps, depth: int, seen: Iterator[int]) -> Iterator[tuple[Steps, Made]]:
    kind = type(value)
    if issubclass(kind, (Task, Block)):
        yield from _around(value, steps)
        return
    if depth >= _DEEPEST or not issubclass(kind, (list, tuple, dict)):
        return
    items = dict.items(value) if issubclass(kind, dict) else enumerate(value)
    for step, item in items:
        if next(seen) >= _MOST:
            return
        yield from _inside(item, (*steps, step), depth + 1, seen)


def _around(value: Made, steps: Steps) -> Iterator[tuple[Steps, Made]]:
    yield steps, value
    block = value if isinstance(value, Block) else getattr(value, _BLOCK, None)
    if isinstance(block, Block):
        if block is not value:
            yield (*steps, _Attribute(_BLOCK)), block
        for role in _ROLES:
            task = getattr(block, role)
            if task is not None and task is not value:
                yield (*steps, _Attribute(_BLOCK), _Attribute(role)), task
