"""A page that is reloaded, or loses its connection, in the middle of a run."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.browser.test_busy_kernel import FLOW

pytestmark = [pytest.mark.browser, pytest.mark.own_page]

CUT_OFF = "run 1 of busy, whose cell was cut off, ended: Cancelled"
RECONNECT = "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.reconnect()"


@pytest.fixture(params=["lab", "notebook"])
def open_busy(request, open_notebook, notebook_of):
    """Open a notebook whose second cell shows a panel, and whose third begins a run and is executed."""

    def open_(source):
        cells = (FLOW, "%flow panel busy", source, "%flow panel busy", "%flow list")
        page = open_notebook(notebook_of(*cells), app=request.param)
        for cell in (0, 1):
            page.run_cell(cell)
        page.run_cell(2, wait=False)
        LivePanel(page, 1).expect_state("Running")
        return page

    return open_


def reload(page):
    page.save()
    page.page.reload()


def test_after_a_reload_in_a_run_that_blocks_its_cell_the_panel_is_live_and_the_outcome_is_told_once(open_busy):
    page = open_busy("%flow run busy")

    reload(page)
    panel = LivePanel(page, 1)
    panel.expect_state("Running")
    panel.click("Cancel")
    panel.expect_state("Cancelled")
    page.wait_idle()

    page.expect_says(3, CUT_OFF)
    LivePanel(page, 3).expect_state("Cancelled")
    page.expect_says(4, "run 1: Cancelled")
    expect(page.outputs(4)).not_to_contain_text("cut off")


def test_after_a_reload_in_a_run_in_the_background_an_old_panel_and_a_new_one_command_it(open_busy):
    page = open_busy("%flow start busy")

    reload(page)
    old = LivePanel(page, 1)
    old.expect_state("Running")
    page.wait_idle()
    page.run_cell(3)
    LivePanel(page, 3).expect_state("Running")
    LivePanel(page, 3).click("Cancel")

    old.expect_state("Cancelled")
    LivePanel(page, 3).expect_state("Cancelled")
    page.expect_says(4, "run 1: Cancelled")
    expect(page.outputs(4)).not_to_contain_text("cut off")


def test_after_a_lost_connection_the_cell_still_shows_how_the_run_ended(open_busy):
    page = open_busy("%flow run busy")

    page.page.evaluate(RECONNECT)
    panel = LivePanel(page, 1)
    panel.click("Cancel")

    panel.expect_state("Cancelled")
    expect(page.outputs(2)).to_contain_text("Cancelled")
    page.expect_says(4, "run 1: Cancelled")
    expect(page.outputs(4)).not_to_contain_text("cut off")
