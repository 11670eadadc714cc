"""Names that hold something else than before: asked after each cell, of all names of the notebook."""

from __future__ import annotations

from itertools import compress, repeat
from operator import is_not
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Any = object()


def rebound(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of `now` that hold another object than in `before`, or were not there.

    Example:
        >>> rebound({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4})
        ['b', 'c']
    """
    return list(compress(now, map(is_not, now.values(), map(before.get, now, repeat(_NOTHING)))))
