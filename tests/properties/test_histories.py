"""One Run all gives the flow of a fresh kernel (C4), after any history; `histories.py` plays more of them."""

from __future__ import annotations

import os
import random

import pytest

from tests.properties.histories import IDS, judge

NUMBER = int(os.environ.get("NBFLOW_CAMPAIGN", "0")) or 6


@pytest.fixture
def quiet_shell(shell, monkeypatch):
    """The shell, with outputs as text."""
    publish = lambda data, *args, **kwargs: print(data.get("text/plain", ""))  # noqa: E731
    monkeypatch.setattr(shell.display_pub, "publish", publish)
    return shell


@pytest.mark.parametrize("pauses", [True, False], ids=["pauses", "no pauses"])
@pytest.mark.parametrize("ids", [ids for ids in IDS if ids != "none"])
def test_no_history_makes_run_all_differ_in_silence(quiet_shell, ids, pauses):
    begin = random.randrange(1_000_000) if "NBFLOW_CAMPAIGN" in os.environ else 0

    for seed in range(begin, begin + NUMBER):
        verdict = judge(quiet_shell, seed, ids, pauses)

        assert verdict.word in ("same", "named"), verdict.text
