"""The frame of one call: its code, and what its names stand for, as abstract objects instead of values."""

from __future__ import annotations

import builtins
import inspect
from typing import TYPE_CHECKING, Any

from nbflow.core.effects.abstract_heap import NOTHING, OUTER, Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

    from nbflow.core.effects.analysis import Analysis


class Frame:
    """One call of a function or one execution of a cell.

    Args:
        analysis: The look that it is a part of.
        code: The code.
        space: The global names.
        names: What the arguments are, by name.
        closure: The cells of the free variables, by name.
        shared: In a cell of a notebook: what the names are that its functions see, else None.
    """

    def __init__(
        self,
        analysis: Analysis,
        code: CodeType,
        space: Mapping[str, Any],
        names: dict[str, Value],
        closure: Mapping[str, Value] | None = None,
        shared: dict[str, Value] | None = None,
    ) -> None:
        self.analysis = analysis
        self.heap = analysis.heap
        self.code = code
        self.space = space
        self.shared = shared
        own = [*code.co_varnames, *(n for n in code.co_cellvars if n not in code.co_varnames), *code.co_freevars]
        self.locals = own
        start: dict[Any, Value] = dict(names)
        if code.co_flags & inspect.CO_OPTIMIZED:  # the code of a function knows its names by number
            start = {index: names[name] for index, name in enumerate(own) if name in names}
            held = closure or {}
            start |= {index: held[name] for index, name in enumerate(own) if name in held and name in code.co_freevars}
        self.start = start
        self.result: set[Any] = set()
        self.keywords: tuple[str, ...] = ()
        self.offset = 0

    def fresh(self, kind: type | None, held: Value, tag: str = "") -> Value:
        """Return a new object that holds some."""
        return frozenset({self.heap.new((id(self.code), self.offset, tag), kind, held)})

    def look_up(self, name: str) -> Value:
        """Return what a global name stands for."""
        found: Value = NOTHING
        if self.shared is not None and name in self.shared:
            found = self.analysis.shared(self.shared, name)
        try:
            value = self.space[name]
        except KeyError:
            if found:
                return found
            self.analysis.depend(self.space, name, None)
            value = vars(builtins).get(name)
            return self.heap.known(value) if name in vars(builtins) else OUTER
        return found | self.analysis.depend(self.space, name, value)
