"""Executing a cell again replaces what it added and nothing else; tested on a graph, without IPython."""

from __future__ import annotations

import pickle

import pytest

from nbflow.core.block import Block
from nbflow.core.edge import Edge
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.core.resource import resource_manager
from nbflow.errors import CycleError, DanglingTaskError
from nbflow.notebook.cells.contribution import OldTaskError
from nbflow.notebook.cells.flow_cells import Cells, cells_of


@task
def load(n=1):
    return n


@task
def clean(data):
    return data


@task
def save(data, client=None):
    return data


@resource_manager
class Cluster:
    def setup(self):
        return "cluster"

    def cleanup(self, resource):
        pass


@resource_manager
class Database:
    def setup(self):
        return "database"

    def cleanup(self, resource):
        pass


class Notebook:
    """Cells as functions of the namespace, executed as the magic does it."""

    def __init__(self):
        self.graph = Graph("example")
        self.names = {}

    def execute(self, key, cell):
        with self.graph, cells_of(self.graph).executing(key, f"cell {key}", self.names):
            cell(self.names)

    def picture(self):
        """The graph as text that is equal for equal graphs."""
        graph = self.graph
        slug = graph.slugs
        return (
            [slug[t] for t in graph.sorted_tasks()],
            sorted((slug[e.upstream_task], slug[e.downstream_task], str(e.key)) for e in graph.edges),
            {slug[t]: dict(values) for t, values in graph.constants.items() if values},
            [(b.name, [slug[t] for t in b.members], b.parent and b.parent.name) for b in graph.blocks],
        )


@pytest.fixture
def notebook():
    return Notebook()


def loads(names):
    names["data"] = load(n=3)


def cleans(names):
    names["cleaned"] = clean(names["data"])


def saves(names):
    names["saved"] = save(names["cleaned"])


def clusters(names):
    with Cluster() as names["client"]:
        names["saved"] = save(names["cleaned"], names["client"])


def from_scratch(*cells):
    fresh = Notebook()
    for key, cell in enumerate(cells):
        fresh.execute(str(key), cell)
    return fresh.picture()


def test_executing_a_cell_again_changes_nothing(notebook):
    for key, cell in enumerate((loads, cleans, saves)):
        notebook.execute(str(key), cell)
    once = notebook.picture()

    notebook.execute("1", cleans)

    assert notebook.picture() == once


def test_executing_all_cells_again_from_top_to_bottom_changes_nothing(notebook):
    cells = (loads, cleans, clusters)
    for _ in range(2):
        for key, cell in enumerate(cells):
            notebook.execute(str(key), cell)

    assert notebook.picture() == from_scratch(*cells)


def test_other_cells_tasks_are_tied_to_the_new_task(notebook):
    notebook.execute("0", loads)
    notebook.execute("1", cleans)
    old = notebook.names["data"]

    notebook.execute("0", loads)

    new = notebook.names["data"]
    assert new is not old
    assert old not in notebook.graph.tasks
    assert Edge(new, notebook.names["cleaned"], key="data") in notebook.graph.edges


def test_an_edited_cell_gives_the_same_flow_as_a_notebook_written_so(notebook):
    def loads_twice(names):
        loads(names)
        names["other"] = load(n=5)

    for key, cell in enumerate((loads, cleans, saves)):
        notebook.execute(str(key), cell)

    notebook.execute("0", loads_twice)

    assert notebook.picture() == from_scratch(loads_twice, cleans, saves)


def test_a_removed_task_is_removed(notebook):
    def empty(names):
        pass

    notebook.execute("0", loads)
    notebook.execute("1", cleans)

    notebook.execute("1", empty)

    assert notebook.picture() == from_scratch(loads)


def test_a_cell_that_raises_leaves_the_flow_and_the_names_as_they_were(notebook):
    def fails(names):
        names["data"] = load(n=4)
        with Cluster() as names["client"]:
            clean(names["data"])
        names["plain"] = 1
        raise ZeroDivisionError

    notebook.execute("0", loads)
    notebook.execute("1", cleans)
    before, data = notebook.picture(), notebook.names["data"]

    with pytest.raises(ZeroDivisionError):
        notebook.execute("0", fails)

    assert notebook.picture() == before
    assert notebook.names["data"] is data
    assert "client" not in notebook.names
    assert notebook.names["plain"] == 1


def test_after_a_failure_the_flow_can_be_built_on(notebook):
    def fails(names):
        load(n=4)
        raise ZeroDivisionError

    notebook.execute("0", loads)
    with pytest.raises(ZeroDivisionError):
        notebook.execute("1", fails)

    notebook.execute("1", cleans)
    notebook.execute("2", saves)

    assert notebook.picture() == from_scratch(loads, cleans, saves)


def test_a_cell_that_makes_a_cycle_is_refused_whole(notebook):
    def circle(names):
        names["data"].set_upstream(names["cleaned"])

    notebook.execute("0", loads)
    notebook.execute("1", cleans)
    before = notebook.picture()

    with pytest.raises(CycleError, match="load"):
        notebook.execute("2", circle)

    assert notebook.picture() == before


def renamed(names):
    names["table"] = load(n=3)


def test_a_name_that_another_cell_uses_may_go_and_a_stand_in_says_who_misses_it(notebook):
    notebook.execute("0", loads)
    notebook.execute("1", cleans)

    notebook.execute("0", renamed)

    (missing,) = (task for task in notebook.graph.tasks if isinstance(task, PlaceholderTask))
    assert Edge(missing, notebook.names["cleaned"], key="data") in notebook.graph.edges
    assert str(missing.error).startswith("cell 1 uses 'data', which cell 0 no longer makes")
    with pytest.raises(DanglingTaskError):
        missing.run()


def test_the_other_cells_are_tied_again_when_the_name_comes_back(notebook):
    notebook.execute("0", loads)
    notebook.execute("1", cleans)
    before = notebook.picture()

    notebook.execute("0", renamed)
    notebook.execute("0", loads)

    assert notebook.picture() == before


def test_the_name_may_come_back_in_another_cell(notebook):
    notebook.execute("0", loads)
    notebook.execute("1", cleans)
    notebook.execute("0", renamed)

    notebook.execute("2", loads)

    assert Edge(notebook.names["data"], notebook.names["cleaned"], key="data") in notebook.graph.edges
    assert cells_of(notebook.graph).dangling == ()


def test_a_name_bound_to_another_task_takes_its_users_along(notebook):
    def other(names):
        names["data"] = clean(1)

    notebook.execute("0", loads)
    notebook.execute("1", cleans)

    notebook.execute("0", other)

    assert notebook.picture() == from_scratch(other, cleans)


def test_a_task_that_takes_over_the_former_ones_number_does_not_take_its_users(notebook):
    def two(names):
        names["data"], names["other"] = load(n=1), load(n=2)

    def one(names):
        names["other"] = load(n=2)

    notebook.execute("0", two)
    notebook.execute("1", cleans)

    notebook.execute("0", one)

    assert len(cells_of(notebook.graph).dangling) == 1


def test_a_name_bound_again_by_a_later_cell_keeps_its_value_when_the_first_is_executed_again(notebook):
    def rebinds(names):
        names["data"] = clean(names["data"])

    for key, cell in enumerate((loads, rebinds, cleans)):
        notebook.execute(str(key), cell)

    notebook.execute("0", loads)
    notebook.execute("2", cleans)

    assert notebook.picture() == from_scratch(loads, rebinds, cleans)


def test_two_cells_that_add_the_same_edge_both_count(notebook):
    def after(names):
        names["cleaned"].set_upstream(names["extra"])

    def extra(names):
        names["extra"] = load(n=9)

    for key, cell in enumerate((loads, cleans, extra, after, after)):
        notebook.execute(str(key), cell)

    notebook.execute("3", lambda names: None)

    assert Edge(notebook.names["extra"], notebook.names["cleaned"]) in notebook.graph.edges


def test_a_block_that_goes_leaves_what_others_put_into_it_with_a_stand_in(notebook):
    def without(names):
        names["saved"] = save(names["cleaned"])

    cells = (loads, cleans, clusters, adds_to_block)
    for key, cell in enumerate(cells):
        notebook.execute(str(key), cell)
    before = notebook.picture()

    notebook.execute("2", without)
    named = [str(dangling.place) for dangling in cells_of(notebook.graph).dangling]
    notebook.execute("2", clusters)

    assert named == ["client"]
    assert notebook.picture() == before


def test_a_list_of_tasks_is_followed_item_by_item(notebook):
    def many(names):
        names["loads"] = [load(n=i) for i in range(3)]

    def fewer(names):
        names["loads"] = [load(n=i) for i in range(2)]

    def takes(names):
        names["last"] = clean(names["loads"][2])

    notebook.execute("0", many)
    notebook.execute("1", takes)

    notebook.execute("0", fewer)

    assert [str(dangling.place) for dangling in cells_of(notebook.graph).dangling] == ["loads[2]"]


def test_a_name_that_a_cell_reads_and_rebinds_may_be_executed_again(notebook):
    def rebinds(names):
        names["data"] = clean(names["data"])

    notebook.execute("0", loads)
    notebook.execute("1", rebinds)

    notebook.execute("1", rebinds)
    notebook.execute("1", rebinds)

    assert notebook.picture() == from_scratch(loads, rebinds)


def test_a_task_kept_from_a_replaced_execution_is_refused_by_name(notebook):
    notebook.execute("0", loads)
    kept = notebook.names["data"]
    notebook.execute("0", loads)
    before = notebook.picture()

    with pytest.raises(OldTaskError, match=r"'load' comes from an earlier execution of cell 0"):
        notebook.execute("1", lambda names: clean(kept))

    assert notebook.picture() == before


def test_a_task_made_before_the_cell_may_come_and_go(notebook):
    n = Parameter("n", default=1)

    def uses(names):
        names["data"] = load(n)

    def uses_too(names):
        names["other"] = clean(n)

    notebook.execute("0", uses)
    notebook.execute("1", uses_too)
    notebook.execute("0", uses)
    notebook.execute("0", loads)

    assert n in notebook.graph.tasks
    assert Edge(n, notebook.names["other"], key="data") in notebook.graph.edges


def test_a_parameter_of_the_same_name_may_be_made_again(notebook):
    def parameter(names):
        names["n"] = Parameter("n", default=1)
        names["data"] = load(names["n"])

    notebook.execute("0", parameter)
    notebook.execute("0", parameter)

    assert notebook.picture() == from_scratch(parameter)


def adds_to_block(names):
    with names["client"].block:
        names["more"] = clean(names["cleaned"])


def test_a_block_continued_in_another_cell_survives_the_first_one_again(notebook):
    cells = (loads, cleans, clusters, adds_to_block)
    for key, cell in enumerate(cells):
        notebook.execute(str(key), cell)

    notebook.execute("2", clusters)

    assert notebook.picture() == from_scratch(*cells)
    assert all(isinstance(block, Block) for block in notebook.graph.blocks)


def test_a_block_is_tied_again_when_a_cell_that_continued_it_goes(notebook):
    def continues(names):
        with names["client"].block:
            names["more"] = clean(names["saved"])

    cells = (loads, cleans, clusters)
    for key, cell in enumerate((*cells, continues)):
        notebook.execute(str(key), cell)

    notebook.execute("3", lambda names: None)

    assert notebook.picture() == from_scratch(*cells)


def test_a_block_nested_from_another_cell_moves_into_the_new_outer_one(notebook):
    def nested(names):
        with names["client"].block, Database() as names["db"]:
            names["stored"] = save(names["saved"], names["db"])

    cells = (loads, cleans, clusters, nested)
    for key, cell in enumerate(cells):
        notebook.execute(str(key), cell)

    notebook.execute("2", clusters)

    assert notebook.picture() == from_scratch(*cells)


def test_a_constant_given_to_another_cells_task_follows_it(notebook):
    def gives(names):
        names["saved"].bind(client="here", data=names["cleaned"])

    def makes(names):
        names["saved"] = save.copy()
        notebook.graph.add_task(names["saved"])

    for key, cell in enumerate((loads, cleans, makes, gives)):
        notebook.execute(str(key), cell)

    notebook.execute("2", makes)

    assert notebook.graph.constants[notebook.names["saved"]] == {"client": "here"}
    assert Edge(notebook.names["cleaned"], notebook.names["saved"], key="data") in notebook.graph.edges


def test_a_copy_of_a_flow_begins_without_cells(notebook):
    notebook.execute("0", loads)

    copied = notebook.graph.copy()

    assert cells_of(copied) is not cells_of(notebook.graph)
    assert cells_of(copied).contributions == {}


def test_a_pickled_flow_leaves_its_cells_behind():
    graph = Graph("example")
    cells_of(graph)

    assert pickle.loads(pickle.dumps(Cells(graph))) is None
