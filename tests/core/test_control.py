"""Branches: what `case`, `switch`, `ifelse` and `merge` add to a flow (flow-model 8.1 to 8.3)."""

from __future__ import annotations

import pytest

from nbflow.core import signals, triggers
from nbflow.core.collections import List
from nbflow.core.context import context
from nbflow.core.control import CompareValue, Merge, case, ifelse, merge, switch
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.core.task import Task


@task
def identity(x=None):
    return x


@task
def add(x, y=0):
    return x + y


def compares(flow):
    return [t for t in flow.sorted_tasks() if isinstance(t, CompareValue)]


# case


def test_the_value_of_a_case_is_no_task():
    """flow-model 8.1"""
    with pytest.raises(TypeError, match="`value` cannot be a task"):
        case(Task(), Task())


def test_a_case_is_current_inside_and_restored_outside():
    """flow-model 8.1"""
    with Graph("f"):
        a, b = case(identity(), 1), case(identity(), 2)
        with a:
            assert context["case"] is a
            with b:
                assert context["case"] is b
            assert context["case"] is a
        assert "case" not in context


def test_leaving_by_an_exception_restores_the_context():
    """flow-model 8.1"""
    with Graph("f"), pytest.raises(KeyError), case(identity(), 1):
        raise KeyError("x")

    assert "case" not in context


def test_one_compare_task_is_put_above_the_first_members():
    """flow-model 8.1"""
    with Graph("f") as flow:
        condition = identity()
        with case(condition, "a"):
            first = identity(1)
            second = identity(first)
            third = identity(2)
    (compare,) = compares(flow)

    assert compare.name == "case(a)"
    assert compare.value == "a"
    assert {(e.upstream_task, e.key) for e in flow.edges_to(compare)} == {(condition, "value")}
    assert flow.downstream_tasks(compare) == {first, third}
    assert flow.upstream_tasks(second) == {first}


def test_an_upstream_from_outside_does_not_replace_the_comparison():
    """flow-model 8.1"""
    with Graph("f") as flow:
        condition, outside = identity(), identity()
        with case(condition, 1):
            inside = identity(outside)

    assert flow.upstream_tasks(inside) == {outside, *compares(flow)}


def test_an_empty_case_adds_nothing():
    """flow-model 8.1"""
    with Graph("f") as flow:
        condition = identity()
        with case(condition, 1):
            pass

    assert flow.tasks == {condition}


def test_parameters_and_constants_are_no_members():
    """flow-model 8.1"""
    with Graph("f") as flow:
        condition = identity()
        with case(condition, 1):
            p = Parameter("p")
            inside = add(p, 1, upstream_tasks=[[1, 2]])

    assert flow.upstream_tasks(p) == set()
    assert flow.downstream_tasks(*compares(flow)) == {inside}
    flow.validate()


def test_nested_cases_depend_on_each_other():
    """flow-model 8.1"""
    with Graph("f") as flow:
        a, b = identity(), identity()
        with case(a, 1), case(b, 2):
            inside = identity()
    outer, inner = sorted(compares(flow), key=lambda t: t.value)

    assert flow.upstream_tasks(outer) == {a}
    assert flow.upstream_tasks(inner) == {b, outer}
    assert flow.upstream_tasks(inside) == {inner}


def test_members_in_two_flows_are_refused():
    """flow-model 8.1"""
    f, g = Graph("f"), Graph("g")
    with f:
        condition = identity()

    with case(condition, 1):
        identity(flow=f)
        with pytest.raises(ValueError, match="Multiple flows"):
            identity(flow=g)


def test_a_merge_inside_a_case_hangs_below_the_comparison():
    """flow-model 8.1"""
    with Graph("f") as flow:
        a, b = identity(), identity()
        with case(a, True):
            with case(b, True):
                x = identity()
            with case(b, False):
                y = identity()
            merged = merge(x, y)
        outer = next(c for c in compares(flow) if a in flow.upstream_tasks(c))

    assert flow.upstream_tasks(merged) == {x, y, outer}


@pytest.mark.parametrize(("value", "given"), [(1, 1), ("a", "a"), (None, None), (1, True)])
def test_a_comparison_lets_pass_what_is_equal(value, given):
    """flow-model 8.1"""
    CompareValue(value).run(given)


def test_a_comparison_skips_what_differs():
    """flow-model 8.1"""
    with pytest.raises(signals.SKIP, match='Provided value "b" did not match "a"'):
        CompareValue("a").run("b")


# switch and ifelse


def test_a_switch_compares_once_for_each_case():
    """flow-model 8.2"""
    with Graph("f") as flow:
        condition = identity()
        a, b = identity(1), identity(2)
        switch(condition, {"a": a, "b": b})
    above = {t: next(iter(flow.upstream_tasks(t))) for t in (a, b)}

    assert {t.value for t in above.values()} == {"a", "b"}
    assert all(t.tags == {"switch"} for t in above.values())
    assert above[a].name == 'CompareValue: "a"'
    assert above[a].value == "a"
    assert all(flow.upstream_tasks(t) == {condition} for t in above.values())


def test_a_list_as_a_branch_is_skipped_without_its_members():
    """flow-model 8.2"""
    with Graph("f") as flow:
        condition = identity()
        a, b = identity(1), identity(2)
        switch(condition, {1: [a, b]})
    (compare,) = compares(flow)
    (below,) = flow.downstream_tasks(compare)

    assert isinstance(below, List)
    assert flow.upstream_tasks(below) == {a, b, compare}


def test_a_mapped_switch_has_mapped_edges():
    """flow-model 8.2"""
    with Graph("f") as flow:
        condition = identity()
        a = identity.map(condition)
        switch(condition, {1: a}, mapped=True)
    (compare,) = compares(flow)

    assert all(e.mapped for e in flow.edges_to(compare) | flow.edges_from(compare))


def test_ifelse_tests_the_truth_of_the_condition():
    """flow-model 8.2"""
    with Graph("f") as flow:
        condition = identity()
        a, b = identity(), identity()
        ifelse(condition, a, b)
    (truth,) = flow.downstream_tasks(condition)

    assert [truth.run(x) for x in (2, "", None, [0])] == [True, False, False, True]
    assert {t.value for t in flow.downstream_tasks(truth)} == {True, False}
    assert {c.value for c in flow.upstream_tasks(a)} == {True}
    assert {c.value for c in flow.upstream_tasks(b)} == {False}


@pytest.mark.parametrize("missing", [0, 1])
def test_ifelse_leaves_out_an_absent_branch(missing):
    """flow-model 8.2"""
    with Graph("f") as flow:
        condition, only = identity(), identity()
        branches = [only, only]
        branches[missing] = None
        ifelse(condition, *branches)

    assert [c.value for c in compares(flow)] == [bool(missing)]


def test_ifelse_without_branches_adds_nothing():
    """flow-model 8.2"""
    with Graph("f") as flow:
        condition = identity()
        ifelse(condition, None, None)

    assert flow.tasks == {condition}


# merge


def test_merge_takes_the_branches_by_number():
    """flow-model 8.3"""
    with Graph("f") as flow:
        a, b = identity(), identity()
        merged = merge(a, b, name="both")

    assert {(e.upstream_task, e.key) for e in flow.edges_to(merged)} == {(a, "task_1"), (b, "task_2")}
    assert merged.name == "both"
    assert merged.trigger is triggers.not_all_skipped
    assert merged.skip_on_upstream_skip is False


def test_merge_takes_a_flow_and_maps():
    """flow-model 8.3"""
    flow = Graph("f")
    a = identity(flow=flow)

    merged = merge(a, flow=flow, mapped=True)

    assert all(e.mapped for e in flow.edges_to(merged))


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ({"task_1": None, "task_2": 2}, 2),
        ({"task_2": 2, "task_1": 1}, 1),
        ({"task_1": False, "task_2": 2}, False),
        ({"task_9": 9, "task_10": 10}, 10),
        ({"task_1": None}, None),
        ({}, None),
    ],
)
def test_merge_returns_the_first_result_in_the_order_of_the_keys_as_text(results, expected):
    """flow-model 8.3"""
    assert Merge().run(**results) == expected


def test_merge_never_compares_results():
    """flow-model 8.3"""

    class Touchy:
        def __eq__(self, other):
            raise AssertionError("compared")

        __lt__ = __eq__
        __hash__ = None

    value = Touchy()

    assert Merge().run(task_1=None, task_2=value, task_3=Touchy()) is value


def test_merge_refuses_to_be_skipped_with_a_branch():
    """flow-model 8.3"""
    with pytest.raises(ValueError, match="skip_on_upstream_skip"):
        Merge(skip_on_upstream_skip=True)
