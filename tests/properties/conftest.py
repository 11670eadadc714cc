"""Says how a campaign can be repeated."""

from __future__ import annotations

from tests.properties.strategies import CAMPAIGN, SEED


def pytest_report_header() -> str | None:
    if not CAMPAIGN:
        return None
    return f"campaign: again with NBFLOW_CAMPAIGN={CAMPAIGN} NBFLOW_SEED={SEED}"
