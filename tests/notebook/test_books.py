"""Notebooks as people write them, each cell made a task: they give what they gave, after edits and as modules too.

The notebooks stand in `books`, cells parted by `# %%`. The first line says an edit: of which cell, what, and to what.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nbflow import flows
from tests.patience import PATIENCE_S

BOOKS = sorted((Path(__file__).parent / "books").glob("*.txt"))
_SHOWN = re.compile(r"^Out\[\d+\]: ?", re.MULTILINE)
_ADDRESS = re.compile(r"0x[0-9a-f]+")


class Book:
    """The cells of one notebook, before and after its edit."""

    def __init__(self, path):
        head, *cells = path.read_text().split("# %%\n")
        where, old, new = re.fullmatch(r"# edit (\d+): (.*) -> (.*)\n", head).groups()
        self.cells = cells
        self.edited = int(where)
        assert old in cells[self.edited]
        self.after = [*cells]
        self.after[self.edited] = cells[self.edited].replace(old, new)


def plain(text):
    """Return a text without what differs from run to run: the numbers of cells, addresses, where lines end."""
    return "".join(_ADDRESS.sub("0x", _SHOWN.sub("", text)).split())


@pytest.fixture
def as_notebook(notebook):
    """Execute cells as they are; gives what each of them showed."""

    def execute(cells):
        before = set(notebook.names)
        shown = []
        for source in cells:
            cell = notebook(source)
            assert cell.error is None, cell.error
            shown.append(plain(cell.out))
        for name in set(notebook.names) - before:
            del notebook.names[name]
        notebook.shell.magics_manager.registry["TaskMagics"].sources.clear()
        return shown

    return execute


def said(run, tasks):
    """Return what each task has said in a run."""
    found = []
    for task in tasks:
        lines = [] if task is None else run.logs[task]
        found.append(plain("".join(line.text for line in lines if line.stream in ("stdout", "display"))))
    return found


def make_tasks(notebook, flow, cells, only=None):
    for i, source in enumerate(cells):
        if only is None or i == only:
            cell = notebook(f"%%task cell_{i} --flow {flow}\n{source}", cell_id=f"{flow}-{i}")
            assert cell.error is None, cell.error
    by_name = {task.name: task for task in flows[flow].tasks}
    return [by_name.get(f"cell_{i}") for i in range(len(cells))]


def finished(run):
    run.wait(timeout_s=PATIENCE_S)
    failed = {task.name: state.result for task, state in run.states.items() if state.is_failed()}
    assert run.state.is_successful(), failed
    return run


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_what_it_gave(path, notebook, as_notebook, tmp_path):
    if path.stem == "plots":
        pytest.importorskip("matplotlib")
    book = Book(path)
    before, after = as_notebook(book.cells), as_notebook(book.after)

    tasks = make_tasks(notebook, "book", book.cells)
    first = finished(flows["book"].start())
    assert said(first, tasks) == before

    tasks = make_tasks(notebook, "book", book.after, only=book.edited)
    again = finished(first.rerun("stale"))
    ran = [task in again.plan.tasks for task in tasks]
    now, then = said(again, tasks), said(first, tasks)
    assert [new if has_run else old for new, old, has_run in zip(now, then, ran, strict=True)] == after

    module = tmp_path / "exported.py"
    cell = notebook(f"%flow export book -o {module}")
    assert cell.error is None, cell.error
    done = subprocess.run([sys.executable, module], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert plain(done.stdout) == "".join(after)
