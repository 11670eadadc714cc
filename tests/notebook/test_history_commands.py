"""`%flow runs`, `label`, `compare` and `logs`: the runs there were, of this kernel and of earlier ones."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from nbflow import flows
from tests.patience import PATIENCE_S

FLOW = """%%flow story --no-show
n = Parameter("n", default=2)
first = load(n)
second = double(first)
"""
SPEAKING = """
import logging

@task
def speak(x):
    print("printed", x)
    logging.getLogger("mine").warning("warned <b>%s</b>", x)

@task
def end(x):
    print("the END")
"""


@pytest.fixture
def story(notebook):
    notebook(FLOW)
    assert notebook("%flow run story --name baseline --tag large --tag 'old data' --note 'as in May'").error is None
    return notebook


@pytest.fixture
def stored(story, tmp_path):
    """A flow that has not run in this notebook, with a run of an earlier one in its store."""
    assert story(f"%flow run story --store {tmp_path}/kept -p n=5 --name stored --tag old").error is None
    story("%flow reset story")
    story(FLOW)
    flows["story"].store = tmp_path / "kept"
    return story


def plain(cell):
    assert cell.error is None
    return cell.outputs[-1]["text/plain"]


def newest():
    return flows["story"].runs[-1]


# -- labels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["start story", "step story", "rerun story all"])
def test_name_tags_and_note_are_given_to_whatever_begins_a_run(story, line):
    assert story(f"%flow {line} --name mine --tag a --tag b --note 'what for'").error is None

    assert (newest().number, newest().name, newest().tags, newest().note) == (2, "mine", ("a", "b"), "what for")


def test_the_drawing_of_a_run_says_what_it_is_called(notebook):
    notebook(FLOW)

    text = plain(notebook("%flow run story --name baseline --tag large --note 'as in May'"))

    assert text.startswith("story, run 1 (baseline): ✓ Success · tagged large · as in May\n")


def test_a_label_is_changed_and_shown(story):
    text = plain(story("%flow label story --name best --tag final --untag large --note ''"))

    assert text == "run 1 of story · best · tagged old data, final"
    assert (newest().name, newest().tags, newest().note) == ("best", ("old data", "final"), "")
    assert plain(story("%flow label best")) == text


def test_a_run_without_a_label_says_so(story):
    story("%flow run story")

    assert plain(story("%flow label")) == "run 2 of story has no name, tags or note"
    assert plain(story("%flow label 1")).startswith("run 1 of story · baseline · tagged")


def test_a_going_run_is_labelled_by_its_own_command_and_not_by_a_step(story):
    story("%flow step story")

    error = story("%flow step story --note late").error
    assert isinstance(error, UsageError)
    assert "run 2 is going, and --note is for one that begins; leave it out (%flow label story" in str(error)

    story("%flow label story --note late")
    assert newest().note == "late"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("label story 7", "there is no run 7; there are 1; see %flow runs story"),
        ("label story baselin", "there is no run 'baselin'; do you mean 'baseline'?"),
        ("label story --untag huge", "run 1 has no tag 'huge'; it has 'large', 'old data'"),
        ("label story --name ''", "the name of a run is empty"),
        ("start story --tag ''", "a tag of a run is empty"),
        ("compare story 1 1", "both are run 1; name two runs"),
        ("compare story", "has only one run, it takes two"),
        ("logs story --level loud", "--level 'loud' is no level; it takes debug, info"),
        ("logs story --tail 0", "--tail '0' is no number of lines"),
        ("logs story loads", "has no task 'loads'"),
    ],
)
def test_bad_input_is_a_usage_error_that_says_what_to_do(story, line, words):
    error = story(f"%flow {line}").error

    assert isinstance(error, UsageError)
    assert words in str(error)
    assert len(flows["story"].runs) == 1


# -- runs ---------------------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first_with_what_is_said_of_them(story):
    story("%flow rerun story all")
    newest().wait(PATIENCE_S)

    heading, head, *lines = plain(story("%flow runs")).splitlines()

    assert heading == "story: 2 runs"
    assert head.split() == ["run", "name", "state", "tasks", "began", "took", "tags", "note"]
    assert lines[0].split()[:6] == ["2", "✓", "Success", "2", "of", "2"]
    assert "rerun of 1: everything" in lines[0]
    assert lines[1].split()[:4] == ["1", "baseline", "✓", "Success"]
    assert lines[1].endswith("large, old data  as in May")


def test_what_failed_is_counted(notebook):
    notebook("@task\ndef fail(x):\n    raise ValueError")
    notebook("%%flow story --no-show\nfirst = load(1)\nsecond = fail(first)\nthird = double(second)")
    notebook("%flow run story --no-raise")

    assert "✗ Failed  1 of 3, 1 failed" in plain(notebook("%flow runs"))


def test_stored_runs_of_earlier_kernels_are_listed_with_how_to_go_on_from_them(stored, tmp_path):
    heading, _, line, *below = plain(stored("%flow runs story")).splitlines()

    assert heading == f"story: 0 runs, and 1 of earlier kernels in '{tmp_path}/kept'"
    assert line.split()[:5] == ["2", "stored", "✓", "Success", "2"]
    assert "earlier kernel; n = 5" in line
    assert below == ["%flow resume story --run 2 goes on from a run of an earlier kernel"]


def test_a_run_of_this_kernel_is_listed_once_though_it_is_stored(stored):
    stored("%flow run story")

    heading, _, *lines = plain(stored("%flow runs story")).splitlines()

    assert heading.startswith("story: 1 run, and 1 of earlier kernels")
    assert [line.split()[0] for line in lines[:2]] == ["3", "2"]


def test_a_store_that_cannot_be_read_is_told_below_the_runs_of_this_kernel(stored, tmp_path):
    next(tmp_path.rglob("run.json")).write_text("no json")
    stored("%flow run story")

    text = plain(stored("%flow runs story"))

    assert text.startswith("story: 1 run\n")
    assert "in the store: " in text
    assert "run.json" in text


def test_the_store_of_earlier_kernels_is_named_on_the_line(stored, tmp_path):
    flows["story"].store = None

    assert plain(stored("%flow runs story")) == "story: 0 runs"
    assert "1 of earlier kernels" in plain(stored(f"%flow runs story --store {tmp_path}/kept"))


def test_a_stored_run_is_labelled_in_its_store(stored):
    plain(stored("%flow label stored --note 'before the move'"))

    assert flows["story"].stored_runs()[0].note == "before the move"


def test_what_users_write_is_escaped_in_the_table(story):
    story("%flow label --name '<b>x</b>' --tag '<i>' --note '<script>'")

    page = story("%flow runs").outputs[-1]["text/html"]

    assert "<b>x" not in page
    assert "<i>" not in page
    assert "<script>" not in page


# -- compare ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["", "story", "1", "baseline", "1 2", "story 1 2", "baseline story-2"])
def test_the_last_two_runs_or_those_that_are_named_are_put_side_by_side(story, line):
    story("%flow run story -p n=5")

    heading = plain(story(f"%flow compare {line}")).splitlines()[0]

    assert heading.split() == ["run", "1", "(baseline)", "run", "2", "value", "code"]


def test_the_order_of_two_that_are_named_is_kept(story):
    story("%flow run story -p n=5")

    assert plain(story("%flow compare 2 1")).splitlines()[0].split()[:3] == ["run", "2", "run"]


def test_a_run_of_an_earlier_kernel_is_compared_with_one_of_this(stored):
    stored("%flow run story")

    text = plain(stored("%flow compare story"))

    assert text.splitlines()[0].split() == ["stored", "run", "2", "(stored)", "run", "3", "value", "code"]
    assert "different" in text


# -- logs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def speaking(notebook):
    notebook(SPEAKING)
    assert notebook("%%flow story --no-show\nfirst = speak.map([1, 2])\nlast = end(first)").error is None
    assert notebook("%flow run story").error is None
    return notebook


def said(cell):
    """What stands behind the times."""
    heading, *lines = plain(cell).splitlines()
    return heading, [line.split("  ", 1)[1].split() for line in lines]


def test_the_lines_of_a_run_stand_in_the_order_of_time_with_their_tasks(speaking):
    assert said(speaking("%flow logs")) == (
        "run 1 of story: 5 lines",
        [
            ["speak[0]", "printed", "1"],
            ["speak[0]", "WARNING", "warned", "<b>1</b>"],
            ["speak[1]", "printed", "2"],
            ["speak[1]", "WARNING", "warned", "<b>2</b>"],
            ["end-1", "the", "END"],
        ],
    )


@pytest.mark.parametrize(
    ("line", "heading", "count"),
    [
        ("logs story end", "end in run 1 of story: 1 line", 1),
        ("logs end", "end in run 1 of story: 1 line", 1),
        ("logs speak[1]", "speak[1] in run 1 of story: 2 lines", 2),
        ("logs --level warning", "run 1 of story: 2 of 5 lines", 2),
        ("logs --search 'the end'", "run 1 of story: 1 of 5 lines", 1),
        ("logs --tail 2", "run 1 of story: 5 lines, the last 2 are shown", 2),
        ("logs --level error", "run 1 of story: none of 5 lines fits", 0),
        ("logs --run 1 --level 30 --search 2", "run 1 of story: 1 of 5 lines", 1),
    ],
)
def test_lines_are_chosen_by_task_level_words_and_number(speaking, line, heading, count):
    found, lines = said(speaking(f"%flow {line}"))

    assert found == heading
    assert len(lines) == count


def test_what_was_logged_is_escaped_and_what_is_urgent_is_set_off(speaking):
    page = speaking("%flow logs").outputs[-1]["text/html"]

    assert "warned &lt;b&gt;1&lt;/b&gt;" in page
    assert page.count('<span class="nbflow-urgent">') == 2


def test_a_silent_run_says_so(story):
    assert plain(story("%flow logs")) == "run 1 of story: nothing was said"


def test_what_a_run_of_an_earlier_kernel_said_is_not_there(stored):
    error = stored("%flow logs --run 2").error

    assert "run 2 is of an earlier kernel: the store has what its tasks returned, not what they said" in str(error)


# -- completion ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%flow compare story ", ["2", "1", "story-2", "baseline"]),
        ("%flow compare story 1 b", ["baseline"]),
        ("%flow compare b", ["baseline"]),
        ("%flow label story b", ["baseline"]),
        ("%flow logs story --run b", ["baseline"]),
        ("%flow logs story --level w", ["warning"]),
        ("%flow label story --untag l", ["large"]),
        ("%flow resume story --what f", ["failed"]),
    ],
)
def test_tab_offers_runs_by_number_and_name(story, line, expected):
    story("%flow run story")
    with provisionalcompleter():
        found = [done.text for done in story.shell.Completer.completions(line, len(line))]

    assert [one for one in found if not one.startswith("--")] == sorted(expected)


# -- errors -------------------------------------------------------------------------------------------------------

FAILING = """
@task
def clean(row):
    raise ValueError(f"row {row} is bad")
"""


def test_the_errors_of_a_run_are_printed_once_each_with_whoever_has_them(notebook):
    notebook(FAILING)
    notebook("%%flow rows --no-show\nclean.map([1, 2, 3])")
    notebook("%flow run rows --no-raise")

    cell = notebook("%flow errors rows")

    assert cell.error is None
    assert "rows, run 1: 3 failures, 1 kind" in plain(cell)
    assert "3 children of clean: clean[0], clean[1], clean[2]" in plain(cell)
    assert plain(cell).count("Traceback (most recent call last)") == 1


def test_a_map_whose_children_failed_counts_as_failed_in_the_list_of_runs(notebook):
    notebook(FAILING)
    notebook("%%flow rows --no-show\nclean.map([1, 2, 3])")
    notebook("%flow run rows --no-raise")

    assert "0 of 3, 3 failed" in plain(notebook("%flow runs rows"))


def test_a_run_that_went_well_has_none(story):
    assert "nothing has failed" in plain(story("%flow errors story"))


def test_of_a_stored_run_the_messages_are_left(notebook, tmp_path):
    notebook(FAILING)
    notebook("%%flow rows --no-show\nclean(1)")
    notebook(f"%flow run rows --no-raise --store {tmp_path}/kept --name first")
    notebook("%flow reset rows")
    notebook("%%flow rows --no-show\nclean(1)")
    flows["rows"].store = tmp_path / "kept"

    said = plain(notebook("%flow errors rows --run first"))

    assert "what failed" in said
    assert "row 1 is bad" in said
