"""The tour in JupyterLab: its cells are run, its panel is watched and clicked, and afterwards nothing is left."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.dask.conftest import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TOUR = Path(__file__).parents[2] / "notebooks" / "01-tour.ipynb"


@pytest.fixture
def tour():
    return nbformat.read(TOUR, as_version=4)


def test_the_tour_is_run_watched_stepped_and_cancelled_and_no_process_of_its_cluster_is_left(
    lab_page, tour, kernel_children
):
    cells = {cell.id: number for number, cell in enumerate(tour.cells)}
    page = lab_page(tour)
    page.run_all(timeout_s=120)
    assert "Atlantis" in page.output_text(cells["fail-state"])
    assert kernel_children() == []
    panel = LivePanel(page, cells["panel"])
    panel.screenshot("tour-panel-of-a-run-that-failed")

    panel.record()
    panel.click("Run")
    panel.expect_open("DaskCluster open")
    wait_until(lambda: len(kernel_children()) == 2)  # one that is starting has no command line yet
    panel.expect_row("compute-1", "Running")
    panel.screenshot("tour-running")
    panel.expect_state("Success")
    panel.screenshot("tour-success")

    seen = panel.seen()
    for task in (
        "DaskCluster.setup-1",
        "load-1",
        "missing-1",
        "compute-1",
        "save-1",
        "read_back-1",
        "report-1",
    ):
        assert seen[task][-1] == "Success"
    # Other tasks may be over before the browser has drawn them once.
    assert "Running" in seen["compute-1"]
    assert seen["block--DaskCluster-1"][-2:] in (["open", "cleaned"], ["closing", "cleaned"])
    assert "open" in seen["block--DaskCluster-1"]
    panel.expect_open()
    assert kernel_children() == []

    for task in ("DaskCluster-1", "DaskCluster.setup-1", "load-1"):
        panel.click("Step")
        panel.expect_number(5)
        panel.expect_row(task, "Success")
    panel.expect_state("Paused")
    panel.expect_open("DaskCluster open")
    wait_until(lambda: len(kernel_children()) == 2)  # one that is starting has no command line yet
    panel.screenshot("tour-held")

    panel.click("Cancel")
    panel.expect_state("Cancelled")
    panel.expect_open()
    expect(panel.button("Cancel")).to_be_disabled()
    assert kernel_children() == []
    panel.screenshot("tour-cancelled")
    page.run_cell(cells["proof"])
    assert all(line.endswith(" 0") for line in page.output_text(cells["proof"]).strip().splitlines())
    assert page.errors == []
