"""Parameters when a flow runs (flow-model 4.1, 9.1)."""

from __future__ import annotations

import datetime

import pytest

from nbflow import Flow, Parameter, context, task
from nbflow.errors import NbflowError


@task
def identity(x):
    return x


def flow_with(*parameters):
    with Flow("f") as flow:
        results = [identity(p) for p in parameters]
    return flow, results


def test_values_come_as_keywords_or_as_a_dictionary(executor):
    """4.1"""
    flow, (a, b) = flow_with(Parameter("x"), Parameter("y"))

    state = flow.run({"x": 1}, y=2, executor=executor)

    assert (state.result[a].result, state.result[b].result) == (1, 2)
    assert flow.run(parameters={"x": 3, "y": 4}).result[b].result == 4


def test_a_default_is_used_unless_a_value_is_given(executor):
    """9.1"""
    flow, (a,) = flow_with(Parameter("x", default=1))

    assert flow.run(executor=executor).result[a].result == 1
    assert flow.run(x=2, executor=executor).result[a].result == 2
    assert flow.run(executor=executor).result[a].result == 1


def test_none_is_a_default_and_a_value_like_any_other():
    """9.1"""
    flow, (a, b) = flow_with(Parameter("x", default=None), Parameter("y", default=3))

    state = flow.run(y=None)

    assert (state.result[a].result, state.result[b].result) == (None, None)


def test_a_required_parameter_with_a_default_still_has_to_be_given():
    """9.1"""
    flow, (a,) = flow_with(Parameter("x", default=1, required=True))

    with pytest.raises(ValueError, match="required parameters: x"):
        flow.run()
    assert flow.run(x=2).result[a].result == 2


def test_a_parameter_that_is_not_required_may_be_left_out():
    """9.1"""
    flow, (a,) = flow_with(Parameter("x", required=False))

    assert flow.run().result[a].result is None


def test_a_missing_required_parameter_is_named():
    """4.1"""
    flow, _ = flow_with(Parameter("x"), Parameter("y", default=1))

    with pytest.raises(ValueError, match=r"Flow.run did not receive the following required parameters: x\b") as error:
        flow.run()
    assert isinstance(error.value, NbflowError)


def test_an_unknown_parameter_is_named():
    """4.1"""
    flow, _ = flow_with(Parameter("x", default=1))

    with pytest.raises(ValueError, match="z"):
        flow.run(parameters={"z": 1})
    with pytest.raises(TypeError, match="z"):
        flow.run(z=1)


def test_the_given_dictionary_is_left_alone():
    """4.1"""
    flow, _ = flow_with(Parameter("x"), Parameter("y", default=1))
    given = {"x": 1}

    flow.run(given, y=3)

    assert given == {"x": 1}


@pytest.mark.parametrize(
    "value",
    [[1, 2], {"a": 1}, (1,), "text", b"b", object, datetime.date(2020, 1, 1), len, {1}, 0, False],
)
def test_values_may_be_of_any_type(value, executor):
    """9.1"""
    flow, (a,) = flow_with(Parameter("x", default=None))

    assert flow.run(x=value, executor=executor).result[a].result == value


def test_the_parameter_itself_has_a_state():
    """4.2"""
    x = Parameter("x", default=5)
    flow, _ = flow_with(x)

    assert flow.run().result[x].result == 5


def test_a_parameter_that_nobody_uses_is_run_too():
    """4.2"""
    x = Parameter("x")
    flow = Flow("f", tasks=[x])

    assert flow.run(x=1).result[x].result == 1


def test_a_parameter_may_be_used_by_many_tasks(executor):
    """9.1"""
    x = Parameter("x", default=2)
    with Flow("f") as flow:
        total = x + x * x
        below = identity([x, {"k": x}])

    state = flow.run(executor=executor)

    assert state.result[total].result == 6
    assert state.result[below].result == [2, {"k": 2}]


def test_a_parameter_may_decide_for_one_that_is_mapped(executor):
    """5.1"""
    flow = Flow("f")
    with flow:
        m = identity.map(Parameter("xs"))

    assert flow.run(xs=[1, 2], executor=executor).result[m].result == [1, 2]
    assert flow.run(xs=[], executor=executor).result[m].result == []


def test_a_parameter_named_like_an_option_of_run_is_given_in_the_dictionary():
    """4.1"""
    x = Parameter("context", default=0)
    flow, (a,) = flow_with(x)

    assert flow.run(parameters={"context": 7}).result[a].result == 7


def test_a_default_that_a_task_changes_is_as_declared_in_the_next_run(executor):
    """Values, rule V4."""
    default = [3]
    with Flow("f") as flow:
        total = task(lambda xs: xs.append(1) or sum(xs), name="total")(Parameter("x", default=default))

    assert [flow.run(executor=executor).result[total].result for _ in range(2)] == [4, 4]
    assert default == [3]


def test_a_value_given_to_a_run_is_left_as_it_was(executor):
    """Values, rule V4."""
    given = {"rows": [1]}
    with Flow("f") as flow:
        task(lambda xs: xs["rows"].append(2), name="add")(Parameter("x"))

    flow.run(x=given, executor=executor)

    assert given == {"rows": [1]}


def test_values_given_in_the_context_do_not_replace_those_of_the_run():
    """4.12"""
    flow, (a,) = flow_with(Parameter("x", default=1))

    with context(parameters={"x": 10}):
        assert flow.run(x=2).result[a].result == 2


def test_a_parameter_outside_of_any_run_gives_its_default():
    """9.1"""
    assert Parameter("x", default=3).run() == 3
    with context(parameters={"x": 4}):
        assert Parameter("x", default=3).run() == 4
