"""The life of a panel in a page: two of one run, reloads, restarted and killed kernels, exported notebooks."""

from __future__ import annotations

import collections
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import FLOW, WORKSHOP

pytestmark = [pytest.mark.browser, pytest.mark.own_page]

PANEL = "%flow panel work"


def kernel_of(server):
    """The process of the one kernel that the server has."""
    (kernel,) = [
        child
        for child in psutil.Process(server.process.pid).children(recursive=True)
        if "ipykernel_launcher" in " ".join(child.cmdline())
    ]
    return kernel


OURS = (
    "keydown",
    "focusin",
    "pointerdown",
    "input",
    "change",
    "click",
)  # what a panel listens to outside of itself


def listeners(cdp):
    """How many listeners the window and the document have, by event; Jupyter's own of other events come and go."""
    count = collections.Counter()
    for name in ("window", "document"):
        found = cdp.send("Runtime.evaluate", {"expression": name})["result"]["objectId"]
        all_ = cdp.send("DOMDebugger.getEventListeners", {"objectId": found})["listeners"]
        count.update(one["type"] for one in all_ if one["type"] in OURS)
    return count


def expect_gone(panel, why):
    """Wait until the panel says that its kernel is gone; then nothing in it goes on and nothing can be pressed."""
    bar = panel.element.locator(".nbflow-gone-bar")
    expect(bar).to_contain_text(why)
    expect(panel.element.locator(".nbflow-controls button:enabled")).to_have_count(0)
    expect(panel.element.locator(".nbflow-open")).to_be_empty()


def expect_still(page, panel):
    """Nothing that counts seconds goes on: the page's clocks are run ahead by a minute."""
    before = panel.element.inner_text()
    page.page.evaluate(
        "() => { const now = performance.now.bind(performance); performance.now = () => now() + 60000; }"
    )
    page.page.wait_for_function(
        "() => new Promise(done => setTimeout(() => done(true), 1200))"  # one tick of the panel's clock
    )
    assert panel.element.inner_text() == before


def expect_seconds(place, least):
    """See that a time is as long as that, and more by what has passed since: one begun again never catches up."""
    place.page.wait_for_function(
        r"""([place, least, from]) => {
          const [, minutes, seconds] = place.textContent.match(/(?:(\d+) min )?([\d.]+) s/);
          const passed = (Date.now() - from) / 1000 - 1.5;  // it is told once a second
          return 60 * Number(minutes ?? 0) + Number(seconds) >= least + Math.max(0, passed);
        }""",
        arg=[place.element_handle(), least, place.page.evaluate("Date.now()")],
    )


@pytest.fixture
def running(open_notebook, notebook_of):
    """Open a notebook with a panel in its third cell, whose run waits for the fourth."""

    def open_(app="lab", *more):
        page = open_notebook(notebook_of(WORKSHOP, FLOW, PANEL, "gate.set()", *more), app=app)
        for cell in (0, 1, 2):
            page.run_cell(cell)
        panel = LivePanel(page, 2)
        panel.click("Run")
        panel.expect_row("busy-1", "Running")
        panel.expect_open("Workshop open")
        return page, panel

    return open_


def test_after_a_restart_the_panel_says_so_and_its_cell_gives_a_live_one(running):
    page, panel = running()
    page.page.evaluate("() => { jupyterapp.commands.execute('notebook:restart-kernel'); }")
    page.page.locator(".jp-Dialog .jp-mod-accept").click()

    expect_gone(panel, "The kernel was restarted: this panel shows what it last knew")
    expect(panel.element.locator(".nbflow-gone-bar")).to_contain_text("Open at that moment: Workshop")
    panel.expect_row("busy-1", "was running")
    panel.expect_state("was running")
    for theme in ("light", "dark"):
        page.set_theme(theme)
        panel.screenshot(f"panel-gone-{theme}")
    expect_still(page, panel)

    page.wait_idle()
    for cell in (0, 1, 2):
        page.run_cell(cell, wait=False)  # its number is the same as before
    expect(panel.element.locator(".nbflow-gone-bar")).to_have_count(0)
    again = LivePanel(page, 2)
    expect(again.element).to_have_count(1)
    expect(again.button("Run")).to_be_enabled()
    page.page.evaluate("() => { jupyterapp.commands.execute('notebook:shutdown-kernel'); }")
    expect_gone(again, "The kernel is gone: this panel shows its last picture")


def test_after_the_death_of_its_kernel_the_panel_says_so(running, jupyter_server):
    _, panel = running("notebook")

    kernel_of(jupyter_server("notebook")).kill()

    expect_gone(panel, "The kernel was restarted: this panel shows what it last knew")
    panel.expect_row("busy-1", "was running")
    panel.screenshot("panel-killed")


def test_a_panel_comes_back_live_when_the_page_is_loaded_again_or_the_tab_opened_again(running):
    page, panel = running()
    began = time.monotonic()
    page.save()

    page.page.reload()
    page.wait_idle()
    panel = LivePanel(page, 2)
    panel.expect_row("busy-1", "Running")
    for part in (".nbflow-head .nbflow-time", "tr[data-key='busy-1'] .nbflow-time"):
        expect_seconds(panel.element.locator(part), time.monotonic() - began - 1)  # told once a second
    expect(page.outputs(2).locator(".nbflow-static")).to_be_hidden()
    path = page.page.evaluate("jupyterapp.shell.currentWidget.context.path")
    page.page.evaluate("jupyterapp.shell.currentWidget.close()")
    page.page.evaluate("path => jupyterapp.commands.execute('docmanager:open', {path})", path)
    page.wait_idle()
    panel = LivePanel(page, 2)
    panel.expect_open("Workshop open")
    panel.click("Cancel")

    panel.expect_state("Cancelled")
    panel.expect_open()


def test_panels_of_one_run_stay_in_step_and_those_of_a_cell_executed_again_are_gone(running):
    page, one = running("lab", PANEL)
    page.run_cell(4)
    two = LivePanel(page, 4)
    two.expect_row("busy-1", "Running")
    cdp = page.page.context.new_cdp_session(page.page)
    before = listeners(cdp)
    assert before["keydown"] > 0
    for _ in range(3):
        page.run_cell(4)
    two = LivePanel(page, 4)
    one.click("Pause")
    page.run_cell(3)

    for panel in (one, two):
        panel.expect_state("Paused")
        panel.expect_row("busy-1", "Success")
    two.click("Resume")
    for panel in (one, two):
        panel.expect_state("Success")
        panel.expect_open()
    expect(page.page.locator(".nbflow-panel")).to_have_count(2)
    assert listeners(cdp) == before
    assert page.errors == []


def convert(path, *options):
    """Convert a notebook to HTML by nbconvert; give the page."""
    command = [sys.executable, "-m", "nbconvert", "--to", "html", *options, str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    return path.with_suffix(".html")


def test_exported_pages_show_the_last_picture(notebook_of, chromium, tmp_path, shots):
    path = tmp_path / "exported.ipynb"
    run = "run = nbflow.flows['work'].start()\ngate.set()\nstate = run.wait(30)"
    nbformat.write(notebook_of(WORKSHOP, FLOW, PANEL, run), path)
    pages = {
        "executed": convert(path, "--execute", "--output", "executed.html").with_name("executed.html"),
    }
    executed = tmp_path / "saved.ipynb"
    to_notebook = ["--to", "notebook", "--execute", "--output", executed.name, str(path)]
    subprocess.run([sys.executable, "-m", "nbconvert", *to_notebook], check=True, capture_output=True, timeout=180)
    saved = nbformat.read(executed, as_version=4)
    assert "widgets" in saved.metadata
    pages["dark"] = convert(executed, "--theme", "dark", "--output", "dark.html").with_name("dark.html")
    del saved.metadata["widgets"]  # as JupyterLab saves it
    nbformat.write(saved, executed)
    pages["plain"] = convert(executed, "--template", "basic", "--output", "plain.html").with_name("plain.html")

    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme, viewport={"width": 1000, "height": 1800})
        context.route("http*://**", lambda route: route.abort())
        page = context.new_page()
        for name, file in pages.items():
            page.goto(file.as_uri())
            static = page.locator(".nbflow-static").last
            expect(static.locator("svg").first).to_be_visible()
            expect(static).to_contain_text("Success")
            expect(page.get_by_text("Error displaying widget")).to_be_hidden()
            shots.mkdir(parents=True, exist_ok=True)
            static.scroll_into_view_if_needed()
            page.screenshot(path=shots / f"export-{name}-{scheme}.png")
        context.close()
