"""Values of parameters as text, and back: what Python can read, and nothing that calls users' code."""

from __future__ import annotations

import ast
import enum
import itertools
from datetime import date, datetime, time
from typing import Any

from nbflow.errors import ParameterError
from nbflow.panel.sanitize import name_of
from nbflow.render.names import one_line

_ATOMS = (bool, int, float, complex, str, bytes, type(None))
_MOST, _LONGEST = 200, 2_000


def literal_text(value: Any) -> str | None:
    """Return the text of a value that Python reads back; None if there is none, or it is too long to be edited.

    Example:
        >>> literal_text({"a": [1, None]}), literal_text(object())
        ("{'a': [1, None]}", None)
    """
    if not _is_plain(value, [_MOST], 8):
        return None
    text = repr(value)
    return text if len(text) <= _LONGEST and "nan" not in text and "inf" not in text else None


def read_literal(text: str) -> Any:
    """Return the value of a Python literal.

    Raises:
        ParameterError: If it is none.

    Example:
        >>> read_literal("[1, 2]")
        [1, 2]
    """
    try:
        return ast.literal_eval(text.strip())
    except Exception:  # noqa: BLE001 - also RecursionError and MemoryError, of what is nested too deep
        raise ParameterError(f"no Python literal: {one_line(text, 40)!r}; texts need quotes") from None


def in_short(value: Any, limit: int = 40) -> str:
    """Return a value in a few characters, on one line; of users' own classes the name.

    Example:
        >>> in_short([1, 2]), in_short(object()), in_short("a" * 100, 10)
        ('[1, 2]', '<object>', "'aaaaa…aa'")
    """
    if isinstance(value, enum.Enum):
        return one_line(f"{name_of(type(value))}.{value.name}", limit)
    if type(value) in (date, datetime, time):
        return one_line(value, limit)
    if type(value) is str:
        return repr(one_line(value, max(4, limit - 2)))
    if type(value) is int and value.bit_length() > 200:
        return "a huge number"
    if _is_plain(value, [_MOST], 8):
        return one_line(repr(value), limit)
    kind = name_of(type(value))
    size = len(value) if type(value) in (list, tuple, dict, set, frozenset) else None
    return one_line(f"<{kind}>" if size is None else f"<{kind} of {size:,}>", limit)


def _is_plain(value: Any, left: list[int], depth: int) -> bool:
    """Tell whether a value is made of Python's own atoms and containers, and of no more than `left` of them."""
    left[0] -= 1
    kind = type(value)
    if left[0] < 0 or depth < 0:
        return False
    if kind in _ATOMS:
        size = value.bit_length() // 4 if kind is int else len(value) if kind in (str, bytes) else 0
        return size <= _LONGEST
    if kind is dict:
        return len(value) <= _MOST and all(
            _is_plain(one, left, depth - 1) for one in itertools.chain(value, tuple(value.values()))
        )
    if kind in (list, tuple, set):
        return len(value) <= _MOST and all(_is_plain(one, left, depth - 1) for one in tuple(value))
    return False
