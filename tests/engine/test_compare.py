"""Two runs side by side."""

from __future__ import annotations

import datetime
import math
import threading

import pytest

from nbflow import Flow, Parameter, task
from nbflow.engine.compare import Comparison, compare
from nbflow.engine.value_diff import alike
from tests.patience import PATIENCE_S


class Hostile:
    """Refuses to be compared."""

    def __eq__(self, other):
        raise RuntimeError("do not compare me")

    __hash__ = object.__hash__


class Silent:
    """Equal to what is made of the same, without saying so."""

    def __init__(self, value):
        self.value = value


class Lazy:
    """Like a collection of Dask's: comparing makes another one, and its truth would be computed."""

    __dask_graph__ = None

    def __eq__(self, other):
        return Lazy()

    def __bool__(self):
        raise AssertionError("computed")

    __hash__ = object.__hash__


class NeverPickled(Silent):
    def __reduce__(self):
        raise RuntimeError("do not pickle me")


class NoTruth:
    """What a column of a database answers: neither true nor false."""

    def __eq__(self, other):
        return self

    def __bool__(self):
        raise TypeError("ambiguous")

    __hash__ = object.__hash__


ENDLESS: list = []
ENDLESS.append(ENDLESS)
OTHER_ENDLESS: list = []
OTHER_ENDLESS.append(OTHER_ENDLESS)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1, True),
        (1, 2, False),
        (1, "1", False),
        (1.0, 1, True),
        (math.nan, float("nan"), True),
        (math.nan, 1.0, False),
        ([1, {"a": math.nan}], [1, {"a": float("nan")}], True),
        ((1, 2), (1, 2, 3), False),
        ({"a": 1}, {"b": 1}, False),
        ({1, 2}, {2, 1}, True),
        (datetime.date(2020, 1, 1), datetime.date(2020, 1, 1), True),
        (Silent(1), Silent(1), True),
        (Silent(1), Silent(2), False),
        (Hostile(), Hostile(), None),
        ([1, Hostile()], [1, Hostile()], None),
        ([1, Hostile()], [2, Hostile()], False),
        (Lazy(), Lazy(), None),
        (NoTruth(), NoTruth(), None),
        (NeverPickled(1), NeverPickled(1), True),
        (threading.Lock(), threading.Lock(), None),
        (ENDLESS, OTHER_ENDLESS, None),
    ],
)
def test_values_are_compared_and_nothing_they_do_gets_out(one, other, expected):
    assert alike(one, other) is expected


def test_an_object_is_like_itself_whatever_it_says():
    value = Hostile()

    assert alike(value, value) is True


def test_arrays_are_equal_if_all_of_their_elements_are():
    numpy = pytest.importorskip("numpy")
    array = numpy.array([1.0, numpy.nan])

    assert alike(array, array.copy()) is True
    assert alike(array, numpy.array([1.0, 2.0])) is False
    assert alike(array, numpy.array([1.0])) is False
    assert alike(array, [1.0, numpy.nan]) is False
    assert alike(numpy.float64(2), 2.0) is True
    assert alike(numpy.array(["a", None, Hostile()], object), numpy.array(["b", None, Hostile()], object)) is False
    assert alike(numpy.array([(1, 2.0)], "i4,f8"), numpy.array([(1, 2.0)], "i4,f8")) is True


def test_tables_are_equal_if_their_contents_are():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": [1.0, None], "b": ["x", "y"]})

    assert alike(table, table.copy()) is True
    assert alike(table["a"], table["a"] + 1) is False
    assert alike({"t": [table]}, {"t": [table.copy()]}) is True


@pytest.fixture
def flow() -> Flow:
    with Flow("compared") as flow:
        x = Parameter("x", default=1)
        twice = task(lambda x: 2 * x, name="twice")(x)
        task(lambda: 7, name="seven")()
        task(lambda x: 10 // (x - 2), name="each").map([3, 4, 2])
        task(lambda x: 1 / x, name="over")(twice)
    return flow


def run(flow, **parameters):
    handle = flow.start(**parameters)
    handle.wait(PATIENCE_S)
    return handle


def test_runs_differ_where_parameters_lead_to_other_values_and_states(flow):
    comparison = run(flow, x=1).compare(run(flow, x=0))

    pairs = {pair.slug: pair for pair in comparison.tasks}
    assert [pair.slug for pair in comparison.differing] == ["x", "twice-1", "over-1"]
    assert pairs["twice-1"].value == "different"
    assert pairs["seven-1"].value == "same"
    assert pairs["over-1"].states == ("Success", "Failed")
    assert pairs["over-1"].value == ""
    assert pairs["each-1"].states == ("Mapped 2/3", "Mapped 2/3")
    assert all(seconds >= 0 for seconds in pairs["twice-1"].seconds)
    (parameter,) = comparison.parameters
    assert (parameter.name, parameter.values, parameter.value) == ("x", ("1", "0"), "different")


def test_a_run_is_like_itself(flow):
    same = run(flow)

    assert same.compare(same).differing == ()


def test_tasks_that_only_one_run_has_are_named(flow):
    before = run(flow)
    flow.add_task(task(lambda: 1, name="new"))
    pair = before.compare(run(flow)).tasks[-1]

    assert (pair.slug, pair.states, pair.value) == ("new-1", ("-", "Success"), "")
    assert pair.differs


def test_a_run_that_is_not_over_is_compared_as_it_stands(flow):
    paused = flow.start(paused=True)
    paused.step()

    comparison = paused.compare(run(flow))
    paused.cancel()
    paused.wait(PATIENCE_S)

    assert comparison.states == ("Paused", "Failed")
    assert comparison.seconds[0] is None


def test_values_that_refuse_are_not_known(flow):
    with Flow("hostile") as flow:
        task(Hostile, name="h")()
        task(lambda: threading.Lock(), name="lock")()

    assert [pair.value for pair in run(flow).compare(run(flow)).tasks] == ["unknown", "unknown"]


def test_it_shows_itself_as_text_and_table_with_everything_escaped():
    with Flow("<b>") as flow:
        task(lambda: "<script>", name="<script>alert(1)</script>")()
        Parameter("p", default="<img src=x>")()
    comparison = compare(run(flow), run(flow, p="\x1b[31m" + "x" * 100))

    shown = comparison._repr_mimebundle_()
    assert shown["text/plain"] == comparison.text()
    assert "<script>" not in shown["text/html"]
    assert "<img" not in shown["text/html"]
    assert "\x1b" not in comparison.text()
    assert isinstance(comparison, Comparison)
    assert repr(comparison) == "<Comparison of run 1 and run 2: 1 of 2 tasks differ>"


def test_a_parameter_whose_repr_raises_is_shown_by_its_type():
    class NoRepr:
        def __repr__(self):
            raise ValueError("no")

    with Flow("f") as flow:
        Parameter("p")()
    comparison = run(flow, p=NoRepr()).compare(run(flow, p=1))

    assert comparison.parameters[0].values == ("<NoRepr>", "1")


SCALE = 2


def scaled(x):
    return SCALE * x


def test_code_that_was_changed_between_two_runs_is_named(monkeypatch):
    with Flow("f") as flow:
        task(scaled, name="scaled")(1)
        task(lambda: 1, name="other")()
    before = run(flow)
    monkeypatch.setitem(globals(), "SCALE", 3)

    pairs = before.compare(run(flow)).tasks

    assert [(pair.slug, pair.code, pair.value) for pair in pairs] == [
        ("scaled-1", "different", "different"),
        ("other-1", "same", "same"),
    ]
