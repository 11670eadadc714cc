"""Which node stands for which task, and in which box."""

from __future__ import annotations

from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.resource import resource_manager
from nbflow.render.build import FOLD_ABOVE, draw
from nbflow.render.drawing import Cluster, Node
from nbflow.render.names import safe_key


@task
def step(x=None):
    return x


@resource_manager
class Room:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


def kinds(drawing) -> dict[str, str]:
    return {node.name: node.kind for node in drawing.nodes.values()}


def test_every_task_is_one_node_named_after_its_slug(scene) -> None:
    drawing = draw(scene.graph)

    assert {task for node in drawing.nodes.values() for task in node.tasks} == scene.graph.tasks
    assert set(drawing.nodes) == {safe_key(slug) for slug in scene.graph.slugs.values()}


def test_nodes_know_what_they_are(scene) -> None:
    found = kinds(draw(scene.graph))

    assert found["size"] == "parameter"
    assert found["case(True)"] == "case"
    assert found["List"] == "collection"
    assert (found["Cluster"], found["Cluster.setup"], found["Cluster.cleanup"]) == (
        "init",
        "setup",
        "cleanup",
    )
    assert found["load"] == "task"


def test_a_nested_block_is_a_box_in_a_box_with_its_own_three_tasks(scene) -> None:
    drawing = draw(scene.graph)

    (outer,) = [item for item in drawing.items if isinstance(item, Cluster)]
    (inner,) = [item for item in outer.items if isinstance(item, Cluster)]
    assert (outer.name, inner.name) == ("Cluster", "Database")
    names = [item.name for item in inner.items if isinstance(item, Node)]
    assert names[0] == "Database"
    assert names[-1] == "Database.cleanup"
    assert set(names) == {"Database", "Database.setup", "load", "Database.cleanup"}


def test_edges_are_data_by_argument_or_lifecycle_or_order(scene) -> None:
    edges = {edge.key: edge for edge in draw(scene.graph).edges}

    data = edges["edge--Cluster.setup-1--load-1--client"]
    assert (data.kind, data.label, data.mapped) == ("data", "client", False)
    assert edges["edge--load-1--clean-1--row"].mapped
    assert edges["edge--Cluster-1--Cluster.setup-1--mgr"].kind == "lifecycle"
    assert edges[f"edge--{safe_key('case(True)-1')}--large-1"].kind == "order"


def test_edges_that_a_box_says_already_are_implied(scene) -> None:
    drawing = draw(scene.graph)

    implied = {edge.key for edge in drawing.edges if edge.implied}
    assert "edge--Cluster-1--Cluster.cleanup-1--mgr" in implied
    assert "edge--Cluster.setup-1--Cluster.cleanup-1--resource" in implied
    assert len(implied) == 4
    assert len(drawing.shown_edges) == len(drawing.edges) - 4


def test_constants_are_not_drawn() -> None:
    with Graph("constants") as graph:
        step(5)

    assert list(kinds(draw(graph))) == ["step"]


def test_a_folded_block_is_one_node_for_all_its_tasks(scene) -> None:
    drawing = draw(scene.graph, fold={scene.blocks["cluster"]})

    (node,) = [node for node in drawing.nodes.values() if node.kind == "block"]
    assert node.name == "Cluster"
    assert len(node.tasks) == 9
    assert not drawing.clusters
    assert drawing.folded
    assert all(edge.tail in drawing.nodes and edge.head in drawing.nodes for edge in drawing.edges)


def test_a_small_flow_is_not_folded_by_itself(scene) -> None:
    assert not draw(scene.graph).folded


def test_many_tasks_of_one_name_fold_into_one_node_each_depth() -> None:
    with Graph("wide") as graph:
        first = step(task_args={"name": "first"})
        for _ in range(FOLD_ABOVE):
            step(step(first))

    drawing = draw(graph)

    assert drawing.folded
    assert [(n.name, n.kind, len(n.tasks)) for n in drawing.nodes.values()] == [
        ("first", "task", 1),
        ("step", "group", FOLD_ABOVE),
        ("step", "group", FOLD_ABOVE),
    ]
    assert len(drawing.edges) == 2


def test_many_blocks_fold_when_folding_names_is_not_enough() -> None:
    with Graph("blocks") as graph:
        for i in range(100):
            with Room() as room:
                step(room, task_args={"name": f"use {i}"})

    drawing = draw(graph)

    assert {node.kind for node in drawing.nodes.values()} == {"block"}
    assert len(drawing.nodes) == 100


def test_nothing_is_folded_when_that_is_asked_for() -> None:
    with Graph("long") as graph:
        for _ in range(FOLD_ABOVE + 1):
            step()

    assert len(draw(graph, fold=None).nodes) == FOLD_ABOVE + 1


def test_children_pair_by_index_when_maps_are_drawn_one_by_one() -> None:
    with Graph("maps") as graph:
        first = step.map([1, 2])
        second = step.map(first)
        last = step(second)

    drawing = draw(graph, children={first: 2, second: 2})

    pairs = {(edge.tail, edge.head) for edge in drawing.edges}
    a, b, c = (safe_key(graph.slugs[t]) for t in (first, second, last))
    assert {(f"{a}--0", f"{b}--0"), (f"{a}--1", f"{b}--1"), (f"{b}--0", c), (f"{b}--1", c)} <= pairs
    assert (f"{a}--0", f"{b}--1") not in pairs


def test_keys_are_the_slug_or_a_readable_start_and_a_hash() -> None:
    assert safe_key("some_task-1") == "some_task-1"
    for odd in ("a b", "a--b", "<script>", "-", "", "ü", "x" * 10_000, '"', "a\nb"):
        key = safe_key(odd)
        assert key.replace("-", "").replace("_", "").isalnum()
        assert "--" not in key
        assert len(key) < 50
    assert safe_key("a b") != safe_key("a-b")
