"""Calls of functions that are known to leave their arguments as they are: what they give, and how they look."""

from __future__ import annotations

import copy
from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_shape import DICTS, SEQUENCES, is_array, is_atomic_type, is_plain
from nbflow.core.effects.abstract_heap import ATOM, NOTHING, OUTER, MayChangeError, Obj, Value
from nbflow.core.effects.arguments import Arguments
from nbflow.core.effects.item_access import iterated, iterator
from nbflow.core.effects.operations import known_only, operate, probe, tested, use
from nbflow.core.effects.pure_calls import ALIAS, DEEP, out_place
from nbflow.core.effects.pure_calls import ATOM as GIVES_ATOM
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

# They look at their arguments, and go through none.
_LOOKS_ONLY = set(
    map(id, (len, str, repr, ascii, isinstance, print, id, callable, hasattr, hash, bool, format, copy.copy))
)
_GOES_THROUGH = (copy.copy, copy.deepcopy, list, tuple, enumerate, zip, reversed, iter, any, all, dict)
_INERT = {id(one) for one in (isinstance, issubclass, id, callable)}
_SHALLOW: dict[Any, type | None] = {
    **{kind: kind for kind in (list, tuple, set, frozenset, deque)},
    sorted: list,
    iter: None,
    reversed: None,
}
_LAZY = {id(one) for one in (map, filter, zip, enumerate, reversed, iter)}


def result_of_known(frame: Frame, result: str, function: Any, arguments: Arguments) -> Value:
    """Call a function that is known to leave its arguments as they are, and return what it gives."""
    positional, keywords, _ = arguments
    for name in ("out", "inplace", "overwrite_input", "overwrite_x", "casting_out"):
        value = keywords.get(name, NOTHING)
        if any(one.role != "atom" or one.kind not in (bool, type(None)) or one.value for one in value):
            frame.analysis.change(
                frozenset().union(*positional) if name != "out" else value | frame.heap.contents(value)
            )
            if name == "out":
                return value
    given = arguments.all()
    most = out_place(function)
    if most is not None and len(positional) > most:  # the further arguments are where results go
        frame.analysis.change(frozenset().union(*positional[most:]))
    if frame.heap.holds_argument(given):
        _look(frame, function, given)
    parts = frame.heap.contents(given)
    back = NOTHING
    if function not in (isinstance, issubclass, print):
        back = call_back(frame, given, parts | given if function is None else parts)
    if result == DEEP:
        return frame.fresh(next(iter({one.kind for one in positional[0]})), ATOM) if positional else OUTER
    if result == GIVES_ATOM:
        return ATOM
    copy_kw = keywords.get("copy", NOTHING)
    if result == ALIAS or any(one.kind is not bool or one.value is not True for one in copy_kw):
        made = parts | given | back
        if made == ATOM:
            return ATOM
        if function is None or function not in (min, max, sum):
            return made | frame.fresh(None, parts, "alias")
        summed = operate(frame, parts) if function is sum and parts - ATOM else NOTHING
        several = frozenset().union(*positional) if len(positional) > 1 else NOTHING
        return parts | summed | several.union(*keywords.values())
    if function in _SHALLOW:
        found = frame.fresh(_SHALLOW[function], parts, "shallow")
        return iterator(frame, parts, given) if id(function) in _LAZY else found
    if function in (zip, enumerate) or (function is not None and _module_of(function) == "itertools"):
        inner = parts | frame.heap.contents(parts)
        return iterator(frame, inner | frame.fresh(tuple, inner, "tuples"), given)
    if any(one.role == "argument" and one.kind is not None and is_array(one.kind) for one in given) or (
        function is not None and _module_of(function).partition(".")[0] in ("numpy", "pandas")
    ):
        held = frame.heap.leaves(given) | back | ATOM
        array = frame.heap.new((id(frame.code), frame.offset, "array"), None, held)
        frame.heap.add(array, [array])
        return frozenset({array})
    other = frame.heap.new((id(frame.code), frame.offset, "made"), None, parts | back)
    frame.heap.add(other, [other, *frame.heap.contents(parts)])
    return frozenset({other})


def _look(frame: Frame, function: Any, given: Value) -> None:
    """Follow how a known function looks at its arguments: which it goes through, and which methods it calls."""
    if id(function) in _INERT:
        return
    if function is len:
        tested(frame, given)
        known_only(given)
        return
    for one in given:
        if one.role != "argument":
            continue
        me = frozenset({one})
        if function is None or id(function) not in _LOOKS_ONLY:  # noqa: SIM102
            if not (one.kind is not None and is_ours(one.kind.__module__)) or frame.analysis.method_of(one, "__iter__"):
                iterated(frame, me)
        if one.kind is not None and is_ours(one.kind.__module__):
            probe(frame, one, given)
        elif one.kind is not None and not is_plain(one.kind) and function not in (isinstance, id, callable):
            raise MayChangeError
    if function not in _GOES_THROUGH and (
        function is not None or not all(one.kind in SEQUENCES or one.kind in DICTS for one in given)
    ):
        use(frame, frozenset(one for one in given if one.role not in ("function", "known", "bound")))


def call_back(frame: Frame, given: Value, parts: Value) -> Value:
    """Call the functions among arguments with parts of the others."""
    found: set[Obj] = set()
    for one in given:
        if one.role == "function" or (one.role == "bound" and one.value[0].role != "atom"):
            found |= frame.analysis.call(frame, frozenset({one}), Arguments(rest=parts))
        elif one.role == "known" and callable(one.value) and type(one.value) is not ModuleType:  # noqa: SIM102
            if not (isinstance(one.value, type) and is_atomic_type(one.value)):
                found |= frame.analysis.call(frame, frozenset({one}), Arguments(rest=parts))
    return frozenset(found)


def _module_of(function: Any) -> str:
    return str(getattr(function, "__module__", None) or type(function).__module__)
