"""What a type says: fixed or not, once or often, how large; without asking the value."""

from __future__ import annotations

import datetime
import decimal
import enum
import io
import sqlite3
import threading
import uuid
from pathlib import Path

import pytest

from nbflow.core.data.value_traits import is_fixed, is_one_shot, size_of


class Color(enum.Enum):
    RED = 1
    LIST = []


class Labelled(int):
    pass


class Hostile:
    def refuse(self, *_):
        raise RuntimeError("do not ask")

    __eq__ = __hash__ = __len__ = __bool__ = __iter__ = __getattr__ = __sizeof__ = refuse


class Meta(type):
    def __hash__(cls):
        raise RuntimeError("do not ask")


class Odd(metaclass=Meta):
    pass


def test_a_class_that_cannot_be_looked_up_is_taken_for_the_worst():
    assert not is_fixed(Odd())
    assert not is_fixed((1, Odd()))
    assert not is_one_shot(Odd())
    assert size_of(Odd()) is None


@pytest.mark.parametrize(
    "value",
    [
        None, True, 1, 1.0, 1j, "a", b"a", range(3), datetime.datetime.now(datetime.UTC), datetime.date(2026, 1, 1),
        decimal.Decimal(1), uuid.UUID(int=1), Path(), Color.RED, (1, (2, "a")), frozenset({1, (2,)}),
        len, is_fixed, Path, threading, str.upper, list[int],
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_nobody_can_change_is_fixed(value):
    assert is_fixed(value)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        set(),
        bytearray(),
        (1, []),
        (1, (2, [])),
        Labelled(1),
        Color.LIST,
        Hostile(),
        iter([]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_be_changed_is_not_fixed(value):
    assert not is_fixed(value)


def test_deeply_nested_tuples_are_looked_through():
    value = ()
    for _ in range(10_000):
        value = (value,)

    assert is_fixed(value)


def test_scalars_of_numpy_and_pandas_are_fixed_and_arrays_are_not():
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")

    assert all(
        map(
            is_fixed,
            (np.float64(1), np.int8(1), np.datetime64("2026"), np.dtype("f8"), pd.Timestamp("2026"), pd.NA),
        )
    )
    assert not any(map(is_fixed, (np.zeros(1), np.zeros(1, "i4,i4")[0], pd.Series([1]), pd.Index([1]))))


def test_iterators_files_and_cursors_are_used_once():
    with sqlite3.connect(":memory:") as connection:
        values = [iter([]), (i for i in ()), zip(), io.StringIO("a"), connection.cursor()]
    connection.close()

    assert all(map(is_one_shot, values))
    assert not any(map(is_one_shot, ([], {}, "a", range(3), 1, Hostile(), type(iter([])))))


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (b"x" * 10_000, 10_000),
        ([b"x" * 100] * 10_000, 1_400_000),
        (dict.fromkeys(range(1000), b"x" * 1000), 1_080_000),
        (bytearray(10_000), 10_000),
        ([[b"x" * 1_000]] * 100, 110_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_size_of_a_container_is_estimated_with_what_is_in_it(value, size):
    assert 0.8 * size < size_of(value) < 1.3 * size


def test_the_size_of_arrays_and_frames_is_that_of_their_data():
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": np.zeros(10_000), "text": ["x" * 100] * 10_000})

    assert size_of(np.zeros(1_000)) == 8_000
    assert size_of(frame[["x"]]) in range(80_000, 81_000)
    assert size_of(frame) > 1_000_000
    assert size_of(frame["text"]) > 1_000_000
    assert size_of([np.zeros(1_000)] * 3) in range(24_000, 25_000)


def test_the_size_of_what_is_lazy_or_refuses_is_unknown():
    array = pytest.importorskip("dask.array")
    endless = []
    endless.append(endless)

    assert size_of(array.zeros(10)) is None
    assert size_of(i for i in ()) is None
    assert size_of(endless) is None
    assert size_of(Hostile()) is None
