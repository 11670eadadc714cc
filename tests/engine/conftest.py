"""Shared by the tests of running: both executors, and tasks that are needed again and again."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["inline", "threads"])
def executor(request: pytest.FixtureRequest) -> str:
    """Each executor by its name: what a flow comes to must not depend on where its tasks run."""
    return str(request.param)
