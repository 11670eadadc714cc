"""The strict normal form of a value: equal for two values only if no program could tell them apart by looking."""

from __future__ import annotations

import collections
import random
import sys
import types
import zlib
from collections.abc import Iterator
from typing import Any

Form = Any  # nested tuples of strings
_PLAIN = (int, float, complex, str, bytes, bool, type(None))


def normal(value: object, path: tuple[int, ...] = ()) -> Form:
    """Return nested tuples of plain data: types, order of keys, bytes of arrays, columns and dtypes included.

    An iterator is not looked into: that would use it up.
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind.__name__, repr(value)
    if id(value) in path:
        return "cycle", len(path) - path.index(id(value))
    path = (*path, id(value))
    if isinstance(value, dict):
        return kind.__name__, *((normal(k, path), normal(v, path)) for k, v in value.items())
    if isinstance(value, set | frozenset):
        return kind.__name__, *sorted((normal(item, path) for item in value), key=repr)
    if isinstance(value, collections.deque):
        return "deque", value.maxlen, *(normal(item, path) for item in value)
    if isinstance(value, bytearray):
        return "bytearray", bytes(value)
    if isinstance(value, list | tuple):
        return kind.__name__, *(normal(item, path) for item in value)
    if isinstance(value, random.Random):
        return "Random", zlib.crc32(repr(value.getstate()).encode())
    if isinstance(value, Iterator | types.GeneratorType):
        return ("iterator",)
    return _of_library(value, path) or _of_object(value, path)


def told_apart(value: object) -> Form:
    """Return the normal form, and which objects a list or dictionary holds: two equal rows may change places."""
    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return normal(value), [id(part) for part in parts if type(part) not in _PLAIN]


def _of_library(value: Any, path: tuple[int, ...]) -> Form:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            return (
                "array",
                value.dtype.str,
                value.shape,
                value.tobytes() if not value.dtype.hasobject else repr(value),
            )
        if isinstance(value, numpy.generic):
            return "scalar", value.dtype.str, value.tobytes()
        if isinstance(value, numpy.random.Generator):
            return "Generator", repr(value.bit_generator.state)
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            columns = (
                (repr(name), str(value.iloc[:, i].dtype), repr(value.iloc[:, i].tolist()))
                for i, name in enumerate(value.columns)
            )
            return "frame", str(value.index.dtype), repr(value.index.tolist()), *columns
        if isinstance(value, pandas.Series):
            return (
                "series",
                str(value.dtype),
                repr(value.name),
                repr(value.index.tolist()),
                repr(value.tolist()),
            )
    return None


def _of_object(value: Any, path: tuple[int, ...]) -> Form:
    kind = type(value)
    attributes = sorted(vars(value).items()) if hasattr(value, "__dict__") else []
    shared = [
        (name, held)
        for name, held in sorted(vars(kind).items())
        if not name.startswith("_")
        and not callable(held)
        and not isinstance(held, property | types.MemberDescriptorType)
    ]
    return (
        kind.__qualname__,
        *((name, normal(held, path)) for name, held in attributes),
        "class",
        *((name, normal(held, path)) for name, held in shared),
    )


def objects(value: Any, found: dict[int, Any] | None = None) -> dict[int, Any]:
    """Return the mutable objects that a value is made of, by identity; views of an array count as the array."""
    found = {} if found is None else found
    kind = type(value)
    if kind in _PLAIN or id(value) in found:
        return found
    if isinstance(value, tuple | frozenset):
        for item in value:
            objects(item, found)
        return found
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        while isinstance(value.base, numpy.ndarray):
            value = value.base
    found[id(value)] = value
    if isinstance(value, dict):
        for item in value.values():
            objects(item, found)
    elif isinstance(value, list | set | collections.deque):
        for item in value:
            objects(item, found)
    elif hasattr(value, "__dict__") and kind.__module__ not in ("numpy", "pandas") and "pandas" not in kind.__module__:
        for item in vars(value).values():
            objects(item, found)
    return found
