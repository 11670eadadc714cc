"""The name, tags and note of a run in a store: kept with it, changed there, and never in the way of its results."""

from __future__ import annotations

import json
import os

import pytest

from nbflow import Flow, task
from nbflow.errors import DamagedStoreError, NewerStoreError, StoreUnavailableError, UntrustedStoreError


def make(store):
    """Make the flow again, as the next kernel does."""
    with Flow("f", store=store) as flow:
        task(lambda: 1, name="one")()
    return flow


def label_of(run):
    return run.name, run.tags, run.note


def test_a_label_is_read_in_the_next_kernel(store):
    make(store).run(flow_run_name="baseline", run_tags=["large"], run_note="ünïcode <b>")

    (stored,) = make(store).stored_runs()

    assert label_of(stored) == ("baseline", ("large",), "ünïcode <b>")


def test_a_run_that_nobody_has_labelled_writes_no_file_for_that(store):
    make(store).run()

    (stored,) = make(store).stored_runs()

    assert label_of(stored) == ("f-1", (), "")
    assert list(store.rglob("label.json")) == []


def test_what_is_said_of_a_run_that_is_over_is_kept_too(store):
    flow = make(store)
    flow.run()
    flow.runs[-1].note = "the best one"

    assert label_of(make(store).stored_runs()[0]) == ("f-1", (), "the best one")

    flow.runs[-1].note = ""
    assert label_of(make(store).stored_runs()[0]) == ("f-1", (), "")


def test_what_is_said_before_the_run_begins_or_while_it_is_paused_is_kept(store):
    flow = make(store)
    run = flow.start(paused=True)
    run.tags = ["early"]
    run.step()
    run.note = "late"
    run.wait()

    assert label_of(make(store).stored_runs()[0]) == ("f-1", ("early",), "late")


def test_a_stored_run_of_an_earlier_kernel_is_labelled_in_the_store(store):
    make(store).run()
    (stored,) = make(store).stored_runs()

    stored.name, stored.tags = "before the move", ["old"]

    assert label_of(make(store).stored_runs()[0]) == ("before the move", ("old",), "")
    assert label_of(stored.again()) == label_of(stored)


def test_a_label_that_cannot_be_written_is_said_and_a_stored_one_stays_as_it_was(store, monkeypatch):
    def full(*args, **keys):
        raise StoreUnavailableError("label.json", "No space left on device")

    flow = make(store)
    flow.run()
    (stored,) = make(store).stored_runs()
    monkeypatch.setattr("nbflow.store.label_file.write_whole", full)

    with pytest.warns(RuntimeWarning, match="what run 1 of 'f' is called is not kept .*No space left"):
        flow.runs[-1].note = "kept in memory only"
    with pytest.raises(StoreUnavailableError, match="No space left"):
        stored.note = "nowhere"

    assert (flow.runs[-1].note, stored.note) == ("kept in memory only", "")


def test_the_label_of_a_run_that_the_store_has_dropped_is_not_written(store):
    flow = make(store)
    for _ in range(6):
        flow.run()

    flow.runs[0].note = "gone from the store"

    assert [run.number for run in make(store).stored_runs()] == [2, 3, 4, 5, 6]
    assert list(store.rglob("label.json")) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": "1"}',
        '{"format": 1, "name": "", "tags": [], "note": ""}',
        '{"format": 1, "name": "a", "tags": "abc", "note": ""}',
        '{"format": 1, "name": "a", "tags": [], "note": null}',
    ],
)
def test_a_damaged_label_is_refused(store, text):
    make(store).run(run_note="fine")
    next(store.rglob("label.json")).write_text(text)

    with pytest.raises(DamagedStoreError, match=r"label\.json"):
        make(store).stored_runs()


def test_a_label_of_a_newer_nbflow_is_refused(store):
    make(store).run(run_note="fine")
    next(store.rglob("label.json")).write_text(json.dumps({"format": 2}))

    with pytest.raises(NewerStoreError, match="format 2, this one knows 1"):
        make(store).stored_runs()


def test_a_label_that_others_may_write_to_is_refused(store):
    make(store).run(run_note="fine")
    os.chmod(next(store.rglob("label.json")), 0o666)

    with pytest.raises(UntrustedStoreError):
        make(store).stored_runs()
