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


def test_cells_that_the_front_end_does_not_count_have_labels_of_their_own(notebook):
    for name in "abc":
        notebook.shell.run_cell(f"%%flow example --no-show\n{name} = load(1)", store_history=False, cell_id=name)

    numbers = [int(cell.label.removeprefix("cell In [").rstrip("]")) for cell in flows["example"].cells]

    assert numbers[1:] == [numbers[0] + 1, numbers[0] + 2]


def test_a_cell_executed_by_another_one_has_that_one_s_label(notebook):
    cell = notebook("get_ipython().run_cell('%%flow example --no-show\\ndata = load(1)')")

    assert flows["example"].cells[0].label == f"cell In [{cell.result.execution_count}]"
