"""A run held at its failure, by the buttons above the views alone. The whole story is in test_story.py."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import WORKSHOP

pytestmark = pytest.mark.browser

FLOW = """
def add_up(rows):
    return sum(row["amount"] for row in rows)

@task
def work(place, rows):
    return add_up(rows)

@task
def load():
    return [{"amount": 1}, {"amount": None}, {"amount": 3}]

with nbflow.Flow("work") as flow:
    with Workshop() as place:
        total = work(place, load())
"""
FIXED = """
def add_up(rows):
    return sum(row["amount"] or 0 for row in rows)
"""


def test_a_failed_task_is_fixed_in_a_cell_and_retried_with_the_resource_held(lab_page, notebook_of, kernel_children):
    page = lab_page(notebook_of(WORKSHOP, FLOW, FIXED, "flow.panel()", "flow.runs[-1].results[total]"))
    for cell in (0, 1, 3):
        page.run_cell(cell)
    panel = LivePanel(page, 3)

    panel.click("Hold on failure")
    panel.click("Run")
    panel.expect_row("work-1", "Failed")
    panel.expect_state("Failed at work, held")
    panel.expect_open("Workshop open")
    expect(panel.button("Retry")).to_be_enabled()
    held = kernel_children()
    panel.screenshot("panel-held-at-failure")
    page.run_cell(2)
    panel.click("Retry")
    panel.expect_row("work-1", "Success")
    expect(panel.button("Retry")).to_be_disabled()
    assert kernel_children() == held
    panel.click("Resume")

    panel.expect_state("Success")
    panel.expect_open()
    page.run_cell(4)
    expect(page.outputs(4)).to_contain_text("4")
    assert kernel_children() == []
    assert page.errors == []
