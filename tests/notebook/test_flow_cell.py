"""`%%flow` in a real shell: an ordinary cell whose tasks land in a flow, as a whole or not at all."""

from __future__ import annotations

import linecache
import re

import pytest
from IPython.core.error import UsageError

from nbflow import flows


def names(flow):
    return [task.name for task in flow.sorted_tasks()]


def test_a_cell_makes_a_flow_and_binds_its_names(notebook):
    cell = notebook("%%flow example\nn = Parameter('n', default=2)\ntotal = double(load(n))")

    assert cell.error is None
    assert names(flows["example"]) == ["n", "load", "double"]
    assert notebook.names["total"] in flows["example"].tasks


def test_the_flow_is_drawn_below_the_cell(notebook):
    cell = notebook("%%flow example\nload(1)")

    assert "<svg" in cell.outputs[-1]["text/html"]
    assert "load" in cell.outputs[-1]["text/plain"]


def test_no_show_draws_nothing(notebook):
    assert notebook("%%flow example --no-show\nx = load(1)").outputs == []


def test_the_last_expression_is_displayed(notebook):
    cell = notebook("%%flow example --no-show\nload(1)\n6 * 7")

    assert "42" in cell.out
    assert notebook.names["_"] == 42


def test_a_semicolon_keeps_the_last_expression_quiet(notebook):
    assert "42" not in notebook("%%flow example --no-show\nload(1)\n6 * 7;").out


def test_magics_and_shell_syntax_work_inside(notebook):
    cell = notebook("%%flow example --no-show\nwhere = !echo here\n%alias_magic t time\nload(1);")

    assert cell.error is None
    assert list(notebook.names["where"]) == ["here"]


def test_a_second_cell_continues_the_flow(notebook):
    notebook("%%flow example\ndata = load(1)")
    notebook("%%flow example\ntotal = double(data)")

    assert names(flows["example"]) == ["load", "double"]


@pytest.mark.parametrize("cell_id", ["abc", None])
def test_the_same_cell_again_does_not_duplicate_its_tasks(notebook, cell_id):
    for _ in range(3):
        notebook("%%flow example\ndata = load(1)\ntotal = double(data)", cell_id)

    assert names(flows["example"]) == ["load", "double"]
    assert set(flows["example"].slugs.values()) == {"load-1", "double-1"}


def test_a_cell_known_by_its_id_may_be_edited(notebook):
    notebook("%%flow example\ndata = load(1)", "a")
    notebook("%%flow example\ntotal = double(data)", "b")

    notebook("%%flow example\ndata = load(5)\nextra = load(6)", "a")

    flow = flows["example"]
    assert sorted(names(flow)) == ["double", "load", "load"]
    assert flow.run().result[notebook.names["total"]].result == 10


def test_a_cell_known_by_its_names_may_be_edited(notebook):
    notebook("%%flow example\ndata = load(1)")
    notebook.pause()
    notebook("%%flow example\ndata = load(5)")

    assert len(flows["example"].tasks) == 1


def test_cells_that_rebind_one_name_are_told_apart_without_ids(notebook):
    notebook("%%flow example\ndata = load(1)")
    notebook("%%flow example\ndata = double(data)")
    notebook("%%flow example\ndata = double(data)")

    assert names(flows["example"]).count("load") == 1


def test_a_notebook_executed_twice_gives_the_same_flow(notebook):
    cells = [
        "%%flow example\nn = Parameter('n', default=2)\nwith Cluster() as client:\n    data = use(client, n)",
        "%%flow example --in client\nmore = use(client, data)",
        "%%flow example\ntotal = double(more)",
    ]

    def picture():
        flow = flows["example"]
        slug = flow.slugs
        edges = {(slug[e.upstream_task], slug[e.downstream_task], e.key) for e in flow.edges}
        return [slug[t] for t in flow.sorted_tasks()], edges

    assert all(notebook(cell).error is None for cell in cells)
    once = picture()
    assert all(notebook(cell).error is None for cell in cells)

    assert picture() == once


def test_in_adds_to_the_block_of_an_earlier_cell(notebook):
    notebook("%%flow example\nwith Cluster() as client:\n    first = use(client)")
    notebook("%%flow example --in client\nsecond = use(client, first)")

    flow = flows["example"]
    assert notebook.names["second"] in flow.blocks[0].members
    assert flow.run().is_successful()
    assert notebook.names["log"] == ["setup", "use cluster", "use cluster", "cleanup"]


def test_in_takes_the_managers_name_as_well(notebook):
    notebook("%%flow example\nwith Cluster() as client:\n    first = use(client)")

    assert notebook("%%flow example --in Cluster\nsecond = use(client)").error is None


def test_an_unknown_block_is_a_usage_error_that_lists_the_blocks(notebook):
    notebook("%%flow example\nwith Cluster() as client:\n    first = use(client)")

    cell = notebook("%%flow example --in clinet\nsecond = use(client)")

    assert isinstance(cell.error, UsageError)
    assert "no block 'clinet'" in cell.err
    assert "'Cluster'" in cell.err


# errors


def test_the_users_own_exception_ends_the_cell_and_the_flow_stays_as_it_was(notebook):
    notebook("%%flow example\ndata = load(1)", "a")
    before = set(flows["example"].tasks)

    cell = notebook("%%flow example\ntotal = double(data)\n1 / 0", "b")

    assert isinstance(cell.error, ZeroDivisionError)
    assert set(flows["example"].tasks) == before
    assert "total" not in notebook.names


def test_a_flow_whose_first_cell_raises_is_not_there(notebook):
    notebook("%%flow example\nload(1)\n1 / 0")

    assert "example" not in flows


def test_the_traceback_shows_the_users_lines_as_numbered_in_the_cell_and_no_other(notebook):
    cell = notebook("%%flow example\n\ndef fail(n):\n    return 1 / n\n\nfail(0)")

    lines = re.findall(r"^-+> (\d+) (.*)$", cell.out, re.M)
    assert lines == [("6", "fail(0)"), ("4", "    return 1 / n")]
    assert "nbflow" not in cell.out.replace("%%flow", "")
    assert "run_cell_magic" not in cell.out


def test_a_traceback_through_a_stacked_magic_has_the_right_lines(notebook):
    cell = notebook("%%time\n%%flow example\nload(1)\n1 / 0")

    assert re.search(r"^-+> 4 1 / 0", cell.out, re.M)


def test_a_syntax_error_is_shown_as_in_any_cell(notebook):
    cell = notebook("%%flow example\nload(1)\nx = = 1")

    assert isinstance(cell.error, SyntaxError)
    assert "line 3" in cell.out
    assert "Traceback" not in cell.out
    assert "example" not in flows


def test_a_later_syntax_error_is_shown_as_ipython_does(notebook):
    notebook("%%flow example\nx = = 1")

    assert "Traceback" in notebook("exec('x = = 1')").out


def test_top_level_await_is_refused_with_its_line(notebook):
    cell = notebook("%%flow example\nimport asyncio\nawait asyncio.sleep(0)")

    assert isinstance(cell.error, UsageError)
    assert "line 3 awaits" in cell.err


def test_a_cycle_is_a_usage_error_naming_its_tasks_and_the_flow_stays(notebook):
    notebook("%%flow example\na = load(1)\nb = double(a)", "a")

    cell = notebook("%%flow example\na.set_upstream(b)", "b")

    assert isinstance(cell.error, UsageError)
    assert "load -> double" in cell.err or "double -> load" in cell.err
    assert "as it was" in cell.err
    assert len(flows["example"].edges) == 1


def test_a_resource_used_outside_of_its_block_is_a_usage_error(notebook):
    cell = notebook("%%flow example\nwith Cluster() as client:\n    use(client)\nlate = use(client)")

    assert isinstance(cell.error, UsageError)
    assert "'use'" in cell.err
    assert "'Cluster'" in cell.err


def test_a_removed_task_that_another_cell_uses_names_that_cell(notebook):
    notebook("%%flow example\ndata = load(1)", "a")
    notebook("%%flow example\ntotal = double(data)", "b")

    cell = notebook("%%flow example\nother = double(3)", "a")

    assert cell.error is None
    shown = cell.outputs[-1]
    for text in (shown["text/plain"], shown["text/html"].replace("&#x27;", "'").replace("&#39;", "'")):
        assert re.search(r"cell In \[\d+\] uses 'data', which cell In \[\d+\] no longer makes", text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "name"),
        ("example --rnu", "--rnu"),
        ("example --run --step", "exclude each other"),
        ("example -p n=1", "add --run"),
        ("example --run -p n", "no parameter"),
        ("example --run -p 'n", "closing quotation"),
    ],
)
def test_a_bad_line_is_a_usage_error_and_the_cell_is_not_executed(notebook, line, words):
    cell = notebook(f"%%flow {line}\nexecuted = True")

    assert isinstance(cell.error, UsageError)
    assert "%%flow" in cell.err
    assert words in cell.err
    assert "executed" not in notebook.names
    assert "example" not in flows


def test_run_runs_the_flow_and_shows_how_it_ended(notebook):
    cell = notebook("%%flow example --run -p n=4\nn = Parameter('n')\ntotal = double(load(n))")

    assert notebook.names["log"] == ["load 4", "double 4"]
    assert "Success" in cell.outputs[-1]["text/plain"]


def test_step_runs_one_task(notebook):
    cell = notebook("%%flow example --step\ntotal = double(load(1))")

    assert notebook.names["log"] == ["load 1"]
    assert "Paused" in cell.outputs[-1]["text/plain"]


def test_the_warning_about_a_task_that_was_not_added_shows_the_line_of_the_cell(notebook):
    with pytest.warns(UserWarning, match="Tasks were created but not added") as caught:
        notebook("%%flow example\nload(1)\n\ndouble.copy()  # here")

    where = caught[0]
    assert linecache.getline(where.filename, where.lineno) == "double.copy()  # here\n"


@pytest.mark.parametrize(
    ("question", "usage"),
    [
        ("%flow?", "  %flow run [NAME] [-p K=V] "),
        ("%%flow?", "  %%flow [--in BLOCK] "),
        ("%%task?", "  %%task [--flow FLOW] "),
    ],
)
def test_a_question_mark_shows_how_the_magic_is_written(notebook, question, usage):
    assert usage in notebook(question).out


def test_a_cell_of_parameters_alone_does_not_warn(notebook):
    notebook("%%flow example --no-show\nn = Parameter('n', default=3)\nm = Parameter('m', default=1)", "a")
    assert notebook("%%flow example --no-show\ntotal = load(n)", "b").error is None

    assert flows["example"].run().result[notebook.names["total"]].result == 3
