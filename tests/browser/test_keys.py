"""The panel by keyboard alone, beside Jupyter's own keys; and what is read out meanwhile."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import FLOW, WORKSHOP

pytestmark = pytest.mark.browser

BOTH_APPS = pytest.mark.parametrize("app", ["lab", "notebook"])
FOCUS = "panel => panel.contains(document.activeElement)"
# The browser's own bar is between the last and the first element of a dialog.
WITHIN = "help => help.contains(document.activeElement) || document.activeElement === document.body"
IN_VSCODE = """panel => {
  document.body.dataset.vscodeThemeKind = "vscode-dark";
  document.body.style.setProperty("--vscode-editor-background", "rgb(20, 20, 30)");
  document.body.style.setProperty("--vscode-editor-foreground", "rgb(230, 230, 220)");
  const {backgroundColor, color} = getComputedStyle(panel);
  delete document.body.dataset.vscodeThemeKind;
  return [backgroundColor, color];
}"""
COUNT_LOST = """panel => {
  window.nbflowLost = 0;
  const look = () => {
    if (!panel.contains(document.activeElement)) window.nbflowLost++;
    requestAnimationFrame(look);
  };
  look();
}"""
RECORD_SAID = """panel => {
  window.nbflowSaid = [];
  const observer = new MutationObserver(() => {
    for (const region of panel.querySelectorAll(".nbflow-announcer > div")) {
      const said = `${region.getAttribute("aria-live")}: ${region.textContent}`;
      if (region.textContent && window.nbflowSaid.at(-1) !== said) window.nbflowSaid.push(said);
    }
  });
  observer.observe(panel.querySelector(".nbflow-announcer"), {subtree: true, childList: true});
}"""


@pytest.fixture
def work(open_notebook, notebook_of):
    """Open a notebook with the panel of a flow in its third cell; the focus is in the panel."""

    def open_(app="lab", flow=FLOW):
        page = open_notebook(notebook_of(WORKSHOP, flow, "%flow panel work", "gate.set()"), app=app)
        for cell in (0, 1, 2):
            page.run_cell(cell)
        panel = LivePanel(page, 2)
        panel.element.get_by_role("tab", name="Graph").focus()
        return page, panel

    return open_


def sources(page):
    return page.page.locator(".jp-Notebook .jp-Cell .cm-content").all_inner_texts()


def prompts(page):
    return page.page.locator(".jp-Notebook .jp-InputPrompt").all_inner_texts()


@BOTH_APPS
def test_no_key_in_the_panel_does_anything_to_a_cell(work, app):
    page, panel = work(app)
    before = sources(page), prompts(page)
    keyboard = page.page.keyboard

    for focused in (".nbflow-tab", ".nbflow-graph", ".nbflow-controls button:enabled", ".nbflow-tasks"):
        panel.element.locator(focused).first.focus()
        for key in ("x", "d", "d", "a", "b", "m", "y", "z", "0", "0", "Shift+M", "Shift+ArrowDown"):
            keyboard.press(key)
        assert panel.element.evaluate(FOCUS)
    keyboard.press("r")

    panel.expect_row("busy-1", "Running")
    assert (sources(page), prompts(page)) == before
    assert page.page.locator(".jp-Notebook .jp-MarkdownCell").count() == 0
    page.run_cell(3)
    panel.expect_state("Success")
    assert page.errors == []


@BOTH_APPS
def test_a_button_that_is_disabled_while_it_works_leaves_the_focus_in_the_panel(work, app):
    page, panel = work(app)
    panel.button("Step").focus()
    panel.element.evaluate(COUNT_LOST)

    for task in ("Workshop-1", "Workshop.setup-1"):
        expect(panel.button("Step")).to_be_focused()
        page.page.keyboard.press("Enter")
        panel.expect_row(task, "Success")

    expect(panel.button("Step")).to_be_focused()
    assert page.page.evaluate("() => window.nbflowLost") == 0
    assert page.errors == []


def test_what_has_control_in_it_is_left_to_jupyter(work):
    page, panel = work()
    before = prompts(page)[2]
    dirty = "() => jupyterapp.shell.currentWidget.context.model.dirty"
    assert page.page.evaluate(dirty)

    page.page.keyboard.press("Control+s")
    page.page.wait_for_function(f"!({dirty})()")
    panel.element.get_by_role("tab", name="Graph").focus()
    page.page.keyboard.press("Control+Enter")

    expect(page.cell(2).locator(".jp-InputPrompt")).not_to_have_text(before)
    page.wait_idle()
    LivePanel(page, 2)
    assert page.errors == []


def test_a_run_is_stepped_paused_and_cancelled_by_keys(work):
    page, panel = work()
    keyboard = page.page.keyboard

    for task in ("Workshop-1", "Workshop.setup-1"):
        panel.press("s", "Step")
        panel.expect_row(task, "Success")
    panel.expect_state("Paused")
    keyboard.press("c")  # not by accident
    panel.press("g", "Resume")
    panel.expect_row("busy-1", "Running")
    panel.press("p", "Pause")
    page.run_cell(3)
    panel.expect_state("Paused")
    panel.element.get_by_role("tab", name="Graph").focus()
    keyboard.press("h")
    expect(panel.element.locator(".nbflow-command-hold")).to_have_class(re.compile("mod-active"))
    panel.press("Shift+C", "Cancel")
    panel.expect_state("Cancelled")

    keyboard.press("2")
    expect(panel.element.get_by_role("tab", name="Timeline")).to_be_focused()
    keyboard.press("1")
    expect(panel.element.get_by_role("tab", name="Graph")).to_have_attribute("aria-selected", "true")
    assert page.errors == []


def test_what_happens_is_read_out(work):
    page, panel = work()
    panel.element.evaluate(RECORD_SAID)

    page.page.keyboard.press("t")
    page.page.wait_for_function("() => window.nbflowSaid.length === 1")
    page.page.keyboard.press("r")
    page.page.wait_for_function("() => window.nbflowSaid.some(said => said.includes('Opened'))")
    page.run_cell(3)
    page.page.wait_for_function("() => window.nbflowSaid.some(said => said.includes('ended'))")

    said = page.page.evaluate("() => window.nbflowSaid")
    assert said[0] == "polite: Retry the failed task: not possible now"
    assert any("Run 1 of work started." in text for text in said)
    assert "Run 1 ended: Success." in said[-1]
    assert all(text.startswith("polite: ") for text in said)
    assert len(said) <= 6


def test_the_help_lists_the_keys_and_gives_the_focus_back(work):
    page, panel = work()
    keyboard = page.page.keyboard
    keyboard.press("?")
    help_ = panel.element.get_by_role("dialog", name="Keys of the panel")
    expect(help_).to_be_visible()
    expect(help_.get_by_text("Cancel and clean up")).to_be_visible()
    for _ in range(3):
        keyboard.press("Tab")
        assert help_.evaluate(WITHIN)
    keyboard.press("x")
    keyboard.press("r")
    for theme in ("light", "dark"):
        page.set_theme(theme)
        page.screenshot(f"help-{theme}")

    keyboard.press("Escape")

    expect(help_).to_be_hidden()
    expect(panel.element.get_by_role("tab", name="Graph")).to_be_focused()
    expect(panel.element.locator(".nbflow-number")).to_have_text("not run yet")
    panel.element.get_by_role("button", name="keys of the panel").click()
    expect(help_).to_be_visible()
    keyboard.press("Enter")
    expect(help_).to_be_hidden()
    assert len(sources(page)) == 4
    assert page.errors == []


def test_an_error_is_dismissed_and_the_colours_of_vs_code_are_taken_where_there_are_any(work):
    page, panel = work(flow=f'{FLOW}needed = nbflow.Parameter("needed", required=True)\nlast(1, needed)')
    page.page.keyboard.press("r")
    problem = panel.element.locator(".nbflow-problem")
    expect(problem).to_contain_text("needed")

    problem.get_by_role("button", name="Dismiss").click()

    expect(problem).to_be_hidden()
    expect(panel.element.locator(".nbflow-controls button:focus")).to_have_count(1)
    colours = panel.element.evaluate(IN_VSCODE)
    assert colours == ["rgb(20, 20, 30)", "rgb(230, 230, 220)"]
    assert page.errors == []
