"""The traits of a value that its type tells: whether it can change, whether it serves once only, how large it is."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import io
import pathlib
import re
import sys
import types
import uuid
import weakref
import zoneinfo
from itertools import islice
from typing import Any

from nbflow.core.data.object_content import attributes_of
from nbflow.core.data.opaque import is_opaque
from nbflow.core.data.value_type import OddType, identity, ids_of, type_of

_FIXED_TYPES = frozenset(
    {
        type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes, range,
        datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, zoneinfo.ZoneInfo,
        decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern,
        pathlib.PurePosixPath, pathlib.PureWindowsPath, type(pathlib.Path()),
        object, type, types.FunctionType, types.ModuleType, types.CodeType,
        types.MethodDescriptorType, types.WrapperDescriptorType, types.GenericAlias, types.UnionType,
    }
)  # fmt: skip
_FIXED_IDS = ids_of(_FIXED_TYPES)
_FIXED_FOREIGN = frozenset(
    {("pandas", "Timestamp"), ("pandas", "Timedelta"), ("pandas", "Period"), ("pandas", "Interval"),
     ("pandas", "NaTType"), ("pandas", "NAType"), ("pandas", "ExtensionDtype"), ("numpy", "dtype"),
     ("nbflow", "RemoteValue"), ("nbflow", "RemoteItem")}
)  # fmt: skip
_CURSOR_METHODS = ("fetchone", "fetchall")
_FILE: Any = io.IOBase.__base__  # the base of all files, asked by identity: `issubclass` would hash the class
_LOOKED_AT = 100
_MANY = 10_000
_DEEPEST = 20


def is_fixed(value: Any) -> bool:
    """Tell whether nobody can change a value in place, nor anything inside it.

    True for atoms, dates, paths and the like, members of enums, scalars and dtypes of numpy, tuples and frozen sets
    of such; functions, classes and modules count as fixed. An instance of a subclass may have attributes, so types
    count exactly.

    Example:
        >>> is_fixed((1, "a")), is_fixed((1, []))
        (True, False)
    """
    try:
        kind = type(value)
        if identity(kind) in _FIXED_IDS:
            return True
        if kind is tuple or kind is frozenset:
            return _FIXED_IDS.issuperset(map(identity, map(type, value))) or _all_fixed(value)
        return _is_fixed_type(value)
    except BaseException:  # noqa: BLE001 - a user's metaclass may raise when its classes are looked up
        return False


def _all_fixed(value: Any) -> bool:
    """Look through nested tuples without calling itself: they may be nested deeper than functions can be."""
    pending, seen = [value], set()
    while pending:
        found = pending.pop()
        for item in found:
            kind = type(item)
            if kind is tuple or kind is frozenset:
                if id(item) not in seen:
                    seen.add(id(item))
                    pending.append(item)
            elif identity(kind) not in _FIXED_IDS and not _is_fixed_type(item):
                return False
    return True


def _is_fixed_type(value: Any) -> bool:
    kind = type_of(value)
    if kind is types.BuiltinFunctionType:
        return is_fixed(value.__self__)  # a module, or what it is a method of
    if issubclass(kind, enum.Enum):
        return is_fixed(object.__getattribute__(value, "_value_"))
    if issubclass(kind, type):
        return True
    for base in kind.__mro__:
        module, name = _root(base), base.__name__
        if (module, name) in _FIXED_FOREIGN:
            return True
        if (module, name) == ("numpy", "generic"):
            return kind.__name__ != "void" and _root(kind) == "numpy"
    return False


def is_plain_data(value: Any) -> bool:
    """Tell whether a value is made of built-in containers, arrays and tables, and of what is fixed, and is small.

    Such a value is known by what it contains, so that a copy can stand for it; an object may be known by what it is.

    Example:
        >>> is_plain_data({"rows": [1, 2]}), is_plain_data([object])
        (True, True)
    """
    pending, seen = [value], 0
    try:
        while pending:
            one = pending.pop()
            seen += 1
            if seen > _MANY:
                return False
            kind = type_of(one)
            if kind in (list, tuple, set, frozenset, collections.deque):
                pending.extend(one)
            elif kind in (dict, collections.OrderedDict, collections.defaultdict, collections.Counter):
                pending.extend(one.values())
            elif not (kind in (bytearray, array.array) or is_fixed(one) or _root(kind) in ("numpy", "pandas")):
                return False
    except BaseException:  # noqa: BLE001 - a user's metaclass may raise when its classes are looked up
        return False
    return True


def is_one_shot(value: Any) -> bool:
    """Tell whether a value gives its items once: an iterator, a generator, an open file, a cursor of a database.

    An iterator is what has `__next__` in its type; a file is what derives from the classes of `io`, in memory or
    not; a cursor has `fetchone` or `fetchall`. The value itself is asked nothing.

    Example:
        >>> is_one_shot(iter([])), is_one_shot([])
        (True, False)
    """
    kind = type_of(value)
    try:
        found = _one_shots.get(kind)
        if found is None:
            found = _one_shots[kind] = _gives_items_once(kind)
        return found
    except BaseException:  # noqa: BLE001 - a user's metaclass may raise when its classes are looked up
        return False


_one_shots: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def _gives_items_once(kind: type) -> bool:
    if issubclass(kind, type):
        return False
    names = {name for base in kind.__mro__ for name in vars(base)}
    return (
        "__next__" in names
        or any(base is _FILE for base in kind.__mro__)
        or any(name in names for name in _CURSOR_METHODS)
    )


def size_of(value: Any) -> int | None:
    """Return about how many bytes a value holds, None if that is not known without computing or fetching it.

    Of a large container some items stand for all. Parts that are shared count each time.

    Example:
        >>> size_of(b"x" * 1_000) > 1_000
        True
    """
    try:
        return _size(value, 0)
    except BaseException:  # noqa: BLE001 - users' objects may raise anything
        return None


def _size(value: Any, depth: int) -> int | None:
    kind: Any = type_of(value)
    if kind in _FIXED_TYPES:
        return sys.getsizeof(value)
    if kind is OddType or is_opaque(kind) or depth > _DEEPEST:
        return None
    if kind in (list, tuple, set, frozenset, dict):
        return _size_of_items(value, depth)
    for base in kind.__mro__:
        found = _FOREIGN_SIZES.get((_root(base), base.__name__))
        if found is not None:
            return int(found(value))
    for container in (dict, list, tuple, set, frozenset):
        if issubclass(kind, container):
            return _size_of_items(value, depth)
    own = object.__sizeof__(value) if kind.__sizeof__ is object.__sizeof__ else sys.getsizeof(value)
    attributes = attributes_of(value)
    if type(attributes) is not dict:
        return own
    inside = _size(attributes, depth + 1)
    return None if inside is None else own + inside


def _size_of_items(value: Any, depth: int) -> int | None:
    base: Any = next(base for base in (dict, list, tuple, set, frozenset) if isinstance(value, base))
    count, own = base.__len__(value), base.__sizeof__(value)
    looked_at = _LOOKED_AT if depth == 0 else 10
    items: list[Any]
    if base is dict:
        items = [part for pair in islice(dict.items(value), looked_at) for part in pair]
    elif base in (list, tuple) and count > looked_at:
        step = count // looked_at
        items = [base.__getitem__(value, place * step) for place in range(looked_at)]
    else:
        items = list(islice(base.__iter__(value), looked_at))
    sizes: list[int | None]
    if _FIXED_IDS.issuperset(map(identity, map(type, items))):  # most are, and are measured at once
        sizes = list(map(sys.getsizeof, items))
    else:
        sizes = [_size(item, depth + 1) for item in items]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None
    return int(own + sum(known) * (count / min(count, looked_at) if count else 0))


def _array_size(array: Any) -> int:
    if array.dtype.hasobject and array.size:
        flat = array.reshape(-1)[:: max(array.size // _LOOKED_AT, 1)].tolist()
        return int(array.nbytes + array.size * (sum(map(sys.getsizeof, flat)) / len(flat)))
    return int(array.nbytes)


def _frame_size(table: Any) -> int:
    """Ask for the bytes of a table; texts and objects in it are estimated from a few rows."""
    shallow = table.memory_usage(deep=False)
    known = int(shallow if isinstance(shallow, int) else shallow.sum())
    if len(table) <= _LOOKED_AT:
        deep = table.memory_usage(deep=True)
        return int(deep if isinstance(deep, int) else deep.sum())
    step = len(table) // _LOOKED_AT
    few = table.iloc[::step] if hasattr(table, "iloc") else table[::step]
    flat, deep = few.memory_usage(deep=False), few.memory_usage(deep=True)
    more = int(deep if isinstance(deep, int) else deep.sum()) - int(flat if isinstance(flat, int) else flat.sum())
    return int(known + max(more, 0) * (len(table) / len(few)))


_FOREIGN_SIZES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _array_size,
    ("numpy", "generic"): sys.getsizeof,
    ("pandas", "DataFrame"): _frame_size,
    ("pandas", "Series"): _frame_size,
    ("pandas", "Index"): lambda index: index.memory_usage(deep=len(index) <= _LOOKED_AT),
    ("pandas", "ExtensionArray"): lambda column: column.nbytes,
    ("polars", "DataFrame"): lambda frame: frame.estimated_size(),
    ("polars", "Series"): lambda column: column.estimated_size(),
    ("pyarrow", "_PandasConvertible"): lambda table: table.nbytes,
    ("pyarrow", "_Tabular"): lambda table: table.nbytes,
    ("scipy", "_spbase"): lambda matrix: sum(
        part.nbytes for part in vars(matrix).values() if hasattr(type(part), "nbytes")
    ),
    ("torch", "Tensor"): lambda tensor: tensor.nelement() * tensor.element_size(),
    ("builtins", "bytearray"): sys.getsizeof,
    ("builtins", "memoryview"): lambda view: view.nbytes,
    ("array", "array"): sys.getsizeof,
}


def _root(kind: type) -> str:
    module = kind.__module__
    return module.partition(".")[0] if type(module) is str else ""


def copies_on_write() -> bool:
    """Tell whether what pandas derives from a frame never shows a change of the other."""
    version = str(getattr(sys.modules.get("pandas"), "__version__", "0"))
    return int(version.partition(".")[0] or 0) >= 3
