"""Kernels for the tests that end them: all of a module share a ledger, as the kernels of one user do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.kernels import Stable

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stable]:
    """Kernels that are started in advance; all that descends from them is gone afterwards."""
    with Stable(tmp_path_factory.mktemp("campaign")) as stable:
        yield stable
