"""The buttons, the form and the plan where something is in the way. All that they do: test_every_control.py."""

from __future__ import annotations

import os
import secrets

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import REPORT

pytestmark = pytest.mark.browser


@pytest.fixture
def open_report(open_notebook, notebook_of):
    """Open a notebook with a flow, its panel in the second cell, and these cells, which are not executed yet."""

    def open_(*cells):
        page = open_notebook(notebook_of(REPORT, "flow.panel()", *cells))
        for cell in (0, 1):
            page.run_cell(cell)
        return page, LivePanel(page, 1)

    return open_


def plan_of(panel):
    return panel.element.get_by_role("dialog", name="Rerun")


def test_a_plan_is_dropped_by_escape_and_the_focus_is_where_it_was(open_report):
    page, panel = open_report("len(flow.runs)")
    keyboard = page.page.keyboard
    panel.click("Run")
    panel.expect_state("Failed")

    panel.button("Rerun").focus()
    keyboard.press("Enter")
    plan = plan_of(panel)
    expect(plan.get_by_role("button", name="Rerun now")).to_be_focused()
    keyboard.press("Escape")

    expect(plan).to_be_hidden()
    expect(panel.button("Rerun")).to_be_focused()
    page.expect_says(2, "1")
    assert page.errors == []


def test_a_run_gets_all_that_was_edited_however_busy_the_kernel_was_meanwhile(open_report):
    pipe = f"go-{secrets.token_hex(4)}"
    busy = f"""
def be_busy(change):
    if change["new"] == 7:
        open({pipe!r}).read()  # until somebody writes to it
_.form.entries["rows"].input.observe(be_busy, "value")
"""
    page, panel = open_report("print(flow.runs[-1].parameters)", busy)
    os.mkfifo(page.server.root / pipe)
    page.run_cell(3)
    panel.click("Parameters")
    rows = panel.element.get_by_label("rows", exact=True)

    # ipywidgets sends the first, and keeps the others until that one has arrived.
    for text in ("7", "8", "9"):
        rows.fill(text)
        rows.press("Tab")
    panel.click("Run")
    (page.server.root / pipe).write_text("")

    panel.expect_state("Failed")
    page.expect_says(2, "'rows': 9")
    panel.expect_number(1)
    assert page.errors == []


def test_all_of_it_fits_into_a_narrow_cell(open_report):
    page, panel = open_report()
    panel.click("Run")
    panel.expect_state("Failed")
    panel.click("Parameters")
    page.page.set_viewport_size({"width": 620, "height": 1400})
    panel.element.evaluate("panel => { panel.style.width = '340px'; }")
    panel.click("Rerun")
    expect(plan_of(panel)).to_be_visible()

    panel.screenshot("controls-narrow")
    wide = panel.element.evaluate(
        "panel => [...panel.querySelectorAll('.nbflow-controls, .nbflow-entries, .nbflow-plan')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.className)"
    )
    panel.click("Close")
    panel.element.get_by_role("tab", name="Runs").click()
    expect(panel.element.locator(".nbflow-runs-table tbody tr[data-run]")).to_have_count(1)
    panel.screenshot("controls-narrow-runs")
    assert wide == []
