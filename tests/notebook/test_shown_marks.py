"""C5: what is stale, edited, pinned, reused or has a breakpoint is marked wherever the flow is shown."""

from __future__ import annotations

import pytest

from nbflow import flows
from tests.patience import PATIENCE_S

CELLS = (
    "def factor():\n    return 2",
    "@task\ndef scale(x):\n    return factor() * x",
    "%%flow example --no-show\ndata = load(3)\ntotal = scale(data)\nlast = double(total)",
)


def text(cell):
    return "\n".join(output.get("text/plain", "") for output in cell.outputs)


@pytest.fixture
def example(notebook):
    for number, source in enumerate(CELLS):
        notebook(source, cell_id=f"cell {number}")
    notebook("%flow run example")
    return notebook


def newest():
    return flows["example"].runs[-1]


def test_c5_a_fresh_flow_has_nothing_to_mark(example):
    assert "nothing to complain about" in text(example("%flow check example"))
    assert "stale" not in text(example("%flow show example"))
    assert "stale" not in text(example("%flow cells example"))


def test_c5_what_an_edited_helper_makes_stale_is_marked_at_once_with_the_reason(example):
    example("def factor():\n    return 3", cell_id="cell 0")

    shown = example("%flow show example")
    assert "scale: △ stale, 'factor' has changed" in text(shown)
    assert "double: △ stale, downstream of 'scale'" in text(shown)
    assert ">scale △<" in shown.outputs[0]["text/html"]
    checked = text(example("%flow check example"))
    assert "▲ hint  stale" in checked
    assert "scale: 'factor' has changed" in checked
    assert "scale: stale, 'factor' has changed" in text(example("%flow cells example"))


def test_c5_an_edited_cell_is_too(example):
    cell = example("%%flow example\ndata = load(4)\ntotal = scale(data)\nlast = double(total)", cell_id="cell 2")

    assert "load: △ stale, its argument 'n' has changed" in text(cell)


def test_c5_after_a_rerun_of_what_is_stale_nothing_is_and_the_rest_is_reused(example):
    example("def factor():\n    return 3", cell_id="cell 0")
    example("%flow rerun example stale")
    assert newest().wait(PATIENCE_S).is_successful()

    assert "nothing to complain about" in text(example("%flow check example"))
    assert "load: ↺ reused" in text(example("%flow cells example"))
    shown = example(
        "flow = None\nimport nbflow\nfrom IPython.display import display\ndisplay(nbflow.flows['example'].runs[-1])"
    )
    assert "✓ Success · ↺ reused" in text(shown)
    assert "✓ Success · ↺ reused" in shown.outputs[0]["text/html"]


def test_c5_edited_and_pinned_values_are_marked(example):
    run = newest()
    run.pin(example.names["data"])
    example("%flow start example --paused")
    example("%flow break example double")
    example("%flow set example scale 5")

    checked = text(example("%flow check example"))
    assert "edited" in checked
    assert "scale, in run 2" in checked
    assert "breakpoint" in checked
    assert "double, in run 2" in checked
    assert "double: ● breakpoint" in text(example("%flow cells example"))
    example("%flow break example double --clear")
    assert "breakpoint" not in text(example("%flow check example"))


def test_c5_a_breakpoint_for_the_runs_to_come_is_marked_where_none_is_going(example):
    example("%flow break example double --after")

    assert "double, in the next run" in text(example("%flow check example"))
    assert "double: ● breakpoint after" in text(example("%flow cells example"))
    assert "breakpoint after" in text(example("%flow show example"))


def test_c5_a_pinned_value_is_marked_in_its_run(example):
    newest().pin(example.names["data"])

    assert "◆ pinned" in newest()._repr_mimebundle_()["text/plain"]
    assert "◆ pinned" in newest()._repr_mimebundle_()["text/html"]
    assert "▲ hint  pinned" in text(example("%flow check example"))
