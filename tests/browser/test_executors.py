"""Where tasks run: chosen in the form, and seen in the timeline and the inspector, as a person does it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.live_panel import LivePanel

pytestmark = pytest.mark.browser

# Two processes are there at once, whichever machine it is, and each has at least one of the parts.
FLOW = """\
%load_ext nbflow
import os, time
from pathlib import Path
from tempfile import mkdtemp
from nbflow import Flow, Parameter, resource_manager, task
from nbflow.executors import ProcessExecutor

there = mkdtemp()

@resource_manager
def folder():
    yield there

@task
def part(i, folder):
    (Path(folder) / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(os.listdir(folder)) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return i

@task
def total(parts):
    return sum(parts)

with Flow("parts") as flow:
    with folder() as where:
        parts = [part.copy(name=f"part {i}")(i, where) for i in range(2)]
    total(parts)
"""
MANY = """\
from nbflow import unmapped
with Flow("many", executor=ProcessExecutor(2)) as many:
    with folder() as where:
        total(part.map(list(range(12)), unmapped(where)))
"""


class Workers:
    """The choice of an executor, and the lanes of workers."""

    def __init__(self, panel: LivePanel) -> None:
        self.panel = panel
        self.choice = panel.element.get_by_role("combobox", name="Executor")
        self.timeline = panel.element.get_by_role("listbox", name="timeline of the tasks")
        self.lanes = self.timeline.get_by_role("group")
        self.bars = self.timeline.get_by_role("option")
        self.tip = panel.element.get_by_role("tooltip")
        self.inspector = panel.element.locator(".nbflow-inspector")

    def show_timeline(self) -> None:
        self.panel.element.get_by_role("tab", name="Timeline").click()

    def lane(self, name):
        return self.timeline.get_by_role("group", name=name)

    def by(self, what):
        return self.panel.element.get_by_role("button", name=f"By {what}")


@pytest.fixture
def open_panel(open_notebook, notebook_of):
    def open_(*cells, app="lab"):
        page = open_notebook(notebook_of(*cells), app=app)
        for cell in range(len(cells)):
            page.run_cell(cell)
        panel = LivePanel(page, len(cells) - 1)
        return page, panel, Workers(panel)

    return open_


@pytest.mark.parametrize("app", ["lab"])
def test_processes_are_chosen_in_the_form_and_seen_as_lanes_of_the_timeline(open_panel, app):
    page, panel, workers = open_panel(FLOW, "flow.executor = 'inline'\n%flow panel parts", app=app)
    expect(workers.choice.locator("option")).to_have_text(["inline", "threads", "processes", "dask"])
    expect(workers.choice).to_have_attribute("title", re.compile("processes: .*pure Python"))

    workers.choice.select_option(label="processes")
    panel.screenshot(f"executor-chosen-{app}")
    panel.click("Run")
    panel.expect_state("Success")
    workers.show_timeline()

    expect(workers.by("worker")).to_have_attribute("aria-pressed", "true")
    expect(workers.lane("kernel").first).to_be_visible()
    expect(workers.lane(re.compile("^worker process"))).to_have_count(2)

    workers.bars.filter(has_text="part 0").click()
    expect(workers.inspector).to_contain_text(re.compile(r"ran on worker process \d+"))
    workers.lane("kernel").first.get_by_role("option").last.dispatch_event("click")  # a tip may be over it
    expect(workers.inspector).to_contain_text(" work")
    expect(workers.inspector).not_to_contain_text("ran on")

    workers.by("task").click()
    expect(workers.lanes).to_have_count(0)
    workers.timeline.locator("[data-key='part-0-1'], [data-key^='part-0']").first.hover()
    expect(workers.tip).to_contain_text(re.compile(r"on worker process \d+"))
    assert page.errors == []


def test_bars_of_workers_are_walked_through_by_keys_and_children_are_chosen(open_panel):
    page, panel, workers = open_panel(FLOW, MANY, "%flow panel many")
    keyboard = page.page.keyboard
    expect(workers.choice.locator("option:checked")).to_have_text("ProcessExecutor(2)")
    panel.click("Run")
    panel.expect_state("Success")
    workers.show_timeline()
    expect(workers.bars.first).to_be_visible()

    workers.timeline.focus()
    keyboard.press("End")
    keyboard.press("Home")
    keyboard.press("ArrowDown")
    chosen = workers.timeline.locator("[role=option][aria-selected=true]")
    expect(chosen).to_have_count(1)
    expect(chosen).to_have_attribute("aria-label", re.compile(r"^part \[\d+\], Success, .* on worker process \d+$"))
    expect(workers.timeline).to_have_attribute("aria-activedescendant", chosen.get_attribute("id"))
    expect(workers.tip).to_contain_text("on worker process")
    keyboard.press("Enter")
    expect(workers.inspector).to_be_focused()
    expect(workers.inspector).to_contain_text(re.compile(r"part \[\d+\]"))
    expect(workers.inspector).to_contain_text(re.compile(r"ran on worker process \d+"))
    assert page.errors == []


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_axe_finds_nothing_wrong_with_the_lanes_of_workers_and_the_choice(open_panel, app):
    page, panel, workers = open_panel(FLOW, MANY, "%flow panel many", app=app)
    panel.click("Run")
    panel.expect_state("Success")
    workers.show_timeline()
    expect(workers.bars.first).to_be_visible()
    workers.lane(re.compile("^worker process")).first.get_by_role("option").first.click()
    workers.choice.select_option(label="processes")

    for theme in ("dark", "light"):
        page.set_theme(theme)
        panel.settle()
        panel.screenshot(f"workers-{theme}-{app}")
        found = axe.check(page.page, ".nbflow-panel")
        assert (theme, found.wrong) == (theme, [])
    assert page.errors == []


def test_a_flow_in_the_kernel_has_the_timeline_of_tasks_and_no_switch(open_panel):
    page, _, workers = open_panel(
        FLOW, "with Flow('small') as small:\n    total([1, 2])\nsmall.run()", "%flow panel small"
    )
    workers.show_timeline()

    expect(workers.bars.first).to_be_visible()
    expect(workers.by("worker")).to_be_hidden()
    expect(workers.lanes).to_have_count(0)
    assert page.errors == []
