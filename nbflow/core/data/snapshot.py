"""The contents of values at one moment, and putting them back: into the very objects, so that all who hold them see it.

For a call that may change its inputs and may have to be made again (docs/reruns.md, rule V2). A copy in the place of an
input would be another object than the one that other tasks' values hold parts of; so every object inside keeps its
identity, and only what it contained is kept and put back.
"""

from __future__ import annotations

import array
import collections
import copy
import random
import sys
import types
from typing import TYPE_CHECKING, Any

from nbflow.core.data.object_content import attributes_of, class_data, slots_of
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import type_of
from nbflow.core.ownership import is_ours
from nbflow.errors import CannotCopyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LIMIT_BYTES = 1 << 28
_Restore = tuple["Callable[[Any, Any], None]", Any, Any]  # how, the object, what it contained


class Snapshot:
    """The contents of some values as they are now.

    Args:
        values: The values; what they share is taken once.
        limit_bytes: The most that is kept, 256 MiB by default.

    Raises:
        CannotCopyError: If a part of one may change in ways that nothing is known of, or it is too large.

    Example:
        >>> rows = [[1], [2]]
        >>> before = Snapshot([rows])
        >>> rows[0].append(3)
        >>> before.restore()
        >>> rows
        [[1], [2]]
    """

    def __init__(self, values: Iterable[Any], limit_bytes: int = LIMIT_BYTES) -> None:
        self._left = limit_bytes
        self._seen: dict[int, Any] = {}
        self._kept: list[_Restore] = []
        pending = list(values)
        while pending:
            value = pending.pop()
            if not is_fixed(value) and id(value) not in self._seen:
                self._seen[id(value)] = value
                try:
                    pending.extend(self._take(value))
                except CannotCopyError:
                    raise
                except BaseException as error:
                    raise CannotCopyError(f"{type(error).__name__} while it was looked at") from error

    def restore(self) -> None:
        """Put back what the values contained.

        Raises:
            CannotCopyError: If one can no longer take it, such as an array of another size.
        """
        try:
            for put, value, content in self._kept:
                put(value, content)
        except BaseException as error:
            raise CannotCopyError(f"{type(error).__name__} while it was put back") from error

    def _keep(self, put: Callable[[Any, Any], None], value: Any, content: Any) -> None:
        self._left -= getattr(content, "nbytes", None) or sys.getsizeof(content)
        if self._left < 0:
            raise CannotCopyError("it is too large")
        self._kept.append((put, value, content))

    def _take(self, value: Any) -> Iterable[Any]:
        """Keep what one object contains; returns its parts."""
        kind = type_of(value)
        if kind in (tuple, frozenset):
            return tuple(value)
        if kind in _CONTAINERS:
            content, put = _CONTAINERS[kind]
            kept = content(value)
            self._keep(put, value, kept)
            if kind in (bytearray, array.array):
                return ()
            return (part for pair in kept for part in pair) if issubclass(kind, dict) else kept
        if kind is random.Random:
            self._keep(random.Random.setstate, value, value.getstate())
            return ()
        root = kind.__module__.partition(".")[0]
        if root == "numpy":
            return self._take_numpy(value, kind)
        if root == "pandas":
            return self._take_pandas(value, kind)
        if kind is types.MethodType:
            return (value.__self__,)
        return self._take_object(value, kind)

    def _take_numpy(self, value: Any, kind: Any) -> Iterable[Any]:
        numpy: Any = sys.modules["numpy"]
        if kind in (numpy.ndarray, numpy.ma.MaskedArray):
            if value.nbytes > self._left:
                raise CannotCopyError("it is too large")
            self._keep(_put_array, value, value.copy(order="K"))
            return value.reshape(-1).tolist() if value.dtype.hasobject else ()
        if kind is numpy.random.Generator:
            return (value.bit_generator,)
        if kind is numpy.random.RandomState:
            self._keep(kind.set_state, value, value.get_state(legacy=False))
            return ()
        if any(base.__name__ == "BitGenerator" for base in kind.__mro__):
            self._keep(_put_state, value, copy.deepcopy(value.state))
            return ()
        raise CannotCopyError(f"nothing is known of how to put a {kind.__qualname__} back")

    def _take_pandas(self, value: Any, kind: Any) -> Iterable[Any]:
        if kind.__name__ not in ("DataFrame", "Series"):
            raise CannotCopyError(f"nothing is known of how to put a {kind.__qualname__} back")
        from nbflow.core.data.value_copy import copy_ahead

        self._keep(_put_table, value, copy_ahead(value))
        return ()

    def _take_object(self, value: Any, kind: Any) -> Iterable[Any]:
        if kind is not types.SimpleNamespace and not all(is_ours(base.__module__) for base in kind.__mro__[:-1]):
            raise CannotCopyError(f"nothing is known of how to put a {kind.__qualname__} back")
        slots = {name: item for name, _, item in slots_of(value, kind)}
        self._keep(_put_slots, value, slots)
        parts = list(slots.values())
        attributes = attributes_of(value)
        if attributes is not None:
            self._keep(_put_dict, attributes, dict(attributes))
            parts += attributes.values()
        for base in kind.__mro__[:-1]:
            shared = dict(class_data(base))
            self._keep(_put_class_data, base, shared)
            parts += shared.values()
        return parts


def _put_list(value: list[Any], content: list[Any]) -> None:
    value[:] = content


def _put_items(value: dict[Any, Any], content: list[tuple[Any, Any]]) -> None:
    value.clear()
    for key, item in content:  # and not by `update`, which counts in a Counter
        value.__setitem__(key, item)


def _put_dict(value: dict[str, Any], content: dict[str, Any]) -> None:
    value.clear()
    value.update(content)


def _put_set(value: set[Any], content: set[Any]) -> None:
    value.clear()
    value.add(7)  # in the last place of the table, so that `pop` begins at the first one again
    value.pop()
    value.update(content)


def _put_deque(value: collections.deque[Any], content: list[Any]) -> None:
    value.clear()
    value.extend(content)


def _put_array(value: Any, content: Any) -> None:
    if value.shape != content.shape:
        value.shape = content.shape
    value[...] = content


def _put_state(value: Any, content: Any) -> None:
    value.state = content


def _put_table(value: Any, content: Any) -> None:
    from nbflow.core.data.value_copy import copy_ahead

    value._update_inplace(copy_ahead(content))


def _put_slots(value: Any, content: dict[str, Any]) -> None:
    for name in {name for name, _, _ in slots_of(value, type(value))} - content.keys():
        object.__delattr__(value, name)
    for name, item in content.items():
        object.__setattr__(value, name, item)


def _put_class_data(kind: type, content: dict[str, Any]) -> None:
    for name in dict(class_data(kind)).keys() - content.keys():
        type.__delattr__(kind, name)
    for name, item in content.items():
        if vars(kind).get(name) is not item:
            type.__setattr__(kind, name, item)


# How to keep what a container contains, and how to put it back.
_CONTAINERS: dict[type, tuple[Callable[[Any], Any], Callable[[Any, Any], None]]] = {
    list: (list, _put_list),
    **dict.fromkeys(
        (dict, collections.OrderedDict, collections.defaultdict, collections.Counter),
        (lambda value: list(value.items()), _put_items),
    ),
    set: (set, _put_set),
    collections.deque: (list, _put_deque),
    bytearray: (bytes, _put_list),
    array.array: (lambda value: value[:], _put_list),
}
