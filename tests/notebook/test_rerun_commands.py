"""`%flow plan` and `%flow rerun`: what would be done, and doing it."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from nbflow import flows
from tests.patience import PATIENCE_S

FLOW = """%%flow story --no-show
n = Parameter("n", default=2)
first = load(n)
second = double(first)
third = double(7)
"""


def newest():
    return flows["story"].runs[-1]


@pytest.fixture
def story(notebook):
    notebook(FLOW)
    assert notebook("%flow run story").error is None
    notebook.names["log"].clear()
    return notebook


def plan_of(cell):
    assert cell.error is None
    return cell.outputs[-1]["text/plain"]


def test_the_plan_says_what_would_run_and_why(story):
    text = plan_of(story("%flow plan story second"))

    assert "1 task runs, " in text
    assert "asked for" in text
    assert story.names["log"] == []


def test_a_changed_parameter_runs_what_depends_on_it(story):
    assert story("%flow rerun story -p n=5").error is None
    newest().wait(PATIENCE_S)

    assert newest().results[story.names["second"]] == 10
    assert newest().parameters == {"n": 5}


def test_a_task_is_run_again_with_what_follows_from_it(story):
    said = story("%flow rerun story first").outputs[-1]["text/plain"]
    newest().wait(PATIENCE_S)

    assert said.startswith("run 2 of story has started. Plan of 'story', going on from run 1: 2 tasks run")
    assert story.names["log"] == ["load 2", "double 2"]
    assert newest().sources[story.names["third"]] == "reused"


def test_dry_shows_the_plan_and_runs_nothing(story):
    text = plan_of(story("%flow rerun story first --dry"))

    assert "2 tasks run, " in text
    assert story.names["log"] == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%flow rerun story failed", "nothing"),
        ("%flow plan story fist", "has no task 'fist'"),
        ("%flow rerun story -p m=1", "m"),
    ],
)
def test_bad_input_is_a_usage_error(story, line, words):
    error = story(line).error

    assert isinstance(error, UsageError)
    assert words in str(error)


def test_a_rerun_without_a_run_says_how_to_begin_one(notebook):
    notebook(FLOW)

    assert "%flow start story" in str(notebook("%flow rerun story").error)


def test_forget_gives_the_values_of_the_runs_back(story):
    said = story("%flow forget story").outputs[-1]["text/plain"]

    assert said.startswith("story: 1 run gave back about ")
    assert newest().is_released
    assert newest().states[story.names["second"]].is_successful()


def test_runs_lists_the_runs_and_what_their_values_take(story):
    story("import nbflow; nbflow.flows['story'].run()")
    story("nbflow.flows['story'].runs[-1].forget()")

    said = story("%flow runs story").outputs[-1]["text/plain"].splitlines()

    assert said[0] == "story: 2 runs"
    assert [line.split()[:3] for line in said[2:]] == [["2", "✓", "Success"], ["1", "✓", "Success"]]
    assert "given back" not in said[2]  # there was nothing to give back: numbers stay


def test_runs_says_what_was_given_back(notebook):
    notebook("@task\ndef made():\n    return bytes(2_000_000)")
    notebook("%%flow big --no-show\nlarge = made()")
    notebook("%flow run big")
    before = notebook("%flow runs big").outputs[-1]["text/plain"]
    notebook("%flow forget big")
    after = notebook("%flow runs big").outputs[-1]["text/plain"]

    assert "2 MB in memory" in before
    assert "given back" in after
