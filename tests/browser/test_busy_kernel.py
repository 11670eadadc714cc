"""A panel while a cell blocks the kernel: its buttons command the run that the cell waits for."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.browser

FLOW = """\
%load_ext nbflow
import threading
from pathlib import Path
import nbflow
from nbflow import Flow, resource_manager, task
Path("LOG").unlink(missing_ok=True)

@resource_manager
class Desk:
    def setup(self):
        return "desk"
    def cleanup(self, desk):
        pass

@task
def quick(desk):
    return 1

@task
def slow(x):
    while not nbflow.context.cancelled():  # on a thread it cannot be stopped otherwise
        threading.Event().wait(0.05)

with Flow("busy") as flow:
    with Desk() as desk:
        slow(quick(desk))
"""
BLOCKING = {
    "run": "%flow run busy",
    "flow.run": "flow.run()",
    "wait": "run = flow.start(); run.wait()",
}


@pytest.mark.parametrize("app", ["lab", "notebook"])
@pytest.mark.parametrize("how", BLOCKING)
def test_cancel_ends_the_run_that_a_cell_waits_for_while_the_cell_is_executed(open_notebook, notebook_of, app, how):
    page = open_notebook(notebook_of(FLOW, "%flow panel busy", BLOCKING[how]), app=app)
    page.run_cell(0)
    page.run_cell(1)
    panel = page.outputs(1)
    expect(panel.locator(".nbflow-command-run")).to_be_enabled()

    page.run_cell(2, wait=False)
    expect(panel.locator(".nbflow-command-cancel")).to_be_enabled()
    expect(panel).to_contain_text("Running")
    panel.locator(".nbflow-command-cancel").click()

    expect(panel.locator(".nbflow-command-run")).to_be_enabled()
    page.wait_idle(timeout_s=PATIENCE_S)
    expect(panel).to_contain_text("Cancelled")


OLD_KERNEL = "from nbflow.panel.subshell import Subshell\nSubshell.is_possible = lambda self: False"
NO_SUBSHELLS = "() => { jupyterapp.shell.currentWidget.sessionContext.session.kernel.commsOverSubshells = 'disabled'; }"


def test_where_clicks_wait_for_the_cell_s_end_the_buttons_are_grey_and_say_what_to_use(open_notebook, notebook_of):
    page = open_notebook(notebook_of(f"{FLOW}\n{OLD_KERNEL}", "%flow panel busy", "%flow run busy"))
    page.page.evaluate(NO_SUBSHELLS)
    page.run_cell(0)
    page.run_cell(1)
    controls = page.outputs(1).locator(".nbflow-controls")
    expect(controls).to_have_attribute("title", "")

    page.run_cell(2, wait=False)

    expect(controls).to_have_attribute("title", re.compile("use stop"))
    expect(page.outputs(1).get_by_role("status").filter(has_text="use stop")).to_be_visible()
    page.screenshot("buttons-use-stop")
    page.interrupt()
    expect(controls).to_have_attribute("title", "")
    expect(page.outputs(2)).to_contain_text("interrupted; everything that was set up is cleaned up")


def test_a_front_end_that_asks_for_no_thread_beside_the_cell_s_is_heard_all_the_same(open_notebook, notebook_of):
    page = open_notebook(notebook_of(FLOW, "%flow panel busy", "%flow run busy"))
    page.page.evaluate(NO_SUBSHELLS)
    page.run_cell(0)
    page.run_cell(1)
    panel = LivePanel(page, 1)

    page.run_cell(2, wait=False)
    panel.expect_state("Running")
    panel.click("Cancel")

    panel.expect_state("Cancelled")
