"""The docs' page of the panel keeps step with what the panel has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nbflow.panel.controls.controls import CONTROLS
from nbflow.render.build import FOLD_ABOVE

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "panel.md").read_text()
KEYS = re.findall(
    r'\{ group: "[^"]*", keys: \[([^\]]*)\], text: "([^"]*)"',
    (ROOT / "nbflow" / "panel" / "static" / "common" / "keys.mjs").read_text(),
)


def test_the_keys_are_found_in_the_script():
    assert len(KEYS) > 15


@pytest.mark.parametrize(("keys", "text"), KEYS)
def test_a_key_is_on_the_page(keys: str, text: str):
    shown = " ".join(f"<kbd>{key}</kbd>" for key in re.findall(r'"([^"]*)"', keys))

    assert f"| {shown} | {text} |" in PAGE


def test_no_other_key_is_on_the_page():
    assert PAGE.count("\n| <kbd>") == len(KEYS)


@pytest.mark.parametrize("label", [control.label for control in CONTROLS])
def test_a_button_is_on_the_page(label: str):
    assert f"\n| *{label}* | " in PAGE


def test_the_page_says_when_a_flow_is_folded():
    assert f"more than {FOLD_ABOVE} tasks" in PAGE
