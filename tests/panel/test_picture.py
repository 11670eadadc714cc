"""What is told of a run: right whatever is told twice, late, or not at all, and without looking at all there is."""

from __future__ import annotations

import itertools
import random

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.core.states import (
    Cancelled,
    Failed,
    Mapped,
    Pending,
    Retrying,
    Running,
    Skipped,
    Success,
    TimedOut,
)
from nbflow.engine.record import Timings
from nbflow.panel.picture.drawing_marks import DrawingMarks
from nbflow.panel.picture.static_snapshot import Picture
from nbflow.panel.picture.task_marks import Children
from nbflow.render.build import draw, foldable
from nbflow.render.folding import Folding
from nbflow.render.status_marks import marks
from tests.patience import PATIENCE_S


@resource_manager
class Room:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


@task
def work(x=None):
    return x


@pytest.fixture
def flow():
    with Flow("rooms") as flow:
        with Room(), Room() as inner:
            made = [work(inner) for _ in range(4)]
            task(lambda x: x, name="each").map([1, 2, 3])
        task(lambda x, y: 1, name="sum")(made[0], 1)
    return flow


@pytest.fixture
def run(flow):
    """A run that is paused, for tests that change its record by hand."""
    run = flow.start(paused=True)
    run.wait(PATIENCE_S, or_held=True)  # until its own thread has made the constants, and changes nothing any more
    yield run
    run.cancel()
    run.wait(PATIENCE_S)


def named(run, name):
    return next(task for task in run.graph.tasks if task.name == name)


class Watched(list):
    """A list that counts how often it is walked through."""

    walks = 0

    def __iter__(self):
        Watched.walks += 1
        return super().__iter__()


STATES = [None, *(kind("why") for kind in (Pending, Running, Success, Failed, TimedOut, Skipped, Cancelled))]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_counted_as_it_changes_is_what_counting_all_gives(flow, run, seed):
    chance = random.Random(seed)
    parts = foldable(run.graph)
    for folded in ((), ("block--Room-1",), ("block--Room-2", "group--work-1"), ("group--work-1",)):
        picture = Picture(run.graph)
        drawing = draw(run.graph, fold=Folding(keys=frozenset(folded)))
        assert set(folded) <= {*parts.blocks, *parts.groups}
        picture.show(DrawingMarks(drawing), run)
        look = picture.snapshot(run)
        children = [Pending()] * 6
        states = run._record.states
        each = named(run, "each")
        for _ in range(30):
            changed = chance.sample(run.graph.tasks, 3)
            for one in changed:
                states[one] = chance.choice(STATES[1:])
            if chance.random() < 0.7:
                states[each] = states[each] if isinstance(states[each], Mapped) else Mapped(map_states=children)
                indexes = [chance.randrange(6) for _ in range(3)]
                for index in indexes:
                    states[each].map_states[index] = chance.choice(STATES[1:])
                changed += [(each, index) for index in indexes * 2]
            look["nodes"].update(picture.patch(run, changed)["nodes"])
            look["nodes"].update(picture.patch(run, [])["nodes"])
        whole = marks(drawing, states, run.block_status).nodes
        assert {key: tuple(mark) for key, mark in look["nodes"].items()} == whole


def test_a_change_that_is_told_twice_counts_once(run):
    picture = Picture(run.graph)
    picture.snapshot(run)
    sum_ = named(run, "sum")
    run._record.states[sum_] = Success()

    for _ in range(3):
        head = picture.patch(run, [sum_, sum_])["head"]

    assert [part for part in head["counts"] if part[0] == "Success"] == [["Success", "success", 1]]


def test_of_a_large_map_only_the_children_that_changed_are_looked_at(run):
    each = named(run, "each")
    states = Watched([Pending()] * 10_000)
    run._record.states[each] = Mapped(map_states=states)
    picture = Picture(run.graph)
    picture.snapshot(run)
    walked = Watched.walks

    for index in (3, 9_999, 3):
        states[index] = Failed(f"number {index}")
        row = picture.patch(run, [(each, index)])["rows"]["each-1"]

    assert Watched.walks == walked
    assert row[1] == "◐ 2/10000, 2 failed"
    assert row[5] == "[3] number 3"


def test_children_that_were_replaced_are_counted_again():
    children = Children()
    children.read([Success(), Failed()], None)

    children.read([Pending(), Pending(), Running()], [0])

    assert children.mark == ("Running", "◐ 0/3")
    assert children.first_failed is None


def test_the_first_failed_child_is_found_again_when_it_is_fixed():
    states = [Success(), Failed(), Success(), Failed()]
    children = Children()
    children.read(states, None)
    assert children.first_failed == 1

    states[1] = Success()
    children.read(states, [1])
    assert children.first_failed == 3

    states[3] = Success()
    children.read(states, [3])
    assert children.first_failed is None
    assert children.mark == ("Mapped", "⊞ 4/4")


def test_one_picture_serves_another_run_of_the_same_graph(flow, run):
    picture = Picture(flow)
    for name, state in (("sum", Failed("no")), ("each", Mapped(map_states=[Success()]))):
        run._record.states[named(run, name)] = state
    picture.snapshot(run)

    fresh = picture.snapshot(None)

    assert picture.shows(run.graph)
    assert {row[0] for row in fresh["rows"].values()} == {"NotRun"}
    assert fresh["head"]["counts"] == [["Pending", "pending", len(fresh["rows"])]]


def test_a_graph_that_has_grown_is_another(flow, run):
    picture = Picture(run.graph)

    with flow:
        work()

    assert not picture.shows(flow)


def test_the_head_says_where_a_run_stands_and_what_comes_next(run):
    head = Picture(run.graph).snapshot(run)["head"]

    assert head["mode"] == "held"
    assert head["next"] == "Room"
    assert head["why"] == ""


def test_the_head_of_a_rerun_names_the_run_that_it_goes_on_from():
    with Flow("again") as flow:
        work()
    flow.run()
    first = flow.runs[-1]
    again = first.rerun("all")
    again.wait(PATIENCE_S)
    replay = again.rerun([named(again, "work")])
    replay.wait(PATIENCE_S)

    picture = Picture(flow)

    assert picture.snapshot(first)["head"]["why"] == ""
    assert picture.snapshot(None)["head"]["mode"] == "new"
    head = picture.snapshot(replay)["head"]
    assert (head["mode"], head["why"]) == ("over", "rerun of run 2")


def test_many_open_resources_are_summed_up():
    with Flow("many") as flow:
        for _ in range(20):
            with Room() as room:
                work(room)
    run = flow.start(paused=True)
    picture = Picture(run.graph)
    picture._header.note_blocks(run, dict(zip(run.graph.blocks, itertools.repeat("open"), strict=False)))

    head = picture.patch(run, [])["head"]

    assert len(head["open"]) == 13
    assert head["open"][-1] == ["+", "8 more", "open"]
    run.cancel()
    run.wait(PATIENCE_S)


def test_a_task_that_is_tried_again_goes_on(run):
    sum_ = named(run, "sum")
    run._record.states[sum_] = Retrying("once more")
    run._record.timings[sum_] = (10.0, 12.5)
    picture = Picture(run.graph, clock=lambda: 14.0)

    row = picture.snapshot(run)["rows"]["sum-1"]

    assert row[3:] == [4.0, 1, "once more"]


def helper():
    return 1


def test_c5_the_head_the_list_and_the_drawing_say_what_has_changed_since_the_run(monkeypatch):
    def edited():
        return helper()

    with Flow("changes") as flow:
        first = task(edited, name="first")()
        second = task(lambda y: y, name="second")(first)
    flow.run()
    run = flow.runs[-1]
    picture = Picture(flow)
    sheet = DrawingMarks(draw(picture.graph))
    picture.show(sheet, run)
    picture.snapshot(run)
    assert picture.look_for_changes(flow, run) is None

    monkeypatch.setitem(globals(), "helper", lambda: 2)
    run.pin(second)
    changed = picture.look_for_changes(flow, run)
    told = picture.patch(run, changed)

    assert told["head"]["why"] == "1 task changed since run 1"
    assert told["rows"]["first-1"][-1].startswith("△ stale, ")
    assert told["rows"]["second-1"][-1].startswith("◆ pinned")
    assert told["nodes"]["first-1"][1].startswith("✓ Success · △ stale")


def progress(picture, run, changed=None):
    head = picture.patch(run, picture.everything() if changed is None else changed)["head"]
    return head["done"], head["total"], {name: n for name, _, n in head["counts"]}


def test_the_children_of_a_map_count_in_the_progress_as_they_end():
    with Flow("many") as flow:
        one = task(lambda: 1, name="one")()
        each = task(lambda x: x, name="each").map(list(range(100)))
    run = flow.start(paused=True)
    run.wait(PATIENCE_S, or_held=True)
    try:
        picture, states = Picture(run.graph), [Pending() for _ in range(100)]
        given = run._record.states
        given[one] = Success()
        assert progress(picture, run)[:2] == (1, 2), "before it expands it counts once"
        given[each] = Mapped(map_states=states)
        assert progress(picture, run, [each]) == (1, 101, {"Success": 1, "Pending": 100})
        for index in range(30):
            states[index] = Failed() if index % 10 == 0 else Success()
        changed = [(each, index) for index in range(30)]
        assert progress(picture, run, changed) == (31, 101, {"Failed": 3, "Success": 28, "Pending": 70})
        given[each] = Pending()
        assert progress(picture, run, [each])[:2] == (1, 2), "a map that begins again counts once more"
        given[each] = Mapped(map_states=[])
        assert progress(picture, run, [each])[:2] == (2, 2), "a map over nothing is done"
    finally:
        run.cancel()
        run.wait(PATIENCE_S)


def test_the_progress_of_a_run_that_is_over_is_all_that_there_is():
    with Flow("many") as flow:
        task(lambda x: 1 / x, name="each").map([0, 1, 2])
    run = flow.start()
    run.wait(PATIENCE_S)
    assert progress(Picture(run.graph), run) == (3, 3, {"Failed": 1, "Success": 2})


def test_the_head_says_how_long_a_run_has_waited_for_a_person(run):
    run._record.timings = times = Timings()
    times.started_at = 90.0
    times.note_run(is_paused=True, now=100.0)
    picture = Picture(run.graph, clock=lambda: 105.0)
    assert picture.snapshot(None)["head"]["held_s"] == 0
    assert picture.snapshot(run)["head"]["held_s"] == 5.0
    times.note_run(is_paused=False, now=103.0)
    assert picture.snapshot(run)["head"]["held_s"] == 3.0
