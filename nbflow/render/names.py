"""Names for people and for machines: element ids, shortened labels, and text without surprises."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache
from html import escape as _html_escape

_PLAIN_SLUG = re.compile(r"[A-Za-z0-9_.]+(?:-[A-Za-z0-9_.]+)*")


@lru_cache(maxsize=8_192)
def safe_key(slug: str) -> str:
    """Return `slug` itself if it can stand in an id, else a readable start of it and a hash.

    A key never contains `--`, which separates the parts of longer ids.
    """
    if len(slug) <= 60 and _PLAIN_SLUG.fullmatch(slug):
        return slug
    start = re.sub(r"[^A-Za-z0-9_.]+", "-", slug[:200]).strip("-")[:30].rstrip("-")
    digest = hashlib.sha256(slug.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{start}-{digest}" if start else digest


def one_line(value: object, limit: int = 200) -> str:
    """Return `value` as one printable line of at most `limit` characters.

    Control characters, line breaks, direction marks and lone surrogates cannot harm a terminal or a page then.
    """
    # Cut twice: first so that 10 MB of text are not walked through, then to the length asked for.
    raw = str(value)[: 4 * limit + 100]
    text = raw if raw.isprintable() else raw.translate(_SPACES)
    return shorten(" ".join(text.split()), limit)


class _Spaces(dict[int, int]):
    """A space for whatever cannot be printed, looked up once for each character."""

    def __missing__(self, code: int) -> int:
        is_unprintable = unicodedata.category(chr(code)) in _UNPRINTABLE
        self[code] = 32 if is_unprintable else code
        return self[code]


_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SPACES = _Spaces()


def shorten(text: str, limit: int) -> str:
    """Cut the middle out of a text longer than `limit`: names often differ at their ends."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"


def escape(value: object, limit: int = 200) -> str:
    """Return `value` for HTML and SVG, in text and in quoted attributes alike."""
    return _html_escape(one_line(value, limit), quote=True)


def text_width(text: str, size: float) -> float:
    """Estimate how wide `text` is in a sans-serif font, rather too wide than too narrow."""
    return size * sum(map(_advance, text))


def _advance(char: str) -> float:
    if unicodedata.combining(char):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    if char in "il.,:;'|!ijt()[]fr ":
        return 0.36
    if char in "mwMW@%—…":
        return 0.95
    return 0.72 if char.isupper() or ord(char) > 0x2000 else 0.61


def bytes_in_words(size: float) -> str:
    """Say how many bytes something takes.

    Example:
        >>> bytes_in_words(1_234_567)
        '1.23 MB'
    """
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1_000
    return f"{size:.3g} GB"
