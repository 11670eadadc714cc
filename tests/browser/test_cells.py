"""Cells edited, copied, moved and deleted in JupyterLab, which sends their real ids."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

STEPS = """\
%load_ext nbflow
import nbflow
from nbflow import Parameter, resource_manager, task

@task
def load(n=1):
    return n

@task
def double(x):
    return 2 * x

@resource_manager
class Cluster:
    def setup(self):
        return "cluster"
    def cleanup(self, resource):
        pass

@task
def use(resource, x=None):
    return x"""
CELLS = (
    STEPS,
    "%%flow work\nn = Parameter('n', default=2)\ndata = load(n)",
    "%%flow work\nwith Cluster() as client:\n    used = use(client, data)",
    "%%flow work --in client\nmore = use(client, used)",
    "%%flow work\ntotal = double(more)",
    "print(sorted(nbflow.flows['work'].slugs.values()), len(nbflow.flows['work'].edges))",
    "%flow show work --cells",
    "%flow check work",
    "nbflow.flows['work'].cells",
    "%flow prune work",
)
SET_SOURCE = """([index, source]) => {
  jupyterapp.shell.currentWidget.content.widgets[index].model.sharedModel.setSource(source);
}"""
COMMAND = """async ([index, ...commands]) => {
  jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  for (const command of commands) { await jupyterapp.commands.execute(command); }
}"""


@pytest.fixture
def work(lab_page, notebook_of):
    """Open the notebook and execute its first cells, up to the graph's description."""

    def open_(theme="light"):
        page = lab_page(notebook_of(*CELLS), theme=theme)
        for index in range(6):
            page.run_cell(index)
        return page

    return open_


def edit(page, index, source):
    page.page.evaluate(SET_SOURCE, [index, source])
    page.run_cell(index)


def command(page, index, *names):
    page.page.evaluate(COMMAND, [index, *names])


def test_the_flow_follows_cells_that_are_executed_again_edited_and_fixed(work):
    page = work()
    once = page.output_text(5)

    for index in (1, 2, 1, 3):
        page.run_cell(index)
    page.run_cell(5)
    assert page.output_text(5) == once

    edit(page, 1, "%%flow work\nn = Parameter('n', default=2)()")
    assert "uses 'data', which cell In [" in page.output_text(1)
    assert page.outputs(1).locator(".nbflow-missing").count() == 1
    page.run_cell(7)
    assert "it does not run like this" in page.output_text(7)

    edit(page, 1, CELLS[1])
    page.run_cell(5)
    assert page.output_text(5) == once
    page.run_cell(7)
    assert "nothing to complain about" in page.output_text(7)


def test_a_copied_cell_is_the_same_until_it_is_edited(work):
    page = work()
    once = page.output_text(5)

    command(page, 1, "notebook:copy-cell", "notebook:paste-cell-below")
    page.run_cell(2)
    page.run_cell(6)
    assert page.output_text(6) == once

    edit(page, 2, "%%flow work\nextra = load(7)")
    page.run_cell(6)
    assert "load-2" in page.output_text(6)


def test_a_deleted_cell_is_known_to_be_gone_once_the_notebook_is_saved(work):
    page = work()

    command(page, 4, "notebook:delete-cell")
    page.save()
    page.run_cell(8)

    assert "what cell In [" in page.output_text(8)
    assert "is taken out: double" in page.output_text(8)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_missing_and_the_boxes_of_cells_are_legible(work, theme):
    page = work(theme)
    page.run_cell(6)
    page.screenshot(f"cells-grouped-{theme}")

    edit(page, 1, "%%flow work\nn = Parameter('n', default=2)()")
    page.screenshot(f"cells-missing-{theme}")
    for index in (6, 7, 8):
        page.run_cell(index)
    page.cell(8).scroll_into_view_if_needed()
    page.screenshot(f"cells-check-{theme}")

    assert page.outputs(6).locator(".nbflow-cell").count() == 4
    assert "cell In [" in page.output_text(8)
