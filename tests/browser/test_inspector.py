"""The inspector as a person uses it: why a task failed, what it said and gave, and fixing it by click and by key."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel

pytestmark = pytest.mark.browser

TASKS = '''
import logging, sys, threading
import nbflow
from nbflow import Flow, Parameter, resource_manager, task

gate = threading.Event()

class Frame:
    """What a data frame shows of itself."""
    def _repr_html_(self):
        rows = "".join(f"<tr><th>{i}</th><td>{i * i}</td><td>{i / 7:.3f}</td></tr>" for i in range(6))
        head = "<thead><tr><th></th><th>square</th><th>seventh</th></tr></thead>"
        return f"<style scoped>.dataframe th {{text-align: right}}</style><table class='dataframe'>{head}{rows}</table>"
    def __len__(self):
        return 6

@resource_manager
class Cluster:
    def setup(self):
        return "cluster"
    def cleanup(self, cluster):
        pass

@task
def load(cluster, rows):
    """Load the rows of a month."""
    print("loading", rows, "rows")
    return Frame()

@task
def talk(cluster, frame):
    print("first line")
    print("be careful", file=sys.stderr)
    nbflow.context.logger.warning("one row has no amount")
    assert gate.wait(60)
    print("last line")
    return [{"amount": n} for n in (1, 2, None)]

def add(rows):
    return sum(row["amount"] for row in rows)

@task
def total(cluster, rows):
    """Add up all amounts."""
    try:
        return add(rows)
    except TypeError as error:
        error.add_note("a row has no amount")
        raise ValueError("the rows can not be added up") from error

@task
def part(x):
    return 10 // (x - 2)

@task
def report(total, parts):
    return f"in total {total}"
'''
FLOW = """
with Flow("sales") as flow:
    with Cluster() as cluster:
        rows = talk(cluster, load(cluster, Parameter("rows", default=5)))
        amount = total(cluster, rows)
    report(amount, part.map([1, 2, 3]))
"""
HELD = "gate.set(); run = flow.start(hold_on_failure=True); _ = run.wait(or_held=True)"


class Inspector(LivePanel):
    """The panel with something selected in it."""

    @property
    def box(self):
        return self.element.locator(".nbflow-inspector")

    def select(self, key, name=None):
        self.element.locator(f".nbflow-tasks [data-key='{key}']").click()
        self.expect_shown(name or key.removesuffix("-1"))

    def expect_shown(self, name):
        expect(self.box).to_have_attribute("aria-label", f"details of {name}")

    def section(self, name):
        return self.box.locator(f"[data-section={name}]")

    def action(self, name):
        return self.box.locator(f".nbflow-act-{name}")


@pytest.fixture
def sales(open_notebook, notebook_of):
    def open_(*cells, app="lab", width=1280):
        page = open_notebook(notebook_of(TASKS, FLOW, *cells, "flow.panel()"), app=app)
        page.page.set_viewport_size({"width": width, "height": 1400})
        for cell in range(len(cells) + 3):
            page.run_cell(cell)
        return page, Inspector(page, len(cells) + 2)

    return open_


def test_a_failed_task_says_why_the_users_own_lines_first(sales):
    page, panel = sales(HELD)
    panel.select("total-1")

    error = panel.section("error")
    expect(error.locator(".nbflow-error").first).to_contain_text("ValueError: the rows can not be added up")
    first = error.locator(".nbflow-frames li").first
    expect(first).to_contain_text("cell [1]")
    expect(first).to_contain_text('raise ValueError("the rows can not be added up") from error')
    expect(error.locator(".nbflow-error").nth(1)).to_contain_text("a row has no amount")
    expect(error).not_to_contain_text("more frame")  # only nbflow called the task, no library
    expect(panel.section("source").locator("summary")).to_contain_text("cell [1]")
    for theme in ("dark", "light"):
        page.set_theme(theme)
        panel.screenshot(f"inspector-failed-{theme}")

    assert page.errors == []


def test_output_streams_and_a_frame_shows_the_html_of_a_value(sales):
    page, panel = sales("run = flow.start()")
    panel.select("talk-1")

    output = panel.section("output")
    expect(output).to_contain_text("one row has no amount")
    expect(output).to_contain_text("stderr")
    expect(output).not_to_contain_text("last line")
    page.page.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code: 'gate.set()'}).done"
    )
    expect(output).to_contain_text("last line")
    expect(panel.section("result")).to_contain_text("amount")
    panel.screenshot("inspector-output")

    panel.select("load-1")
    frame = panel.box.frame_locator("iframe")
    expect(frame.locator("table.dataframe tr")).to_have_count(7)
    expect(panel.section("result").locator("summary").first).to_contain_text("Frame · 6 items")
    expect(panel.box.locator("iframe")).to_have_attribute("sandbox", "allow-same-origin")
    for theme in ("dark", "light"):
        page.set_theme(theme)
        panel.screenshot(f"inspector-html-{theme}")

    panel.select("part-1")
    panel.section("children").get_by_role("button", name="[1]: Failed").click()
    expect(panel.section("error")).to_contain_text("ZeroDivisionError")
    panel.screenshot("inspector-child")
    panel.box.get_by_role("button", name="part: map").click()
    expect(panel.section("children")).to_contain_text("[2]")
    assert page.errors == []


def test_everything_is_done_by_keyboard_in_a_narrow_cell(sales):
    page, panel = sales(HELD, width=720)
    keyboard = page.page.keyboard
    rows = panel.element.locator(".nbflow-tasks table")
    panel.element.locator(".nbflow-tasks [data-key='load-1']").click()
    panel.expect_shown("load")

    def tab_to(locator):
        for _ in range(40):
            if locator.evaluate("one => one === document.activeElement"):
                return
            keyboard.press("Tab")
        raise AssertionError("Tab does not reach it")

    for _ in range(2):
        keyboard.press("ArrowDown")
    panel.expect_shown("total")
    keyboard.press("Enter")
    tab_to(panel.action("rerun"))
    expect(panel.action("rerun")).to_have_attribute("aria-disabled", "true")
    keyboard.press("Enter")
    expect(panel.box.locator(".nbflow-doing-said")).to_contain_text("Not possible")
    panel.screenshot("inspector-narrow")
    page.page.keyboard.press("Shift+Tab")
    keyboard.press("Space")  # debug
    expect(panel.box.locator(".nbflow-debug-line")).to_have_text("%flow debug sales --task total-1")
    keyboard.press("Escape")
    expect(panel.action("debug")).to_be_focused()
    for _ in range(5):
        keyboard.press("Shift+Tab")
    expect(panel.action("retry")).to_be_focused()
    keyboard.press("Enter")
    expect(panel.section("history").locator("summary")).to_contain_text("2 attempts")
    keyboard.press("Escape")
    expect(panel.box).to_be_hidden()
    expect(rows).to_be_focused()
    assert panel.element.evaluate("one => one.scrollWidth <= one.clientWidth")
    assert page.errors == []
