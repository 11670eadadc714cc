"""Cells that use a resource as notebooks do: they make no version of it, and keep the order of the notebook (C4)."""

from __future__ import annotations

import pytest

from nbflow import flows

DATABASE = """
import sqlite3
from nbflow.resources import Database
"""
BLOCK = """%%flow notebook --no-show
with Database(sqlite3.connect, ":memory:", check_same_thread=False) as db:
    pass
"""


@pytest.fixture
def cells(notebook):
    """Execute `%%task` cells below the block of a database; gives the flow."""

    def execute(*sources):
        for source in (DATABASE, BLOCK):
            assert notebook(source).error is None
        for i, source in enumerate(sources):
            cell = notebook(f"%%task cell_{i}\n{source}", cell_id=f"cell-{i}")
            assert cell.error is None, cell.error
        return flows["notebook"]

    return execute


def order(flow):
    return sorted(
        (edge.upstream_task.name, edge.downstream_task.name)
        for edge in flow.edges
        if edge.key is None and "cleanup" not in edge.downstream_task.name
    )


@pytest.mark.parametrize(
    "source",
    [
        "db.execute('create table t(a)')\nn = 1",
        "with db:\n    db.execute('create table t(a)')\nn = 1",
        "db.row_factory = sqlite3.Row\nn = 1",
        "for row in db.execute('select 1'):\n    n = row",
        "db.execute('create table t(a)')",
    ],
)
def test_a_statement_uses_the_resource_of_its_block(cells, source):
    flow = cells(source)

    assert flow.run().is_successful()
    assert "cell_0" in {task.name for block in flow.blocks for task in block.members}


def test_cells_that_use_one_resource_keep_the_order_of_the_notebook_on_threads(notebook, cells):
    flow = cells(
        "db.execute('create table t(a)')",
        "n = 1",
        "db.execute('insert into t values (1)')",
        "cursor = db.execute('select a from t')",
        "rows = cursor.fetchall()",
        "db.execute('delete from t')",
    )

    assert order(flow) == [
        ("cell_0", "cell_2"),
        ("cell_2", "cell_3"),
        ("cell_3", "cell_4"),
        ("cell_4", "cell_5"),
    ]
    state = flow.run(executor="threads")
    assert state.is_successful(), state.message
    names = {task.name: task for task in flow.tasks}
    assert state.result[notebook.names["rows"]].result == [(1,)]
    # What works only as long as the resource does is in its block too.
    assert names["cell_4"] in flow.blocks[0].members


def test_a_cell_that_begins_to_use_the_resource_gets_its_place_in_the_order(notebook, cells):
    flow = cells("db.execute('create table t(a)')", "n = 1", "db.execute('drop table t')")

    notebook("%%task cell_1\ndb.execute('insert into t values (1)')", cell_id="cell-1")

    assert order(flow) == [("cell_0", "cell_1"), ("cell_1", "cell_2")]


def test_the_order_closes_up_when_a_cell_is_taken_out(notebook, cells):
    flow = cells("db.execute('create table t(a)')", "db.execute('select 1')", "db.execute('drop table t')")

    cell = notebook("%flow prune notebook 6")
    names = {task.name for task in flow.tasks}

    assert cell.error is None, cell.error
    assert len(order(flow)) == 1, (names, order(flow))
    assert flow.run().is_successful()


def test_a_connection_that_a_task_gives_is_closed_after_all_that_use_it(notebook):
    notebook(
        "class Con:\n    rows = ()\n    def execute(self, x): self.rows += (x,)\n    def close(self): self.rows = None"
    )
    for i, source in enumerate(["con = Con()", "con.execute('create')", "print(con.rows)", "con.close()"]):
        notebook(f"%%task cell_{i}\n{source}", cell_id=f"cell-{i}")

    cell = notebook("%flow run notebook --executor threads")

    assert "('create',)" in cell.out


def test_what_cells_have_done_with_a_resource_is_done_again_when_it_is_set_up_again(notebook, cells):
    flow = cells(
        "db.execute('create table t(a)')",
        "db.execute('insert into t values (1)')",
        "rows = db.execute('select a from t').fetchall()",
    )
    assert flow.run().is_successful()
    notebook("%%task cell_2\nrows = db.execute('select a + 1 from t').fetchall()", cell_id="cell-2")

    state = flow.runs[-1].rerun("stale").wait()

    assert state.result[notebook.names["rows"]].result == [(2,)]


def test_a_connection_that_a_cell_has_closed_is_made_again_for_a_rerun(notebook):
    notebook("import sqlite3")
    sources = [
        "con = sqlite3.connect(':memory:', check_same_thread=False)",
        "con.execute('create table t(a)')\ncon.execute('insert into t values (1)')",
        "rows = con.execute('select a from t').fetchall()",
        "con.close()",
    ]
    for i, source in enumerate(sources):
        notebook(f"%%task cell_{i}\n{source}", cell_id=f"cell-{i}")
    flow = flows["notebook"]
    assert flow.run().is_successful()
    notebook("%%task cell_2\nrows = con.execute('select a + 1 from t').fetchall()", cell_id="cell-2")

    run = flow.runs[-1].rerun("stale")

    assert run.wait().is_successful()
    assert run.results[notebook.names["rows"]] == [(2,)]
