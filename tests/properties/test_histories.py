"""One Run all gives the flow of a fresh kernel (C4), after any history; `histories.py` plays more of them."""

from __future__ import annotations

import os
import random

import pytest

from nbflow.core.graph import Graph
from nbflow.notebook.cells import cell_change
from nbflow.notebook.cells.assemble import assemble
from nbflow.notebook.cells.flow_cells import cells_of
from tests.properties.histories import IDS, judge

NUMBER = int(os.environ.get("NBFLOW_CAMPAIGN", "0")) or 6


@pytest.fixture
def quiet_shell(shell, monkeypatch):
    """The shell, with outputs as text."""
    publish = lambda data, *args, **kwargs: print(data.get("text/plain", ""))  # noqa: E731
    monkeypatch.setattr(shell.display_pub, "publish", publish)
    return shell


@pytest.mark.parametrize("pauses", [True, False], ids=["pauses", "no pauses"])
@pytest.mark.parametrize("ids", IDS)
def test_no_history_makes_run_all_differ_in_silence(quiet_shell, ids, pauses):
    begin = random.randrange(1_000_000) if "NBFLOW_CAMPAIGN" in os.environ else 0

    for seed in range(begin, begin + NUMBER):
        verdict = judge(quiet_shell, seed, ids, pauses)

        assert verdict.word in ("same", "named"), verdict.text


@pytest.mark.parametrize("ids", ["stable", "none"])
def test_putting_new_tasks_in_the_place_of_former_ones_gives_what_putting_all_together_gives(
    quiet_shell, ids, monkeypatch
):
    exchange, compared = cell_change.exchange, []

    def compare(graph, before, without, constants, book, one, former, missing):
        is_done = exchange(graph, before, without, constants, book, one, former, missing)
        if is_done:
            Graph.validate(graph)
            found = books_of(graph), {key: edges for key, (_, edges) in missing.resolved.items()}
            missing = cells_of(graph).missing(book, missing.changed)
            assemble(graph, book, missing)
            compared.append(found)
            wanted = books_of(graph), {key: edges for key, (_, edges) in missing.resolved.items()}
            assert found == wanted
        return is_done

    monkeypatch.setattr(cell_change, "exchange", compare)

    for seed in range(100, 104):
        judge(quiet_shell, seed, ids)

    assert compared


def books_of(graph):
    """All that a graph keeps books of."""
    return {
        "declared": list(graph._declared.items()),
        "sets": (frozenset(graph._tasks), frozenset(graph._edges)),
        "slugs": (list(graph.slugs.items()), graph._slugs_taken, graph._slug_numbers, graph._number),
        "edges": graph._edge_list,
        "neighbours": ({**graph._in}, {**graph._out}),
        "constants": {task: [(k, id(v)) for k, v in c.items()] for task, c in graph.constants.items() if c},
        "references": graph._reference_tasks,
        "blocks": [(block, block.parent, block.members) for block in graph.blocks],
        "order": graph.sorted_tasks(),
    }
