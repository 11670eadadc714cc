"""The newest definition of a function: people redefine functions in notebooks and expect a retry to use them."""

from __future__ import annotations

import sys
import types
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_newest: weakref.WeakValueDictionary[tuple[str, str], Any] = weakref.WeakValueDictionary()
_replaced: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def remember(fn: Callable[..., Any]) -> None:
    """Note that `fn` was just made into a task, so it is the newest one of its name."""
    key = _key(fn)
    if key is not None:
        _newest[key] = fn


def replace(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Note that a cell which is a task's function was executed again, edited perhaps."""
    _replaced[old] = new


def newest(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that has the place of `fn` now: made into a task since, or bound to its name; else `fn`."""
    while _replaced and (new := _replaced.get(fn)) is not None:
        fn = new
    key = _key(fn)
    if key is None:
        return fn
    decorated = _newest.get(key)
    if decorated is not None and decorated is not fn:
        return decorated  # type: ignore[no-any-return]
    bound: Any = sys.modules.get(key[0])
    for name in key[1].split("."):
        bound = getattr(bound, name, None)
    bound = getattr(bound, "run", bound)  # a task has taken its name
    return bound if isinstance(bound, types.FunctionType) and _key(bound) == key else fn


def _key(fn: object) -> tuple[str, str] | None:
    if (
        not isinstance(fn, types.FunctionType) or "<" in fn.__qualname__
    ):  # made inside of another, or a lambda
        return None
    return fn.__module__, fn.__qualname__
