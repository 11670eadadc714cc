"""How a value looks: its own rich repr as Jupyter would show it, or text; its type and size. All of it limited.

Calls users' code, so it is itself called by `nbflow.panel.inspector.safe_eval` only.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from typing import TYPE_CHECKING, Any

from IPython.core.formatters import BaseFormatter, DisplayFormatter
from IPython.core.getipython import get_ipython
from IPython.lib.pretty import RepresentationPrinter
from IPython.utils.dir2 import get_real_method

from nbflow.panel.sanitize import name_of, plain, words_of
from nbflow.render.names import bytes_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.panel.part import Json

TEXT_LIMIT = 50_000
IMAGE_LIMIT = 120_000  # in base64; the page of a detail stays below 200 kB
INPUT_LIMIT = 4_000
_IMAGES = {"image/png": b"\x89PNG\r\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}
_TEXTS = ("text/html", "image/svg+xml", "text/markdown", "text/latex")
# The first of these that a value has is shown; in the order in which notebooks prefer them.
_ORDER = ("text/html", "image/svg+xml", *_IMAGES, "text/markdown", "text/latex", "application/json")
_WIDTH = 79
_SEQUENCE = 1_000  # so many items of a list or dictionary are shown


class _Full(Exception):
    """The text has become as long as it may be."""


class _Limited(io.StringIO):
    """Takes a text up to a limit: a repr of ten million items is not made to its end."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._room = limit

    def write(self, text: str) -> int:
        self._room -= len(text)
        super().write(text[: max(0, self._room + len(text))])
        if self._room < 0:
            raise _Full
        return len(text)


def rich(value: Any) -> Json:
    """Return how a value looks: `mime`, `data` (empty if it is text only), `text`, `type`, `size` and `note`."""
    notes: list[str] = []
    mime, data = _richest(value, notes)
    text = _text(value, TEXT_LIMIT if not data else INPUT_LIMIT)
    return {
        "type": type_of(value),
        "size": size_of(value),
        "mime": mime,
        "data": data,
        "text": text,
        "note": plain("; ".join(notes), 1_000),
    }


def short(value: Any) -> Json:
    """Return how a value looks in a few words: `text`, `type` and `size`."""
    return {"type": type_of(value), "size": size_of(value), "text": _text(value, INPUT_LIMIT)}


def elsewhere(value: Any) -> Json:
    """Return what is known of a value that is elsewhere, in the same words; nothing is fetched."""
    facts = value.facts
    length = [] if facts.length is None else [f"{facts.length:,} item{'' if facts.length == 1 else 's'}"]
    size = [] if facts.size is None else [bytes_in_words(facts.size)]
    return {
        "type": plain(facts.type, 200),
        "size": ", ".join((*length, *size)),
        "text": plain(facts.repr, INPUT_LIMIT),
    }


def type_of(value: Any) -> str:
    """Return the name of a value's type, with its module unless that is Python's own or the notebook's."""
    cls = type(value)
    try:
        module = cls.__module__
    except Exception:  # noqa: BLE001 - a metaclass of the user's
        module = ""
    if type(module) is not str or module in ("builtins", "__main__", ""):
        return name_of(cls)
    return f"{plain(module.partition('.')[0], 100)}.{name_of(cls)}"


def size_of(value: Any) -> str:
    """Return how large a value is, by its shape or its length; an empty text if it has neither."""
    try:
        shape = None if isinstance(value, type) else getattr(value, "shape", None)
        if type(shape) is tuple and shape and all(type(n) is int for n in shape):
            return plain(" \u00d7 ".join(f"{n:,}" for n in shape[:8]), 200)
    except Exception:  # noqa: BLE001 - not a shape, then
        pass
    if not hasattr(type(value), "__len__") or isinstance(value, type):
        return ""
    try:
        length = len(value)
    except Exception as error:  # noqa: BLE001 - users' classes
        return plain(f"its length can not be told: {words_of(error, 100)}", 200)
    kind = type(value)
    unit = "character" if kind is str else "byte" if kind in (bytes, bytearray) else "item"
    return f"{length:,} {unit}{'' if length == 1 else 's'}"


def _text(value: Any, limit: int) -> str:
    kind = type(value)
    if kind in (str, bytes, bytearray):  # a repr of 100 MB is not made to be thrown away
        if len(value) > limit:
            return plain(repr(value[:limit])[:limit], limit) + f"… cut here, of {size_of(value)}"
        return plain(repr(value), limit)
    if kind is int and value.bit_length() > 4_000:
        return f"an integer of {value.bit_length():,} bits"
    stream = _Limited(limit)
    formatter = _formatters().get("text/plain")
    printers: dict[str, Any] = {}
    if formatter is not None:
        printers = {
            "singleton_pprinters": formatter.singleton_printers,
            "type_pprinters": formatter.type_printers,
            "deferred_pprinters": formatter.deferred_printers,
        }
    printer = RepresentationPrinter(stream, max_width=_WIDTH, max_seq_length=_SEQUENCE, **printers)
    try:
        printer.pretty(value)
        printer.flush()
    except _Full:
        return plain(stream.getvalue(), limit) + "… cut here"
    except Exception as error:  # noqa: BLE001 - users' classes
        return f"its repr raised {words_of(error)}"
    return plain(stream.getvalue(), limit)


def _richest(value: Any, notes: list[str]) -> tuple[str, str]:
    formatters = _formatters()
    bundle = _bundle(value, notes)
    for mime in _ORDER:
        try:
            found = bundle.get(mime)
            if found is None and mime in formatters and formatters[mime].enabled:
                found = _made(formatters[mime], value)
            if isinstance(found, tuple) and len(found) == 2:
                found = found[0]  # with metadata
            data = None if found is None else _checked(mime, found, notes)
        except Exception as error:  # noqa: BLE001 - users' classes
            notes.append(f"{_called(mime)} raised {words_of(error)}")
            continue
        if data:
            return mime, data
    return "text/plain", ""


def _bundle(value: Any, notes: list[str]) -> Mapping[str, Any]:
    display = _display()
    try:
        found = _made(display.mimebundle_formatter, value, include=None, exclude=None)
        if isinstance(found, tuple):
            found = found[0]
        return found if isinstance(found, dict) else {}
    except Exception as error:  # noqa: BLE001 - users' classes
        notes.append(f"_repr_mimebundle_ raised {words_of(error)}")
        return {}


def _made(formatter: Any, value: Any, **options: Any) -> Any:
    """Let a formatter work; not by calling it, since that would print an error somewhere instead of raising it."""
    try:
        printer = formatter.lookup(value)
    except KeyError:
        method = get_real_method(value, str(formatter.print_method))
        return None if method is None else method(**options)
    return printer(value)


def _checked(mime: str, found: Any, notes: list[str]) -> str | None:
    if mime in _IMAGES:
        raw = found if isinstance(found, bytes) else _decoded(found)
        if raw is None or not raw.startswith(_IMAGES[mime]):
            notes.append(f"{_called(mime)} is no such image")
            return None
        data, limit = base64.b64encode(raw).decode(), IMAGE_LIMIT
    elif mime in _TEXTS:
        if not isinstance(found, str):
            notes.append(f"{_called(mime)} is {type_of(found)}, not text")
            return None
        data, limit = str.__str__(found).encode("utf-8", "replace").decode("utf-8"), TEXT_LIMIT
    else:
        data, limit = plain(json.dumps(found, indent=1), TEXT_LIMIT), TEXT_LIMIT
    if len(data) > limit:
        notes.append(f"{_called(mime)} has {len(data):,} characters, more than {limit:,}, and is left out")
        return None
    return data


def _decoded(found: Any) -> bytes | None:
    try:
        return base64.b64decode(found, validate=False) if isinstance(found, str) else None
    except (binascii.Error, ValueError):
        return None


def _called(mime: str) -> str:
    words = {"text/html": "its HTML", "image/svg+xml": "its SVG", "application/json": "its JSON"}
    return words.get(mime, f"its {mime}")


def _display() -> Any:
    shell = get_ipython()
    formatter = getattr(shell, "display_formatter", None)
    return _ALONE if formatter is None else formatter


def _formatters() -> Mapping[str, BaseFormatter]:
    formatters: Mapping[str, BaseFormatter] = _display().formatters
    return formatters


_ALONE = DisplayFormatter()
