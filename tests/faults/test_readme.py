"""A share of `python -m tests.faults.readme`: the promise of the README's first page, for its own example."""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.readme import cells, press

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("NBFLOW_CAMPAIGN_SEED", "5"))
FIRST_S, LAST_S = 0.3, 2.5  # on most machines the cluster starts between these


def test_the_readmes_example_stopped_while_it_starts_leaves_nothing(stable):
    pressed = press(random.Random(SEED).uniform(FIRST_S, LAST_S), stable)

    assert pressed.problems == [], str(pressed)


def test_the_cells_that_are_played_are_the_readmes():
    first, second = cells()

    assert "class DaskCluster" in first
    assert second.startswith("%%flow example\n")
