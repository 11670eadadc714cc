"""Users' text made fit to be sent and read: cut with a note, nothing in it that a page or a message trips over."""

from __future__ import annotations

import re

# What terminals take for colours, titles and cursor movements.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4000}(?:\x07|\x1b\\)?|[@-Z\\-_])")
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_PICTURES = 0x2400  # ␀ and what follows it


def plain(text: str, limit: int, *, keeps_returns: bool = False) -> str:
    r"""Return `text` without colours, with strange characters made visible, and cut with a note.

    Args:
        text: A text, of a subclass perhaps: nothing that it overrides is called.
        limit: How many characters are shown, the note left out.
        keeps_returns: Whether a lone carriage return stays one, for progress bars; else it ends a line.

    Example:
        >>> plain("\x1b[31mred\x1b[0m \x00 \ud800", 100)
        'red ␀ �'
        >>> plain("a" * 1_005, 4)
        'aaaa… cut here, 1,001 characters more'
    """
    length = str.__len__(text)
    shown = str.__getitem__(text, slice(0, limit))
    if "\r" in shown:
        shown = shown.replace("\r\n", "\n")
        if not keeps_returns:
            shown = shown.replace("\r", "\n")
    shown = _ODD.sub(_visible, _ANSI.sub("", shown))
    return shown if length <= limit else f"{shown}… cut here, {length - limit:,} characters more"


def name_of(cls: type) -> str:
    """Return what a class is called, without asking its metaclass."""
    return plain(type.__dict__["__name__"].__get__(cls), 200)


def words_of(error: BaseException, limit: int = 300) -> str:
    """Return type and message of an error; its type alone if its message cannot be had."""
    name = name_of(type(error))
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - users' classes
        return name
    return f"{name}: {plain(message, limit)}" if message else name


def _visible(found: re.Match[str]) -> str:
    char = found[0]
    code = ord(char)
    if char == "\r":
        return char
    if code < 0x20:
        return chr(_PICTURES + code)
    if code == 0x7F:
        return "␡"
    if 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF):
        return "\ufffd"
    if code in (0x2028, 0x2029):
        return "\n"
    return f"⟨U+{code:04X}⟩"
