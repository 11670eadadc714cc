"""The panel's script and style sheet: their own tests under Node, and what they must never do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CSS = (ROOT / "nbflow/panel/static/panel.css").read_text(encoding="utf-8")


@pytest.mark.skipif(
    shutil.which("node") is None, reason="NO NODE: install nodejs; the panel's script is NOT TESTED"
)
def test_the_scripts_own_tests_pass():
    files = [str(path) for path in sorted((ROOT / "tests/js").glob("*.test.mjs"))]

    done = subprocess.run(
        ["node", "--test", *files], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_of_the_style_sheet_is_scoped_to_the_panel():
    text = re.sub(r"/\*.*?\*/", "", CSS, flags=re.S)
    text = re.sub(r"@(container|media)[^{]*\{", "", text)
    selectors = [one.strip() for found in re.findall(r"([^{}]+)\{", text) for one in found.split(",")]

    assert len(selectors) > 40
    assert [s for s in selectors if not s.startswith((".nbflow-panel", ".nbflow-live"))] == []


def test_the_style_sheet_loads_nothing():
    assert "url(" not in CSS
    assert "@import" not in CSS
