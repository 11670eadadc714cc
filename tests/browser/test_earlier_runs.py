"""A kernel dies in the middle of a run: the next one's panel lists the run, and goes on with what is left of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.axe import check
from tests.browser.live_panel import LivePanel
from tests.browser.test_life import kernel_of

pytestmark = [pytest.mark.browser, pytest.mark.own_page]

FLOW = """
import os, time
import nbflow
from nbflow import Flow, task
%load_ext nbflow

def note(text):
    with open({folder!r} + "/called", "a") as file:
        file.write(text)

@task(files=False)
def load():
    note("load ")
    return [1, 2]

@task(files=False)
def clean(rows):
    note("clean ")
    while not os.path.exists({folder!r} + "/gate"):
        time.sleep(0.05)
    return rows

@task(files=False)
def report(rows):
    note("report ")
    return sum(rows)

with Flow("sales", store={folder!r} + "/kept") as flow:
    report(clean(load()))
"""
START = "%flow start sales --name nightly --tag large --note 'before the <b>move</b>'"
PANEL = "%flow panel sales"


@pytest.fixture(params=["lab", "notebook"])
def dead(request, open_notebook, notebook_of, jupyter_server, tmp_path):
    """The panel of a kernel whose predecessor was killed while a task ran."""
    flow = FLOW.format(folder=str(tmp_path))
    page = open_notebook(notebook_of(flow, START, PANEL, flow.replace("[1, 2]", "[1, 2, 3]")), app=request.param)
    for cell in (0, 1, 2):
        page.run_cell(cell)
    before = LivePanel(page, 2)
    before.expect_row("clean-1", "Running")

    kernel_of(jupyter_server(request.param)).kill()

    expect(before.element.locator(".nbflow-gone-bar")).to_contain_text("The kernel was restarted")
    page.page.locator(".jp-Dialog .jp-mod-accept").click()  # it tells of the death, too
    page.wait_idle()
    (tmp_path / "gate").write_text("")
    for cell in (0, 2):
        page.run_cell(cell, wait=False)  # its number may be the same as before
    again = LivePanel(page, 2)
    expect(again.element.locator(".nbflow-gone-bar")).to_have_count(0)
    expect(again.button("Run")).to_be_enabled()
    return page, again


def test_the_run_of_the_dead_kernel_is_listed_and_resume_runs_only_what_is_left(dead, tmp_path):
    page, panel = dead
    panel.element.get_by_role("tab", name="Runs").click()
    earlier = panel.element.locator(".nbflow-earlier")
    expect(earlier.locator("tbody")).to_contain_text("its kernel ended before it did")
    expect(earlier.locator(".nbflow-runs-what")).to_contain_text("nightly")
    expect(earlier.locator(".nbflow-runs-what")).to_contain_text("before the <b>move</b>")
    for theme in ("light", "dark"):
        page.set_theme(theme)
        panel.screenshot(f"earlier-runs-{theme}")

    earlier.get_by_role("button", name="Resume run 1 of an earlier kernel").click()
    plan = panel.element.locator(".nbflow-plan")
    expect(plan).to_contain_text("Resume stored run 1 (nightly)")
    expect(plan).to_contain_text("2 tasks run, 1 is reused")
    panel.screenshot("earlier-runs-plan")
    plan.get_by_role("button", name="Resume now").click()

    panel.expect_state("Success")
    panel.expect_number(2)
    assert (tmp_path / "called").read_text().split() == ["load", "clean", "clean", "report"]


@pytest.mark.parametrize("dead", ["lab"], indirect=True)
def test_after_a_change_of_code_resume_asks_what_is_to_run(dead, tmp_path):
    page, _ = dead
    page.run_cell(3)
    page.run_cell(2)
    panel = LivePanel(page, 2)
    panel.element.get_by_role("tab", name="Runs").click()
    panel.element.get_by_role("button", name="Resume run 1 of an earlier kernel").click()
    plan = panel.element.locator(".nbflow-plan")
    expect(plan).to_contain_text("Something has changed since. Say what is to run:")
    expect(plan).to_contain_text("load-1: its code has changed")
    panel.screenshot("earlier-runs-changed")
    assert check(page.page, ".nbflow-panel").wrong == []

    plan.get_by_role("button", name="Run what has changed").press("Enter")
    expect(plan).to_contain_text("3 tasks run")
    expect(plan.get_by_role("button", name="Resume now")).to_be_focused()
    page.page.keyboard.press("Enter")

    panel.expect_state("Success")
    assert (tmp_path / "called").read_text().split() == ["load", "clean", "load", "clean", "report"]
