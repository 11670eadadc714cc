"""One table says what may be done to a task now, and why not: to buttons, to magics and to the run itself."""

from __future__ import annotations

import pytest

from nbflow import Flow, resource_manager, task, unmapped
from nbflow.engine.refusal import refusal
from nbflow.errors import BreakpointError, NotHeldError, SetResultError

COMMANDS = ("retry", "skip", "set", "pin", "break", "debug")


@resource_manager
class Room:
    def setup(self):
        return "room"

    def cleanup(self, room):
        pass


@task
def whole():
    return 12


@task
def divide(number, by, room):
    return number / by


@task
def after(number):
    return number


class Story:
    """A run that is held where `divide` fails for its second child."""

    def __init__(self):
        with Flow("story") as flow:
            self.whole = whole()
            with Room() as room:
                self.divide = divide.map(unmapped(self.whole), [1, 0], unmapped(room))
            self.after = after(self.divide)
        self.cleanup = flow.blocks[0].cleanup_task
        self.run = flow.start(hold_on_failure=True)
        self.run.wait(or_held=True)

    def may(self, chosen, index=None):
        return {name for name in COMMANDS if not refusal(self.run, name, chosen, index)}


@pytest.fixture
def story():
    story = Story()
    yield story
    story.run.cancel()
    story.run.wait()


def test_a_task_at_which_the_run_is_held_may_be_tried_again_left_out_and_looked_at(story):
    assert story.may(story.divide, 1) == {"retry", "skip", "set", "break", "debug"}


def test_a_map_without_a_number_means_the_child_that_is_held(story):
    assert story.may(story.divide) == story.may(story.divide, 1)


def test_a_task_that_has_ended_well_may_be_pinned(story):
    assert story.may(story.whole) == {"pin", "break"}
    assert refusal(story.run, "skip", story.whole) == "it has ended well already"


def test_a_task_that_has_not_run_may_be_set_left_out_or_stopped_at(story):
    assert story.may(story.after) == {"skip", "set", "break"}


def test_a_cleanup_is_left_alone(story):
    assert story.may(story.cleanup) == set()


def test_a_child_that_is_not_there_is_refused(story):
    assert {refusal(story.run, name, story.divide, 2) for name in COMMANDS} == {"there is no such child"}


def test_a_strange_task_is_refused(story):
    assert refusal(story.run, "retry", Story.__new__(Story)) == "the run has no such task"


def test_a_run_that_is_over_takes_no_commands_but_shows_what_it_has(story):
    story.run.cancel()
    story.run.wait()

    assert story.may(story.divide, 1) == {"debug"}
    assert story.may(story.whole) == {"pin"}
    assert "over" in refusal(story.run, "set", story.after)


@pytest.mark.parametrize(
    ("command", "error"),
    [("set", SetResultError), ("skip", SetResultError), ("break", BreakpointError), ("retry", NotHeldError)],
)
def test_the_run_refuses_with_the_same_words(story, command, error):
    run, cleanup = story.run, story.cleanup
    call = {
        "set": lambda: run.set_result(cleanup, 1),
        "skip": lambda: run.skip(cleanup),
        "break": lambda: run.break_at(cleanup),
        "retry": lambda: run.retry(cleanup),
    }[command]

    with pytest.raises(error) as caught:
        call()

    assert refusal(run, command, cleanup).removesuffix(" it") in str(caught.value)


def test_a_breakpoint_in_a_run_that_is_over_is_refused_with_words(story):
    story.run.cancel()
    story.run.wait()

    with pytest.raises(BreakpointError, match="over"):
        story.run.break_at(story.after)
