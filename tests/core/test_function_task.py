"""Functions as tasks."""

from __future__ import annotations

import functools
import inspect
import math

import cloudpickle
import pytest

from nbflow.core.function_task import FunctionTask, task
from nbflow.core.graph import Graph
from nbflow.core.task import Task
from nbflow.core.triggers import all_failed
from nbflow.errors import NbflowError


@task
def add(x, y=1):
    """Add two numbers."""
    return x + y


def test_a_decorated_function_is_a_task_with_its_name():
    """Flow-model 3.4."""
    assert isinstance(add, FunctionTask)
    assert isinstance(add, Task)
    assert add.name == "add"


def test_the_function_is_still_there():
    """Flow-model 3.4."""

    def fn(x):
        """Do it."""
        return x

    t = task(fn)

    assert t.__doc__ == "Do it."
    assert t.__wrapped__ is fn
    assert t.__name__ == "fn"
    assert t.__module__ == __name__
    assert t.__qualname__ == fn.__qualname__


def test_run_calls_the_function():
    """Flow-model 3.4."""
    assert add.run(1) == 2
    assert add.run(1, y=5) == 6


def test_the_decorator_takes_options():
    """Flow-model 3.4."""

    @task(name="other", tags={"a"}, trigger=all_failed)
    def fn(): ...

    assert (fn.name, fn.tags, fn.trigger) == ("other", {"a"}, all_failed)
    assert isinstance(task()(lambda: 1), FunctionTask)
    assert task(lambda: 1, name="named").name == "named"


def test_only_a_callable_can_be_decorated():
    """Flow-model 3.4."""
    for decorate in (lambda: task(1), lambda: task("name"), lambda: FunctionTask(fn=5)):
        with pytest.raises(TypeError, match="must be callable"):
            decorate()


def test_an_unknown_attribute_names_the_kind_of_object():
    """Flow-model 3.4."""
    with pytest.raises(AttributeError, match="'FunctionTask' object has no attribute 'columns'") as caught:
        _ = add.columns

    assert isinstance(caught.value, NbflowError)
    with pytest.raises(TypeError, match="stands for a task, not for its value"):
        len(add)


def test_a_call_outside_of_a_flow_names_the_remedy():
    """Flow-model 3.5."""
    message = "Could not infer an active Flow context while creating edge to <Task: add>"

    with pytest.raises(ValueError, match=message) as caught:
        add(1)

    assert "`add.run(...)`" in str(caught.value)


def test_the_signature_is_that_of_a_call():
    """Flow-model 3.5."""
    signature = inspect.signature(add)

    assert list(signature.parameters) == ["x", "y", "mapped", "task_args", "upstream_tasks", "flow"]
    assert signature.parameters["y"].default == 1
    assert signature.return_annotation == "Task"
    assert "fn" in inspect.signature(FunctionTask).parameters


@pytest.mark.parametrize("name", ["mapped", "flow", "task_args", "upstream_tasks"])
def test_reserved_arguments_are_refused(name):
    """Flow-model 3.3."""
    with pytest.raises(ValueError, match=f"Tasks cannot have the following argument names: {name}"):
        task(eval(f"lambda {name}: 1"))


def test_variable_positional_arguments_are_refused():
    """Flow-model 3.3."""
    with pytest.raises(ValueError, match="variable positional arguments"):
        task(lambda *args: 1)


def test_positional_only_arguments_are_refused():
    """Flow-model 3.3."""
    with pytest.raises(TypeError, match="positional-only"):
        task(eval("lambda x, /: 1"))
    with pytest.raises(TypeError, match="positional-only"):
        task(math.sqrt)


@pytest.mark.parametrize("builtin", [getattr, max, dict])
def test_builtins_that_can_not_be_inspected_are_refused(builtin):
    """Flow-model 3.3."""
    with pytest.raises(ValueError, match="This function can not be inspected"):
        task(builtin)


def test_a_wrapped_function_has_the_signature_of_the_one_inside():
    """Flow-model 3.3."""

    def shouting(fn):
        @functools.wraps(fn)
        def wrapper(*args, **kwargs):
            return fn(*args, **kwargs).upper()

        return wrapper

    @task
    @shouting
    def greet(name):
        return f"hello {name}"

    with Graph("f") as flow:
        made = greet("you")

    assert flow.constants[made] == {"name": "you"}
    assert made.run("you") == "HELLO YOU"


def test_a_partial_and_a_callable_object_can_be_tasks():
    class Adder:
        def __call__(self, x):
            return x + 1

    with Graph("f") as flow:
        one = task(functools.partial(lambda x, y: x - y, y=1))(5)
        other = task(Adder())(x=5)

    assert one.run(5) == 4
    assert one.name == "FunctionTask"
    assert flow.constants[other] == {"x": 5}


def test_a_class_can_be_a_task():
    class Point:
        def __init__(self, x):
            self.x = x

    with Graph("f") as flow:
        made = task(Point)(3)

    assert flow.constants[made] == {"x": 3}
    assert made.run(3).x == 3


def test_a_coroutine_function_can_be_a_task():
    @task
    async def fetch(url): ...

    assert inspect.iscoroutinefunction(fetch.run)


def test_nout_is_read_from_the_annotation_or_given():
    """Flow-model 3.10."""

    @task
    def two() -> tuple[int, int]: ...

    @task(nout=3)
    def three(): ...

    with Graph("f"):
        a, b = two()
        c, d, e = three()

    assert [t.name for t in (a, b, c, d, e)] == ["two[0]", "two[1]", "three[0]", "three[1]", "three[2]"]
    assert task(two.run, nout=None).nout == 2


def test_a_copy_keeps_the_function():
    """Flow-model 3.6."""
    new = add.copy(name="plus")

    assert new.name == "plus"
    assert new.run(1, 2) == 3
    assert new.__doc__ == "Add two numbers."


def test_a_function_task_survives_a_pickle():
    @task(tags=["a"])
    def double(x):
        return 2 * x

    again = cloudpickle.loads(cloudpickle.dumps(double))

    assert (again.name, again.tags, again.run(4)) == ("double", {"a"}, 8)
    with Graph("f") as flow:
        assert flow.constants[again(5)] == {"x": 5}
