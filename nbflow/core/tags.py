"""Tags for every task made inside a block of code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbflow.core.context import context

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def tags(*names: str) -> Iterator[None]:
    """Give `names` as tags to all tasks made, copied or bound inside; nested calls unite theirs.

    Example:
        >>> with tags("slow"), tags("nightly"):
        ...     sorted(context.tags)
        ['nightly', 'slow']
    """
    with context(tags={*context.get("tags", ()), *names}):
        yield
