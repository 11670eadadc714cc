"""The tree of errors: what each derives from, what it says, and that it can travel."""

from __future__ import annotations

import builtins
import inspect
import pickle
import re

import pytest

from nbflow import errors
from nbflow.core.task import Task
from nbflow.errors import NbflowError

CLASSES = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, NbflowError) and cls is not NbflowError
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_derives_from_a_builtin_that_a_caller_expects(cls):
    """Style 5, errors."""
    expected = {base for base in cls.__mro__ if base.__module__ == "builtins"}

    assert expected - {Exception, BaseException, object}


def test_the_docstring_draws_the_tree_as_it_is():
    """Style 5, errors."""
    drawn = dict(re.findall(r"── (\w+)(?: \((\w+)\))?", errors.__doc__))

    assert set(drawn) == {cls.__name__ for cls in CLASSES}
    for name, base in drawn.items():
        if base:
            assert issubclass(getattr(errors, name), getattr(builtins, base))


def example(cls):
    """Make an error with some text for each argument."""
    if not inspect.isfunction(cls.__init__):
        return cls("text")
    parameters = [
        p for p in list(inspect.signature(cls.__init__).parameters.values())[1:] if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    samples = {"tuple": ("a", "b"), "dict": {"a": "b"}}
    kinds = (next((kind for kind in samples if kind in str(p.annotation)), "") for p in parameters)
    return cls(*(samples.get(kind, "ab") for kind in kinds))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_survives_a_pickle(cls):
    """Style 5, errors."""
    error = example(cls)

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is cls
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_has_something_to_say(cls):
    """Style 5, errors."""
    assert str(example(cls)).strip()


def test_an_error_carries_the_objects_it_is_about():
    """Style 5, errors."""
    task = Task("a")

    error = errors.UnknownTaskError(task, "f")

    assert error.task is task
    assert "<Task: a> was not found in Flow 'f'" in str(error)


def test_a_cycle_is_drawn():
    """Flow-model 2.7."""
    assert "Cycle found" in str(errors.CycleError(("a", "b", "a")))
    assert "a -> b -> a" in str(errors.CycleError(("a", "b", "a")))
