"""`%flow` on a run that is paused: retry, skip, set, break, debug, values."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from nbflow import flows
from tests.patience import PATIENCE_S

BROKEN = """
@task
def work(client, n):
    log.append(f"work {n}")
    raise ValueError("not yet")
"""
FIXED = """
@task
def work(client, n):
    return n + 40
"""
FLOW = """%%flow story --no-show
n = Parameter("n", default=2)
with Cluster() as client:
    worked = work(client, n)
    doubled = double(worked)
"""


def newest():
    return flows["story"].runs[-1]


@pytest.fixture
def held(notebook):
    for cell in (BROKEN, FLOW, "%flow start story --hold", "%flow wait story"):
        assert notebook(cell).error is None
    return notebook


def test_a_held_run_says_what_it_stands_at_and_holds_open(held):
    assert newest().state.message == "The run is paused ('work' failed); open: Cluster."
    assert held.names["log"] == ["setup", "work 2"]


def test_a_redefined_function_is_retried_and_the_run_goes_on(held):
    held(FIXED)

    assert held("%flow retry story").error is None
    held("%flow resume story")
    newest().wait(PATIENCE_S)

    assert newest().results[held.names["doubled"]] == 84
    assert held.names["log"] == ["setup", "work 2", "double 42", "cleanup"]


def test_values_puts_the_inputs_of_the_held_task_into_the_notebook(held):
    said = held("%flow values story").outputs[-1]["text/plain"]

    assert said == "what work takes in run 1: client, n"
    assert (held.names["client"], held.names["n"]) == ("cluster", 2)


def test_a_value_is_set_by_name_or_literal(held):
    held("found = [1, 2]")

    assert held("%flow set story work found").error is None
    held("%flow resume story")
    newest().wait(PATIENCE_S)

    assert newest().results[held.names["doubled"]] == [1, 2, 1, 2]
    assert newest().sources[held.names["worked"]] == "edited"


def test_a_failed_task_is_skipped(held):
    assert held("%flow skip story").error is None
    held("%flow resume story")

    assert newest().wait(PATIENCE_S).is_successful()


def test_a_breakpoint_is_set_before_a_run_and_its_condition_is_an_expression(notebook):
    for cell in (FIXED, FLOW, "limit = 1", "%flow break story work --when 'n > limit'"):
        assert notebook(cell).error is None
    assert not flows["story"].runs

    assert notebook("%flow run story").error is None  # the cell ends where the run pauses

    assert newest().held == [notebook.names["worked"]]
    notebook("%flow break story work --clear")
    notebook("%flow resume story")
    assert newest().wait(PATIENCE_S).is_successful()
    assert notebook("%flow run story").error is None
    assert newest().number == 2
    assert newest().is_finished


def test_breakpoints_are_listed_and_stay_when_the_cell_is_executed_again(notebook):
    for cell in (FIXED, FLOW, "%flow break story work --when 'n > 1'", "%flow break story double --after", FLOW):
        assert notebook(cell).error is None

    said = notebook("%flow breaks story").outputs[-1]["text/plain"]

    assert said == "before work, if n > 1\nafter double"
    notebook("%flow break story --clear-all")
    assert "has no breakpoints" in notebook("%flow breaks story").outputs[-1]["text/plain"]
    assert notebook("%flow run story").error is None
    assert newest().is_finished


def test_a_breakpoint_is_the_flow_s_also_when_its_cell_was_executed_again_during_the_run(notebook):
    for cell in (FIXED, FLOW, "%flow start story --paused", FLOW):
        assert notebook(cell).error is None

    assert notebook("%flow break story work --when 'n > 1'").error is None

    assert [task.name for task in flows["story"].breakpoints] == ["work"]
    notebook("%flow resume story")
    notebook("%flow wait story")
    assert [task.name for task in newest().held] == ["work"]
    assert notebook("%flow break story work --clear").error is None
    assert not flows["story"].breakpoints
    assert not newest().breakpoints
    newest().cancel()


def test_a_breakpoint_of_one_run_alone_is_listed_as_such(held):
    newest().break_at(held.names["doubled"])

    said = held("%flow breaks story").outputs[-1]["text/plain"]

    assert said == "before double (run 1 only)"
    held("%flow break story --clear-all")
    assert not newest().breakpoints


def test_debug_opens_the_shell_s_debugger_where_the_task_failed(held, monkeypatch):
    seen = []

    class Debugger:
        def interaction(self, frame, traceback):
            while traceback.tb_next:
                traceback = traceback.tb_next
            seen.append(traceback.tb_frame.f_locals["n"])

    monkeypatch.setattr(type(held.shell), "debugger_cls", Debugger)

    assert held("%flow debug story").error is None
    assert seen == [2]


def test_stepping_into_a_map_takes_one_child_at_a_time(notebook):
    notebook("%%flow maps --no-show\nmapped = double.map([1, 2, 3])")

    notebook("%flow step maps --into")

    states = flows["maps"].runs[-1].states[notebook.names["mapped"]].map_states
    assert [state.is_finished() for state in states] == [True, False, False]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%flow retry story doubled", "is not paused at task 'double'"),
        ("%flow set story work", "which value?"),
        ("%flow set story work nothing_here", "neither a name of this notebook nor a literal"),
        ("%flow break story work --when 'z > 1'", "--when asks for 'z'; work takes client, n"),
        ("%flow break story work --when 'n >'", "is no expression"),
        ("%flow break story Cluster.cleanup", "a cleanup is never held up"),
        ("%flow break story work --clear-all", "leave out the task"),
        ("%flow skip story Cluster.cleanup", "belongs to a block"),
        ("%flow retry story nothing", "has no task 'nothing'"),
    ],
)
def test_bad_input_is_a_usage_error_naming_culprit_and_remedy(held, line, words):
    error = held(line).error

    assert isinstance(error, UsageError)
    assert words in str(error)
    assert newest().is_paused


def test_a_retry_without_a_run_says_how_to_begin_one(notebook):
    notebook(FIXED)
    notebook(FLOW)

    assert "%flow start story" in str(notebook("%flow retry story").error)
    assert "has not run yet" in str(notebook("%flow values story").error)


def test_a_skip_is_undone_and_the_task_can_be_retried(held):
    held("%flow skip story")

    said = held("%flow undo").outputs[-1]["text/plain"]

    assert said == "work is Failed again in run 1, as before; %flow resume story goes on"
    held(FIXED)
    assert held("%flow retry story").error is None
    held("%flow resume story")
    assert newest().wait(PATIENCE_S).is_successful()


def test_undo_without_anything_to_undo_says_what_can_be(held):
    cell = held("%flow undo story")

    assert isinstance(cell.error, UsageError)
    assert "run 1 of 'story': only what was skipped or set can be undone, until the run goes on" in cell.err


def test_a_value_is_set_on_a_run_that_is_over_and_a_new_one_goes_on_with_it(notebook):
    for cell in (FIXED, FLOW, "%flow run story"):
        assert notebook(cell).error is None
    notebook.names["log"].clear()

    plan = notebook("%flow set story work 5 --dry").outputs[-1]["text/plain"]
    said = notebook("%flow set story work 5").outputs[-1]["text/plain"]

    assert "work     set    set by you" in plan
    assert said.startswith("run 2 of story has started. Plan of 'story', going on from run 1: 1 task runs, 1 set")
    assert newest().wait(PATIENCE_S).is_successful()
    assert newest().results[notebook.names["doubled"]] == 10
    assert newest().kind == "fork"


def test_a_value_for_a_flow_that_has_not_run_is_a_usage_error(notebook):
    notebook(FIXED)
    notebook(FLOW)

    cell = notebook("%flow set story work 5")

    assert isinstance(cell.error, UsageError)
    assert "has not run yet, so there is nothing to go on from" in cell.err
