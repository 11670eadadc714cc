"""The names that users meet: of the package, of flows, tasks and runs. Who adds one decides so, here."""

from __future__ import annotations

import pytest

import nbflow
from nbflow import Flow, Parameter, Run, Task, task

PACKAGE = """
    BlockOutcome CompareValue Constant Dict Edge FilterTask Flow FunctionTask List Merge Parameter ResourceManager Run
    Set Task Tuple __version__ apply_map as_task cache_validators case context defaults_from_attrs executors flatten
    flows ifelse live_runs mapped merge resource_cleanup_trigger resource_manager signals states switch tags task
    triggers unmapped
"""
RUN = """
    block_status break_at breakpoints cancel cleanup_failures compare debug events facts files forget held hold_limit_s
    hold_on_failure inputs is_finished is_paused kind logs next_task on_end open_resources panel parent pause pin
    rerun results resume retry retry_cleanup set_result skip sources state states step text timings undo
    until wait
"""
ATTRIBUTES_OF_A_RUN = "flow graph id name note number parameters plan tags"
FLOW = """
    add_edge add_task all_downstream_edges all_upstream_edges breakpoints cells chain copy downstream_tasks edges
    edges_from edges_in edges_out edges_to get_tasks panel parameters plan reference_tasks replace resume resume_stored
    root_tasks run set_dependencies set_reference_tasks sorted_tasks start store stored_runs tasks terminal_tasks update
    upstream_tasks validate visualize
"""
ATTRIBUTES_OF_A_FLOW = """
    blocks constants executor keep keep_bytes name runs slugs state_handlers terminal_state_handler
"""
TASK = """
    auto_generated bind bundle cache_for cache_key checkpoint copy files inputs is_equal is_not_equal keep log_stdout
    logger map max_concurrent max_retries not_ nout or_ outputs pipe placement portable rerun_if_lost result retry_delay
    retry_on run set_dependencies set_downstream set_upstream skip_on_upstream_skip slug target task_run_name timeout
"""
ATTRIBUTES_OF_A_TASK = "cache_validator name state_handlers tags trigger"


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_")}


@pytest.fixture
def run():
    flow = Flow("ask", tasks=[Parameter("x", default=1)])
    flow.run()
    return flow.runs[-1]


def test_the_package_offers_these_names():
    assert set(nbflow.__all__) == set(PACKAGE.split())


@pytest.mark.parametrize(("kind", "names"), [(Run, RUN), (Flow, FLOW), (Task, TASK)])
def test_a_class_offers_these_names(kind, names):
    assert public(dir(kind)) == set(names.split())


def test_a_run_has_these_attributes_besides(run):
    assert public(dir(run)) == set((RUN + ATTRIBUTES_OF_A_RUN).split())


def test_a_flow_has_these_attributes_besides():
    assert public(dir(Flow("empty"))) == set((FLOW + ATTRIBUTES_OF_A_FLOW).split())


def test_a_task_has_these_attributes_besides():
    assert public(dir(Task("alone"))) == set((TASK + ATTRIBUTES_OF_A_TASK).split())


def test_no_class_offers_more_than_a_person_can_look_through():
    assert len(RUN.split()) <= 42
    assert len(FLOW.split()) <= 40


def test_the_earlier_names_of_a_run_go_on_working(run):
    heard = []
    run.listen(heard.append, replay=True)()

    assert heard == run.events
    assert (run.started_at, run.ended_at) == (run.timings.started_at, run.timings.ended_at)
    assert run.held_bytes == run.facts.held_bytes
    assert (run.breakpoints, run.is_released) == ({}, False)
    assert run.executor is not None


@pytest.mark.parametrize("step", ["step_nowait", "step_block_nowait"])
def test_the_earlier_names_of_steps_that_are_not_waited_for_go_on_working(step):
    with Flow("two") as flow:
        tasks = [task(lambda: 1, name="one")(), task(lambda: 2, name="two")()]
    run = flow.start(paused=True)

    getattr(run, step)()
    run.wait(or_held=True)

    assert run.states[tasks[0]].is_successful()
    run.cancel()
    run.wait()


def test_a_name_that_a_run_never_had_is_told_as_python_does(run):
    with pytest.raises(AttributeError, match="'Run' object has no attribute 'stats'") as caught:
        run.stats  # noqa: B018

    assert (caught.value.name, caught.value.obj) == ("stats", run)


def test_the_earlier_word_for_what_a_rerun_would_do_goes_on_working(run):
    assert run.plan_rerun("all", x=5).text() == run.rerun("all", dry=True, x=5).text()
