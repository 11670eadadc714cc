"""Whether two values say the same, for a reader: always with an answer, which may be that nobody knows.

Users' values may refuse to be compared, answer with an array, never equal themselves, or start a computation on a
cluster when asked; none of that gets out of here. Nothing foreign is imported: a value of numpy's brings it along.
"""

from __future__ import annotations

import sys
from typing import Any

from nbflow.core.data.fingerprint import fingerprint, known_fingerprint
from nbflow.core.data.value_type import type_of
from nbflow.engine.remote_value import Gathered, RemoteValue, is_reference

_DEEPEST = 50
_ATOMS = (int, str, bytes, bool, type(None))


def alike(one: Any, other: Any) -> bool | None:
    """Tell whether two values are equal; None if that cannot be found out.

    Arrays and tables are equal if all of their elements are; NaN equals NaN; containers are looked into. Objects
    that know only themselves are compared by what they are made of. Lazy collections are never computed, and nothing
    is fetched: of a value that is elsewhere the fingerprint may be known.

    Example:
        >>> alike({"x": [1, float("nan")]}, {"x": [1, float("nan")]})
        True
        >>> alike([1, 2], [1, 3])
        False
    """
    try:
        return _alike(one, other, 0)
    except Exception:  # noqa: BLE001 - users' values may raise anything
        return None


def _alike(one: Any, other: Any, depth: int) -> bool | None:
    if one is other:
        return True
    if depth > _DEEPEST:
        return None
    if type(one) is Gathered or type(other) is Gathered:
        first, second = (each.parts if type(each) is Gathered else each for each in (one, other))
        return _alike(first, second, depth)
    if is_reference(one) or is_reference(other):
        prints = _print_of(one), _print_of(other)
        return None if None in prints else prints[0] == prints[1]
    kind: Any = type_of(one)
    if kind in _ATOMS and type_of(other) in _ATOMS:
        return bool(one == other)
    if kind is type_of(other):
        if kind in (list, tuple):
            if len(one) != len(other):
                return False
            return _all(_alike(a, b, depth + 1) for a, b in zip(one, other, strict=True))
        if kind is dict:
            if one.keys() != other.keys():
                return False
            return _all(_alike(value, other[key], depth + 1) for key, value in one.items())
    if hasattr(one, "__dask_graph__") or hasattr(other, "__dask_graph__"):
        return None  # `==` would only make another one, and asking that for its truth would compute it
    if _is_numpys(one) or _is_numpys(other):
        return _equal_arrays(one, other)
    if kind is type(other) and callable(getattr(one, "equals", None)):
        answer = one.equals(other)  # tables and columns, of pandas, polars and arrow
        return bool(answer) if isinstance(answer, bool) else _truth(answer)
    equality: Any = kind.__eq__
    if kind is type(other) and equality is object.__eq__:
        first, second = fingerprint(one), fingerprint(other)
        if first == second:
            return True
        # What cannot be pickled never gets the same text twice.
        return None if first.startswith("unique-") or second.startswith("unique-") else False
    return _asked(one, other)


def _print_of(value: Any) -> str | None:
    """Return the fingerprint of a value, also of one that is elsewhere if it is known."""
    if type(value) is RemoteValue:
        return value.facts.fingerprint
    return None if is_reference(value) else known_fingerprint(value)


def _all(answers: Any) -> bool | None:
    """Return False if one is False, else None if one is not known."""
    unknown = False
    for answer in answers:
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def _asked(one: Any, other: Any) -> bool | None:
    if isinstance(one, (float, complex)) and isinstance(other, (float, complex)) and one != one:
        return other != other
    return _truth(one == other)


def _truth(answer: Any) -> bool | None:
    if answer is NotImplemented:
        return None
    while not isinstance(answer, bool) and callable(getattr(answer, "all", None)):
        reduced = answer.all()
        if type(reduced) is type(answer) and getattr(reduced, "shape", ()) == getattr(answer, "shape", ()):
            break
        answer = reduced
    return bool(answer)


def _is_numpys(value: Any) -> bool:
    return any(cls.__module__ == "numpy" and cls.__name__ in ("ndarray", "generic") for cls in type_of(value).__mro__)


def _equal_arrays(one: Any, other: Any) -> bool | None:
    numpy: Any = sys.modules["numpy"]
    if isinstance(one, numpy.ndarray) is not isinstance(other, numpy.ndarray):
        return False
    first, second = numpy.asarray(one), numpy.asarray(other)
    if first.shape != second.shape:
        return False
    if first.dtype.hasobject or second.dtype.hasobject:
        return _alike(first.tolist(), second.tolist(), _DEEPEST - 10)
    try:
        return bool(numpy.array_equal(first, second, equal_nan=True))
    except TypeError:  # of records, which are not asked for NaN
        return bool(numpy.array_equal(first, second))
