"""The elements of a value that is mapped over or flattened: by position, whatever its own indexing goes by."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_type import has_method, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def is_iterator(value: object) -> bool:
    """Tell whether a value is gone through once and has no length: its elements are those that it gives."""
    return has_method(value, "__next__")


def is_mappable(value: object) -> bool:
    """Tell whether a value can be asked for its elements one by one; sets, which have no order, cannot."""
    return hasattr(value, "__getitem__") or is_iterator(value)


def elements(value: Any, count: int) -> Sequence[Any]:
    """Return the first `count` elements, of a table its rows; a list or tuple is returned as it is.

    Example:
        >>> elements(range(5), 2), elements(iter("abc"), 2)
        ([0, 1], ['a', 'b'])
    """
    if type_of(value) in (list, tuple):
        found: Sequence[Any] = value
        return found
    if is_iterator(value):
        return list(islice(value, count))
    return [element(value, place) for place in range(count)]


def element(value: Any, place: int) -> Any:
    """Return the element at a place, which of a series or frame of pandas is not what `value[place]` gives."""
    return value.iloc[place] if _goes_by_label(value) else value[place]


def all_elements(value: Any) -> Iterable[Any]:
    """Return what is to be gone through for all elements of a value; of a table its rows, not its columns' names."""
    return [value.iloc[place] for place in range(len(value))] if _goes_by_label(value) else value


def _goes_by_label(value: object) -> bool:
    return has_method(value, "iloc")  # asked of the type: an instance may have any attribute one asks for
