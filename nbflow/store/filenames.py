"""How flows, runs and tasks are called on disk: readable, and different for whatever has different names."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]{0,59}")
_RUN = re.compile(r"(\d{6,12})-[\w -]+(?:\.[0-9a-f]{8})?")
VALUE, CONTENT, FACTS, LABEL, LOCK = ".value", ".content", "run.json", "label.json", "going"


def safe_name(name: str) -> str:
    """Return a name for a file: the same where possible, else with what is special left out and a digest added."""
    if _PLAIN.fullmatch(name):
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9_ -]", "_", name)[:60] or "_"
    return f"{stem}.{digest}"


def run_name(number: int, run_id: str) -> str:
    """Return the name of a run's folder; they sort by number."""
    return f"{number:06d}-{safe_name(run_id)}"


def number_of(name: str) -> int | None:
    """Return the number of the run that a folder holds; None if it is no run's."""
    found = _RUN.fullmatch(name)
    return None if found is None else int(found[1])


def value_name(slug: str, index: int | None = None) -> str:
    """Return the name of the file of a task, or of a child of a mapped one.

    The slug is in the digest in any case, so that no slug looks like another one's child.
    """
    digest = hashlib.blake2b(slug.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", slug)[:60]
    return f"{stem}.{digest}{'' if index is None else f'.{index}'}{VALUE}"


def content_name(digest: str) -> str:
    """Return the name of the file of contents that are too large for that of a task."""
    return f"{safe_name(digest)}{CONTENT}"
