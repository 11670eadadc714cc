"""Cells as real front ends send them: with ids as JupyterLab does, and without, as nbclient and nbval."""

from __future__ import annotations

import json
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from tests.cells import WORKSHOP

pytestmark = pytest.mark.kernel

STEPS = """\
from nbflow import Flow, task

@task
def load(n=1):
    return n

@task
def double(x):
    return 2 * x"""
GRAPH = """\
import json
flow = nbflow.flows["work"]
print(json.dumps([
    sorted(flow.slugs.values()),
    sorted([flow.slugs[e.upstream_task], flow.slugs[e.downstream_task], str(e.key)] for e in flow.edges),
]))"""


def graph(kernel):
    return json.loads(kernel.run(GRAPH).stdout)


@pytest.fixture
def two_cells(kernel):
    kernel.run(WORKSHOP)
    kernel.run(STEPS)
    kernel.run("%%flow work\ndata = load(1)", cell_id="a")
    kernel.run("%%flow work\ntotal = double(data)", cell_id="b")
    return kernel


def test_an_edited_cell_that_takes_a_name_away_says_who_misses_it_until_the_name_is_back(two_cells):
    whole = graph(two_cells)

    edited = two_cells.run("%%flow work\nother = load(1)", cell_id="a")
    refused = two_cells.execute("%flow run work")
    two_cells.run("%%flow work\ndata = load(1)", cell_id="a")

    assert "uses 'data'" in edited.text
    assert "<svg" in edited.shown[0]["text/html"]
    assert refused.status == "error"
    assert "UsageError: %flow run: cell In [" in refused.stderr
    assert graph(two_cells) == whole
    two_cells.run("%flow run work")


def test_an_interrupted_cell_leaves_the_flow_as_it_was(two_cells, log, wait_until):
    whole = graph(two_cells)

    asked = two_cells.execute(
        "%%flow work\ndata = load(5)\nopen('log', 'w').write('here\\n')\nimport time\ntime.sleep(60)",
        cell_id="a",
        wait=False,
    )
    wait_until(lambda: log() == ["here"], what="the cell to be in its middle")
    two_cells.interrupt()
    reply = two_cells.reply(asked)

    assert reply.ename == "KeyboardInterrupt"
    assert graph(two_cells) == whole


def test_ordinary_cells_are_replaced_as_those_of_the_magic_are(kernel):
    kernel.run(WORKSHOP)
    kernel.run(STEPS)
    cells = {
        "a": "with Flow('work') as flow:\n    data = load(1)",
        "b": "with flow:\n    total = double(data)",
    }
    seen = []
    for _ in range(2):
        for cell_id, source in cells.items():
            kernel.run(source, cell_id=cell_id)
        seen.append(graph(kernel))

    assert seen[0] == seen[1]
    assert seen[0][0] == ["double-1", "load-1"]


def notebook():
    cells = [
        WORKSHOP,
        STEPS,
        "%%flow work --no-show\ndata = load(1)",
        "%%flow work --no-show\ndata = double(data)",
        "%%flow work --no-show\ntotal = double(data)",
        "with Flow('plain') as flow:\n    one = load(1)",
        "with flow:\n    two = double(one)",
        "print(sorted(nbflow.flows['work'].slugs.values()), sorted(nbflow.flows['plain'].slugs.values()))",
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata=metadata)


EXPECTED = "['double-1', 'double-2', 'load-1'] ['double-1', 'load-1']\n"


def test_nbclient_makes_the_same_flow_however_often_it_executes_the_notebook(tmp_path):
    node = notebook()
    client = NotebookClient(node, timeout=60, resources={"metadata": {"path": str(tmp_path)}})

    seen = []
    with client.setup_kernel():
        for _ in range(2):
            for index, cell in enumerate(node.cells):
                client.execute_cell(cell, index)
            seen.append(node.cells[-1].outputs[0]["text"])

    assert seen == [EXPECTED, EXPECTED]


def test_nbval_finds_the_outputs_that_nbclient_saved(tmp_path):
    node = notebook()
    NotebookClient(node, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    nbformat.write(node, tmp_path / "work.ipynb")

    options = ["--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "work.ipynb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout
