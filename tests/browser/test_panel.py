"""The live panel in JupyterLab and Notebook 7, light and dark, with a real process as the resource of its flow."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.cells import FLOW, WORKSHOP

pytestmark = pytest.mark.browser

PANEL = "%flow panel work"
BOTH_APPS = pytest.mark.parametrize("app", ["lab", "notebook"])

# The lowest contrast (by WCAG) between a text of the panel and what is painted behind it.
LOWEST_CONTRAST = """panel => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => rgba(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return rgba(colour)[3] === 255 ? colour : behind(element.parentElement);
  };
  const pairs = [...panel.querySelectorAll(".nbflow-badge, .nbflow-chip, .nbflow-counts, .nbflow-flow, th, td")]
    .filter(e => e.textContent && e.checkVisibility()).map(e => [getComputedStyle(e).color, behind(e)]);
  for (const text of panel.querySelectorAll(".nbflow-node text")) {
    const shape = text.closest("g.nbflow-node").querySelector(".nbflow-shape");
    pairs.push([getComputedStyle(text).fill, getComputedStyle(shape).fill]);
  }
  return Math.min(...pairs.map(pair => {
    const [dark, bright] = pair.map(light).sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  }));
}"""


@pytest.fixture
def work(open_notebook, notebook_of):
    """Open a notebook whose last cell holds the panel of a flow that waits in its task `busy` for the cell before."""

    def open_(app="lab", flow=FLOW):
        page = open_notebook(notebook_of(WORKSHOP, flow, "gate.set()", PANEL), app=app)
        for cell in (0, 1, 3):
            page.run_cell(cell)
        return page, LivePanel(page, 3)

    return open_


@BOTH_APPS
def test_run_shows_every_state_as_it_comes_and_the_resource_while_it_is_open(work, kernel_children, app):
    page, panel = work(app)
    panel.record()

    panel.click("Run")
    panel.expect_row("busy-1", "Running")
    panel.expect_open("Workshop open")
    server = kernel_children(app)
    panel.screenshot(f"panel-running-{app}")
    page.run_cell(2)  # the page and the kernel are free while the run goes
    panel.expect_state("Success")
    panel.expect_open()

    seen = panel.seen()
    assert [state for state in seen["busy-1"] if state != "Pending"] == ["NotRun", "Running", "Success"]
    assert (seen["last-1"][0], seen["last-1"][-1]) == ("NotRun", "Success")
    assert [status for status in seen["block--Workshop-1"] if status in ("open", "cleaned")] == [
        "open",
        "cleaned",
    ]
    assert len(server) == 1
    assert kernel_children(app) == []
    assert page.errors == []
    panel.screenshot(f"panel-success-{app}")


def test_step_holds_the_resource_open_and_cancel_closes_it(work, kernel_children):
    app = "lab"
    page, panel = work(app)

    for task in ("Workshop-1", "Workshop.setup-1", "first-1"):
        panel.click("Step")
        panel.expect_row(task, "Success")
    panel.expect_state("Paused")
    panel.expect_open("Workshop open")
    held = kernel_children(app)
    panel.screenshot(f"panel-held-{app}")
    panel.click("Cancel")
    panel.expect_state("Cancelled")

    panel.expect_open()
    panel.expect_row("last-1", "Cancelled")
    expect(panel.button("Cancel")).to_be_disabled()
    expect(panel.button("Run")).to_be_enabled()
    assert len(held) == 1
    assert kernel_children(app) == []
    assert page.errors == []
    panel.screenshot(f"panel-cancelled-{app}")


def test_every_text_is_legible_in_light_and_in_dark(work):
    page, panel = work()
    lowest = {}
    for when in ("new", "held", "cancelled"):
        if when == "held":
            for task in ("Workshop-1", "Workshop.setup-1"):
                panel.click("Step")
                panel.expect_row(task, "Success")
        if when == "cancelled":
            panel.click("Cancel")
            panel.expect_state("Cancelled")
        for theme in ("dark", "light"):
            page.set_theme(theme)
            panel.settle()
            lowest[when, theme] = panel.element.evaluate(LOWEST_CONTRAST)
            panel.screenshot(f"panel-{when}-{theme}")

    assert min(lowest.values()) >= 4.5, lowest


def test_a_button_that_fails_shows_its_error_in_the_panel(work):
    page, panel = work(flow=f'{FLOW}needed = nbflow.Parameter("needed", required=True)\nlast(1, needed)')

    panel.click("Run")

    problem = panel.element.get_by_role("alert")
    expect(problem).to_contain_text("ParameterError")
    expect(problem).to_contain_text("needed")
    assert page.errors == []
    panel.screenshot("panel-error")


def test_text_of_users_is_shown_as_text(work):
    name, error = "<b>bold</b> & <img src=x onerror=alert(1)>", "<i>no</i>"
    odd = f"@task(name={name!r})\ndef odd(place):\n    raise ValueError({error!r})\n"
    page, panel = work(flow=FLOW.replace("\n", "\n" + odd, 1) + "    odd(place)")
    page.run_cell(2)

    panel.click("Run")
    panel.expect_state("Failed")

    text = panel.element.inner_text()
    assert name in text
    assert error in text
    assert panel.element.locator("b, i:not(.fa), img").count() == 0
    assert page.errors == []
    panel.screenshot("panel-failed")


def test_a_run_that_a_magic_starts_is_shown_in_the_open_panel(open_notebook, notebook_of):
    page = open_notebook(notebook_of(WORKSHOP, FLOW, PANEL, "gate.set()\n%flow run work"))
    for cell in (0, 1, 2):
        page.run_cell(cell)
    panel = LivePanel(page, 2)

    page.run_cell(3)

    panel.expect_state("Success")
    expect(page.outputs(3)).to_contain_text("Success")  # the cell has a picture of its own
    assert page.errors == []


def test_a_saved_notebook_shows_the_last_picture_without_a_kernel(work, open_notebook):
    page, panel = work()
    page.run_cell(2)
    panel.click("Run")
    panel.expect_state("Success")
    copy = page.outputs(3).locator(".nbflow-static")
    expect(copy).to_be_hidden()
    expect(copy).to_contain_text("Success")  # it follows the panel within moments
    saved = page.save()

    reopened = open_notebook(saved)

    static = reopened.outputs(3).locator(".nbflow-static")
    expect(static.locator("svg").first).to_be_visible()
    expect(static).to_contain_text("Success")
    expect(static).to_contain_text("cleaned")
    expect(reopened.outputs(3).locator(".nbflow-panel")).to_have_count(0)
    expect(reopened.outputs(3).get_by_text("Error displaying widget")).to_be_hidden()
    reopened.cell(3).scroll_into_view_if_needed()
    for theme in ("light", "dark"):
        reopened.set_theme(theme)
        reopened.screenshot(f"panel-reopened-{theme}")
