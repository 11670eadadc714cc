"""Each command of `%flow` takes its own words and options, from which help, completion and the page are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from nbflow import flows
from nbflow.notebook.magics.command_table import COMMANDS, reference
from nbflow.notebook.magics.magic_arguments import split

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
FLOW = """%%flow example --no-show
n = Parameter("n", default=2)
with Cluster() as client:
    total = double(use(client, n))
"""


@pytest.fixture
def example(notebook):
    assert notebook(FLOW).error is None
    return notebook


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("start example --dry", ["%flow start", "--dry", "--paused"]),
        ("pause example --hold", ["%flow pause", "--hold", "none"]),
        ("run example --no-rase", ["do you mean --no-raise?"]),
        ("run example --paused", ["--paused", "--no-raise"]),
        ("step example --param", ["--param", "%flow help step"]),
        ("pause example double-1", ["double-1", "%flow pause [NAME]"]),
        ("until example a b", ["b", "%flow until [NAME] TASK"]),
        ("canel example", ["'canel'", "do you mean 'cancel'?"]),
        ("example", ["%flow show example"]),
        ("help example", ["%flow show example"]),
        ("until example duble-1", ["'duble-1'", "do you mean 'double-1'?"]),
        ("run exmaple", ["'exmaple'", "do you mean 'example'?"]),
    ],
)
def test_what_a_command_does_not_take_is_refused_and_nothing_runs(example, line, words):
    cell = example(f"%flow {line}")

    assert isinstance(cell.error, UsageError)
    assert [word for word in words if word not in cell.err] == []
    assert len(flows["example"].runs) == 0


@pytest.mark.parametrize("line", ["show example  # drawn", "show # the only one", "run -p n=3 # three", "# all"])
def test_a_comment_at_the_end_of_a_line_is_none_of_its_words(example, line):
    assert example(f"%flow {line}").error is None


def test_a_number_sign_in_quotes_or_in_a_word_is_no_comment():
    assert split("set f t '# 1' -p colour=#fff # text", "%flow set") == [
        "set",
        "f",
        "t",
        "# 1",
        "-p",
        "colour=#fff",
    ]


def test_a_block_that_is_not_there_is_guessed(example):
    cell = example("%%flow example --in Custer\nload(1)")

    assert isinstance(cell.error, UsageError)
    assert "do you mean 'Cluster'?" in cell.err


def test_help_has_a_line_for_each_command(example):
    text = example("%flow help").outputs[-1]["text/plain"]

    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}
    assert set(lines) == set(COMMANDS)
    assert all(len(line.split()) > 3 for line in lines.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_shows_its_line_and_all_its_options(example, name):
    text = example(f"%flow help {name}").outputs[-1]["text/plain"]

    assert text.startswith(f"%flow {name}")
    assert [one.flags for one in COMMANDS[name].options if one.help not in text] == []


def test_one_flow_needs_no_name_whatever_the_command_takes(example):
    example("%flow step")
    example("%flow set double-1 [5]")
    example("%flow resume")
    example("%flow wait")

    assert flows["example"].runs[-1].results[example.names["total"]] == [5]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "%flow start example --",
            ["--executor", "--hold", "--name", "--note", "--notify", "--paused", "--store", "--tag"],
        ),
        ("%flow rerun example f", ["failed"]),
        ("%flow help ru", ["run", "runs"]),
        ("%%task --n", ["--needs"]),
    ],
)
def test_tab_offers_what_the_command_takes(example, line, expected):
    with provisionalcompleter():
        found = [done.text for done in example.shell.Completer.completions(line, len(line))]

    assert found == expected


def test_the_page_of_the_documentation_is_the_one_made_from_the_commands():
    """Made again by `from nbflow.notebook.magics.command_table import reference; print(reference(), end="")`."""
    assert PAGE.read_text(encoding="utf-8") == reference()
