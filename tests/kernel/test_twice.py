"""A notebook of `%%flow` cells, executed from top to bottom a second time, gives the same flow."""

from __future__ import annotations

import json

import pytest

from tests.cells import WORKSHOP

pytestmark = pytest.mark.kernel

NOTEBOOK = [
    WORKSHOP,
    '%%flow work\nn = nbflow.Parameter("n", default=3)\nwith Workshop() as place:\n    begun = first(place)',
    "%%flow work --in place\nanswer = last(place, begun)",
    "@task\ndef total(values, n):\n    return sum(values) * n",
    "%%flow work\nresult = total([begun, answer], n)",
]
GRAPH = """\
import json
flow = nbflow.flows["work"]
print(json.dumps({
    "tasks": list(flow.slugs.values()),
    "edges": sorted([flow.slugs[e.upstream_task], flow.slugs[e.downstream_task], str(e.key)] for e in flow.edges),
    "blocks": [[block.name, [flow.slugs[task] for task in block.tasks]] for block in flow.blocks],
}))"""


@pytest.mark.parametrize("with_ids", [True, False], ids=["cell ids", "no cell ids"])
def test_a_notebook_executed_twice_gives_the_same_flow_and_runs_the_same(kernel, with_ids):
    graphs, results = [], []
    for _ in range(2):
        for number, cell in enumerate(NOTEBOOK):
            kernel.run(cell, cell_id=f"cell-{number}" if with_ids else None)
        graphs.append(json.loads(kernel.run(GRAPH).stdout))
        kernel.run("%flow run work -p n=5")
        results.append(kernel.run("print(flow.runs[-1].results[result])").stdout)

    for part in ("tasks", "edges", "blocks"):
        assert sorted(map(str, graphs[0][part])) == sorted(map(str, graphs[1][part]))
    assert len(graphs[0]["tasks"]) == 8  # n, init, setup, cleanup, first, last, List, total
    assert results == ["0\n", "0\n"]
    assert kernel.children() == []
