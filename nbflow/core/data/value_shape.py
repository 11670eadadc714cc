"""The shape of a value: its types, and those of what it holds, as far as looking at them is cheap."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from itertools import chain
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.data.object_content import attributes_of
from nbflow.core.data.opaque import UnknownError
from nbflow.core.data.value_type import has_plain_metaclass, identity, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SEQUENCES = (list, tuple, set, frozenset, deque)
DICTS = (dict, OrderedDict, Counter, defaultdict)
_ATOMS = frozenset(
    {
        *(int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented), range, slice),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
        *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, ModuleType, BuiltinFunctionType),
        *(pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath),
    }
)
_PACKAGES = {
    **dict.fromkeys(("ndarray", "generic"), "numpy"),
    **dict.fromkeys(("DataFrame", "Series", "Index", "Timestamp", "Timedelta"), "pandas"),
}
_DEEPEST = 5
# Types are taken at about 100 million a second; no more than what costs some tens of milliseconds.
_MOST = 2_000_000
_MOST_OBJECTS = 1_000


class Shape(NamedTuple):
    """The type of a value and of what it holds.

    Attributes:
        type: Its exact type.
        inner: The shapes of its elements; None if they are not known.
        attributes: The shapes of its attributes by name; None if they are not known.
    """

    type: type
    inner: frozenset[Shape] | None = None
    attributes: tuple[tuple[str, frozenset[Shape]], ...] | None = None


ATOM_SHAPE = Shape(type(None), frozenset(), ())


def package_type(name: str) -> type | None:
    """Return a type of numpy or pandas, None as long as nobody has imported its package."""
    found: type | None = getattr(sys.modules.get(_PACKAGES[name]), name, None)
    return found


def is_atomic_type(kind: type) -> bool:
    """Tell whether no value of exactly this type can change or hold another one."""
    return kind in _ATOMS or _is_atomic_type(kind)


@functools.lru_cache(maxsize=500)
def _is_atomic_type(kind: type) -> bool:
    if kind.__module__ in ("numpy", "pandas") or kind.__module__.startswith(("numpy.", "pandas.")):
        generic = package_type("generic")
        if generic is not None and issubclass(kind, generic):
            return kind.__name__ not in ("void", "object_")
        return kind in (package_type("Timestamp"), package_type("Timedelta")) or kind.__name__ in (
            *("NaTType", "NAType", "Interval", "Period", "CategoricalDtype", "StringDtype"),
        )
    # A member of an enumeration of plain values cannot be changed short of malice.
    return issubclass(kind, enum.Enum) and issubclass(kind, (int, str))


@functools.lru_cache(maxsize=1_000)
def is_frame(kind: type) -> bool:
    """Tell whether a type is one of pandas' tables, columns and indexes."""
    if kind.__module__.partition(".")[0] != "pandas":
        return False
    bases = [package_type(name) for name in ("DataFrame", "Series", "Index")]
    return any(base is not None and issubclass(kind, base) for base in bases)


def is_array(kind: type) -> bool:
    """Tell whether a type holds its elements in arrays, as those of numpy and pandas do."""
    return kind is package_type("ndarray") or is_frame(kind)


def is_plain(kind: type) -> bool:
    """Tell whether reading, comparing and going through objects of a type leaves them as they are."""
    return kind in SEQUENCES or kind in DICTS or is_array(kind)


def shape_of(value: Any) -> Shape:
    """Return the shape of a value.

    Example:
        >>> shape_of([1, 2]).inner == frozenset({ATOM_SHAPE})
        True
    """
    return _Look().shape(type_of(value), [value], 0)


class _Look:
    """One look at a value, which stops when it has seen enough."""

    def __init__(self) -> None:
        self.left = _MOST
        self.objects_left = _MOST_OBJECTS

    def shape(self, kind: type, values: list[Any], depth: int) -> Shape:
        """Return one shape for several values of one type."""
        if is_atomic_type(kind):
            return ATOM_SHAPE
        if depth >= _DEEPEST:
            return Shape(kind)
        if kind in SEQUENCES:
            inner = self.shapes(values, lambda one: one, depth)
            is_fixed = kind in (tuple, frozenset) and inner is not None and inner <= {ATOM_SHAPE}
            return ATOM_SHAPE if is_fixed else Shape(kind, inner)
        if kind in DICTS:
            keys = self.shapes(values, dict.keys, depth)
            held = None if keys is None else self.shapes(values, dict.values, depth)
            return Shape(kind, None if keys is None or held is None else keys | held)
        if kind is package_type("ndarray"):
            if any(one.dtype.names is not None for one in values):
                return Shape(kind)  # a field is a view, and so is a record
            objects = [one.ravel() for one in values if one.dtype.hasobject]
            inner = self.shapes(objects, lambda one: one, depth)
            dimensions = max(one.ndim for one in values)
            elements = None if inner is None else inner | {ATOM_SHAPE}
            return Shape(kind, None if elements is None else _parts_of_array(kind, dimensions, elements))
        if kind is package_type("DataFrame"):
            columns = [one.iloc[:, i] for one in values for i, d in enumerate(one.dtypes) if _is_object(d)]
            return Shape(kind, self.columns(columns, depth))
        if kind is package_type("Series"):
            return Shape(kind, self.columns([one for one in values if _is_object(one.dtype)], depth))
        if kind is package_type("Index"):
            return Shape(kind, frozenset({ATOM_SHAPE}))  # what an index holds is hashable
        return Shape(kind, None, self.attributes(values, depth))

    def shapes(
        self, values: list[Any], elements: Callable[[Any], Iterable[Any]], depth: int
    ) -> frozenset[Shape] | None:
        """Return the shapes of the elements of several values."""
        count = sum(map(len, values))
        self.left -= count
        if self.left < 0:
            return None
        try:
            types = list(map(type, chain.from_iterable(map(elements, values))))
            kinds = dict(zip(map(identity, types), types, strict=True)).values()
            if not all(map(has_plain_metaclass, kinds)):
                raise UnknownError("of what is in it nothing can be known")
            found = set()
            for kind in kinds:
                if is_atomic_type(kind):
                    found.add(ATOM_SHAPE)
                    continue
                of_kind = [one for one in chain.from_iterable(map(elements, values)) if type(one) is kind]
                found.add(self.shape(kind, of_kind, depth + 1))
        except RuntimeError:  # another thread changes it
            return None
        return frozenset(found)

    def columns(self, columns: list[Any], depth: int) -> frozenset[Shape] | None:
        """Return the shapes of what columns of objects hold."""
        inner = self.shapes([one.to_numpy() for one in columns], lambda one: one, depth)
        return None if inner is None else inner | {ATOM_SHAPE}

    def attributes(self, values: list[Any], depth: int) -> tuple[tuple[str, frozenset[Shape]], ...] | None:
        """Return the shapes of attributes of several objects, if each has them in a dictionary."""
        self.objects_left -= len(values)
        if self.objects_left < 0:
            return None
        by_name: dict[str, list[Any]] = {}
        for one in values:
            held = attributes_of(one)
            if type(held) is not dict:
                return None
            for name, value in list(held.items()):
                by_name.setdefault(name, []).append(value)
        found = []
        for name, of_name in sorted(by_name.items()):
            shapes = self.shapes([of_name], lambda one: one, depth)
            if shapes is None:
                return None
            found.append((name, shapes))
        return tuple(found)


def _parts_of_array(kind: type, dimensions: int, elements: frozenset[Shape]) -> frozenset[Shape]:
    """Return what an array holds: its elements, or arrays that are parts of it."""
    if dimensions <= 1:
        return elements
    return elements | {Shape(kind, _parts_of_array(kind, dimensions - 1, elements))}


def _is_object(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") == "O" and type(dtype).__name__ in ("ObjectDType", "dtype")
