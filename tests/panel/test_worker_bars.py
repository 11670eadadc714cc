"""Which worker had each task, and when, read from the log of a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nbflow import Flow, task
from nbflow.core.states import Failed, Retrying, Running, Success
from nbflow.engine.events import Event
from nbflow.panel.picture.static_snapshot import Picture
from nbflow.panel.picture.worker_bars import WorkerBars


class Named:
    """As much of a task as is needed here."""


LOAD, CLOSE = Named(), Named()
KEYS = {LOAD: "load-1", CLOSE: "close-1"}


@pytest.fixture
def run():
    """A run of which only the log is there; `run.tell(at, state)` adds what happens to a task."""
    log, places = SimpleNamespace(events=[]), {}

    def tell(at, state, task=LOAD, index=None, attempt=1, place=None):
        if place is not None:
            places[task, -1 if index is None else index] = place
        log.events.append(
            Event("run", len(log.events), 100.0 + at, "task", task, index, state=state(), attempt=attempt)
        )

    record = SimpleNamespace(log=log, places=places, place_of=lambda task, child=-1: places.get((task, child), ""))
    return SimpleNamespace(_record=record, timings=SimpleNamespace(started_at=100.0), tell=tell, places=places)


def test_nothing_is_told_of_a_run_that_went_on_in_the_kernel_alone(run):
    run.tell(0, Running)
    run.tell(1, Success)

    assert WorkerBars(KEYS).news(run) == {}


def test_a_bar_goes_from_the_start_to_the_end_and_says_which_worker_had_the_task(run):
    run.tell(0, Running)
    run.tell(1.5, Success, place="worker process 7")

    assert WorkerBars(KEYS).news(run) == {
        "load-1": ["load-1", None, 0.0, 1.5, "Success", "✓ Success", "worker process 7"]
    }


def test_what_the_kernel_did_has_a_bar_without_a_worker_once_there_are_workers(run):
    run.tell(0, Running, CLOSE)
    run.tell(1, Success, CLOSE)
    bars = WorkerBars(KEYS)
    assert bars.news(run) == {}

    run.tell(1, Running)
    run.tell(2, Success, place="worker process 7")

    assert [(bar[0], bar[-1]) for bar in bars.news(run).values()] == [("close-1", ""), ("load-1", "worker process 7")]


def test_children_have_bars_of_their_own(run):
    for index in (0, 1):
        run.tell(index, Running, index=index)
        run.tell(index + 1, Success, index=index, place=f"worker process {index}")

    found = WorkerBars(KEYS).news(run)

    assert {bar: (one[1], one[2], one[-1]) for bar, one in found.items()} == {
        "load-1/0": (0, 0.0, "worker process 0"),
        "load-1/1": (1, 1.0, "worker process 1"),
    }


def test_a_retry_takes_the_place_of_the_attempt_before_it_whose_worker_is_not_taken_for_its_own(run):
    run.tell(0, Running)
    run.tell(1, Failed, place="worker process 7")
    run.tell(1, Retrying)
    bars = WorkerBars(KEYS)
    assert bars.news(run)["load-1"][2:] == [0.0, 1.0, "Retrying", "↻ Retrying", "worker process 7"]

    run.tell(5, Running, attempt=2)
    assert bars.news(run)["load-1"][2:5] == [5.0, None, "Running"]
    assert bars.news(run) == {}
    assert bars.all()["load-1"][-1] == ""
    run.places[LOAD, -1] = "worker process 8"
    assert bars.news(run)["load-1"][2:] == [5.0, None, "Running", "◐ Running", "worker process 8"]
    run.tell(6, Success, attempt=2)

    assert bars.news(run)["load-1"][2:] == [5.0, 6.0, "Success", "✓ Success", "worker process 8"]


def test_a_worker_that_becomes_known_while_the_task_goes_on_is_told_without_another_event(run):
    run.tell(0, Running)
    run.tell(0, Running, CLOSE, place="worker process 8")
    bars = WorkerBars(KEYS)
    assert bars.news(run)["load-1"][-1] == ""

    run.places[LOAD, -1] = "worker process 7"

    assert {bar: one[-1] for bar, one in bars.news(run).items()} == {"load-1": "worker process 7"}
    assert bars.news(run) == {}


def test_of_very_many_children_the_last_ones_are_one_bar_for_each_worker(run):
    for index in range(6):
        run.tell(index, Running, index=index)
        run.tell(index + 1, Success, index=index, place=f"worker process {index % 2}")

    found = WorkerBars(KEYS, most_children=2).news(run)

    assert [bar for bar in found if bar.startswith("load-1")] == ["load-1/0", "load-1/1"]
    assert found["more/worker process 0"] == ["", 2, 2.0, 5.0, "", "", "worker process 0"]
    assert found["more/worker process 1"] == ["", 2, 3.0, 6.0, "", "", "worker process 1"]


def test_a_name_of_a_worker_is_cut_and_kept_on_one_line(run):
    run.tell(0, Running)
    run.tell(1, Success, place="a\nb" + "c" * 1_000)

    place = WorkerBars(KEYS).news(run)["load-1"][-1]

    assert place.startswith("a bc")
    assert len(place) <= 80


def test_a_picture_has_the_bars_of_a_run_on_processes():
    @task
    def double(i):
        return 2 * i

    with Flow("doubles") as flow:
        double.map([1, 2, 3])
    flow.run(executor="processes")
    picture = Picture(flow)

    run = flow.runs[-1]
    doubled = flow.get_tasks("double")[0]

    bars = picture.snapshot(run)["bars"]

    assert {bar: one[-1] for bar, one in bars.items()} == {
        f"double-1/{i}": run._record.place_of(doubled, i) for i in range(3)
    }
    assert any(one[-1].startswith("worker process ") for one in bars.values())
    flow.run()
    assert picture.snapshot(flow.runs[-1])["bars"] == {}
