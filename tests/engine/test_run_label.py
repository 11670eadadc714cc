"""The name, tags and note of a run: given when it starts, changed later, and found again."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter
from nbflow.errors import OptionTypeError, RunOptionError, UnknownRunError


@pytest.fixture
def flow():
    return Flow("ask", tasks=[Parameter("x", default=1)])


def finished(flow, **options):
    flow.run(**options)
    return flow.runs[-1]


def test_a_run_is_called_by_its_flow_and_number_unless_somebody_names_it(flow):
    run = finished(flow)

    assert (run.name, run.tags, run.note) == ("ask-1", (), "")


@pytest.mark.parametrize("begin", ["run", "start"])
def test_name_tags_and_note_are_given_when_a_run_begins(flow, begin):
    getattr(flow, begin)(flow_run_name="baseline", run_tags=["large", "old data", "large"], run_note=" as in May ")
    run = flow.runs[-1]
    run.wait()

    assert (run.name, run.tags, run.note) == ("baseline", ("large", "old data"), "as in May")


def test_a_rerun_has_a_label_of_its_own(flow):
    run = finished(flow, flow_run_name="baseline", run_tags=["large"]).rerun(run_note="again")
    run.wait()

    assert (run.name, run.tags, run.note) == ("ask-2", (), "again")


def test_they_are_changed_at_any_time(flow):
    run = finished(flow)
    run.name, run.tags, run.note = "best", {"kept"}, "the one for the report"
    run.tags += ("final",)

    assert (run.name, run.tags, run.note) == ("best", ("kept", "final"), "the one for the report")


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("name", 3, "the name of a run is 3; give a text"),
        ("name", "  ", "the name of a run is empty"),
        ("tags", "large", "the tags of a run are 'large'; give a list of texts, as in "),
        ("tags", 3, "the tags of a run are 3; give a list"),
        ("tags", ["a", 3], "a tag of a run is 3; give a list"),
        ("tags", ["a", ""], "a tag of a run is empty"),
        ("note", None, "the note of a run is None; give a text; '' takes the note away"),
    ],
)
def test_what_is_no_label_is_refused_and_changes_nothing(flow, attribute, value, words):
    run = finished(flow, flow_run_name="baseline", run_tags=["large"], run_note="as in May")

    with pytest.raises((OptionTypeError, RunOptionError), match=words):
        setattr(run, attribute, value)

    assert (run.name, run.tags, run.note) == ("baseline", ("large",), "as in May")


def test_a_run_with_an_impossible_label_does_not_begin_and_takes_no_number(flow):
    with pytest.raises(OptionTypeError, match="the tags of a run are 'large'"):
        flow.start(run_tags="large")

    assert len(flow.runs) == 0
    assert finished(flow).number == 1


def test_a_parameter_may_be_called_like_an_option_of_the_label():
    flow = Flow("ask", tasks=[Parameter("run_note")])
    run = finished(flow, run_note=["no text"])

    assert run.parameters == {"run_note": ["no text"]}
    assert run.note == ""


def test_a_run_is_found_by_its_name_the_newest_first_and_by_its_number(flow):
    runs = [finished(flow, flow_run_name=name) for name in ("baseline", "other", "baseline")]

    assert flow.runs["baseline"] is runs[2]
    assert flow.runs["other"] is flow.runs.numbered(2) is runs[1]
    assert flow.runs[-2:] == runs[1:]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("baselin", "there is no run 'baselin'; do you mean 'baseline'? there are 1"),
        (7, "there is no run 7; there are 1"),
    ],
)
def test_a_run_that_is_not_there_is_told_with_those_that_are(flow, asked, words):
    finished(flow, flow_run_name="baseline")

    with pytest.raises(UnknownRunError) as caught:
        flow.runs[asked] if isinstance(asked, str) else flow.runs.numbered(asked)

    assert str(caught.value) == words


def test_a_flow_that_has_not_run_says_so_when_a_run_is_looked_for(flow):
    with pytest.raises(UnknownRunError, match="the flow has not run yet"):
        flow.runs.numbered(1)


def test_a_drawing_says_what_the_run_is_called_and_escapes_it(flow):
    shown = finished(
        flow, flow_run_name="base <b>", run_tags=["large", "old"], run_note="as in\nMay"
    )._repr_mimebundle_()

    assert shown["text/plain"].startswith("ask, run 1 (base <b>): ✓ Success · tagged large, old · as in May\n")
    assert "ask, run 1 (base &lt;b&gt;)" in shown["text/html"]
    assert "<b>)" not in shown["text/html"]


def test_a_drawing_of_a_run_without_a_label_says_nothing_of_one(flow):
    assert finished(flow)._repr_mimebundle_()["text/plain"].startswith("ask, run 1: ✓ Success\n")
