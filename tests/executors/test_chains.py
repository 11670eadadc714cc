"""Tasks that go to a worker before what is upstream of them has ended: as if each had waited for it."""

from __future__ import annotations

import datetime
import os
from itertools import pairwise

import pytest

from nbflow import Flow, case, context, mapped, resource_manager, signals, task
from nbflow.errors import ValueReleasedError
from nbflow.executors import ProcessExecutor
from nbflow.executors.errors import CannotReturnError, WorkerDiedError
from nbflow.states import Cancelled, Failed, Skipped, Success, TriggerFailed
from tests.executors.simulated_cluster import SimulatedCluster
from tests.executors.test_bundles import times_noted

LIMIT_S = 60
MANY = 200
MIDDLE = 120


@task
def add(x, y=1):
    return x + y


def chain_of(function, *, count=MANY, **options):
    """Return the tasks of a chain; each takes the value above, and its place."""
    made, value = [], 0
    for place in range(count):
        value = task(function, name="link", **options)(value, place)
        made.append(value)
    return made


def noting(folder, function):
    """Return a function that leaves a file for each time it is called, and goes on with another."""

    def note(x, place):
        import os
        import tempfile

        os.close(tempfile.mkstemp(prefix=f"{place}-", dir=folder)[0])
        return function(x, place)

    return note


def count(x, place):
    return x + 1


def empty():
    return []


def test_values_go_down_a_chain(place):
    with Flow("f") as flow:
        made = chain_of(count)

    states = flow.run(executor=place).result

    assert [states[one].result for one in made] == list(range(1, MANY + 1))


def test_each_begins_after_the_one_above_has_ended_and_once(remote, tmp_path):
    with Flow("f") as flow:
        made = chain_of(noting(tmp_path, count))
    run = flow.start(executor=remote)
    run.wait(LIMIT_S)

    told = [(event.task, type(event.state).__name__) for event in run.events if event.kind == "task"]
    assert told == [(one, state) for one in made for state in ("Running", "Success")]
    ends = [run.timings[one] for one in made]
    assert all(upper[1] <= lower[0] for upper, lower in pairwise(ends))
    assert times_noted(tmp_path) == dict.fromkeys(range(MANY), 1)


def test_below_one_that_fails_none_is_called(remote, tmp_path):
    def fail(x, place):
        if place == MIDDLE:
            raise ValueError("not this one")
        return x + 1

    with Flow("f") as flow:
        made = chain_of(noting(tmp_path, fail))
        beside = chain_of(count, count=20)
    states = flow.run(executor=remote).result

    assert all(isinstance(states[one], Success) for one in (*made[:MIDDLE], *beside))
    assert isinstance(states[made[MIDDLE]].result, ValueError)
    assert all(isinstance(states[one], TriggerFailed) for one in made[MIDDLE + 1 :])
    assert times_noted(tmp_path) == dict.fromkeys(range(MIDDLE + 1), 1)


def test_what_a_task_signals_in_the_middle_does_what_it_says(place):
    def signalling(x, place):
        if place == 60 and context.task_run_count < 2:
            raise signals.RETRY("once more", start_time=datetime.datetime.now(datetime.UTC))
        if place == 90 and context.get("task_loop_count", 1) < 3:
            raise signals.LOOP(result=x)
        if place == 120 and context.task_run_count < 3:
            raise OSError("not yet")
        if place == 150:
            raise signals.SKIP("not today")
        return x + 1

    with Flow("f") as flow:
        made = chain_of(signalling, max_retries=2, retry_delay=datetime.timedelta(0))
    states = flow.run(executor=place).result

    assert [states[one].result for one in made[:150]] == list(range(1, 151))
    assert all(isinstance(states[one], Skipped) for one in made[150:])


def test_nobody_sees_what_another_one_does_to_a_value(remote):
    def grow(values):
        values.append(len(values))
        return values

    with Flow("f") as flow:
        value, made, seen = task(empty, name="made")(), [], []
        for _ in range(MANY // 2):
            upper, value = value, task(grow, name="grow")(value)
            made.append(value)
            seen.append(task(lambda taken: list(taken), name="seen")(upper))
    states = flow.run(executor=remote).result

    assert [states[one].result for one in made] == [list(range(n + 1)) for n in range(len(made))]
    assert [states[one].result for one in seen] == [list(range(n)) for n in range(len(seen))]


def test_of_calls_that_travel_together_none_sees_what_another_one_does_to_what_both_take(remote):
    def grow(values, x):
        values.append(x)
        return len(values)

    with Flow("f") as flow:
        made = task(lambda: [0], name="made")()
        ones = [task(grow, name="grow")(made, x) for x in range(MANY)]
        read = task(lambda values: values, name="read")(made)
    states = flow.run(executor=remote).result

    assert {states[one].result for one in ones} == {2}
    assert states[read].result == [0]


def test_a_value_that_cannot_come_back_goes_to_nobody(remote, tmp_path):
    def lock(x, place):
        if place == MIDDLE:
            return __import__("threading").Lock()
        return x + 1

    with Flow("f") as flow:
        made = chain_of(noting(tmp_path, lock))
    states = flow.run(executor=remote).result

    assert isinstance(states[made[MIDDLE]].result, CannotReturnError)
    assert isinstance(states[made[MIDDLE + 1]], TriggerFailed)
    assert max(times_noted(tmp_path)) == MIDDLE


def test_each_taker_of_an_iterator_gets_what_it_would_get_without_a_chain(remote):
    def give(x, place):
        return iter([1, 2, 3]) if place == MIDDLE else sum(x) if place == MIDDLE + 1 else x + 1

    with Flow("f") as flow:
        made = chain_of(give)
    states = flow.run(executor=remote).result

    assert states[made[MIDDLE + 1]].result == 6
    assert states[made[-1]].result == 6 + MANY - MIDDLE - 2


def test_the_children_of_maps_go_down_to_those_that_they_are_paired_with(place):
    def fail_at_70(x):
        if x == 71:
            raise ValueError(x)
        return x * 2

    with Flow("f") as flow:
        first = add.map(mapped(list(range(MANY))))
        second = task(fail_at_70, name="second").map(first)
        third = task(add.run, name="third", trigger=lambda states: True).map(second)
        fourth = add.map(second)
    states = flow.run(executor=place).result

    wanted = [(x + 1) * 2 for x in range(MANY)]
    found = states[second].map_states
    assert [one.result for one in found[:70] + found[71:]] == wanted[:70] + wanted[71:]
    assert isinstance(found[70].result, ValueError)
    assert isinstance(states[fourth].map_states[70], TriggerFailed)
    assert [one.result for one in states[fourth].map_states[71:]] == [value + 1 for value in wanted[71:]]
    assert isinstance(states[third].map_states[70], Failed)


def test_a_branch_is_taken_or_left(place):
    with Flow("f") as flow:
        above = chain_of(count, count=40)[-1]
        with case(above, 40):
            taken = chain_of(count, count=20)[-1]
        with case(above, 41):
            left = chain_of(count, count=20)
    states = flow.run(executor=place).result

    assert states[taken].result == 20
    assert all(isinstance(states[one], Skipped) for one in left)


def test_who_takes_nothing_of_the_one_above_comes_after_it_all_the_same(remote, tmp_path):
    def write(place):
        path = tmp_path / "last"
        before = path.read_text() if place else "-1"
        path.write_text(str(place))
        return int(before)

    with Flow("f") as flow:
        made = []
        for place in range(MANY):
            made.append(task(write, name="write")(place, upstream_tasks=made[-1:]))
    states = flow.run(executor=remote).result

    assert [states[one].result for one in made] == list(range(-1, MANY - 1))


def test_what_a_task_of_a_chain_says_and_knows_is_its_own(remote):
    def speak(x, place):
        print(f"place {place} of {context.task_name}")
        return x + 1

    with Flow("f") as flow:
        made = chain_of(speak)
    run = flow.start(executor=remote)
    run.wait(LIMIT_S)

    said = ["".join(line.text for line in run.logs[one]) for one in made]
    assert said == [f"place {place} of link\n" for place in range(MANY)]


def test_a_chain_in_a_block_ends_before_its_cleanup(remote, tmp_path):
    gone = tmp_path / "gone"

    @resource_manager
    class Folder:
        def setup(self):
            return str(tmp_path)

        def cleanup(self, resource):
            gone.touch()

    def use(x, place, folder):
        import pathlib

        return x + 1 if not (pathlib.Path(folder) / "gone").exists() else -MANY

    with Flow("f") as flow, Folder() as folder:
        value = 0
        for place in range(MANY):
            value = task(use, name="use")(value, place, folder)
    state = flow.run(executor=remote)

    assert state.result[value].result == MANY
    assert gone.exists()


def test_below_a_task_that_crashes_its_process_none_is_called(tmp_path):
    def crash(x, place):
        if place == MIDDLE:
            import os

            os._exit(3)
        return x + 1

    with Flow("f") as flow:
        made = chain_of(noting(tmp_path, crash))
        beside = chain_of(count, count=50)
    states = flow.run(executor=ProcessExecutor(2)).result

    assert isinstance(states[made[MIDDLE]].result, WorkerDiedError)
    assert all(isinstance(states[one], Success) for one in (*made[:MIDDLE], *beside))
    assert all(isinstance(states[one], TriggerFailed) for one in made[MIDDLE + 1 :])
    assert times_noted(tmp_path) == dict.fromkeys(range(MIDDLE + 1), 1)


def waiting(folder, at):
    """Return a function that waits at a place until there is a file ``gate``."""

    def wait(x, place):
        import pathlib
        import time

        while place == at and not (pathlib.Path(folder) / "gate").exists():
            time.sleep(0.01)
        return x + 1

    return wait


def wait_until_all_is_back(run):
    """Wait until nothing is under way any more but the one that waits."""
    while len(run._loop._parts.calls) > 1:
        run.wait(0.01)


def test_a_paused_run_gets_back_what_went_early(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    with Flow("f") as flow:
        made = chain_of(noting(notes, waiting(tmp_path, MIDDLE)))
    run = flow.start(executor=ProcessExecutor(2))
    while not run.states[made[MIDDLE]].is_running():
        run.wait(0.01)
    run.pause()
    wait_until_all_is_back(run)
    (tmp_path / "gate").touch()
    while not run.is_paused:
        run.wait(0.01)

    assert times_noted(notes) == dict.fromkeys(range(MIDDLE + 1), 1)
    assert run.states[made[MIDDLE]].is_successful()
    assert run.states[made[MIDDLE + 1]].is_pending()
    run.step()
    assert max(times_noted(notes)) == MIDDLE + 1
    run.resume()
    run.wait(LIMIT_S)
    assert run.results[made[-1]] == MANY
    assert times_noted(notes) == dict.fromkeys(range(MANY), 1)


def test_a_cancelled_run_calls_none_of_what_went_early(tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    with Flow("f") as flow:
        made = chain_of(noting(notes, waiting(tmp_path, MIDDLE)))
    run = flow.start(executor=ProcessExecutor(2))
    while MIDDLE not in times_noted(notes):
        run.wait(0.01)
    run.cancel()
    run.wait(LIMIT_S)

    assert all(isinstance(run.states[one], Cancelled) for one in made[MIDDLE:])
    assert max(times_noted(notes)) == MIDDLE


def test_a_breakpoint_holds_what_went_early(tmp_path):
    with Flow("f") as flow:
        made = chain_of(waiting(tmp_path, MIDDLE))
    run = flow.start(executor=ProcessExecutor(2))
    while not run.states[made[MIDDLE]].is_running():
        run.wait(0.01)
    run.break_at(made[MIDDLE + 10])
    wait_until_all_is_back(run)
    (tmp_path / "gate").touch()
    run.wait(LIMIT_S, or_held=True)

    assert run.held == [made[MIDDLE + 10]]
    assert run.states[made[MIDDLE + 11]].is_pending()
    run.resume()
    run.wait(LIMIT_S)
    assert run.results[made[-1]] == MANY


def test_a_run_that_is_held_at_a_failure_goes_on_from_there(remote):
    def fail(x, place):
        if place == MIDDLE:
            raise ValueError("not this one")
        return x + 1

    with Flow("f") as flow:
        made = chain_of(fail)
    run = flow.start(executor=remote, hold_on_failure=True)
    run.wait(LIMIT_S, or_held=True)
    assert run.held == [made[MIDDLE]]
    assert run.states[made[MIDDLE + 1]].is_pending()

    run.set_result(made[MIDDLE], 1000)
    run.resume()
    run.wait(LIMIT_S)

    assert run.results[made[-1]] == 1000 + MANY - MIDDLE - 1


@pytest.mark.parametrize(("most", "count"), [(1, 8), (7, 30)])
def test_a_process_that_makes_way_leaves_the_rest_of_a_chain_to_the_next_one(most, count):
    with Flow("f") as flow:
        made = chain_of(lambda x, place: [*(x or []), __import__("os").getpid()], count=count)
    pids = flow.run(executor=ProcessExecutor(1, max_tasks=most)).result[made[-1]].result

    assert len(pids) == count
    assert max(pids.count(pid) for pid in pids) == most


def grow(values, place):
    return [*values, place]


def test_a_rerun_of_a_chain_takes_over_what_is_as_it_was(remote):
    with Flow("f") as flow:
        first = task(empty, name="first")()
        value, made = first, []
        for place in range(40):
            value = task(grow, name=f"grow{place}")(value, place)
            made.append(value)
    run = flow.start(executor=remote)
    run.wait(LIMIT_S)
    assert run.rerun("stale", dry=True).is_empty

    made[30].run = lambda values, place: [*values, "new"]

    assert run.rerun("stale", dry=True).tasks == tuple(made[30:])
    again = run.rerun("stale")
    again.wait(LIMIT_S)
    assert again.results[made[-1]] == [*range(30), "new", *range(31, 40)]


def test_a_value_that_a_task_of_the_kernel_changes_is_noted_as_it_was_taken(remote):
    """What went early took it before; a rerun gives it what it took."""
    with Flow("f") as flow:
        values = [task(lambda: [1], name="values")() for _ in range(30)]
        totals = [task(lambda taken: sum(taken), name="total")(one) for one in values]

        async def change(taken, total):
            taken.append(10)

        changed = [task(change, name="change")(*pair) for pair in zip(values, totals, strict=True)]
        after = [task(lambda taken, _: sum(taken), name="after")(*pair) for pair in zip(values, changed, strict=True)]
    run = flow.start(executor=remote)
    run.wait(LIMIT_S)

    assert {run.results[one] for one in totals} == {1}
    assert {run.results[one] for one in after} in ({11}, {1})  # what a cluster keeps, nobody changes
    again = run.rerun(totals)
    again.wait(LIMIT_S)
    assert {again.results[one] for one in totals} == {1}


def test_a_task_that_changes_what_it_took_early_is_tried_again_with_what_it_was(place):
    def take(values, place):
        values.append(place)
        if place == MIDDLE and context.task_run_count < 2:
            raise OSError("not yet")
        return values

    with Flow("f") as flow:
        value = task(empty, name="first")()
        for number in range(MANY):
            value = task(take, name="take", max_retries=1, retry_delay=datetime.timedelta(0))(value, number)

    assert flow.run(executor=place).result[value].result == list(range(MANY))


def test_a_task_that_is_to_get_copies_goes_when_there_is_something_to_copy(remote):
    with Flow("f") as flow:
        value = task(empty, name="first")()
        for place in range(40):
            value = task(grow, name="grow", inputs="copy")(value, place)

    assert flow.run(executor=remote).result[value].result == list(range(40))


def test_values_that_nobody_waits_for_go_while_a_chain_goes_on(remote):
    with Flow("f", keep="needed") as flow:
        value, made = task(lambda: b"x" * 2000, name="first")(), []
        for _ in range(60):
            value = task(lambda x: x + b"x", name="longer")(value)
            made.append(value)
    states = flow.run(executor=remote).result

    assert len(states[made[-1]].result) == 2060
    with pytest.raises(ValueReleasedError):
        _ = states[made[0]].result


def test_a_chain_travels_in_few_bundles():
    with Flow("f") as flow:
        made = chain_of(count)
    with SimulatedCluster(2).faked() as cluster:
        states = flow.run(executor=cluster).result

    assert states[made[-1]].result == MANY
    bundles = [text.count("link") for text in cluster.told if " is sent " in text]
    assert sum(bundles) == MANY
    assert len(bundles) < MANY / 10


def test_one_process_makes_a_chain():
    with Flow("f") as flow:
        made = chain_of(lambda x, place: [*x, __import__("os").getpid()] if x else [__import__("os").getpid()])
    pids = flow.run(executor=ProcessExecutor(3)).result[made[-1]].result

    assert len(set(pids)) == 1
    assert os.getpid() not in pids
