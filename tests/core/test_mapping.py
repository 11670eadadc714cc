"""`apply_map`: what it adds to a flow (flow-model 5.8)."""

from __future__ import annotations

import pytest

from nbflow.core.annotations import flatten, mapped, unmapped
from nbflow.core.block_rules import check_scope
from nbflow.core.collections import Constant, List
from nbflow.core.context import context
from nbflow.core.control import CompareValue, case, merge
from nbflow.core.edge import Edge
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.mapping import apply_map
from nbflow.core.parameter import Parameter
from nbflow.core.resource import resource_manager
from nbflow.core.task import Task


@task
def numbers(n=3):
    return list(range(n))


@task
def add(x, y=0):
    return x + y


@task
def idle():
    return None


class Plain:
    def __init__(self, size=1):
        self.size = size

    def setup(self):
        return self.size

    def cleanup(self, resource):
        pass


manager = resource_manager(Plain)


def edges_to(flow, task):
    return {(e.upstream_task, e.key, e.mapped, e.flattened) for e in flow.edges_to(task)}


def test_all_edges_become_mapped():
    """flow-model 5.8"""

    def func(x, y):
        a = add(x, y)
        return a, add(a, 1)

    with Graph("f") as flow:
        x, y = numbers(), numbers()
        a, b = apply_map(func, x, y=y)
    flow.validate()

    assert flow.tasks == {x, y, a, b}
    assert edges_to(flow, a) == {(x, "x", True, False), (y, "y", True, False)}
    assert edges_to(flow, b) == {(a, "x", True, False)}
    assert flow.constants[b] == {"y": 1}


def test_what_func_returns_is_returned():
    """flow-model 5.8"""
    with Graph("f"):
        assert apply_map(lambda x: {"a": 1}, [1, 2]) == {"a": 1}


def test_the_flow_may_be_given():
    """flow-model 5.8"""
    flow = Graph("f")
    x = numbers(flow=flow)

    made = apply_map(lambda x: add(x, 1), x, flow=flow)

    assert edges_to(flow, made) == {(x, "x", True, False)}


def test_without_a_flow_it_says_so():
    """flow-model 5.8"""
    with pytest.raises(ValueError, match="flow in the current context"):
        apply_map(lambda x: x, [1])


@pytest.mark.parametrize(("args", "kwargs"), [((1,), {}), (([1],), {"y": None})])
def test_an_argument_that_is_no_sequence_is_refused(args, kwargs):
    """flow-model 5.8"""
    with Graph("f") as flow, pytest.raises(TypeError, match="non-sequence object"):
        apply_map(add, *args, **kwargs)
    assert not flow.tasks


def test_unmapped_arguments_are_given_whole():
    """flow-model 5.8"""
    with Graph("f") as flow:
        x, y = numbers(), numbers()
        made = apply_map(add, x, unmapped(y))

    assert edges_to(flow, made) == {(x, "x", True, False), (y, "y", False, False)}


def test_an_unmapped_constant_stays_a_constant():
    """flow-model 5.8"""
    with Graph("f") as flow:
        x = numbers()
        made = apply_map(add, x, y=unmapped(1))

    assert flow.tasks == {x, made}
    assert flow.constants[made] == {"y": 1}


def test_a_mapped_constant_becomes_a_task():
    """flow-model 5.8"""
    values = [1, 2, 3]
    with Graph("f") as flow:
        made = apply_map(add, mapped(values), unmapped(1))
    (edge,) = flow.edges_to(made)

    assert isinstance(edge.upstream_task, Constant)
    assert edge.upstream_task.value == values
    assert (edge.key, edge.mapped) == ("x", True)
    assert flow.constants[made] == {"y": 1}


def test_a_literal_equal_to_a_mapped_argument_is_not_mapped():
    with Graph("f") as flow:
        made = apply_map(lambda x: add(x, "ab"), "ab")

    assert {e.key for e in flow.edges_to(made)} == {"x"}
    assert flow.constants[made] == {"y": "ab"}


def test_a_list_of_tasks_as_an_argument_is_made_once():
    """flow-model 5.8"""
    with Graph("f") as flow:
        a, b = idle(), idle()
        made = apply_map(add, [a, b])
    (edge,) = flow.edges_to(made)

    assert isinstance(edge.upstream_task, List)
    assert edge.mapped
    assert {(e.upstream_task, e.mapped) for e in flow.edges_to(edge.upstream_task)} == {
        (a, False),
        (b, False),
    }


def test_flattened_arguments_keep_their_mark():
    """flow-model 5.6 and 5.8"""
    with Graph("f") as flow:
        x, y = numbers(), numbers()
        made = apply_map(add, flatten(x), unmapped(flatten(y)))

    assert edges_to(flow, made) == {(x, "x", True, True), (y, "y", False, True)}


def test_roots_wait_for_the_arguments_they_do_not_use():
    """flow-model 5.8"""
    root = {}

    def func(a, b, c, d):
        root["none"] = idle()
        root["one"] = add(a)
        root["below"] = add(root["one"], b)

    with Graph("f") as flow:
        a, b = numbers(), numbers()
        apply_map(func, a, unmapped(b), [1, 2], unmapped(5))
    constant = next(t for t in flow.tasks if isinstance(t, Constant))

    assert edges_to(flow, root["none"]) == {
        (a, None, True, False),
        (b, None, False, False),
        (constant, None, True, False),
    }
    assert edges_to(flow, root["one"]) == {
        (a, "x", True, False),
        (b, None, False, False),
        (constant, None, True, False),
    }
    assert edges_to(flow, root["below"]) == {(root["one"], "x", True, False), (b, "y", False, False)}


def test_what_func_sees():
    """flow-model 5.8"""
    seen = {}

    def func(x, y):
        seen.update(context.copy())
        assert x in context.flow.tasks
        return add(x)

    with Graph("f") as flow, case(idle(), 1), manager():
        x = numbers()
        apply_map(func, x, [1])
        assert context.flow is flow
        assert "mapped" not in context

    assert seen["mapped"] is True
    assert seen["case"] is None
    assert seen["resource"] is None
    assert seen["flow"] is not flow


def test_mapping_inside_is_refused():
    """flow-model 2.4 and 5.8"""
    with Graph("f") as flow:
        x = numbers()
        for func in (add.map, lambda x: add(x, mapped=True), lambda x: apply_map(add, x)):
            with pytest.raises(ValueError, match="running from inside a mapped context"):
                apply_map(func, x)

    assert flow.tasks == {x}


def test_apply_map_can_map_over_what_it_made():
    """flow-model 5.8"""
    with Graph("f") as flow:
        a = apply_map(add, numbers())
        b = apply_map(add, a)

    assert edges_to(flow, b) == {(a, "x", True, False)}


def test_a_task_of_the_flow_used_inside_is_given_whole():
    with Graph("f") as flow:
        p, outside, x = Parameter("p"), numbers(), numbers()
        above = flow.edges_to(outside)
        made = apply_map(lambda x: add(add(x, outside), p), x)
    (inner,) = flow.upstream_tasks(made) - {p}
    flow.validate()

    assert edges_to(flow, inner) == {(x, "x", True, False), (outside, "y", False, False)}
    assert (p, "y", False, False) in edges_to(flow, made)
    assert flow.edges_to(outside) == above


def test_a_task_of_the_flow_can_be_marked_as_mapped_inside():
    with Graph("f") as flow:
        outside, x = numbers(), numbers()
        made = apply_map(lambda x: add(x, mapped(outside)), x)

    assert edges_to(flow, made) == {(x, "x", True, False), (outside, "y", True, False)}


def test_a_parameter_made_inside_is_given_whole():
    with Graph("f") as flow:
        made = apply_map(lambda x: add(x, Parameter("p")), numbers())
    flow.validate()

    assert {(e.key, e.mapped) for e in flow.edges_to(made)} == {("x", True), ("y", False)}


def test_cases_inside_are_mapped():
    """flow-model 5.8"""

    def func(x):
        with case(x, 1):
            a = add(x, 1)
        with case(x, 2):
            b = add(x, 2)
        return merge(a, b)

    with Graph("f") as flow:
        x = numbers()
        merged = apply_map(func, x)
    flow.validate()

    assert all(edge.mapped for edge in flow.edges if edge.upstream_task in flow.downstream_tasks(x) | {x})
    assert len([t for t in flow.tasks if isinstance(t, CompareValue)]) == 2
    assert {e.key for e in flow.edges_to(merged)} == {"task_1", "task_2"}


def test_it_works_inside_a_case():
    """flow-model 5.8"""
    with Graph("f") as flow:
        condition, x = idle(), numbers()
        with case(condition, 1):
            made = apply_map(lambda x: add(add(x)), x)
    compare = next(t for t in flow.tasks if isinstance(t, CompareValue))
    (first,) = flow.upstream_tasks(made)

    assert edges_to(flow, first) == {(x, "x", True, False), (compare, None, False, False)}
    assert flow.downstream_tasks(compare) == {first}


def test_it_works_inside_a_block():
    """flow-model 5.8"""
    with Graph("f") as flow:
        x = numbers()
        with manager() as resource:
            made = apply_map(lambda x, r: add(add(x, r)), x, unmapped(resource))
    block = resource.block
    (first,) = flow.upstream_tasks(made)
    check_scope(flow)

    assert block.members == [first, made]
    assert not block.mapped
    assert edges_to(flow, first) == {(x, "x", True, False), (resource, "y", False, False)}
    assert (made, None, False, False) in edges_to(flow, block.cleanup_task)


def test_a_block_inside_moves_into_the_flow():
    """flow-model 5.8"""

    def func(x):
        with manager(x) as resource:
            return add(resource)

    with Graph("f") as flow:
        x = numbers()
        made = apply_map(func, x)
    (block,) = flow.blocks
    flow.validate()

    assert block.flow is flow
    assert block.mapped
    assert block.members == [made]
    assert block.parent is None
    assert edges_to(flow, block.init_task) == {(x, "size", True, False)}
    assert edges_to(flow, made) == {(block.setup_task, "x", True, False)}
    assert edges_to(flow, block.cleanup_task) == {
        (block.init_task, "mgr", True, False),
        (block.setup_task, "resource", True, False),
        (made, None, True, False),
    }


def test_a_block_inside_becomes_a_child_of_the_block_outside():
    """flow-model 1.7 and 5.8"""

    def func(x):
        with manager() as a, manager(a) as b:
            return add(x, b)

    with Graph("f") as flow:
        x = numbers()
        with manager() as resource:
            made = apply_map(func, x)
    outer, middle, inner = flow.blocks
    flow.validate()

    assert outer is resource.block
    assert (middle.parent, inner.parent) == (outer, middle)
    assert outer.members == [middle.init_task, middle.setup_task, middle.cleanup_task]
    assert middle.members == [inner.init_task, inner.setup_task, inner.cleanup_task]
    assert inner.members == [made]
    assert Edge(resource, middle.init_task) in flow.edges
    assert Edge(middle.cleanup_task, outer.cleanup_task) in flow.edges
    assert (outer.mapped, middle.mapped, inner.mapped) == (False, True, True)


def test_a_mapped_block_can_be_entered_again():
    def func(x):
        with manager(x) as resource:
            return add(resource)

    with Graph("f") as flow:
        first = apply_map(func, numbers())
        (block,) = flow.blocks
        with block:
            second = add.map(first)
    flow.validate()

    assert block.members == [first, second]
    assert Edge(first, block.cleanup_task, mapped=True) not in flow.edges
    assert Edge(second, block.cleanup_task, mapped=True) in flow.edges


def test_a_function_that_raises_leaves_the_flow_as_it_was():
    def func(x):
        add(x)
        raise KeyError("x")

    with Graph("f") as flow:
        x = numbers()
        with pytest.raises(KeyError):
            apply_map(func, x)

    assert flow.tasks == {x}
    assert context.get("mapped") is None


def test_a_thousand_tasks_are_copied_in_order():
    def func(x):
        for _ in range(1000):
            x = add(x)
        return x

    with Graph("f") as flow:
        apply_map(func, numbers())

    slugs = [flow.slugs[t] for t in flow.sorted_tasks()][1:]
    assert slugs == [f"add-{n}" for n in range(1, 1001)]


def test_task_objects_are_the_same_before_and_after():
    """flow-model 5.8"""
    made = []
    with Graph("f") as flow:
        apply_map(lambda x: made.append(Task().bind(upstream_tasks=[x])), numbers())

    assert set(made) <= flow.tasks
