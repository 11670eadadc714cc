"""The content of a name of the notebook that is no code, at one moment, without keeping it alive."""

from __future__ import annotations

from typing import Any, NamedTuple

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_type import qualified_type_name, type_of

_MOST_BYTES = 1 << 20  # of a value; it is looked at whenever a run begins and ends
_volatile: set[tuple[int, str]] = set()


class Content(NamedTuple):
    """The content of a name.

    Attributes:
        text: Equal for equal contents; of what cannot be looked into, and of what is large, for the same object.
        cls: The class of the value.
        number: The identity of the value.
    """

    text: str
    cls: type
    number: int


def content_of_name(value: Any, *, by_identity: bool = True) -> Content:
    """Return what a value holds now.

    Args:
        value: The value.
        by_identity: Whether it counts which object it is where its contents cannot be known. It does not in another
            process, nor of what a class has in its body, which is made again whenever its cell is executed.
    """
    known = known_fingerprint(value, _MOST_BYTES)
    if known is None:
        known = f"{qualified_type_name(value)} {id(value)}" if by_identity else "?"
    return Content(known, type_of(value), id(value))


def note_volatile(owner: object, name: str) -> None:
    """Note that tasks themselves change what a name of a namespace or class holds, so that it makes nothing stale."""
    _volatile.add((id(owner), name))


def is_volatile(owner: object, name: str) -> bool:
    """Tell whether tasks themselves change what a name holds."""
    return (id(owner), name) in _volatile
