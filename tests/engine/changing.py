"""Ways of changing a value in place: what makes one, and what changes it."""

from __future__ import annotations

import array
import collections
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


class Box:
    """An object with an attribute, and a method that changes it."""

    def __init__(self, content: list[int]) -> None:
        self.content = content

    def add(self, item: int) -> None:
        self.content.append(item)


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("content",)

    def __init__(self, content: int) -> None:
        self.content = content


class Tray(Box):
    """An object whose class has something that all trays share, so that there can be no copy of one."""

    shared: ClassVar[list[int]] = []


class Pile(list):  # type: ignore[type-arg]
    """A list of the user's."""


def frame() -> Any:
    return pd.DataFrame({"km": [1.0, 2.0, 3.0], "name": ["c", "a", "b"]}, index=[3, 1, 2])


def push(rows: list[int]) -> None:
    rows.append(4)


def pass_on(rows: list[int]) -> None:
    push(rows)


def deep_in(rows: list[int]) -> None:
    pass_on(rows)


def by_append(x):
    x.append(4)


def by_extending_assignment(x):
    x += [5, 6]


def by_slice(x):
    x[1:2] = [7, 8, 9]


def by_deletion(x):
    del x[0]


def by_sort(x):
    x.sort(reverse=True)


def by_helper(x):
    deep_in(x)


def by_key(x):
    x["new"] = 1


def by_order_of_keys(x):
    x["a"] = x.pop("a")


def by_update(x):
    x |= {"b": 0}


def by_discard(x):
    x.discard(2)


def by_nested_append(x):
    x["a"][0].append(0)


def by_type_of_element(x):
    x[0] = float(x[0])


def by_rotation(x):
    x.rotate(1)


def by_out(x):
    np.add(x, 1, out=x)


def by_product(x):
    x *= 2


def by_view(x):
    half = x[1:]
    half[:] = 0


def by_array_method(x):
    x.sort()
    x[:] = x[::-1]


def by_fill(x):
    x.fill(9)


def by_column(x):
    x["km"] = x["km"] * 1000


def by_new_column(x):
    x["miles"] = x["km"] / 1.6


def by_pop(x):
    x.pop("name")


def by_inplace(x):
    x.sort_values("name", inplace=True)


def by_loc(x):
    x.loc[3, "km"] = 0.0


def by_index(x):
    x.index = [0, 1, 2]


def by_series_item(x):
    x.iloc[0] = 99.0


def by_attribute(x):
    x.content = [0]


def by_method(x):
    x.add(4)


def by_setattr(x):
    setattr(x, "co" + "lour", "red")


def by_slot(x):
    x.content += 1


def by_next_number(x):
    return x.random()


def by_shuffle(x):
    values = [1, 2, 3, 4, 5]
    x.shuffle(values)
    return values


WAYS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "append": (lambda: [3, 1, 2], by_append),
    "augmented assignment": (lambda: [3, 1, 2], by_extending_assignment),
    "slice": (lambda: [3, 1, 2], by_slice),
    "del": (lambda: [3, 1, 2], by_deletion),
    "sort": (lambda: [1, 3, 2], by_sort),
    "a helper three calls down": (lambda: [3, 1, 2], by_helper),
    "key": (lambda: {"a": 1}, by_key),
    "order of keys": (lambda: {"a": 1, "b": 2}, by_order_of_keys),
    "update": (lambda: {"a": 1, "b": 2}, by_update),
    "counter": (lambda: collections.Counter("aab"), by_key),
    "set": (lambda: {1, 2, 3}, by_discard),
    "nested": (lambda: {"a": ([1], 2)}, by_nested_append),
    "type of an element": (lambda: [1, 2], by_type_of_element),
    "deque": (lambda: collections.deque([1, 2, 3]), by_rotation),
    "bytearray": (lambda: bytearray(b"abc"), by_deletion),
    "array.array": (lambda: array.array("i", [1, 2, 3]), by_append),
    "out=": (lambda: np.arange(4.0), by_out),
    "array product": (lambda: np.arange(4.0), by_product),
    "view": (lambda: np.arange(4.0), by_view),
    "method of an array": (lambda: np.array([2, 3, 1]), by_array_method),
    "fill": (lambda: np.arange(4), by_fill),
    "column": (frame, by_column),
    "new column": (frame, by_new_column),
    "pop of a column": (frame, by_pop),
    "inplace=True": (frame, by_inplace),
    "loc": (frame, by_loc),
    "index": (frame, by_index),
    "series": (lambda: pd.Series([1.0, 2.0]), by_series_item),
    "attribute": (lambda: Box([1]), by_attribute),
    "method": (lambda: Box([1]), by_method),
    "setattr": (lambda: Box([1]), by_setattr),
    "namespace": (lambda: SimpleNamespace(content=[1]), by_attribute),
    "slot": (lambda: Slotted(1), by_slot),
    "random.Random": (lambda: random.Random(3), by_next_number),
    "random.Random, a method that hides it": (lambda: random.Random(3), by_shuffle),
    "numpy Generator": (lambda: np.random.default_rng(3), by_next_number),
    "numpy RandomState": (lambda: np.random.RandomState(3), by_next_number),
}
ways = pytest.mark.parametrize(("make", "change"), WAYS.values(), ids=WAYS.keys())


def told(value: Any) -> Any:
    """Return what an object contains, in what `==` compares."""
    if isinstance(value, (np.ndarray, pd.Series)):
        return value.dtype.str, value.tolist()
    if isinstance(value, pd.DataFrame):
        return value.to_dict("split")
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.RandomState):
        return str(value.get_state())
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, Slotted):
        return value.content
    if isinstance(value, (Box, SimpleNamespace)):
        return dict(vars(value))
    return type(value), repr(value)
