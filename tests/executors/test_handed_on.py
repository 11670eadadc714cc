"""What calls of a bundle get of earlier ones: what they would get if it had travelled to the kernel and back."""

from __future__ import annotations

import threading

import numpy
import pytest

from nbflow.engine.attempt import RECALLED, Outcome
from nbflow.executors.handed_on import HandedOn, can_be_handed_on
from nbflow.executors.parcel import Shipped, packed


def shipped_expecting(*expected):
    return [Shipped("t", None, None, {}, {}, {}, expects) for expects in expected]


def end(handed_on, number, value):
    return handed_on.ended(number, Outcome(value, None), packed((value, None)))


def given(handed_on, expects, **inputs):
    handed_on.give(expects, inputs)
    return inputs


def test_each_taker_gets_a_copy_of_its_own():
    value = {"rows": [1, 2]}
    expects = {0: ("x",)}
    handed_on = HandedOn(shipped_expecting({}, expects, expects, expects))
    assert end(handed_on, 0, value)
    value["rows"].append("by who made it")

    for _ in range(3):
        taken = given(handed_on, expects, x=None)["x"]
        assert taken == {"rows": [1, 2]}
        taken["rows"].append("by who took it")


def test_arrays_are_copies_too_and_may_be_written_to():
    value = numpy.zeros(3)
    expects = {0: ("x",)}
    handed_on = HandedOn(shipped_expecting({}, expects, expects))
    end(handed_on, 0, value)
    value += 1

    for _ in range(2):
        taken = given(handed_on, expects, x=None)["x"]
        assert taken.tolist() == [0, 0, 0]
        taken += 2


def test_as_two_arguments_it_is_one_object():
    expects = {0: ("x", "y")}
    handed_on = HandedOn(shipped_expecting({}, expects))
    end(handed_on, 0, [1])

    taken = given(handed_on, expects, x=None, other=5, y=None)

    assert taken["x"] is taken["y"]
    assert list(taken) == ["x", "other", "y"]


def test_what_nobody_can_change_is_not_copied():
    value = "a" * 1000
    expects = {0: ("x",)}
    handed_on = HandedOn(shipped_expecting({}, expects))
    end(handed_on, 0, value)

    assert given(handed_on, expects, x=None)["x"] is value


def test_who_only_goes_after_it_takes_nothing():
    expects = {0: ()}
    handed_on = HandedOn(shipped_expecting({}, expects))

    assert end(handed_on, 0, [1])
    assert given(handed_on, expects, x=7) == {"x": 7}


class OnlyHere:
    def __reduce__(self):
        return refuse, ()


def refuse():
    raise ValueError("not here")


@pytest.mark.parametrize(
    "outcome",
    [Outcome(None, OSError()), Outcome(iter([1]), None), Outcome(OnlyHere(), None)],
    ids=["failed", "iterator", "unreadable"],
)
def test_what_expects_one_that_cannot_be_handed_on_is_passed_over_and_so_is_what_expects_that(outcome):
    expects = {0: ("x",)}
    handed_on = HandedOn(shipped_expecting({}, expects, {1: ()}, {}, {3: ()}))

    assert not handed_on.ended(0, outcome, packed((outcome.value, None)))

    assert handed_on.passed_over == {1, 2}


def test_of_what_nobody_expects_no_copy_is_made():
    handed_on = HandedOn(shipped_expecting({}, {}))

    assert handed_on.ended(0, Outcome(OnlyHere(), None), [])
    assert handed_on.ended(1, Outcome(None, OSError()), [])
    assert not handed_on.passed_over


def test_what_was_taken_is_not_kept():
    class Value:
        pass

    expects = {0: ("x",)}
    handed_on = HandedOn(shipped_expecting({}, expects, expects))
    end(handed_on, 0, Value())

    given(handed_on, expects, x=None), given(handed_on, expects, x=None)

    assert not handed_on._values
    assert not handed_on._parts


def test_only_plain_success_is_handed_on():
    assert can_be_handed_on(Outcome([1], None))
    assert can_be_handed_on(Outcome(threading.Lock(), None))
    assert not can_be_handed_on(Outcome((one for one in ()), None))
    assert not can_be_handed_on(Outcome(None, KeyError()))
    assert not can_be_handed_on(RECALLED)
