"""What stands for a value that is on the cluster in a call that travels there.

References stand where a call's inputs have them: as an argument, or in lists, tuples and dictionaries of arguments,
since that is where the engine puts values that are elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Reference(NamedTuple):
    """The value of a call of another bundle, or what was sent beforehand; one of its elements, if there is a `place`.

    Attributes:
        future: Which of the futures that travel with the bundle has it.
        number: Which of the values that the bundle of this future gives; -1: the whole.
        place: Which element.
    """

    future: int
    number: int
    place: int | None = None


class Earlier(NamedTuple):
    """The value of an earlier call of the same bundle.

    Attributes:
        number: Which one.
    """

    number: int


class OwnClient(NamedTuple):
    """A client of the cluster: a task gets the one of its worker."""


class NoValue(NamedTuple):
    """Stands in a bundle's values for that of a call that gave none."""


REFERENCES = frozenset({Reference, Earlier, OwnClient})
_CONTAINERS = frozenset({list, tuple, dict})


def replaced(value: Any, kinds: frozenset[type], replace: Callable[[Any], Any]) -> Any:
    """Return a value with others in the place of those of some kinds, also in lists, tuples and dictionaries in it.

    What holds none is returned as it is.

    Example:
        >>> replaced({"a": [1, 2.5]}, frozenset({float}), round)
        {'a': [1, 2]}
    """
    kind = type(value)
    if kind in kinds:
        return replace(value)
    if kind not in _CONTAINERS:
        return value
    parts = value.values() if kind is dict else value
    found = set(map(type, parts))  # quick, also for a million numbers
    if found.isdisjoint(kinds) and found.isdisjoint(_CONTAINERS):
        return value
    if kind is dict:
        return {key: replaced(part, kinds, replace) for key, part in value.items()}
    return kind([replaced(part, kinds, replace) for part in value])
