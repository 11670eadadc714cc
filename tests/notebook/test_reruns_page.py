"""The examples of the page on reruns do what the page says, and its table says what becomes of each type."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.snapshot import Snapshot
from nbflow.core.data.value_copy import copy_ahead
from nbflow.core.data.value_traits import is_fixed, is_one_shot
from nbflow.errors import CannotCopyError

PAGE = (Path(__file__).parents[2] / "docs" / "reruns.md").read_text(encoding="utf-8")
CELL = re.compile(r"^```python\n(.*?)^```\n(?:\n?```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


class Rows(list):
    """A list of the user's."""


@pytest.fixture
def say(notebook, monkeypatch):
    """Execute a cell and return the lines below it: what it printed, and what a magic said."""

    def publish(data, *args, **kwargs):
        if list(data) == ["text/plain"]:
            print(data["text/plain"])

    monkeypatch.setattr(notebook.shell.display_pub, "publish", publish)
    notebook("%unload_ext nbflow")

    def execute(source):
        cell = notebook(source)
        assert cell.error is None, f"{source}{cell.out}"
        return [line.rstrip() for line in cell.out.splitlines() if line]

    return execute


def test_each_example_says_what_stands_below_it(say):
    cells = CELL.findall(PAGE)
    assert len(cells) > 10

    for source, below in cells:
        assert say(source) == below.splitlines(), source


@pytest.mark.parametrize("value", [1, "a", (1, "b"), frozenset({1}), len, list, re])
def test_what_cannot_change_is_left_alone(value):
    assert is_fixed(value)


def values_with_copies():
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    return [
        [1], {"a": [1]}, {1}, bytearray(b"a"), np.arange(3), np.ma.array([1]), pd.DataFrame({"a": [1]}),
        pd.Series([1]), np.random.default_rng(1),
    ]  # fmt: skip


def test_what_the_table_says_to_be_copied_is_copied_and_put_back():
    for value in values_with_copies():
        assert known_fingerprint(copy_ahead(value)) == known_fingerprint(value)
        Snapshot([value]).restore()


def test_what_the_table_says_to_have_no_copy_has_none_but_a_fingerprint():
    pd = pytest.importorskip("pandas")
    for value in (Rows([1]), ValueError([1]), pd.DataFrame({"a": [[1]]})):
        assert known_fingerprint(value) is not None
        with pytest.raises(CannotCopyError):
            Snapshot([value])


def test_what_the_table_says_to_be_unknown_is_unknown():
    assert known_fingerprint(threading.Lock()) is None


def test_what_the_table_says_to_be_used_up_is():
    assert all(map(is_one_shot, (iter([1]), map(abs, [1]), (n for n in "a"))))
