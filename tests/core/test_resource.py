"""Resource managers and blocks: what they add to a flow (flow-model 1), and the scope of the resource (design 5.5)."""

from __future__ import annotations

import functools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core import signals
from nbflow.core.annotations import unmapped
from nbflow.core.block_rules import check_scope
from nbflow.core.collections import as_task
from nbflow.core.context import context
from nbflow.core.control import case
from nbflow.core.edge import Edge
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.core.resource import ResourceManager, resource_cleanup_trigger, resource_manager
from nbflow.core.states import Failed, Pending, Skipped, Success
from nbflow.core.task import Task
from nbflow.errors import (
    ManagerError,
    MultipleFlowsError,
    NbflowError,
    ResourceScopeError,
    UnevenBlockError,
)


class Plain:
    def __init__(self, size=1, other=None):
        self.size = size
        self.log = []

    def setup(self):
        return f"resource of size {self.size}"

    def cleanup(self, resource):
        self.log.append(resource)
        return "dropped"


class WithoutSetup:
    def cleanup(self, resource):
        assert resource is None


manager = resource_manager(Plain)
bare_manager = resource_manager(WithoutSetup)


@task
def use(x=None, y=None):
    return x


@task
def numbers():
    return [1, 2, 3]


def edge_set(flow, downstream):
    return {(e.upstream_task, e.key) for e in flow.edges_to(downstream)}


# What the decorator makes


def test_a_bare_decorator_gives_a_manager_with_default_options():
    """flow-model 1.1"""
    assert isinstance(manager, ResourceManager)
    assert manager.resource_class is Plain
    assert manager.name == "Plain"
    assert manager.init_task_kwargs == {"name": "Plain"}
    assert manager.setup_task_kwargs == {"name": "Plain.setup", "checkpoint": False}
    assert manager.cleanup_task_kwargs == {
        "name": "Plain.cleanup",
        "trigger": resource_cleanup_trigger,
        "skip_on_upstream_skip": False,
        "checkpoint": False,
    }


def test_given_options_win_over_the_defaults():
    """flow-model 1.1"""
    made = resource_manager(
        name="db",
        init_task_kwargs={"name": "connect"},
        setup_task_kwargs={"checkpoint": True},
        cleanup_task_kwargs={"skip_on_upstream_skip": True, "tags": ["last"]},
    )(Plain)

    assert made.init_task_kwargs == {"name": "connect"}
    assert made.setup_task_kwargs == {"name": "db.setup", "checkpoint": True}
    assert made.cleanup_task_kwargs == {
        "name": "db.cleanup",
        "trigger": resource_cleanup_trigger,
        "skip_on_upstream_skip": True,
        "checkpoint": False,
        "tags": ["last"],
    }


def test_given_options_are_copied():
    """flow-model 1.1"""
    options = {"name": "mine"}

    made = ResourceManager(Plain, init_task_kwargs=options)

    assert made.init_task_kwargs == options
    assert made.init_task_kwargs is not options


def test_a_callable_without_a_name_makes_a_manager_called_resource():
    """flow-model 1.1"""
    made = resource_manager(functools.partial(Plain, 3))

    assert made.name == "resource"
    assert made.setup_task_kwargs["name"] == "resource.setup"


def test_the_options_of_the_cleanup_are_known_to_the_block():
    """design 5.3, 5.6, 5.7"""
    made = resource_manager(cleanup_failure="fail", grace_s=1, cleanup_timeout_s=2)(Plain)
    with Graph("f"):
        block = made()

    assert (block.cleanup_failure, block.grace_s, block.cleanup_timeout_s) == ("fail", 1, 2)
    assert (manager.cleanup_failure, manager.grace_s, manager.cleanup_timeout_s) == ("ignore", 30, 60)


@pytest.mark.parametrize("options", [{"cleanup_failure": "warn"}, {"grace_s": -1}, {"cleanup_timeout_s": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        resource_manager(**options)(Plain)


def test_a_class_without_cleanup_is_refused_when_it_is_called_in_a_flow():
    class Leaky:
        def setup(self):
            return 1

    with (
        pytest.raises(ManagerError, match=r"'Leaky' has no method `cleanup`; add") as info,
        Graph("f") as graph,
    ):
        resource_manager(Leaky)()
    assert not graph.tasks
    assert isinstance(info.value, TypeError)
    assert isinstance(info.value, NbflowError)
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)


def test_a_factory_is_refused_when_what_it_makes_cannot_clean_up():
    def make(size):
        return size if size == 1 else Plain(size)

    with Graph("f"):
        block = resource_manager(make)(2)

    assert block.init_task.run(2).size == 2
    with pytest.raises(ManagerError, match="int"):
        block.init_task.run(1)


# What calling a manager adds


def test_calling_adds_three_tasks_at_once():
    """flow-model 1.2"""
    with Graph("f") as flow:
        block = manager(3)

    assert flow.tasks == {block.init_task, block.setup_task, block.cleanup_task}
    assert [t.name for t in block.tasks] == ["Plain", "Plain.setup", "Plain.cleanup"]
    assert flow.constants[block.init_task] == {"size": 3}
    assert edge_set(flow, block.setup_task) == {(block.init_task, "mgr")}
    assert edge_set(flow, block.cleanup_task) == {(block.init_task, "mgr"), (block.setup_task, "resource")}


def test_arguments_may_be_tasks_parameters_and_constants():
    """flow-model 1.2"""
    with Graph("f") as flow:
        size, other = Parameter("size"), use(1)
        block = manager(size, other=other)

    assert edge_set(flow, block.init_task) == {(size, "size"), (other, "other")}


def test_wrong_arguments_are_refused_when_the_manager_is_called():
    """flow-model 1.2 and 3.5"""
    with pytest.raises(TypeError, match="colour"), Graph("f") as flow:
        manager(colour="red")
    assert not flow.blocks


def test_a_manager_can_be_called_with_a_flow():
    """flow-model 1.2"""
    flow = Graph("f")

    block = manager(flow=flow)

    assert block.flow is flow
    assert flow.blocks == [block]


def test_a_manager_called_without_a_flow_says_so():
    """flow-model 1.2"""
    with pytest.raises(ValueError, match="Could not infer an active Flow"):
        manager()


def test_the_three_tasks_call_the_managers_methods():
    """flow-model 1.3"""
    with Graph("f"):
        block = manager()

    mgr = block.init_task.run(7)

    assert isinstance(mgr, Plain)
    assert block.setup_task.run(mgr=mgr) == "resource of size 7"
    assert block.cleanup_task.run(mgr=mgr, resource="r") is None
    assert mgr.log == ["r"]


def test_a_class_without_setup_has_no_setup_task():
    """flow-model 1.3"""
    with Graph("f") as flow, bare_manager() as resource:
        inside = use()

    block = flow.blocks[0]
    assert resource is None
    assert block.setup_task is None
    assert block.tasks == [block.init_task, inside, block.cleanup_task]
    assert flow.upstream_tasks(inside) == set()
    assert flow.upstream_tasks(block.cleanup_task) == {block.init_task, inside}
    assert flow.constants[block.cleanup_task] == {"resource": None}


def test_the_three_tasks_know_their_block():
    with Graph("f"):
        block = manager()

    assert block.setup_task.block is block.init_task.block is block.cleanup_task.block is block
    assert [block.is_lifecycle(t) for t in block.tasks] == [True, True, True]


# Entering and leaving


def test_entering_gives_the_setup_task_and_makes_the_block_current():
    """flow-model 1.4"""
    with Graph("f"):
        outer, inner = manager(), manager()
        with outer as a:
            assert a is outer.setup_task
            assert context["resource"] is outer
            with inner as b:
                assert b is inner.setup_task
                assert context["resource"] is inner
            assert context["resource"] is outer
        assert "resource" not in context


def test_leaving_by_an_exception_restores_the_context_and_makes_the_edges():
    """flow-model 1.4"""

    def build():
        with manager():
            use()
            raise KeyError("x")

    with Graph("f") as flow:
        with pytest.raises(KeyError):
            build()
        assert "resource" not in context

    (block,) = flow.blocks
    (inside,) = block.members
    assert flow.upstream_tasks(inside) == {block.setup_task}
    assert inside in flow.upstream_tasks(block.cleanup_task)


def test_tasks_added_inside_are_members_but_parameters_and_constants_are_not():
    """flow-model 1.5"""
    with Graph("f") as flow:
        before = use.copy()
        flow.add_task(before)
        with manager() as resource:
            p = Parameter("p")
            a = use(p)
            b = use(a, 3, upstream_tasks=[1])
            before.set_upstream(a)

    assert resource.block.members == [a, b]


def test_a_member_of_another_flow_is_refused():
    """flow-model 1.5"""
    stranger = Task()

    with Graph("f"), manager(), pytest.raises(ValueError, match="Multiple flows") as info:
        Graph("g").add_task(stranger)
    assert isinstance(info.value, MultipleFlowsError)


def test_only_the_innermost_block_gets_a_task():
    """flow-model 1.5 and 1.7"""
    with Graph("f"), manager() as a, manager() as b:
        inside = use(b)

    inner = b.block
    assert a.block.members == [inner.init_task, inner.setup_task, inner.cleanup_task]
    assert inner.members == [inside]


# The edges made on leaving


def test_only_the_ends_of_a_chain_are_tied():
    """flow-model 1.6"""
    with Graph("f") as flow, manager() as resource:
        first = use()
        middle = use(first)
        last = use(middle)
    block = resource.block

    assert edge_set(flow, first) == {(resource, None)}
    assert edge_set(flow, middle) == {(first, "x")}
    assert flow.upstream_tasks(block.cleanup_task) == {block.init_task, resource, last}
    assert Edge(last, block.cleanup_task) in flow.edges


def test_a_task_that_takes_the_resource_is_not_tied_to_setup_again():
    """flow-model 1.6"""
    with Graph("f") as flow, manager() as resource:
        a = use(resource)

    assert edge_set(flow, a) == {(resource, "x")}


def test_a_task_below_a_member_and_outside_does_not_hold_up_cleanup():
    """flow-model 1.6"""
    with Graph("f") as flow:
        with manager() as resource:
            inside = use(resource)
        outside = use(inside)
    cleanup = resource.block.cleanup_task

    assert flow.upstream_tasks(cleanup) == {resource.block.init_task, resource, inside}
    assert flow.downstream_tasks(inside) == {cleanup, outside}


def test_an_upstream_from_outside_does_not_replace_setup():
    """flow-model 1.6"""
    with Graph("f") as flow:
        outside = use()
        with manager() as resource:
            inside = use(outside)

    assert flow.upstream_tasks(inside) == {outside, resource}


def test_an_empty_block_makes_no_edges():
    """flow-model 1.6"""
    with Graph("f") as flow, manager() as resource:
        pass

    assert len(flow.edges) == 3
    assert resource.block.members == []


def test_nested_blocks_are_inside_the_outer_one():
    """flow-model 1.7"""
    with Graph("f") as flow, manager() as a, manager() as b:
        inside = use(b)
    outer, inner = a.block, b.block

    assert flow.upstream_tasks(inner.init_task) == {a}
    assert flow.upstream_tasks(outer.cleanup_task) == {outer.init_task, a, inner.cleanup_task}
    assert flow.upstream_tasks(inner.cleanup_task) == {inner.init_task, b, inside}
    assert (outer.depth, inner.depth, inner.parent) == (0, 1, outer)


def test_blocks_made_first_and_entered_inside_each_other_are_nested():
    """flow-model, stricter than the ancestor"""
    with Graph("f") as flow:
        outer, inner = manager(), manager()
        with outer as a, inner as b:
            inside = use(a, b)
    flow.validate()

    assert inner.parent is outer
    assert inside in inner.members
    assert flow.upstream_tasks(inner.init_task) == {a}
    assert inner.cleanup_task in flow.upstream_tasks(outer.cleanup_task)


def test_blocks_whose_resources_depend_the_other_way_round_are_not_nested():
    with Graph("f") as flow:
        inner = manager()
        with inner as b:
            size = use(b)
        outer = manager(size)
        second = manager()
        with second:
            second.init_task.set_downstream(outer.init_task)
    with flow, outer, second:
        use()

    flow.validate()
    assert second.parent is None


def test_siblings_are_not_nested():
    """flow-model 1.5"""
    with Graph("f") as flow:
        with manager() as a:
            x = use(a)
        with manager(x) as b:
            use(b)
    flow.validate()

    assert b.block.parent is None
    assert flow.blocks == [a.block, b.block]


def test_a_block_inside_a_case_is_skipped_with_it():
    """flow-model 1.6 and 8.1"""
    with Graph("f") as flow:
        condition = use()
        with case(condition, True), manager() as resource:
            use(resource)
    compare = flow.get_tasks(name="case(True)")[0]

    assert flow.upstream_tasks(resource.block.init_task) == {compare}
    assert flow.downstream_tasks(compare) == {resource.block.init_task}


def test_a_case_inside_a_block_waits_for_setup():
    """flow-model 1.6 and 8.1"""
    with Graph("f") as flow:
        condition = use()
        with manager() as resource, case(condition, True):
            inside = use()
    compare = flow.get_tasks(name="case(True)")[0]

    assert flow.upstream_tasks(compare) == {condition, resource}
    assert flow.upstream_tasks(inside) == {compare}
    assert inside in flow.upstream_tasks(resource.block.cleanup_task)


# Entering again


def test_a_block_entered_again_ties_the_members_of_then():
    with Graph("f") as flow, manager() as resource:
        first = use(resource)
    block = resource.block
    assert Edge(first, block.cleanup_task) in flow.edges

    with flow, block:
        second = use(first)
        third = use()

    assert block.members == [first, second, third]
    assert Edge(first, block.cleanup_task) not in flow.edges
    assert flow.upstream_tasks(block.cleanup_task) == {block.init_task, resource, second, third}
    assert flow.upstream_tasks(third) == {resource}
    assert edge_set(flow, second) == {(first, "x")}


@given(
    upstream=st.lists(st.sets(st.integers(-2, 9), max_size=3), min_size=1, max_size=8),
    leave_after=st.sets(st.integers(0, 7)),
)
def test_a_block_entered_several_times_ends_like_one_entered_once(upstream, leave_after):
    def build(leave_after):
        """-2 stands for a task outside, -1 for setup, the others for earlier members."""
        with Graph("f") as flow:
            outside, block = use(), manager()
            made = {-2: outside, -1: block.setup_task}
            tasks = iter(enumerate(upstream))
            rest = True
            while rest:
                with block:
                    for number, above in tasks:
                        made[number] = use(upstream_tasks=[made[n] for n in sorted(above) if n < number])
                        if number in leave_after:
                            break
                    else:
                        rest = False
        slugs = flow.slugs
        return {(slugs[e.upstream_task], slugs[e.downstream_task], e.key) for e in flow.edges}

    assert build(leave_after) == build(set())


def test_a_block_entered_again_inside_another_stays_where_it_is():
    with Graph("f") as flow:
        with manager() as a:
            x = use(a)
        with manager(x), a.block:
            use(x)

    flow.validate()
    assert a.block.parent is None


def test_a_block_can_be_entered_while_it_is_open():
    with Graph("f"):
        block = manager()
        with block, block:
            inside = use()
            assert context["resource"] is block

    assert "resource" not in context
    assert block.parent is None
    assert block.members == [inside]


def test_a_replaced_member_keeps_its_place():
    with Graph("f") as flow, manager() as resource:
        old, last = use(resource), use(resource)
    block = resource.block
    new = Task(name="new")

    block.replace(old, new)

    assert block.members == [new, last]
    block.discard(new)
    assert block.members == [last]
    assert flow.blocks == [block]


# Mapped blocks


def test_a_block_with_mapped_members_is_not_mapped():
    with Graph("f"), manager(numbers()) as resource:
        use.map(numbers())

    assert not resource.block.mapped


# Scope


def test_a_task_outside_that_takes_the_resource_is_refused():
    """design 5.5"""
    with Graph("f") as flow:
        with manager() as resource:
            pass
        use.copy(name="thief")(resource)

    with pytest.raises(ResourceScopeError, match=r"'thief'.*'Plain'.*`with`"):
        check_scope(flow)
    with pytest.raises(ResourceScopeError):
        flow.validate()


@pytest.mark.parametrize("hide", [lambda r: [r, 1], lambda r: {"a": r}, lambda r: r["a"]])
def test_a_collection_made_outside_counts_as_taking_the_resource(hide):
    """design 5.5"""
    with Graph("f") as flow:
        with manager() as resource:
            pass
        use(hide(resource))

    with pytest.raises(ResourceScopeError):
        check_scope(flow)


def test_a_derived_value_may_leave_the_block():
    """design 5.5"""
    with Graph("f") as flow:
        with manager() as resource:
            derived = use([resource])
        use(derived)

    check_scope(flow)


def test_waiting_for_setup_without_taking_the_resource_is_allowed():
    """design 5.5"""
    with Graph("f") as flow:
        with manager() as resource:
            pass
        use(upstream_tasks=[resource])

    check_scope(flow)


def test_a_nested_block_may_take_the_outer_resource():
    """design 5.5"""
    with Graph("f") as flow, manager() as a, manager(a) as b, manager(a, b) as c:
        use(a, c)

    check_scope(flow)


def test_the_outer_block_may_not_take_the_inner_resource():
    """design 5.5"""
    with Graph("f") as flow, manager():
        with manager() as b:
            pass
        use(b)

    with pytest.raises(ResourceScopeError):
        check_scope(flow)


# The trigger


def states_of(mgr, resource, other=None):
    init, setup, last, cleanup = Task("i"), Task("s"), Task("o"), Task("c")
    states = {Edge(init, cleanup, key="mgr"): mgr, Edge(setup, cleanup, key="resource"): resource}
    return states | ({Edge(last, cleanup): other} if other is not None else {})


@pytest.mark.parametrize("other", [Success(), Failed(), Skipped()])
def test_cleanup_runs_whatever_other_tasks_did(other):
    """flow-model 1.8"""
    assert resource_cleanup_trigger(states_of(Success(), Success(), other)) is True


@pytest.mark.parametrize(
    ("mgr", "resource", "message"),
    [
        (Skipped(), Success(), "init skipped"),
        (Failed(), Success(), "init failed"),
        (Success(), Skipped(), "setup skipped"),
        (Success(), Failed(), "setup failed"),
        (Failed(), Failed(), "init failed"),
        (Skipped(), Skipped(), "init skipped"),
    ],
)
def test_cleanup_is_skipped_when_there_is_no_resource(mgr, resource, message):
    """flow-model 1.8"""
    with pytest.raises(signals.SKIP, match=message):
        resource_cleanup_trigger(states_of(mgr, resource))


@pytest.mark.parametrize("states", [(Pending(), Success()), (Success(), Success(), Pending())])
def test_cleanup_refuses_to_run_before_all_have_finished(states):
    """flow-model 1.8"""
    with pytest.raises(signals.TRIGGERFAIL, match="not finished"):
        resource_cleanup_trigger(states_of(*states))


# Reference tasks


def test_reference_tasks_leave_out_init_and_cleanup():
    """flow-model 1.10 and 2.6"""
    with Graph("f") as flow, manager() as resource:
        inside = use(resource)
    with Graph("g") as empty:
        block = manager()

    assert flow.reference_tasks() == {inside}
    assert empty.reference_tasks() == {block.setup_task}


def test_a_manager_with_other_options_keeps_the_rest():
    @resource_manager(name="db", grace_s=5)
    class Database:
        def cleanup(self, resource):
            pass

    manager = Database

    other = manager.with_options(max_concurrent=2)

    assert (other.name, other.grace_s, other.max_concurrent) == ("db", 5, 2)
    assert other.resource_class is manager.resource_class
    assert manager.max_concurrent is None
    assert manager.with_options(name="other").setup_task_kwargs["name"] == "other.setup"


OUTSIDE = {
    "list": lambda resource: combine([resource, 2]),
    "nested": lambda resource: combine({"a": [(resource,)]}),
    "set": lambda resource: combine({resource}),
    "key": lambda resource: combine({resource: 1}),
    "mapped": lambda resource: combine.map([resource, resource]),
    "unmapped": lambda resource: combine.map([1], unmapped([resource])),
}


@task
def combine(both, more=None):
    return both


@pytest.mark.parametrize("use", OUTSIDE.values(), ids=list(OUTSIDE))
def test_the_scope_error_names_the_task_that_the_user_wrote(use):
    """The list in between was made by nbflow."""
    with Graph("f") as flow:
        with ResourceManager(Plain)() as resource:
            Task("inside")()
        use(resource)

    with pytest.raises(ResourceScopeError, match=r"task 'combine' takes the resource of block 'Plain' but"):
        flow.validate()


def test_the_scope_error_names_what_is_between_where_the_user_wrote_both():
    with Graph("f") as flow:
        with ResourceManager(Plain)() as resource:
            Task("inside")()
        combine([resource["name"] + 1])

    with pytest.raises(ResourceScopeError, match=r"'combine' takes .* 'Plain' through .Plain\.setup"):
        flow.validate()


def test_the_scope_error_names_the_list_where_no_task_takes_it():
    with Graph("f") as flow:
        with ResourceManager(Plain)() as resource:
            Task("inside")()
        flow.add_task(as_task([resource]))

    with pytest.raises(ResourceScopeError, match="task 'List'"):
        flow.validate()


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("setup_task", r"'Plain\.setup' is mapped over 'values', but 'Plain' .* is not.*apply_map.*unmapped"),
        ("init_task", r"'Plain' is mapped over 'values', but 'Plain\.setup' .* is not"),
    ],
)
def test_a_block_whose_init_and_setup_are_not_both_mapped_is_refused(role, words):
    """Rule 1: each resource has a manager that cleans it up."""
    graph = Graph("g")
    with graph:
        values = as_task([1, 2]).copy(name="values")
        block = manager()
        with block:
            pass
    graph.add_edge(values, getattr(block, role), mapped=True)

    with pytest.raises(UnevenBlockError, match=words):
        graph.validate()
