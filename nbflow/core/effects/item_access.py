"""Items: what going through objects and subscripting them gives, and assigning to their items."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

from nbflow.core.data.value_shape import DICTS, is_frame, is_plain, package_type
from nbflow.core.data.value_traits import copies_on_write
from nbflow.core.effects.abstract_heap import ATOM, MayChangeError, Obj, Value
from nbflow.core.effects.arguments import Arguments
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame


def iterated(frame: Frame, value: Value) -> Value:
    """Return what going through objects gives; an iterator that is the argument is used up by it."""
    found: set[Obj] = set()
    for one in value:
        function = frame.analysis.method_of(one, "__iter__")
        if function is not None:
            found |= frame.heap.contents(frame.analysis.call_function(function, Arguments([frozenset({one})])))
            continue
        if one.role == "argument":
            if one.kind is None:
                raise MayChangeError(depends_on_shape=True)
            if not is_plain(one.kind) and not _is_own_container(one.kind):
                raise MayChangeError
            if one.kind is package_type("DataFrame"):
                found |= ATOM
                continue
        found |= frame.heap.contents([one])
    return frozenset(found)


def iterator(frame: Frame, held: Value, source: Value) -> Value:
    """Return what goes through objects when it is asked to."""
    behind = frame.heap.new((id(frame.code), frame.offset, "source"), None, source)
    place = (id(frame.code), frame.offset, "lazy")
    return frozenset({frame.heap.new(place, None, held, ("lazy", behind))})


def item(frame: Frame, owner: Value, key: Value) -> Value:
    """Return what subscripting gives."""
    found: set[Obj] = set()
    may_slice = any(one.kind is slice or one.role not in ("atom",) for one in key)
    for one in owner:
        inner = frame.heap.contents([one])
        kind = one.kind
        function = frame.analysis.method_of(one, "__getitem__")
        if function is not None:
            found |= frame.analysis.call_function(function, Arguments([frozenset({one}), key]))
        elif one.role == "argument":
            found |= _item_of_argument(frame, one, key, may_slice)
        elif one.role == "new":
            found |= inner
            if kind not in DICTS and (may_slice or kind is None):
                found |= frame.fresh(kind, inner, "slice")
        else:
            found |= inner
    return frozenset(found)


def _item_of_argument(frame: Frame, one: Obj, key: Value, may_slice: bool) -> Value:
    kind, inner = one.kind, frame.heap.contents([one])
    if kind is None:
        raise MayChangeError(depends_on_shape=True)
    if kind in (list, tuple, deque):
        return inner | frame.fresh(kind, inner, "slice") if may_slice else inner
    if kind in DICTS and kind is not defaultdict:
        return inner
    if kind is package_type("ndarray"):
        if all(k.role == "new" and k.kind in (list, None) for k in key):
            return frame.fresh(None, frame.heap.leaves([one]), "picked")
        if all(k.role == "atom" and k.kind is not slice for k in key):
            return inner
        return inner | {one}
    if is_frame(kind):
        return derived(frame, one, "item")
    if is_ours(kind.__module__) and issubclass(kind, (list, tuple, dict)) and not hasattr(kind, "__missing__"):
        return frame.heap.argument(None)
    raise MayChangeError


def derived(frame: Frame, one: Obj, tag: str) -> Value:
    """Return what pandas makes of a frame: with copy-on-write nothing of the frame but its elements."""
    leaves = frame.heap.leaves([one]) | ATOM
    found = frame.fresh(None, leaves, tag) | leaves
    return found if copies_on_write() else found | {one}


def store_item(frame: Frame, owner: Value, value: Value) -> None:
    """Assign to an item, or delete it."""
    for one in owner:
        function = frame.analysis.method_of(one, "__setitem__")
        if one.role == "new" and function is not None:
            frame.analysis.call_function(function, Arguments([frozenset({one})], rest=value))
        else:
            frame.analysis.store(frozenset({one}), value)


def _is_own_container(kind: type) -> bool:
    own = (list.__iter__, tuple.__iter__, dict.__iter__, set.__iter__)
    return is_ours(kind.__module__) and not hasattr(kind, "__next__") and getattr(kind, "__iter__", None) in own
