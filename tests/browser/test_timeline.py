"""The table of tasks and the timeline, clicked and driven by keys, small and long."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import FLOW, WORKSHOP

pytestmark = pytest.mark.browser

PANEL = "%flow panel work"
WIDE = """\
%load_ext nbflow
from nbflow import Flow, task

@task
def part(i):
    return i

with Flow("wide") as wide:
    for i in range(2000):
        part.copy(name=f"part {i}")(i) if i % 2 else part(i)
"""


class Views:
    """The table and the timeline of a panel, and what is marked in them."""

    def __init__(self, panel: LivePanel) -> None:
        self.panel = panel
        self.element = panel.element
        self.table = self.element.get_by_role("grid", name="tasks")
        self.timeline = self.element.get_by_role("listbox", name="timeline of the tasks")
        self.lanes = self.timeline.get_by_role("option")
        self.bands = self.element.locator(".nbflow-band")
        self.tip = self.element.get_by_role("tooltip")

    def show(self, name):
        self.element.get_by_role("tab", name=name).click()

    def row(self, key):
        return self.table.locator(f"tr[data-key='{key}']")

    def lane(self, key):
        return self.timeline.locator(f"[data-key='{key}']")

    def expect_selected(self, key):
        row = self.element.locator(".nbflow-tasks tr[aria-selected='true']")  # also where the table is not shown
        expect(row).to_have_attribute("data-key", key)


@pytest.fixture
def work(open_notebook, notebook_of):
    """Open a notebook with the panel of a flow that waits in its task `busy`; cell 2 lets it go on."""

    def open_(app="lab"):
        page = open_notebook(notebook_of(WORKSHOP, FLOW, "gate.set()", PANEL), app=app)
        for cell in (0, 1, 3):
            page.run_cell(cell)
        panel = LivePanel(page, 3)
        return page, panel, Views(panel)

    return open_


@pytest.mark.parametrize("app", ["notebook"])
def test_a_resource_is_a_band_behind_its_tasks_from_its_opening_to_its_end(work, app):
    page, panel, views = work(app)
    views.show("Timeline")
    expect(panel.element.get_by_text("Times show once the flow runs.")).to_be_visible()

    panel.click("Run")
    panel.expect_row("busy-1", "Running")

    expect(views.bands).to_have_count(1)
    expect(views.bands).to_have_class(re.compile("nbflow-block-open"))
    expect(views.lane("block--Workshop-1")).to_contain_text("● open")
    expect(views.lane("busy-1").locator(".nbflow-lane-bar")).to_be_visible()
    expect(views.lane("last-1").locator(".nbflow-lane-bar")).to_be_hidden()
    panel.screenshot(f"timeline-running-{app}")

    page.run_cell(2)
    panel.expect_state("Success")

    expect(views.bands).to_have_class(re.compile("nbflow-block-cleaned"))
    expect(views.lane("block--Workshop-1")).to_contain_text("✓ cleaned")
    band = views.bands.bounding_box()
    for key in ("first-1", "busy-1", "Workshop.cleanup-1"):
        bar = views.lane(key).locator(".nbflow-lane-bar").bounding_box()
        assert band["x"] - 5 <= bar["x"] <= bar["x"] + bar["width"] <= band["x"] + band["width"] + 5
        assert band["y"] < bar["y"] < band["y"] + band["height"]
    assert page.errors == []
    for theme in ("dark", "light"):
        page.set_theme(theme)
        panel.settle()
        panel.screenshot(f"timeline-done-{theme}-{app}")


def test_a_task_is_selected_by_click_and_by_keys_in_the_table_and_in_the_timeline(work):
    page, panel, views = work()
    keyboard = page.page.keyboard
    page.run_cell(2)
    panel.click("Run")
    panel.expect_state("Success")

    views.row("busy-1").click()
    views.expect_selected("busy-1")
    keyboard.press("ArrowUp")
    views.expect_selected("first-1")
    keyboard.press("Home")
    views.expect_selected("block--Workshop-1")
    keyboard.press("End")
    views.expect_selected("Workshop.cleanup-1")
    marked = views.table.get_attribute("aria-activedescendant")
    assert views.row("Workshop.cleanup-1").get_attribute("id") == marked

    views.show("Timeline")
    expect(views.lane("Workshop.cleanup-1")).to_have_attribute("aria-selected", "true")
    views.lane("first-1").click()
    views.expect_selected("first-1")
    keyboard.press("ArrowDown")
    views.expect_selected("busy-1")
    expect(views.tip).to_contain_text("busy")
    expect(views.tip).to_contain_text("took")
    keyboard.press("Escape")
    expect(views.tip).to_be_hidden()
    keyboard.press("Enter")
    expect(views.element.locator(".nbflow-inspector:focus, .nbflow-inspector :focus")).to_have_count(1)
    assert page.errors == []


def test_time_is_zoomed_by_buttons_keys_and_wheel(work):
    page, panel, views = work()
    panel.click("Run")
    panel.expect_row("busy-1", "Running")
    page.run_cell(2)  # by a click into a cell: the run took long enough to be looked at closely
    panel.expect_state("Success")
    views.show("Timeline")
    width = "view => view.scrollWidth - view.clientWidth"
    assert views.timeline.evaluate(width) == 0

    views.element.get_by_role("button", name="zoom in").last.click()
    once = views.timeline.evaluate(width)
    views.timeline.focus()
    page.page.keyboard.press("+")
    twice = views.timeline.evaluate(width)
    views.timeline.hover()
    page.page.keyboard.down("Control")
    page.page.mouse.wheel(0, 200)  # outwards: how far in it goes depends on how short the run was
    page.page.keyboard.up("Control")
    page.page.wait_for_function("([view, most]) => view.scrollWidth - view.clientWidth < most",
                                arg=[views.timeline.element_handle(), twice])  # fmt: skip
    page.page.keyboard.press("+")
    page.page.keyboard.press("+")
    for key in ("Workshop.cleanup-1", "Workshop.setup-1"):  # at the two ends of the run
        views.lane(key).click()
        expect(views.lane(key).locator(".nbflow-lane-bar")).to_be_in_viewport()
    page.page.keyboard.press("0")

    assert 0 < once < twice
    assert views.timeline.evaluate(width) == 0
    assert page.errors == []


def test_of_two_thousand_tasks_few_are_in_the_page_and_all_can_be_come_to(open_notebook, notebook_of):
    page = open_notebook(notebook_of(WIDE, "wide.panel()"))
    page.run_cell(0)
    page.run_cell(1)
    panel = LivePanel(page, 1)
    views = Views(panel)
    rows = views.table.locator("tbody tr")
    keyboard = page.page.keyboard
    expect(views.table).to_have_attribute("aria-rowcount", "2001")
    assert rows.count() < 100

    panel.click("Run")
    panel.expect_state("Success")
    views.show("Timeline")
    expect(views.lanes.first).to_be_visible()
    assert views.lanes.count() < 100

    views.lanes.first.click()
    keyboard.press("End")
    expect(views.lanes.last).to_have_attribute("aria-posinset", "2000")
    views.panel.screenshot("timeline-wide")
    views.show("Graph")
    rows.first.click()
    keyboard.press("End")
    last = rows.last
    expect(last).to_have_attribute("aria-rowindex", "2001")
    expect(last).to_be_in_viewport()
    expect(last).to_contain_text("Success")
    views.element.locator(".nbflow-tasks").evaluate("view => { view.scrollTop = view.scrollHeight / 2 }")
    expect(views.table.locator("tr[aria-rowindex='1001']")).to_be_in_viewport()
    assert rows.count() < 100

    search = views.element.get_by_role("searchbox")
    search.fill("part 19")
    matches = views.element.locator(".nbflow-matches")
    expect(matches).to_have_text("56 of 2,000 tasks")
    expect(rows).to_have_count(56)
    views.show("Timeline")
    expect(views.lanes).to_have_count(56)
    views.show("Graph")
    search.fill("no such task")
    expect(views.element.locator(".nbflow-tasks")).to_contain_text("No task matches the filter.")
    search.fill("")
    expect(matches).to_be_hidden()
    assert page.errors == []
