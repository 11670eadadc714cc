"""The examples of the page on debugging do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "debugging.md").read_text(encoding="utf-8")
CELL = re.compile(r"^```python\n(.*?)^```\n(?:\n?```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


@pytest.fixture
def say(notebook, monkeypatch):
    """Execute a cell and return the lines below it: what it printed, and what a magic said; not the drawings."""

    def publish(data, *args, **kwargs):
        if list(data) == ["text/plain"]:
            print(data["text/plain"])

    monkeypatch.setattr(notebook.shell.display_pub, "publish", publish)
    notebook("%unload_ext nbflow")

    def execute(source):
        cell = notebook(source)
        assert cell.error is None, f"{source}{cell.out}"
        return sorted(cell.out.splitlines())  # a run in the background prints when it gets there

    return execute


def test_each_example_says_what_stands_below_it(say):
    cells = CELL.findall(PAGE)
    assert len(cells) > 20

    for source, below in cells:
        assert say(source) == sorted(below.splitlines()), source


def test_every_command_of_the_tables_is_one(notebook):
    from nbflow.notebook.magics.command_table import COMMANDS

    named = set(re.findall(r"(?<!%)%flow (\w+)", PAGE))

    assert named <= set(COMMANDS)
    assert {"wait", "values", "debug", "retry", "set", "skip", "break", "resume", "cancel"} <= named
