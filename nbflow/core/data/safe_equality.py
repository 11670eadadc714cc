"""Equality of users' values that always answers, whatever `==` does for them."""

from __future__ import annotations

from typing import Any

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_traits import is_fixed


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are one object or equal; False for those that refuse a plain answer, as arrays do."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except (TypeError, ValueError):
        return False


def same_contents(one: Any, other: Any, print_of_one: str | None = None) -> bool:
    """Tell whether two values can stand for each other in a computation.

    Type counts (1 is not 1.0, nor True), and so do the order of a dictionary's keys and the sign of zero. Values whose
    contents cannot be known are the same only if they are one object.

    Args:
        one: A value.
        other: Another one.
        print_of_one: The fingerprint of the first one, if it may have changed since it was taken.
    """
    if one is other and (print_of_one is None or is_fixed(one)):
        return True
    known = known_fingerprint(one) if print_of_one is None else print_of_one
    return known is not None and known == known_fingerprint(other)


def same_values(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two dictionaries have the same keys and, key by key, the same values."""
    return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
