"""The choice of an executor in the form: what there is to choose from, what is chosen, and what runs get."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from nbflow import Flow, Parameter, task
from nbflow.executors import InlineExecutor, PoolExecutor, ProcessExecutor, ThreadExecutor
from tests.panel.conftest import until
from tests.panel.test_panel import enabled


@pytest.fixture
def small():
    with Flow("small") as flow:
        task(lambda: 1, name="one")()
    return flow


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


def offered(panel):
    return [label for label, _ in panel.form.executor.input.options]


def chosen(panel):
    return panel.form.executor.input.label


def choose(panel, label):
    panel.form.executor.input.label = label


def run(panel, command="run"):
    before = panel.run
    panel.buttons[command].click()
    return next_run(panel, before)


def rerun(panel):
    before = panel.run
    panel.commands.bar.what.value = "all"
    panel.buttons["rerun"].click()
    until(lambda: panel.plans._asked is not None)
    panel.plans._follow({})
    return next_run(panel, before)


def next_run(panel, before):
    """Wait until another run is shown and over; for a moment in between none is."""
    until(lambda: panel.run not in (None, before) and "run" in enabled(panel))
    return panel.run


def ran_on(run):
    return type(run._loop.executor)


def test_the_form_offers_the_executors_that_have_a_name_and_says_what_each_is_for(make_panel, small):
    panel = make_panel(small)

    assert offered(panel) == ["inline", "threads", "processes", "dask"]
    assert chosen(panel) == "inline"
    lines = panel.form.executor.input.tooltip.splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == offered(panel)
    assert "pure Python" in lines[3]


def test_a_flow_without_parameters_has_the_choice_and_nothing_to_unfold(make_panel, small):
    form = make_panel(small).form

    assert "nbflow-no-entries" in form.box._dom_classes
    assert not form.entries


def test_the_run_that_the_form_starts_has_the_executor_that_was_chosen_and_so_has_the_next(make_panel, small):
    panel = make_panel(small)

    choose(panel, "threads")
    assert panel.form.edits.value == "1 edited, not run yet"
    first = run(panel)

    assert ran_on(first) is ThreadExecutor
    assert panel.form.edits.value == ""
    assert chosen(panel) == "threads"
    assert ran_on(run(panel)) is ThreadExecutor


def test_a_step_that_begins_a_run_has_the_executor_that_was_chosen(make_panel, small):
    panel = make_panel(small)
    choose(panel, "threads")

    assert ran_on(run(panel, "step")) is ThreadExecutor


def test_an_executor_can_be_left_again(make_panel, small):
    panel = make_panel(small, options={"executor": "threads"})

    assert chosen(panel) == "threads"
    choose(panel, "inline")
    run(panel)

    assert chosen(panel) == "inline"
    assert ran_on(run(panel)) is InlineExecutor


def test_an_executor_of_the_flow_is_chosen_at_first(make_panel, small):
    small.executor = ProcessExecutor(4)
    panel = make_panel(small)

    assert offered(panel)[-1] == chosen(panel) == "ProcessExecutor(4)"
    assert panel.form.executor.chosen is small.executor


def test_an_executor_of_the_panel_comes_before_that_of_the_flow(make_panel, small, pool):
    small.executor = "threads"
    panel = make_panel(small, options={"executor": pool})

    assert offered(panel) == ["inline", "threads", "processes", "dask", "ThreadPoolExecutor(3)"]
    assert chosen(panel) == "ThreadPoolExecutor(3)"
    assert run(panel)._loop.executor.pool is pool


def test_an_executor_that_a_run_elsewhere_was_given_is_chosen_while_that_run_is_shown(make_panel, small, pool):
    panel = make_panel(small)

    small.run(executor=pool)
    assert chosen(panel) == "ThreadPoolExecutor(3)"
    small.run()

    assert chosen(panel) == "inline"
    assert "ThreadPoolExecutor(3)" not in offered(panel)


def test_a_pool_that_is_closed_is_offered_no_more(make_panel, small):
    panel = make_panel(small)
    with ThreadPoolExecutor(3) as pool:
        small.run(executor=pool)
    assert chosen(panel) == "ThreadPoolExecutor(3)"

    assert ran_on(run(panel)) is InlineExecutor
    assert offered(panel) == ["inline", "threads", "processes", "dask"]


def test_a_choice_stays_when_a_run_is_started_elsewhere(make_panel, small):
    panel = make_panel(small)
    choose(panel, "threads")

    small.run()

    assert chosen(panel) == "threads"
    assert panel.form.executor.is_edited


def test_without_a_choice_a_run_goes_by_what_its_flow_says_by_then(make_panel, small):
    panel = make_panel(small)
    run(panel)

    small.executor = "threads"

    assert ran_on(run(panel)) is ThreadExecutor
    assert chosen(panel) == "threads"


def test_a_rerun_has_the_executor_of_its_run_unless_another_one_was_chosen(make_panel, small):
    panel = make_panel(small)
    choose(panel, "threads")
    run(panel)

    assert ran_on(rerun(panel)) is ThreadExecutor
    choose(panel, "inline")
    assert ran_on(rerun(panel)) is InlineExecutor


def test_reset_returns_to_what_the_flow_says(make_panel):
    with Flow("counted", executor="threads") as flow:
        task(lambda n: n, name="count")(Parameter("n", default=1))
    panel = make_panel(flow)
    choose(panel, "inline")

    panel.form.reset.click()

    assert chosen(panel) == "threads"
    assert panel.form.edits.value == ""


def test_an_executor_of_another_package_is_offered_by_its_name(make_panel, small, monkeypatch):
    monkeypatch.setattr("nbflow.panel.form.executor_choice.executor_names", lambda: ("inline", "moon"))
    panel = make_panel(small)

    assert offered(panel) == ["inline", "moon"]
    assert "another package" in panel.form.executor.input.tooltip


def test_executors_that_are_called_the_same_are_told_apart(make_panel, small):
    small.executor = ProcessExecutor(4)
    panel = make_panel(small, options={"executor": ProcessExecutor(4)})

    assert offered(panel)[4:] == ["ProcessExecutor(4)", "ProcessExecutor(4) #2"]


def test_an_executor_with_a_hostile_repr_is_called_by_its_class(make_panel, small, pool):
    class Strange(PoolExecutor):
        def __repr__(self):
            raise RuntimeError("no")

        def __eq__(self, other):
            raise RuntimeError("no")

        __hash__ = None

    panel = make_panel(small, options={"executor": Strange(pool)})

    assert chosen(panel) == "Strange(3)"
    assert ran_on(run(panel)) is Strange
