"""What is mapped over or flattened goes by position (flow-model 5.2, 5.6)."""

from __future__ import annotations

import itertools

import pytest

from nbflow import Flow, apply_map, flatten, task
from nbflow.engine.elements import all_elements, element, elements
from nbflow.states import Failed

pd = pytest.importorskip("pandas")


@task
def same(x):
    return x


@task
def pair(x, y):
    return x, y


@task
def listed(xs):
    return list(xs)


def given(make):
    @task
    def give():
        return make()

    return give()


def of(flow, found, executor="inline"):
    state = flow.run(executor=executor).result[found]
    return state.result


SERIES = {
    "sorted": lambda: pd.Series([30, 10, 20]).sort_values(),
    "filtered": lambda: pd.Series([5, 6, 7])[1:],
    "named": lambda: pd.Series([1, 2], index=["b", "a"]),
    "labelled twice": lambda: pd.Series([1, 2], index=[7, 7]),
    "of floats": lambda: pd.Series([1, 2], index=[0.5, 0.1]),
}


@pytest.mark.parametrize("make", SERIES.values(), ids=list(SERIES))
def test_a_series_gives_its_values_in_order(make, executor):
    """flow-model 5.2: by position, not by label."""
    with Flow("f") as flow:
        computed, constant = same.map(given(make)), same.map(make())
        zipped = pair.map(given(make), [*range(9)])

    state = flow.run(executor=executor)

    assert state.result[computed].result == make().tolist()
    assert state.result[constant].result == make().tolist()
    assert state.result[zipped].result == list(zip(make().tolist(), range(9), strict=False))


def test_apply_map_goes_by_position_too():
    """flow-model 5.8"""
    with Flow("f") as flow:
        found = apply_map(lambda x: same(x), SERIES["sorted"]())

    assert of(flow, found) == [10, 20, 30]


def test_a_frame_gives_its_rows_in_order():
    """flow-model 5.2"""
    frame = pd.DataFrame({"a": [3, 1], "b": ["x", "y"]}).sort_values("a")
    with Flow("f") as flow:
        found = same.map(given(lambda: frame))

    assert [row.to_dict() for row in of(flow, found)] == [{"a": 1, "b": "y"}, {"a": 3, "b": "x"}]


ITERATORS = {
    "generator": lambda: (n for n in (1, 2, 3)),
    "iter": lambda: iter([1, 2, 3]),
    "map": lambda: map(abs, [-1, 2, 3]),
}
every_iterator = pytest.mark.parametrize("make", ITERATORS.values(), ids=list(ITERATORS))


@pytest.mark.one_memory("an iterator cannot travel")
@every_iterator
def test_an_iterator_is_mapped_over_and_others_get_its_items_too(make, executor):
    """flow-model 5.2"""
    with Flow("f") as flow:
        source = given(make)
        found, again, whole = same.map(source), same.map(source), listed(source)

    state = flow.run(executor=executor)

    assert [state.result[one].result for one in (found, again, whole)] == [[1, 2, 3]] * 3


@every_iterator
def test_an_iterator_that_is_a_constant_is_mapped_over_in_each_run(make):
    """flow-model 5.1"""
    with Flow("f") as flow:
        found = same.map(x=make())

    assert [of(flow, found) for _ in range(3)] == [[1, 2, 3]] * 3


def test_an_endless_iterator_gives_as_many_children_as_the_shortest_input():
    """flow-model 5.2"""
    with Flow("f") as flow:
        found = pair.map(given(lambda: itertools.count(5)), ["a", "b"])

    assert of(flow, found) == [(5, "a"), (6, "b")]


def test_an_empty_iterator_gives_no_children():
    """flow-model 5.2"""
    with Flow("f") as flow:
        found = same.map(given(lambda: iter(())))

    assert of(flow, found) == []


def test_an_iterator_that_breaks_off_cannot_be_mapped_over():
    """flow-model 5.2"""

    def breaks_off():
        yield 1
        raise OSError("gone")

    with Flow("f") as flow:
        found = same.map(given(breaks_off))
    state = flow.run().result[found]

    assert type(state) is Failed
    assert "unmappable" in state.message
    assert isinstance(state.result, OSError)


@pytest.mark.parametrize("value", [{1, 2}, {1: 2}.keys(), 5, None])
def test_what_has_no_order_or_no_elements_cannot_be_mapped_over(value):
    """flow-model 5.2"""
    with Flow("f") as flow:
        found = same.map(given(lambda: value))

    assert "unmappable" in flow.run().result[found].message


def test_a_rerun_of_a_map_over_an_iterator_gives_the_same():
    with Flow("f") as flow:
        found = same.map(given(ITERATORS["generator"]))
    flow.run()

    again = flow.runs[-1].rerun([found])

    assert again.wait().result[found].result == [1, 2, 3]


FLATTENED = {
    "iterator of lists": (lambda: iter([[1], [2, 3]]), [1, 2, 3]),
    "list of iterators": (lambda: [iter([1]), iter([2, 3])], [1, 2, 3]),
    "iterator that is not nested": (lambda: iter([1, 2]), [1, 2]),
    "series of lists": (lambda: pd.Series([[3], [1, 2]], index=[5, 4]), [3, 1, 2]),
    "list of series": (lambda: [pd.Series([2, 1], index=[9, 8])], [2, 1]),
    "frame": (lambda: pd.DataFrame({"a": [1, 3], "b": [2, 4]}, index=[1, 0]), [1, 2, 3, 4]),
}


@pytest.mark.parametrize(("make", "expected"), FLATTENED.values(), ids=list(FLATTENED))
def test_flatten_goes_by_position(make, expected):
    """flow-model 5.6"""
    with Flow("f") as flow:
        source = given(make)
        mapped, whole = same.map(flatten(source)), same(flatten(source))
    state = flow.run()

    assert state.result[mapped].result == expected
    assert list(state.result[whole].result) == expected


def test_flatten_joins_the_rows_of_frames():
    """flow-model 5.6"""
    with Flow("f") as flow:
        found = same.map(flatten(given(lambda: [pd.DataFrame({"a": [1, 2]})])))

    assert [row.to_dict() for row in of(flow, found)] == [{"a": 1}, {"a": 2}]


def test_elements_are_those_at_the_positions():
    series = pd.Series([3, 4], index=[1, 0])

    assert elements(series, 1) == [3]
    assert element(series, 1) == 4
    assert list(all_elements(series)) == [3, 4]
    assert elements({0: "a", 1: "b"}, 2) == ["a", "b"]


def test_something_with_any_attribute_one_asks_for_goes_by_its_own_indexing():
    class Anything:
        def __getattr__(self, name):
            return self

        def __getitem__(self, place):
            return place

    assert elements(Anything(), 2) == [0, 1]
