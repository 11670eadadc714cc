"""A parameter may have any name, also that of a word that `run`, `start`, `rerun` and `plan` take (flow-model 4.1)."""

from __future__ import annotations

import inspect

import pytest

from nbflow import Flow, Parameter, context, task
from nbflow.errors import OptionTypeError, UnexpectedArgumentError

FEW_WORDS = ("state", "what", "dry", "paused", "executor", "self")
WORDS = (
    *("state", "self", "what", "dry", "paused", "hold_on_failure", "hold_limit_s", "executor", "context"),
    *(
        "task_states",
        "flow_run_name",
        "flow_run_id",
        "run_on_schedule",
        "runner_cls",
        "return_tasks",
        "_plan",
    ),
    *("flow", "run", "plan", "owner", "args", "kwargs", "method", "into", "wait"),
)


@task
def identity(x):
    return x


def flow_that_asks_for(name, **options):
    with Flow("f", **options) as flow:
        value = identity(Parameter(name))
    return flow, value


@pytest.mark.parametrize("word", WORDS)
def test_a_run_takes_a_keyword_that_is_called_like_a_parameter_as_its_value(word):
    flow, value = flow_that_asks_for(word)

    assert flow.run(**{word: "NY"}).result[value].result == "NY"
    assert flow.run(parameters={word: "CA"}).result[value].result == "CA"


@pytest.mark.parametrize("word", WORDS)
def test_a_background_run_its_rerun_and_their_plans_do_so_too(word):
    flow, value = flow_that_asks_for(word)

    run = flow.start(**{word: "NY"})
    assert run.wait().result[value].result == "NY"
    assert dict(flow.plan(**{word: "CA"}).parameters) == {word: "CA"}
    assert dict(run.rerun("all", True, **{word: "CA"}).parameters) == {word: "CA"}
    assert run.rerun(**{word: "CA"}).wait().result[value].result == "CA"
    assert flow.runs[-1].rerun().wait().result[value].result == "CA"


@pytest.mark.parametrize("word", FEW_WORDS)
def test_a_resumed_run_does_so_too(word, tmp_path):
    flow, value = flow_that_asks_for(word, store=tmp_path)
    flow.run(**{word: "NY"})

    run = flow.resume("all", **{word: "CA"})

    assert run.wait().result[value].result == "CA"
    assert flow.stored_runs()[0].resume("all", **{word: "WA"}).wait().result[value].result == "WA"


def test_a_word_is_the_option_where_the_dictionary_has_the_parameter():
    flow, value = flow_that_asks_for("executor")

    run = flow.start({"executor": "a crane"}, executor="threads")

    assert run.wait().result[value].result == "a crane"
    assert type(run.executor).__name__ == "ThreadExecutor"
    assert type(run.rerun().executor).__name__ == "ThreadExecutor"


def test_a_rerun_is_dry_where_the_dictionary_has_the_parameter_of_that_name():
    flow, _ = flow_that_asks_for("dry")
    run = flow.start(dry="martini")
    run.wait()

    plan = run.rerun(dry=True, parameters={"dry": "vermouth"})

    assert dict(plan.parameters) == {"dry": "vermouth"}


def test_a_given_state_is_still_a_word_of_run_beside_a_parameter_of_that_name():
    flow, _ = flow_that_asks_for("state")
    done = flow.run(state="NY")

    assert flow.run({"state": "CA"}, state=done) is done


def test_a_keyword_wins_over_the_dictionary_where_it_can_be_nothing_else():
    flow, value = flow_that_asks_for("x")

    assert flow.run({"x": 1}, x=2).result[value].result == 2


def test_a_parameter_called_parameters_is_given_by_the_dictionary():
    flow, value = flow_that_asks_for("parameters")

    assert flow.run(parameters={"parameters": 1}).result[value].result == 1
    assert flow.run({"parameters": 1}).result[value].result == 1
    assert dict(flow.plan(parameters={"parameters": 2}).parameters) == {"parameters": 2}
    with pytest.raises(OptionTypeError, match=r"'parameters': \.\.\."):
        flow.run(parameters=1)


def test_options_keep_their_meaning_in_a_flow_without_such_a_parameter():
    with Flow("f") as flow:
        seen = task(lambda: context.colour, name="seen")()

    assert flow.run(context={"colour": "red"}).result[seen].result == "red"
    with pytest.raises(UnexpectedArgumentError):
        flow.run(colour="red")


def test_the_words_are_still_to_be_seen_in_the_signatures():
    assert list(inspect.signature(Flow.run).parameters)[:2] == ["self", "parameters"]
    assert "hold_on_failure" in inspect.signature(Flow.start).parameters
