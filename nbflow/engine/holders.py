"""Who else holds an object: the user's program, or only what nbflow and IPython keep of the past."""

from __future__ import annotations

import gc
import re
import sys
from types import CellType, MethodType
from typing import Any

from nbflow.core.data.value_type import package_of, type_of

_HISTORY = re.compile(r"_{1,3}|_\d+|Out|_oh")
_OURS = ("nbflow", "IPython")  # IPython keeps the result of the last cell
_DEPTH = 4


def is_held(obj: Any, *, variables: int, kept: int = 0) -> bool:
    """Tell whether the user's program holds an object.

    A name that IPython binds to the results of cells (`_`, `_5`, `Out`), the list of runs, the panel and the events do
    not count. What cannot be accounted for counts as the user's: a local variable of a function that is running, say.

    Args:
        obj: The object.
        variables: How many local variables of the callers hold it.
        kept: How many references are in what nbflow keeps, as far as the caller knows: if there are no others, nobody
            else is looked for, which takes some milliseconds.
    """
    left = sys.getrefcount(obj) - 2 - variables  # that of the call, and of the parameter
    if left <= kept:
        return False
    return left > _accounted(obj, 0, {id(sys._getframe())})


def _accounted(obj: Any, depth: int, seen: set[int]) -> int:
    count = 0
    for holder in gc.get_referrers(obj):
        if id(holder) not in seen and _is_past(holder, obj, depth, seen):
            count += _times(holder, obj)
    return count


def _times(holder: Any, obj: Any) -> int:
    if type(holder) is dict:
        return sum(value is obj for value in holder.values())
    if type_of(holder) in (list, tuple):
        return sum(value is obj for value in holder)
    return 1


def _is_past(holder: Any, obj: Any, depth: int, seen: set[int]) -> bool:
    kind = type_of(holder)
    if package_of(holder) in _OURS:
        return True
    if kind is dict:
        names = [name for name, value in list(holder.items()) if value is obj]
        if all(type(name) is int for name in names):  # `Out`
            return bool(names) and all(type(name) is int for name in holder)
        if names and all(type(name) is str and _HISTORY.fullmatch(name) for name in names):
            return True
        if "__builtins__" in holder or "__name__" in holder:
            return False
    if depth < _DEPTH and kind in (dict, list, tuple, CellType, MethodType):
        inner = {*seen, id(holder)}
        holders = [one for one in gc.get_referrers(holder) if id(one) not in inner and one is not obj]
        owners = [one for one in holders if package_of(one) in _OURS]
        return bool(owners) and len(owners) == len([one for one in holders if type(one) is not list])
    return False
