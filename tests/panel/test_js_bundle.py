"""The panel's script and style sheet: their own tests under Node, and what they must never do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from nbflow.core.state_traits import STATE_TRAITS
from nbflow.panel.js_bundle import script
from tests.panel.conftest import needs_node

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "nbflow/panel/static"
CSS = "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.rglob("*.css")))


@needs_node
def test_the_scripts_own_tests_pass():
    files = [str(path) for path in sorted((ROOT / "tests/js").glob("*.test.mjs"))]

    done = subprocess.run(["node", "--test", *files], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_of_the_style_sheet_is_scoped_to_the_panel():
    text = re.sub(r"/\*.*?\*/", "", CSS, flags=re.S)
    text = re.sub(r"@(container|media)[^{]*\{", "", text)
    while "(" in (bare := re.sub(r"\([^()]*\)", "", text)):  # a comma within :is(...) begins no selector
        text = bare
    selectors = [one.strip() for found in re.findall(r"([^{}]+)\{", bare) for one in found.split(",")]

    assert len(selectors) > 40
    assert [s for s in selectors if not s.startswith((".nbflow-panel", ".nbflow-live"))] == []


def test_colours_are_those_of_the_palette():
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", CSS) == []


def test_the_style_sheet_loads_nothing():
    assert set(re.findall(r'url\("?([a-z]+:)?', CSS)) <= {"data:"}
    assert "@import" not in CSS


@needs_node
@pytest.mark.parametrize("entry", ["head", "body"])
def test_a_linked_script_is_one_module_that_imports_nothing(tmp_path, entry):
    path = tmp_path / f"{entry}.mjs"
    path.write_text(script(entry))

    done = subprocess.run(
        ["node", "-e", f"import({str(path)!r}).then(m => console.log(Object.keys(m), typeof m.default.render))"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    # No other name than `default`: the widget manager takes an exported `render` for a view.
    assert done.stdout == "[ 'default' ] function\n", done.stderr
    assert not re.search(r"^\s*import[\s{*]", script(entry), re.M)


def test_the_scripts_set_no_markup_but_the_drawing():
    texts = {path.name: path.read_text(encoding="utf-8") for path in STATIC.rglob("*.mjs")}

    assert {name: text.count("innerHTML") for name, text in texts.items() if "innerHTML" in text} == {"graph.mjs": 1}
    assert not re.search(r"insertAdjacentHTML|outerHTML|document\.write|\beval\(|new Function", "".join(texts.values()))


def test_the_scripts_know_the_states_that_the_kernel_knows():
    text = (STATIC / "common/state-traits.mjs").read_text(encoding="utf-8")

    assert re.findall(r'^  \["(\w+)", "(\w+)"\],$', text, re.M) == [
        (name, traits.segment) for name, traits in STATE_TRAITS.items()
    ]
