"""Panels in a real kernel: a cell executed again and again leaves nothing behind."""

from __future__ import annotations

import json

import pytest

from tests.cells import FLOW, WORKSHOP

pytestmark = pytest.mark.kernel

COUNT = """\
import gc, json, threading
import ipywidgets
gc.collect()
flow = nbflow.flows["work"]
print(json.dumps({
    "widgets": len(ipywidgets.widgets.widget._instances),
    "threads": sorted(t.name for t in threading.enumerate() if t.name.startswith("nbflow")),
    "of the flow": len(flow._start_listeners),
    "of the runs": [len(run._record.log.listeners) for run in flow.runs],
    "panels": sum(type(one).__name__ == "Panel" for one in gc.get_objects()),
    "comms": len(get_ipython().kernel.comm_manager.comms),
    "events": len(get_ipython().events.callbacks["post_run_cell"]),
}))
"""
TIMES = 20


def count(kernel):
    return json.loads(kernel.run(COUNT).stdout)


def test_a_panel_cell_that_is_executed_again_and_again_leaves_one_panel(kernel, wait_until):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    kernel.run("run = nbflow.flows['work'].start()")
    kernel.run("%flow panel work", cell_id="panel")
    wait_until(lambda: count(kernel)["threads"] != [], what="the run's threads")
    kernel.run("%flow panel work", cell_id="panel")
    before = count(kernel)

    for _ in range(TIMES):
        kernel.run("%flow panel work", cell_id="panel")

    after = count(kernel)
    for name in ("widgets", "of the flow", "of the runs", "comms", "events"):
        assert after[name] == before[name], name
    assert after["of the flow"] == 1
    assert after["panels"] <= before["panels"] + 1  # IPython's Out and _ may hold the last ones
    kernel.run("gate.set(); run.wait(60)")
    wait_until(lambda: count(kernel)["threads"] == [], what="the end of all threads")
    assert count(kernel)["of the runs"] == [0]


def test_without_ids_of_cells_panels_stay_until_they_are_closed(kernel):
    kernel.run(WORKSHOP)
    kernel.run(FLOW)
    kernel.run("%flow panel work", cell_id="a")

    kernel.run("%flow panel work")
    kernel.run("%flow panel work")
    assert count(kernel)["of the flow"] == 3
    kernel.run("import ipywidgets; ipywidgets.Widget.close_all()")

    assert count(kernel)["widgets"] == 0
    assert count(kernel)["of the flow"] == 0
