"""The panel held to the rules of WCAG that a program can check, in every view and state, light and dark."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.live_panel import LivePanel

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLOW = """\
%load_ext nbflow
import threading
import nbflow
from nbflow import Parameter, case, resource_manager, task

gate = threading.Event()

@resource_manager
def Workshop():
    yield "place"

@task
def load(place, rows):
    print("loading", rows)
    return list(range(rows))

@task
def square(number):
    return number * number

@task
def busy(place, squares):
    gate.wait(60)
    return sum(squares)

@task
def check(total):
    raise ValueError(f"{total} is not right")

@task
def report(total):
    return total

with nbflow.Flow("work") as flow:
    rows = Parameter("rows", default=4)
    with Workshop() as place:
        numbers = load(place, rows)
        total = busy(place, square.map(numbers))
        checked = check(total)
    report(checked)
"""


# Rules that a panel cannot hold by having nothing that they are about.
CHECKED = ("aria-progressbar-name", "button-name", "color-contrast", "svg-img-alt", "target-size")


@pytest.fixture
def opened(open_notebook, notebook_of):
    """Open a notebook with the panel of a flow whose task `busy` waits, and whose task `check` fails."""

    def open_(app):
        page = open_notebook(notebook_of(FLOW, "gate.set()", "flow.panel()"), app=app)
        for cell in (0, 2):
            page.run_cell(cell)
        return page, LivePanel(page, 2)

    return open_


@pytest.mark.timeout(300)  # a long story, told once for each application
@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_axe_finds_nothing_wrong_with_the_panel_in_any_view_or_state(opened, app):
    page, panel = opened(app)
    wrong: dict[tuple[str, str], list[str]] = {}
    passed: Counter[str] = Counter()

    themes = ["light", "dark"]

    def look(when, within=".nbflow-panel"):
        for number, theme in enumerate(themes):
            if number:
                page.set_theme(theme)
            panel.settle()
            # What is not about colours is the same in both.
            found = axe.check(page.page, within, axe.RULES if number == 0 else axe.COLOURS)
            passed.update(found.passed)
            # Text in a drawing lies over other shapes; its contrast is measured in test_panel.py.
            odd = [one for one in found.undecided if not one.startswith("color-contrast ")]
            if found.wrong or odd:
                wrong[when, theme] = found.wrong + odd
        themes.reverse()  # the next look begins in the theme that is shown

    look("new")
    panel.click("Parameters")
    panel.click("filter by state")
    look("new, with the form and the choice of states open")
    page.page.keyboard.press("Escape")
    panel.click("Parameters")
    panel.click("Hold on failure")
    panel.click("Run")
    panel.expect_row("busy-1", "Running")
    look("running")
    page.run_cell(1)
    panel.expect_row("check-1", "Failed")
    panel.expect_state("Failed at check, held")

    inspector = panel.element.locator(".nbflow-inspector")
    for key, expected in (
        ("check-1", "ValueError"),
        ("square-1", "Children"),
        ("load-1", "loading 4"),
        ("block--Workshop-1", "Workshop"),
    ):
        panel.node(key).click(position={"x": 8, "y": 8})
        expect(inspector).to_contain_text(expected)
        open_all(inspector)
        look(f"{key} inspected")
    panel.node("check-1").click()
    for action in ("Set value…", "Breakpoint…"):
        inspector.get_by_role("button", name=action, exact=True).click()
        look(f"the form of {action}")
    page.page.keyboard.press("Escape")

    panel.fold("block--Workshop-1").click()
    expect(panel.node("load-1")).to_have_count(0)
    panel.element.get_by_role("searchbox").fill("lo")
    look("a block folded, and something searched for")
    panel.element.get_by_role("searchbox").fill("")
    panel.element.get_by_role("tab", name="Timeline").click()
    look("the timeline")
    panel.click("keys of the panel")
    look("the help", within=".nbflow-help")
    page.page.keyboard.press("Escape")
    panel.click("Cancel")
    panel.expect_state("Cancelled")

    panel.click("Rerun")
    expect(panel.element.get_by_role("dialog", name="Rerun")).to_be_visible()
    look("a plan shown")
    panel.click("Rerun now")
    panel.expect_number(2)
    panel.click("Cancel")
    panel.expect_state("Cancelled")
    panel.element.get_by_role("tab", name="Runs").click()
    expect(panel.element.locator(".nbflow-runs-table tbody tr[data-run]")).to_have_count(2)
    look("the runs")
    for number in (1, 2):
        panel.element.get_by_role("checkbox", name=f"run {number}, to be compared").check()
    panel.click("Compare run 1 and run 2")
    expect(panel.element.get_by_role("region", name="Run 1 and run 2")).to_be_visible()
    look("two runs compared")
    if app == "lab":
        page.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    page.page.set_viewport_size({"width": 480, "height": 1000})
    for view in ("Graph", "Timeline", "Runs"):
        panel.element.get_by_role("tab", name=view).click()
        look(f"{view}, in a narrow cell")

    assert wrong == {}
    assert all(passed[rule] for rule in CHECKED), passed


def open_all(element):
    """Open everything in an element that can be folded."""
    element.evaluate("element => element.querySelectorAll('details').forEach(one => { one.open = true; })")
