"""What counts as a change of a task's code or inputs since its last result."""

from __future__ import annotations

import sys
import textwrap
import time
from types import ModuleType
from typing import Any

import pytest

from nbflow import Flow, Parameter, Task, resource_manager, task
from nbflow.core.codehash.code_fingerprint import fingerprint_of
from nbflow.errors import RetryError
from nbflow.flow.reruns import plan_after
from tests.patience import PATIENCE_S


class Notebook:
    """A module whose cells are executed one after the other, as in a kernel."""

    def __init__(self, name: str) -> None:
        self.module = ModuleType(name)
        self.names = vars(self.module)
        self.names["task"] = task
        self.names["calls"] = []

    def cell(self, source: str) -> None:
        exec(compile(textwrap.dedent(source), "<cell>", "exec"), self.names)

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def why(self, flow: Flow, what: Any = "stale") -> dict[str, str]:
        return {step.task.name: step.why for step in flow.plan(what).steps if step.runs}


@pytest.fixture
def notebook(monkeypatch, request):
    name = f"notebook_of_{request.node.name.partition('[')[0]}"
    made = Notebook(name)
    monkeypatch.setitem(sys.modules, name, made.module)
    return made


@pytest.fixture
def flow(notebook):
    notebook.cell(
        """
        LIMIT = 3
        def keep(rows):
            return [row for row in rows if row < limit()]
        def limit():
            return LIMIT
        class Reader:
            def read(self):
                return [1, 2, 3, 4]
        @task
        def load():
            calls.append("load")
            return Reader().read()
        @task
        def clean(rows, least=0):
            "Leave out what is too large."
            calls.append("clean")
            return [row for row in keep(rows) if row > least]
        @task
        def report(rows):
            calls.append("report")
            return len(rows)
        """
    )
    with Flow("sales") as flow:
        notebook["report"](notebook["clean"](notebook["load"]()))
    assert flow.run().is_successful()
    return flow


def test_nothing_is_stale_after_a_run(flow):
    assert flow.plan("stale").is_empty


def test_an_executed_cell_that_says_the_same_makes_nothing_stale(flow, notebook):
    notebook.cell("def limit():\n    # the same\n\n    return LIMIT")

    assert flow.plan("stale").is_empty


def test_a_new_definition_of_the_function_makes_its_task_stale_and_what_depends_on_it(flow, notebook):
    notebook.cell("@task\ndef clean(rows, least=0):\n    return rows[:1]")

    assert notebook.why(flow) == {"clean": "its code has changed", "report": "downstream of 'clean'"}


def test_the_rerun_uses_the_new_definition(flow, notebook):
    notebook.cell("@task\ndef report(rows):\n    return -len(rows)")

    run = flow.runs[-1].rerun("stale")

    assert [run.wait().result[one].result for one in flow.terminal_tasks()] == [-2]
    assert notebook["calls"] == ["load", "clean", "report"]
    assert run.rerun("stale", dry=True).is_empty


def test_the_earlier_run_still_knows_by_which_definition_it_was_computed(flow, notebook):
    notebook.cell("@task\ndef report(rows):\n    return -len(rows)")
    first = flow.runs[-1]
    first.rerun("stale").wait()

    plan = first.rerun("stale", dry=True)

    assert [one.name for one in plan.tasks] == ["report"]


@pytest.mark.parametrize(
    "options",
    [{"resources": {"GPU": 1}}, {"workers": "alice"}, {"priority": 3}, {"bundle": False}, {"rerun_if_lost": False}],
    ids=str,
)
def test_where_a_task_runs_is_no_reason_to_run_it_again(flow, notebook, options):
    """Code, rule C3."""
    notebook.cell(
        f'@task(**{options})\ndef report(rows):\n    calls.append("report")\n    return len(rows)',
    )

    assert flow.plan("stale").is_empty


def test_a_docstring_says_nothing_of_what_a_function_does(flow, notebook):
    notebook.cell(
        '@task\ndef clean(rows, least=0):\n    "Better words."\n    calls.append("clean")\n'
        "    return [row for row in keep(rows) if row > least]"
    )

    assert flow.plan("stale").is_empty


@pytest.mark.parametrize(
    ("cell", "tasks", "name"),
    [
        ("def keep(rows):\n    return rows", ["clean", "report"], "'keep'"),
        ("def limit():\n    return 2", ["clean", "report"], "'limit'"),
        ("LIMIT = 4", ["clean", "report"], "'LIMIT'"),
        (
            "class Reader:\n    def read(self):\n        return [1]",
            ["load", "clean", "report"],
            "'Reader.read'",
        ),
        ("def unheard_of():\n    return 1", [], ""),
    ],
)
def test_what_a_function_reaches_by_name_counts_as_its_code(flow, notebook, cell, tasks, name):
    notebook.cell(cell)

    why = notebook.why(flow)

    assert list(why) == tasks
    assert not tasks or why[tasks[0]].startswith(name)


def test_a_name_that_comes_to_stand_for_the_same_again_makes_nothing_stale(flow, notebook):
    notebook.cell("LIMIT = 4")
    notebook.cell("LIMIT = 3")

    assert flow.plan("stale").is_empty


def test_a_method_replaced_in_its_class_counts(flow, notebook):
    notebook.cell("def read(self):\n    return []\nReader.read = read")

    assert next(iter(notebook.why(flow))) == "load"


def test_a_function_of_the_users_own_module_counts(flow, notebook, monkeypatch):
    helpers = ModuleType("helpers_of_a_notebook")
    exec("def double(x):\n    return 2 * x", vars(helpers))
    monkeypatch.setitem(sys.modules, helpers.__name__, helpers)
    notebook.names["helpers"] = helpers
    notebook.cell("@task\ndef total(x):\n    return helpers.double(x)")
    with Flow("with a module") as other:
        notebook["total"](1)
    other.run()
    assert other.plan("stale").is_empty

    exec("def double(x):\n    return 3 * x", vars(helpers))

    assert notebook.why(other) == {"total": "'helpers.double' has changed"}


def test_a_function_that_counts_its_own_calls_is_not_stale_for_it(notebook):
    notebook.cell("count = 0\n@task\ndef counted():\n    global count\n    count += 1\n    return count")
    with Flow("counts") as flow:
        notebook["counted"]()
    flow.run()

    assert flow.plan("stale").is_empty


def test_names_that_stand_for_hostile_objects_harm_neither_run_nor_plan(notebook):
    notebook.cell(
        """
        class Hostile:
            def __getattribute__(self, name):
                raise RuntimeError(name)
            def __eq__(self, other):
                raise RuntimeError("eq")
        class Endless:
            def __getattr__(self, name):
                return Endless()
        hostile, endless, itself = Hostile(), Endless(), []
        itself.append(itself)
        def made(value, other):
            @task(name="uses")
            def uses(default=hostile):
                return (hostile, endless, itself, value, other) and 1
            return uses
        """
    )
    with Flow("hostile") as flow:
        notebook["made"](notebook["itself"], notebook["hostile"])()
    assert flow.run().is_successful()

    assert flow.plan("stale").is_empty
    notebook.cell("endless = 3")

    assert list(notebook.why(flow)) == ["uses"]


def test_functions_that_call_each_other_are_told_apart_from_changed_ones(notebook):
    cell = "def odd(n):\n    return n and even(n - 1)\ndef even(n):\n    return not n or odd(n - 1)\n"
    notebook.cell(cell + "@task\ndef ask(n):\n    return even(n)")
    with Flow("mutual") as flow:
        notebook["ask"](4)
    flow.run()
    notebook.cell(cell)
    assert flow.plan("stale").is_empty

    notebook.cell("def odd(n):\n    return n > 0 and even(n - 1)")

    assert notebook.why(flow) == {"ask": "'odd' has changed"}


def test_a_value_taken_over_keeps_the_code_it_was_computed_by(flow, notebook):
    notebook.cell("class Reader:\n    def read(self):\n        return [1]")
    report = next(one for one in flow.tasks if one.name == "report")

    run = flow.runs[-1].rerun([report])
    run.wait()

    assert run.plan[next(one for one in flow.tasks if one.name == "load")].why == (
        "computed in run 1, although 'Reader.read' has changed"
    )
    assert "load" in notebook.why(flow)  # which nothing has computed again


def test_what_was_fixed_in_a_held_run_is_not_stale(notebook):
    notebook.cell(
        "def helper(x):\n    return 1 / x\n@task\ndef first(x):\n    return helper(x)\n"
        "@task\ndef second(x):\n    return helper(x)"
    )
    with Flow("fixed") as flow:
        one = notebook["first"](0)
        notebook["second"](one)
    run = flow.start(hold_on_failure=True)
    until(lambda: run.held)
    notebook.cell("def helper(x):\n    return x + 1\n@task\ndef first(x):\n    return helper(x) + 1")

    run.retry(one)
    run.resume()

    assert run.wait().is_successful()
    assert flow.plan("stale").is_empty


def test_a_definition_that_does_not_take_the_inputs_is_refused_before_anything_runs(flow, notebook):
    notebook.cell("@task\ndef report(lines):\n    return len(lines)")

    with pytest.raises(RetryError, match="report"):
        flow.runs[-1].rerun("stale")

    assert len(flow.runs) == 1


def test_closures_and_defaults_count(notebook):
    def made(factor, plus=0):
        @task(name="scaled", slug="scaled")
        def scaled(x, plus=plus):
            return factor * x + plus

        return scaled

    for change, stale in ((made(2), False), (made(3), True), (made(2, plus=1), True)):
        flow = Flow("scales")
        old = made(2)
        flow.set_dependencies(old, keyword_tasks={"x": 1})
        flow.run()
        flow.replace(old, change)
        assert (not flow.plan("stale").is_empty) == stale


def test_a_constant_argument_that_changes_makes_its_task_run_whatever_is_asked_for():
    @task(slug="add")
    def add(x, y):
        return x + y

    @task
    def other():
        return 1

    with Flow("constants") as flow:
        total = add.bind(1, 2)
        alone = other()
    flow.run()

    flow.constants[total]["y"] = 3
    plan = flow.plan([alone])

    assert [(step.task.name, step.why) for step in plan.steps if step.runs] == [
        ("add", "its argument 'y' has changed"),
        ("other", "asked for"),
    ]


def test_an_argument_that_comes_from_another_task_makes_its_task_run():
    @task
    def one():
        return 1

    @task
    def show(x):
        return x

    with Flow("edges") as flow:
        first, second = one(), one()
        shown = show(first)
    flow.run()
    flow.edges.discard(next(iter(flow.edges_to(shown))))
    shown.set_upstream(second, key="x", flow=flow)

    plan = flow.plan("failed")

    assert [(step.task, step.why) for step in plan.steps if step.runs] == [(shown, "its argument 'x' has changed")]


def test_a_changed_manager_makes_what_is_inside_its_block_stale(notebook):
    def made(size):
        @resource_manager(name="Cluster", init_task_kwargs={"slug": "cluster"})
        class Cluster:
            def setup(self):
                return size

            def cleanup(self, resource):
                pass

        return Cluster

    @task(slug="count")
    def count(resource):
        return resource

    def build(size):
        with Flow("blocks") as flow, made(size)() as resource:
            count(resource)
        return flow

    first, second = build(1), build(2)
    first.run()
    plan = plan_after(second, first.runs[-1], "stale", {})

    assert {step.task.name for step in plan.steps if step.runs} >= {"Cluster", "count"}
    assert [block.opens for block in plan.blocks] == [True]


def test_classes_of_tasks_count_by_their_methods_and_attributes(notebook):
    class Scaled(Task):
        def __init__(self, factor, **kwargs):
            self.factor = factor
            super().__init__(slug="scaled", **kwargs)

        def run(self, x):
            return self.scale(x)

        def scale(self, x):
            return self.factor * x

    flow = Flow("classes")
    old = Scaled(2)
    flow.set_dependencies(old, keyword_tasks={"x": 1})
    flow.run()
    flow.replace(old, Scaled(2))
    assert flow.plan("stale").is_empty

    flow.replace(next(iter(flow.tasks)), Scaled(3))

    assert notebook.why(flow) == {"Scaled": "an attribute has changed"}


def test_a_changed_default_of_a_parameter_runs_what_depends_on_it():
    @task
    def show(x):
        return x

    with Flow("defaults") as flow:
        n = Parameter("n", default=1)
        shown = show(n)
    flow.run()
    flow.replace(n, Parameter("n", default=2))

    plan = flow.plan("stale")

    assert plan.parameters == {"n": 2}
    assert plan[shown].runs
    assert flow.runs[-1].rerun("stale").wait().result[shown].result == 2


def test_a_fingerprint_is_the_same_for_equal_code_only(notebook):
    notebook.cell("@task\ndef one(x):\n    return x + 1\n")
    one = fingerprint_of(notebook["one"])
    notebook.cell("\n\n@task\ndef one(x):\n    return x + 1  # the same\n")
    assert fingerprint_of(notebook["one"]) == one

    notebook.cell("@task\ndef one(x):\n    return x + 2\n")

    assert fingerprint_of(notebook["one"]) != one


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)
