"""`Run.undo`: what a person skipped or set comes back as it was, until the run goes on."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.engine.time_spans import HOLD, WORK
from nbflow.errors import UndoError
from nbflow.executors import ThreadExecutor
from nbflow.states import Failed, Paused, Pending, Success

LIMIT_S = 20


class Story:
    """A flow with a resource, in which `work` fails as long as it is `broken`."""

    def __init__(self):
        self.lines = []
        self.broken = True
        story = self

        @resource_manager
        class Server:
            def setup(self):
                story.lines.append("setup")

            def cleanup(self, server):
                story.lines.append("cleanup")

        def work(x, server):
            story.lines.append("work")
            if story.broken:
                raise ValueError("broken")
            return x + 1

        with Flow("story") as self.flow:
            self.x = Parameter("x", default=1)
            with Server() as server:
                self.work = task(work)(self.x, server)
            self.after = task(lambda y: y * 10, name="after")(self.work)
            self.last = task(lambda values: sum(values), name="last")([self.after, self.x])

    def start(self, **options):
        run = self.flow.start(hold_on_failure=True, **options)
        assert isinstance(run.wait(LIMIT_S, or_held=True), Paused)
        return run


@pytest.fixture
def story():
    story = Story()
    yield story
    for run in story.flow.runs:
        run.cancel()
        run.wait(LIMIT_S)


@pytest.mark.parametrize("executor", ["inline", "threads"])
@pytest.mark.parametrize("command", ["skip", "set"])
def test_a_held_failure_is_held_again_and_can_be_retried(story, command, executor):
    run = story.start(executor=executor)
    failure = run.states[story.work]
    run.skip(story.work) if command == "skip" else run.set_result(story.work, 7)

    assert run.undo() is story.work

    assert run.states[story.work] is failure
    assert run.held == [story.work]
    assert run.kind == "run"
    assert run.open_resources == ["Server"]
    story.broken = False
    run.retry(story.work)
    run.resume()
    assert run.wait(LIMIT_S).is_successful()
    assert run.results[story.last] == 21
    assert story.lines == ["setup", "work", "work", "cleanup"]


def test_what_is_left_of_an_undone_run_is_what_a_run_without_it_leaves(story):
    """Rules 1 and 3: the failure is let go, and the resource is cleaned up once."""
    run = story.start()
    run.set_result(story.work, 7)
    run.undo()

    run.resume()

    assert isinstance(run.wait(LIMIT_S), Failed)
    assert isinstance(run.states[story.after], Failed)
    assert story.lines == ["setup", "work", "cleanup"]


def test_the_last_thing_done_is_undone_first(story):
    run = story.start()
    run.skip(story.work)
    run.set_result(story.after, 3)

    assert [run.undo(), run.undo()] == [story.after, story.work]

    assert isinstance(run.states[story.after], Pending)
    assert isinstance(run.states[story.work], Failed)


def test_a_list_that_ended_with_it_is_undone_too(story):
    story.broken = False
    run = story.flow.start(paused=True)
    run.set_result(story.after, 5)
    gathered = next(one for one in run.graph.tasks if one.name == "List")
    while not isinstance(run.wait(LIMIT_S, or_held=True), Paused):
        pass
    assert isinstance(run.states[gathered], Success)

    run.undo()

    assert isinstance(run.states[gathered], Pending)
    run.resume()
    assert run.wait(LIMIT_S).is_successful()
    assert run.results[story.last] == 21


def test_a_value_that_was_set_twice_becomes_the_first_one(story):
    run = story.start()
    run.set_result(story.work, 1)
    run.set_result(story.work, 2)

    run.undo()

    assert run.results[story.work] == 1
    assert run.sources[story.work] == "edited"
    run.resume()
    assert run.wait(LIMIT_S).is_successful()
    assert run.results[story.after] == 10


class Map:
    """A map whose last child fails as long as it is `broken`."""

    def __init__(self):
        self.broken = True

        def work(x):
            if x == 2 and self.broken:
                raise ValueError(x)
            return x * 10

        with Flow("map") as self.flow:
            self.worked = task(work).map([1, 3, 2])
            self.total = task(lambda values: sum(values), name="total")(self.worked)

    def skip_the_child(self):
        run = self.flow.start(hold_on_failure=True, executor="inline")
        run.wait(LIMIT_S, or_held=True)
        run.skip(self.worked, 2)
        run.wait(LIMIT_S, or_held=True)
        return run


def test_a_child_of_a_map_comes_back_although_the_map_had_ended_with_it():
    story = Map()
    run, worked = story.skip_the_child(), story.worked

    assert run.undo() is worked
    assert [type(child).__name__ for child in run.states[worked].map_states] == ["Success", "Success", "Failed"]
    story.broken = False
    run.retry(worked, 2)
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert run.results[story.total] == 60


def test_nothing_is_undone_whose_inputs_were_given_back():
    story = Map()
    story.flow.keep = "needed"
    run = story.skip_the_child()

    with pytest.raises(UndoError, match="what it takes was given back since"):
        run.undo()

    run.cancel()
    run.wait(LIMIT_S)


def test_what_ran_beside_and_ended_since_stays_ended():
    begun, may_end = threading.Event(), threading.Event()

    def slow():
        begun.set()
        may_end.wait(LIMIT_S)
        return 1

    def broken():
        begun.wait(LIMIT_S)
        raise ValueError

    with Flow("f") as flow:
        beside = task(slow)()
        failed = task(broken)()
        total = task(lambda x, y: x + y, name="total")(beside, failed)
    run = flow.start(hold_on_failure=True, executor=ThreadExecutor(2))
    held = threading.Event()
    run.listen(lambda event: held.set() if event.note.startswith("held") else None, replay=True)
    held.wait(LIMIT_S)
    run.skip(failed)
    may_end.set()
    run.wait(LIMIT_S, or_held=True)

    run.undo()

    assert run.held == [failed]
    assert run.results[beside] == 1
    run.set_result(failed, 2)
    run.resume()
    assert run.wait(LIMIT_S).is_successful()
    assert run.results[total] == 3


def test_nothing_is_undone_once_the_run_has_gone_on(story):
    run = story.start()
    run.set_result(story.work, 7)
    run.step()

    with pytest.raises(UndoError, match=r"nothing was undone: .* until the run goes on; use run.rerun\(\)"):
        run.undo()

    assert run.results[story.work] == 7


class Value:
    """Something whose end can be seen."""


def test_a_run_that_forgets_its_values_has_none_that_it_could_have_brought_back():
    """V6."""
    with Flow("values") as flow:
        one = task(Value, name="one")()
        two = task(lambda value: None, name="two")(one)
    run = flow.start(paused=True)
    run.step()
    seen = weakref.ref(run.results[one])
    run.set_result(one, Value())
    run.set_result(two, 1)  # the last one that the run waited for
    run.wait(LIMIT_S)

    run.forget()

    gc.collect()
    assert seen() is None


def test_nor_when_another_task_was_retried_since():
    broken = [1]

    with Flow("f") as flow:
        one = task(lambda: 1 / (not broken), name="one")()
        other = task(lambda: 1 / (not broken), name="other")()
        task(lambda x, y: x, name="both")(one, other)
    run = flow.start(hold_on_failure=True, executor=ThreadExecutor(2))
    held = threading.Semaphore(0)
    run.listen(lambda event: held.release() if event.note.startswith("held") else None, replay=True)
    held.acquire(timeout=LIMIT_S)
    run.wait(LIMIT_S, or_held=True)
    if len(run.held) == 1:
        run.step()
    first, second = run.held
    broken.clear()
    run.skip(first)
    run.retry(second)

    with pytest.raises(UndoError, match=f"{second.name!r} has gone on since"):
        run.undo()

    run.cancel()
    run.wait(LIMIT_S)


@pytest.mark.parametrize("end", ["cancel", "over"])
def test_nor_when_the_run_is_cancelled_or_over(story, end):
    run = story.start()
    run.skip(story.work)
    run.cancel() if end == "cancel" else run.resume()
    run.wait(LIMIT_S)

    with pytest.raises(UndoError, match="the run is over"):
        run.undo()


def test_the_hold_goes_on_in_the_times_of_the_task(story):
    run = story.start()
    run.skip(story.work)
    run.undo()
    run.resume()
    run.wait(LIMIT_S)

    kinds = [span.kind for span in run.timings.spans(story.work)]
    assert kinds.count(WORK) == 1
    assert kinds[-1] == HOLD
