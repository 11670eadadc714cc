"""The page and the notebook for those who come from Prefect 1 keep what they promise."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "from-prefect-1.md").read_text(encoding="utf-8")
NOTEBOOK = json.loads((ROOT / "notebooks" / "02-from-prefect-1.ipynb").read_text(encoding="utf-8"))
IMPORTS = re.findall(r"\| `(from prefect[^`]*)` \| `(from nbflow[^`]*)` \|", PAGE)


def cell(name: str) -> list[str]:
    """The lines of a cell, without the fence around its code."""
    source = next("".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["id"] == name)
    return [line for line in source.splitlines() if not line.startswith("```")]


def test_only_the_import_lines_of_the_prefect_1_flow_change():
    before, after = cell("prefect-source"), cell("nbflow-source")

    assert len(before) == len(after)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed
    assert all(old.startswith("from prefect") and new.startswith("from nbflow") for old, new in changed)
    assert all(old.split(" import ")[1] == new.split(" import ")[1] for old, new in changed)


@pytest.mark.parametrize("line", [new for _, new in IMPORTS])
def test_an_import_that_the_page_names_works(line):
    exec(line.replace(", ...", ""), {})


def test_the_page_names_an_import_for_each_module_of_prefect_1():
    modules = {re.match(r"from ([\w.]+)", old).group(1) for old, _ in IMPORTS}

    assert {
        "prefect",
        "prefect.engine",
        "prefect.engine.cache_validators",
        "prefect.engine.signals",
        "prefect.engine.state",
        "prefect.executors",
        "prefect.tasks.control_flow",
        "prefect.triggers",
    } <= modules
