"""Shared by the tests of the store: a folder for one, and flows that keep their results there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow.store.contents import Contents, Pickled
from nbflow.store.entry import Header, write_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_value(path: Path, header: Header, value: Any, *, may_commit: Callable[[], bool] = lambda: True) -> Header:
    """Write a task's entry with this result, or with none if the header says that it is not kept."""
    reason = header.not_kept
    contents = Contents(not_kept=reason) if reason else Pickled(path.parent, value).kept()
    return write_entry(path, header, contents, may_commit=may_commit)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store, which does not exist yet."""
    return tmp_path / "store"
