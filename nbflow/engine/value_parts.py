"""Values and what is in them: whether one is a given object, or holds one, as far as that can be seen from outside."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import identity, type_of
from nbflow.core.ownership import is_ours
from nbflow.engine.object_versions import ATOMS, MOST_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_LOOKED_INTO = (list, tuple, set, dict)
_HOLDERS = (list, tuple, set, frozenset, deque)


def contained_in(value: Any) -> Iterator[Any]:
    """Yield a value and what is in it, as far as that can be seen."""
    pending: list[Any] = [value]
    seen: set[int] = set()
    while pending and len(seen) < MOST_ELEMENTS:
        one = pending.pop()
        yield one
        if identity(type(one)) in ATOMS or id(one) in seen:
            continue
        seen.add(id(one))
        # The methods of the built-in type are called, since those of a user's subclass may run anything.
        if issubclass(type(one), dict):
            pending += dict.values(one)
        elif type_of(one) in _HOLDERS:
            pending += one
        elif type(one) is getattr(sys.modules.get("numpy"), "ndarray", None):
            pending.append(one.base)  # what it is a view of
        elif is_ours(type_of(one).__module__):
            with suppress(BaseException):  # what a user's object raises when it is looked at
                pending += object.__getattribute__(one, "__dict__").values()


def holds_any(value: Any, objects: Collection[int]) -> bool:
    """Tell whether a value is one of some objects (identities), or seen to hold one; if not, it may all the same."""
    return any(id(one) in objects for one in contained_in(value))


def may_hold_any(values: Iterable[Any], objects: Collection[int]) -> bool:
    """Tell whether any of some values may be or hold one of some objects: what cannot be looked into may."""
    pending = list(values)
    seen: set[int] = set()
    while pending:
        value = pending.pop()
        if identity(type(value)) in ATOMS or is_fixed(value) or id(value) in seen:
            continue
        seen.add(id(value))
        if id(value) in objects or len(seen) > MOST_ELEMENTS or type_of(value) not in _LOOKED_INTO:
            return True
        pending += value.values() if type(value) is dict else value
    return False
