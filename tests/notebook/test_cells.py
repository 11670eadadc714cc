"""What a person sees of cells: which adds what, what is missing, what is old, and cells that are ordinary ones."""

from __future__ import annotations

import json
import os
import time

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from nbflow import flows
from nbflow.errors import DanglingTaskError
from nbflow.notebook.cells.flow_cells import cells_of


def names(flow):
    return [task.name for task in flow.sorted_tasks()]


@pytest.fixture
def three_cells(notebook):
    notebook("%%flow example --no-show\nn = Parameter('n', default=2)\ndata = load(n)", "a")
    notebook("%%flow example --no-show\nwith Cluster() as client:\n    used = use(client, data)", "b")
    notebook("%%flow example --no-show --in client\nmore = use(client, used)", "c")
    return notebook


# flow.cells


def test_the_cells_of_a_flow_say_what_each_adds_binds_and_takes(three_cells):
    first, second, third = flows["example"].cells

    assert [task.name for task in first.tasks] == ["load", "n"] or first.names == ("n", "data")
    assert second.names == ("client", "used")
    assert [name for name, _ in second.takes] == ["data"]
    assert [label for _, label in third.takes] == [second.label, second.label]
    assert flows["example"].cells.of(three_cells.names["more"]) == third


def test_the_cells_of_a_flow_print_as_a_table(three_cells):
    cell = three_cells("flows_cells = __import__('nbflow').flows['example'].cells\nflows_cells")

    assert "example: 3 cells" in cell.out
    assert "client, used" in cell.out


def test_a_task_made_by_hand_is_shown_as_made_outside_of_cells(three_cells):
    flow = flows["example"]
    flow.add_task(three_cells.names["load"].copy())

    assert flow.cells[-1].label == "outside of cells"


def test_show_cells_draws_a_box_around_what_each_cell_made(three_cells):
    cell = three_cells("%flow show example --cells")

    html = cell.outputs[-1]["text/html"]
    assert html.count('class="nbflow-cluster nbflow-cell"') == 3
    assert "cell In [" in cell.outputs[-1]["text/plain"]


# what is missing


def test_a_cell_that_takes_something_away_says_below_itself_who_misses_it(three_cells):
    cell = three_cells("%%flow example --no-show\nn = Parameter('n', default=2)()", "a")

    assert "uses 'data', which this cell no longer makes" in cell.outputs[-1]["text/plain"]
    assert flows["example"].cells[1].missing == ("data",)


def test_a_flow_with_something_missing_does_not_run_step_or_start(three_cells):
    three_cells("%%flow example --no-show\nn = Parameter('n', default=2)()", "a")

    for command in ("run", "start", "step"):
        cell = three_cells(f"%flow {command} example")
        assert isinstance(cell.error, UsageError)
        assert "uses 'data'" in cell.err
    with pytest.raises(DanglingTaskError, match="execute cell In"):
        flows["example"].run()


def test_executing_the_other_cell_without_the_name_fixes_the_flow(three_cells):
    three_cells("%%flow example --no-show\nn = Parameter('n', default=2)()", "a")

    three_cells("%%flow example --no-show\nwith Cluster() as client:\n    used = use(client, n)", "b")

    assert flows["example"].run().is_successful()


def test_a_copy_of_a_flow_with_something_missing_does_not_run_either(three_cells):
    three_cells("%%flow example --no-show\nn = Parameter('n', default=2)()", "a")

    with pytest.raises(DanglingTaskError):
        flows["example"].copy().run()


# copies, moves and flows


def test_a_cell_that_says_the_same_under_an_unknown_id_is_the_same_cell(notebook):
    notebook("%%flow example --no-show\ndata = load(1)", "a")
    notebook.pause()
    notebook("%%flow example --no-show\ndata = load(1)", "pasted")

    assert names(flows["example"]) == ["load"]


def test_cells_that_say_the_same_and_are_executed_along_are_two(notebook):
    for _ in range(2):
        notebook("%%flow example --no-show\ndata = load(1)", "a")
        notebook("%%flow example --no-show\ndata = load(1)", "pasted")

        assert names(flows["example"]) == ["load", "load"]


def test_a_copy_that_is_edited_is_a_cell_of_its_own_and_the_original_stays(notebook):
    notebook("%%flow example --no-show\ndata = load(1)", "a")
    notebook.pause()
    notebook("%%flow example --no-show\ndata = load(1)", "copy")

    notebook("%%flow example --no-show\nother = load(2)", "copy")

    assert names(flows["example"]) == ["load", "load"]


def test_a_copy_of_a_cell_that_binds_no_name_makes_its_tasks_again(notebook):
    notebook("%%flow example --no-show\nload(1);", "a")
    notebook("%%flow example --no-show\nload(1);", "copy")

    assert names(flows["example"]) == ["load", "load"]


def test_a_cell_that_goes_to_another_flow_leaves_the_first(notebook):
    notebook("%%flow one --no-show\ndata = load(1)", "a")
    notebook("%%flow one --no-show\nrest = load(2)", "b")

    notebook("%%flow two --no-show\ndata = load(1)", "a")

    assert [len(flows[name].tasks) for name in ("one", "two")] == [1, 1]


def test_a_cell_that_is_no_longer_of_the_flow_takes_its_tasks_along(notebook):
    notebook("%%flow one --no-show\ndata = load(1)", "a")
    notebook("%%flow one --no-show\nrest = load(2)", "b")

    notebook("6 * 7", "a")

    assert len(flows["one"].tasks) == 1


def test_a_name_that_two_flows_bind_means_in_each_cell_what_its_flow_bound(notebook):
    notebook("%%flow one --no-show\ndata = load(1)", "a")
    notebook("%%flow two --no-show\ndata = load(2)", "b")

    notebook("%%flow one --no-show\ntotal = double(data)", "c")

    assert names(flows["one"]) == ["load", "double"]
    assert flows["one"].run().result[notebook.names["total"]].result == 2
    assert notebook.names["data"] in flows["two"].tasks


def test_a_going_run_keeps_its_graph_when_a_cell_is_executed(notebook):
    notebook("%%flow example --no-show\ndata = load(1)\ntotal = double(data)", "a")
    run = flows["example"].start(paused=True)
    before = run.graph.tasks

    assert notebook("%%flow example --no-show\ndata = load(7)", "a").error is None
    run.resume()
    state = run.wait()

    assert state.is_successful()
    assert run.graph.tasks == before
    assert notebook.names["log"] == ["load 1", "double 1"]


def test_an_interrupt_in_the_middle_of_a_cell_leaves_the_flow_as_it_was(notebook):
    notebook("%%flow example --no-show\ndata = load(1)", "a")
    before = notebook.names["data"]

    cell = notebook("%%flow example --no-show\ndata = load(2)\nraise KeyboardInterrupt", "a")

    assert isinstance(cell.error, KeyboardInterrupt)
    assert notebook.names["data"] is before
    assert set(flows["example"].tasks) == {before}


# old cells, and pruning


def write_notebook(path, *ids):
    path.write_text(json.dumps({"cells": [{"id": one, "cell_type": "code", "source": ""} for one in ids]}))
    later = time.time() + 5
    os.utime(path, (later, later))


def test_a_cell_that_the_saved_notebook_no_longer_has_is_marked_and_pruned(three_cells, tmp_path, monkeypatch):
    three_cells("%%flow example --no-show\nextra = load(5)", "d")
    path = tmp_path / "work.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    write_notebook(path, "a", "b", "c")

    shown = three_cells("%flow show example")
    assert "gone" in shown.outputs[-1]["text/plain"]
    pruned = three_cells("%flow prune example")

    assert "is taken out: load" in pruned.outputs[0]["text/plain"]
    assert len(flows["example"].cells) == 3
    assert "extra" not in three_cells.names


def test_a_cell_executed_after_the_notebook_was_saved_is_not_gone(three_cells, tmp_path, monkeypatch):
    path = tmp_path / "work.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    write_notebook(path, "a", "b")
    os.utime(path, (1, 1))

    assert all(not cell.note for cell in flows["example"].cells)


def test_ids_that_are_not_those_of_the_file_tell_nothing(three_cells, tmp_path, monkeypatch):
    path = tmp_path / "work.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    write_notebook(path, "x", "y")

    assert all(not cell.note for cell in flows["example"].cells)


def test_a_cell_left_out_by_an_execution_from_top_to_bottom_is_marked_old(notebook):
    cells = {one: f"%%flow example --no-show\n{one} = load(1)" for one in "abcd"}
    for one, source in cells.items():
        notebook(source, one)
    for one in "acd":
        notebook(cells[one], one)

    assert [bool(cell.note) for cell in flows["example"].cells] == [False, True, False, False]
    notebook("%flow prune example")
    assert [cell.names for cell in flows["example"].cells] == [("a",), ("c",), ("d",)]


def test_prune_takes_out_the_cell_it_is_told(three_cells):
    label = flows["example"].cells[2].label.removeprefix("cell ")

    assert three_cells(f"%flow prune example '{label}'").error is None

    assert len(flows["example"].cells) == 2


def test_prune_says_which_cells_there_are_when_it_is_told_another(three_cells):
    cell = three_cells("%flow prune example 99")

    assert isinstance(cell.error, UsageError)
    assert "In [" in cell.err


def test_prune_says_so_when_nothing_is_known_to_be_gone(three_cells):
    assert "no cell is known to be gone" in three_cells("%flow prune example").outputs[-1]["text/plain"]


# ordinary cells


FLOW = "with Flow('plain') as flow:\n    data = load(1)"


def test_an_ordinary_cell_executed_again_gives_the_same_flow_with_what_others_added(notebook):
    notebook("from nbflow import Flow")
    notebook(FLOW, "a")
    notebook("with flow:\n    total = double(data)", "b")

    for _ in range(2):
        assert notebook(FLOW, "a").error is None

    flow = notebook.names["flow"]
    assert names(flow) == ["load", "double"]
    assert flows["plain"] is flow
    assert flow.run().result[notebook.names["total"]].result == 2


def test_a_notebook_of_ordinary_cells_executed_twice_gives_the_same_flow(notebook):
    notebook("from nbflow import Flow")
    cells = [FLOW, "with flow:\n    total = double(data)", "with flow:\n    last = double(total)"]
    seen = []
    for _ in range(2):
        for number, cell in enumerate(cells):
            assert notebook(cell, f"c{number}").error is None
        flow = notebook.names["flow"]
        seen.append(({flow.slugs[t] for t in flow.tasks}, len(flow.edges), len(flow.cells)))

    assert seen[0] == seen[1] == ({"load-1", "double-1", "double-2"}, 2, 3)


def test_an_ordinary_cell_that_raises_leaves_the_flow_as_it_was(notebook):
    notebook("from nbflow import Flow")
    notebook(FLOW, "a")
    before = notebook.names["flow"]

    for cell_id, source in (("a", FLOW), ("b", "with flow:\n    total = double(data)")):
        assert isinstance(notebook(f"{source}\n1 / 0", cell_id).error, ZeroDivisionError)

    assert notebook.names["flow"].run().is_successful()
    assert names(before) == ["load"]
    assert "total" not in notebook.names


def test_an_edited_ordinary_cell_replaces_what_it_had_added(notebook):
    notebook("from nbflow import Flow")
    notebook(FLOW, "a")
    notebook("with flow:\n    total = double(data)", "b")

    notebook("with flow:\n    total = double(double(data))", "b")

    assert names(notebook.names["flow"]) == ["load", "double", "double"]


def test_an_ordinary_cell_may_make_a_parameter_before_its_flow(notebook):
    notebook("from nbflow import Flow")
    cell = "n = Parameter('n', default=1)\nwith Flow('plain') as flow:\n    data = load(n)"
    notebook(cell, "a")
    notebook("with flow:\n    total = double(n)", "b")

    assert notebook(cell, "a").error is None

    assert sorted(names(notebook.names["flow"])) == ["double", "load", "n"]


def test_a_parameter_of_an_ordinary_cell_may_be_made_again(notebook):
    notebook("n = Parameter('n', default=1)", "a")
    notebook("%%flow example --no-show\ndata = load(n)", "b")
    notebook("%%flow example --no-show\ntotal = double(n)", "c")

    notebook("n = Parameter('n', default=5)", "a")

    assert notebook("%%flow example --no-show\ndata = load(n)", "b").error is None
    assert flows["example"].run().result[notebook.names["total"]].result == 10


def test_flows_and_magics_mix(notebook):
    notebook("from nbflow import Flow")
    notebook(FLOW, "a")

    notebook("%%flow plain --no-show\ntotal = double(data)", "b")
    notebook(FLOW, "a")

    assert names(notebook.names["flow"]) == ["load", "double"]


def test_unloading_the_extension_stops_following_cells(notebook):
    notebook("from nbflow import Flow")
    notebook(FLOW, "a")
    notebook("%unload_ext nbflow")

    notebook("with flow:\n    total = double(data)", "b")

    assert len(cells_of(notebook.names["flow"]).contributions) == 1
    notebook("%load_ext nbflow")


# check


def test_check_has_nothing_to_complain_about(three_cells):
    assert "nothing to complain about" in three_cells("%flow check example").outputs[-1]["text/plain"]


def test_check_lists_what_is_missing_and_what_is_unused_with_their_cells(three_cells):
    three_cells("%%flow example --no-show\nn = Parameter('n', default=2)()", "a")

    report = three_cells("%flow check example").outputs[-1]["text/plain"]

    assert "1 error and 1 hint; it does not run like this" in report
    assert "missing" in report
    assert "parameter 'n' is taken by no task" in report


def test_check_names_the_cells_of_a_cycle_made_by_hand(three_cells):
    flow = flows["example"]
    flow.add_edge(three_cells.names["used"], three_cells.names["data"])

    report = three_cells("%flow check example").outputs[-1]["text/plain"]

    assert "cycle" in report
    assert report.count("cell In [") >= 2


def test_a_cell_that_would_make_a_cycle_is_told_which_cells_are_in_it(three_cells):
    cell = three_cells("%%flow example --no-show\ndata.set_upstream(used)", "z")

    assert isinstance(cell.error, UsageError)
    assert "(in cell In [" in cell.err


# Tab


def test_names_options_and_commands_complete(three_cells):
    def completions(text):
        with provisionalcompleter():
            return {c.text for c in three_cells.shell.Completer.completions(text, len(text))}

    assert {"check", "prune", "cells"} <= completions("%flow ")
    assert "client" in completions("%%flow example --in c")
    assert "--cells" in completions("%flow show example --c")
