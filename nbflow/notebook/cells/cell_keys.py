"""The keys of what cells add: that of the cell, and of each further part of what it adds."""

from __future__ import annotations

_PART = " part "


def part_key(cell: str, number: int) -> str:
    """Return the key of a part of what the cell `cell` adds; the first part has the cell's own key."""
    return cell if number == 1 else f"{cell}{_PART}{number}"


def cell_of(key: str) -> str:
    """Return the key of the cell, for what it adds and for each part of that."""
    return key.partition(_PART)[0]


def is_of_cell(key: str, cell: str) -> bool:
    """Tell whether a contribution's key is that of the cell `cell`, or of a part of what it adds."""
    return cell_of(key) == cell
