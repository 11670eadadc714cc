"""Parameters: values from outside, known to a flow by their names."""

from __future__ import annotations

import inspect

import pytest

from nbflow.core.context import context
from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.core.signals import FAIL
from nbflow.core.tags import tags
from nbflow.core.task import Task
from nbflow.errors import DuplicateSlugError


def test_a_parameter_is_required_unless_it_has_a_default():
    """Flow-model 9.1."""
    assert Parameter("x").required
    assert Parameter("x").default is None
    assert not Parameter("x", default=2).required
    assert Parameter("x", default=2).default == 2


def test_none_counts_as_a_default():
    """Flow-model 9.1."""
    assert not Parameter("x", default=None).required


def test_required_can_be_said_explicitly():
    """Flow-model 9.1."""
    assert Parameter("x", default=1, required=True).required
    assert not Parameter("x", required=False).required


def test_the_slug_is_the_name():
    """Flow-model 2.3, 9.1."""
    flow, x = Graph("f"), Parameter("x")

    flow.add_task(x)

    assert x.slug == "x"
    assert flow.slugs == {x: "x"}


def test_a_parameter_takes_tags():
    """Flow-model 9.1."""
    with tags("outer"):
        x = Parameter("x", tags=["a"])

    assert x.tags == {"a", "outer"}


def test_calling_a_parameter_adds_it_to_the_flow_and_makes_no_copy():
    """Flow-model 9.1."""
    x = Parameter("x")
    with Graph("f") as flow:
        assert x() is x

    assert flow.tasks == {x}
    assert flow.parameters() == {x}


def test_a_call_takes_a_flow_and_nothing_else():
    """Flow-model 9.1."""
    flow, x = Graph("f"), Parameter("x")

    x(flow=flow)

    assert flow.tasks == {x}
    with pytest.raises(TypeError):
        x(value=1)
    with pytest.raises(TypeError):
        x(flow=flow, upstream_tasks=[Task()])


def test_two_parameters_of_one_name_do_not_fit_in_a_flow():
    """Flow-model 2.3, 9.1."""
    flow = Graph("f")
    flow.add_task(Parameter("x"))

    with pytest.raises(ValueError, match='A task with the slug "x" already exists in this flow') as caught:
        flow.add_task(Parameter("x"))

    assert isinstance(caught.value, DuplicateSlugError)
    assert len(flow.tasks) == 1


def test_a_copy_needs_a_new_name():
    """Flow-model 3.6."""
    x = Parameter("x", default=[1], tags=["a"])

    with pytest.raises(TypeError):
        x.copy()

    y = x.copy("y")
    assert (y.name, y.slug, y.default, y.required, y.tags) == ("y", "y", [1], False, {"a"})
    assert x.name == "x"


def test_a_run_of_a_parameter_gives_what_the_run_was_given():
    """Flow-model 9.1."""
    with context(parameters={"x": "given"}):
        assert Parameter("x").run() == "given"
        assert Parameter("x", default=1).run() == "given"
        assert Parameter("y", default=1).run() == 1


@pytest.mark.parametrize("value", [None, 0, [], {"a": object()}, Task])
def test_values_may_be_of_any_type(value):
    """Flow-model 9.1."""
    assert Parameter("x", default=value).run() is value
    with context(parameters={"x": value}):
        assert Parameter("x").run() is value


def test_a_required_parameter_without_a_value_fails():
    """Flow-model 9.1."""
    with pytest.raises(FAIL, match='Parameter "x" was required but not provided'):
        Parameter("x").run()


def test_a_parameter_shows_its_name_and_its_arguments():
    assert repr(Parameter("x")) == "<Parameter: x>"
    assert "default" in inspect.signature(Parameter).parameters


def test_an_annotation_says_what_values_a_parameter_takes():
    assert Parameter("x").annotation is None
    x = Parameter("x", default=1, annotation=int | None)
    assert x.annotation == int | None
    assert x.copy("y").annotation == int | None
