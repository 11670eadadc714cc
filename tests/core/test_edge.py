"""An edge is a value: its five fields, what it refuses, and what annotations do to it."""

from __future__ import annotations

import pickle

import pytest

from nbflow.core.annotations import flatten, mapped, unmapped
from nbflow.core.collections import Constant, List
from nbflow.core.edge import Edge
from nbflow.core.graph import Graph
from nbflow.core.task import Task
from nbflow.errors import EdgeKeyError, NbflowError, SelfEdgeError


def test_an_edge_knows_its_tasks_and_has_no_key_by_default():
    """Flow-model 9.2."""
    a, b = Task("a"), Task("b")

    edge = Edge(a, b)

    assert (edge.upstream_task, edge.downstream_task) == (a, b)
    assert edge.key is None
    assert edge.mapped is False
    assert edge.flattened is False
    assert edge.tasks == {a, b}


def test_edges_with_the_same_values_are_equal_and_hash_alike():
    """Flow-model 9.2."""
    a, b = Task(), Task()

    one, other = Edge(a, b, "x", mapped=True), Edge(a, b, key="x", mapped=True)

    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


def test_edges_that_differ_in_any_value_are_not_equal():
    """Flow-model 9.2."""
    a, b, c = Task(), Task(), Task()

    edges = {
        Edge(a, b),
        Edge(b, a),
        Edge(a, c),
        Edge(c, b),
        Edge(a, b, "x"),
        Edge(a, b, "y"),
        Edge(a, b, "x", mapped=True),
        Edge(a, b, "x", flattened=True),
        Edge(a, b, "x", mapped=True, flattened=True),
    }

    assert len(edges) == 9
    assert Edge(a, b) != (a, b, None, False, False)


@pytest.mark.parametrize("key", ["1", "a b", "a-b", "", "class", "lambda", "x.y"])
def test_a_key_must_be_the_name_of_an_argument(key):
    """Flow-model 9.2."""
    with pytest.raises(ValueError, match="identifier") as caught:
        Edge(Task(), Task(), key=key)

    assert isinstance(caught.value, EdgeKeyError)
    assert caught.value.key == key


def test_an_edge_from_a_task_to_itself_is_refused_at_once():
    """Flow-model 2.7, 9.2."""
    task = Task("loop")

    with pytest.raises(ValueError, match=r"itself.*loop") as caught:
        Edge(task, task)

    assert isinstance(caught.value, SelfEdgeError)
    assert isinstance(caught.value, NbflowError)


@pytest.mark.parametrize(
    ("annotate", "properties"),
    [
        (mapped, (True, False)),
        (unmapped, (False, False)),
        (flatten, (False, True)),
        (lambda t: mapped(flatten(t)), (True, True)),
        (lambda t: flatten(unmapped(t)), (False, True)),
    ],
)
def test_annotations_set_the_properties_of_an_edge(annotate, properties):
    """Flow-model 5.7."""
    task = Task()

    edge = Edge(annotate(task), Task())

    assert edge.upstream_task is task
    assert (edge.mapped, edge.flattened) == properties


def test_annotations_override_the_keywords_of_an_edge():
    """Flow-model 5.7."""
    edge = Edge(unmapped(Task()), Task(), mapped=True, flattened=True)

    assert edge.mapped is False
    assert edge.flattened is True
    assert Edge(flatten(Task()), Task(), mapped=True).mapped is True


def test_what_is_no_task_is_converted_to_one():
    """Flow-model 3.8."""
    edge = Edge(unmapped(1), Task())

    assert isinstance(edge.upstream_task, Constant)
    assert edge.upstream_task.value == 1


def test_collections_of_tasks_are_gathered_in_the_given_flow():
    """Flow-model 3.8, 9.2."""
    flow, member = Graph("f"), Task()

    edge = Edge([member], Task(), flow=flow)

    assert isinstance(edge.upstream_task, List)
    assert flow.tasks == {member, edge.upstream_task}


def test_an_edge_shows_the_names_and_the_key():
    assert repr(Edge(Task("a"), Task("b"))) == "<Edge: a to b>"
    assert repr(Edge(Task("a"), Task("b"), "x")) == "<Edge (key=x): a to b>"


def test_an_edge_read_from_a_pickle_has_the_hash_of_its_new_tasks():
    edge, again = pickle.loads(pickle.dumps([Edge(Task("a"), Task("b"), "x")] * 2))

    assert edge is again
    assert edge in {Edge(edge.upstream_task, edge.downstream_task, "x")}


@pytest.mark.parametrize("constant", ["a", 1, (), object(), [1], None])
def test_a_constant_does_not_come_before_itself(constant):
    """Flow-model 9.2."""
    with pytest.raises(SelfEdgeError, match="connect a task to itself"):
        Edge(constant, constant)
    with pytest.raises(SelfEdgeError, match="connect a task to itself"):
        Edge(unmapped(constant), constant)


def test_two_constants_may_be_joined():
    """Flow-model 9.2."""
    assert {task.value for task in Edge(1, 2).tasks} == {1, 2}
