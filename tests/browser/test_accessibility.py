"""The panel held to the rules of WCAG that a program can check, in every view and state, light and dark."""

from __future__ import annotations

from collections import Counter

import pytest

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


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_axe_finds_nothing_wrong_with_the_panel_in_any_view_or_state(opened, app):
    page, panel = opened(app)
    wrong: dict[tuple[str, str], list[str]] = {}
    passed: Counter[str] = Counter()

    def look(when):
        for theme in ("dark", "light"):
            page.set_theme(theme)
            panel.settle()
            found = axe.check(page.page, ".nbflow-panel")
            passed.update(found.passed)
            # Text in a drawing lies over other shapes; its contrast is measured in test_panel.py.
            odd = [one for one in found.undecided if not one.startswith("color-contrast ")]
            if found.wrong or odd:
                wrong[when, theme] = found.wrong + odd

    look("new")
    panel.click("Hold on failure")
    panel.click("Run")
    panel.expect_row("busy-1", "Running")
    look("running")
    page.run_cell(1)
    panel.expect_row("check-1", "Failed")
    panel.expect_state("Paused")
    look("held at a failure")
    for view in ("Timeline", "Runs", "Graph"):
        panel.element.get_by_role("tab", name=view).click()
        look(f"the view {view}")
    panel.click("Cancel")
    panel.expect_state("Cancelled")
    look("cancelled")

    assert wrong == {}
    assert all(passed[rule] for rule in CHECKED), passed
