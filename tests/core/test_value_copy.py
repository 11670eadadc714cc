"""A copy taken ahead is equal, independent, and shares inside what the original shares; else it is refused."""

from __future__ import annotations

import collections
import copy
import random
import threading
import types
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.data.fingerprint import fingerprint
from nbflow.core.data.value_copy import copy_ahead
from nbflow.errors import CannotCopyError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.sets(st.integers())
        | st.lists(inner).map(collections.deque)
    ),
)


@dataclass
class Row:
    name: str
    cells: list = field(default_factory=list)


class Node:
    def __init__(self):
        self.next = None
        self.items = []


class Slotted:
    __slots__ = ("one", "two")


class Shared:
    registry = []


class Surprising:
    def __deepcopy__(self, memo):
        raise AssertionError("asked to copy itself")


def change(value):
    """Change whatever can be changed in a value, everywhere."""
    if isinstance(value, (list, collections.deque)):
        for item in value:
            change(item)
        value.append("changed")
    elif isinstance(value, dict):
        for item in value.values():
            change(item)
        value["changed"] = 1
    elif isinstance(value, set):
        value.add("changed")
    elif isinstance(value, tuple):
        for item in value:
            change(item)


@given(VALUES)
def test_a_copy_is_equal_and_independent(value):
    before = fingerprint(value)

    copied = copy_ahead(value)
    assert fingerprint(copied) == before

    change(copied)
    assert fingerprint(value) == before


@pytest.mark.parametrize(
    "made",
    [
        lambda: collections.OrderedDict(a=[1]),
        lambda: collections.defaultdict(list, a=[1]),
        lambda: collections.Counter("aab"),
        lambda: bytearray(b"x"),
        lambda: random.Random(1),
        lambda: iter([[1], [2]]),
        lambda: enumerate([[1], [2]]),
        lambda: Row("a", [[1]]),
        lambda: types.SimpleNamespace(a=[1]),
        lambda: [].append,
    ],
)
def test_values_with_a_state_are_copied(made):
    value = made()

    copied = copy_ahead(value)

    assert type(copied) is type(value)
    assert copied is not value
    assert fingerprint(copied) == fingerprint(made())


def test_what_is_shared_inside_is_shared_inside_the_copy():
    part = [1]
    node = Node()
    node.next, node.items = node, part
    value = {"a": part, "b": (part, node)}
    value["self"] = value

    copied = copy_ahead(value)

    assert copied["a"] is copied["b"][0] is copied["b"][1].items
    assert copied["a"] is not part
    assert copied["b"][1].next is copied["b"][1]
    assert copied["self"] is copied


def test_an_iterator_and_its_list_stay_together():
    items = [1, 2, 3]
    taken = iter(items)
    next(taken)

    copied_items, copied = copy_ahead([items, taken])
    copied_items.append(4)

    assert list(copied) == [2, 3, 4]
    assert list(taken) == [2, 3]


def test_slots_are_copied_as_far_as_they_are_filled():
    value = Slotted()
    value.one = [1]

    copied = copy_ahead(value)
    copied.one.append(2)

    assert value.one == [1]
    assert not hasattr(copied, "two")


def test_what_is_fixed_is_shared():
    value = (1, "a", frozenset({2}))

    assert copy_ahead(value) is value
    assert copy_ahead([value])[0] is value


def deep():
    value = []
    for _ in range(5_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "made",
    [
        threading.Lock,
        Surprising,
        Shared,
        lambda: (i for i in ()),
        lambda: {Row("a").name: 1, copy: [threading.Lock()]},
        lambda: [Node(), threading.Lock()],
        lambda: type("Named", (list,), {})(),
    ],
)
def test_what_nobody_knows_how_to_copy_is_refused(made):
    with pytest.raises(CannotCopyError, match=r"this value cannot be copied: .+"):
        copy_ahead([made()])


def test_what_is_too_large_or_too_deep_is_refused():
    with pytest.raises(CannotCopyError, match="too large"):
        copy_ahead([[0] * 1_000], limit_bytes=1_000)
    with pytest.raises(CannotCopyError, match="nested too deeply"):
        copy_ahead(deep())


# --------------------------------------------------------------------------------------------- arrays and frames


def test_arrays_are_copied_with_the_objects_in_them():
    np = pytest.importorskip("numpy")
    part = [1]
    value = {"x": np.arange(6.0).reshape(2, 3).T, "o": np.array([part, None], object), "part": part}
    before = fingerprint(value)

    copied = copy_ahead(value)
    assert fingerprint(copied) == before
    assert copied["o"][0] is copied["part"]

    copied["x"][0, 0] = 9
    copied["o"][0].append(2)
    assert fingerprint(value) == before


def test_arrays_that_share_memory_or_are_too_large_are_refused():
    np = pytest.importorskip("numpy")
    value = np.zeros(10)

    with pytest.raises(CannotCopyError, match="share memory"):
        copy_ahead([value, value[:5]])
    with pytest.raises(CannotCopyError, match="too large"):
        copy_ahead(value, limit_bytes=10)


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_a_frame_together_with_the_array_that_it_was_made_of_is_refused(places):
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    array = np.zeros((3, 2))
    both = [array, pd.DataFrame(array, copy=False)]

    with pytest.raises(CannotCopyError, match="share memory"):
        copy_ahead([both[place] for place in places])


def test_generators_of_numpy_are_copied_and_share_their_source_of_bits_as_before():
    np = pytest.importorskip("numpy")
    one = np.random.default_rng(1)
    value = [one, np.random.Generator(one.bit_generator), np.random.RandomState(1)]
    before = fingerprint(value)

    first, second, third = copy_ahead(value)
    first.random()
    third.random()

    assert first.bit_generator is second.bit_generator
    assert fingerprint(value) == before


def frame():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0],
            "y": [3, 2, 1],
            "text": ["a", "b", None],
            "object": pd.Series([1, "a", None], dtype=object, index=[5, 6, 7]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "kind": pd.Categorical(["a", "b", "a"]),
            "when": pd.date_range("2026", periods=3, tz="UTC"),
        },
        index=[5, 6, 7],
    )


def write(column):
    try:
        column[0] = column[1]
    except ValueError:  # it is read-only
        return


@pytest.mark.parametrize(
    "written",
    [
        lambda f: f.loc.__setitem__((5, "x"), 9.0),
        lambda f: f.iloc.__setitem__((0, 1), 9),
        lambda f: f.pop("x"),
        lambda f: f.__setitem__("z", 1),
        lambda f: f.insert(0, "z", 1),
        lambda f: f.update({"x": [7.0, 8.0, 9.0]}),
        lambda f: f.attrs.update(a=1),
        lambda f: setattr(f, "columns", list("abcdefg")),
        lambda f: setattr(f.columns, "name", "changed"),
        lambda f: setattr(f.index, "name", "changed"),
        lambda f: f.index.set_names(["changed"], inplace=True),
        lambda f: [write(f[name].array) for name in f],
        lambda f: [write(f[name].values) for name in f if name != "when"],
        lambda f: [write(f[name].to_numpy()) for name in f],
        lambda f: write(f[["x"]].values),
        lambda f: write(f.index.values),
        lambda f: write(f.index.array),
        lambda f: write(f.index.to_numpy()),
        lambda f: write(f.columns.array),
        lambda f: write(f["nullable"].array._data),
        lambda f: write(f["nullable"].array._mask),
        lambda f: write(f["kind"].array._codes),
        lambda f: f["kind"].array.__setitem__(0, "b"),
        lambda f: f["when"].array.__setitem__(0, f["when"][7]),
    ],
)
@pytest.mark.parametrize("of", ["copy", "original"])
def test_nothing_that_is_written_to_one_frame_reaches_the_other(written, of):
    original = frame()
    copied = copy_ahead(original)
    before = fingerprint(original)
    assert fingerprint(copied) == before

    try:
        written(copied if of == "copy" else original)
    except ValueError as error:
        assert "read-only" in str(error)  # noqa: PT017 - the same for both

    assert fingerprint(original if of == "copy" else copied) == before


def test_a_frame_of_plain_columns_costs_nothing_to_copy():
    pd = pytest.importorskip("pandas", minversion="3")
    value = pd.DataFrame({"x": [0.0] * 1_000})

    assert fingerprint(copy_ahead(value, limit_bytes=100)) == fingerprint(value)


def test_a_frame_with_cells_that_may_change_is_refused():
    pd = pytest.importorskip("pandas")

    with pytest.raises(CannotCopyError, match="a cell of it may change"):
        copy_ahead(pd.DataFrame({"x": [[1], [2]]}))


def test_lazy_collections_are_refused():
    array = pytest.importorskip("dask.array")

    with pytest.raises(CannotCopyError):
        copy_ahead([array.zeros(3)])


def test_a_copy_of_a_masked_array_has_a_fill_value_of_its_own():
    np = pytest.importorskip("numpy")
    array = np.ma.array([1.0, 2.0], mask=[False, True])
    array.fill_value = 5
    copied = copy_ahead(array)

    copied.fill_value = 7

    assert array.fill_value == 5


@pytest.mark.parametrize("part", [slice(None, None, 2), slice(None, None, -1), (slice(1), slice(None, None, 2))])
def test_a_copy_of_a_part_of_an_array_has_gaps_where_the_part_has(part):
    np = pytest.importorskip("numpy")
    array = np.arange(12.0).reshape(3, 4)[part]

    copied = copy_ahead(array)
    copied.ravel()[:] = 0

    assert copied.tolist() == array.tolist()
    assert copied.strides == array.strides
    assert not np.may_share_memory(copied, array)
