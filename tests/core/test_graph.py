"""The graph: building it, asking it, checking it and changing it."""

from __future__ import annotations

import copy
import gc
import itertools
import linecache
import time
import warnings

import cloudpickle
import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.annotations import flatten, mapped, unmapped
from nbflow.core.collections import Constant, List
from nbflow.core.context import context
from nbflow.core.edge import Edge
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.core.resource import resource_manager
from nbflow.core.task import Task
from nbflow.errors import (
    ArgumentTakenError,
    CycleError,
    MappedContextError,
    ReferenceTaskError,
    ResourceScopeError,
    StrayEdgeError,
    UnknownTaskError,
)


@task
def add(x, y=1):
    return x + y


@task
def inc(x):
    return x + 1


@resource_manager
class Thing:
    def setup(self):
        return "thing"

    def cleanup(self, thing):
        pass


def chained(*names, graph=None):
    """Return a graph of tasks that follow one another, and the tasks."""
    flow = graph or Graph("f")
    tasks = [Task(name) for name in names]
    flow.chain(*tasks)
    return flow, tasks


# Making one


def test_a_graph_needs_a_name():
    """Flow-model 2.1."""
    with pytest.raises(TypeError):
        Graph()
    for name in ("", None):
        with pytest.raises(ValueError, match="name must be provided"):
            Graph(name)


def test_a_graph_may_begin_with_tasks_and_edges():
    """Flow-model 2.1."""
    a, b, c = Task("a"), Task("b"), Task("c")

    flow = Graph("f", tasks=[a], edges=[Edge(b, c, "x", mapped=True, flattened=True)], reference_tasks=[b])

    assert flow.tasks == {a, b, c}
    assert flow.edges == {Edge(b, c, "x", mapped=True, flattened=True)}
    assert flow.reference_tasks() == {b}


def test_reference_tasks_must_be_there_from_the_start():
    """Flow-model 2.1."""
    with pytest.raises(ValueError, match="must be part of the flow"):
        Graph("f", reference_tasks=[Task()])


def test_edges_are_validated_at_once_if_asked_to():
    """Flow-model 2.1."""
    a, b = Task("a"), Task("b")

    with pytest.raises(ValueError, match="Cycle found"):
        Graph("f", edges=[Edge(a, b), Edge(b, a)], validate=True)
    Graph("f", edges=[Edge(a, b), Edge(b, a)])


def test_an_empty_graph_has_empty_collections():
    """Flow-model 2.2."""
    flow = Graph("f")

    assert isinstance(flow.tasks, set)
    assert isinstance(flow.edges, set)
    assert (flow.tasks, flow.edges, flow.constants, flow.slugs, flow.blocks) == (set(), set(), {}, {}, [])
    assert flow.sorted_tasks() == ()


def test_graphs_are_equal_if_name_tasks_edges_and_reference_tasks_are():
    """Flow-model 2.2."""
    a, b = Task("a"), Task("b")

    def make(name="f", edges=((a, b),), reference=None, kind=Graph):
        flow = kind(name, tasks=[a, b], edges=[Edge(*pair) for pair in edges])
        if reference:
            flow.set_reference_tasks(reference)
        return flow

    assert make() == make()
    assert make() != make("g")
    assert make() != make(edges=())
    assert make() != make(reference=[a])
    assert make() != make(kind=type("Sub", (Graph,), {}))
    assert make() != "f"


def test_the_repr_shows_the_name_and_iterating_gives_sorted_tasks():
    """Flow-model 2.2."""
    flow, tasks = chained("a", "b", "c")

    assert repr(flow) == '<Graph: name="f">'
    assert list(flow) == tasks


# Tasks and slugs


def test_add_task_returns_the_task_and_adding_twice_is_harmless():
    """Flow-model 2.3."""
    flow, a = Graph("f"), Task("a")

    assert flow.add_task(a) is a
    assert flow.add_task(a) is a
    assert flow.tasks == {a}
    assert flow.slugs == {a: "a-1"}


@pytest.mark.parametrize("value", [1, "a", None, [Task()]])
def test_only_tasks_can_be_added(value):
    """Flow-model 2.3."""
    with pytest.raises(TypeError, match="must be Task instances"):
        Graph("f").add_task(value)


def test_a_second_task_with_an_explicit_slug_is_refused():
    """Flow-model 2.3."""
    flow = Graph("f", tasks=[Task(slug="x")])

    with pytest.raises(ValueError, match='A task with the slug "x" already exists in this flow'):
        flow.add_task(Task(slug="x"))
    assert len(flow.tasks) == 1


def test_slugs_are_made_of_name_sorted_tags_and_a_counter():
    """Flow-model 2.3."""
    tasks = [
        Task("a"),
        Task("a"),
        Task("a", tags=["tag1"]),
        Task("b", tags=["tag2", "tag1"]),
        Task("a", tags=["tag1"]),
        Task("a", slug="explicit"),
        Task("a"),
    ]

    flow = Graph("f", tasks=tasks)

    assert [flow.slugs[t] for t in tasks] == [
        "a-1",
        "a-2",
        "a-tag1-1",
        "b-tag1-tag2-1",
        "a-tag1-2",
        "explicit",
        "a-3",
    ]


def test_the_counter_skips_explicit_slugs_and_is_per_flow():
    """Flow-model 2.3."""
    a, b = Task("a"), Task("a")
    flow = Graph("f", tasks=[Task("other", slug="a-2"), a, b])

    assert [flow.slugs[t] for t in (a, b)] == ["a-1", "a-3"]
    assert Graph("g", tasks=[b]).slugs == {b: "a-1"}


def test_renaming_a_task_leaves_its_slug_alone():
    """Flow-model 2.3."""
    a, b = Task("a"), Task("a")
    flow = Graph("f", tasks=[a])

    a.name = "z"
    flow.add_task(b)

    assert flow.slugs == {a: "a-1", b: "a-2"}


def test_adding_a_task_tells_the_open_case_and_resource():
    """Flow-model 1.5, 8.1."""

    class Open:
        def __init__(self):
            self.seen = []

        def add_task(self, task, flow):
            self.seen.append((task, flow))

    flow, a, case, resource = Graph("f"), Task(), Open(), Open()
    with context(case=case, resource=resource):
        flow.add_task(a)
        flow.add_task(a)

    assert case.seen == resource.seen == [(a, flow)]


# Edges


def test_add_edge_returns_the_edge_and_adds_both_tasks():
    """Flow-model 2.4."""
    flow, a, b = Graph("f"), Task("a"), Task("b")

    edge = flow.add_edge(a, b, key="x", mapped=True, flattened=True)

    assert edge == Edge(a, b, "x", mapped=True, flattened=True)
    assert flow.edges == {edge}
    assert flow.tasks == {a, b}


def test_adding_an_edge_twice_keeps_one():
    """Flow-model 2.4."""
    flow, a, b = Graph("f"), Task("a"), Task("b")

    flow.add_edge(a, b)
    flow.add_edge(a, b)

    assert len(flow.edges) == len(flow.edges_in(b)) == len(flow.edges_out(a)) == 1


def test_annotations_decide_about_an_edge():
    """Flow-model 5.7."""
    flow, a, b = Graph("f"), Task("a"), Task("b")

    assert flow.add_edge(unmapped(flatten(a)), b, mapped=True) == Edge(a, b, flattened=True)


def test_a_parameter_can_not_come_after_a_task():
    """Flow-model 2.4."""
    with pytest.raises(ValueError, match="can not have upstream dependencies"):
        Graph("f").add_edge(Task(), Parameter("p"))


def test_a_keyed_constant_is_kept_as_a_value():
    """Flow-model 2.4."""
    flow, a = Graph("f"), Task("a")

    edge = flow.add_edge([1, 2], a, key="x")

    assert edge.upstream_task.value == [1, 2]
    assert edge.key == "x"
    assert flow.constants == {a: {"x": [1, 2]}}
    assert flow.tasks == {a}
    assert flow.edges == set()


@pytest.mark.parametrize("how", [{}, {"key": "x", "mapped": True}, {"key": "x", "flattened": True}])
def test_other_constants_become_tasks(how):
    """Flow-model 2.4, 2.5, 5.1."""
    flow, a = Graph("f"), Task("a")

    edge = flow.add_edge([1], a, **how)

    assert isinstance(edge.upstream_task, Constant)
    assert flow.tasks == {a, edge.upstream_task}
    assert flow.edges == {edge}
    assert not flow.constants.get(a)


def test_a_constant_task_is_kept_as_a_value_too():
    """Flow-model 2.4."""
    flow, a = Graph("f"), Task("a")

    flow.add_edge(Constant(5), a, key="x")

    assert flow.constants == {a: {"x": 5}}
    assert flow.tasks == {a}


def test_a_constant_task_that_waits_for_others_keeps_its_edge():
    flow, first, constant, a = Graph("f"), Task(), Constant(5), Task("a")
    flow.add_edge(first, constant)

    flow.add_edge(constant, a, key="x")

    assert flow.sorted_tasks() == (first, constant, a)


def test_nothing_is_checked_unless_asked_for():
    """Flow-model 2.4."""
    flow, a, b = Graph("f"), inc.copy(), inc.copy()

    flow.add_edge(a, b, key="x")
    flow.add_edge(Task(), b, key="x")
    flow.add_edge(a, b, key="unknown")
    flow.add_edge(b, a)


def test_a_validated_key_must_be_free():
    """Flow-model 2.4."""
    flow, b = Graph("f"), inc.copy()
    flow.add_edge(Task(), b, key="x", validate=True)

    with pytest.raises(ValueError, match='Argument "x" for task <Task: inc> has already been assigned') as caught:
        flow.add_edge(Task(), b, key="x", validate=True)

    assert isinstance(caught.value, ArgumentTakenError)
    assert len(flow.edges) == 1


def test_a_validated_key_may_not_be_taken_by_a_constant():
    """Flow-model 2.4."""
    flow, b = Graph("f"), inc.copy()
    flow.add_edge(1, b, key="x", validate=True)

    with pytest.raises(ValueError, match="already been assigned"):
        flow.add_edge(2, b, key="x", validate=True)


def test_a_validated_key_must_be_an_argument():
    """Flow-model 2.4."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        Graph("f").add_edge(Task(), inc.copy(), key="z", validate=True)


def test_a_validated_edge_closes_no_cycle():
    """Flow-model 2.4."""
    flow, (a, _, c) = chained("a", "b", "c")

    with pytest.raises(ValueError, match=r"Cycle found.*a -> b -> c -> a"):
        flow.add_edge(c, a, validate=True)
    assert len(flow.edges) == 2


def test_mapping_inside_a_mapped_context_is_refused():
    """Flow-model 2.4, 2.5."""
    flow, a, b = Graph("f"), Task(), Task()

    with context(mapped=True):
        for add_it in (
            lambda: flow.add_edge(a, b, mapped=True),
            lambda: flow.set_dependencies(b, upstream_tasks=[a], mapped=True),
            lambda: inc.map(a, flow=flow),
        ):
            with pytest.raises(ValueError, match="running from inside a mapped context") as caught:
                add_it()
            assert isinstance(caught.value, MappedContextError)


# set_dependencies and chain


def test_set_dependencies_adds_the_task_and_all_kinds_of_edges():
    """Flow-model 2.5."""
    flow, t, up, down, keyed = Graph("f"), add.copy(), Task(), Task(), Task()

    flow.set_dependencies(t, upstream_tasks=[up], downstream_tasks=[down], keyword_tasks={"x": keyed, "y": 2})

    assert flow.edges == {Edge(up, t), Edge(t, down), Edge(keyed, t, "x")}
    assert flow.constants == {t: {"y": 2}}


def test_set_dependencies_adds_a_task_that_has_none():
    """Flow-model 2.5."""
    flow, t = Graph("f"), Task()

    flow.set_dependencies(t)

    assert flow.tasks == {t}


def test_mapped_concerns_upstream_and_keyed_edges_and_unmapped_overrides_it():
    """Flow-model 2.5."""
    flow, t = Graph("f"), add.copy()
    a, b, c, d, e = (Task(name) for name in "abcde")

    flow.set_dependencies(
        t,
        upstream_tasks=[a, unmapped(b)],
        downstream_tasks=[c],
        keyword_tasks={"x": d, "y": unmapped(e)},
        mapped=True,
    )

    assert {edge.upstream_task.name: edge.mapped for edge in flow.edges} == {
        "a": True,
        "b": False,
        "add": False,
        "d": True,
        "e": False,
    }


def test_unkeyed_constants_become_tasks_and_a_nested_collection_one_task():
    """Flow-model 2.5."""
    flow, t = Graph("f"), Task()

    flow.set_dependencies(t, upstream_tasks=[1, [2, [3, {"a": 4}]]])

    assert sorted(repr(up.value) for up in flow.upstream_tasks(t)) == ["1", "[2, [3, {'a': 4}]]"]


def test_arguments_may_be_annotated_or_collections():
    """Flow-model 3.8, 5.7."""
    flow, t, a = Graph("f"), add.copy(), Task("a")

    flow.set_dependencies(t, keyword_tasks={"x": mapped(a), "y": [a, 1]})

    edges = {edge.key: edge for edge in flow.edges_to(t)}
    assert edges["x"] == Edge(a, t, "x", mapped=True)
    assert isinstance(edges["y"].upstream_task, List)


def test_set_dependencies_can_validate():
    """Flow-model 2.5."""
    flow, t = Graph("f"), inc.copy()
    flow.set_dependencies(t, keyword_tasks={"x": Task()})

    with pytest.raises(ValueError, match="already been assigned"):
        flow.set_dependencies(t, keyword_tasks={"x": Task()}, validate=True)


def test_a_parameter_can_have_no_arguments():
    """Flow-model 2.4."""
    with pytest.raises(ValueError, match="can not have upstream dependencies"):
        Graph("f").set_dependencies(Parameter("p"), keyword_tasks={"x": Task()})


def test_chain_links_a_sequence():
    """Flow-model 2.5."""
    flow, a, b = Graph("f"), Task("a"), Task("b")

    edges = flow.chain(a, 1, b)

    constant = edges[0].downstream_task
    assert edges == [Edge(a, constant), Edge(constant, b)]
    assert flow.sorted_tasks() == (a, constant, b)


# Questions


def test_questions_about_neighbours():
    """Flow-model 2.6."""
    flow, (a, b, c) = chained("a", "b", "c")
    ab, bc = Edge(a, b), Edge(b, c)

    assert flow.root_tasks() == {a}
    assert flow.terminal_tasks() == {c}
    assert flow.upstream_tasks(b) == {a}
    assert flow.downstream_tasks(b) == {c}
    assert flow.edges_to(b) == {ab}
    assert flow.edges_from(b) == {bc}
    assert flow.all_upstream_edges() == {a: set(), b: {ab}, c: {bc}}
    assert flow.all_downstream_edges() == {a: {ab}, b: {bc}, c: set()}


def test_edges_in_and_out_are_listed_in_declaration_order():
    flow, first, last = Graph("f"), Task("first"), Task("last")
    middle = [Task(str(i)) for i in range(20)]
    for t in middle:
        flow.add_edge(first, t)
        flow.add_edge(t, last)

    assert [e.downstream_task for e in flow.edges_out(first)] == middle
    assert [e.upstream_task for e in flow.edges_in(last)] == middle
    assert list(flow.tasks) == [first, middle[0], last, *middle[1:]]
    assert [e.upstream_task for e in flow.edges][::2] == [first] * 20


@pytest.mark.parametrize("question", ["edges_to", "edges_from", "upstream_tasks", "downstream_tasks"])
def test_questions_about_an_unknown_task_are_refused(question):
    """Flow-model 2.6."""
    with pytest.raises(ValueError, match="<Task: stranger> was not found in Flow") as caught:
        getattr(Graph("f"), question)(Task("stranger"))

    assert isinstance(caught.value, UnknownTaskError)


def test_answers_are_the_askers_own():
    """Flow-model 2.9."""
    flow, (a, b) = chained("a", "b")

    for question in ("root_tasks", "terminal_tasks", "reference_tasks", "all_upstream_edges"):
        getattr(flow, question)().clear()
    flow.edges_to(b).clear()

    assert flow.root_tasks() == {a}
    assert flow.reference_tasks() == flow.terminal_tasks() == {b}
    assert flow.edges_to(b) == {Edge(a, b)}
    assert len(flow.all_upstream_edges()) == 2


def test_get_tasks_meets_all_criteria():
    """Flow-model 2.8."""
    a, b, c = Task("a", tags=["x"]), Task("a", tags=["x", "y"]), Constant(1, name="a", tags=["x"])
    flow = Graph("f", tasks=[a, b, c])

    assert flow.get_tasks() == [a, b, c]
    assert flow.get_tasks(name="a", tags=["x"]) == [a, b, c]
    assert flow.get_tasks(tags=["x", "y"]) == [b]
    assert flow.get_tasks(task_type=Constant) == [c]
    assert flow.get_tasks(slug="a-x-1") == [a]
    assert flow.get_tasks(name="a", task_type=Constant, tags=["y"]) == []


def test_parameters_are_a_set():
    """Flow-model 2.8."""
    p, q = Parameter("p"), Parameter("q")

    assert Graph("f", tasks=[p, Task(), q]).parameters() == {p, q}


def test_reference_tasks_are_the_last_ones_by_default():
    """Flow-model 2.6."""
    flow, (a, b) = chained("a", "b")

    assert flow.reference_tasks() == {b}
    flow.set_reference_tasks([a])
    assert flow.reference_tasks() == {a}
    flow.set_reference_tasks([])
    assert flow.reference_tasks() == {b}


def test_reference_tasks_leave_out_init_and_cleanup():
    """Flow-model 1.10, 2.6."""
    with Graph("f") as flow:
        with Thing() as thing:
            a = inc(thing)
        b = inc(a)

    assert flow.reference_tasks() == {b}
    assert flow.terminal_tasks() == {b, flow.blocks[0].cleanup_task}


def test_the_last_task_of_a_block_is_a_reference_task():
    """Flow-model 1.10."""
    with Graph("f") as flow, Thing() as thing:
        a = inc(thing)

    assert flow.reference_tasks() == {a}


def test_the_setup_of_an_empty_block_is_a_reference_task():
    """Flow-model 1.10."""
    with Graph("f") as flow, Thing() as thing:
        pass

    assert flow.reference_tasks() == {thing}


def test_reference_tasks_must_be_part_of_the_flow():
    """Flow-model 2.6."""
    flow, _ = chained("a", "b")

    with pytest.raises(ValueError, match=r"must be part of the flow.*stranger"):
        flow.set_reference_tasks([Task("stranger")])
    with pytest.raises(TypeError):
        flow.set_reference_tasks(Task())


# Sorting and validating


def test_ties_are_broken_by_declaration():
    """Flow-model 2.7."""
    flow = Graph("f")
    tasks = [Task(str(i)) for i in range(30)]
    for t in tasks:
        flow.add_task(t)
    flow.add_edge(tasks[20], tasks[3])

    expected = [*tasks[:3], *tasks[4:21], tasks[3], *tasks[21:]]
    assert flow.sorted_tasks() == tuple(expected)


def test_sorted_tasks_from_given_roots_are_those_below():
    """Flow-model 2.7."""
    flow, (_, b, c, d) = chained("a", "b", "c", "d")
    other = flow.add_task(Task("other"))

    assert flow.sorted_tasks(root_tasks=[b]) == (b, c, d)
    assert flow.sorted_tasks(root_tasks=[d, other]) == (d, other)


def test_sorting_from_a_stranger_is_refused():
    """Flow-model 2.7."""
    with pytest.raises(ValueError, match="was not found in Flow"):
        Graph("f").sorted_tasks(root_tasks=[Task()])


def test_a_cycle_is_named():
    """Flow-model 2.7."""
    flow, (_, b, _, d) = chained("a", "b", "c", "d")
    flow.add_edge(d, b)

    for check in (flow.sorted_tasks, flow.validate):
        with pytest.raises(ValueError, match=r"Cycle found.*b -> c -> d -> b") as caught:
            check()
        assert isinstance(caught.value, CycleError)
        assert caught.value.path == ("b", "c", "d", "b")


def test_tasks_below_a_cycle_do_not_hide_it():
    """Flow-model 2.7."""
    flow, (a, b) = chained("a", "b")
    flow.chain(b, Task("c"), Task("d"))
    flow.add_edge(b, a)

    with pytest.raises(ValueError, match=r"Cycle found.*: a -> b -> a;"):
        flow.validate()


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40))
def test_sorting_agrees_with_networkx(pairs):
    """Flow-model 2.7."""
    flow, tasks, oracle = Graph("f"), [Task(str(i)) for i in range(12)], networkx.DiGraph()
    for i, t in enumerate(tasks):
        flow.add_task(t)
        oracle.add_node(i)
    for up, down in pairs:
        if up != down:
            flow.add_edge(tasks[up], tasks[down])
            oracle.add_edge(up, down)

    if networkx.is_directed_acyclic_graph(oracle):
        expected = networkx.lexicographical_topological_sort(oracle)
        assert flow.sorted_tasks() == tuple(tasks[i] for i in expected)
        below = networkx.descendants(oracle, 0) | {0}
        assert set(flow.sorted_tasks(root_tasks=[tasks[0]])) == {tasks[i] for i in below}
    else:
        with pytest.raises(CycleError) as caught:
            flow.sorted_tasks()
        path = [int(name) for name in caught.value.path]
        assert path[0] == path[-1]
        assert all(oracle.has_edge(up, down) for up, down in itertools.pairwise(path))


def test_edges_to_strangers_do_not_pass_validation():
    """Flow-model 2.7."""
    for stranger_is_upstream in (True, False):
        flow, (a, b) = chained("a", "b")
        flow.tasks.remove(a if stranger_is_upstream else b)
        with pytest.raises(ValueError, match=r"edges refer to tasks.*a to b") as caught:
            flow.validate()
        assert isinstance(caught.value, StrayEdgeError)


def test_reference_tasks_outside_do_not_pass_validation():
    """Flow-model 2.7."""
    flow, _ = chained("a", "b")
    flow._reference_tasks = {Task("stranger")}

    with pytest.raises(ValueError, match="reference tasks are not contained") as caught:
        flow.validate()

    assert isinstance(caught.value, ReferenceTaskError)


def test_a_task_that_takes_a_resource_from_outside_does_not_pass_validation():
    """Design 5.5."""
    with Graph("f") as flow:
        with Thing() as thing:
            inc(thing)
        inc(thing)

    with pytest.raises(ResourceScopeError, match=r"'inc'.*'Thing'"):
        flow.validate()


# Direct changes


def test_direct_changes_are_noticed():
    """Flow-model 2.9."""
    flow, (a, b) = chained("a", "b")
    c = Task("c")
    assert flow.terminal_tasks() == {b}

    flow.tasks.add(c)
    assert flow.terminal_tasks() == {b, c}
    flow.edges.add(Edge(b, c))
    assert flow.terminal_tasks() == {c}
    assert flow.sorted_tasks() == (a, b, c)
    assert flow.slugs[c] == "c-1"
    flow.edges.discard(Edge(a, b))
    assert flow.root_tasks() == {a, b}
    assert flow.edges_to(b) == set()
    flow.tasks.remove(a)
    assert flow.sorted_tasks() == (b, c)
    assert a not in flow.slugs


def test_in_place_operators_and_assignment_are_noticed():
    """Flow-model 2.9."""
    flow, (a, b, c) = chained("a", "b", "c")
    d, e = Task("d"), Task("e")

    flow.tasks |= {d}
    assert flow.sorted_tasks() == (a, b, c, d)
    flow.edges -= {Edge(b, c)}
    assert flow.root_tasks() == {a, c, d}
    flow.edges &= set()
    assert flow.root_tasks() == {a, b, c, d}
    flow.tasks ^= {a, e}
    assert flow.sorted_tasks() == (b, c, d, e)
    flow.tasks = {a, b}
    flow.edges = [Edge(b, a)]
    assert flow.sorted_tasks() == (b, a)
    flow.edges.clear()
    flow.tasks.pop()
    assert len(flow.sorted_tasks()) == 1


def test_copies_of_the_sets_are_ordinary_sets():
    flow, (a, b) = chained("a", "b")

    for other in (flow.tasks.copy(), flow.tasks | set(), set(flow.tasks), copy.copy(flow.tasks)):
        other.clear()
    assert flow.tasks == {a, b}
    assert set(flow.tasks - {a}) == {b}
    assert list(flow.tasks | {a}) != []


def test_answers_are_kept_until_the_graph_changes():
    """Flow-model 2.9."""
    flow, tasks = chained("a", "b")

    first = flow.sorted_tasks()
    assert flow.sorted_tasks() is first
    flow.add_task(tasks[0])
    assert flow.sorted_tasks() is first
    flow.add_task(Task("c"))
    assert len(flow.sorted_tasks()) == 3


# Copy, replace, update


def test_a_copy_is_equal_and_has_collections_of_its_own():
    """Flow-model 2.8."""
    flow, (a, b) = chained("a", "b")
    flow.add_edge(1, b, key="x")
    flow.set_reference_tasks([a])

    new = flow.copy()

    assert new == flow
    assert new.slugs == flow.slugs
    assert new.constants == flow.constants
    assert new.reference_tasks() == {a}
    new.add_edge(b, Task("c"))
    new.constants[b]["x"] = 2
    new.tasks.discard(a)
    new.edges.discard(Edge(a, b))
    assert flow.tasks == {a, b}
    assert flow.edges == {Edge(a, b)}
    assert flow.constants == {b: {"x": 1}}
    assert flow.slugs.keys() == {a, b}
    assert flow.edges_in(b) == [Edge(a, b)]


def test_a_copy_of_a_subclass_keeps_its_attributes():
    """Flow-model 2.8."""

    class Sub(Graph):
        def __init__(self, name, extra):
            self.extra = extra
            super().__init__(name)

    flow = Sub("f", extra=[1])

    assert copy.copy(flow).extra is flow.extra
    assert type(flow.copy()) is Sub


def test_a_copy_counts_slugs_on():
    """Flow-model 2.8."""
    flow, _ = chained("a", "a")

    new = flow.copy()
    c = new.add_task(Task("a"))

    assert new.slugs[c] == "a-3"


def test_replace_swaps_a_task_in_its_edges_and_slugs():
    """Flow-model 2.8."""
    flow, (a, b, c) = chained("a", "b", "c")
    flow.add_edge(b, c, key="x", mapped=True, flattened=True)
    new = Task("new")

    flow.replace(b, new)

    assert flow.tasks == {a, new, c}
    assert flow.edges == {Edge(a, new), Edge(new, c), Edge(new, c, "x", mapped=True, flattened=True)}
    assert flow.slugs == {a: "a-1", c: "c-1", new: "new-1"}


def test_replace_concerns_reference_tasks_only_if_they_were_set():
    """Flow-model 2.8."""
    flow, (_, b) = chained("a", "b")
    new, newer = Task("new"), Task("newer")

    flow.replace(b, new)
    assert flow._reference_tasks == set()
    flow.set_reference_tasks([new])
    flow.replace(new, newer)
    assert flow.reference_tasks() == {newer}


def test_replace_takes_a_parameter_of_the_same_name():
    """Flow-model 2.8."""
    p, q = Parameter("p"), Parameter("p")
    flow = Graph("f", tasks=[p])

    flow.replace(p, q)

    assert flow.slugs == {q: "p"}


def test_replace_converts_a_constant_or_a_collection():
    """Flow-model 2.8."""
    x, y, t = Parameter("x"), Parameter("y"), add.copy()
    flow = Graph("f")
    t.bind(x, y, flow=flow)

    flow.replace(x, 55)
    flow.replace(y, [1, t.copy()])

    assert len(flow.tasks) == 4
    assert {type(e.upstream_task) for e in flow.edges_to(t)} == {Constant, List}


def test_replace_keeps_constants_of_the_task():
    """Flow-model 2.8."""
    flow, t, new = Graph("f"), add.copy(), add.copy()
    t.bind(1, 2, flow=flow)

    flow.replace(t, new)

    assert flow.constants == {new: {"x": 1, "y": 2}}


def test_replace_of_an_unknown_task_is_refused():
    """Flow-model 2.8."""
    with pytest.raises(ValueError, match="was not found in Flow"):
        Graph("f").replace(Task(), Task())


def test_replace_keeps_a_block_together():
    """Flow-model 1.6."""
    with Graph("f") as flow, Thing() as thing:
        a = inc(thing)
    new = inc.copy()

    flow.replace(a, new)

    assert flow.blocks[0].members == [new]
    assert flow.upstream_tasks(flow.blocks[0].cleanup_task) >= {new}


def test_update_brings_tasks_edges_and_constants():
    """Flow-model 2.8."""
    flow, (a, b) = chained("a", "b")
    other, (c, d) = chained("c", "d")
    other.add_edge(c, d, key="x", mapped=True, flattened=True)
    other.add_edge(5, d, key="y")

    flow.update(other)

    assert flow.tasks == {a, b, c, d}
    assert flow.edges == {Edge(a, b), Edge(c, d), Edge(c, d, "x", mapped=True, flattened=True)}
    assert flow.constants == {d: {"y": 5}}
    other.constants[d]["y"] = 6
    assert flow.constants == {d: {"y": 5}}


def test_update_brings_blocks():
    flow = Graph("f")
    with Graph("other") as other, Thing() as thing:
        inc(thing)

    flow.update(other)

    assert [block.tasks for block in flow.blocks] == [block.tasks for block in other.blocks]
    assert [block.flow for block in flow.blocks] == [flow]
    assert flow.reference_tasks() == other.reference_tasks()


def test_update_refuses_a_second_parameter_of_a_name():
    """Flow-model 2.8."""
    flow, other = Graph("f", tasks=[Parameter("p")]), Graph("g", tasks=[Parameter("p")])

    with pytest.raises(ValueError, match='slug "p"'):
        flow.update(other)


def test_update_can_merge_parameters():
    """Flow-model 2.8."""
    p, q, t, u = Parameter("p"), Parameter("p"), inc.copy(), inc.copy()
    flow, other = Graph("f"), Graph("g")
    t.bind(p, flow=flow)
    u.bind(q, flow=other)

    flow.update(other, merge_parameters=True)

    assert flow.parameters() == {q}
    assert flow.edges == {Edge(q, t, "x"), Edge(q, u, "x")}


def test_update_can_merge_reference_tasks():
    """Flow-model 2.8."""
    flow, (a, b) = chained("a", "b")
    other, (c, d) = chained("c", "d")
    flow.set_reference_tasks([a])
    plain = flow.copy()

    plain.update(other)
    flow.update(other, merge_reference_tasks=True)

    assert plain.reference_tasks() == {a}
    assert flow.reference_tasks() == {a, d}
    assert b in flow.tasks
    assert c in flow.tasks


# The active flow


def test_with_sets_the_active_flow_and_restores_the_outer_one():
    """Flow-model 2.10."""
    outer, inner = Graph("outer"), Graph("inner")
    assert "flow" not in context

    with outer as entered:
        assert entered is outer
        assert context.flow is outer
        with inner:
            assert context.flow is inner
        assert context.flow is outer
        with outer:
            pass
        assert context.flow is outer
    assert "flow" not in context


def test_the_outer_flow_is_restored_after_an_error():
    """Flow-model 2.10."""

    def fail():
        with Graph("f"):
            Task("never added")
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert "flow" not in context


def test_leaving_warns_about_tasks_that_were_never_added():
    """Flow-model 2.10."""
    with pytest.warns(UserWarning, match="Tasks were created but not added.*<Task: lost>") as caught:  # noqa: SIM117
        with Graph("f"):
            Task("lost")
    here = linecache.getline(caught[0].filename, caught[0].lineno)
    assert here.strip() == 'Task("lost")'

    for make in (lambda: Parameter("lost"), lambda: inc.copy()):
        with pytest.warns(UserWarning, match="Tasks were created but not added"), Graph("f"):
            make()


def test_the_warning_shows_where_a_class_of_the_users_was_made_to_a_task():
    class Own(Task):
        def __init__(self):
            super().__init__("lost")

    with pytest.warns(UserWarning, match="Tasks were created but not added") as caught, Graph("f"):
        Own()

    assert linecache.getline(caught[0].filename, caught[0].lineno).strip() == "Own()"


def test_what_was_used_or_copied_or_constant_is_no_reason_to_warn():
    """Flow-model 2.10."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Graph("f") as flow:
            template = Task("template")
            flow.add_task(template.copy())
            flow.add_edge(Task("a"), Task("b"))
            Constant(5)

            @task
            def made_inside(x):
                return x

            made_inside(1)
        Task("outside")


def test_a_nested_flow_warns_about_its_own_tasks():
    """Flow-model 2.10."""
    with Graph("outer") as outer:
        with pytest.warns(UserWarning, match="lost"), Graph("inner"):
            Task("lost")
        outer.add_task(Task("kept"))


# Being sent around, and speed


def test_a_graph_survives_a_pickle():
    with Graph("f") as flow, Thing() as thing:
        inc(thing)
        inc(5)

    again = cloudpickle.loads(cloudpickle.dumps(flow))

    assert [t.name for t in again.sorted_tasks()] == [t.name for t in flow.sorted_tasks()]
    assert list(again.slugs.values()) == list(flow.slugs.values())
    assert again.tasks == set(again.sorted_tasks())
    again.tasks.add(Task("new"))
    assert len(again.sorted_tasks()) == len(flow.sorted_tasks()) + 1


def test_a_graph_is_built_in_linear_time():
    def seconds(n):
        gc.collect()
        start = time.thread_time()  # of the processor: what else the machine does is not counted
        with Graph("f"):
            made = inc(1)
            for _ in range(n):
                made = inc(made)
        return time.thread_time() - start

    small, large = min(seconds(1_000) for _ in range(5)), min(seconds(8_000) for _ in range(3))

    # Eight times as much; a scan of what is there for each call would make it sixty times.
    assert large < 24 * small
