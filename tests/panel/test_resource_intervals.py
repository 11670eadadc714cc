"""The intervals in which resources were open, read from the log of a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.engine.events import Event
from nbflow.panel.picture.resource_intervals import ResourceIntervals
from nbflow.panel.picture.static_snapshot import Picture


class Named:
    """As much of a block as is needed here."""


BLOCK, OTHER = Named(), Named()
BOXES = {BLOCK: "block--Cluster", OTHER: "block--Store"}


@pytest.fixture
def run():
    """A run of which only the log is there; `run.tell(at, status)` adds what happens to a resource."""
    log = SimpleNamespace(events=[])

    def tell(at, status, index=None, block=BLOCK):
        event = Event("run", len(log.events), 100.0 + at, "block", None, index, block, note=status)
        log.events.append(event)

    timings = SimpleNamespace(started_at=100.0)
    return SimpleNamespace(_record=SimpleNamespace(log=log), timings=timings, tell=tell, log=log)


def life(run, start, *, end="cleaned", index=None, block=BLOCK):
    for after, status in enumerate(("opening", "open", "closing", end)):
        run.tell(start + after, status, index, block)


def test_an_interval_goes_from_the_opening_to_the_end_of_the_cleanup(run):
    life(run, 1.5)

    assert ResourceIntervals(BOXES).news(run) == {
        "block--Cluster/1": ["block--Cluster", 1.5, 4.5, "cleaned", "✓ cleaned", 1],
    }


def test_an_interval_has_no_end_while_its_resource_is_there(run):
    spans = ResourceIntervals(BOXES)
    seen = []
    for at, status in enumerate(("opening", "open", "closing")):
        run.tell(at, status)
        seen += spans.news(run).values()

    assert [(end, status) for _, _, end, status, *_ in seen] == [
        (None, "opening"),
        (None, "open"),
        (None, "closing"),
    ]


def test_a_leaked_resource_ends_with_its_cleanup_and_says_so(run):
    life(run, 0, end="leaked")

    assert ResourceIntervals(BOXES).news(run)["block--Cluster/1"][2:] == [3.0, "leaked", "▲ leaked", 1]


def test_a_cleanup_that_succeeds_later_changes_the_word_only(run):
    life(run, 0, end="leaked")
    run.tell(60, "cleaned")

    assert ResourceIntervals(BOXES).news(run)["block--Cluster/1"][2:] == [3.0, "cleaned", "✓ cleaned", 1]


def test_a_resource_that_was_opened_again_has_two_intervals(run):
    run.tell(0, "opening")
    run.tell(1, "closed")
    life(run, 2)

    assert [span[1:4] for span in ResourceIntervals(BOXES).news(run).values()] == [
        [0.0, 1.0, "closed"],
        [2.0, 5.0, "cleaned"],
    ]


def test_a_skipped_block_has_none(run):
    run.tell(0, "skipped")

    assert ResourceIntervals(BOXES).news(run) == {}


def test_news_are_what_changed_since_the_last_and_all_is_everything(run):
    spans = ResourceIntervals(BOXES)
    life(run, 0)
    spans.news(run)
    life(run, 2, block=OTHER)

    assert list(spans.news(run)) == ["block--Store/1"]
    assert spans.news(run) == {}
    assert list(spans.all()) == ["block--Cluster/1", "block--Store/1"]


def test_what_was_handed_out_is_not_changed_by_what_comes(run):
    spans = ResourceIntervals(BOXES)
    run.tell(0, "opening")
    first = spans.news(run)["block--Cluster/1"]
    run.tell(1, "open")
    spans.news(run)

    assert first[3] == "opening"


def test_no_event_is_looked_at_twice(run):
    spans = ResourceIntervals(BOXES)
    life(run, 0)
    spans.news(run)
    run.log.events[:] = [None] * len(run.log.events)  # whoever looks at one of these, fails

    assert spans.news(run) == {}


def test_of_ten_thousand_resources_the_first_are_told_one_by_one_and_the_others_as_one(run):
    for index in range(10_000):
        life(run, index, index=index)
    spans = ResourceIntervals(BOXES, each=3)

    found = spans.news(run)

    assert list(found) == [*(f"block--Cluster/{n}" for n in (1, 2, 3)), "block--Cluster/more"]
    assert found["block--Cluster/2"][1:] == [1.0, 4.0, "cleaned", "✓ cleaned", 1]
    assert found["block--Cluster/more"][1:] == [3.0, 10_002.0, "cleaned", "✓ cleaned", 9_997]


def test_the_sum_goes_on_while_one_of_them_is_open_and_names_a_leak(run):
    spans = ResourceIntervals(BOXES, each=0)
    run.tell(0, "opening", 0)
    run.tell(1, "open", 0)
    life(run, 2, index=1, end="leaked")
    assert spans.news(run)["block--Cluster/more"][2:] == [None, "leaked", "▲ leaked", 2]

    run.tell(7, "cleaned", 1)
    assert spans.news(run)["block--Cluster/more"][2:4] == [None, "open"]

    run.tell(8, "cleaned", 0)
    assert spans.news(run)["block--Cluster/more"][2:] == [8.0, "cleaned", "✓ cleaned", 2]


def test_a_picture_of_a_run_that_is_over_has_the_intervals_and_its_rows_name_their_box():
    @resource_manager
    class Cluster:
        def setup(self):
            return 1

        def cleanup(self, resource):
            pass

    with Flow("example") as flow, Cluster() as cluster:
        task(lambda x: x, name="use")(cluster)
    flow.run()
    picture = Picture(flow.runs[-1].graph)

    names, snapshot = picture.names(), picture.snapshot(flow.runs[-1])

    (box,) = names["boxes"]
    assert {row["home"] for row in names["rows"]} == {box["key"]}
    ((key, start, end, status, *_),) = snapshot["spans"].values()
    assert (key, status) == (box["key"], "cleaned")
    assert 0 <= start <= end
    assert picture.snapshot(flow.runs[-1])["spans"] == snapshot["spans"]
