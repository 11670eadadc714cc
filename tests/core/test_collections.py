"""Constants, collections of tasks, and the conversion of arguments."""

from __future__ import annotations

import pytest

from nbflow.core.annotations import flatten, unmapped
from nbflow.core.collections import Constant, Dict, List, Set, Tuple, as_task, contains_task, label_of
from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.task import Task
from nbflow.errors import NestedInItselfError, NoFlowError

# Operands that a test does not use are none of its business.
pytestmark = pytest.mark.filterwarnings("ignore:Tasks were created but not added")


@pytest.fixture
def flow():
    with Graph("f") as graph:
        yield graph


@task
def identity(x):
    return x


def gathered(graph, collection):
    """Return what a collection task would gather: its members by key."""
    edges = {edge.key: edge.upstream_task for edge in graph.edges_in(collection)}
    return edges | graph.constants[collection]


# Constants


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1, "1"),
        ("abc", "'abc'"),
        ([1, 2], "[1, 2]"),
        (12345678, "12345678"),
        (123456789, "Constant[int]"),
        ("abcdefg", "Constant[str]"),
        ([1, 2, 3], "Constant[list]"),
        ({}, "{}"),
        (None, "None"),
    ],
)
def test_a_constant_is_named_by_its_repr_if_that_is_short(value, name):
    """Flow-model 3.8."""
    assert Constant(value).name == name


def test_a_constant_may_be_given_a_name_and_returns_its_value():
    """Flow-model 3.8."""
    constant = Constant([1], name="one")

    assert constant.name == "one"
    assert constant.run() == [1]


def test_the_repr_of_a_large_value_is_not_made():
    class Loud(list):
        def __repr__(self):
            raise AssertionError

    assert Constant([Loud()] * 10).name == "Constant[list]"


# Conversion


def test_a_task_stays_as_it_is():
    """Flow-model 3.8."""
    t = Task()

    assert as_task(t) is t


def test_an_annotation_is_unwrapped():
    """Flow-model 3.8."""
    t = Task()

    assert as_task(unmapped(flatten(t))) is t
    assert as_task(unmapped(3)).value == 3


@pytest.mark.parametrize("value", [1, "a", None, [1, [2, {3: (4,)}]], {}, (), {"a": [1]}, {1, 2}, range(3)])
def test_what_contains_no_task_becomes_one_constant(value):
    """Flow-model 3.8."""
    constant = as_task(value)

    assert isinstance(constant, Constant)
    assert constant.value is value
    assert constant.auto_generated


def test_conversion_of_constants_needs_no_flow():
    """Flow-model 3.8."""
    assert as_task([1, 2]).value == [1, 2]


@pytest.mark.parametrize(("kind", "cls"), [(list, List), (tuple, Tuple), (set, Set)])
def test_collections_with_tasks_become_tasks(flow, kind, cls):
    """Flow-model 3.8."""
    a, b = Task("a"), Task("b")

    found = as_task(kind([a, b]))

    assert type(found) is cls
    assert found.auto_generated
    assert set(gathered(flow, found)) == {"arg_1", "arg_2"}
    assert set(gathered(flow, found).values()) == {a, b}


def test_members_are_numbered_in_their_order_and_constants_stay_values(flow):
    """Flow-model 3.8, 2.4."""
    a, b = Task("a"), Task("b")

    found = as_task([a, 5, b])

    assert gathered(flow, found) == {"arg_1": a, "arg_2": 5, "arg_3": b}
    assert flow.tasks == {a, b, found}


def test_a_dict_with_tasks_takes_keys_and_values(flow):
    """Flow-model 3.8."""
    a = Task("a")

    found = as_task({"x": a, "y": 2})

    assert isinstance(found, Dict)
    assert found.auto_generated
    assert flow.constants[found] == {"keys": ["x", "y"]}
    values = gathered(flow, found)["values"]
    assert isinstance(values, List)
    assert values.auto_generated
    assert gathered(flow, values) == {"arg_1": a, "arg_2": 2}


def test_a_task_may_be_the_key_of_a_dict(flow):
    """Flow-model 3.8."""
    a = Task("a")

    found = as_task({a: 1})

    assert isinstance(found, Dict)
    assert flow.constants[found] == {"values": [1]}


def test_collections_are_converted_at_any_depth(flow):
    """Flow-model 3.8."""
    a = Task("a")

    found = as_task([[1, {"x": (a,)}], [2, 3]])

    inner = gathered(flow, found)["arg_1"]
    assert gathered(flow, found)["arg_2"] == [2, 3]
    dictionary = gathered(flow, inner)["arg_2"]
    values = gathered(flow, dictionary)["values"]
    assert isinstance(gathered(flow, values)["arg_1"], Tuple)
    assert flow.root_tasks() == {a}


def test_an_annotated_member_counts_as_a_task(flow):
    """Flow-model 3.8."""
    a = Task("a")

    found = as_task([unmapped(a)])

    assert gathered(flow, found) == {"arg_1": a}


def test_conversion_uses_the_given_flow_rather_than_the_active_one(flow):
    """Flow-model 3.8."""
    other = Graph("other")

    found = as_task([Task()], flow=other)

    assert found in other.tasks
    assert not flow.tasks


def test_without_a_flow_a_collection_of_tasks_can_not_be_converted():
    """Flow-model 3.5."""
    with pytest.raises(ValueError, match="Could not infer an active Flow"):
        as_task([Task()])


def test_deeply_nested_and_recursive_values_are_searched():
    value: list = []
    value.append(value)
    deep: list = []
    for _ in range(5000):
        deep = [deep, 1]

    assert not contains_task(value)
    assert not contains_task(deep)
    value.append([Task()])
    assert contains_task(value)


# Running


@pytest.mark.parametrize(
    ("cls", "expected"), [(List, list(range(12))), (Tuple, tuple(range(12))), (Set, set(range(12)))]
)
def test_the_order_is_kept_beyond_ten_members(cls, expected):
    """Flow-model 3.8."""
    results = {f"arg_{i + 1}": i for i in reversed(range(12))}

    assert cls().run(**results) == expected


def test_empty_collections_can_be_gathered():
    """Flow-model 3.8."""
    assert List().run() == []
    assert Tuple().run() == ()
    assert Dict().run(keys=[], values=[]) == {}


def test_a_dict_pairs_keys_with_values():
    """Flow-model 3.8."""
    assert Dict().run(keys=["a", "b"], values=[1, 2]) == {"a": 1, "b": 2}


def test_a_dict_needs_as_many_keys_as_values():
    """Flow-model 3.8."""
    with pytest.raises(ValueError, match="as many keys as values"):
        Dict().run(keys=["a"], values=[1, 2])


def test_a_collection_can_be_an_argument(flow):
    """Flow-model 3.8."""
    a = identity(1)

    found = identity([a, 2])

    (edge,) = flow.edges_to(found)
    assert isinstance(edge.upstream_task, List)
    assert edge.key == "x"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [value],
        lambda value: (value,),
        lambda value: {"a": value},
        lambda value: [1, unmapped([value])],
        lambda value: {"a": [({"b": value},)]},
    ],
)
def test_arguments_may_be_nested_more_deeply_than_calls(flow, wrap):
    """Flow-model 3.8."""
    value = a = Task("a")
    for _ in range(1200):
        value = wrap(value)

    found = as_task(value)

    assert a in flow.sorted_tasks()
    assert flow.sorted_tasks()[-1] is found
    assert flow.terminal_tasks() == {found}


def test_what_stands_in_several_places_is_gathered_once(flow):
    """Flow-model 3.8."""
    value = [Task("a")]
    for _ in range(100):
        value = [value, value]

    found = as_task(value)

    assert set(gathered(flow, found)) == {"arg_1", "arg_2"}
    assert len(set(gathered(flow, found).values())) == 1
    assert len(flow.tasks) == 102


def test_a_container_with_tasks_that_contains_itself_is_refused(flow):
    value = [Task("a")]
    value.append({"again": value})

    with pytest.raises(NestedInItselfError, match="list with tasks in it contains itself"):
        as_task([1, value])


def test_a_constant_that_contains_itself_stays_a_constant(flow):
    circle = [1]
    circle.append(circle)

    found = as_task([Task("a"), circle])

    assert flow.constants[found] == {"arg_2": circle}


def test_tasks_deep_inside_are_gathered_outer_containers_first(flow):
    """Flow-model 3.8."""
    found = as_task([[Task("a")], [[Task("b")]]])

    assert flow.slugs[found] == "List-1"
    assert [flow.slugs[t] for t in (gathered(flow, found)["arg_1"], gathered(flow, found)["arg_2"])] == [
        "List-2",
        "List-3",
    ]


def test_gathering_tasks_without_a_flow_is_refused():
    """Flow-model 3.5."""
    with pytest.raises(NoFlowError, match="Could not infer an active Flow"):
        as_task([Task("a")])


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ([1, 2, 3], "[1, 2, 3]"),
        (list(range(1_000)), "list of 1000"),
        ("a" * 100, "str of 100"),
        ([object()], "list of 1"),  # an address would be another one in each kernel
        (object(), "object"),
        (12, "12"),
    ],
)
def test_people_read_what_a_constant_without_a_name_holds(value, label):
    assert label_of(Constant(value)) == label


def test_a_name_that_was_given_is_what_people_read():
    assert label_of(Constant([1, 2, 3], name="rows")) == "rows"
    assert label_of(Task("rows")) == "rows"
