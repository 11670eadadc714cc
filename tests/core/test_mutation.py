# ruff: noqa: UP028, RUF007, C416, C417, F841, PERF102 - the functions are written as users write them
"""Whether a function may change its argument in place, told from its code."""

from __future__ import annotations

import collections
import copy
import functools
import itertools
import json
import math
import operator
import random
import statistics
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.core.data.value_traits import copies_on_write
from nbflow.core.effects.mutation import may_change, may_change_parts
from tests.core.random_functions import call_briefly, random_function, random_value

NUMBERS = [3, 1, 2]
NESTED = [[1, 2], [3]]
ROWS = [{"k": "a", "n": 1}, {"k": "b", "n": 2}]
PRICES = {"a": 1.5, "b": 2.5}
LISTS = {"a": [1], "b": [2, 3]}
ARRAY = np.arange(6.0).reshape(2, 3)
FRAME = pd.DataFrame({"k": ["a", "b", "a"], "n": [1, 2, 3]})
SERIES = FRAME["n"]
KEPT: list[object] = []


@dataclass
class Basket:
    prices: list[float] = field(default_factory=list)
    seen: int = 0

    def total(self):
        return sum(self.prices)

    def add(self, price):
        self.prices.append(price)

    @property
    def mean(self):
        return self.total() / len(self.prices)

    @property
    def counted(self):
        self.seen += 1
        return self.seen

    def helper(self):
        return self.total() * 2

    def __add__(self, other):
        return Basket(self.prices + other.prices)


class Counting:
    def __init__(self):
        self.count = 0

    def __len__(self):
        self.count += 1
        return 3


def double(v):
    return v * 2


def clear(v):
    v.clear()


def through(v):
    return double(v)


def deeper(v):
    return clear(v)


def by_keyword(a, *, b):
    b.append(a)


def keeps_default(v, into=KEPT):
    into.append(v)


def lazily(v):
    for one in v:
        yield one


def wrapped(function):
    @functools.wraps(function)
    def around(*args, **kwargs):
        return function(*args, **kwargs)

    return around


@wrapped
def decorated(v):
    return v


def summed(x):
    return sum(x)


def looped(x):
    total = 0
    for v in x:
        total += v
    return total


def comprehended(x):
    return [v * 2 for v in x if v > 1]


def dict_comprehended(x):
    return {v: v * 2 for v in x}


def generator_summed(x):
    return sum(v * v for v in x)


def sorted_by_lambda(x):
    return sorted(x, key=lambda row: row["n"])


def grouped(x):
    found = defaultdict(list)
    for row in x:
        found[row["k"]].append(row)
    return {key: len(rows) for key, rows in found.items()}


def setdefault_grouped(x):
    found: dict = {}
    for row in x:
        found.setdefault(row["k"], []).append(row["n"])
    return found


def copied_then_changed(x):
    x = list(x)
    x.append(1)
    return x


def deep_copied_then_changed(x):
    x = copy.deepcopy(x)
    x[0].append(1)
    return x


def rows_rebuilt(x):
    return [{**row, "m": row["n"] + 1} for row in x]


def rows_copied(x):
    found = []
    for row in x:
        row = dict(row)
        row["m"] = 1
        found.append(row)
    return found


def joined(x):
    return ", ".join(str(v) for v in x)


def formatted(x):
    return f"{x!r} of {len(x)}: {x[0]:>5}"


def printed(x):
    print(x, len(x))
    return x


def zipped(x):
    return [a + b for a, b in zip(x, x[1:], strict=False)]


def enumerated(x):
    return {i: v for i, v in enumerate(x)}


def mapped(x):
    return list(map(double, x))


def filtered(x):
    return list(filter(None, x))


def helped(x):
    return through(x)


def items_summed(x):
    total = 0.0
    for key, value in x.items():
        if key != "b":
            total += value
    return total


def merged(x):
    return {**x, "c": 1}


def or_ed(x):
    return x | {"c": 1}


def lengths(x):
    return {key: len(values) for key, values in x.items()}


def counted(x):
    return collections.Counter(x).most_common(1)


def reduced(x):
    return functools.reduce(operator.add, x)


def chained(x):
    return list(itertools.chain(x, x))


def dumped(x):
    return json.dumps(x)


def rooted(x):
    return [math.sqrt(v) for v in x]


def averaged(x):
    return statistics.mean(x)


def best(x):
    return max(x, key=lambda row: row["n"])["n"]


def unpacked(x):
    first, *rest = x
    return first, rest


def tried(x):
    try:
        return x[0] / x[1]
    except (ZeroDivisionError, IndexError) as error:
        return str(error)
    finally:
        print("done")


def whiled(x):
    index = 0
    while index < len(x) and x[index] > 0:
        index += 1
    return index


def first_of(x):
    return x[0]


def sliced(x):
    y = x[1:]
    y.append(3)
    return y


def array_scaled(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def array_functions(x):
    return np.sqrt(np.sum(x**2, axis=1)) + np.dot(x, x.T).sum()


def array_copied(x):
    y = x.copy()
    y[0, 0] = 1
    y += 1
    return y


def array_masked(x):
    return x[x > 1]


def frame_grouped(x):
    return x.groupby("k")["n"].sum().reset_index()


def frame_assigned(x):
    return x.assign(m=lambda d: d["n"] * 2)


def frame_copied(x):
    x = x.copy()
    x["m"] = x["n"] + 1
    return x


def frame_filtered(x):
    y = x[x["n"] > 1]
    return y.sort_values("n").head(1)


def frame_merged(x):
    return x.merge(x, on="k").describe()


def frame_concatenated(x):
    y = pd.concat([x, x])
    y["m"] = 1
    return y


def frame_looped(x):
    return [row["n"] for _, row in x.iterrows()]


def frame_column_mean(x):
    return x.n.mean() + x["n"].max()


def frame_located(x):
    return x.loc[x["n"] > 1, "k"].str.upper().tolist()


def calls_decorated(x):
    return decorated(x)


PURE = [
    *((f, NUMBERS) for f in (summed, looped, comprehended, dict_comprehended, generator_summed, zipped, enumerated)),
    *(
        (f, NUMBERS)
        for f in (
            mapped,
            filtered,
            helped,
            calls_decorated,
            joined,
            formatted,
            printed,
            copied_then_changed,
            counted,
        )
    ),
    *((f, NUMBERS) for f in (reduced, chained, dumped, rooted, averaged, unpacked, tried, whiled, first_of, sliced)),
    *((f, ROWS) for f in (sorted_by_lambda, grouped, setdefault_grouped, rows_rebuilt, rows_copied, best, dumped)),
    (deep_copied_then_changed, NESTED),
    *((f, PRICES) for f in (items_summed, merged, or_ed)),
    (lengths, LISTS),
    *((f, ARRAY) for f in (array_scaled, array_functions, array_copied, array_masked)),
    *((f, FRAME) for f in (frame_grouped, frame_assigned, frame_filtered, frame_merged)),
    *((f, FRAME) for f in (frame_looped, frame_column_mean, frame_located)),
    # What pandas 2 copies may share memory with what it is a copy of, as far as nbflow knows.
    *((f, FRAME) for f in (frame_copied, frame_concatenated) if copies_on_write()),
]


@pytest.mark.parametrize(("function", "value"), PURE, ids=lambda one: getattr(one, "__name__", type(one).__name__))
def test_common_functions_of_data_leave_it_as_it_is(function, value):
    assert may_change(function, "x", value) is False


def appends(x):
    x.append(1)


def appends_to_alias(x):
    y = x
    y.append(1)


def sets_item(x):
    x[0] = 1


def deletes_item(x):
    del x[0]


def sorts(x):
    x.sort()


def pops(x):
    return x.pop()


def grows(x):
    x += [1]


def grows_through_alias(x):
    y = x
    y += [1]


def sets_in_rows(x):
    for row in x:
        row["a"] = 1


def appends_to_rows(x):
    for row in x:
        row.append(1)


def appends_to_first(x):
    x[0].append(1)


def appends_to_shallow_copy(x):
    y = list(x)
    y[0].append(1)


def appends_to_sliced(x):
    y = x[:]
    y[0].append(1)


def total_is_first(x):
    total = None
    for v in x:
        if total is None:
            total = v
        else:
            total += v
    return total


def in_own_list(x):
    found = []
    found.append(x)
    found[0].append(1)


def in_own_tuple(x):
    a, b = (x, 1)
    a.append(b)


def helper_clears(x):
    clear(x)


def deeper_helper_clears(x):
    return deeper(x)


def helper_by_keyword(x):
    by_keyword(1, b=x)


def helper_keeps(x):
    keeps_default(x)


def keeps_in_global(x):
    KEPT.append(x)


def keeps_as_global(x):
    global kept_name
    kept_name = x


def keeps_on_function(x):
    keeps_on_function.last = x


def calls_unknown(x, f):
    return f(x)


def returns_generator(x):
    return (v for v in x)


def returns_closure(x):
    return lambda: x


def returns_map(x):
    return map(double, x)


def closure_appends(x):
    def inner():
        x.append(1)

    inner()


def lambda_appends(x):
    return list(map(lambda v: x.append(v), [1, 2]))


def mapped_append(x):
    list(map(x.append, [1, 2]))


def bound_method_later(x):
    add = x.append
    add(1)


def comprehension_appends(x):
    return [row.append(1) for row in x]


def starred(x):
    appends(*[x])


def by_getattr(x):
    getattr(x, "append")(1)  # noqa: B009 - this is what is tested


def by_operator(x):
    operator.setitem(x, 0, 1)


def by_class(x):
    list.append(x, 1)


def evaluated(x):
    eval("x.append(1)")


def walrus(x):
    (y := x).append(1)


def conditional(x):
    (x if x else []).append(1)


def in_except(x):
    try:
        raise ValueError(x)
    except ValueError as error:
        error.args[0].append(1)


def sorted_key_changes(x):
    return sorted(x, key=lambda row: row.pop("n"))


def matched(x):
    match x:
        case [first, *_]:
            x.append(first)


def updates(x):
    x.update(a=1)


def sets_defaults(x):
    x.setdefault("c", 1)


def appends_to_values(x):
    for value in x.values():
        value.append(1)


def appends_to_items(x):
    for _, value in x.items():
        value.append(1)


def appends_to_got(x):
    x.get("a").append(1)


def array_set(x):
    x[0, 0] = 1


def array_view_set(x):
    y = x[0]
    y[0] = 1


def array_reshaped_set(x):
    y = x.reshape(-1)
    y[0] = 1


def array_ravel_set(x):
    np.ravel(x)[0] = 1


def array_aliased(x):
    y = np.asarray(x)
    y += 1


def array_transposed(x):
    x.T[0] = 1


def array_grows(x):
    x *= 2
    return x


def array_sorts(x):
    x.sort()


def array_out(x):
    np.add(x, 1, out=x)


def array_out_by_position(x):
    np.add(x, 1, x)


def array_rows(x):
    for row in x:
        row += 1


def array_shuffled(x):
    np.random.shuffle(x)


def array_filled(x):
    x.fill(0)


def frame_set(x):
    x["m"] = 1


def frame_located_set(x):
    x.loc[0, "n"] = 1


def frame_in_place(x):
    x.drop(columns="n", inplace=True)


def frame_sorted_in_place(x):
    x.sort_values("n", inplace=True)


def frame_inserted(x):
    x.insert(0, "m", 1)


def frame_popped(x):
    return x.pop("n")


def frame_attribute(x):
    x.columns = ["a", "b"]


def frame_piped(x):
    return x.pipe(frame_set)


def class_changed(x):
    type(x).seen = 1


def class_of_element_changed(x):
    type(x[0]).seen = 1


def class_of_element_raised_before_it_is_read(x):
    type(x[0]).seen = 1
    raise ValueError


def class_of_element_by_attribute(x):
    x[0].__class__.seen = 1


def used_up(x):
    return list(x)


def taken_one(x):
    return next(x)


CHANGES = [
    *((f, NUMBERS) for f in (appends, appends_to_alias, sets_item, deletes_item, sorts, pops, grows)),
    *((f, NUMBERS) for f in (grows_through_alias, in_own_list, in_own_tuple, helper_clears, deeper_helper_clears)),
    *((f, NUMBERS) for f in (helper_by_keyword, helper_keeps, keeps_in_global, keeps_as_global, keeps_on_function)),
    *((f, NUMBERS) for f in (calls_unknown, returns_generator, returns_closure, returns_map)),
    *((f, NUMBERS) for f in (closure_appends, lambda_appends, mapped_append, bound_method_later, starred)),
    *((f, NUMBERS) for f in (by_getattr, by_operator, by_class, evaluated, walrus, conditional, in_except, matched)),
    (lazily, NUMBERS),
    *((f, NESTED) for f in (appends_to_rows, appends_to_first, appends_to_shallow_copy, appends_to_sliced)),
    *((f, NESTED) for f in (total_is_first, comprehension_appends)),
    *((f, ROWS) for f in (sets_in_rows, sorted_key_changes)),
    *((f, LISTS) for f in (updates, sets_defaults, appends_to_values, appends_to_items, appends_to_got)),
    *((f, ARRAY) for f in (array_set, array_view_set, array_reshaped_set, array_ravel_set, array_aliased)),
    *((f, ARRAY) for f in (array_transposed, array_grows, array_sorts, array_out, array_out_by_position, array_rows)),
    *((f, ARRAY) for f in (array_shuffled, array_filled)),
    *((f, FRAME) for f in (frame_set, frame_located_set, frame_in_place, frame_sorted_in_place, frame_inserted)),
    *((f, FRAME) for f in (frame_popped, frame_attribute, frame_piped)),
    (class_changed, Basket()),
    (class_of_element_changed, [Basket()]),
    (class_of_element_changed, {0: Basket()}),
    (class_of_element_raised_before_it_is_read, [Basket(), 1]),
    (class_of_element_by_attribute, [Basket()]),
    *((f, iter([1])) for f in (used_up, taken_one, summed, looped, generator_summed, unpacked)),
]


@pytest.mark.parametrize(("function", "value"), CHANGES, ids=lambda one: getattr(one, "__name__", type(one).__name__))
def test_a_change_in_place_is_seen(function, value):
    argument = function.__code__.co_varnames[0]

    assert may_change(function, argument, value) is True


def test_a_plain_value_cannot_be_changed():
    assert not any(may_change(appends, "x", value) for value in (1, "a", None, (1, 2), frozenset({1})))


def test_a_user_class_is_looked_into():
    basket = Basket([1.0, 2.0])

    pure = [lambda x: x.total(), lambda x: x.mean, lambda x: x.helper(), lambda x: x + x, lambda x: f"{x}"]
    changing = [lambda x: x.add(1), lambda x: x.counted, lambda x: x.prices.append(1)]

    assert [may_change(one, "x", basket) for one in pure] == [False] * len(pure)
    assert [may_change(one, "x", basket) for one in changing] == [True] * len(changing)
    assert may_change(lambda x: len(x), "x", Counting())


def test_without_a_value_a_method_counts_as_a_change():
    assert may_change(lambda x: x.total(), "x")
    assert not may_change(lambda x: {"all": x}, "x")


def test_a_helper_that_is_defined_again_is_looked_at_again():
    space: dict = {"__name__": "__main__"}
    exec("def helper(v): return len(v)\ndef function(x): return helper(x)", space)
    before = may_change(space["function"], "x", NUMBERS)

    exec("def helper(v): v.append(1)", space)

    assert (before, may_change(space["function"], "x", NUMBERS)) == (False, True)


def test_functions_of_one_code_have_answers_of_their_own():
    def made(helper):
        return lambda x: helper(x)

    assert [may_change(made(one), "x", NUMBERS) for one in (double, clear, double)] == [False, True, False]


def test_an_option_that_is_not_known_may_be_in_place():
    assert may_change(lambda x, y: x.drop(columns="n", inplace=y), "x", FRAME)
    assert not may_change(lambda x: x.drop(columns="n", inplace=False), "x", FRAME)


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.filterwarnings("ignore")
def test_whatever_changes_its_argument_is_said_to(random):
    value = random_value(random)
    function, text = random_function(random)
    said, before = may_change(function, "x", value), shown(value)

    call_briefly(function, value)

    assert said or shown(value) == before, text


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.filterwarnings("ignore")
def test_whatever_changes_what_is_in_its_argument_is_said_to(random):
    value = [random_value(random), {"a": random_value(random)}]
    function, text = random_function(random)
    parts = [value[0], value[1], value[1]["a"]]
    said, before = may_change_parts(function, "x", value), [shown(part) for part in parts]

    call_briefly(function, value)

    assert said or [shown(part) for part in parts] == before, text


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda x: x.reverse(), [[1], [2]]),
        (lambda x: x.append(x.pop()), [[1], [2]]),
        (lambda x: x.update(b=[2]), {"a": [1]}),
        (lambda x: x.clear(), {"a": [1]}),
    ],
)
def test_a_change_of_a_container_alone_is_none_of_its_parts(function, value):
    assert may_change(function, "x", value)
    assert not may_change_parts(function, "x", value)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda x: [one.append(3) for one in x], [[1], [2]]),
        (lambda x: sorted(x)[0].append(3), [[1], [2]]),
        (lambda x: x.pop("a").clear(), {"a": [1]}),
        (lambda x: x.reverse(), collections.UserList([[1], [2]])),
    ],
)
def test_a_change_of_what_is_in_a_container_is_seen(function, value):
    assert may_change_parts(function, "x", value)


def shown(value):
    try:
        return repr(value)
    except RecursionError:  # it contains itself
        return "itself"


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda x: x.getstate()[1][:3], random.Random(1)),
        (lambda x: x.get_state(), np.random.RandomState(1)),
        (lambda x: x.bit_generator.state["state"], np.random.default_rng(1)),
        (lambda x: x.hex(), bytearray(b"ab")),
        (lambda x: x.upper().decode(), bytearray(b"ab")),
    ],
)
def test_reading_the_state_of_a_generator_or_bytes_changes_nothing(function, value):
    assert not may_change(function, "x", value)


def _advance(x):
    x.bit_generator.advance(1)


def _set_state(x):
    x.bit_generator.state = {}


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda x: x.random(), random.Random(1)),
        (lambda x: x.setstate(()), random.Random(1)),
        (lambda x: x.rand(), np.random.RandomState(1)),
        (lambda x: x.random(), np.random.default_rng(1)),
        (_advance, np.random.default_rng(1)),
        (_set_state, np.random.default_rng(1)),
        (lambda x: x.append(1), bytearray(b"ab")),
    ],
)
def test_drawing_from_a_generator_or_writing_to_bytes_changes_it(function, value):
    assert may_change(function, "x", value)


def _field_changed(x):
    prices = x["price"]
    prices += 1


def _record_changed(x):
    first = x[0]
    first["price"] = 2


def _drawn_from(x):
    np.random.default_rng(x).random()


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (_field_changed, np.zeros(2, dtype=[("price", float)])),
        (_record_changed, np.zeros(2, dtype=[("price", float)])),
        (lambda x: np.clip(x, 0, 1, x), ARRAY),
        (lambda x: np.cumsum(x, 0, None, x), ARRAY),
        (lambda x: np.round(x, 1, x), ARRAY),
        (lambda x: x.clip(0, 1, x), ARRAY),
        (lambda x: x.cumsum(0, None, x), ARRAY),
        (lambda x: np.nan_to_num(x, False), ARRAY),
        (lambda x: np.random.default_rng(1).shuffle(x), ARRAY),
        (lambda x: np.random.RandomState(1).shuffle(x), [1, 2]),
        (_drawn_from, np.random.default_rng(1)),
    ],
)
def test_what_is_written_through_a_field_a_record_or_a_position_changes_the_array(function, value):
    assert may_change(function, "x", value)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.clip(x, 0, 1),
        lambda x: x.clip(0, 1),
        lambda x: x.sum(0),
        lambda x: np.round(x, 1),
        lambda x: x + np.random.default_rng(1).normal(size=3),
    ],
)
def test_results_that_go_nowhere_else_change_nothing(function):
    assert not may_change(function, "x", ARRAY)
