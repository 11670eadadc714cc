"""The number that messages give a cell is the one that the front end shows."""

from __future__ import annotations

from nbflow import flows


def test_a_cell_is_called_by_its_own_number(notebook):
    cell = notebook("%%flow example --no-show\ndata = load(1)")

    assert flows["example"].cells[0].label == f"cell In [{cell.result.execution_count}]"


def test_an_ordinary_cell_is_too(notebook):
    cell = notebook("from nbflow import Flow\nwith Flow('example') as flow:\n    data = load(1)")

    assert flows["example"].cells[0].label == f"cell In [{cell.result.execution_count}]"


def test_tracebacks_give_the_same_number(notebook):
    cell = notebook("%%flow example --no-show\n1 / 0")

    assert f"Cell In[{cell.result.execution_count}], line 2" in cell.out
