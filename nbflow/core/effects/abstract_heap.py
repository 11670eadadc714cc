"""Abstract objects: what a look at code without executing it knows of the objects that the code handles.

A value is a set of the objects that it may be. Objects that the code makes are told apart by where it makes them, so
that there are finitely many; what they hold only grows, until a further look finds nothing new.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from nbflow.core.data.value_shape import ATOM_SHAPE, Shape, is_array, is_atomic_type

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

Role = Literal["atom", "outer", "argument", "new", "known", "function", "bound", "null"]


class MayChangeError(Exception):
    """The code may change the argument, or that cannot be excluded.

    Attributes:
        depends_on_shape: Whether more knowledge of the value could exclude it.
        is_seen: Whether the code is seen to change it, on one of its ways.
    """

    def __init__(self, *, depends_on_shape: bool = False, is_seen: bool = False) -> None:
        super().__init__(depends_on_shape)
        self.depends_on_shape = depends_on_shape
        self.is_seen = is_seen


class Obj:
    """One abstract object.

    Args:
        role: `atom` cannot change and holds nothing; `argument` is the argument or a part of it; `new` was made by the
            code; `known` is an object that exists, such as a global function; `outer` is any other one that exists.
        kind: Its exact type; None if it is not known.
        value: The constant, the known object, or what a function or method is made of.
        shape: Of a part of the argument.
    """

    __slots__ = ("held", "kind", "role", "shape", "value", "was_read")

    def __init__(self, role: Role, kind: type | None = None, value: Any = None, shape: Shape | None = None) -> None:
        self.role = role
        self.kind = kind
        self.value = value
        self.shape = shape
        self.held: set[Obj] = set()
        self.was_read = False


Value = frozenset[Obj]
_ATOM, _OUTER, _NULL = Obj("atom"), Obj("outer"), Obj("null")
ATOM: Value = frozenset({_ATOM})
OUTER: Value = frozenset({_OUTER})
NOTHING: Value = frozenset()
NULL: Value = frozenset({_NULL})
ANY: Any = object()  # a plain value that is not known


class Heap:
    """The objects of one look at a function."""

    def __init__(self) -> None:
        self._objects: dict[Hashable, Obj] = {}
        self.has_grown = False

    def argument(self, shape: Shape | None) -> Value:
        """Return the part of the argument that has a shape; None: any part of it."""
        if shape == ATOM_SHAPE:
            return ATOM
        return frozenset({self.interned("argument", shape, None if shape is None else shape.type, None, shape)})

    def container(self, shape: Shape | None) -> Value:
        """Return a container that may be changed, with parts of the argument in it."""
        kind = None if shape is None else shape.type
        return frozenset({self.new("container", kind, self.contents(self.argument(shape)))})

    def new(self, place: Hashable, kind: type | None = None, held: Iterable[Obj] = (), value: Any = None) -> Obj:
        """Return the object that is made at a place."""
        key = ("new", place, kind)
        found = self._objects.get(key)
        if found is None:
            found = self._objects[key] = Obj("new", kind, value)
        self.add(found, held)
        return found

    def interned(self, role: Role, key: Hashable, kind: type | None, value: Any, shape: Shape | None = None) -> Obj:
        """Return the object with this key."""
        whole = (role, key)
        found = self._objects.get(whole)
        if found is None:
            found = self._objects[whole] = Obj(role, kind, value, shape)
        return found

    def known(self, value: Any) -> Value:
        """Return an object that exists."""
        kind = type(value)
        if is_atomic_type(kind) and kind.__name__ not in ("module", "builtin_function_or_method"):
            return frozenset({self.interned("atom", (kind, id(value)), kind, value)})
        return frozenset({self.interned("known", id(value), kind, value)})

    def existing(self, value: Any) -> Value:
        """Return what a name, a closure or a default stands for; of a plain value only the type counts."""
        kind = type(value)
        if kind is not ModuleType and not callable(value) and is_atomic_type(kind):
            return frozenset({self.interned("atom", ("any", id(kind)), kind, ANY)})
        return self.known(value)

    def add(self, holder: Obj, held: Iterable[Obj]) -> None:
        """Note that a new object holds others."""
        before = len(holder.held)
        holder.held.update(held)
        if len(holder.held) != before and holder.was_read:
            self.has_grown = True

    def contents(self, value: Iterable[Obj]) -> Value:
        """Return what is in the objects: elements, keys, values, attributes."""
        found: set[Obj] = set()
        for one in value:
            if one.role == "atom":
                found.add(_ATOM)
            elif one.role == "argument":
                found |= self._parts(one)
            elif one.role in ("new", "function", "bound"):
                one.was_read = True
                found |= one.held
            else:
                found.add(_OUTER)
        return frozenset(found)

    def _parts(self, one: Obj) -> Value:
        shape = one.shape
        if shape is None or (shape.inner is None and shape.attributes is None):
            return self.argument(None)
        found: set[Obj] = set()
        for inner in shape.inner or ():
            found |= self.argument(inner)
        for _, shapes in shape.attributes or ():
            for inner in shapes:
                found |= self.argument(inner)
        return frozenset(found)

    def bound(self, receiver: Obj, name: str, function: Any = None) -> Obj:
        """Return a method of an object; `function` is what the user wrote for it, if anything."""
        found = self.interned("bound", (receiver, name), None, (receiver, name, function))
        self.add(found, [receiver])
        return found

    def leaves(self, value: Iterable[Obj]) -> Value:
        """Return what arrays and frames may hold of the argument: their elements, if these are objects."""
        found: set[Obj] = set()
        pending = list(value)
        for one in each_once(pending):
            if one.role == "argument" and not (one.kind is not None and is_array(one.kind)):
                found.add(one)
            elif one.role != "atom":
                pending += self.contents([one])
        return frozenset(found)

    def holds_argument(self, value: Iterable[Obj]) -> bool:
        """Tell whether a part of the argument that can change may be among the objects, or in one of them."""
        pending = list(value)
        for one in each_once(pending):
            if one.role == "argument":
                return True
            one.was_read = True
            pending += one.held
            if type(one.value) is tuple and one.value[0] == "lazy":  # an iterator holds what it goes through
                pending.append(one.value[1])
        return False

    def has_lazy(self, value: Iterable[Obj]) -> bool:
        """Tell whether a function or generator among the objects, or in one of them, holds a part of the argument."""
        pending = list(value)
        for one in each_once(pending):
            is_lazy = type(one.value) is tuple and one.value[0] == "lazy"
            if (is_lazy or one.role in ("function", "bound")) and self.holds_argument([one]):
                return True
            pending += one.held
        return False


def each_once(pending: list[Obj]) -> Iterator[Obj]:
    """Take the objects off a list, to which more may be added meanwhile, and yield each one once."""
    seen = set()
    while pending:
        one = pending.pop()
        if one not in seen:
            seen.add(one)
            yield one
