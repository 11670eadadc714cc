"""Functions that want arguments by position are tasks, or are refused when the task is made (flow-model 3.3, 3.4)."""

from __future__ import annotations

import functools
import operator

import pytest

from nbflow import Flow, Task, task
from nbflow.core.by_name import unwrapped
from nbflow.errors import PositionalOnlyError, RunSignatureError


@functools.singledispatch
def kind_of(x, more=""):
    return f"something{more}"


@kind_of.register
def _(x: int, more="!"):
    return f"int{more}"


def add(x, y=2, *, z=0):
    return x + y + z


def by_position_only(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


def of_other_names(function):
    @functools.wraps(function)
    def wrapper(self, *rest, **named):
        return function(self, *rest, **named)

    return wrapper


class Adder:
    def __call__(self, x, y=2):
        return x + y

    def method(self, x):
        return x

    @classmethod
    def of(cls, x):
        return x


def result_of(made, *args, **kwargs):
    with Flow("f") as flow:
        found = made(*args, **kwargs)
    state = flow.run().result[found]
    return state.result if state.is_successful() else state


CALLED = {
    "singledispatch": (kind_of, (3,), {}, "int!"),
    "singledispatch by name": (kind_of, (), {"x": "a", "more": "?"}, "something?"),
    "singledispatch in a partial": (functools.partial(kind_of, more="."), (3,), {}, "int."),
    "singledispatch in a wrapper": (of_other_names(kind_of), (), {"x": 3}, "int!"),
    "singledispatch with a first argument": (functools.partial(kind_of, 3), (), {"more": "."}, "int."),
    "partial": (functools.partial(add, 1), (5,), {}, 6),
    "partial by name": (functools.partial(add, y=5), (1,), {"z": 1}, 7),
    "wrapper by position": (by_position_only(lambda x, y=2: x + y), (1,), {}, 3),
    "wrapper by position, one left out": (
        by_position_only(lambda x, y=2, w=3: (x, y, w)),
        (1,),
        {"w": 9},
        (1, 2, 9),
    ),
    "wrapper of other names": (of_other_names(add), (1, 3), {"z": 1}, 5),
    "callable object": (Adder(), (1,), {}, 3),
    "method": (Adder().method, (1,), {}, 1),
    "class method": (Adder.of, (1,), {}, 1),
    "cache": (functools.cache(add), (1,), {}, 3),
}


@pytest.mark.parametrize(("function", "args", "kwargs", "expected"), CALLED.values(), ids=list(CALLED))
def test_a_callable_is_a_task(function, args, kwargs, expected):
    """flow-model 3.4"""
    made = task(function)

    assert result_of(made, *args, **kwargs) == expected
    assert made.run(*args, **kwargs) == expected


REFUSED = {
    "too many arguments": functools.partial(add, 1, 2, 3, 4),
    "dispatch on a fixed argument": functools.partial(kind_of, x=3),
    "positional-only": functools.partial(operator.add, 1),
    "builtin": functools.partial(max, 1),
    "getter": operator.itemgetter(0),
    "wrapper that takes something else": functools.wraps(add)(lambda: 1),
}


@pytest.mark.parametrize("function", REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_called_by_name_is_refused_when_the_task_is_made(function):
    """flow-model 3.3"""
    with pytest.raises((RunSignatureError, PositionalOnlyError)):
        task(function)


def test_a_wrapper_that_fills_in_an_argument_is_left_alone():
    """flow-model 3.4"""

    @functools.wraps(add)
    def doubled(x):
        return add(x, x)

    assert result_of(task(doubled), 2) == 4


def test_run_in_a_class_may_be_wrapped():
    """flow-model 3.3"""

    class Wrapped(Task):
        @by_position_only
        def run(self, x, y=2):
            return x + y

    assert result_of(Wrapped(), 1) == 3


def test_a_singledispatch_method_is_refused_when_the_class_is_made():
    """flow-model 3.3"""
    with pytest.raises(RunSignatureError, match="wrap it in a Python function"):

        class Dispatched(Task):
            @functools.singledispatchmethod
            def run(self, x):
                return x


def test_run_may_be_set_to_a_dispatching_function():
    """flow-model 3.1"""
    made = Task()
    made.run = kind_of

    assert result_of(made, 3) == "int!"


def test_the_function_behind_is_known():
    assert unwrapped(task(kind_of).run) is kind_of
    assert unwrapped(add) is add
    assert unwrapped(by_position_only(add)).__wrapped__ is add
