"""A short campaign of what `scripts/campaign.py` does at length: kernels ended at random moments leave nothing."""

from __future__ import annotations

import os

import pytest

from tests.faults.plan import ENDS, draw
from tests.faults.trial import play

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("NBFLOW_CAMPAIGN_SEED", "5"))


@pytest.mark.parametrize("end", ENDS)
def test_a_kernel_that_is_ended_at_a_random_moment_leaves_nothing(stable, end):
    result = play(draw(SEED, 1, end), stable)

    assert result.problems == [], str(result)
