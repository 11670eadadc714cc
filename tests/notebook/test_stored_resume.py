"""`%flow run --store` and `%flow resume` without a paused run: an earlier kernel's run is gone on from."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from nbflow import flows
from tests.patience import PATIENCE_S

TASKS = """
import os

@task
def total(x):
    log.append("total")
    if "IS_READY" not in os.environ:
        raise ValueError("not yet")
    return x + 1
"""
FLOW = """%%flow story --no-show
n = Parameter("n", default=2)
first = load(n)
last = total(first)
"""


@pytest.fixture
def earlier(notebook, tmp_path, monkeypatch):
    """A notebook in a new kernel, as far as the flow knows; the one before kept a run that failed at its last task."""
    notebook(TASKS)
    notebook(FLOW)
    assert notebook(f"%flow run story --store {tmp_path}/kept -p n=5 --no-raise").error is None
    monkeypatch.setenv("IS_READY", "yes")
    notebook("%flow reset story")
    notebook("log.clear()")
    notebook(FLOW)
    return notebook


@pytest.fixture
def kept(earlier, tmp_path):
    """The same, where the flow has its store."""
    flows["story"].store = tmp_path / "kept"
    return earlier


def words(cell):
    assert cell.error is None
    return cell.outputs[-1]["text/plain"]


def ended():
    run = flows["story"].runs[-1]
    run.wait(PATIENCE_S)
    return run


# -- a store that a line names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["run story", "start story", "step story"])
def test_a_line_gives_the_flow_a_store_for_this_and_later_runs(notebook, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    notebook("%%flow story --no-show\nfirst = load(1)")

    assert notebook(f"%flow {line} --store kept").error is None
    ended()
    monkeypatch.chdir("/")
    notebook("%flow run story")

    assert flows["story"].store == tmp_path / "kept"
    assert [run.number for run in flows["story"].stored_runs()] == [1, 2]


def test_the_same_store_named_again_is_the_same(notebook, tmp_path):
    notebook("%%flow story --no-show\nfirst = load(1)")
    notebook(f"%flow run story --store {tmp_path}/kept")
    before = flows["story"]._its_store()

    notebook(f"%flow run story --store {tmp_path}/kept/../kept")

    assert flows["story"]._its_store() is before


@pytest.mark.parametrize("name", ["a file", "", "a file/inside"])
def test_what_can_be_no_folder_is_refused_before_anything_runs(notebook, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("")
    notebook("%%flow story --no-show\nfirst = load(1)")

    error = notebook(f"%flow run story --store '{name}'").error

    assert isinstance(error, UsageError)
    assert f"--store {name!r}" in str(error)
    assert flows["story"].store is None
    assert len(flows["story"].runs) == 0


def test_a_flow_whose_cell_is_executed_again_keeps_the_store_that_a_line_gave_it(notebook, tmp_path):
    cell = "from nbflow import Flow\nwith Flow('plain') as flow:\n    first = load(1)"
    notebook(cell, cell_id="a")
    notebook(f"%flow run plain --store {tmp_path}/kept")
    notebook(cell, cell_id="a")
    notebook("%flow run plain")

    assert [run.number for run in flows["plain"].stored_runs()] == [1, 2]


def test_a_store_that_the_cell_has_given_and_no_longer_gives_is_gone(notebook, tmp_path):
    cell = "from nbflow import Flow\nwith Flow('plain', store={!r}) as flow:\n    first = load(1)"
    notebook(cell.format(str(tmp_path)), cell_id="a")
    notebook("%flow run plain")
    notebook(cell.format(None), cell_id="a")

    assert flows["plain"].store is None


# -- resume -------------------------------------------------------------------------------------------------------


def test_only_what_is_left_runs_and_the_cell_says_how_to_see_it(kept):
    text = words(kept("%flow resume story"))
    run = ended()

    assert text == (
        "run 2 of story has started from run 1 of an earlier kernel: 1 task runs, 1 reused. "
        "%flow panel story shows it live, %flow wait story waits for its end"
    )
    assert kept.names["log"] == ["total"]
    assert run.results[kept.names["last"]] == 6
    assert run.parameters == {"n": 5}


def test_the_line_names_the_store_of_the_earlier_kernel(earlier, tmp_path):
    words(earlier(f"%flow resume story --store {tmp_path}/kept"))

    assert ended().parent.number == 1


def test_dry_shows_the_plan_and_runs_nothing(kept):
    text = words(kept("%flow resume story --dry"))

    assert text.startswith("plan of 'story', going on from run 1: 1 task runs, 1 reused")
    assert len(flows["story"].runs) == 0
    assert kept.names["log"] == []


def test_a_run_is_chosen_by_number_or_name(kept):
    kept("%flow run story -p n=7 --name other")
    kept.names["log"].clear()

    kept("%flow resume story --run 1")
    assert (ended().parent.number, ended().parameters) == (1, {"n": 5})
    kept("%flow resume story --run other --what all")
    assert (ended().parent.number, ended().parameters) == (2, {"n": 7})


def test_after_a_change_of_code_the_line_must_say_what_is_to_run(kept):
    kept(TASKS.replace("x + 1", "x + 2"))
    kept("@task\ndef load(n=1):\n    log.append('new load')\n    return 10 * n")
    kept(FLOW)

    error = kept("%flow resume story").error

    assert isinstance(error, UsageError)
    assert "'load-1': its code has changed" in str(error)
    assert "--what stale (" in str(error)
    assert "what='stale'" not in str(error)
    assert len(flows["story"].runs) == 0


@pytest.mark.parametrize(("what", "result"), [("stale", 52), ("failed", 7), ("all", 52)])
def test_what_is_to_run_after_a_change_is_chosen(kept, what, result):
    kept(TASKS.replace("x + 1", "x + 2"))
    kept("@task\ndef load(n=1):\n    return 10 * n")
    kept(FLOW)

    words(kept(f"%flow resume story --what {what}"))

    assert ended().results[kept.names["last"]] == result


def test_a_run_of_this_kernel_that_ended_well_leaves_nothing_to_resume(kept):
    kept("%flow run story")

    assert words(kept("%flow resume story")) == (
        "nothing is left to resume: run 2 of story ended well; %flow rerun story runs again"
    )
    assert len(flows["story"].runs) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("resume story --run 9", "there is no run 9; there are 1"),
        ("resume story --what some", "--what 'some' is none of stale, failed, all"),
        ("resume story last", "has not run yet"),
    ],
)
def test_bad_input_is_a_usage_error(kept, line, said):
    error = kept(f"%flow {line}").error

    assert isinstance(error, UsageError)
    assert said in str(error)
    assert len(flows["story"].runs) == 0


def test_without_a_paused_run_and_without_a_store_both_remedies_are_said(earlier):
    error = earlier("%flow resume story").error

    assert isinstance(error, UsageError)
    assert "no run of flow 'story' is paused (it has not run yet), and it has no store: add --store DIR" in str(error)
    assert "%flow start story begins one" in str(error)


def test_an_empty_store_is_said_to_be_empty(earlier, tmp_path):
    error = earlier(f"%flow resume story --store {tmp_path}/other").error

    assert isinstance(error, UsageError)
    assert "flow 'story' has no run to go on from: there is none in" in str(error)


def test_a_damaged_store_is_told_in_words(kept, tmp_path):
    next(tmp_path.rglob("run.json")).write_text("no json")

    error = kept("%flow resume story").error

    assert isinstance(error, UsageError)
    assert "run.json" in str(error)


def test_a_paused_run_goes_on_as_it_always_did(kept):
    kept("%flow step story")

    refused = kept("%flow resume story --what all").error
    assert isinstance(refused, UsageError)
    assert "--what is for going on from a stored run, but run 2 of 'story' is not over" in str(refused)

    assert words(kept("%flow resume story")) == "run 2 of story goes on"
    assert ended().parent is None
