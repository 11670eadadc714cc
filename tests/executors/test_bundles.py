"""What is handed over ahead of its time: it begins when it begins, stops where the run stops, and is made once."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, mapped, task
from nbflow.executors import ProcessExecutor
from nbflow.executors.errors import CannotTravelError, WorkerDiedError
from nbflow.states import Cancelled, Success
from tests.executors.workers import workers_of_here

LIMIT_S = 60
MANY = 300


def noting(folder):
    """Return a task that leaves a file for each time it is called."""

    def note(x):
        import os
        import tempfile

        os.close(tempfile.mkstemp(prefix=f"{x}-", dir=folder)[0])
        return x

    return task(note, name="note")


def times_noted(folder):
    names = [int(path.name.split("-")[0]) for path in folder.iterdir()]
    return {x: names.count(x) for x in names}


def test_many_short_tasks_are_each_called_once(remote, tmp_path):
    with Flow("f") as flow:
        for x in range(MANY):
            noting(tmp_path)(x)
    state = flow.run(executor=remote)

    assert state.is_successful()
    assert times_noted(tmp_path) == dict.fromkeys(range(MANY), 1)


def test_the_children_of_a_map_come_to_their_values_in_order(remote):
    with Flow("f") as flow:
        doubled = task(lambda x: 2 * x, name="doubled").map(mapped(list(range(MANY))))
        total = task(lambda values: sum(values), name="total")(doubled)
    states = flow.run(executor=remote).result

    assert states[doubled].result == [2 * x for x in range(MANY)]
    assert all(flow.runs[-1]._record.place_of(doubled, x) for x in range(MANY))
    assert states[total].result == MANY * (MANY - 1)


def test_each_task_begins_and_ends_once_and_in_this_order(remote):
    with Flow("f") as flow:
        ones = [task(lambda x: x, name="one")(x) for x in range(MANY)]
    run = flow.start(executor=remote)
    run.wait(LIMIT_S)

    told = {one: [] for one in ones}
    for event in run.events:
        if event.task in told:
            told[event.task].append(event.state.is_running())
    assert all(begins == [True, False] for begins in told.values())
    assert all(began <= ended for began, ended in (run._record.timings[one] for one in ones))


def test_a_paused_run_gets_back_what_has_not_begun(tmp_path):
    gate = tmp_path / "gate"
    notes = tmp_path / "notes"
    notes.mkdir()

    def note(x):
        import pathlib
        import tempfile
        import time

        while x == 150 and not pathlib.Path(gate).exists():
            time.sleep(0.01)
        tempfile.mkstemp(prefix=f"{x}-", dir=notes)
        return x

    with Flow("f") as flow:
        ones = [task(note, name="note")(x) for x in range(MANY)]
    run = flow.start(executor=ProcessExecutor(1))
    while not run.states[ones[150]].is_running():
        run.wait(0.01)
    run.pause()
    gate.touch()
    while not run.is_paused:
        run.wait(0.01)

    assert run.states[ones[150]].is_successful()
    assert run.states[ones[MANY - 1]].is_pending()
    before = times_noted(notes)
    run.step()
    while len(times_noted(notes)) == len(before):
        run.wait(0.01)
    assert len(times_noted(notes)) == len(before) + 1
    run.resume()
    run.wait(LIMIT_S)

    assert run.state.is_successful()
    assert times_noted(notes) == dict.fromkeys(range(MANY), 1)


def test_a_cancelled_run_makes_none_of_what_has_not_begun(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()

    def note(x):
        import tempfile
        import time

        tempfile.mkstemp(prefix=f"{x}-", dir=notes)
        while x == 150:
            time.sleep(0.01)

    with Flow("f") as flow:
        ones = [task(note, name="note")(x) for x in range(MANY)]
    run = flow.start(executor=ProcessExecutor(1))
    while 150 not in times_noted(notes):
        run.wait(0.01)
    run.cancel()
    run.wait(LIMIT_S)

    assert isinstance(run.states[ones[150]], Cancelled)
    assert isinstance(run.states[ones[MANY - 1]], Cancelled)
    assert max(times_noted(notes)) == 150


def test_a_task_that_turns_out_long_holds_up_none_that_was_sent_with_it(tmp_path):
    def note(x):
        import os
        import tempfile
        import time

        while x == 150 and len(os.listdir(tmp_path)) < MANY - 1:
            time.sleep(0.01)
        os.close(tempfile.mkstemp(prefix=f"{x}-", dir=tmp_path)[0])

    with Flow("f") as flow:
        for x in range(MANY):
            task(note, name="note")(x)

    assert flow.run(executor=ProcessExecutor(2)).is_successful()
    assert times_noted(tmp_path) == dict.fromkeys(range(MANY), 1)


def test_what_was_sent_with_a_task_that_crashes_is_made_all_the_same_and_once(tmp_path):
    def note(x):
        import os
        import tempfile

        if x in (150, 151, 220):
            os._exit(3)
        os.close(tempfile.mkstemp(prefix=f"{x}-", dir=tmp_path)[0])
        return x

    with Flow("f") as flow:
        ones = [task(note, name="note")(x) for x in range(MANY)]
    states = flow.run(executor=ProcessExecutor(2)).result

    failed = [x for x, one in enumerate(ones) if not isinstance(states[one], Success)]
    assert failed == [150, 151, 220]
    assert all(isinstance(states[ones[x]].result, WorkerDiedError) for x in failed)
    assert times_noted(tmp_path) == {x: 1 for x in range(MANY) if x not in failed}


def test_of_a_bundle_only_what_cannot_travel_fails(remote):
    with Flow("f") as flow:
        ones = [task(lambda x: type(x).__name__, name="one")(threading.Lock() if x == 150 else x) for x in range(MANY)]
    states = flow.run(executor=remote).result

    failed = [x for x, one in enumerate(ones) if not isinstance(states[one], Success)]
    assert failed == [150]
    assert isinstance(states[ones[150]].result, CannotTravelError)


class Unreadable:
    def __reduce__(self):
        return refuse, ()


def refuse():
    raise ValueError("not here")


def test_of_a_bundle_only_what_cannot_be_read_fails(remote):
    with Flow("f") as flow:
        ones = [task(lambda x: type(x).__name__, name="one")(Unreadable() if x == 150 else x) for x in range(MANY)]
    states = flow.run(executor=remote).result

    failed = [x for x, one in enumerate(ones) if not isinstance(states[one], Success)]
    assert failed == [150]
    assert "not here" in str(states[ones[150]].result)


@pytest.mark.parametrize(("most", "count"), [(1, 6), (7, 20)])
def test_a_process_makes_no_more_calls_than_it_may(most, count):
    with Flow("f") as flow:
        ones = [task(lambda x: __import__("os").getpid(), name="one")(x) for x in range(count)]
    states = flow.run(executor=ProcessExecutor(1, max_tasks=most)).result

    pids = [states[one].result for one in ones]
    assert max(pids.count(pid) for pid in pids) <= most


def test_a_process_that_takes_too_much_memory_makes_way_for_a_new_one():
    def grows(x):
        import os

        if x == 1:
            os.leaked = b"x" * 300_000_000
        return os.getpid()

    with Flow("f") as flow:
        one = task(grows, name="one")
        first = one(0)
        second = one(1, upstream_tasks=[first])
        third = one(2, upstream_tasks=[second])
    states = flow.run(executor=ProcessExecutor(1, memory_limit=200_000_000)).result

    assert states[first].result == states[second].result != states[third].result


def test_the_processes_of_a_with_block_serve_all_runs_inside_and_end_with_it():
    with Flow("f") as flow:
        one = task(lambda: __import__("os").getpid(), name="one")()
    with ProcessExecutor(1) as executor:
        pids = [flow.run(executor=executor, context={"turn": turn}).result[one].result for turn in range(3)]
        assert [worker.pid for worker in workers_of_here()] == pids[:1]
    assert workers_of_here() == []

    assert len(set(pids)) == 1
    assert flow.run(executor=executor).result[one].result not in pids
    assert workers_of_here() == []


def test_a_process_that_is_kept_knows_what_the_next_run_says():
    from nbflow import context

    with Flow("f") as flow:
        one = task(lambda: context.turn, name="one")()
    with ProcessExecutor(1) as executor:
        assert [flow.run(executor=executor, context={"turn": turn}).result[one].result for turn in (1, 2)] == [1, 2]
