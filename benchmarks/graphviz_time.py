"""How long the layout engine works in what draws through the `graphviz` package."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def layout_seconds() -> Iterator[list[float]]:
    """Collect the seconds of each call of `dot`."""
    from graphviz.backend import execute

    seconds: list[float] = []
    original = execute.run_check

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - began)

    execute.run_check = timed
    try:
        yield seconds
    finally:
        execute.run_check = original
