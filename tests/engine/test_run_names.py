"""What a run of a task is called: `context.task_run_name`, of each mapped child its own (flow-model 4.12)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, context, resource_manager, task
from nbflow.signals import LOOP


def called(name, **options):
    return task(lambda x: context.get("task_run_name"), name="called", task_run_name=name, **options)


@pytest.mark.parametrize(
    "name",
    [
        "{x}-{map_index}-{colour}-{task_name}",
        lambda x, map_index, colour, task_name: f"{x}-{map_index}-{colour}-{task_name}",
        lambda **known: "{x}-{map_index}-{colour}-{task_name}".format(**known),
    ],
)
def test_a_template_or_function_gets_inputs_parameters_and_context(name, executor):
    with Flow("f") as flow:
        Parameter("colour", default="red")()
        one = called(name)("a")
        children = called(name).map(["b", "c"])

    state = flow.run(executor=executor)

    assert state.result[one].result == "a-None-red-called"
    assert state.result[children].result == ["b-0-red-called", "c-1-red-called"]


def test_a_task_without_one_is_not_called_anything(executor):
    with Flow("f") as flow:
        one = called(None)(1)

    assert flow.run(executor=executor).result[one].result is None


def test_each_attempt_and_each_turn_of_a_loop_has_its_name():
    names = []

    @task(task_run_name="{task_loop_count}/{task_run_count}")
    def turn():
        names.append(context.task_run_name)
        if len(names) < 3:
            raise LOOP

    with Flow("f") as flow:
        turn()

    flow.run()

    assert names == ["1/1", "2/1", "3/1"]


@pytest.mark.parametrize("name", ["{nope}", lambda x: 1 / 0, lambda nope: "x"])
def test_a_name_that_cannot_be_made_fails_the_task_and_no_other(name, executor):
    with Flow("f") as flow:
        bad, good = called(name)(1), called("{x}")(2)

    state = flow.run(executor=executor)

    assert state.result[bad].is_failed()
    assert "name" in state.result[bad].message
    assert state.result[good].result == "2"


def test_a_cleanup_is_made_whatever_it_is_called():
    lines = []

    @resource_manager(cleanup_task_kwargs={"task_run_name": "{nope}"})
    class Tool:
        def setup(self):
            lines.append("setup")

        def cleanup(self, resource):
            lines.append("cleanup")

    with Flow("f") as flow, Tool():
        called("{x}")(1)

    assert flow.run().is_successful()
    assert lines == ["setup", "cleanup"]


def test_a_task_that_runs_a_flow_does_not_lend_its_name():
    inner = Flow("inner")
    with inner:
        within = called(None)(1)

    @task(task_run_name="outer")
    def outer():
        return context.task_run_name, inner.run().result[within].result

    with Flow("f") as flow:
        t = outer()

    assert flow.run().result[t].result == ("outer", None)
