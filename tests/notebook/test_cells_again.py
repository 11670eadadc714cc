"""Cells that come again (C4): each row of the table in `docs/cells-again.md` is played here."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from nbflow import flows
from nbflow.notebook.inspection.check import check

PAGE = Path(__file__).parents[2] / "docs" / "cells-again.md"
ROWS = dict(re.findall(r"^\| (?!what happens|---)(.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE))
KINDS = {
    "flow": [
        "%%flow f --no-show\na = load(1)",
        "%%flow f --no-show\na = double(a)",
        "%%flow f --no-show\nb = double(a)",
    ],
    "task": ["%%task --flow f\na = [1]", "%%task --flow f\na = a * 2", "%%task --flow f\nb = a * 2"],
    "with": [
        "with Flow('f') as f:\n    a = load(1)",
        "with f:\n    a = double(a)",
        "with f:\n    b = double(a)",
    ],
}
PLAYED = {}


def row(text):
    """Note the test that plays a row of the table."""

    def note(function):
        PLAYED[text] = function
        return function

    return note


def test_each_row_of_the_table_is_played():
    assert PLAYED.keys() == ROWS.keys()


@pytest.fixture(params=KINDS)
def cells(request):
    """Three cells of one kind: the second one binds again what the first one bound, the third one reads it."""
    return list(KINDS[request.param])


@pytest.fixture
def notebook(notebook):
    assert notebook("from nbflow import Flow").error is None
    return notebook


def run_all(notebook, cells, ids="abcdefgh", *, pause=True):
    if pause:
        notebook.pause()
    for cell, cell_id in zip(cells, ids, strict=False):
        assert notebook(cell, cell_id).error is None, cell


def picture(name="f"):
    flow = flows[name]
    edges = {(flow.slugs[e.upstream_task], flow.slugs[e.downstream_task], e.key) for e in flow.edges}
    return list(flow.slugs.values()), edges


def fresh(notebook, cells):
    """What a kernel that has just been started builds from the cells."""
    notebook("%unload_ext nbflow")
    flows.clear()
    for name in ("a", "b", "c", "f"):
        notebook.names.pop(name, None)
    notebook("%load_ext nbflow")
    run_all(notebook, cells, [f"fresh {i}" for i in range(len(cells))])
    return picture()


def is_as_fresh(notebook, cells):
    seen = picture()
    return seen == fresh(notebook, cells)


def edited(cell):
    return (
        cell.replace("(1)", "(5)").replace("[1]", "[5]").replace("double(a)", "double(double(a))").replace("* 2", "* 3")
    )


@row("executed again")
def test_a_cell_executed_again(notebook, cells):
    run_all(notebook, cells)
    before = picture()

    for cell, cell_id in zip(cells, "abc", strict=True):
        notebook.pause()
        notebook(cell, cell_id)

        assert picture() == before


@row("edited and executed")
def test_a_cell_edited_and_executed(notebook, cells):
    run_all(notebook, cells)
    notebook.pause()

    notebook(edited(cells[1]), "b")

    assert is_as_fresh(notebook, [cells[0], edited(cells[1]), cells[2]])


@row("executed under a new id")
def test_a_cell_executed_under_a_new_id(notebook, cells):
    run_all(notebook, cells)
    before = picture()

    for cell, cell_id in zip(cells, "xyz", strict=True):
        notebook.pause()
        notebook(cell, cell_id)

        assert picture() == before


@row("all cells executed under new ids, one of them edited")
@pytest.mark.parametrize("which", [1, 2])
def test_cells_under_new_ids_one_of_them_edited(notebook, cells, which):
    run_all(notebook, cells)
    cells[which] = edited(cells[which])

    run_all(notebook, cells, "xyz")

    assert is_as_fresh(notebook, cells)


def test_cells_under_new_ids_without_a_pause(notebook, cells):
    run_all(notebook, cells)

    run_all(notebook, cells, "xyz", pause=False)

    assert len(flows["f"].cells) == 3


def test_a_parameter_under_a_new_id_is_made_once(notebook):
    cells = [
        "%%flow f --no-show\nn = Parameter('n', default=1)\na = load(n)",
        "%%flow f --no-show\nb = double(a)",
    ]
    for ids in ("ab", "xy"):
        run_all(notebook, cells, ids, pause=False)

        assert sorted(picture()[0]) == ["double-1", "load-1", "n"]


@row("all cells executed by a front end without ids, one of them edited")
def test_cells_without_ids_one_of_them_edited(notebook, cells):
    run_all(notebook, cells, [None] * 3)
    cells[1] = cells[1].replace("double(a)", "double(double(a))").replace("* 2", "* 3")

    run_all(notebook, cells, [None] * 3)

    assert is_as_fresh(notebook, cells)


@row("executed as a copy, then the original")
def test_a_copy_and_the_original(notebook, cells):
    run_all(notebook, cells)
    notebook.pause()
    notebook(cells[2], "copy")

    run_all(notebook, [*cells, cells[2]], ["a", "b", "c", "copy"])

    assert is_as_fresh(notebook, [*cells, cells[2]])


@row("executed as an edited copy")
def test_an_edited_copy(notebook, cells):
    run_all(notebook, cells)
    notebook.pause()
    notebook(cells[2], "copy")
    notebook.pause()

    notebook(cells[2].replace("b =", "c ="), "copy")

    assert is_as_fresh(notebook, [*cells, cells[2].replace("b =", "c =")])


@row("split, and all run")
def test_a_cell_that_is_split(notebook, cells):
    head, line = cells[2].split("\n")
    both = f"{head}\n{line}\n{line.replace('b =', 'c =')}"
    run_all(notebook, [*cells[:2], both])

    cells += [f"{head}\n{line.replace('b =', 'c =')}"]
    run_all(notebook, cells)

    assert is_as_fresh(notebook, cells)


@row("merged, and all run")
def test_cells_that_are_merged(notebook, cells):
    run_all(notebook, cells)
    merged = [cells[0], cells[1] + "\n" + cells[2].split("\n")[1]]

    run_all(notebook, merged)
    notebook("flows = 0")

    assert [p.what for p in check(flows["f"]).problems] == ["old"]
    notebook(f"%flow prune f '{flows['f'].cells[2].label.removeprefix('cell ')}'")
    assert is_as_fresh(notebook, merged)


@row("moved, and all run")
def test_a_cell_that_is_moved(notebook, cells):
    cells.append(cells[2].replace("b =", "c ="))
    run_all(notebook, cells)
    moved = [cells[i] for i in (0, 3, 1, 2)]

    run_all(notebook, moved, "adbc")

    assert is_as_fresh(notebook, moved)


@row("inserted above a reader, and all run")
@pytest.mark.parametrize("inserted", ["a = a + [7]", "a.append(7)", "a += [7]"])
@pytest.mark.parametrize("is_one_deleted", [False, True])
def test_a_cell_inserted_above_a_reader(notebook, inserted, is_one_deleted):
    cells = KINDS["task"]
    more = "%%task --flow f\nc = 1"
    for cell, cell_id in zip([*cells, more, f"%%task --flow f\n{inserted}"], "abcmi", strict=True):
        notebook.pause()
        notebook(cell, cell_id)
    result = [cells[0], f"%%task --flow f\n{inserted}", *cells[1:]]

    run_all(notebook, result if is_one_deleted else [*result, more], "aibcm")
    notebook("None")
    if is_one_deleted:
        assert [p.what for p in check(flows["f"]).problems] == ["old"]
        left = next(cell for cell in flows["f"].cells if cell.note)
        notebook(f"%flow prune f '{left.label.removeprefix('cell ')}'")

    run = flows["f"].run()
    assert run.result[notebook.names["b"]].result == [1, 7, 1, 7, 1, 7, 1, 7]
    assert is_as_fresh(notebook, result if is_one_deleted else [*result, more])


def test_a_cell_inserted_between_cells_of_with(notebook):
    cells = KINDS["with"]
    for i, cell_id in ((0, "a"), (2, "c"), (1, "b")):
        notebook.pause()
        notebook(cells[i], cell_id)

    run_all(notebook, cells)

    assert flows["f"].run().result[notebook.names["b"]].result == 4
    assert is_as_fresh(notebook, cells)


@row("deleted, and all run")
@pytest.mark.parametrize("which", [1, 2])
def test_a_cell_that_is_deleted(notebook, cells, which):
    run_all(notebook, cells)
    gone = flows["f"].cells[which].label
    del cells[which]

    run_all(notebook, cells, "ac" if which == 1 else "ab")
    notebook("None")

    assert [(p.what, p.cell) for p in check(flows["f"]).problems] == [("old", gone)]
    notebook(f"%flow prune f '{gone.removeprefix('cell ')}'")
    assert is_as_fresh(notebook, cells)


@row("deleted, undone and executed")
def test_a_deletion_that_is_undone(notebook, cells):
    run_all(notebook, cells)
    before = picture()
    run_all(notebook, [cells[0], cells[2]], "ac")

    run_all(notebook, cells)

    assert picture() == before
    assert check(flows["f"]).problems == ()


@row("raises")
def test_a_cell_that_raises(notebook, cells):
    run_all(notebook, cells)
    before = picture()

    notebook(cells[1] + ("\n!" if cells[1].startswith("%%task") else "\n1 / 0"), "b")
    if not cells[1].startswith("%%task"):
        assert picture() == before

    run_all(notebook, cells)
    assert picture() == before


@row("executed in another order first, and all run")
def test_cells_tried_in_another_order(notebook):
    cells = [
        "%%task --flow f\na = [1]",
        "%%task --flow f\na.append(2)",
        "%%task --flow f\na.append(3)\nb = 4",
    ]
    for cell, cell_id in ((cells[2], "c"), (cells[1], "b")):
        notebook.pause()
        notebook(cell, cell_id)

    run_all(notebook, cells)

    assert is_as_fresh(notebook, cells)


@row('`with Flow("x")` in a second cell')
def test_a_flow_in_a_second_cell(notebook):
    notebook("with Flow('f') as f:\n    a = load(1)", "a")
    cell = notebook("with Flow('f') as f:\n    b = load(2)\n    c = double(b)", "b")
    notebook("None")

    assert picture()[0] == ["load-1", "double-1"]
    assert "has made a flow 'f' too" in str(cell.outputs)
    assert flows["f"] is notebook.names["f"]


@row("a function that builds the flow, called in two cells")
def test_a_function_that_builds_the_flow(notebook):
    notebook("def build():\n    with Flow('f') as f:\n        load(1)\n    return f")
    for cell_id in "aba":
        notebook("made = build()", cell_id)
        notebook("None")

        assert picture()[0] == ["load-1"]
        assert flows["f"] is notebook.names["made"]


SCRIPT = "from nbflow import Flow, task\n@task\ndef one(): return 1\nwith Flow('f') as f:\n    a = one()\n"


@row("`%run script.py`, once and twice")
def test_a_script(notebook, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    for cell_id in "aab":
        assert notebook(f"%run {tmp_path / 'script.py'}", cell_id).error is None
        notebook("None")

        assert picture()[0] == ["one-1"]
        assert flows["f"] is notebook.names["f"]


@row("`%run notebook.ipynb`, once and twice")
def test_a_notebook(notebook, tmp_path, cells):
    path = tmp_path / "other.ipynb"
    code = [
        {
            "cell_type": "code",
            "id": f"c{i}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": cell,
        }
        for i, cell in enumerate(cells)
    ]
    path.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    for _ in range(2):
        assert notebook(f"%run {path}", "a").error is None

        seen = picture()
    assert seen == fresh(notebook, cells)


@row("`run_cell_magic` in a loop")
@pytest.mark.parametrize(("magic", "body"), [("flow", "load({i})\\nNone"), ("task", "x{i} = {i}")])
def test_a_magic_in_a_loop(notebook, magic, body):
    line = "f --no-show" if magic == "flow" else "--flow f"
    for turns in (3, 3, 2):
        loop = f"for i in range({turns}):\n    get_ipython().run_cell_magic('{magic}', '{line}', f'{body}')"
        assert notebook(loop, "a").error is None

        assert len(flows["f"].tasks) == len(flows["f"].cells) == turns
        assert len({cell.label for cell in flows["f"].cells}) == turns


@row("`exec` of text that builds the flow")
def test_text_that_is_executed(notebook):
    notebook("with Flow('f') as f:\n    a = load(1)", "a")
    for _ in range(2):
        assert notebook("exec('with f:\\n    b = double(a)')", "b").error is None

        assert picture()[0] == ["load-1", "double-1"]


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    path = tmp_path / "with_a_flow.py"
    path.write_text(SCRIPT)
    yield path
    sys.modules.pop("with_a_flow", None)


@row("imports a module that builds a flow")
def test_a_module(notebook, module):
    for _ in range(2):
        assert notebook("import with_a_flow\nfrom with_a_flow import f", "a").error is None

        assert picture()[0] == ["one-1"]
    assert notebook("%flow run f").error is None


@row("reloads a module that builds a flow")
def test_a_module_that_is_loaded_again(notebook, module):
    notebook("import with_a_flow, importlib", "a")
    notebook("with with_a_flow.f:\n    b = double(with_a_flow.a)", "b")
    module.write_text(SCRIPT + "    c = one()\n")

    assert notebook("importlib.reload(with_a_flow);", "c").error is None

    assert flows["f"] is notebook.names["with_a_flow"].f
    assert sorted(picture()[0]) == ["double-1", "one-1", "one-2"]


@row("makes a flow and says `%flow run`")
def test_a_flow_that_is_run_by_the_cell_that_makes_it(notebook):
    for number in (1, 5):
        cell = f"with Flow('f') as f:\n    a = load({number})\n%flow run f\nvalue = f.runs[-1].results[a]"
        assert notebook(cell, "a").error is None

        assert notebook.names["value"] == number
    assert picture()[0] == ["load-1"]


def test_a_flow_that_is_run_by_its_cell_has_what_others_added(notebook):
    cell = "with Flow('f') as f:\n    a = load(1)\nstate = f.run()"
    notebook(cell, "a")
    notebook("with f:\n    b = double(a)", "b")

    assert notebook(cell, "a").error is None

    assert len(notebook.names["state"].result) == 2


@row("makes a flow in a dictionary or an attribute")
@pytest.mark.parametrize("place", ["held['x']", "held.x"])
def test_a_flow_in_a_container(notebook, place):
    notebook("class Space(dict): pass\nheld = Space()")
    notebook(f"{place} = Flow('f')\nwith {place}:\n    a = load(1)", "a")

    assert picture()[0] == ["load-1"]


@row("made before `%load_ext nbflow`")
def test_a_flow_made_before_the_extension_is_loaded(notebook):
    notebook("%unload_ext nbflow")
    notebook("with Flow('f') as f:\n    a = load(1)", "a")

    notebook("%load_ext nbflow")

    assert picture()[0] == ["load-1"]
    assert notebook("%flow run f").error is None
