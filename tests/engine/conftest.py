"""Shared by the tests of running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow import context

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_caches() -> Iterator[None]:
    """Let no test meet what another one has cached: the caches are those of the process."""
    context.caches.clear()
    yield
    context.caches.clear()
