"""Equality of users' values that always answers, whatever `==` does for them."""

from __future__ import annotations

from typing import Any


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are one object or equal; False for those that refuse a plain answer, as arrays do."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except (TypeError, ValueError):
        return False


def same_values(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two dictionaries have the same keys and, key by key, the same values."""
    return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
