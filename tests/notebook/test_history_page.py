"""The examples of the page on keeping results do what the page says."""

from __future__ import annotations

from pathlib import Path

from tests.notebook.test_guarantee_page import CELL

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text(encoding="utf-8")


def test_each_example_prints_what_stands_below_it(notebook):
    cells = CELL.findall(PAGE)
    assert len(cells) > 2

    for source, printed in cells:
        cell = notebook(source)

        assert cell.error is None, source
        assert cell.out == printed, source
