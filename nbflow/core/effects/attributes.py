"""Attributes: what reading one of an object gives, and assigning to one."""

from __future__ import annotations

import inspect
from types import FunctionType, MethodDescriptorType, ModuleType
from typing import TYPE_CHECKING

from nbflow.core.data.value_shape import ATOM_SHAPE, Shape, is_atomic_type, is_frame, package_type, shape_of
from nbflow.core.effects.abstract_heap import ATOM, NOTHING, OUTER, MayChangeError, Obj, Value
from nbflow.core.effects.arguments import Arguments
from nbflow.core.effects.item_access import derived
from nbflow.core.effects.pure_calls import words
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from nbflow.core.effects.abstract_frame import Frame

_MISSING = object()
_ARRAY_FACTS = words("shape size ndim dtype nbytes itemsize flags strides")
_FRAME_FACTS = words(
    "shape size empty ndim dtypes dtype name names nbytes is_unique hasnans is_monotonic_increasing "
    "is_monotonic_decreasing nlevels inferred_type"
)
_FRAME_ACCESSORS = words("str dt cat plot sparse list struct")
# What shows the memory behind a derived frame or an array that cannot be written to otherwise.
_BEHIND = words("array _values _mgr _data setflags base")


def attribute(frame: Frame, value: Value, name: str) -> Value:
    """Return what an attribute may be."""
    found: set[Obj] = set()
    if name in _BEHIND and any(one.role != "known" for one in value):
        raise MayChangeError
    for one in value:
        if one.role == "argument":
            found |= _part(frame, one, name)
        elif one.role == "known":
            found |= _known_attribute(frame, one, name)
        elif one.role == "new" and one.kind is not None and is_ours(one.kind.__module__):
            found |= _own_attribute(frame, one, name)
        elif one.role in ("new", "atom"):
            found.add(frame.heap.bound(one, name))
        elif one.role == "bound":
            receiver = one.value[0]
            if receiver.role == "argument":
                raise MayChangeError
            found.add(frame.heap.bound(receiver, name))
        else:
            found |= OUTER
    return frozenset(found)


def _part(frame: Frame, one: Obj, name: str) -> Value:
    kind = one.kind
    if kind is None:
        raise MayChangeError(depends_on_shape=True)
    if kind is package_type("ndarray"):
        if name in _ARRAY_FACTS:
            return ATOM
        return frozenset({one if name in ("T", "flat", "real", "imag") else frame.heap.bound(one, name)})
    if is_frame(kind):
        return _frame_part(frame, one, name)
    if is_ours(kind.__module__):
        return _own_attribute(frame, one, name)
    if kind.__module__.startswith("numpy.random") and name in ("bit_generator", "state"):
        # A copy of the state; what is inside is as good as the generator.
        return ATOM if name == "state" else frozenset({one})
    return frozenset({frame.heap.bound(one, name)})


def _frame_part(frame: Frame, one: Obj, name: str) -> Value:
    if name in _FRAME_FACTS:
        return ATOM
    if name in ("loc", "iloc", "at", "iat"):
        return frozenset({one})
    if name in ("index", "columns"):
        return frame.heap.argument(Shape(package_type("Index") or object, frozenset({ATOM_SHAPE})))
    if name in ("values", "array"):
        return frame.heap.argument(Shape(package_type("ndarray") or object))
    if name in _FRAME_ACCESSORS:
        return frame.fresh(None, frame.heap.leaves([one]), name)
    if callable(inspect.getattr_static(one.kind, name, None)):
        return frozenset({frame.heap.bound(one, name)})
    if name in ("attrs", "flags", "axes", "_data", "_mgr"):
        return frame.heap.argument(None)
    return derived(frame, one, name)


def _own_attribute(frame: Frame, one: Obj, name: str) -> Value:
    kind = one.kind
    assert kind is not None
    found = inspect.getattr_static(kind, name, _MISSING)
    me = frozenset({one})
    if isinstance(found, FunctionType):
        frame.analysis.depend_on_class(kind, name, found)
        return frozenset({frame.heap.bound(one, name, found)})
    if isinstance(found, property):
        frame.analysis.depend_on_class(kind, name, found)
        if not isinstance(found.fget, FunctionType):
            raise MayChangeError
        return frame.analysis.call_function(found.fget, Arguments([me]))
    if isinstance(found, staticmethod):
        return frame.heap.known(found.__func__)
    if isinstance(found, classmethod):
        return frozenset({frame.heap.bound(next(iter(frame.heap.known(kind))), name, found.__func__)})
    if name == "__class__":
        return frame.heap.known(kind)
    if name == "__dict__":
        return frame.heap.contents(me) if one.role == "new" else frame.heap.argument(None)
    for special in ("__getattr__", "__getattribute__"):
        if isinstance(inspect.getattr_static(kind, special, None), FunctionType):
            raise MayChangeError
    is_descriptor = found is not _MISSING and hasattr(type(found), "__get__")
    if is_descriptor and not inspect.isdatadescriptor(found):
        if inspect.isroutine(found):
            return frozenset({frame.heap.bound(one, name)})
        raise MayChangeError
    if is_descriptor and not inspect.ismemberdescriptor(found) and not inspect.isgetsetdescriptor(found):
        raise MayChangeError
    if one.role == "new":
        return frame.heap.contents(me) | (NOTHING if found is _MISSING else OUTER)
    attributes = one.shape.attributes if one.shape is not None else None
    if attributes is not None:
        shapes = dict(attributes).get(name)
        if shapes is not None:
            return frozenset().union(*map(frame.heap.argument, shapes))
        if found is not _MISSING and not is_descriptor:
            if is_atomic_type(type(found)):
                return frame.heap.known(found)
            frame.analysis.depend_on_class(kind, name, found)
            return frame.heap.argument(shape_of(found))
    return frame.heap.argument(None)  # what is in its class is part of it: see `object_content.class_data`


def _known_attribute(frame: Frame, one: Obj, name: str) -> Value:
    value = one.value
    if type(value) is ModuleType:
        found = vars(value).get(name, _MISSING)
        if found is _MISSING:
            return OUTER
        is_users = is_ours(value.__name__)
        return frame.analysis.depend(vars(value), name, found) if is_users else frame.heap.known(found)
    if isinstance(value, type):
        found = inspect.getattr_static(value, name, _MISSING)
        if is_ours(value.__module__) and isinstance(found, FunctionType):
            frame.analysis.depend_on_class(value, name, found)
            return frame.heap.known(found)
        if isinstance(found, staticmethod):
            return frame.heap.known(found.__func__)
        if isinstance(found, classmethod) and isinstance(found.__func__, FunctionType):
            return frozenset({frame.heap.bound(one, name, found.__func__)})
        if isinstance(found, MethodDescriptorType):
            return frame.heap.known(found)
        if found is not _MISSING and is_atomic_type(type(found)):
            return ATOM
        is_data = found is not _MISSING and not name.startswith("__") and not hasattr(type(found), "__get__")
        if is_ours(value.__module__) and is_data:
            return frame.heap.argument(None)  # part of all of its instances, the argument perhaps among them
        return OUTER
    kind = type(value)
    function = inspect.getattr_static(kind, name, None)
    if isinstance(function, FunctionType) and is_ours(kind.__module__):
        frame.analysis.depend_on_class(kind, name, function)
        return frozenset({frame.heap.bound(one, name, function)})
    if kind.__module__ == "numpy.random" or "numpy.random" in kind.__module__:
        return frozenset({frame.heap.bound(one, name)})
    return OUTER


def store_attribute(frame: Frame, owner: Value, name: str, value: Value) -> None:
    """Assign to an attribute."""
    if name == "writeable":
        raise MayChangeError
    for one in owner:
        if isinstance(one.value, type) and is_ours(one.value.__module__):
            raise MayChangeError
        if one.role == "new" and one.kind is not None and is_ours(one.kind.__module__):
            found = inspect.getattr_static(one.kind, name, None)
            if isinstance(found, property) or frame.analysis.method_of(one, "__setattr__") is not None:
                if frame.heap.holds_argument(value | {one}):
                    raise MayChangeError
                continue
        frame.analysis.store(frozenset({one}), value)
