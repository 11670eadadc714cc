"""What can be folded, by which keys, and drawings in which some of it is."""

from __future__ import annotations

import pytest

from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.resource import resource_manager
from nbflow.core.states import Failed, Mapped, Pending, Running, Success
from nbflow.render.build import FOLD_ABOVE, draw, foldable
from nbflow.render.cache_key import cache_key
from nbflow.render.folding import Folding
from nbflow.render.status_marks import Mark, marks


@task
def step(x=None):
    return x


@resource_manager
class Room:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


@pytest.fixture
def graph():
    with Graph("rooms") as graph:
        with Room(), Room() as inner:
            for _ in range(3):
                step(inner)
        step.map([1, 2], task_args={"name": "each"})
    return graph


def folded(graph, *keys, **options):
    return draw(graph, fold=Folding(keys=frozenset(keys)), **options)


def test_blocks_groups_and_maps_can_be_folded_and_a_small_flow_starts_open(graph):
    parts = foldable(graph)

    assert set(parts.blocks) == {"block--Room-1", "block--Room-2"}
    assert {key: len(tasks) for key, tasks in parts.groups.items()} == {"group--step-1": 3}
    assert set(parts.maps) == {"each-1"}
    assert parts.start == frozenset()


def test_a_large_flow_starts_with_what_a_drawing_folds_by_itself():
    with Graph("wide") as graph:
        for _ in range(FOLD_ABOVE + 1):
            step()

    parts = foldable(graph)

    assert parts.start == {"group--step-1"}
    assert set(draw(graph, fold=parts.folding({})).nodes) == set(draw(graph).nodes) == {"group--step-1"}
    assert len(draw(graph, fold=parts.folding({"group--step-1": False})).nodes) == FOLD_ABOVE + 1


def test_blocks_and_groups_are_folded_by_their_keys(graph):
    assert "block--Room-2" in folded(graph, "block--Room-2").nodes
    assert "group--step-1" in folded(graph, "group--step-1").nodes
    assert set(folded(graph, "block--Room-1", "block--Room-2", "group--step-1").nodes) >= {"block--Room-1"}
    assert "block--Room-2" not in folded(graph, "block--Room-1", "block--Room-2").nodes


def test_keys_of_nothing_are_passed_over(graph):
    assert folded(graph, "block--gone-1", "group--gone-1", "odd").nodes == draw(graph).nodes


def test_a_drawing_tells_what_in_it_is_folded(graph):
    parts = foldable(graph)
    each = parts.maps["each-1"]

    assert parts.of(folded(graph, "group--step-1", children={each: 2})) == {
        "block--Room-1": False, "block--Room-2": False, "group--step-1": True, "each-1": False,
    }  # fmt: skip
    assert parts.of(folded(graph, "block--Room-1")) == {"block--Room-1": True, "each-1": True}


def test_a_group_of_unfolded_maps_shows_by_its_first_child():
    with Graph("maps") as graph:
        first = step(task_args={"name": "first"})
        maps = [step.map(first) for _ in range(3)]

    drawing = draw(graph, children=dict.fromkeys(maps, 2))

    assert foldable(graph).of(drawing) == {
        "group--step-1": False, "step-1": False, "step-2": False, "step-3": False,
    }  # fmt: skip


def test_a_map_that_is_not_over_counts_as_running_in_what_is_folded_around_it():
    with Graph("maps") as graph:
        maps = [step.map([1, 2]) for _ in range(3)]
    drawing = folded(graph, "group--step-1")

    def mark(children):
        states = dict.fromkeys(graph.tasks, Success()) | {maps[0]: Mapped(map_states=children)}
        return marks(drawing, states).nodes["group--step-1"]

    assert mark([Success(), Success()]) == Mark("Success", "✓ 3/3")
    assert mark([Success(), Running()]) == Mark("Running", "◐ 2/3")
    assert mark([Pending(), Pending()]) == Mark("Running", "◐ 2/3")
    assert mark([Success(), Failed()]) == Mark("Failed", "✗ 3/3, 1 failed")


def test_a_structure_is_drawn_as_its_graph_is_and_does_not_change_with_it(graph):
    before = cache_key(graph)
    drawing = draw(graph)

    with graph:
        step()

    assert draw(before) == drawing
    assert cache_key(graph) != before
    assert cache_key(graph) == cache_key(graph)
    assert draw(cache_key(graph)) == draw(graph)
