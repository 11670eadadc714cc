"""Shared by the tests of the store: a folder for one, and flows that keep their results there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store, which does not exist yet."""
    return tmp_path / "store"
