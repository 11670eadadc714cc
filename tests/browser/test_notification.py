"""The browser's own notification of a run that is over: asked for by a click, told to somebody who looks elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import REPORT

pytestmark = pytest.mark.browser

# A browser without a screen shows no notification: this one stands in, and keeps what it is told.
STAND_IN = """answer => {
  window.shown = [];
  window.asked = 0;
  window.Notification = class {
    static permission = answer === "denied" ? "denied" : "default";
    static requestPermission() {
      window.asked += 1;
      this.permission = answer;
      return Promise.resolve(answer);
    }
    constructor(title, options) { window.shown.push([title, options.body]); }
  };
  document.hasFocus = () => false;
}"""


@pytest.fixture
def panel(open_notebook, notebook_of):
    page = open_notebook(notebook_of(REPORT, "flow.panel()"))
    for cell in (0, 1):
        page.run_cell(cell)
    found = LivePanel(page, 1)
    found.tab = page.page
    yield found
    assert page.errors == []


def test_a_run_that_is_over_is_told_once_after_a_click(panel):
    panel.tab.evaluate(STAND_IN, "granted")
    box = panel.element.get_by_label("Notify me")
    expect(box).not_to_be_checked()
    assert panel.tab.evaluate("window.asked") == 0

    box.check()
    panel.click("Run")
    panel.expect_state("Failed")

    panel.tab.wait_for_function("window.shown.length")
    [[title, body]] = panel.tab.evaluate("window.shown")
    assert title == "report, run 1: Failed"
    assert "failed" in body
    assert panel.tab.evaluate("localStorage.getItem('nbflow-notify')") == "yes"

    box.uncheck()
    assert panel.tab.evaluate("localStorage.getItem('nbflow-notify')") is None


def test_a_browser_that_refuses_says_so_in_words(panel):
    panel.tab.evaluate(STAND_IN, "denied")
    box = panel.element.get_by_label("Notify me")

    box.click()

    expect(panel.element.get_by_text("The browser blocks notifications of this page")).to_be_visible()
    expect(box).not_to_be_checked()
    assert panel.tab.evaluate("window.asked") == 0


def test_without_a_click_nothing_is_told(panel):
    panel.tab.evaluate(STAND_IN, "granted")

    panel.click("Run")
    panel.expect_state("Failed")
    panel.expect_number(1)

    assert panel.tab.evaluate("[window.asked, window.shown.length]") == [0, 0]
