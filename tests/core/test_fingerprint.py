"""A fingerprint is equal for equal values, differs for others, and never touches what it must not."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import enum
import itertools
import random
import socket
import sqlite3
import threading
import types
import weakref
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.core.data.fingerprint import fingerprint, known_fingerprint

LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats()
KEYS = st.text() | st.integers() | st.frozensets(st.text(max_size=2), max_size=2)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


def rebuilt(value):
    """Return an equal value that shares no container."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(rebuilt, value))
    if isinstance(value, dict):
        return {rebuilt(key): rebuilt(item) for key, item in value.items()}
    return frozenset(list(value)[::-1]) if isinstance(value, frozenset) else value


def described(value):
    """Return a text that says all of a value: types, signs, order."""
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(map(described, value))})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{described(key)}: {described(item)}' for key, item in value.items())})"
    return str(sorted(map(described, value))) if isinstance(value, frozenset) else repr(value)


@given(VALUES)
def test_equal_values_have_the_same_fingerprint(value):
    assert known_fingerprint(rebuilt(value)) == known_fingerprint(value) is not None


@given(VALUES, VALUES)
def test_different_values_have_different_fingerprints(one, other):
    assert (fingerprint(one) == fingerprint(other)) is (described(one) == described(other))


def test_the_type_counts_for_a_fingerprint():
    assert len({fingerprint(value) for value in (1, 1.0, True, "1", b"1", [1], (1,), {1}, {1: None})}) == 9
    assert len({fingerprint([value, []]) for value in (1, 1.0, True, "1", b"1", [1], (1,), {1}, {1: None})}) == 9


def test_the_sign_of_zero_and_the_order_of_keys_count():
    assert fingerprint([0.0]) != fingerprint([-0.0])
    assert fingerprint({1: [], 2: []}) != fingerprint({2: [], 1: []})
    assert fingerprint({1: 0, 2: 0}) != fingerprint({2: 0, 1: 0})
    assert fingerprint(float("nan")) == fingerprint(float("nan"))


def test_the_order_of_a_set_does_not_count():
    assert fingerprint({0, 8, 16}) == fingerprint({16, 8, 0})
    assert fingerprint({"a": {(), (1,), (2,)}}) == fingerprint({"a": {(2,), (1,), ()}})


def test_shared_parts_do_not_change_a_fingerprint():
    part = [1]

    assert fingerprint([part, part]) == fingerprint([[1], [1]])


def test_parts_that_are_shared_many_times_over_are_read_once():
    value = [1]
    for _ in range(200):
        value = [value, value]

    assert known_fingerprint(value) is not None


def test_large_containers_are_read_in_pieces():
    numbers = list(range(30_001))

    assert fingerprint(numbers) == fingerprint(list(numbers)) != fingerprint(numbers[:-1])
    assert fingerprint(dict.fromkeys(numbers)) != fingerprint(dict.fromkeys(numbers[::-1]))
    assert fingerprint("x" * 2_000_000) != fingerprint("x" * 2_000_001) != fingerprint(b"x" * 2_000_001)


# ---------------------------------------------------------------------------------------------------- functions


def test_a_function_counts_by_its_code():
    def made(constant, default=0):
        def function(x=default):
            return [x + constant for _ in range(3)]

        return function

    assert fingerprint(made(1)) == fingerprint(made(1))
    assert fingerprint(made(1)) != fingerprint(made(2))
    assert fingerprint(made(1)) != fingerprint(made(1, default=5))


def test_code_inside_a_function_counts_too():
    one = eval("lambda: [x + 1 for x in ()]")
    other = eval("lambda: [x + 2 for x in ()]")

    assert fingerprint(one) != fingerprint(other)


def test_a_bound_method_counts_with_its_object():
    assert fingerprint([].append) == fingerprint([].append) != fingerprint([1].append)
    assert known_fingerprint(threading.Lock().acquire) is None
    assert known_fingerprint(len) is not None


# ------------------------------------------------------------------------------------------------------ objects


class Point:
    unit = ["m"]

    def __init__(self, x, y=0):
        self.x = x
        self.y = y


@dataclass
class Row:
    name: str
    cells: list = field(default_factory=list)


class Slotted:
    __slots__ = ("one", "two")


class Named(list):
    pass


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def test_objects_are_known_by_class_and_attributes():
    assert fingerprint(Point(1)) == fingerprint(Point(1)) != fingerprint(Point(2))
    assert fingerprint(Row("a", [1])) == fingerprint(Row("a", [1])) != fingerprint(Row("a", [True]))
    assert fingerprint(Color.RED) != fingerprint(Color.BLUE)
    one, other = Slotted(), Slotted()
    one.one = other.one = [1]
    assert fingerprint(one) == fingerprint(other)
    other.two = 2
    assert fingerprint(one) != fingerprint(other)


def test_which_attribute_was_set_first_does_not_count():
    one = Point(1)
    other = Point.__new__(Point)
    other.y, other.x = 0, 1

    assert fingerprint(one) == fingerprint(other)


def test_a_change_of_the_class_is_a_change_of_its_instances(monkeypatch):
    before = fingerprint([Point(1)])
    monkeypatch.setattr(Point, "unit", ["m", "s"])

    assert fingerprint([Point(1)]) != before


def test_an_instance_of_a_subclass_differs_from_one_of_the_base():
    one, other = Named([1]), Named([1])
    other.label = "x"

    assert len({fingerprint(value) for value in (one, other, [1])}) == 3


def test_a_class_that_holds_a_lock_or_its_own_instance_has_known_instances():
    class Guarded:
        lock = threading.Lock()

    Guarded.default = Guarded()

    assert known_fingerprint(Guarded()) == known_fingerprint(Guarded()) is not None


def test_what_an_object_keeps_from_pickle_counts_where_it_can_be_known():
    class Sly:
        def __init__(self, items):
            self.items = items
            self.lock = threading.Lock()

        def __reduce__(self):
            return Sly, ([],)

    assert fingerprint(Sly([1])) == fingerprint(Sly([1])) != fingerprint(Sly([2]))


def test_a_value_that_holds_itself_is_known():
    def ring(label):
        one, other = Point(label), Point("other")
        one.next, other.next = other, one
        return one

    endless = [1]
    endless.append(endless)

    assert known_fingerprint(endless) is not None
    assert fingerprint(ring("a")) == fingerprint(ring("a")) != fingerprint(ring("b"))


def test_it_counts_which_part_a_value_holds_again():
    def made(second):
        first, other = ["a"], ["b"]
        first.append([first])
        other.append([other] if second else first[1])
        return [first, other]

    assert fingerprint(made(True)) == fingerprint(made(True)) != fingerprint(made(False))


@pytest.mark.parametrize(
    "wrap", [lambda x: [x], lambda x: (x,), lambda x: {1: x}, Point], ids=["list", "tuple", "dict", "object"]
)
def test_nesting_may_be_deeper_than_functions_can_be(wrap):
    value = None
    for _ in range(10_000):
        value = wrap(value)

    found = known_fingerprint(value)
    while value is not None:  # an interpreter takes apart what is nested this deep by calling itself
        value = next(iter(value.values())) if type(value) is dict else value.x if type(value) is Point else value[0]

    assert found is not None


@pytest.mark.parametrize(
    "made",
    [
        lambda: datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        lambda: decimal.Decimal("1.5"),
        lambda: collections.deque([1, [2]], maxlen=3),
        lambda: collections.OrderedDict(a=[1]),
        lambda: collections.defaultdict(list, a=[1]),
        lambda: collections.Counter("abca"),
        lambda: types.SimpleNamespace(x=[1]),
        lambda: range(3),
        lambda: random.Random(1),
        lambda: ValueError("x"),
        lambda: bytearray(b"x"),
        lambda: memoryview(b"xyz")[::2],
    ],
)
def test_objects_of_the_standard_library_are_known(made):
    assert known_fingerprint(made()) == known_fingerprint(made()) is not None


def test_a_generator_of_random_numbers_counts_by_its_state():
    one, other = random.Random(1), random.Random(1)
    other.random()

    assert fingerprint(one) != fingerprint(other)


# ---------------------------------------------------------------------------------------------------- iterators


@pytest.mark.parametrize(
    "made",
    [
        lambda: iter([1, 2, 3]),
        lambda: iter((1, 2, 3)),
        lambda: iter("abc"),
        lambda: iter(range(3)),
        lambda: iter({1: 2, 3: 4}.items()),
        lambda: enumerate([1, 2]),
        lambda: zip([1, 2], [3, 4], strict=True),
        lambda: map(str, [1, 2]),
        lambda: reversed([1, 2]),
        lambda: itertools.count(5),
    ],
)
def test_a_plain_iterator_is_known_by_what_it_gives_next_and_stays_where_it_is(made):
    one, other, fresh = made(), made(), made()
    next(other)

    assert known_fingerprint(one) == known_fingerprint(fresh) is not None
    assert known_fingerprint(other) not in (None, known_fingerprint(one))
    assert list(itertools.islice(one, 2)) == list(itertools.islice(fresh, 2))


# ------------------------------------------------------------------------------------------------- the unknown


class Hostile:
    """Raises whatever it is asked."""

    def __init__(self):
        self.x = 1

    def refuse(self, *_):
        raise RuntimeError("do not ask")

    __eq__ = __hash__ = __len__ = __bool__ = __iter__ = __contains__ = __str__ = __repr__ = __getattr__ = refuse
    __deepcopy__ = __copy__ = __getitem__ = refuse


class Refusing:
    def __reduce_ex__(self, protocol):
        raise RuntimeError("no")


class Stateless:
    def __getstate__(self):
        raise RuntimeError("no")


class Lazy:
    computed = 0

    def __dask_graph__(self):
        return {}

    def __reduce__(self):
        Lazy.computed += 1
        return Lazy, ()


class OnDevice(Lazy):
    __dask_graph__ = None
    __cuda_array_interface__ = property(lambda self: {})


class Proxy:
    def __init__(self, target):
        object.__setattr__(self, "target", target)

    __class__ = property(lambda self: list)


def generator():
    yield 1


@pytest.mark.parametrize(
    "made",
    [
        threading.Lock,
        generator,
        Lazy,
        OnDevice,
        lambda: Proxy([1]),
        lambda: sqlite3.connect(":memory:"),
        lambda: open(__file__),  # noqa: SIM115
        socket.socket,
        lambda: threading,
        lambda: weakref.proxy(Point),
        lambda: weakref.ref(Point),
        lambda: filter(None, generator()),
        lambda: iter(int, 1),
    ],
)
def test_what_cannot_be_looked_into_is_unknown_inside_a_container_as_well(made):
    value = made()

    assert known_fingerprint(value) is None
    assert known_fingerprint([1, {"a": value}]) is None
    assert fingerprint(value) != fingerprint(value)
    if hasattr(type(value), "close"):
        value.close()
    assert Lazy.computed == 0


def test_objects_that_refuse_everything_are_known_without_asking_them():
    value = Hostile()

    found = known_fingerprint([value, {"a": value}])
    value.x = 2

    assert found is not None
    assert known_fingerprint([value, {"a": value}]) not in (None, found)


def test_looking_does_not_use_up_a_generator():
    value = generator()

    known_fingerprint([value])

    assert list(value) == [1]


@pytest.mark.parametrize("value", [[0] * 1_000, "x" * 10_000, [["x" * 10_000]], bytearray(10_000)], ids=type)
def test_what_is_larger_than_the_limit_is_unknown(value):
    assert known_fingerprint(value, 1_000) is None
    assert known_fingerprint(value) is not None


def test_a_copy_has_the_same_fingerprint():
    value = {"a": [Point([1]), {2, 3}], "b": (Row("x"), None)}

    assert fingerprint(copy.deepcopy(value)) == fingerprint(value)
