"""The arguments of a call, as far as they are known, and what the parameters of a function are in that call."""

from __future__ import annotations

import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.effects.abstract_heap import ATOM, NOTHING, OUTER, Heap, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType


class Arguments(NamedTuple):
    """The arguments of one call.

    Attributes:
        positional: The arguments by position.
        keywords: The arguments by name.
        rest: What may be at any place beyond them, by `*` and `**`.
    """

    positional: Sequence[Value] = ()
    keywords: Mapping[str, Value] = MappingProxyType({})
    rest: Value = NOTHING

    def all(self) -> Value:
        """Return all that is given."""
        return self.rest.union(*self.positional, *self.keywords.values())

    def after(self, *first: Value) -> Arguments:
        """Return these arguments with others before them."""
        return Arguments([*first, *self.positional], self.keywords, self.rest)

    def bind(self, heap: Heap, code: CodeType, defaults: Value) -> dict[str, Value]:
        """Return what the parameters of a function are."""
        count = code.co_argcount
        parameters = code.co_varnames[: count + code.co_kwonlyargcount]
        found = dict(zip(parameters[:count], self.positional, strict=False))
        found |= {name: value for name, value in self.keywords.items() if name in parameters}
        for name in parameters:
            if name not in found:
                found[name] = self.rest | defaults or OUTER
            elif self.rest:
                found[name] |= self.rest
        index = len(parameters)
        if code.co_flags & inspect.CO_VARARGS:
            held = self.rest.union(*self.positional[count:])
            found[code.co_varnames[index]] = frozenset({heap.new((id(code), "*"), tuple, held)})
            index += 1
        if code.co_flags & inspect.CO_VARKEYWORDS:
            extra = (value for name, value in self.keywords.items() if name not in parameters)
            held = self.rest.union(ATOM, *extra)
            found[code.co_varnames[index]] = frozenset({heap.new((id(code), "**"), dict, held)})
        return found
