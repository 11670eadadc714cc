"""The analysis of one function: what it depends on, changes and stores, through the user's functions that it calls."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from types import BuiltinFunctionType, CellType, FunctionType, MethodDescriptorType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.introspect import content_of
from nbflow.core.effects.abstract_frame import Frame
from nbflow.core.effects.abstract_heap import NOTHING, OUTER, Heap, MayChangeError, Obj, Value
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType

    from nbflow.core.effects.arguments import Arguments

_MOST_STEPS = 30_000
_DEEPEST = 8
_KEPT = (
    *(FunctionType, MethodType, type, ModuleType, functools.partial, BuiltinFunctionType),
    *(property, staticmethod, classmethod, MethodDescriptorType),
)
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Analysis:
    """The effects of what a function does, through all functions of the user's that it calls.

    Args:
        dependencies: Gets what the answer depends on: names, and what they stood for.
        follow: Follows the code of a frame, and returns what it may return.
        call: Returns what a call of any object may return, in a frame.
    """

    def __init__(
        self,
        dependencies: list[tuple[Any, Any, Any]],
        follow: Callable[[Frame], Value],
        call: Callable[[Frame, Value, Arguments], Value],
    ) -> None:
        self.call = call
        self._follow = follow
        self.heap = Heap()
        self.dependencies = dependencies
        self.seen_names: set[tuple[int, str]] = set()
        self.steps = 0
        self.active: list[CodeType] = []
        self._raised: set[Obj] = set()
        self._shared_reads: set[str] = set()

    def count_step(self) -> None:
        """Stop where the code is too long to follow."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise MayChangeError

    def raised(self) -> Value:
        """Return what an exception that is handled may be."""
        return frozenset(self._raised) | OUTER

    def add_raised(self, value: Value) -> None:
        """Note what may be raised."""
        if not value <= self._raised:
            self._raised |= value
            self.heap.has_grown = True

    def depend(self, space: Mapping[str, Any], name: str, value: Any) -> Value:
        """Note that the answer depends on a name; returns what it stands for."""
        key = (id(space), name)
        if key not in self.seen_names:
            self.seen_names.add(key)
            self.dependencies.append((space, name, kept(value)))
        return self.heap.existing(value)

    def depend_on_class(self, kind: type, name: str, found: Any) -> None:
        """Note that the answer depends on what a class or a base of it has by a name."""
        for base in kind.__mro__:
            if name in vars(base):
                self.depend(vars(base), name, found)
                return

    def method_of(self, one: Obj, name: str) -> FunctionType | None:
        """Return a method that the user wrote for an object's class, if any."""
        if one.kind is None or one.role not in ("argument", "new") or not is_ours(one.kind.__module__):
            return None
        found = inspect.getattr_static(one.kind, name, None)
        if isinstance(found, FunctionType):
            self.depend_on_class(one.kind, name, found)
            return found
        return None

    def share(self, shared: dict[str, Value], name: str, value: Value) -> None:
        """Bind a name in a cell that the cell's functions see."""
        before = shared.get(name, NOTHING)
        if not value <= before:
            shared[name] = before | value
            if name in self._shared_reads:
                self.heap.has_grown = True

    def shared(self, shared: dict[str, Value], name: str) -> Value:
        """Return what a name of a cell is to its functions."""
        self._shared_reads.add(name)
        return shared[name]

    def in_cells(self, value: Value) -> Value:
        """Return what closures hold."""
        found: set[Obj] = set()
        for one in value:
            if one.role == "known" and one.kind is CellType:
                try:
                    held = one.value.cell_contents
                except ValueError:  # there is nothing in it yet
                    found |= OUTER
                else:
                    found |= self.heap.existing(held)
            else:
                found |= self.heap.contents([one])
        return frozenset(found)

    def change(self, value: Value) -> None:
        """Change objects in place."""
        for one in value:
            if one.role == "argument":
                raise MayChangeError(depends_on_shape=one.kind is None, is_seen=one.kind is not None)
            if one.role == "bound" and self.heap.holds_argument([one.value[0]]):
                raise MayChangeError

    def store(self, holder: Value, value: Value) -> None:
        """Put objects into others."""
        self.change(holder)
        for one in holder:
            if one.role in ("new", "function", "bound"):
                self.heap.add(one, value)
            elif one.role != "atom" and self.heap.holds_argument(value):
                raise MayChangeError(depends_on_shape=True)

    def call_function(self, function: FunctionType, arguments: Arguments) -> Value:
        """Call a function of the user's."""
        cells = function.__closure__ or ()
        for cell in cells:
            self.dependencies.append((cell, None, kept(content_of(cell))))
        self.dependencies.append((function, "__code__", function.__code__))
        closure = dict(zip(function.__code__.co_freevars, map(self.heap.known, cells), strict=True))
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        given = arguments.all()
        held = frozenset().union(*map(self.heap.existing, defaults))
        return self.inline(function.__code__, function.__globals__, closure, None, arguments, held, given)

    def inline(
        self,
        code: CodeType,
        space: Mapping[str, Any],
        closure: dict[str, Value],
        shared: dict[str, Value] | None,
        arguments: Arguments,
        defaults: Value,
        reached: Value,
    ) -> Value:
        """Follow code as a part of what calls it; `reached` is what it can get at, by its arguments or by itself."""
        if code in self.active or len(self.active) >= _DEEPEST:
            if self.heap.holds_argument(reached):
                raise MayChangeError(depends_on_shape=True)
            return OUTER
        names = arguments.bind(self.heap, code, defaults)
        self.active.append(code)
        try:
            found = self._follow(Frame(self, code, space, names, closure, shared))
        finally:
            self.active.pop()
        if code.co_flags & _GENERATOR:
            held = self.heap.new((id(code), "arguments"), None, arguments.all().union(*closure.values()))
            made = self.heap.new((id(code), "generator"), None, found, ("lazy", held))
            return frozenset({made})
        return found


def kept(value: Any) -> Any:
    """Return what an answer keeps of a value that it depends on: data is not held on to, its type is enough."""
    return value if isinstance(value, _KEPT) or type(value).__name__ == "ufunc" else OfType(type(value))


@dataclass(slots=True, eq=False)
class OfType:
    """Stands for any value of a type."""

    kind: type
