"""`@task(inputs="copy" | "share")`: the author says what becomes of inputs that a task changes (docs/reruns.md)."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from nbflow import Flow, Parameter, Task, task
from nbflow.errors import CannotCopyError, NbflowError, OptionError
from nbflow.states import Failed
from tests.engine.changing import told, ways
from tests.shared import SharedList

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
LIMIT_S = 20


def rows():
    return [1, 2]


def add(rows):
    rows.append(3)
    return list(rows)


def the_run_of(flow, **options):
    run = flow.start(**options)
    run.wait(LIMIT_S)
    return run


@ways
def test_a_task_that_gets_copies_leaves_the_value_as_it_was(make, change, executor):
    """Values, rule V2."""
    with Flow("f") as flow:
        made = task(make, name="make")()
        task(change, name="change", inputs="copy")(made)
    run = the_run_of(flow, executor=executor)

    assert told(run.results[made]) == told(make())


def test_a_rerun_of_a_task_that_gets_copies_runs_nobody_else(executor):
    """Values, rule V2."""
    with Flow("f") as flow:
        made = task(rows)()
        added = task(add, inputs="copy")(made)
    run = the_run_of(flow, executor=executor)

    plan = run.rerun([added], dry=True)
    again = run.rerun([added])
    again.wait(LIMIT_S)

    assert [one.name for one in plan.tasks] == ["add"]
    assert again.results[added] == [1, 2, 3]


def test_each_attempt_gets_a_copy(executor):
    """Values, rule V2."""
    attempts = SharedList()

    def add_and_fail(rows):
        rows.append(3)
        attempts.append(list(rows))
        if len(attempts) < 3:
            raise ValueError("not yet")

    with Flow("f") as flow:
        task(add_and_fail, inputs="copy", max_retries=2, retry_delay=timedelta(0))(task(rows)())
    the_run_of(flow, executor=executor)

    assert attempts == [[1, 2, 3]] * 3


@pytest.mark.one_memory("what has no copy cannot travel")
def test_a_task_that_is_to_get_a_copy_of_what_has_none_fails_with_words(executor):
    """Values, rule V2."""
    called = SharedList()
    with Flow("f") as flow:
        made = task(lambda: [threading.Lock()], name="made")()
        copied = task(lambda x: called.append(x), name="copied", inputs="copy")(made)
    run = the_run_of(flow, executor=executor)

    assert isinstance(run.states[copied], Failed)
    assert isinstance(run.states[copied].result, CannotCopyError)
    assert "copied" in run.states[copied].message
    assert called == []


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_further_attempt_of_a_task_that_shares_goes_on_with_what_is_there(executor):
    """Values, rule V2: the author's choice."""
    attempts = SharedList()

    def add_and_fail(rows):
        rows.append(3)
        attempts.append(list(rows))
        if len(attempts) < 2:
            raise ValueError("not yet")

    with Flow("f") as flow:
        task(add_and_fail, inputs="share", max_retries=1, retry_delay=timedelta(0))(task(rows)())
    the_run_of(flow, executor=executor)

    assert attempts == [[1, 2, 3], [1, 2, 3, 3]]


def test_a_default_that_is_shared_is_the_very_object(executor):
    """Values, rule V4: the author's choice."""
    default = [1]
    with Flow("f") as flow:
        task(add, inputs="share")(Parameter("x", default=default))
        task(add, name="other", inputs="share")(default)

    assert the_run_of(flow, executor=executor).state.is_successful()


def test_a_subclass_of_task_takes_the_option():
    class Adds(Task):
        def run(self, rows):
            rows.append(3)

    with Flow("f") as flow:
        made = task(rows)()
        Adds(inputs="copy")(made)
    run = the_run_of(flow)

    assert run.results[made] == [1, 2]


@pytest.mark.parametrize("value", ["deep", "", "Copy", True, 1, ["copy"], b"copy", object()])
def test_anything_else_is_refused(value):
    with pytest.raises((OptionError, NbflowError), match="inputs") as refusal:
        task(rows, inputs=value)

    assert "copy" in str(refusal.value)
    assert "share" in str(refusal.value)


def test_none_stands_for_nbflow_s_choice():
    assert task(rows, inputs=None)._input_mode is None
