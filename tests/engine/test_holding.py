"""A run that is paused with its resources open: looking, fixing, going on (design 6)."""

from __future__ import annotations

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.errors import (
    BreakpointError,
    NotHeldError,
    NothingToStepError,
    OptionError,
    RetryError,
    RunOptionError,
    SetResultError,
    UnknownTaskError,
)
from nbflow.executors import ThreadExecutor
from nbflow.states import Cancelled, Failed, Paused, Skipped, Success

LIMIT_S = 20


class Story:
    """A flow with a resource whose task `work` fails as long as `broken` says so."""

    def __init__(self):
        self.lines = []
        self.broken = True
        story = self

        @resource_manager
        class Server:
            def setup(self):
                story.lines.append("setup")
                return "server"

            def cleanup(self, server):
                story.lines.append("cleanup")

        def work(server, x):
            story.lines.append("work")
            if story.broken:
                raise ValueError("broken")
            return x + 1

        def after(y):
            story.lines.append("after")
            return y * 10

        with Flow("story") as self.flow, Server() as server:
            self.before = task(lambda: 1, name="before")()
            self.work = task(work)(server, self.before)
            self.after = task(after)(self.work)

    def start(self, **options):
        run = self.flow.start(hold_on_failure=True, **options)
        wait_until_still(run)
        return run


def wait_until_still(run):
    assert isinstance(run.wait(LIMIT_S, or_held=True), Paused)


@pytest.fixture
def story():
    story = Story()
    yield story
    for run in story.flow.runs:
        run.cancel()
        run.wait(LIMIT_S)


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_failure_holds_the_run_with_its_resources_open(story, executor):
    run = story.start(executor=executor)

    assert run.held == [story.work]
    assert isinstance(run.states[story.work], Failed)
    assert run.open_resources == ["Server"]
    assert story.lines == ["setup", "work"]
    assert run.state.message == "The run is paused ('work' failed); open: Server."
    assert not run.is_finished


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_fixed_task_is_retried_and_the_run_goes_on_with_the_same_resource(story, executor):
    """Rule 2."""
    run = story.start(executor=executor)
    story.broken = False

    assert isinstance(run.retry(story.work), Success)
    assert run.is_paused
    assert "after" not in story.lines

    run.resume()
    assert run.wait(LIMIT_S).is_successful()
    assert story.lines == ["setup", "work", "work", "after", "cleanup"]
    assert run.results[story.after] == 20


def test_a_retry_that_fails_again_holds_again(story):
    run = story.start()

    assert isinstance(run.retry(story.work), Failed)

    assert run.held == [story.work]
    assert run.open_resources == ["Server"]


def test_resuming_lets_the_failure_stand_and_cleans_up(story):
    """Rule 1."""
    run = story.start()

    run.resume()

    assert isinstance(run.wait(LIMIT_S), Failed)
    assert isinstance(run.states[story.after], Failed)
    assert story.lines == ["setup", "work", "cleanup"]


def test_cancelling_a_held_run_cleans_up_and_keeps_the_failure(story):
    """Rules 1 and 6."""
    run = story.start()

    run.cancel()

    assert isinstance(run.wait(LIMIT_S), Cancelled)
    assert isinstance(run.states[story.work], Failed)
    assert isinstance(run.states[story.after], Cancelled)
    assert story.lines == ["setup", "work", "cleanup"]


def test_a_value_may_be_set_in_place_of_the_failed_one(story):
    run = story.start()

    run.set_result(story.work, 41)
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert run.results[story.after] == 410
    assert run.sources[story.work] == "edited"
    assert run.kind == "fork"
    assert run.sources[story.after] == "computed"
    assert story.lines == ["setup", "work", "after", "cleanup"]


def test_a_value_upstream_may_be_set_before_the_retry(story):
    run = story.start()
    story.broken = False

    run.set_result(story.before, 5)
    run.retry(story.work)

    assert run.results[story.work] == 6


def test_a_failed_task_may_be_skipped(story):
    run = story.start()

    run.skip(story.work)
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert isinstance(run.states[story.after], Skipped)
    assert story.lines == ["setup", "work", "cleanup"]


def test_a_failing_setup_holds_and_is_retried(story):
    """Rules 1 and 9."""
    lines = []
    broken = [OSError("port taken")]

    @resource_manager
    class Server:
        def setup(self):
            self.defer(lines.append, "undone")
            if broken:
                raise broken.pop()
            return "server"

        def cleanup(self, server):
            lines.append("cleanup")

    with Flow("f") as flow, Server() as server:
        used = task(lambda s: s, name="use")(server)
    run = flow.start(hold_on_failure=True)
    wait_until_still(run)

    assert run.held == [server]
    assert lines == ["undone"]
    run.retry(server)
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert run.results[used] == "server"
    assert lines == ["undone", "cleanup"]


def test_a_failing_child_of_a_map_holds_and_is_retried_alone():
    seen = []
    broken = {2}

    @task
    def work(x):
        seen.append(x)
        if x in broken:
            raise ValueError(x)
        return x * 10

    with Flow("f") as flow:
        worked = work.map([1, 2, 3])
    run = flow.start(hold_on_failure=True)
    wait_until_still(run)
    broken.clear()

    run.retry(worked)
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert run.results[worked] == [10, 20, 30]
    assert sorted(seen) == [1, 2, 2, 3]


def test_running_siblings_go_on_while_the_run_is_held():
    import threading

    failed = threading.Event()

    with Flow("f") as flow:
        slow = task(lambda: failed.wait(LIMIT_S), name="slow")()
        task(lambda: 1 / 0, name="broken")()
    run = flow.start(hold_on_failure=True, executor=ThreadExecutor(2))
    run.listen(lambda event: failed.set() if event.note.startswith("held") else None, replay=True)
    wait_until_still(run)

    assert isinstance(run.states[slow], Success)
    run.cancel()
    run.wait(LIMIT_S)


# -- breakpoints ----------------------------------------------------------------------------------------------


def stopped_at(story, *args, **options):
    story.broken = False
    run = story.flow.start(paused=True)
    run.break_at(*args, **options)
    run.resume()
    wait_until_still(run)
    return run


def test_a_run_stands_still_before_a_task_and_goes_on_from_there(story):
    run = stopped_at(story, story.work)
    assert run.held == [story.work]

    assert story.lines == ["setup"]
    assert run.inputs(story.work) == {"server": "server", "x": 1}
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert story.lines == ["setup", "work", "after", "cleanup"]


def test_a_run_stands_still_after_a_task(story):
    run = stopped_at(story, story.work, after=True)
    assert run.held == [story.work]

    assert isinstance(run.states[story.work], Success)
    assert "after" not in story.lines
    run.resume()

    assert run.wait(LIMIT_S).is_successful()


@pytest.mark.parametrize(("limit", "held"), [(0, True), (5, False)])
def test_a_condition_on_the_inputs_decides(story, limit, held):
    story.broken = False
    run = story.flow.start(paused=True)
    run.break_at(story.work, when=lambda x: x > limit)
    run.resume()

    if held:
        wait_until_still(run)
        assert run.held == [story.work]
        run.resume()
    assert run.wait(LIMIT_S).is_successful()


def test_a_condition_that_raises_holds_and_says_so(story):
    run = stopped_at(story, story.work, when=lambda x: x.nothing)
    assert run.held == [story.work]

    assert any("breakpoint at 'work' raised AttributeError" in event.note for event in run.events)


def test_a_step_passes_a_breakpoint(story):
    run = stopped_at(story, story.work)
    assert run.held == [story.work]

    run.step()

    assert run.results[story.work] == 2
    assert run.is_paused


def test_a_breakpoint_may_be_cleared(story):
    story.broken = False
    run = story.flow.start(paused=True)
    run.break_at(story.work)
    run.clear_break(story.work)
    run.resume()

    assert run.wait(LIMIT_S).is_successful()


def test_stepping_into_a_map_stops_at_each_child():
    with Flow("f") as flow:
        worked = task(lambda x: x, name="work").map([1, 2, 3])
    run = flow.start(paused=True)

    run.step(into=True)
    ended = [child.is_finished() for child in run.states[worked].map_states]
    run.step(into=True)

    assert ended == [True, False, False]
    assert [child.is_finished() for child in run.states[worked].map_states] == [True, True, False]
    run.resume()
    assert run.wait(LIMIT_S).is_successful()


def test_a_map_that_was_stepped_into_is_run_until_its_end():
    with Flow("f") as flow:
        worked = task(lambda x: x, name="work").map([1, 2, 3])
        task(lambda xs: xs, name="after")(worked)
    run = flow.start(paused=True)
    run.step(into=True)

    run.until(worked)

    assert [child.is_finished() for child in run.states[worked].map_states] == [True, True, True]
    assert run.is_paused
    with pytest.raises(NothingToStepError, match="has ended already"):
        run.until(worked)
    run.cancel()


# -- the newest definition ------------------------------------------------------------------------------------

CELL = """
from nbflow import Flow, task

@task
def work(x):
    raise ValueError("not yet written")

with Flow("f") as flow:
    worked = work(1)
"""


@pytest.fixture
def notebook(monkeypatch):
    """A module that cells are executed in."""
    import sys
    import types

    module = types.ModuleType("a_notebook")
    monkeypatch.setitem(sys.modules, "a_notebook", module)

    def execute(source):
        exec(source, vars(module))
        return module

    return execute


@pytest.mark.parametrize("cell", ["@task\ndef work(x):\n    return x + 1\n", "def work(x):\n    return x + 1\n"])
def test_a_retry_uses_the_newest_definition_of_the_function(notebook, cell):
    module = notebook(CELL)
    run = module.flow.start(hold_on_failure=True)
    wait_until_still(run)

    notebook(cell)
    run.retry(module.worked)

    assert run.results[module.worked] == 2
    run.resume()
    assert run.wait(LIMIT_S).is_successful()
    assert module.flow.run().is_successful()


def test_a_new_definition_that_takes_something_else_is_refused_and_the_run_stays_held(notebook):
    module = notebook(CELL)
    run = module.flow.start(hold_on_failure=True)
    wait_until_still(run)

    notebook("@task\ndef work(y):\n    return y\n")
    with pytest.raises(RetryError, match="'work' does not take the task's inputs"):
        run.retry(module.worked)

    assert run.held == [module.worked]
    run.cancel()
    run.wait(LIMIT_S)


# -- bad input ------------------------------------------------------------------------------------------------


def test_a_task_at_which_the_run_does_not_stand_is_not_retried(story):
    run = story.start()

    with pytest.raises(NotHeldError, match="is not paused at task 'after'"):
        run.retry(story.after)


def test_what_has_had_consequences_is_not_changed(story):
    story.broken = False
    run = story.flow.start(paused=True)
    run.until(story.after)

    with pytest.raises(SetResultError, match="begun already"):
        run.set_result(story.work, 1)
    with pytest.raises(SetResultError, match="belongs to a block"):
        run.skip(story.flow.blocks[0].cleanup_task)


def test_a_breakpoint_that_is_not_possible_is_refused(story):
    run = story.start()

    with pytest.raises(BreakpointError, match="a cleanup is never held up"):
        run.break_at(story.flow.blocks[0].cleanup_task)
    with pytest.raises(BreakpointError, match="asks for 'z'; the task takes server, x"):
        run.break_at(story.work, when=lambda z: True)
    with pytest.raises(UnknownTaskError):
        run.break_at(task(lambda: 1))


def test_a_blocked_run_can_not_be_held(story):
    with pytest.raises(RunOptionError, match=r"flow\.start"):
        story.flow.run(hold_on_failure=True)


def test_a_held_run_that_nobody_comes_back_to_is_cancelled_after_its_limit(story):
    """Rule 1."""
    run = story.flow.start(hold_on_failure=True, hold_limit_s=0.01)

    assert isinstance(run.wait(LIMIT_S), Cancelled)
    assert story.lines == ["setup", "work", "cleanup"]


def test_a_limit_may_be_set_when_the_run_stands_still_already(story):
    run = story.start()

    run.hold_limit_s = 0.01

    assert isinstance(run.wait(LIMIT_S), Cancelled)


def test_a_limit_must_be_positive(story):
    run = story.start()

    with pytest.raises(OptionError, match="seconds above 0"):
        run.hold_limit_s = 0


def test_waiting_for_a_run_to_stand_still_ends_with_the_run_at_the_latest(story):
    story.broken = False

    assert story.flow.start().wait(LIMIT_S, or_held=True).is_successful()


def test_only_what_failed_is_debugged(story):
    run = story.start()

    with pytest.raises(NotHeldError, match="without an exception"):
        run.debug(story.before)


def test_the_debugger_is_given_the_traceback_of_the_failure(story, monkeypatch):
    seen = []
    monkeypatch.setattr("nbflow.engine.run_control.PostMortem.debugger", staticmethod(seen.append))
    run = story.start()

    run.debug(story.work)

    frame = seen[0]
    while frame.tb_next:
        frame = frame.tb_next
    assert frame.tb_frame.f_locals["x"] == 1


def test_a_run_goes_on_when_a_value_was_set_for_a_task_beside_a_block():
    @resource_manager
    class Opened:
        def setup(self):
            return 1

        def cleanup(self, resource):
            pass

    with Flow("f") as flow:
        first, beside = task(lambda: 1, name="first")(), task(lambda: 2, name="beside")()
        with Opened():
            inside = task(lambda x: x + 1, name="inside")(first)
    run = flow.start(paused=True)

    run.set_result(beside, 5)
    run.resume()

    assert run.wait(60).is_successful()
    assert run.results[inside] == 2
