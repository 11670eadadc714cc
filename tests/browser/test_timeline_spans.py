"""The timeline tells work from what is waited for, and children have lanes: looked at, pointed at, and by keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.live_panel import LivePanel

pytestmark = pytest.mark.browser

FLOW = """\
%load_ext nbflow
import threading, time
from nbflow import Flow, task

calls = []
again = threading.Event()

def load():
    calls.append(1)
    time.sleep(0.3)
    if len(calls) == 1:
        raise ValueError("not yet")
    return list(range(4))

def clean(i):
    time.sleep(0.1 * i)
    return i

def check(parts):
    time.sleep(0.3)
    if not again.is_set():
        raise ValueError("outliers")
    return sum(parts)

with Flow("times") as times:
    rows = task(load, name="load", max_retries=1, retry_delay=1.5)()
    few = task(clean, name="clean").map(rows)
    many = task(clean, name="many").map([0] * 120)
    total = task(check, name="check")(few)
    task(lambda x: x, name="report")(total)
"""


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_work_delays_holds_and_children_are_told_apart(open_notebook, notebook_of, app):
    page = open_notebook(notebook_of(FLOW, "%flow panel times", "again.set()"), app=app)
    page.run_cell(0)
    page.run_cell(1)
    panel = LivePanel(page, 1)
    panel.element.get_by_role("button", name="Hold on failure").click()
    panel.element.get_by_role("tab", name="Timeline").click()
    timeline = panel.element.get_by_role("listbox", name="timeline of the tasks")
    legend = panel.element.get_by_role("list", name="what the bars mean")
    panel.click("Run")
    panel.expect_state("Failed at check, held")

    load, check = timeline.locator("[data-key='load-1']"), timeline.locator("[data-key='check-1']")
    expect(load.locator(".nbflow-lane-bar")).to_have_count(2)
    expect(load.locator(".nbflow-lane-bar").first).to_have_class("nbflow-lane-bar nbflow-state-Failed")
    expect(load.locator(".nbflow-wait-delay")).to_be_visible()
    hold = check.locator(".nbflow-wait-hold")
    expect(hold).to_be_visible()
    before = hold.bounding_box()["width"]
    page.page.wait_for_function("([hold, width]) => hold.offsetWidth > width + 3", arg=[hold.element_handle(), before])
    expect(legend).to_contain_text("held, waits for you")
    panel.element.get_by_role("button", name="Close the details").click()
    hold.hover()
    expect(panel.element.get_by_role("tooltip")).to_contain_text("here: held, waits for you")
    expect(timeline.locator("[data-child^='clean-1/']")).to_have_count(4)

    timeline.locator("[data-key='many-1'] .nbflow-lane-fold").click()
    expect(timeline.locator("[data-child='many-1/0']")).to_be_visible()
    expect(timeline.locator("[data-child='many-1/more']")).to_have_attribute(
        "aria-label", "50 of 120 children, show 70 more"
    )
    timeline.locator("[data-key='many-1'] .nbflow-lane-fold").click()
    expect(timeline.locator("[data-child='many-1/0']")).to_have_count(0)
    note = panel.element.locator(".nbflow-tasks tr[data-key='check-1'] .nbflow-note")
    expect(note).to_contain_text("held")
    page.page.mouse.move(0, 0)
    for theme in ("dark", "light"):
        page.set_theme(theme)
        for width in (900, 1400):
            page.page.set_viewport_size({"width": width, "height": 1400})
            panel.settle()
            panel.screenshot(f"timeline-spans-{theme}-{width}-{app}")
        found = axe.check(page.page, ".nbflow-panel")
        assert (theme, found.wrong) == (theme, [])

    page.run_cell(2)
    panel.click("Retry")
    panel.click("Resume")
    panel.expect_state("Success")
    expect(check.locator(".nbflow-lane-bar")).to_have_count(2)
    expect(check.locator(".nbflow-wait-hold.nbflow-going")).to_have_count(0)
    assert page.errors == []


def test_children_are_unfolded_and_walked_through_by_keys(open_notebook, notebook_of):
    page = open_notebook(notebook_of(FLOW, "again.set()", "%flow panel times"))
    for cell in range(3):
        page.run_cell(cell)
    panel = LivePanel(page, 2)
    panel.click("Run")
    panel.expect_state("Success")
    panel.element.get_by_role("tab", name="Timeline").click()
    timeline = panel.element.get_by_role("listbox", name="timeline of the tasks")
    keyboard = page.page.keyboard
    many = timeline.locator("[data-key='many-1']")
    expect(many.locator(".nbflow-lane-fold")).to_have_text("▸")
    many.click()
    expect(many).to_have_attribute("aria-selected", "true")
    timeline.focus()
    keyboard.press("Space")
    expect(timeline.locator("[data-child='many-1/49']")).to_have_count(1)
    keyboard.press("ArrowDown")
    first = timeline.locator("[data-child='many-1/0']")
    expect(first).to_have_attribute("aria-selected", "true")
    expect(panel.element.locator(".nbflow-inspected-name")).to_have_text("many [0]")
    keyboard.press("ArrowUp")
    for _ in range(51):
        keyboard.press("ArrowDown")
    expect(timeline.locator("[data-child='many-1/more']")).to_have_attribute("aria-selected", "true")
    keyboard.press("Enter")
    expect(timeline.locator("[data-child='many-1/119']")).to_have_count(1)
    keyboard.press("ArrowLeft")
    keyboard.press("ArrowLeft")
    expect(many.locator(".nbflow-lane-fold")).to_have_text("▸")
    assert page.errors == []
