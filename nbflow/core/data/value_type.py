"""The type of a value, asked for without calling what the user's metaclass makes of hashing, comparing and reading.

``type(value) in {...}`` hashes and compares a class, and ``type(value).__module__`` reads from it: each calls the
metaclass, which may raise or lie. All that looks at values asks here instead, or compares types by their identity.
"""

from __future__ import annotations

from abc import ABCMeta
from enum import EnumMeta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

identity: Callable[[Any], int] = object.__hash__
"""Says which object one is, as `id` does, of which Python tells every audit hook: see `engine.file_watch`."""

_ASKED = ("__hash__", "__eq__", "__ne__", "__getattribute__")
_READ = ("__module__", "__name__", "__qualname__", "__mro__", "__bases__")
_KNOWN = (type, ABCMeta, EnumMeta)
_members_of = type.__dict__["__dict__"].__get__
_order_of = type.__dict__["__mro__"].__get__
_name_of = type.__dict__["__name__"].__get__
_qualified_name_of = type.__dict__["__qualname__"].__get__


class OddType:
    """Stands for the types of which nothing can be known; nobody makes an instance of it."""


def type_of(value: Any) -> type:
    """Return the type of a value; `OddType` if its metaclass has its own way of hashing, comparing or reading classes.

    Example:
        >>> class Meta(type):
        ...     def __hash__(cls):
        ...         raise ValueError
        >>> type_of(1), type_of(Meta("Odd", (), {})())
        (<class 'int'>, <class 'nbflow.core.data.value_type.OddType'>)
    """
    kind = type(value)
    return kind if type(kind) is type or has_plain_metaclass(kind) else OddType


def has_plain_metaclass(kind: type) -> bool:
    """Tell whether a class can be hashed, compared and read without calling code of a user's metaclass."""
    meta = type(kind)
    for known in _KNOWN:
        if meta is known:
            return True
    for base in _order_of(meta):
        if base is type:
            break
        members = _members_of(base)
        if any(name in members for name in _ASKED):
            return False
        if any(hasattr(type(members[name]), "__get__") for name in _READ if name in members):
            return False
    return True


def package_of(value: Any) -> str:
    """Return the name of the package that the type of a value comes from; empty if it does not say so.

    Example:
        >>> import collections
        >>> package_of(collections.deque()), package_of(1)
        ('collections', 'builtins')
    """
    module = type_of(value).__module__
    return module.partition(".")[0] if type(module) is str else ""


def has_method(value: Any, name: str) -> bool:
    """Tell whether the type of a value has a method, without asking its metaclass.

    Example:
        >>> has_method(iter([]), "__next__"), has_method([], "__next__")
        (True, False)
    """
    return any(name in _members_of(base) for base in _order_of(type(value)))


def ids_of(types: Iterable[type]) -> frozenset[int]:
    """Return what to look for in place of types: ``identity(type(value)) in ids`` hashes no class.

    Only for types that are never deleted.
    """
    return frozenset(map(identity, types))


def type_name(value: Any) -> str:
    """Return the name of the type of a value, whatever its metaclass says.

    Example:
        >>> type_name([]), type_name(1)
        ('list', 'int')
    """
    name: str = _name_of(type(value))
    return name


def qualified_type_name(value: Any) -> str:
    """Return the same with the names of the classes and functions that the type was made in."""
    name: str = _qualified_name_of(type(value))
    return name
