"""The hash that all fingerprints are made with: 128 bits of XXH3, which reads memory about as fast as it comes.

It tells values apart that differ by accident; it is no protection against somebody who wants two to look alike.
"""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def _xxhash() -> Any:
    import xxhash

    return xxhash


def digest(data: Any) -> bytes:
    """Return 16 bytes that stand for the bytes of `data`, any object with one contiguous buffer."""
    found: bytes = _xxhash().xxh3_128_digest(data)
    return found


def hexdigest(data: Any) -> str:
    """Return the digest of `data` as text."""
    found: str = _xxhash().xxh3_128_hexdigest(data)
    return found


def hasher() -> Any:
    """Return an empty hash with `update` and `digest`, for what comes in pieces."""
    return _xxhash().xxh3_128()
