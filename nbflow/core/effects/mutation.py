"""Mutation, the change of an argument in place by a task's function: a look at its code that executes nothing.

The function's bytecode is followed on all ways, with every object that the argument may be or be in; functions,
methods and classes of the user's are followed too. `False` means certainly not. What is not understood counts as a
change.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections import ChainMap, deque
from types import CodeType, FunctionType, MethodType
from typing import Any

from nbflow.core.codehash.introspect import content_of
from nbflow.core.data.opaque import UnknownError
from nbflow.core.data.value_shape import ATOM_SHAPE, Shape, is_atomic_type, shape_of
from nbflow.core.data.value_type import OddType, type_of
from nbflow.core.effects.abstract_frame import Frame
from nbflow.core.effects.abstract_heap import ATOM, OUTER, MayChangeError, Value
from nbflow.core.effects.analysis import Analysis, OfType, kept
from nbflow.core.effects.arguments import Arguments
from nbflow.core.effects.calling import call
from nbflow.core.effects.code_reach import draws_random, may_ask_again, reads_loop_progress
from nbflow.core.effects.interpreter import follow

__all__ = [
    "MISSING", "draws_random", "may_ask_again", "may_change", "may_change_parts", "reads_loop_progress",
    "seen_to_change",
]  # fmt: skip

MISSING: Any = object()
_CONTAINERS = (list, dict, set, deque)
_MOST_ROUNDS = 8
_MOST_ANSWERS = 64  # a piece of code
_Key = tuple[str, object]
# By the identity of the code, which a finalizer takes out again: to hash a code object takes longer than to look here.
_known: dict[int, dict[_Key, _Answer]] = {}


class _Answer:
    """An answer, and what it depends on."""

    __slots__ = ("depends_on_shape", "is_seen", "may_change", "names", "others", "own")

    def __init__(self, function: Any, dependencies: list[tuple[Any, Any, Any]], change: MayChangeError | None) -> None:
        self.may_change = change is not None
        self.is_seen = change is not None and change.is_seen
        self.depends_on_shape = change is not None and change.depends_on_shape
        inner = getattr(function, "__func__", function)
        # Functions of one code differ in these; they are compared with those of the function that is asked for.
        self.own = _own(function)
        mine = {id(inner), *map(id, getattr(inner, "__closure__", None) or ())}
        rest = [one for one in dependencies if id(one[0]) not in mine]
        self.names = [one for one in rest if hasattr(one[0], "get")]
        self.others = [one for one in rest if not hasattr(one[0], "get")]

    def holds(self, function: Any) -> bool:
        """Tell whether all it depends on is so for a function of the same code."""
        for space, name, value in self.names:
            found = space.get(name)
            if found is not value and not _is_alike(found, value):
                return False
        if self.own is not None and not _are_own(function, self.own):
            return False
        for owner, name, value in self.others:
            found = content_of(owner) if name is None else getattr(owner, name)
            if found is not value and not _is_alike(found, value):
                return False
        return True


def _own(function: Any) -> tuple[Any, ...] | None:
    """Return the names, the closure and the defaults of a function, and the type of what a method is bound to."""
    inner = getattr(function, "__func__", function)
    if type(inner) is not FunctionType:
        return None
    closure = tuple(kept(content_of(cell)) for cell in inner.__closure__ or ())
    defaults = tuple(map(kept, (*(inner.__defaults__ or ()), *(inner.__kwdefaults__ or {}).values())))
    return inner.__globals__, closure, defaults, type(getattr(function, "__self__", None))


def _are_own(function: Any, own: tuple[Any, ...]) -> bool:
    space, closure, defaults, kind = own
    if type(function) is FunctionType:
        inner = function
    else:
        inner = getattr(function, "__func__", function)
        if type(getattr(function, "__self__", None)) is not kind:
            return False
    if inner.__globals__ is not space:
        return False
    if inner.__closure__:
        for cell, value in zip(inner.__closure__, closure, strict=True):
            found = content_of(cell)
            if found is not value and not _is_alike(found, value):
                return False
    if defaults or inner.__defaults__ or inner.__kwdefaults__:
        now = (*(inner.__defaults__ or ()), *(inner.__kwdefaults__ or {}).values())
        return len(now) == len(defaults) and all(
            one is other or _is_alike(one, other) for one, other in zip(now, defaults, strict=True)
        )
    return True


def may_change(function: Any, argument: str, value: object = MISSING) -> bool:
    """Tell whether a call of a function may change the object that it gets as an argument.

    A change is one of the object or of anything in it; keeping a reference to it beyond the call counts as one, other
    than by returning it.

    Args:
        function: The function; a cell's function and a bound method too.
        argument: The name of the parameter.
        value: What the function is going to get; without it only what holds for any value is known.

    Example:
        >>> may_change(lambda rows: rows.sort(), "rows", [2, 1])
        True
        >>> may_change(lambda rows: sorted(rows), "rows", [2, 1])
        False
    """
    try:
        answer = _answer(function, argument, value)
    except BaseException:  # noqa: BLE001 - a user's metaclass may raise when its classes are looked at
        return True
    return answer is not None and answer.may_change


def may_change_parts(function: Any, argument: str, value: object) -> bool:
    """Tell whether a call of a function may change what is in the container that it gets as an argument.

    A change of the container itself, such as another order of its elements, does not count.

    Example:
        >>> may_change_parts(lambda rows: rows.reverse(), "rows", [[2], [1]])
        False
        >>> may_change_parts(lambda rows: rows[0].append(3), "rows", [[2], [1]])
        True
    """
    if type_of(value) not in _CONTAINERS:
        return may_change(function, argument, value)
    try:
        return _look(function, argument, shape_of(value), of_parts=True).may_change
    except BaseException:  # noqa: BLE001 - as above
        return True


def seen_to_change(function: Any, argument: str, value: object) -> bool:
    """Tell whether the code of a function is seen to change what it gets as an argument, at least on one of its ways.

    Where `may_change` is in doubt, this says no.

    Example:
        >>> seen_to_change(lambda rows: rows.sort(), "rows", [2, 1])
        True
        >>> seen_to_change(lambda rows: unknown(rows), "rows", [2, 1])
        False
    """
    try:
        answer = _answer(function, argument, value)
    except BaseException:  # noqa: BLE001 - as above
        return False
    return answer is not None and answer.is_seen


def seen_to_change_parts(function: Any, argument: str, value: object) -> bool:
    """Tell whether the code of a function is seen to change what is in the container that it gets as an argument.

    Example:
        >>> seen_to_change_parts(lambda rows: rows[0].append(3), "rows", [[2], [1]])
        True
        >>> seen_to_change_parts(lambda rows: rows.reverse(), "rows", [[2], [1]])
        False
    """
    if type_of(value) not in _CONTAINERS:
        return False
    try:
        return _look(function, argument, shape_of(value), of_parts=True).is_seen
    except BaseException:  # noqa: BLE001 - as above
        return False


def _answer(function: Any, argument: str, value: object) -> _Answer | None:
    """Return what is known of a function and an argument; None if nothing can change such a value."""
    kind = type_of(value)
    if kind is OddType:
        raise UnknownError("of its type nothing can be known")
    if kind in (tuple, frozenset) and shape_of(value) == ATOM_SHAPE:
        return None
    code: Any
    if type(function) is FunctionType:
        code = function.__code__
    else:
        code = getattr(getattr(function, "__func__", None), "__code__", None) or getattr(function, "_body", None)
    answer = _known.get(id(code), {}).get((argument, kind))
    if answer is None or not answer.holds(function):
        if is_atomic_type(kind):
            return None
        shape = None if value is MISSING else Shape(kind)
        answer = _keep(function, code, (argument, kind), shape)
    if not answer.depends_on_shape or value is MISSING:
        return answer
    shape = shape_of(value)
    if shape == ATOM_SHAPE:
        return None
    answer = _known.get(id(code), {}).get((argument, shape))
    if answer is None or not answer.holds(function):
        answer = _keep(function, code, (argument, shape), shape)
    return answer


def _keep(function: Any, code: Any, key: _Key, shape: Shape | None) -> _Answer:
    """Look for an answer, and keep it as long as the code is there."""
    answer = _look(function, key[0], shape)
    if isinstance(code, CodeType):
        answers = _known.get(id(code))
        if answers is None:
            answers = _known[id(code)] = {}
            weakref.finalize(code, _known.pop, id(code), None).atexit = False
        elif len(answers) >= _MOST_ANSWERS:
            answers.clear()
        answers[key] = answer
    return answer


def _look(function: Any, argument: str, shape: Shape | None, *, of_parts: bool = False) -> _Answer:
    dependencies: list[tuple[Any, Any, Any]] = []
    analysis = Analysis(dependencies, follow, call)
    give = analysis.heap.container if of_parts else analysis.heap.argument
    try:
        for _ in range(_MOST_ROUNDS):
            analysis.heap.has_grown = False
            result = _run(analysis, function, argument, give(shape))
            if analysis.heap.has_lazy(result):
                raise MayChangeError(depends_on_shape=True)
            if not analysis.heap.has_grown:
                return _Answer(function, dependencies, None)
    except MayChangeError as error:
        return _Answer(function, dependencies, error)
    except Exception:  # noqa: BLE001 - code that this look does not understand may do anything
        return _Answer(function, dependencies, MayChangeError())
    return _Answer(function, dependencies, MayChangeError())


def _run(analysis: Analysis, function: Any, argument: str, value: Value) -> Value:
    if isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, MethodType):
        function, me = function.__func__, function.__self__
        first = function.__code__.co_varnames[0]
        return analysis.call_function(function, Arguments(keywords={argument: value, first: analysis.heap.known(me)}))
    if isinstance(function, FunctionType):
        return analysis.call_function(function, Arguments(keywords={argument: value}))
    if isinstance(getattr(function, "_body", None), CodeType):
        return _run_cell(analysis, function, {argument: value})
    method = inspect.getattr_static(type(function), "__call__", None)
    if isinstance(method, FunctionType):
        first = method.__code__.co_varnames[0]
        return analysis.call_function(
            method, Arguments(keywords={argument: value, first: analysis.heap.known(function)})
        )
    raise MayChangeError


def _run_cell(analysis: Analysis, function: Any, given: dict[str, Value]) -> Value:
    names = dict.fromkeys(function.inputs, OUTER) | given
    shared = dict(names)
    space = ChainMap(function.own, function.namespace)
    found: set[Any] = set()
    found |= follow(Frame(analysis, function._body, space, names, None, shared))
    after = dict(shared)
    if function._last is not None:
        found |= follow(Frame(analysis, function._last, space, after, None, shared))
    for name in function.outputs:
        found |= shared.get(name, ATOM)
    return frozenset(found)


def _is_alike(value: Any, other: Any) -> bool:
    return type(other) is OfType and type(value) is other.kind
