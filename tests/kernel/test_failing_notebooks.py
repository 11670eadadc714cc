"""Programs that execute a notebook stop at a flow that fails, as at any cell that fails."""

from __future__ import annotations

import re
import subprocess
import sys

import nbformat
import pytest

pytestmark = pytest.mark.kernel

CELLS = (
    "%load_ext nbflow",
    '%%task --flow broken\ntable = {"a": 1}\nfound = table["b"]',
    "{line}",
    "open('went_on', 'w').close()",
)


@pytest.fixture
def saved(tmp_path):
    """Save the notebook whose flow is run by these lines."""

    def save(line):
        sources = [source.replace("{line}", line) for source in CELLS]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        path = tmp_path / "broken.ipynb"
        nbformat.write(book, path)
        return path

    return save


def program(*words, path):
    return subprocess.run(
        [sys.executable, "-m", *words, str(path)],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "words", [("jupyter", "execute"), ("nbconvert", "--to", "notebook", "--execute", "--output", "done")]
)
@pytest.mark.parametrize("line", ["%flow run broken", "%flow start broken\n%flow wait broken"])
def test_a_flow_that_fails_stops_the_notebook(saved, words, line):
    path = saved(line)

    ended = program(*words, path=path)

    assert ended.returncode != 0
    said = re.sub(r"\x1b\[[0-9;]*m", "", ended.stderr)
    assert '----> 3 found = table["b"]' in said
    assert "KeyError: 'b'" in said
    assert not (path.parent / "went_on").exists()


def test_with_no_raise_the_notebook_goes_on(saved):
    path = saved("%flow run broken --no-raise")

    ended = program("jupyter", "execute", path=path)

    assert ended.returncode == 0
    assert (path.parent / "went_on").exists()
