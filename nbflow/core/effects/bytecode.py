"""The bytecode of a function as a table of its operations, with those that follow each on its ways."""

from __future__ import annotations

import dis
import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.core.effects.abstract_heap import MayChangeError, Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

NAMED = sys.version_info >= (3, 12)
Step = tuple[str, int, int]  # the operation, its argument, where it jumps to
_Way = TypeVar("_Way", bound="Callable[..., Any]")


@functools.lru_cache(maxsize=2_000)
def decoded(code: CodeType) -> tuple[dict[int, Step], dict[int, int], list[tuple[int, int, int, int, bool]]]:
    """Return the operations by offset, the offset that comes after each, and the ranges of `try`."""
    raw, names = code.co_code, dis.opname
    relative = set(dis.hasjrel)
    steps: dict[int, Step] = {}
    after: dict[int, int] = {}
    position, extended, start = 0, 0, 0
    while position < len(raw):
        operation, argument = raw[position], raw[position + 1] | extended
        name = names[operation]
        if name == "EXTENDED_ARG":
            extended = argument << 8
            position += 2
            continue
        end = position + 2
        while end < len(raw) and raw[end] == 0:  # the caches
            end += 2
        target = -1
        if operation in relative:
            target = end - 2 * argument if "BACKWARD" in name else end + 2 * argument
        steps[start] = (name, argument, target)
        after[start] = end
        position = start = end
        extended = 0
    ranges = []
    if code.co_exceptiontable:
        entries: Any = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        ranges = [(e.start, e.end, e.target, e.depth, e.lasti) for e in entries]
    return steps, after, ranges


@dataclass(slots=True, eq=False)
class State:
    """The local names and the stack, as what they may be at one place."""

    names: dict[Any, Value]
    stack: list[Value]

    def copy(self) -> State:  # noqa: D102
        return State(dict(self.names), list(self.stack))

    def join(self, other: State) -> bool:
        """Take in what it may be on another way here; returns whether that is anything new."""
        is_new = False
        for name, value in other.names.items():
            mine = self.names.get(name)
            if mine is None:
                self.names[name] = value
                is_new = True
            elif not value <= mine:
                self.names[name] = mine | value
                is_new = True
        if len(self.stack) != len(other.stack):
            raise MayChangeError
        for index, value in enumerate(other.stack):
            if not value <= self.stack[index]:
                self.stack[index] |= value
                is_new = True
        return is_new

    def pop(self, count: int) -> list[Value]:
        """Take the topmost off the stack; the last one was on top."""
        if not count:
            return []
        found = self.stack[-count:]
        del self.stack[-count:]
        return found


class Ways(dict[str, Any]):
    """Functions by the operations that they follow: ``way(frame, state, argument)``."""

    def __call__(self, *names: str) -> Callable[[_Way], _Way]:
        """Name the operations that a function follows."""

        def keep(function: _Way) -> _Way:
            self.update(dict.fromkeys(names, function))
            return function

        return keep
