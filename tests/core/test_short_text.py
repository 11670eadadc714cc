"""Text about any value, for names and messages."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, apply_map, case, flatten, merge, switch, task, unmapped
from nbflow.core.short_text import is_large, short_text

pytestmark = pytest.mark.filterwarnings("ignore:Tasks were created but not added")


class Detached:
    """A row of a database whose session is closed."""

    def __repr__(self):
        raise RuntimeError("not bound to a Session")


class Panics:
    def __repr__(self):
        raise BaseException("panic")


class Endless(list):
    def __repr__(self):
        raise AssertionError("made the text of something huge")


STRANGE = [
    Detached(),
    Panics(),
    10**5000,
    "x" * 1_000_000,
    [Endless()] * 1_000_000,
    [[[Endless()] * 100_000]],
]
strange_values = pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)


@task
def give():
    return {}


@task
def use(x=None):
    return x


@pytest.mark.parametrize("value", [1, "k", (1, "a"), {"b": 1, "a": [2]}, None, {1}])
def test_a_short_text_is_the_repr(value):
    assert short_text(value) == repr(value)


@strange_values
def test_a_text_is_short_and_there_whatever_the_value(value):
    assert 0 < len(short_text(value)) <= 80
    assert 0 < len(short_text(value, str, 10)) <= 10 or short_text(value, str, 10).startswith("<")


def test_items_of_nested_containers_count():
    assert is_large([[0] * 5, {1: [0] * 5}], 10)
    assert not is_large([0] * 10, 10)


def in_case(value):
    with case(give(), value):
        use(1)


BUILD = {
    "case": lambda value: in_case(value),
    "switch": lambda value: switch(give(), {value: use(1)}),
    "key": lambda value: give()[value],
    "operator": lambda value: give() + value,
    "argument": lambda value: use(value),
    "list": lambda value: use([give(), value]),
    "dict": lambda value: use({"a": give(), "b": value}),
    "map": lambda value: use.map([value]),
    "unmapped": lambda value: use.map(unmapped(value), upstream_tasks=[give()]),
    "flatten": lambda value: use(flatten([value])),
    "upstream": lambda value: use(1, upstream_tasks=[value]),
    "order": lambda value: value | give() if not isinstance(value, str) else give() | value,
    "merge": lambda value: merge(value, give()),
    "parameter": lambda value: use(Parameter("p", default=value)),
    "apply_map": lambda value: apply_map(lambda x: use(x), [value]),
    "repr": lambda value: repr(unmapped(value)) + repr(case(use, value)),
}


@pytest.mark.parametrize("build", BUILD)
@strange_values
def test_a_flow_is_built_whatever_the_text_of_a_constant(build, value):
    """flow-model 3.8: a constant whose repr fails or is huge never stops building."""
    if build in ("switch", "key") and isinstance(value, list):
        value = tuple(value[:0])  # a key must be hashable

    with Flow("f") as flow:
        BUILD[build](value)

    assert all(len(one.name) < 200 for one in flow.tasks)


@strange_values
def test_what_does_not_match_a_case_is_skipped_whatever_its_text(value):
    """flow-model 8.1"""
    with Flow("f") as flow:
        wanted = use.copy(name="wanted")(value)
        with case(wanted, 1):
            below = use(2)

    assert flow.run().result[below].is_skipped()


def test_mapping_over_something_without_items_is_refused_whatever_its_text():
    """flow-model 5.1"""
    with Flow("f"), pytest.raises(TypeError, match="unsubscriptable object of type Detached"):
        use.map(Detached())
