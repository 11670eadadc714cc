"""The type of a value is asked for without calling what a user's metaclass makes of hashing, comparing and reading."""

from __future__ import annotations

import abc
import enum
from typing import Protocol

import pytest

from nbflow.core.data.opaque import is_opaque
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import OddType, has_method, identity, ids_of, package_of, type_name, type_of
from nbflow.core.effects.mutation import may_change
from tests.engine.unfriendly import BlindMeta, LyingMeta, OddMeta

ODD_METACLASSES = pytest.mark.parametrize("meta", [OddMeta, LyingMeta, BlindMeta])


class Colour(enum.Enum):
    RED = 1


class Base(abc.ABC):  # noqa: B024 - its metaclass is what counts
    pass


class Shape(Protocol):
    pass


class Registering(type):
    """Does what metaclasses of libraries do: it keeps a list of its classes."""

    classes: list[str] = []

    def __new__(cls, name, bases, namespace):
        cls.classes.append(name)
        return super().__new__(cls, name, bases, namespace)

    def __getattr__(cls, name):
        raise AttributeError(name)


class Registered(metaclass=Registering):
    pass


class Circle(Shape):
    pass


@pytest.mark.parametrize("value", [1, [], Colour.RED, Base(), Circle(), Registered()])
def test_ordinary_metaclasses_are_trusted(value):
    assert type_of(value) is type(value)
    assert not is_opaque(type_of(value))


@ODD_METACLASSES
def test_a_metaclass_that_may_raise_or_lie_makes_the_type_unknown(meta):
    value = meta("Strange", (), {})()

    assert type_of(value) is OddType
    assert is_opaque(type(value))
    assert type_name(value) == "Strange"
    assert package_of(value) == "nbflow"


@ODD_METACLASSES
def test_what_has_an_unknown_type_may_change(meta):
    value = meta("Strange", (), {})()

    assert not is_fixed(value)
    assert not is_fixed((value,))
    assert may_change(lambda x: x.grow(), "x", value)
    assert may_change(lambda x: x[0].grow(), "x", [value])


@ODD_METACLASSES
def test_methods_are_found_without_asking_the_metaclass(meta):
    value = meta("Strange", (), {"__next__": lambda self: 1})()

    assert has_method(value, "__next__")
    assert not has_method(value, "__len__")


def test_a_lookup_by_identity_hashes_no_class():
    known = ids_of((int, str))

    assert identity(int) in known
    assert identity(LyingMeta("Lies", (), {})) not in known
