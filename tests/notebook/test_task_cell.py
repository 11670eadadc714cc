"""`%%task` in a real shell: a cell becomes a task, tied to the others by the names that it reads and binds."""

from __future__ import annotations

import subprocess
import sys
import traceback

import cloudpickle
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

import nbflow
from nbflow import flows


@pytest.fixture
def flow_of(notebook):
    """The flow, after the cells have been executed; a cell is known by its place."""

    def execute(*sources, name="notebook"):
        for i, source in enumerate(sources):
            cell = notebook(source, cell_id=f"cell-{i}")
            assert cell.error is None, cell.error
        return flows[name]

    return execute


@pytest.fixture
def value(notebook):
    """Run the flow and give the value of a name."""

    def of(name, flow="notebook", **options):
        state = flows[flow].run(**options)
        assert state.is_successful(), state.message
        return state.result[notebook.names[name]].result

    return of


def edges(flow):
    return sorted((e.upstream_task.name, e.downstream_task.name, e.key) for e in flow.edges)


def test_a_cell_becomes_a_task_and_says_what_it_is(notebook):
    notebook("%%task load\norders = [3, 1]")

    cell = notebook("%%task clean\ntable = sorted(orders)")

    assert cell.outputs[-1]["text/plain"] == "clean: orders -> table"
    assert edges(flows["notebook"]) == [("load", "clean", "orders")]


def test_nothing_of_it_is_executed_before_the_flow_runs(notebook, value):
    notebook("%%task load\nlog.append('ran')\norders = [3, 1]")

    assert notebook.names["log"] == []
    assert value("orders") == [3, 1]
    assert notebook.names["log"] == ["ran"]


def test_a_task_with_several_names_has_a_result_for_each(notebook, flow_of, value):
    flow_of("%%task load\norders, customers = [1], [2]", "%%task join\nboth = orders + customers")

    assert value("both") == [1, 2]
    assert value("customers") == [2]
    assert edges(flows["notebook"]) == [
        ("load", "load['customers']", "task_result"),
        ("load", "load['orders']", "task_result"),
        ("load['customers']", "join", "customers"),
        ("load['orders']", "join", "orders"),
    ]


def test_without_a_name_a_task_is_called_after_what_it_gives(notebook):
    assert notebook("%%task\na = 1").outputs[-1]["text/plain"] == "a: -> a"
    assert notebook("%%task\nb, c = a, a").outputs[-1]["text/plain"] == "b_c: a -> b, c"
    assert notebook("%%task\nprint(b)").outputs[-1]["text/plain"] == "show_b: b -> (shows only)"


def test_imports_and_plain_functions_are_defined_at_once(notebook, value):
    notebook("%%task load\nimport math\ndef double(x):\n    return 2 * x\nsize = double(math.floor(2.5))")

    assert notebook.names["double"](4) == 8
    assert notebook.names["math"].floor(1.5) == 1
    assert value("size") == 4


def test_a_cell_of_imports_alone_is_no_task(notebook):
    cell = notebook("%%task\nimport math\ndef f(): pass")

    assert "no task is needed" in cell.outputs[-1]["text/plain"]
    assert not flows["notebook"].tasks


def test_a_helper_that_another_cell_defines_again_stays_that_of_its_cell(notebook, flow_of, value):
    flow_of("%%task\ndef norm(x): return x + 1\na = norm(1)", "%%task\ndef norm(x): return x * 10\nb = norm(1)")

    assert value("a") == 2
    assert value("b") == 10


def test_other_names_are_looked_up_when_the_task_runs(notebook, value):
    notebook("limit = 1")
    notebook("%%task\nlow = limit + 1")
    notebook("limit = 10")

    assert value("low") == 11


def test_a_name_that_a_task_takes_later_stays_what_it_was_for_the_cells_before(notebook, value):
    notebook("n = 3")
    notebook("%%task before\na = n")
    notebook("%%task take\nn = n + 10")
    notebook("%%task after\nb = n")

    assert (value("a"), value("n"), value("b")) == (3, 13, 13)


def test_what_a_task_binds_stays_out_of_the_notebook(notebook, value):
    notebook("%%task\nfor i in range(3): pass\n_private = 1\ntotal = i")

    assert value("total") == 2
    assert "i" not in notebook.names
    assert "_private" not in notebook.names


def test_a_name_may_have_versions(flow_of, value):
    flow = flow_of(
        "%%task load\ntable = [3, 1]",
        "%%task size\nn_before = len(table)",
        "%%task clean\ntable.append(2)",
        "%%task order\ntable = sorted(table)",
        "%%task count\nn_after = len(table)",
    )

    assert value("n_before"), value("n_after") == (2, 3)
    assert value("table") == [1, 2, 3]
    # Who looks comes before who changes.
    assert ("size", "clean", None) in edges(flow)


def test_one_who_looks_and_comes_later_still_comes_before_the_change(notebook, flow_of):
    flow = flow_of("%%task load\ntable = [1]", "%%task size\nn = 0", "%%task clean\ntable.append(2)")

    notebook("%%task size\nn = len(table)", cell_id="cell-1")

    assert ("size", "clean", None) in edges(flow)


def test_an_edited_cell_replaces_its_task(notebook, flow_of, value):
    flow = flow_of("%%task load\na = 1", "%%task double\nb = 2 * a")

    notebook("%%task load\na = 5", cell_id="cell-0")

    assert len(flow.tasks) == 2
    assert value("b") == 10


def test_a_cell_may_begin_to_give_several_names(notebook, flow_of, value):
    flow_of("%%task load\na = 1", "%%task double\nb = 2 * a")

    notebook("%%task load\na = 5\nextra = 6", cell_id="cell-0")
    assert value("b") == 10

    notebook("%%task load\na = 7", cell_id="cell-0")
    assert value("b") == 14


def test_in_the_middle_of_a_chain_too(notebook, flow_of, value):
    flow_of("%%task a\nx = [1]", "%%task b\nx = x + [2]", "%%task c\nx = x + [3]")

    notebook("%%task b\nx = x + [20]", cell_id="cell-1")

    assert value("x") == [1, 20, 3]


def test_a_cell_that_is_inserted_gets_its_place_when_the_notebook_is_run_from_top_to_bottom(notebook, value):
    first, inserted, last = "%%task a\nx = [1]", "%%task b\nx = x + [2]", "%%task c\nn = len(x)"
    for source in (first, last, inserted):
        notebook(source, cell_id=source)
    assert value("n") == 1

    for source in (first, inserted, last):
        notebook(source, cell_id=source)

    assert value("n") == 2


def test_a_name_that_comes_later_is_tied_as_soon_as_it_is_there(notebook, value):
    first = notebook("%%task double\nb = 2 * a", cell_id="one")
    assert "not known yet: a" in first.outputs[-1]["text/plain"]

    notebook("%%task load\na = 4", cell_id="two")

    assert value("b") == 8


def test_a_name_that_nobody_gives_is_named_with_its_cell(notebook):
    notebook("%%task double\nb = 2 * missing", cell_id="one")

    error = flows["notebook"].run().result[notebook.names["b"]].result

    assert isinstance(error, NameError)
    (note,) = error.__notes__
    assert "'double' of cell In [3]: 'missing': no cell gives it" in note


def test_cells_without_ids_are_told_apart_by_name_or_text(notebook, value):
    for _ in range(2):
        notebook("%%task\nx = [1]")
        notebook("%%task\nx = x + [2]")
        notebook("%%task last\nx = x + [3]")

    assert value("x") == [1, 2, 3]
    assert len(flows["notebook"].tasks) == 3


def test_cells_with_flows_and_tasks_work_together(notebook, flow_of):
    flow = flow_of(
        "%%flow mixed --no-show\nn = Parameter('n', default=3)\ndata = load(n)",
        "%%task twice\ndoubled = 2 * data",
        "%%flow mixed --no-show\nresult = double(doubled)",
        name="mixed",
    )

    assert flow.run(n=5).result[notebook.names["result"]].result == 20


def test_a_cell_that_takes_a_resource_is_put_into_its_block(notebook, flow_of):
    flow = flow_of(
        "%%flow work --no-show\nwith Cluster() as client:\n    use(client)",
        "%%task ask\nanswer = client + ' works'",
        name="work",
    )

    assert notebook.names["answer"] in flow.blocks[0].members
    assert flow.run().result[notebook.names["answer"]].result == "cluster works"
    assert notebook.names["log"][-1] == "cleanup"


def test_in_puts_it_into_a_block_that_it_does_not_take(notebook, flow_of):
    flow = flow_of(
        "%%flow work --no-show\nwith Cluster() as client:\n    use(client)",
        "%%task beside --in client\nx = 1",
        name="work",
    )

    assert notebook.names["x"] in flow.blocks[0].members


def test_needs_and_gives_win(notebook):
    notebook("%%task load\na, b = 1, 2")

    cell = notebook("%%task pick --needs b, a --gives c\nc = d = 1")

    assert cell.outputs[-1]["text/plain"] == "pick: b, a -> c"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("%%task --nonsense\nx = 1", "unrecognized arguments"),
        ("%%task a b\nx = 1", "unrecognized arguments: b"),
        ("%%task\n\n  \n", "is empty"),
        ("%%task\n\n%%timeit\nx = 1", "write %timeit before the statement"),
        ("%%task\n%%bash\nls", "write its commands as lines with `!`"),
        ("%%task\n%%cython\nx = 1", "leave this cell an ordinary one, without the line %%task"),
        ("%%task\n_ + 1", "reads '_', which is what another cell has shown"),
        ("%%task\nx = Out[3]", "reads 'Out'"),
        ("%%task --gives y\nx = 1", "--gives y, but the cell binds no 'y'"),
        ("%%task --needs y\nx = 1", "--needs y, but no task gives 'y'"),
        ("%%task --needs 2\nx = 1", "'2' is no name"),
        ("%%task --in nowhere\nx = 1", "no block 'nowhere'"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(notebook, source, message):
    cell = notebook(source)

    assert isinstance(cell.error, UsageError)
    assert str(cell.error).startswith("%%task")
    assert message in str(cell.error)
    assert not len(flows)
    assert "x" not in notebook.names


def test_with_several_flows_it_must_be_said_which(notebook):
    notebook("%%task --flow one\na = 1")
    notebook("%%task --flow two\nb = 1")

    cell = notebook("%%task\nc = 1")

    assert "which flow? there are 'one', 'two'" in str(cell.error)
    assert notebook("%%task --flow two\nc = b").error is None


def test_a_syntax_error_is_shown_with_its_line(notebook):
    cell = notebook("%%task\nx = 1\ny = = 2")

    assert isinstance(cell.error, SyntaxError)
    assert cell.error.lineno == 3
    assert "y = = 2" in cell.out
    assert not len(flows)


def test_an_error_of_an_import_is_the_users_own(notebook):
    cell = notebook("%%task\nimport no_such_module\nx = 1")

    assert isinstance(cell.error, ModuleNotFoundError)
    assert "taskcell" not in cell.out
    assert not len(flows)


def test_a_circle_is_named_and_refused(notebook, flow_of):
    flow = flow_of(
        "%%task first\na = 1",
        "%%task second\nb = a",
        "%%task third\nc = b",
    )
    before = edges(flow)

    cell = notebook("%%task first\na = c", cell_id="cell-0")

    assert isinstance(cell.error, UsageError)
    assert "first" in str(cell.error)
    assert "third" in str(cell.error)
    assert edges(flow) == before


def test_a_traceback_shows_the_line_of_the_cell(notebook):
    notebook("%%task broken\nx = 1\n\ny = 1 / 0  # here", cell_id="a")

    states = flows["notebook"].run().result
    (error,) = (state.result for task, state in states.items() if task.name == "broken")
    last = traceback.extract_tb(error.__traceback__)[-1]

    assert (last.lineno, last.line) == (4, "y = 1 / 0  # here")


def test_a_name_that_is_not_bound_this_time_is_named(notebook):
    notebook("%%task maybe --gives x\nif log:\n    x = 1")

    error = flows["notebook"].run().result[notebook.names["x"]].result

    assert "'maybe' gives 'x', but has not bound it this time" in str(error)


def test_the_last_expression_is_shown_by_a_run_that_is_waited_for(notebook):
    notebook("%%task show\nx = 6\nx * 7")

    cell = notebook("flow = __import__('nbflow').flows['notebook']\nstate = flow.run()")

    assert [o["text/plain"] for o in cell.outputs][-2:] == ["show:", "42"]


def test_a_semicolon_keeps_it_quiet(notebook):
    notebook("%%task show\nx = 6\nx * 7;")

    cell = notebook("flow = __import__('nbflow').flows['notebook']\nstate = flow.run()")

    assert cell.outputs == []


def test_in_the_background_it_is_kept_and_not_shown(notebook):
    notebook("%%task show\nprint('hello')\nx = 6\nx * 7")

    cell = notebook("run = __import__('nbflow').flows['notebook'].start()\nrun.wait();")

    assert cell.outputs == []
    (log,) = (log for log in notebook.names["run"].logs.values() if log)
    assert "".join(line.text for line in log) == "hello\n42\n"
    assert log[-1].stream == "display"


def test_a_cell_that_gives_nothing_gives_what_it_shows(notebook):
    notebook("%%task show\n6 * 7")
    flow = flows["notebook"]

    (state,) = flow.run().result.values()

    assert state.result == 42


def test_ipythons_syntax_works_inside(notebook, value):
    notebook("where = 'here'")
    notebook("%%task shell\nwords = !echo {where} there\n%time n = len(words[0])")

    assert value("n") == len("here there")


def test_what_a_function_would_not_allow_works_as_in_any_cell(notebook, value):
    notebook("count = 1")
    source = "from math import *\nglobal total\ndef add(n):\n    global total\n    total = total + n\n"
    notebook(f"%%task odd\n{source}total = 0\nadd(floor(2.5))\ncount = count + 1\nclass C:\n    size = total")

    assert value("total") == 2
    assert value("count") == 2


def test_threads_run_it_as_well(notebook, flow_of, value):
    flow_of("%%task a\nx = 1", "%%task b\ny = x + 1", "%%task c\nz = x + y")

    assert value("z", executor="threads") == 3


def test_its_function_can_be_sent_to_another_process(notebook, flow_of, tmp_path):
    notebook("import math\nfactor = 3\ndef times(x): return factor * x")
    flow_of("%%task a\nx = 2", "%%task b\ndef half(v): return v / 2\ny = times(x) + math.floor(half(x))")
    path = tmp_path / "function"
    path.write_bytes(cloudpickle.dumps(notebook.names["y"].run))

    code = f"import cloudpickle; print(cloudpickle.load(open({str(path)!r}, 'rb'))(x=2))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "7\n"


def test_there_its_traceback_shows_the_line_as_well(notebook, tmp_path):
    notebook("%%task broken\nx = 1\ny = x / 0  # here")
    task = next(iter(t for t in flows["notebook"].tasks if t.name == "broken"))
    path = tmp_path / "function"
    path.write_bytes(cloudpickle.dumps(task.run))

    code = f"""
import cloudpickle, traceback
function = cloudpickle.load(open({str(path)!r}, 'rb'))
try:
    function()
except ZeroDivisionError as error:
    print(traceback.extract_tb(error.__traceback__)[-1].line)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "y = x / 0  # here\n"


@pytest.mark.parametrize("look", ["%flow values double", "a = nbflow.flows['notebook'].runs[-1].results[a]"])
def test_a_value_put_into_the_notebook_to_be_looked_at_is_the_tasks_again_afterwards(notebook, look, value):
    notebook("import nbflow")
    notebook("%%task load\na = [1]", cell_id="one")
    notebook("%%task double\nb = a + a", cell_id="two")
    notebook("%flow run")
    notebook(look)
    assert notebook.names["a"] == [1]

    notebook("%%task double\nb = a + a + a", cell_id="two")

    assert value("b") == [1, 1, 1]
    assert edges(flows["notebook"]) == [("load", "double", "a")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%task --n", {"--needs"}),
        ("%%task load --flow n", {"notebook"}),
        ("%%task report --needs or", {"orders"}),
        ("%%task report --needs orders cus", {"customers"}),
    ],
)
def test_tab_completes_the_line(notebook, line, expected):
    notebook("%%task load\norders, customers = 1, 2")

    with provisionalcompleter():
        found = {done.text for done in notebook.shell.Completer.completions(line, len(line))}

    assert expected <= found


def test_unloading_takes_the_magic_away(notebook):
    notebook("%unload_ext nbflow")

    assert "task" not in notebook.shell.magics_manager.magics["cell"]


def test_the_run_gives_the_values_by_the_names_of_the_notebook(notebook, flow_of):
    flow = flow_of("%%task load\na, b = 1, 2")
    flow.run()

    assert nbflow.flows["notebook"].runs[-1].results[notebook.names["b"]] == 2
