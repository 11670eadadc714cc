"""Which field a parameter gets: by its own annotation, by those of the functions that take it, by its default."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time
from typing import Annotated, Literal, Optional, Union

import pytest

from nbflow import Flow, Parameter, task
from nbflow.panel.form.fields import NOT_GIVEN, field, fields, fits


class Method(enum.Enum):
    FAST = 1
    EXACT = 2


def kind(default, annotation=None):
    return field(Parameter("x", default=default), annotation).kind


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (True, "bool"),
        (3, "int"),
        (0.5, "float"),
        ("a", "text"),
        ("a\nb", "lines"),
        (date(2026, 1, 2), "date"),
        (time(12, 30), "time"),
        (datetime(2026, 1, 2, 3), "datetime"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "aware"),
        (Method.FAST, "choice"),
        ([1, 2], "literal"),
        ((0, 10), "literal"),
        ({"a": 1}, "literal"),
        (None, "literal"),
        (object(), "literal"),
        (2**70, "literal"),
        (float("nan"), "literal"),
        ("a" * 100_000, "literal"),
    ],
)
def test_without_an_annotation_the_type_of_the_default_counts(default, expected):
    assert kind(default) == expected


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (bool, "bool"), (int, "int"), (float, "float"), (str, "text"), (date, "date"), (time, "time"),
        (datetime, "datetime"), (Literal["a", "b"], "choice"), (Method, "choice"), (Annotated[int, "words"], "int"),
        (list[int], "literal"), (int | str, "literal"), ("int of text", "literal"), (object(), "literal"),
        (Annotated[Literal[1, 2], "words"], "choice"),
    ],
)  # fmt: skip
def test_a_required_parameter_gets_the_field_of_its_annotation(annotation, expected):
    found = field(Parameter("x"), annotation)

    assert found.kind == expected
    assert found.required
    assert found.default is NOT_GIVEN


def test_choices_are_those_of_a_literal_or_an_enum():
    assert field(Parameter("x", default="b"), Literal["a", "b", None]).choices == (
        ("a", "a"), ("b", "b"), ("None", None),
    )  # fmt: skip
    assert field(Parameter("x"), Method).choices == (("FAST", Method.FAST), ("EXACT", Method.EXACT))
    assert field(Parameter("x", default=Method.FAST)).choices == (
        ("FAST", Method.FAST),
        ("EXACT", Method.EXACT),
    )


@pytest.mark.parametrize(
    ("annotation", "bounds"),
    [
        (Annotated[int, range(11)], (0, 10, 1)),
        (Annotated[int, range(10, -1, -2)], (0, 10, 2)),
        (Annotated[int, (1, 9)], (1, 9, 1)),
        (Annotated[float, (0.0, 2.0)], (0.0, 2.0, 0.02)),
        (Annotated[float, (0.0, 1.0, 0.25)], (0.0, 1.0, 0.25)),
        (Annotated[int, range(0)], None),
        (Annotated[float, (2.0, 1.0)], None),
        (Annotated[float, ("a", "b")], None),
        (Annotated[str, (0, 5)], None),
    ],
)
def test_a_range_bounds_a_number(annotation, bounds):
    assert field(Parameter("x"), annotation).bounds == bounds


@pytest.mark.parametrize(
    "annotation",
    [int | None, Optional[int], Union[None, int], Annotated[int, "x"] | None],  # noqa: UP007, UP045
)
def test_an_optional_one_takes_none_as_well(annotation):
    assert field(Parameter("x", default=3), annotation).optional
    assert field(Parameter("x", default=None), annotation).kind == "int"


def test_a_default_that_its_annotation_does_not_allow_is_shown_all_the_same():
    assert kind("other", Literal["a", "b"]) == "text"
    assert kind("three", int) == "text"
    assert field(Parameter("x", default=50), Annotated[int, range(11)]).bounds is None
    assert kind(3, float) == "float"
    assert kind(None, int) == "literal"
    assert kind("a\nb", str) == "lines"


def test_the_annotation_of_the_argument_that_takes_it_counts():
    @task
    def load(n: Literal["a", "b"], m: float, other):
        return n

    with Flow("example") as flow:
        load(Parameter("n", default="a"), Parameter("m", default=1), Parameter("o", default=2))

    assert [(one.name, one.kind) for one in fields(flow)] == [("n", "choice"), ("m", "float"), ("o", "int")]


def test_it_counts_only_if_all_who_take_it_agree():
    @task
    def one(n: int | None):
        return n

    @task
    def other(n: float):
        return n

    @task
    def silent(n):
        return n

    n, m = Parameter("n", default=1), Parameter("m", default=1)
    with Flow("example") as flow:
        one(n)
        other(n)
        one(m)
        silent(m)

    found = {field.name: field for field in fields(flow)}
    assert (found["n"].kind, found["n"].optional) == ("int", False)
    assert found["m"].optional


def test_what_is_mapped_over_is_not_what_the_argument_is():
    @task
    def one(n: int):
        return n

    with Flow("example") as flow:
        one.map(Parameter("n", default=[1, 2]))

    assert fields(flow)[0].kind == "literal"


def test_the_parameters_own_annotation_comes_first():
    @task
    def one(n: int):
        return n

    with Flow("example") as flow:
        one(Parameter("n", default=1, annotation=Annotated[int, range(3)]))

    assert fields(flow)[0].bounds == (0, 2, 1)


def test_an_annotation_that_can_not_be_evaluated_does_no_harm():
    @task
    def one(n: NoSuchName, m: 1 / 0):  # noqa: F821 - text, as all annotations of this module
        return n

    with Flow("example") as flow:
        one(Parameter("n", default=1), Parameter("m", default="a"))

    assert [one.kind for one in fields(flow)] == ["int", "text"]


def test_a_field_knows_which_values_it_can_show():
    bounded = field(Parameter("x", default=1), Annotated[int, range(11)] | None)

    assert fits(bounded, 10)
    assert fits(bounded, None)
    assert fits(bounded, NOT_GIVEN)
    assert not fits(bounded, 11)
    assert not fits(bounded, "1")
    assert not fits(bounded, True)


@pytest.mark.parametrize("bounds", [(0.5, 2.5), (0, 10, 0.5), (0, 2.0)])
def test_a_whole_number_gets_no_range_of_fractions(bounds):
    assert field(Parameter("n", default=1), Annotated[int, bounds]).bounds is None
