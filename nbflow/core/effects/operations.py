"""Operators and comparisons: what they give, and the questions that reading an object asks of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from nbflow.core.data.value_shape import DICTS, SEQUENCES, is_array, is_plain, package_type
from nbflow.core.effects.abstract_heap import ATOM, NOTHING, OUTER, MayChangeError, Obj, Value, each_once
from nbflow.core.effects.arguments import Arguments
from nbflow.core.effects.item_access import iterated
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

# What a class may define for operators and functions that read.
_QUESTIONS = (
    *("iter", "len", "getitem", "contains", "eq", "ne", "lt", "le", "gt", "ge", "hash", "str", "repr"),
    *("bool", "format", "index", "float", "int", "array", "reversed", "neg", "abs", "round", "copy", "deepcopy"),
)
_OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
    *("and", "or", "xor", "lshift", "rshift"),
)
_READING = [f"__{name}__" for name in (*_QUESTIONS, *(side + name for name in _OPERATORS for side in ("", "r")))]


def tested(frame: Frame, value: Value) -> None:
    """Ask whether objects are true."""
    for one in value:
        for name in ("__bool__", "__len__"):
            function = frame.analysis.method_of(one, name)
            if function is not None:
                frame.analysis.call_function(function, Arguments([frozenset({one})]))


def use(frame: Frame, value: Value) -> None:
    """Show, compare or combine objects and all that is in them."""
    pending = list(value)
    for one in each_once(pending):
        if one.role == "argument":
            if one.kind is None:
                raise MayChangeError(depends_on_shape=True)
            if is_ours(one.kind.__module__):
                probe(frame, one, value)
            elif not is_plain(one.kind):
                raise MayChangeError
            elif one.kind is not package_type("ndarray"):
                pending += frame.heap.contents([one])
        elif one.role in ("new", "bound"):
            if one.kind is not None and is_ours(one.kind.__module__):
                probe(frame, one, value)
            pending += frame.heap.contents([one])


def use_given(frame: Frame, given: Value) -> None:
    """Show arguments to a method that reads them at most."""
    use(frame, frozenset(one for one in given if one.role not in ("function", "known", "bound")))
    for one in given:
        if one.role == "argument":
            iterated(frame, frozenset({one}))


def known_only(value: Value) -> None:
    """Let nothing pass that is of a type of which nothing is known."""
    for one in value:
        if one.role == "argument":
            if one.kind is None:
                raise MayChangeError(depends_on_shape=True)
            if not is_plain(one.kind) and not is_ours(one.kind.__module__):
                raise MayChangeError


def probe(frame: Frame, one: Obj, others: Value) -> Value:
    """Call what a class of the user's defines for operators and functions that read."""
    found: set[Obj] = set()
    for name in _READING:
        function = frame.analysis.method_of(one, name)
        # One that is being followed already is not followed again: what it does is found out there.
        if function is not None and function.__code__ not in frame.analysis.active:
            found |= frame.analysis.call_function(function, Arguments([frozenset({one})], rest=others))
    return frozenset(found)


def operate(frame: Frame, value: Value, *, is_comparison: bool = False) -> Value:
    """Combine objects by an operator."""
    if all(one.role == "atom" for one in value):
        return ATOM
    if all(one.role in ("atom", "outer") for one in value):
        return OUTER
    found: set[Obj] = set()
    for one in value:
        if one.role in ("argument", "new") and one.kind is not None and is_ours(one.kind.__module__):
            found |= probe(frame, one, value) | {one}
        elif one.role == "argument" and (one.kind is None or not is_plain(one.kind)):
            raise MayChangeError(depends_on_shape=one.kind is None)
    if is_comparison:
        use(frame, frozenset(one for one in value if one.kind is not package_type("DataFrame")))
    if not is_comparison and any(frame.heap.leaves([one]) for one in value if one.kind and is_array(one.kind)):
        use(frame, value)
    kinds = {one.kind for one in value if one.kind in (list, tuple, set, dict)}
    kind = kinds.pop() if len(kinds) == 1 and len(value) == 2 else None
    held: Value = frame.heap.leaves(value) if kind is None else frame.heap.contents(value)
    if kind is None and any(one.kind in SEQUENCES or one.kind in DICTS for one in value):
        held |= frame.heap.contents(one for one in value if not (one.kind and is_array(one.kind)))
    return frozenset(found) | frame.fresh(kind, held | ATOM, "result")


def operate_in_place(frame: Frame, one: Value, other: Value) -> Value:
    """Combine objects by an operator such as `+=`."""
    for each in one:
        if each.role == "argument" and each.kind not in (tuple, frozenset):
            raise MayChangeError(depends_on_shape=each.kind is None)
        if each.role == "bound":
            frame.analysis.change(frozenset({each}))
        names = ("__iadd__", "__isub__", "__imul__", "__ior__", "__iand__")
        if any(frame.analysis.method_of(each, name) for name in names) and frame.heap.holds_argument(one | other):
            raise MayChangeError
    takes_elements = any(each.kind in (list, set, dict, deque) for each in one)
    held = iterated(frame, other) if takes_elements else NOTHING
    held |= frame.heap.leaves(other)
    frame.analysis.store(frozenset(each for each in one if each.role in ("new", "outer", "known")), held)
    fixed = frozenset(each for each in one if each.role != "new" or each.kind in (tuple, frozenset))
    kept = one - fixed
    return kept | (operate(frame, fixed | other) if fixed else NOTHING)


def entered(frame: Frame, manager: Value) -> Value:
    """Return what `with` gives."""
    frame.analysis.change(manager)
    for one in manager:
        if frame.analysis.method_of(one, "__enter__") is not None and frame.heap.holds_argument([one]):
            raise MayChangeError
    return OUTER | frame.heap.contents(manager) | frozenset(one for one in manager if one.role == "new")


def matched(frame: Frame, subject: Value) -> Value:
    """Return what the attributes that a class pattern reads may be."""
    known_only(subject)
    for one in subject:
        if one.role in ("argument", "new") and one.kind is not None and is_ours(one.kind.__module__):  # noqa: SIM102
            if any(isinstance(v, property) for base in one.kind.__mro__ for v in vars(base).values()):
                raise MayChangeError
    return frame.fresh(tuple, frame.heap.contents(subject) | subject, "matched")
