"""Every control of the panel, clicked or pressed, and what the kernel then did: buttons, plan, form, list of runs."""

from __future__ import annotations

import secrets

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import FLOW, WORKSHOP

pytestmark = pytest.mark.browser

BOTH_APPS = pytest.mark.parametrize("app", ["lab", "notebook"])
FORM_FLOW = """\
from datetime import date
from typing import Annotated, Literal
from nbflow import Flow, Parameter, task

@task
def load(rows: int, share: Annotated[float, (0.0, 1.0)], day: date, limit: int | None):
    return rows

@task
def fit(rows, method: Literal["fast", "exact"], dry: bool, label):
    if method == "fast" and not dry:
        raise ValueError("too fast")
    return f"{rows} rows, {method}, dry={dry}"

@task
def report(text, by: str):
    return text

with Flow("report") as flow:
    loaded = load(Parameter("rows", default=100), Parameter("share", default=0.5),
                  Parameter("day", default=date(2026, 1, 31)), Parameter("limit", default=None))
    fitted = fit(loaded, Parameter("method", default="fast"), Parameter("dry", default=False),
                 Parameter("label", default=["a", 1]))
    result = report(fitted, Parameter("by", default="me"))
"""
AFTER = f"""{FLOW}after = task(lambda value: value, name="after")(answer)"""
STATES = """\
run = nbflow.flows['work'].runs[-1]
print(run.number, type(run.state).__name__, sum(s.is_finished() for s in run.states.values()), run.hold_on_failure)"""


@pytest.fixture
def open_panel(open_notebook, notebook_of):
    """Open a notebook whose last cell but one holds the panel of the flow `work`, and whose last one looks at it."""

    def open_(app="lab"):
        page = open_notebook(notebook_of(WORKSHOP, AFTER, "gate.set()", STATES, "%flow panel work"), app=app)
        for cell in (0, 1, 4):
            page.run_cell(cell)
        return page, LivePanel(page, 4)

    return open_


@pytest.fixture
def open_form(open_notebook, notebook_of):
    def open_(*looks, app="lab"):
        cells = (FORM_FLOW, "flow.panel()", *(looks or ["flow.runs[-1].results[result]"]))
        page = open_notebook(notebook_of("%load_ext nbflow\nimport nbflow", *cells), app=app)
        for cell in (0, 1, 2):
            page.run_cell(cell)
        return page, LivePanel(page, 2)

    return open_


def kernel_says(page, cell, text):
    page.run_cell(cell)
    expect(page.outputs(cell)).to_contain_text(text)


def plan_of(panel):
    return panel.element.get_by_role("dialog", name="Rerun")


@BOTH_APPS
def test_each_button_does_in_the_kernel_what_it_says(open_panel, app):
    page, panel = open_panel(app)

    panel.click("Hold on failure")
    expect(panel.button("Hold on failure")).to_have_attribute("aria-pressed", "true")
    panel.click("Step")
    panel.expect_row("Workshop-1", "Success")
    kernel_says(page, 3, "1 Paused 1 True")
    panel.screenshot(f"controls-held-{app}")
    panel.click("Step block")
    panel.expect_row("busy-1", "Running")
    page.run_cell(2)
    panel.expect_row("Workshop.cleanup-1", "Success")
    panel.expect_open()
    kernel_says(page, 3, "1 Paused 6 True")
    panel.click("Cancel")
    panel.expect_state("Cancelled")
    panel.click("Run")
    panel.expect_number(2)
    panel.expect_state("Success")
    kernel_says(page, 3, "2 Success 7 True")
    assert page.errors == []


@BOTH_APPS
def test_the_form_is_filled_in_and_the_run_gets_it(open_form, app):
    page, panel = open_form(app=app)
    panel.click("Run")
    panel.expect_state("Failed")
    form = panel.element.locator(".nbflow-entries")
    expect(form.locator(".nbflow-entries-summary")).to_contain_text("rows = 100")

    panel.click("Parameters")
    form.get_by_label("rows", exact=True).fill("250")
    form.get_by_label("rows", exact=True).press("Tab")
    form.get_by_label("method").select_option("exact")
    form.get_by_label("dry", exact=True).check()
    expect(form).to_contain_text("3 edited, not run yet")
    panel.screenshot(f"controls-form-{app}")
    panel.click("Run")
    panel.expect_number(2)
    panel.expect_state("Success")

    kernel_says(page, 3, "250 rows, exact, dry=True")
    expect(form.locator(".nbflow-entries-summary")).to_contain_text("rows = 250")
    assert page.errors == []


def test_a_rerun_of_what_failed_shows_its_plan_and_is_started(open_form):
    page, panel = open_form()
    panel.click("Run")
    panel.expect_state("Failed")
    panel.click("Parameters")
    panel.element.get_by_label("method").select_option("exact")

    panel.click("Rerun")
    plan = plan_of(panel)
    expect(plan).to_contain_text("2 tasks run, 1 is reused")
    expect(plan).to_contain_text("method = 'exact' (was 'fast')")
    expect(plan.get_by_role("button", name="Rerun now")).to_be_focused()
    planned = panel.element.locator(".nbflow-graph g.nbflow-planned")
    expect(planned).to_have_count(3)  # with the parameter
    for theme in ("dark", "light"):
        page.set_theme(theme)
        panel.settle()
        panel.screenshot(f"controls-plan-{theme}")
    plan.get_by_role("button", name="Rerun now").click()

    panel.expect_number(2)
    panel.expect_state("Success")
    expect(plan).to_be_hidden()
    expect(planned).to_have_count(0)
    kernel_says(page, 3, "100 rows, exact, dry=False")
    assert page.errors == []


def test_a_plan_is_dropped_by_escape_and_the_focus_is_where_it_was(open_form):
    page, panel = open_form("len(flow.runs)")
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
    kernel_says(page, 3, "1")
    assert page.errors == []


def test_a_rerun_from_the_selected_task_and_one_of_nothing_by_keyboard(open_form):
    page, panel = open_form("len(flow.runs)")
    keyboard = page.page.keyboard
    panel.click("Parameters")
    panel.element.get_by_label("dry", exact=True).check()
    panel.click("Run")
    panel.expect_state("Success")
    what = panel.element.get_by_label("What to rerun")

    what.select_option("what failed")
    panel.click("Rerun")
    plan = plan_of(panel)
    expect(plan).to_contain_text("Nothing has failed.")
    expect(panel.element.get_by_role("alert")).to_be_hidden()
    expect(plan.get_by_role("button", name="Close")).to_be_focused()
    panel.screenshot("controls-nothing")
    keyboard.press("Enter")
    what.select_option("from the selected task")
    panel.element.locator(".nbflow-tasks tr[data-key='fit-1']").click()
    panel.button("Rerun").focus()
    keyboard.press("Enter")
    expect(plan).to_contain_text("Rerun from fit")
    keyboard.press("Enter")

    panel.expect_number(2)
    panel.expect_state("Success")
    assert page.errors == []


def test_runs_are_listed_shown_and_compared(open_form):
    page, panel = open_form("len(flow.runs)")
    panel.click("Run")
    panel.expect_state("Failed")
    panel.click("Parameters")
    panel.element.get_by_label("dry", exact=True).check()
    panel.click("Run")
    panel.expect_number(2)
    panel.expect_state("Success")
    panel.click("Parameters")

    panel.element.get_by_role("tab", name="Runs").click()
    runs = panel.element.locator(".nbflow-runs-table tbody tr[data-run]")
    expect(runs).to_have_count(2)
    expect(runs.nth(1)).to_contain_text("Failed")
    expect(panel.element.locator(".nbflow-runs-what").first).to_have_text("dry = True")
    for number in (1, 2):
        panel.element.get_by_role("checkbox", name=f"run {number}, to be compared").check()
    panel.click("Compare run 1 and run 2")
    compared = panel.element.get_by_role("region", name="Run 1 and run 2")
    expect(compared).to_contain_text("2 of 3 tasks differ in state, value or code.")
    expect(compared.get_by_role("row", name="load")).to_contain_text("= same")
    expect(compared.get_by_role("row", name="dry")).to_contain_text("≠ different")
    for theme in ("dark", "light"):
        page.set_theme(theme)
        panel.settle()
        panel.screenshot(f"controls-compared-{theme}")
    compared.get_by_role("checkbox", name="Show only what differs").check()
    expect(compared.get_by_role("row", name="load")).to_have_count(0)
    panel.click("Show run 1")

    panel.expect_number(1)
    panel.expect_state("Failed")
    expect(runs.nth(1)).to_contain_text("shown")
    assert page.errors == []


def test_a_run_gets_all_that_was_edited_however_busy_the_kernel_was_meanwhile(open_form):
    go = f"go-{secrets.token_hex(4)}"
    busy = f"""
import os, time
def be_busy(change):
    while not os.path.exists({go!r}):
        time.sleep(0.01)
_.form.entries["rows"].input.observe(be_busy, "value")
"""
    page, panel = open_form("print(flow.runs[-1].parameters)", busy)
    page.run_cell(4)
    panel.click("Parameters")
    rows = panel.element.get_by_label("rows", exact=True)

    for text in (
        "7",
        "8",
        "9",
    ):  # ipywidgets sends the first, and keeps the others until that one has arrived
        rows.fill(text)
        rows.press("Tab")
    panel.click("Run")
    (page.server.root / go).touch()

    panel.expect_state("Failed")
    kernel_says(page, 3, "'rows': 9")
    panel.expect_number(1)
    assert page.errors == []


def test_all_of_it_fits_into_a_narrow_cell(open_form):
    page, panel = open_form()
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
