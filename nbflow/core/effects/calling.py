"""Calls, and what they give: of a function, a method or a class, the user's or not."""

from __future__ import annotations

import builtins
import functools
import inspect
import random
import sys
from collections import defaultdict
from types import CodeType, FunctionType, MethodDescriptorType, MethodType
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_shape import is_plain, package_type
from nbflow.core.effects.abstract_heap import ATOM, NOTHING, OUTER, MayChangeError, Obj, Value
from nbflow.core.effects.arguments import Arguments
from nbflow.core.effects.attributes import attribute, store_attribute
from nbflow.core.effects.item_access import iterated, iterator
from nbflow.core.effects.known_calls import call_back, result_of_known
from nbflow.core.effects.operations import use_given
from nbflow.core.effects.pure_calls import ATOM as GIVES_ATOM
from nbflow.core.effects.pure_calls import FRESH, OUT_PLACES, method_result, result_of, words
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

_SEES_NAMES = {id(one) for one in (eval, exec, globals, locals, vars, sys._getframe, builtins.__import__)}
_STORING = words("append add extend insert update setdefault appendleft extendleft put push write")
_TAKING = words("pop popitem popleft get setdefault")
_CHANGED_BY_METHODS = (bytearray, random.Random)


def make_function(frame: Frame, code: CodeType, closure: Value, defaults: Value) -> Value:
    """Return the function that is made here."""
    found = frame.heap.interned("function", (id(code), id(frame.code)), None, (code, frame))
    frame.heap.add(found, defaults.union(*(_cell(name, frame) for name in code.co_freevars)))
    found.value = (code, frame)
    return frozenset({found})


def _cell(name: str, frame: Frame) -> Value:
    index = frame.locals.index(name)
    if name in frame.code.co_cellvars:
        return frozenset({frame.heap.new((id(frame.code), "cell", index))})
    return frame.start.get(index, OUTER)


def call(frame: Frame, function: Value, arguments: Arguments) -> Value:
    """Return what a call in a frame may return."""
    found: set[Obj] = set()
    for one in function:
        if one.role == "function":
            found |= _call_made(frame, one, arguments)
        elif one.role == "bound":
            found |= _call_bound(frame, one, arguments)
        elif one.role == "known":
            found |= _call_known(frame, one.value, arguments)
        elif one.role == "new" and (method := frame.analysis.method_of(one, "__call__")) is not None:
            found |= frame.analysis.call_function(method, arguments.after(frozenset({one})))
        elif one.role == "new" and one.kind is None and not one.held:
            found |= result_of_known(frame, FRESH, None, arguments)
        elif one.role == "argument":
            method = frame.analysis.method_of(one, "__call__")
            if method is None:
                raise MayChangeError(depends_on_shape=one.kind is None)
            found |= frame.analysis.call_function(method, arguments.after(frozenset({one})))
        else:
            found |= _unknown(frame, arguments)
    return frozenset(found)


def _call_made(frame: Frame, one: Obj, arguments: Arguments) -> Value:
    """Call a function that the code has made."""
    code, outside = one.value
    closure = {name: _cell(name, outside) for name in code.co_freevars}
    defaults = frame.heap.contents([one]) if one.held else NOTHING
    reached = arguments.all() | {one}
    return frame.analysis.inline(code, outside.space, closure, outside.shared, arguments, defaults, reached)


def _unknown(frame: Frame, arguments: Arguments) -> Value:
    if frame.heap.holds_argument(arguments.all()):
        raise MayChangeError(depends_on_shape=True)
    return OUTER


def _call_bound(frame: Frame, one: Obj, arguments: Arguments) -> Value:
    receiver, name, function = one.value
    me = frozenset({receiver})
    if function is not None:
        return frame.analysis.call_function(function, arguments.after(me))
    if receiver.role == "known":
        return _unknown(frame, arguments)
    if receiver.role == "atom":
        return ATOM | result_of_known(frame, FRESH, None, arguments)
    if receiver.role == "argument":
        kind = receiver.kind
        if is_ours(kind.__module__):
            kind = next((base for base in kind.__mro__ if not is_ours(base.__module__)), object)
        result = method_result(kind, name)
        if result is None:
            raise MayChangeError(is_seen=is_plain(kind) or kind in _CHANGED_BY_METHODS)
        positional = arguments.positional
        most = OUT_PLACES.get(name) if kind is package_type("ndarray") else None
        if most is not None and len(positional) >= most:
            frame.analysis.change(frozenset().union(*positional[most - 1 :]))
        if result == GIVES_ATOM and not any(arguments):
            return ATOM  # nothing is compared, nothing handed on
        return result_of_known(frame, result, None, arguments.after(me))
    return _call_new(frame, receiver, name, arguments)


def _call_new(frame: Frame, receiver: Obj, name: str, arguments: Arguments) -> Value:
    """Call a method of an object that the code has made, of a type that keeps what it is given at most."""
    me = frozenset({receiver})
    given = arguments.all()
    call_back(frame, given, frame.heap.contents(me))
    if name in _STORING:
        held = given
        if name not in ("append", "add", "appendleft", "insert"):
            held |= iterated(frame, given)
        frame.heap.add(receiver, held)
    else:
        use_given(frame, given)
    inner = frame.heap.contents(me)
    if name in _TAKING:
        return inner | given
    if name == "copy" and receiver.kind is not None:
        return frame.fresh(receiver.kind, inner, "copy")
    made = frame.heap.new((id(frame.code), frame.offset, "method"), None, inner | frame.heap.leaves(given))
    frame.heap.add(made, [made])
    return frozenset({made})


def _call_known(frame: Frame, function: Any, arguments: Arguments) -> Value:
    if id(function) in _SEES_NAMES:
        raise MayChangeError
    special = _call_special(frame, function, arguments)
    if special is not None:
        return special
    try:
        result = result_of(function)
    except TypeError:
        result = None
    if result is not None:
        return result_of_known(frame, result, function, arguments)
    if isinstance(function, FunctionType):
        if is_ours(function.__module__) and result_of(function) is None:
            return frame.analysis.call_function(function, arguments)
    elif isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
        if is_ours(function.__func__.__module__):
            me = frame.heap.known(function.__self__)
            return frame.analysis.call_function(function.__func__, arguments.after(me))
    elif isinstance(function, functools.partial):
        first = [frame.heap.known(one) for one in function.args]
        known = {name: frame.heap.known(one) for name, one in function.keywords.items()}
        given = Arguments([*first, *arguments.positional], {**known, **arguments.keywords}, arguments.rest)
        return call(frame, frame.heap.known(function.func), given)
    elif isinstance(function, MethodDescriptorType):
        if arguments.positional:
            bound = attribute(frame, arguments.positional[0], function.__name__)
            return call(frame, bound, arguments._replace(positional=arguments.positional[1:]))
    elif isinstance(function, type):
        return _instance(frame, function, arguments)
    else:
        method = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(method, FunctionType) and is_ours(type(function).__module__):
            return frame.analysis.call_function(method, arguments.after(frame.heap.known(function)))
    return _unknown(frame, arguments)


def _call_special(frame: Frame, function: Any, arguments: Arguments) -> Value | None:
    positional = arguments.positional
    count = len(positional)
    if arguments.rest:
        return None
    if function is type and count == 1:
        if any(one.kind is None and one.role == "argument" for one in positional[0]):
            raise MayChangeError(depends_on_shape=True)  # its class is a part of it
        kinds = {one.kind for one in positional[0]}
        return frozenset().union(*(OUTER if kind is None else frame.heap.known(kind) for kind in kinds))
    if function in (getattr, setattr, delattr) and count >= 2:
        names = [one.value for one in positional[1]]
        if len(names) == 1 and isinstance(names[0], str):
            if function is getattr:
                return attribute(frame, positional[0], names[0]).union(*positional[2:])
            store_attribute(frame, positional[0], names[0], positional[-1])
            return ATOM
        if frame.heap.holds_argument(frozenset().union(*positional)):
            raise MayChangeError
        return OUTER
    if function is next and count:
        frame.analysis.change(positional[0])
        return iterated(frame, positional[0]).union(*positional[1:])
    if function is iter and count == 1:
        return iterator(frame, iterated(frame, positional[0]), positional[0])
    if function in (map, filter) and count >= 2:
        given = [iterated(frame, one) for one in positional[1:]]
        made = call(frame, positional[0], Arguments(given)) if positional[0] != ATOM else NOTHING
        held = made if function is map else given[0]
        return iterator(frame, held, frozenset().union(*positional))
    if function is functools.reduce and count >= 2:
        given = [iterated(frame, positional[1]).union(*positional[2:])]
        once = call(frame, positional[0], Arguments(given * 2))
        return given[0] | once | call(frame, positional[0], Arguments([once | given[0], given[0]]))
    if function is defaultdict:
        made = call(frame, positional[0], Arguments()) if positional else NOTHING
        more = frozenset().union(*positional[1:])
        return frame.fresh(defaultdict, made | iterated(frame, iterated(frame, more)), "default")
    return None


def _instance(frame: Frame, kind: type, arguments: Arguments) -> Value:
    given = arguments.all()
    if issubclass(kind, BaseException) and "__init__" not in vars(kind):
        return frame.fresh(None, given, kind.__name__)
    if not is_ours(kind.__module__) or type(kind).__call__ is not type.__call__:
        return _unknown(frame, arguments)
    made = frozenset({frame.heap.new((id(frame.code), frame.offset, "instance"), kind)})
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        frame.heap.add(next(iter(made)), given)
        return made
    function = inspect.getattr_static(kind, "__init__", None)
    if kind.__new__ is not object.__new__:  # type: ignore[comparison-overlap]
        return _unknown(frame, arguments)
    if isinstance(function, FunctionType):
        frame.analysis.depend_on_class(kind, "__init__", function)
        frame.analysis.call_function(function, arguments.after(made))
    elif given and function is not object.__init__:
        return _unknown(frame, arguments)
    return made
