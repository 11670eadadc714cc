"""C6: what the names of tasks mean in cells, and what is said where they cannot mean it."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from nbflow import flows
from nbflow.errors import TaskAttributeError


def text(cell):
    return "\n".join(output.get("text/plain", "") for output in cell.outputs) + cell.out


@pytest.fixture
def example(notebook):
    notebook("%%flow example --no-show\ndata = load(3)\ntotal = double(data)\nmore = data + total > 2")
    return notebook


# -- other flows


def test_c6_a_task_cell_that_reads_a_task_of_another_flow_is_an_error_that_names_both(example):
    cell = example("%%task --flow other\nn = len(str(total))")

    assert isinstance(cell.error, UsageError)
    assert "'total' is a task of flow 'example'" in str(cell.error)
    assert "flow 'other'" in str(cell.error)
    assert "other" not in flows


def test_c6_so_is_a_list_with_such_a_task(example):
    example("both = [data, total]")

    assert "'both' is a task of flow 'example'" in str(example("%%task --flow other\nn = len(both)").error)


def test_c6_a_flow_cell_that_uses_a_task_of_another_flow_is_an_error_that_names_both(example):
    example("%%flow other --no-show\nfirst = load(1)")

    cell = example("%%flow other --no-show\nsecond = double(total)")

    assert isinstance(cell.error, UsageError)
    assert "'double' is a task of flow 'example'" in str(cell.error)
    assert "flow 'other'" in str(cell.error)
    assert [task.name for task in flows["other"].tasks] == ["load"]


def test_c6_a_task_in_another_flow_s_block_is_named_before_its_resource(notebook):
    notebook("%%flow example --no-show\nwith Cluster() as client:\n    used = use(client)")

    assert "'use' is a task" in str(notebook("%%flow other --no-show\nagain = double(used)").error)


def test_c6_an_ordinary_cell_that_does_says_so_below_it(example):
    cell = example("from nbflow import Flow\nwith Flow('other') as other:\n    second = double(total)")

    assert "'double' is a task of flow 'example'" in text(cell)


def test_c6_a_parameter_may_be_in_several_flows(notebook):
    notebook("%%flow example --no-show\nn = Parameter('n', default=4)\none = double(n)")

    assert notebook("%%flow other --run\ntwo = double(n)").error is None
    assert flows["other"].runs[-1].results[notebook.names["two"]] == 8


def test_c6_a_task_that_was_made_outside_may_be_in_several_flows(notebook):
    notebook("shared = load.copy()")
    notebook("%%flow example --no-show\none = double(shared)")

    assert notebook("%%flow other --no-show\ntwo = double(shared)").error is None


def test_c6_a_cell_of_its_own_flow_takes_the_name_of_its_own_flow(example):
    example("%%task --flow other\ntotal = 5")

    assert example("%%flow example --no-show\nlast = double(total)").error is None
    assert example("%%task --flow other\nnext_one = total + 1").error is None


# -- ordinary cells


def test_c6_a_name_in_an_ordinary_cell_says_what_it_is_and_how_to_see_its_value(example):
    before = text(example("total"))
    example("%flow run example")
    after = text(example("total"))

    where = "nbflow.flows['example'].runs[-1].results[total]"
    assert "<Task: double>: a task of flow 'example', made by cell In [" in before
    assert f"after %flow run example its value is {where}" in before
    assert f"its value in run 1 is {where}" in after
    assert example(f"import nbflow\nanswer = {where}").error is None
    assert example.names["answer"] == 6


def test_c6_in_a_cell_of_the_flow_it_is_shown_as_it_is(example):
    assert text(example("%%flow example --no-show\nlast = double(total)\nlast")).strip().endswith(": <Task: double>")


def test_c6_a_comparison_of_tasks_has_no_truth_value(example):
    cell = example("if more:\n    print('yes')")

    assert type(cell.error) is TypeError
    assert "stands for a task, not for its value" in str(cell.error)
    assert "runs[-1].results[more]" in str(cell.error)
    assert type(example("%%flow example\nif data > 1:\n    pass").error) is TypeError
    assert type(example("%%flow example\nx = not (data + 1)").error) is TypeError


def test_c6_a_task_is_true_in_a_cell_of_its_flow(example, recwarn):
    assert example("%%flow example --no-show\nlast = double(total) if total else None").error is None
    assert example("import nbflow\nwith nbflow.flows['example']:\n    assert total").error is None
    assert not recwarn


def test_c6_a_task_is_true_in_an_ordinary_cell_with_a_warning(example):
    with pytest.warns(UserWarning, match=r"results\[total\]. As a condition it is always true") as warned:
        cell = example("seen = bool(total)\nif total:\n    seen = 'yes'")

    assert cell.error is None
    assert example.names["seen"] == "yes"
    assert warned[0].lineno == 1
    assert warned[0].filename.startswith(("<ipython-input", "/"))


@pytest.mark.parametrize(
    ("source", "kind"),
    [("len(total)", TypeError), ("total.head()", TaskAttributeError), ("total.shape", AttributeError)],
)
def test_c6_what_only_its_value_can_do_says_so(example, source, kind):
    error = example(source).error

    assert isinstance(error, kind)
    assert "stands for a" in str(error)
    assert "runs[-1].results[total]" in str(error)


def test_c6_a_task_of_no_flow_is_an_ordinary_object(notebook, recwarn):
    assert notebook("assert load").error is None
    assert text(notebook("load")).strip().endswith(": <Task: load>")
    assert not recwarn


# -- %flow values


VALUES = """%%flow held --no-show
x = load(3)
total = double(x)
"""


@pytest.fixture
def lent(notebook):
    notebook(VALUES)
    notebook("%flow run held")
    notebook("%flow values held double")
    assert notebook.names["x"] == 3
    return notebook


def test_c6_a_flow_cell_after_values_takes_the_task(lent):
    lent("%%flow held --no-show\nlast = double(x)")

    flow = flows["held"]
    (edge,) = flow.edges_in(lent.names["last"])
    assert edge.upstream_task.name == "load"
    assert lent.names["x"] in flow.tasks


def test_c6_so_does_an_ordinary_cell_that_enters_the_flow(lent):
    lent("import nbflow\nwith nbflow.flows['held'] as flow:\n    last = double(x)")

    assert [edge.upstream_task.name for edge in flows["held"].edges_in(lent.names["last"])] == ["load"]


def test_c6_so_does_a_task_cell(lent):
    lent("%%task --flow held\nlast = x + 1")

    assert [edge.upstream_task.name for edge in flows["held"].edges_in(lent.names["last"])] == ["load"]


def test_c6_a_name_that_a_result_was_given_to_means_the_task_in_a_flow_cell(notebook):
    notebook(VALUES)
    notebook("%flow run held")
    notebook("import nbflow\nx = nbflow.flows['held'].runs[-1].results[x]")

    notebook("%%flow held --no-show\nlast = double(x)")

    assert [edge.upstream_task.name for edge in flows["held"].edges_in(notebook.names["last"])] == ["load"]


def test_c6_a_run_reads_what_the_notebook_s_cells_gave_a_name_that_values_were_lent_to(notebook):
    notebook('x = "own"')
    notebook("@task\ndef look(n):\n    return globals()['x']\n@task\ndef take(x):\n    return x")
    notebook("%%flow held --no-show\nseen = look(take(7))")
    notebook("%flow run held")
    notebook("%flow values held take")
    assert notebook.names["x"] == 7

    notebook("%flow run held")

    assert flows["held"].runs[-1].results[notebook.names["seen"]] == "own"
    assert notebook.names["x"] == "own"


def test_c6_a_name_that_only_values_has_defined_is_not_taken_for_a_constant(notebook):
    notebook("%%flow held --no-show\ntotal = double(load(3))")
    notebook("%flow run held")
    notebook("%flow values held double")

    cell = notebook("%%flow held --no-show\nlast = double(x)")

    assert type(cell.error) is NameError
    assert "%flow values had lent 'x' a value" in cell.error.__notes__[0]


def test_c6_a_name_that_the_user_has_given_a_value_since_keeps_it(lent):
    lent("x = 10")
    lent("%%flow held --no-show\nlast = double(x)")

    assert lent.names["x"] == 10


# -- what will be missed


def test_c6_a_name_that_nobody_defines_is_reported_by_the_cell_and_by_check(notebook):
    notebook("@task\ndef scale(x):\n    return x * _factor()\ndef _factor():\n    return factor")

    cell = notebook("%%flow one --no-show\nlast = scale(load(1))")

    assert "scale reads 'factor', and no cell has defined that" in text(cell)
    assert "scale reads 'factor'" in text(notebook("%flow check one"))
    notebook("factor = 2")
    assert "nothing to complain about" in text(notebook("%flow check one"))


def test_c6_a_name_that_a_task_cell_misses_is_reported_by_both(notebook):
    cell = notebook("%%task --flow one\nlast = nowhere + 1")

    assert "not known yet: nowhere" in text(cell)
    assert "last reads 'nowhere'" in text(notebook("%flow check one"))


def test_c6_names_that_a_function_binds_itself_are_known(notebook):
    notebook(
        "import math\n@task\ndef fine(x):\n    global made\n    made = [math.pi for _ in range(x)]\n"
        "    class Inner:\n        a = 1\n        b = a\n    return made, Inner.b"
    )

    assert "defined" not in text(notebook("%%flow one --no-show\nlast = fine(2)"))


def test_c6_a_missing_argument_is_reported_by_the_cell_and_by_check(notebook):
    cell = notebook("%%flow one --no-show\nimport nbflow\nnbflow.flows['one'].add_task(double)")

    assert "double is not given 'x', which it requires" in text(cell)
    assert "double is not given 'x'" in text(notebook("%flow check one"))


def test_c6_a_resource_without_its_block_is_reported_by_the_cell_and_by_check(notebook):
    cell = notebook("%%flow one --no-show\nlast = use(Cluster())")

    assert "use takes Cluster as 'resource' without its block" in text(cell)
    assert "without its block" in text(notebook("%flow check one"))
