"""A run that is held at its failure and fixed by clicking: the story that the panel is there for.

A real Dask cluster is open all the while. Somebody looks at the error in the inspector, writes the function again in
a cell, has the task retried from the inspector, lets the run go on; and the cluster's processes are gone.
"""

from __future__ import annotations

import json

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.browser, pytest.mark.dask, pytest.mark.slow]

STEPS = """\
import os
import nbflow
from nbflow import task
from nbflow.resources import DaskCluster

def add_up(rows):
    return sum(row["amount"] for row in rows)

@task
def load(client):
    return [{"amount": 1}, {"amount": None}, {"amount": 3}]

@task
def total(client, rows):
    print("adding up", len(rows), "rows")
    return client.submit(add_up, rows).result()

@task
def report(amount):
    return f"it is {amount}"
"""
FLOW = """\
with nbflow.Flow("sales") as flow:
    with DaskCluster(1, cluster_kwargs={"threads_per_worker": 1, "dashboard_address": None}) as client:
        amount = total(client, load(client))
    answer = report(amount)
flow.panel()
"""
LOOK = """\
import json
workers = flow.runs[-1].results[client].run(os.getpid)
print(json.dumps(sorted(workers.values())))"""
FIXED = """\
def add_up(rows):
    return sum(row["amount"] or 0 for row in rows)
"""
ANSWER = "flow.runs[-1].results[answer]"


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_failure_is_read_fixed_and_retried_from_the_inspector_while_the_cluster_stays_open(
    open_notebook, notebook_of, app
):
    page = open_notebook(notebook_of(STEPS, FLOW, LOOK, FIXED, ANSWER), app=app)
    page.run_cell(0)
    page.run_cell(1)
    panel = LivePanel(page, 1)

    panel.click("Hold on failure")
    panel.click("Run")
    panel.expect_row("total-1", "Failed")
    panel.expect_state("Failed at total, held")
    panel.expect_open("DaskCluster open")

    panel.node("total-1").click()
    inspector = panel.element.locator(".nbflow-inspector")
    expect(inspector).to_contain_text("TypeError")
    expect(inspector).to_contain_text("unsupported operand type(s) for +: 'int' and 'NoneType'")
    expect(inspector).to_contain_text('sum(row["amount"] for row in rows)')
    expect(inspector).to_contain_text("adding up 3 rows")
    panel.screenshot(f"story-held-{app}")
    page.run_cell(2)  # the cluster can be used meanwhile
    workers = [psutil.Process(pid) for pid in json.loads(page.output_text(2))]
    assert all(worker.is_running() for worker in workers)

    page.run_cell(3)
    inspector.get_by_role("button", name="Retry", exact=True).click()
    panel.expect_row("total-1", "Success")
    panel.expect_open("DaskCluster open")
    expect(inspector.get_by_text("TypeError").first).to_be_hidden()
    panel.screenshot(f"story-fixed-{app}")
    panel.click("Resume")
    panel.expect_state("Success")
    panel.expect_open()

    page.run_cell(4)
    assert "it is 4" in page.output_text(4)
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert len(workers) == 1
    assert alive == []
    assert page.errors == []
