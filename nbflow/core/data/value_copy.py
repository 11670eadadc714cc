"""Copies of values taken before somebody may change them: equal, independent, and shared inside as the originals are.

Only types of which this is known are copied; nothing asks an object to copy itself. What cannot change is shared.
"""

from __future__ import annotations

import array
import collections
import copy
import random
import sys
import types
from typing import Any

from nbflow.core.data.object_content import PLAIN_ITERATORS, attributes_of, class_data, slots_of
from nbflow.core.data.value_traits import copies_on_write, is_fixed
from nbflow.core.data.value_type import type_of
from nbflow.core.ownership import is_ours
from nbflow.errors import CannotCopyError

LIMIT_BYTES = 256 << 20
_SURPRISES = (
    *("__del__", "__copy__", "__deepcopy__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"),
    *("__reduce__", "__reduce_ex__", "__new__", "__getattribute__", "__class__"),
)


def copy_ahead(value: Any, limit_bytes: int = LIMIT_BYTES) -> Any:
    """Return an independent copy with equal contents; parts that were shared inside it are so again.

    Built-in containers, arrays, frames, generators of random numbers, plain iterators and instances of the user's own
    plain classes can be copied; what is fixed is shared; frames are shared until one of the two is written to.

    Args:
        value: Any value.
        limit_bytes: The most that the copy may take.

    Raises:
        CannotCopyError: If there is no way to copy it that is known to be right, or it is too large.

    Example:
        >>> rows = [[1], [2]]
        >>> copied = copy_ahead(rows)
        >>> copied[0].append(3)
        >>> rows
        [[1], [2]]
    """
    if is_fixed(value):
        return value
    try:
        return _Copier(limit_bytes).copy(value)
    except CannotCopyError:
        raise
    except RecursionError:
        raise CannotCopyError("it is nested too deeply") from None
    except BaseException as error:
        raise CannotCopyError(f"{type(error).__name__} while it was copied") from error


class _Copier:
    """Copies one value; remembers which parts it has met."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._copies: dict[int, Any] = {}
        self._met: list[Any] = []  # keeps alive what `_copies` knows by identity
        self._arrays: list[Any] = []
        self._columns: list[Any] = []

    def copy(self, value: Any) -> Any:
        if is_fixed(value):
            return value
        key = id(value)
        if key in self._copies:
            return self._copies[key]
        kind = type_of(value)
        copier = _COPIERS.get(kind)
        if copier is None:
            copier = _foreign(kind)
        if copier is None and kind in PLAIN_ITERATORS:
            copier = _Copier._iterator
        if copier is None:
            copier = _Copier._object
        copied = copier(self, value)
        self._keep(value, copied)
        return copied

    def _keep(self, value: Any, copied: Any) -> Any:
        if id(value) not in self._copies:
            self._copies[id(value)] = copied
            self._met.append(value)
        return copied

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise CannotCopyError("it is too large")

    # -- built-in containers ----------------------------------------------------------------------------------

    def _list(self, value: list[Any]) -> list[Any]:
        self._spend(sys.getsizeof(value))
        copied: list[Any] = self._keep(value, [])
        copied += [self.copy(item) for item in value]
        return copied

    def _tuple(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        self._spend(sys.getsizeof(value))
        items = tuple([self.copy(item) for item in value])
        found: tuple[Any, ...] = self._copies.get(id(value), items)  # copied on the way, if it holds itself
        return found

    def _dict(self, value: Any) -> Any:
        self._spend(sys.getsizeof(value))
        if not all(map(is_fixed, value)):
            raise CannotCopyError("a key of a dictionary may change")
        copied = self._keep(value, value.copy())
        for name, item in list(copied.items()):
            if not is_fixed(item):
                copied[name] = self.copy(item)
        if type(value) is collections.defaultdict:
            copied.default_factory = self.copy(value.default_factory)
        return copied

    def _set(self, value: Any) -> Any:
        self._spend(sys.getsizeof(value))
        if not all(map(is_fixed, value)):
            raise CannotCopyError("an element of a set may change")
        return value.copy()

    def _deque(self, value: collections.deque[Any]) -> collections.deque[Any]:
        self._spend(sys.getsizeof(value))
        copied: collections.deque[Any] = self._keep(value, collections.deque(maxlen=value.maxlen))
        copied.extend([self.copy(item) for item in value])
        return copied

    def _buffer(self, value: Any) -> Any:
        self._spend(sys.getsizeof(value))
        return value[:]

    # -- things with a state ----------------------------------------------------------------------------------

    def _random(self, value: random.Random) -> random.Random:
        copied = random.Random()
        copied.setstate(value.getstate())
        return copied

    def _iterator(self, value: Any) -> Any:
        made, arguments, *state = value.__reduce__()
        copied = made(*[self.copy(argument) for argument in arguments])
        if state and state[0] is not None:
            copied.__setstate__(self.copy(state[0]))
        return copied

    def _object(self, value: Any) -> Any:
        kind: Any = type_of(value)
        _require_plain(kind)
        self._spend(sys.getsizeof(value))
        copied = self._keep(value, kind() if kind is types.SimpleNamespace else object.__new__(kind))
        for _, slot, item in slots_of(value, kind):
            slot.__set__(copied, self.copy(item))
        attributes = attributes_of(value)
        if attributes is not None:
            copies = {name: self.copy(item) for name, item in list(attributes.items())}
            object.__getattribute__(copied, "__dict__").update(copies)
        return copied

    # -- arrays and frames ------------------------------------------------------------------------------------

    def _array(self, value: Any) -> Any:
        numpy: Any = sys.modules["numpy"]
        self._spend(value.nbytes)
        if any(numpy.may_share_memory(value, other) for other in (*self._arrays, *self._columns)):
            raise CannotCopyError("arrays in it share memory")
        self._arrays.append(value)
        copied = self._keep(value, _with_its_gaps(value))
        if value.dtype.hasobject:
            if value.dtype.names is not None:
                raise CannotCopyError("records with objects in them")
            flat = copied.reshape(-1) if copied.flags.c_contiguous else copied.flat
            for place, item in enumerate(value.reshape(-1).tolist()):
                flat[place] = self.copy(item)
        if not value.flags.writeable:
            copied.flags.writeable = False
        return copied

    def _masked_array(self, value: Any) -> Any:
        self._spend(value.nbytes)
        if value.dtype.hasobject:
            raise CannotCopyError("a masked array of objects")
        copied = value.copy()
        if copied._fill_value is not None:  # which numpy lets the two share, and writes to
            copied._fill_value = copied._fill_value.copy()
        return copied

    def _frame(self, value: Any) -> Any:
        return self._table(value, [value.iloc[:, place] for place in range(value.shape[1])])

    def _table(self, value: Any, columns: list[Any]) -> Any:
        numpy: Any = sys.modules["numpy"]
        plain = [column.to_numpy() for column in columns if _is_plain_column(column)]
        if any(numpy.may_share_memory(column, array) for column in plain for array in self._arrays):
            raise CannotCopyError("arrays in it share memory")  # frames among themselves may: they write elsewhere
        self._columns += plain
        return _copied_table(value, columns, self._spend)

    def _index(self, value: Any) -> Any:
        _require_fixed_cells([value])
        return _copied_index(value)


def _with_its_gaps(value: Any) -> Any:
    """Return a copy of an array that lies in memory as the array does: `ravel` of a part with gaps is no view of it."""
    reach = [(count - 1) * step for count, step in zip(value.shape, value.strides, strict=True)]
    before, behind = -sum(min(one, 0) for one in reach), sum(max(one, 0) for one in reach) + value.itemsize
    is_plain = value.flags.c_contiguous or value.flags.f_contiguous or value.dtype.hasobject or not value.size
    if is_plain or 0 in value.strides or before + behind > 4 * value.nbytes:
        return value.copy(order="K")
    numpy: Any = sys.modules["numpy"]
    room = numpy.empty(before + behind, numpy.uint8)
    copied = numpy.ndarray(value.shape, value.dtype, buffer=room, offset=before, strides=value.strides)
    copied[...] = value
    return copied


def _require_plain(kind: Any) -> None:
    if kind is types.SimpleNamespace:
        return
    for base in kind.__mro__[:-1]:
        if not is_ours(base.__module__):
            raise CannotCopyError(f"nothing is known of how to copy a {kind.__qualname__}")
    for base in kind.__mro__[:-1]:
        for name in _SURPRISES:
            if name in vars(base):
                raise CannotCopyError(f"{kind.__qualname__} has a {name} of its own")
        if not all(is_fixed(data) for _, data in class_data(base)):
            raise CannotCopyError(f"{kind.__qualname__} holds what all of its instances share")


def _is_plain_column(column: Any) -> bool:
    return type(column.array).__name__ == "NumpyExtensionArray"


def _copied_table(table: Any, columns: list[Any], spend: Any) -> Any:
    _require_fixed_cells(columns)
    if any(not is_fixed(item) for item in table.attrs.values()):
        raise CannotCopyError("its attrs may change")
    written_over = not all(map(_is_plain_column, columns))
    if copies_on_write() and not written_over:
        copied = table.copy(deep=False)  # written to one of the two, it gets memory of its own
    else:
        size = table.memory_usage(index=True)
        spend(int(size.sum()) if hasattr(size, "sum") else int(size))
        copied = table.copy(deep=True)
        for name in ("index", "columns") if not copies_on_write() else ():
            if hasattr(table, name):  # which the copy shares, and pandas 2 lets write to
                setattr(copied, name, _copied_index(getattr(table, name)))
    return copied


def _copied_index(index: Any) -> Any:
    return index.view() if copies_on_write() else index.copy(deep=True)


def _require_fixed_cells(columns: list[Any]) -> None:
    for column in columns:
        objects = column.dtype.kind == "O" and type(column.dtype).__module__.partition(".")[0] == "numpy"
        if objects and not all(map(is_fixed, column.to_numpy().tolist())):
            raise CannotCopyError("a cell of it may change")


def _foreign(kind: type) -> Any:
    root = kind.__module__.partition(".")[0]
    if (root, kind.__name__) in _FOREIGN:
        return _FOREIGN[root, kind.__name__]
    if root == "numpy" and any(base.__name__ == "BitGenerator" for base in kind.__mro__):
        return _deep_copy
    return None


def _deep_copy(copier: _Copier, value: Any) -> Any:
    return copy.deepcopy(value)


_FOREIGN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Copier._array,
    ("numpy", "MaskedArray"): _Copier._masked_array,
    ("numpy", "Generator"): lambda self, value: type(value)(self.copy(value.bit_generator)),
    ("numpy", "RandomState"): _deep_copy,
    ("pandas", "DataFrame"): _Copier._frame,
    ("pandas", "Series"): lambda self, value: self._table(value, [value]),
    **{("pandas", name): _Copier._index for name in ("Index", "RangeIndex", "MultiIndex", "DatetimeIndex")},
}
_COPIERS: dict[type, Any] = {
    list: _Copier._list,
    tuple: _Copier._tuple,
    **dict.fromkeys((dict, collections.OrderedDict, collections.defaultdict, collections.Counter), _Copier._dict),
    set: _Copier._set,
    frozenset: _Copier._set,
    collections.deque: _Copier._deque,
    bytearray: _Copier._buffer,
    array.array: _Copier._buffer,
    random.Random: _Copier._random,
    types.MethodType: lambda self, one: types.MethodType(self.copy(one.__func__), self.copy(one.__self__)),
    types.BuiltinFunctionType: lambda self, one: getattr(self.copy(one.__self__), one.__name__),
}
