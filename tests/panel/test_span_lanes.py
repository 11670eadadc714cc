"""What the lanes of the timeline show: attempts and waits apart, children on demand, each told once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nbflow import Flow, task
from nbflow.panel.picture.static_snapshot import Picture
from nbflow.panel.timeline.span_lanes import MOST_SPANS, SpanLanes
from nbflow.panel.timeline.timeline import INTERVAL_S
from tests.panel.conftest import until
from tests.patience import PATIENCE_S

KIND, START, END, ATTEMPT, STATE = range(5)


def failing_at_first(times=1):
    calls = []

    def flaky():
        calls.append(1)
        if len(calls) <= times:
            raise ValueError("at first")
        return 1

    return flaky


def lanes_of(run):
    return SpanLanes(run, Picture(run.graph).rows)


def kinds(spans):
    return [span[KIND] for span in spans if span[KIND] != "slot"]


def run_of(flow, **options):
    run = flow.start(**options)
    run.wait(PATIENCE_S, or_held=True)
    return run


@pytest.fixture
def held():
    """A run that is held at a failure."""
    with Flow("fails") as flow:
        bad = task(lambda: 1 / 0, name="bad")()
        task(lambda x: x, name="after")(bad)
    run = run_of(flow, hold_on_failure=True)
    yield run
    run.cancel()
    run.wait(PATIENCE_S)


def test_each_attempt_is_a_span_and_so_is_the_delay_between_them():
    with Flow("retried") as flow:
        task(failing_at_first(), name="one", max_retries=1, retry_delay=timedelta(seconds=0.02))()
    lanes = lanes_of(run_of(flow)).news(None, {})["lanes"]
    assert kinds(lanes["one-1"]) == ["work", "delay", "work"]
    assert [span[STATE] for span in lanes["one-1"] if span[KIND] == "work"] == ["Failed", "Success"]
    assert [span[ATTEMPT] for span in lanes["one-1"] if span[KIND] == "work"] == [1, 2]


def test_a_hold_has_no_end_as_long_as_it_lasts(held):
    lanes = lanes_of(held)
    first = lanes.news(None, {})["lanes"]["bad-1"]
    assert kinds(first) == ["work", "hold"]
    assert first[-1][END] is None
    assert lanes.news(None, {}) == {"lanes": {}, "maps": {}, "children": {}}, "it was told"
    held.resume()
    held.wait(PATIENCE_S)
    later = lanes.news(None, {})["lanes"]["bad-1"]
    assert later[-1][END] is not None


def test_what_comes_after_a_task_that_changed_is_looked_at_as_well():
    with Flow("two") as flow:
        one = task(lambda: 1, name="one")()
        task(lambda x: x, name="two")(one)
    run = run_of(flow)
    assert set(lanes_of(run).news([one], {})["lanes"]) == {"one-1", "two-1"}


def test_children_are_told_if_they_are_asked_for_and_no_more_of_them_than_that():
    with Flow("mapped") as flow:
        task(lambda x: 1 / x, name="each").map(list(range(30)))
    lanes = lanes_of(run_of(flow))
    told = lanes.news(None, {})
    assert (told["maps"], told["children"]) == ({"each-1": 30}, {})
    told = lanes.news([], {"each-1": 10})
    assert list(told["children"]["each-1"]) == list(range(10))
    name, line, spans = told["children"]["each-1"][0]
    assert (name, line) == ("Failed", "✗ Failed")
    assert kinds(spans) == ["work"]
    assert lanes.news([], {"each-1": 10})["children"] == {}
    more = lanes.news([], {"each-1": 1_000})
    assert list(more["children"]["each-1"]) == list(range(10, 30)), "only those that are new"


def test_what_is_no_map_has_no_children_whatever_is_asked_for():
    with Flow("plain") as flow:
        task(lambda: 1, name="one")()
    assert lanes_of(run_of(flow)).news(None, {"one-1": 10, "nothing": 3})["children"] == {}


def test_of_very_many_attempts_those_in_the_middle_are_one():
    with Flow("often") as flow:
        task(failing_at_first(300), name="one", max_retries=300, retry_delay=timedelta(0))()
    run = run_of(flow)
    (spans,) = lanes_of(run).news(None, {})["lanes"].values()
    assert len(spans) == MOST_SPANS
    assert spans[1][KIND] == "many"
    assert sum(span[ATTEMPT] if span[KIND] == "many" else span[KIND] == "work" for span in spans) == 301


# -- told to the page


def timelines(sent):
    found = [data["content"] for _, data in sent if data.get("method") == "custom"]
    return [content for content in found if content.get("kind") == "timeline"]


def wish(panel, on=True, by="view", **open_):
    panel.timeline.handle({"kind": "timeline", "by": by, "on": on, "open": open_})


def test_nothing_is_told_as_long_as_nobody_looks(held, sent):
    panel = held.panel()
    held.resume()
    held.wait(PATIENCE_S)
    panel.catch_up(whole=False)
    assert timelines(sent) == []
    panel.close()


def test_who_looks_is_told_all_and_then_what_is_new(held, sent):
    panel = held.panel()
    wish(panel)
    until(lambda: timelines(sent))
    (told,) = timelines(sent)
    assert (told["run"], told["whole"]) == (held.number, True)
    assert kinds(told["lanes"]["bad-1"]) == ["work", "hold"]
    held.resume()
    held.wait(PATIENCE_S)
    until(lambda: any(one["lanes"].get("bad-1", [[0, 0, None]])[-1][END] for one in timelines(sent)[1:]))
    assert not any(one["whole"] for one in timelines(sent)[1:])
    panel.close()


def test_who_looks_away_is_told_no_more(held, sent):
    panel = held.panel()
    wish(panel)
    until(lambda: timelines(sent))
    wish(panel, on=False)
    held.resume()
    held.wait(PATIENCE_S)
    panel.catch_up(whole=False)
    panel.timeline._news.flush_now()
    assert len(timelines(sent)) == 1
    assert INTERVAL_S > 0.1, "less often than rows"
    panel.close()


def test_a_page_that_opens_has_all_views_asked_again(held, sent):
    panel = held.panel()
    wish(panel)
    panel._hear({"kind": "hello"})
    assert any(data.get("content", {}).get("kind") == "timeline_again" for _, data in sent)
    assert panel.timeline._wishes == {}
    panel.close()


@pytest.mark.parametrize("wanted", [None, [], {"bad-1": "x", "y": -3, "z": True}, {str(n): 10**9 for n in range(1000)}])
def test_whatever_a_page_asks_for_is_limited(held, wanted):
    panel = held.panel()
    panel.timeline.handle({"kind": "timeline", "by": "x", "on": True, "open": wanted})
    (found,) = panel.timeline._wishes.values()
    assert len(found) <= 100
    assert all(0 <= count <= 5_000 for count in found.values())
    panel.close()
