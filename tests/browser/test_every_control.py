"""Every control of the panel in both applications and themes, by mouse and by keys alone, and what the kernel then did.

What single controls do in more situations is in the tests of their views.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.hands import EVERY_WAY, HANDS
from tests.browser.live_panel import LivePanel
from tests.cells import FLOW, REPORT, WORKSHOP

pytestmark = pytest.mark.browser

AFTER = f"""{FLOW}after = task(lambda value: value, name="after")(answer)"""
SHOP_STATES = """\
run = nbflow.flows['work'].runs[-1]
print(run.number, type(run.state).__name__, sum(s.is_finished() for s in run.states.values()), run.hold_on_failure)"""
REPORTED = """\
run = flow.runs[-1]
values = {task.name: run.results.get(task) for task in (*flow.parameters(), fitted, result)}
print(len(flow.runs), type(run.state).__name__, dict(sorted(values.items())))"""
FIXED = """\
run = flow.runs[-1]
print(len(flow.runs), {task.name: type(run.states[task]).__name__ for task in (loaded, fitted, result)},
      run.results.get(fitted), run.sources.get(fitted), len(run.breakpoints), len(run.open_resources))"""


@pytest.fixture
def open_panel(open_notebook, notebook_of):
    """Open a notebook whose last cell holds the panel, and give the way's hand with it."""

    def open_(way, *cells, run):
        app, theme, hand = way
        page = open_notebook(notebook_of(*cells), app=app, theme=theme)
        for cell in run:
            page.run_cell(cell)
        return page, LivePanel(page, len(cells) - 1), HANDS[hand](page.page)

    return open_


@EVERY_WAY
def test_the_buttons_do_what_they_say(open_panel, way):
    cells = (WORKSHOP, AFTER, "gate.set()", "gate.clear()", SHOP_STATES, "%flow panel work")
    page, panel, hand = open_panel(way, *cells, run=(0, 1, 5))

    def press(name):
        hand.press(panel.button(name))

    press("Hold on failure")
    expect(panel.button("Hold on failure")).to_have_attribute("aria-pressed", "true")
    press("Step")
    panel.expect_row("Workshop-1", "Success")
    panel.expect_state("Paused")
    expect(panel.button("Step")).to_be_focused()  # it was disabled meanwhile
    page.expect_says(4, "1 Paused 1 True")
    press("Step block")
    panel.expect_row("busy-1", "Running")
    panel.expect_open("Workshop open")
    page.run_cell(2)
    panel.expect_row("Workshop.cleanup-1", "Success")
    panel.expect_open()
    page.expect_says(4, "1 Paused 6 True")
    press("Cancel")
    panel.expect_state("Cancelled")

    page.run_cell(3)
    press("Run")
    panel.expect_number(2)
    panel.expect_row("busy-1", "Running")
    press("Pause")
    page.run_cell(2)
    panel.expect_state("Paused")
    panel.expect_open("Workshop open")
    page.expect_says(4, "2 Paused 4 True")
    press("Hold on failure")
    expect(panel.button("Hold on failure")).to_have_attribute("aria-pressed", "false")
    press("Resume")
    panel.expect_state("Success")
    panel.expect_open()

    page.expect_says(4, "2 Success 7 False")
    press("keys of the panel")
    expect(panel.element.get_by_role("dialog", name="Keys of the panel")).to_be_visible()
    hand.press(panel.element.get_by_role("dialog", name="Keys of the panel").get_by_role("button"))
    expect(panel.element.get_by_role("dialog", name="Keys of the panel")).to_be_hidden()
    assert page.errors == []


@EVERY_WAY
def test_the_form_is_filled_in_and_the_run_gets_it(open_panel, way):
    page, panel, hand = open_panel(way, REPORT, REPORTED, "flow.panel()", run=(0, 2))
    form = panel.element.locator(".nbflow-entries")

    def field(name):
        return form.get_by_label(name, exact=True)

    hand.press(panel.button("Run"))
    panel.expect_state("Failed")
    expect(form.locator(".nbflow-entries-summary")).to_contain_text("rows = 100")
    hand.press(panel.button("Parameters"))
    hand.write(field("rows"), "250")
    hand.slide_to_end(form.locator(".noUi-handle"))
    hand.date(field("day"), 2026, 2, 1)
    hand.press(field("limit is None"))
    hand.write(field("limit"), "7")
    hand.choose(field("method"), "exact")
    hand.press(field("dry"))
    hand.write(field("label"), "['b', 2]")
    hand.write(field("by"), "you")
    expect(form).to_contain_text("8 edited, not run yet")
    panel.screenshot(f"form-{'-'.join(way)}")
    hand.press(panel.button("Run"))
    panel.expect_number(2)
    panel.expect_state("Success")

    page.expect_says(
        1, "2 Success", "'rows': 250", "'share': 1.0", "datetime.date(2026, 2, 1)", "'limit': 7",
        "'method': 'exact'", "'dry': True", "'label': ['b', 2]", "'report': '250 rows by you'",
    )  # fmt: skip
    expect(form.locator(".nbflow-entries-summary")).to_contain_text("rows = 250")
    hand.press(panel.button("Reset"))
    expect(field("rows")).to_have_value("100")
    hand.press(panel.button("Run"))
    panel.expect_number(3)
    panel.expect_state("Failed")
    page.expect_says(1, "3 Failed", "'rows': 100", "'share': 0.5", "'limit': None", "'by': 'me'")
    hand.write(field("label"), "no literal")
    hand.press(panel.button("Run"))
    problem = panel.element.locator(".nbflow-problem")
    expect(problem).to_contain_text("label")
    hand.press(problem.get_by_role("button", name="Dismiss"))
    expect(problem).to_be_hidden()
    page.expect_says(1, "3 Failed")
    assert page.errors == []


@EVERY_WAY
def test_a_plan_is_shown_and_followed_and_runs_are_compared(open_panel, way):
    page, panel, hand = open_panel(way, REPORT, REPORTED, "flow.panel()", run=(0, 2))
    plan = panel.element.get_by_role("dialog", name="Rerun")
    what = panel.element.get_by_label("What to rerun")
    planned = panel.element.locator(".nbflow-graph g.nbflow-planned")
    hand.press(panel.button("Run"))
    panel.expect_state("Failed")
    hand.press(panel.button("Parameters"))
    hand.choose(panel.element.get_by_label("method", exact=True), "exact")

    expect(what.locator("option:checked")).to_have_text("what failed")  # as the panel suggests
    hand.press(panel.button("Rerun"))
    expect(plan).to_contain_text("3 tasks run, 1 block opens")
    expect(plan).to_contain_text("method = 'exact' (was 'fast')")
    expect(plan.get_by_role("button", name="Rerun now")).to_be_focused()
    expect(planned).not_to_have_count(0)
    panel.screenshot(f"plan-{'-'.join(way)}")
    hand.press(plan.get_by_role("button", name="Close"))
    expect(plan).to_be_hidden()
    expect(planned).to_have_count(0)
    page.expect_says(1, "1 Failed")
    hand.press(panel.button("Rerun"))
    hand.press(plan.get_by_role("button", name="Rerun now"))
    panel.expect_number(2)
    panel.expect_state("Success")
    expect(plan).to_be_hidden()
    page.expect_says(1, "2 Success", "'report': '100 rows by me'")

    expect(what.locator("option:checked")).to_have_text("everything")
    hand.choose(what, "what failed")
    hand.press(panel.button("Rerun"))
    expect(plan).to_contain_text("Nothing has failed.")
    expect(plan.get_by_role("button", name="Close")).to_be_focused()
    expect(panel.element.get_by_role("alert")).to_be_hidden()
    hand.press(plan.get_by_role("button", name="Close"))
    hand.pick(panel.element.locator(".nbflow-tasks table"), panel.row("report-1"))
    hand.choose(what, "from the selected task")
    hand.press(panel.button("Rerun"))
    expect(plan).to_contain_text("Rerun from report")
    hand.press(plan.get_by_role("button", name="Rerun now"))
    panel.expect_number(3)
    panel.expect_state("Success")

    hand.press(panel.element.get_by_role("tab", name="Runs"))
    runs = panel.element.locator(".nbflow-runs-table tbody tr[data-run]")
    expect(runs).to_have_count(3)
    expect(runs.nth(2)).to_contain_text("Failed")
    expect(panel.element.locator(".nbflow-runs-what").nth(1)).to_contain_text("method = 'exact'")
    for number in (1, 2):
        hand.press(panel.element.get_by_role("checkbox", name=f"run {number}, to be compared"))
    hand.press(panel.button("Compare run 1 and run 2"))
    compared = panel.element.get_by_role("region", name="Run 1 and run 2")
    expect(compared).to_contain_text("2 of 6 tasks differ in state, value or code.")
    expect(compared.get_by_role("row", name="load")).to_contain_text("= same")
    expect(compared.get_by_role("row", name="method")).to_contain_text("≠ different")
    panel.screenshot(f"compared-{'-'.join(way)}")
    hand.press(compared.get_by_role("checkbox", name="Show only what differs"))
    expect(compared.get_by_role("row", name="load")).to_have_count(0)
    hand.press(panel.button("Show run 1"))
    panel.expect_number(1)
    panel.expect_state("Failed")
    expect(runs.nth(2)).to_contain_text("shown")
    page.expect_says(1, "3 Success")
    assert page.errors == []


@EVERY_WAY
def test_a_held_failure_is_fixed_from_the_inspector(open_panel, way):
    page, panel, hand = open_panel(way, REPORT, FIXED, "flow.panel()", run=(0, 2))
    box = panel.element.locator(".nbflow-inspector")

    def select(name):
        hand.pick(panel.element.locator(".nbflow-tasks table"), panel.row(f"{name}-1"))
        expect(box).to_have_attribute("aria-label", f"details of {name}")

    def act(name):
        action = box.locator(f".nbflow-act-{name}")
        expect(action).to_have_attribute("aria-disabled", "false")
        hand.press(action)
        return action

    def attempts(count):
        history = box.locator("[data-section=history] summary")
        expect(history).to_contain_text(f"{count} attempts")

    hand.press(panel.button("Hold on failure"))
    hand.press(panel.button("Run"))
    panel.expect_row("fit-1", "Failed")
    panel.expect_state("Failed at fit, held")
    panel.expect_open("Desk open")
    select("fit")
    expect(box).to_contain_text("ValueError: too fast")
    act("retry")
    attempts(2)
    hand.press(panel.element.locator(".nbflow-command-retry"))
    attempts(3)
    debug = act("debug")
    expect(box.locator(".nbflow-debug-line")).to_have_text("%flow debug report --task fit-1")
    hand.press(box.get_by_role("button", name="Cancel"))
    expect(debug).to_be_focused()
    expect(box.locator(".nbflow-debug-line")).to_have_count(0)

    hand.press(panel.element.locator(".nbflow-command-skip"))
    panel.expect_row("fit-1", "Skipped")
    panel.expect_open("Desk open")
    hand.press(panel.button("Undo"))
    panel.expect_row("fit-1", "Failed")
    panel.expect_state("Failed at fit, held")
    expect(panel.element.locator(".nbflow-command-undo")).to_be_disabled()

    act("set")
    hand.write(box.get_by_label("New value"), "1 +")
    hand.press(box.get_by_role("button", name="Set", exact=True))
    expect(box.get_by_role("alert")).to_contain_text("no Python expression")
    expect(box.get_by_label("New value")).to_have_value("1 +")
    hand.write(box.get_by_label("New value"), "'1' + '2'")
    hand.press(box.get_by_role("button", name="Set", exact=True))
    panel.expect_row("fit-1", "Success")
    expect(box.locator("[data-section=result]")).to_contain_text("'12'")
    expect(box.locator(".nbflow-value")).to_have_text("set by you")
    expect(box.locator(".nbflow-act-set")).to_be_focused()
    pin = act("pin")
    expect(pin).to_have_attribute("aria-pressed", "true")
    page.expect_says(1, "'fit': 'Success', 'report': 'Pending'", "12 pinned 0 1")

    select("report")
    act("break")
    hand.write(box.get_by_label("Only if"), "text == '12'")
    hand.press(box.get_by_role("button", name="Set", exact=True))
    stop = box.locator(".nbflow-act-break")
    expect(stop).to_have_attribute("aria-pressed", "true")
    page.expect_says(1, "12 pinned 1 1")
    pauses = panel.element.locator(".nbflow-breakpoints")
    expect(pauses).to_contain_text("before report, if text == '12'")
    hand.press(panel.button("Resume"))
    panel.expect_open()
    panel.expect_state("Paused before report")
    panel.screenshot(f"stopped-{'-'.join(way)}")
    hand.press(stop)
    expect(stop).to_have_attribute("aria-pressed", "false")
    act("break")
    hand.choose(box.get_by_label("Pause", exact=True), "after it ended well")
    hand.press(box.get_by_role("button", name="Set", exact=True))
    expect(stop).to_have_attribute("aria-pressed", "true")
    expect(pauses).to_contain_text("after report")
    hand.press(pauses.get_by_role("button", name="Clear all"))
    expect(pauses).to_be_hidden()
    expect(stop).to_have_attribute("aria-pressed", "false")
    page.expect_says(1, "12 pinned 0 0")
    act("skip")
    panel.expect_row("report-1", "Skipped")
    panel.expect_state("Success")
    act("rerun")
    plan = panel.element.get_by_role("dialog", name="Rerun")
    expect(plan).to_contain_text("Rerun from report")
    hand.press(plan.get_by_role("button", name="Close"))
    hand.press(box.get_by_role("button", name="Close the details"))
    expect(box).to_be_hidden()
    page.expect_says(1, "1 {'load': 'Success', 'fit': 'Success', 'report': 'Skipped'}")
    assert page.errors == []


@EVERY_WAY
def test_the_views_are_moved_searched_and_folded(open_panel, way):
    page, panel, hand = open_panel(way, REPORT, "print(run.number, len(flow.runs))", "flow.panel()", run=(0, 2))
    graph = panel.element.locator(".nbflow-graph")
    tools = panel.element.get_by_role("toolbar", name="zoom and fold")
    table = panel.element.locator(".nbflow-tasks table")
    hand.press(panel.button("Hold on failure"))
    hand.press(panel.button("Run"))
    panel.expect_state("held")

    scale = panel.element.locator(".nbflow-scale")
    hand.press(scale)
    expect(scale).to_have_text("100 %")
    hand.press(tools.get_by_role("button", name="zoom in"))
    expect(scale).to_have_text("130 %")
    hand.press(tools.get_by_role("button", name="zoom out"))
    expect(scale).to_have_text("100 %")
    hand.press(tools.get_by_role("button", name="zoom in"))
    hand.press(tools.get_by_role("button", name="fit"))
    expect(scale).not_to_have_text("130 %")
    hand.walk(graph, panel.node("load-1"))
    panel.expect_selected("load-1")
    expect(panel.element.locator(".nbflow-inspector")).to_have_attribute("aria-label", "details of load")
    hand.press(tools.get_by_role("button", name="fold all", exact=True))
    expect(panel.node("load-1")).to_have_count(0)
    expect(tools.get_by_role("button", name="unfold all")).to_be_focused()
    hand.press(tools.get_by_role("button", name="unfold all"))
    expect(panel.node("load-1")).to_be_visible()

    search = panel.element.get_by_label("search tasks")
    hand.write(search, "rep")
    expect(panel.element.locator(".nbflow-found")).to_have_text(re.compile("1 of"))
    hand.write(search, " ")
    states = panel.element.locator(".nbflow-states-button")
    hand.press(states)
    hand.press(panel.element.locator(".nbflow-states-menu").get_by_role("checkbox", name=re.compile("Failed")).first)
    expect(states).to_have_attribute("aria-label", re.compile("filter by state: failed"))
    hand.press(panel.button("Show all"))
    expect(states).to_have_attribute("aria-label", "filter by state")
    hand.pick(table, panel.row("fit-1"))
    panel.expect_selected("fit-1")

    hand.press(panel.button("Resume"))  # a run that lasted: so short a one as it would have been cannot be zoomed
    panel.expect_state("Failed")
    hand.press(panel.element.get_by_role("tab", name="Timeline"))
    timeline = panel.element.get_by_role("listbox", name="timeline of the tasks")
    hand.press(panel.element.locator(".nbflow-timezoom").get_by_role("button", name="zoom in"))
    page.page.wait_for_function("view => view.scrollWidth > view.clientWidth", arg=timeline.element_handle())
    hand.press(panel.element.locator(".nbflow-timezoom").get_by_role("button", name="fit all times"))
    page.page.wait_for_function("view => view.scrollWidth === view.clientWidth", arg=timeline.element_handle())
    hand.pick(timeline, timeline.locator("[data-key='load-1']"))
    expect(panel.element.locator(".nbflow-inspector")).to_have_attribute("aria-label", "details of load")
    hand.press(panel.element.get_by_role("tab", name="Graph"))
    panel.expect_selected("load-1")
    assert page.page.locator(".jp-Notebook .jp-Cell").count() == 3  # no key meant anything to the notebook
    assert page.errors == []
