"""The ownership of code: the user's own, or installed."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig


def is_ours(module: object) -> bool:
    """Tell whether a module is the user's: a notebook's, or a file's that is not installed."""
    return type(module) is str and _is_ours(module)


@functools.lru_cache(maxsize=1_000)
def _is_ours(module: str) -> bool:
    if module.partition(".")[0] == "nbflow":
        return False
    if module == "__main__" or module not in sys.modules:
        return True
    found = sys.modules[module]
    file = getattr(found, "__file__", None)
    if file is None:  # built in, or made at run time
        return getattr(getattr(found, "__spec__", None), "origin", None) not in ("built-in", "frozen")
    path = str(file)
    return "-packages" not in path and not path.startswith(_standard_library())


@functools.cache
def _standard_library() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[key] + os.sep for key in ("stdlib", "platstdlib") if key in paths)
