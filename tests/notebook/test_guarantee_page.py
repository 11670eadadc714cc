"""The examples of the page on the cleanup guarantee do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "guarantee.md").read_text(encoding="utf-8")
CELL = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def test_each_example_prints_what_stands_below_it(notebook):
    cells = CELL.findall(PAGE)
    assert len(cells) > 9

    for source, printed in cells:
        cell = notebook(source)

        assert cell.error is None, source
        assert cell.out == printed, source
        assert cell.outputs == []


def test_the_page_has_a_heading_for_each_rule():
    found = re.findall(r"^### (\d+)\. ", PAGE, re.MULTILINE)

    assert found == [str(number) for number in range(1, 13)]
