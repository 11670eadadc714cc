"""A value as text that is short and always there, for names and messages: a user's `__repr__` may fail or never end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_type import identity, ids_of, type_name, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

_CONTAINERS = ids_of((list, tuple, dict, set, frozenset))
_LONGEST = 80


def short_text(value: Any, convert: Callable[[Any], str] = repr, longest: int = _LONGEST) -> str:
    """Return the text of a value, cut where it is long; its type where the text cannot be had.

    Args:
        value: Any value.
        convert: What makes the text: `repr`, or `str`.
        longest: So many characters at most.

    Example:
        >>> short_text("k"), short_text([0] * 1_000_000), short_text("ab" * 100, str, 5)
        ("'k'", '<list>', 'abab…')
    """
    try:
        # One more than fit is enough of a string; the text of a large container need not be made.
        value = value[: longest + 1] if type_of(value) in (str, bytes) else value
        text = None if is_large(value, longest) else convert(value)
    except BaseException:  # noqa: BLE001 - a user's `__repr__` may raise anything
        text = None
    if text is None:
        return f"<{type_name(value)}>"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def is_large(value: Any, most: int) -> bool:
    """Tell whether a built-in container has more than `most` items, those of nested containers included."""
    count, pending = 0, [value]
    while pending:
        one = pending.pop()
        if identity(type(one)) not in _CONTAINERS:
            continue
        count += len(one)
        if count > most:
            return True
        pending += one
        if type(one) is dict:
            pending += one.values()
    return False
