"""Flows that the user's names lead to: by themselves, in containers, as an attribute of an object or a module."""

from __future__ import annotations

import itertools
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.flow import Flow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_DEEPEST = 3
_MOST = 20_000
_MOST_ITEMS = 1_000


def is_reached(flow: Flow, names: Mapping[str, Any]) -> bool:
    """Tell whether one of the user's `names` leads to `flow`."""
    return any(found is flow for found in flows_in(names))


def flows_in(names: Mapping[str, Any]) -> Iterator[Flow]:
    """Find the flows that the user's `names` lead to, those that are near first."""
    level: Iterable[Any] = [held for name, held in list(names.items()) if not name.startswith("_")]
    seen: set[int] = set()
    count = itertools.count()
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for held in level:
            if id(held) in seen or next(count) > _MOST:
                continue
            seen.add(id(held))
            if issubclass(type(held), Flow):
                yield held
            else:
                inner += _held_by(held)
        level = inner


def _held_by(value: Any) -> Iterable[Any]:
    kind = type(value)
    found: list[Any] = []
    if issubclass(kind, dict):
        found += dict.values(value)
    elif issubclass(kind, (list, tuple, set)):
        found += list(value)[:_MOST_ITEMS]
    if issubclass(kind, ModuleType):
        name = value.__name__.partition(".")[0]
        found += [] if name in sys.stdlib_module_names | {"nbflow", "IPython"} else vars(value).values()
    elif kind.__module__ == "__main__" and isinstance(held := getattr(value, "__dict__", None), dict):
        found += held.values()
    return found
