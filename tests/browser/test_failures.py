"""Failures first: a failed task is selected by itself, all are listed by error, a map's children are a table."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.live_panel import LivePanel

pytestmark = pytest.mark.browser

FLOW = """
import logging
import nbflow
from nbflow import task

@task
def load():
    print("loading")
    return list(range(140))

@task
def clean(row):
    if row >= 130:
        raise ValueError(f"bad row {row}")
    logging.getLogger("etl").warning("row %s is <b>late</b>", row)
    return row

@task
def report(rows):
    return rows

with nbflow.Flow("etl") as flow:
    report(clean.map(load()))
"""


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_failures_are_selected_listed_by_error_and_reached_by_keys(open_notebook, notebook_of, app):
    page = open_notebook(notebook_of(FLOW, "flow.panel()"), app=app)
    for cell in (0, 1):
        page.run_cell(cell)
    panel = LivePanel(page, 1)
    tab = panel.element.locator("[role=tab][data-view=failures]")
    expect(tab).to_be_hidden()

    panel.click("Run")
    panel.expect_state("Failed")
    inspector = panel.element.locator(".nbflow-inspector")
    expect(inspector.locator("[data-section=error]")).to_contain_text("bad row 130")
    expect(inspector.locator("[data-section=next]")).to_contain_text("press Rerun")

    panel.element.locator("[role=tab][data-view=graph]").focus()
    page.page.keyboard.press("5")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(tab).to_have_text("Failures (10)")
    view = panel.element.locator(".nbflow-failures")
    expect(view).to_contain_text("10 failures, 1 kind. 1 task did not run because of it.")
    expect(view).to_contain_text("10 children of clean")
    assert axe.check(page.page, ".nbflow-panel").wrong == []

    view.get_by_role("button", name="clean[135]: Failed").focus()
    page.page.keyboard.press("Enter")
    expect(inspector.locator("[data-section=error]")).to_contain_text("bad row 135")
    panel.screenshot(f"failures-{app}")
    assert page.errors == []


def test_the_children_of_a_map_are_sorted_filtered_and_paged(open_notebook, notebook_of):
    page = open_notebook(notebook_of(FLOW, "flow.panel()"), app="lab")
    for cell in (0, 1):
        page.run_cell(cell)
    panel = LivePanel(page, 1)
    panel.click("Run")
    panel.expect_state("Failed")
    panel.element.locator(".nbflow-tasks [data-key='clean-1']").click()
    section = panel.element.locator("[data-section=children]")
    rows = section.locator("tbody tr")

    expect(rows.first).to_contain_text("ValueError: bad row 130")
    expect(section).to_contain_text("1 to 100 of 140")
    section.get_by_role("button", name="next page").click()
    expect(rows).to_have_count(40)
    section.get_by_role("button", name="Child", exact=True).click()
    expect(rows.first).to_contain_text("[0]")
    expect(section.locator("th[aria-sort=ascending]")).to_contain_text("Child")
    section.get_by_role("button", name="Child", exact=True).press("Enter")
    expect(rows.first).to_contain_text("[139]")
    section.get_by_label("failed only").check()
    expect(rows).to_have_count(10)
    assert axe.check(page.page, ".nbflow-inspector").wrong == []
    assert page.errors == []


def test_the_output_of_the_whole_run_is_searched_and_shown_from_a_level_on(open_notebook, notebook_of):
    page = open_notebook(notebook_of(FLOW, "flow.panel()"), app="lab")
    for cell in (0, 1):
        page.run_cell(cell)
    panel = LivePanel(page, 1)
    panel.click("Run")
    panel.expect_state("Failed")

    panel.element.get_by_role("tab", name="Logs").click()
    view = panel.element.locator(".nbflow-run-log")
    expect(view).to_contain_text("loading")
    expect(view).to_contain_text("row 0 is <b>late</b>")
    view.get_by_label("level of output of the run").select_option(label="Warnings up")
    expect(view.get_by_text("loading")).to_be_hidden()
    view.get_by_label("search output of the run").fill("ROW 12")
    expect(view.locator(".nbflow-log-count")).to_have_text("11")
    page.page.keyboard.press("Enter")
    expect(view.locator(".nbflow-log-count")).to_have_text("1 of 11")
    expect(view.locator(".nbflow-found-now")).to_be_in_viewport()
    assert axe.check(page.page, ".nbflow-panel").wrong == []
    panel.screenshot("run-log")
    assert page.errors == []
