"""Operators on tasks: what they build and what they compute."""

from __future__ import annotations

import operator

import pytest

from nbflow.core import operators
from nbflow.core.annotations import unmapped
from nbflow.core.collections import Constant
from nbflow.core.graph import Graph
from nbflow.core.task import Task

# Operands that a test does not use are none of its business.
pytestmark = pytest.mark.filterwarnings("ignore:Tasks were created but not added")


@pytest.fixture
def flow():
    with Graph("f") as graph:
        yield graph


def arguments(graph, task):
    return {edge.key: edge.upstream_task for edge in graph.edges_in(task)} | graph.constants[task]


BINARY = [
    (operator.add, operators.Add, 7, 2, 9),
    (operator.sub, operators.Sub, 7, 2, 5),
    (operator.mul, operators.Mul, 7, 2, 14),
    (operator.truediv, operators.Div, 7, 2, 3.5),
    (operator.floordiv, operators.FloorDiv, 7, 2, 3),
    (operator.mod, operators.Mod, 7, 2, 1),
    (operator.pow, operators.Pow, 7, 2, 49),
    (operator.and_, operators.And, 7, 2, True),
]
COMPARISONS = [
    (operator.lt, operators.LessThan, operators.GreaterThan, False),
    (operator.le, operators.LessThanOrEqual, operators.GreaterThanOrEqual, False),
    (operator.gt, operators.GreaterThan, operators.LessThan, True),
    (operator.ge, operators.GreaterThanOrEqual, operators.LessThanOrEqual, True),
]


@pytest.mark.parametrize(("apply", "cls", "x", "y", "expected"), BINARY)
def test_an_operator_makes_a_task_of_both_operands(flow, apply, cls, x, y, expected):
    """Flow-model 3.9."""
    a, b = Task("a"), Task("b")

    made = apply(a, b)

    assert type(made) is cls
    assert made.name == cls.__name__
    assert arguments(flow, made) == {"x": a, "y": b}
    assert made.run(x, y) == expected


@pytest.mark.parametrize(("apply", "cls", "x", "y", "expected"), BINARY)
def test_an_operator_takes_a_constant_on_either_side(flow, apply, cls, x, y, expected):
    """Flow-model 3.9."""
    a = Task("a")

    right, left = apply(a, y), apply(x, a)

    assert arguments(flow, right) == {"x": a, "y": y}
    assert arguments(flow, left) == {"x": x, "y": a}


@pytest.mark.parametrize(("apply", "cls", "reflected", "expected"), COMPARISONS)
def test_a_comparison_makes_a_task(flow, apply, cls, reflected, expected):
    """Flow-model 3.9."""
    a, b = Task("a"), Task("b")

    assert type(apply(a, b)) is cls
    assert type(apply(1, a)) is reflected
    assert cls().run(7, 2) is expected


def test_equality_has_its_own_methods(flow):
    """Flow-model 3.9."""
    a, b = Task("a"), Task("b")

    assert a.is_equal(b).run(1, 1) is True
    assert a.is_not_equal(b).run(1, 1) is False
    assert arguments(flow, a.is_equal(5)) == {"x": a, "y": 5}


def test_equality_and_truth_stay_those_of_python(flow):
    """Flow-model 3.9."""
    a, b = Task("a"), Task("a")

    assert a == a
    assert a != b
    assert bool(a)
    assert not flow.tasks


def test_and_and_not_give_truth_values_and_or_gives_one_side(flow):
    """Flow-model 3.9."""
    a, b = Task("a"), Task("b")

    assert (a & b).run(1, [2]) is True
    assert (a & b).run(1, []) is False
    assert a.or_(b).run(0, "x") == "x"
    assert a.or_(b).run(1, "x") == 1
    assert a.not_().run(0) is True
    assert arguments(flow, a.not_()) == {"x": a}


def test_a_bar_is_an_edge_and_gives_the_right_side(flow):
    """Flow-model 3.9."""
    a, b, c = Task("a"), Task("b"), Task("c")

    assert (a | b) is b
    assert (a | b | c) is c

    assert [(e.upstream_task, e.downstream_task, e.key) for e in flow.edges] == [(a, b, None), (b, c, None)]
    assert flow.tasks == {a, b, c}


def test_a_bar_takes_constants_on_either_side(flow):
    """Flow-model 3.9."""
    a, b = Task("a"), Task("b")

    assert (1 | a) is a
    a | 2 | b

    values = {t.value for t in flow.tasks if isinstance(t, Constant)}
    assert values == {1, 2}
    assert len(flow.edges) == 3
    assert flow.terminal_tasks() == {b}


def test_a_bar_takes_an_annotation(flow):
    """Flow-model 3.9, 5.7."""
    a, b = Task("a"), Task("b")

    unmapped(a) | b

    assert flow.upstream_tasks(b) == {a}


def test_a_bar_needs_a_flow():
    """Flow-model 3.7."""
    with pytest.raises(ValueError, match="No Flow was passed"):
        Task() | Task()


def test_an_operator_needs_a_flow():
    """Flow-model 3.5."""
    with pytest.raises(ValueError, match="Could not infer an active Flow"):
        Task() + 1


def test_an_item_is_a_task_named_after_its_key(flow):
    """Flow-model 3.9."""
    a, y, z = Task("a"), Task("y"), Task("z")

    assert a[0].name == "a[0]"
    assert y["k"].name == "y['k']"
    assert z[Task("other")].name == "z[other]"


def test_an_item_is_taken_at_run_time(flow):
    """Flow-model 3.9."""
    a = Task("a")

    item = a["k"]

    assert isinstance(item, operators.GetItem)
    assert arguments(flow, item) == {"task_result": a, "key": "k"}
    assert item.run(task_result={"k": 5}, key="k") == 5


def test_operations_nest(flow):
    """Flow-model 3.9."""
    a, b = Task("a"), Task("b")

    made = (a + 1) * b[0]

    assert len(flow.tasks) == 5
    assert flow.terminal_tasks() == {made}
