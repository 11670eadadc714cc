"""What every executor does alike: the states and values of a flow, its output, its files, its blocks."""

from __future__ import annotations

import datetime
import logging
import threading

import pytest

from nbflow import Flow, Parameter, case, context, mapped, merge, resource_manager, signals, task
from nbflow.states import Failed, Skipped, Success, TimedOut, TriggerFailed

LIMIT_S = 30


@task
def add(x, y=1):
    return x + y


@task
def fail(x):
    raise ValueError(f"not {x}")


def test_values_go_from_task_to_task(place):
    with Flow("f") as flow:
        n = Parameter("n", default=3)
        total = add(add(n), y=add(n, y=10))

    assert flow.run(executor=place).result[total].result == 17
    assert flow.run(executor=place, n=1).result[total].result == 13


def test_a_failure_is_of_its_kind_and_says_where(place):
    with Flow("f") as flow:
        failed = fail(7)
        below = add(failed)

    state = flow.run(executor=place)

    error = state.result[failed].result
    assert type(error) is ValueError
    assert str(error) == "not 7"
    trace, names = error.__traceback__, []
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == "fail"
    assert isinstance(state.result[below], TriggerFailed)


def test_signals_do_what_they_say(place):
    @task
    def skips():
        raise signals.SKIP("not today")

    @task
    def loops():
        turn = context.get("task_loop_count", 1)
        if turn < 3:
            raise signals.LOOP(result=turn)
        return context.task_loop_result + turn

    @task
    def fails_well():
        raise signals.FAIL("no", result=[1])

    with Flow("f") as flow:
        skipped, looped, failed = skips(), loops(), fails_well()
    states = flow.run(executor=place).result

    assert isinstance(states[skipped], Skipped)
    assert states[looped].result == 5
    assert isinstance(states[failed], Failed)
    assert states[failed].result == [1]


def test_a_task_knows_the_same_of_its_attempt_wherever_it_runs(place):
    names = ("task_name", "task_full_name", "task_slug", "task_run_count", "task_loop_count", "map_index", "team")

    @task
    def knows(_):
        return [context.get(name) for name in names]

    with Flow("f") as flow:
        one, several = knows(1), knows.map(mapped([1, 2]))
    results = {executor: flow.run(executor=executor, context={"team": "blue"}).result for executor in (place, "inline")}

    for made in (one, several):
        assert results[place][made].result == results["inline"][made].result
    assert results[place][one].result[4] == 1


def test_a_task_is_tried_again(place):
    @task(max_retries=2, retry_delay=datetime.timedelta(0))
    def third_time():
        if context.task_run_count < 3:
            raise OSError("not yet")
        return context.task_run_count

    with Flow("f") as flow:
        tried = third_time()

    assert flow.run(executor=place).result[tried].result == 3


def test_maps_branches_and_merges(place):
    with Flow("f") as flow:
        rows = add.map(mapped([1, 2, 3]))
        with case(add(1), 2):
            one = add(10)
        with case(add(1), 3):
            other = add(20)
        merged = merge(one, other)
    states = flow.run(executor=place).result

    assert states[rows].result == [2, 3, 4]
    assert states[merged].result == 11
    assert isinstance(states[other], Skipped)


def test_a_block_is_set_up_and_cleaned_up_in_the_kernel(place):
    told = []

    @resource_manager
    class Numbers:
        def setup(self):
            told.append("setup")
            return {"one": 1}

        def cleanup(self, resource):
            told.append("cleanup")

    with Flow("f") as flow, Numbers() as numbers:
        taken = task(lambda held: held["one"] + 1)(numbers)
        fail(1)
    state = flow.run(executor=place)

    assert state.result[taken].result == 2
    assert told == ["setup", "cleanup"]


def test_what_a_task_says_is_kept_with_it(place, caplog):
    @task
    def speaks():
        print("a line")
        logging.getLogger("mine").warning("beware of %s", 3)

    with Flow("f") as flow:
        spoken = speaks()
    flow.run(executor=place)

    said = "".join(line.text for line in flow.runs[-1].logs[spoken])
    assert "a line" in said
    assert "beware of 3" in said
    assert "beware of 3" in caplog.text


def test_the_context_is_known(place):
    with Flow("f") as flow:
        n = Parameter("n", default=5)
        add(n)
        known = task(lambda: (context.task_name, context.flow_name, context.parameters["n"], context.mine), name="me")()
    state = flow.run(executor=place, context={"mine": "yes"})

    assert state.result[known].result == ("me", "f", 5, "yes")


def test_the_files_of_a_task_are_known(place, tmp_path):
    path = tmp_path / "data.txt"
    path.write_text("1")
    with Flow("f") as flow:
        read = task(lambda: path.read_text(), name="read")()
    flow.run(executor=place)
    run = flow.runs[-1]
    assert run.rerun("stale", dry=True).is_empty

    path.write_text("22")

    assert run.rerun("stale", dry=True).tasks == (read,)


def test_draws_are_those_that_a_seed_gives(place):
    def draws():
        import random

        return random.random()

    with Flow("f") as flow:
        seeded = task(lambda: __import__("random").seed(3), name="seeds")()
        first = task(draws, name="first")(upstream_tasks=[seeded])
        second = task(draws, name="second")(upstream_tasks=[first])
    states = flow.run(executor=place).result

    assert states[first].result != states[second].result


class Dam:
    """Opens in this process only; in another one, to which it travels, it stays shut."""

    def __init__(self):
        self.is_open = threading.Event()

    def __reduce__(self):
        return Dam, ()


@pytest.mark.parametrize("place", ["inline", "threads", "pool of threads", "processes"], indirect=True)
def test_a_task_that_takes_too_long_is_timed_out(place):  # on a pool of processes nobody can stop it
    dam = Dam()

    @task(timeout=1)
    def waits():
        dam.is_open.wait(LIMIT_S)

    with Flow("f") as flow:
        late = waits()

    try:
        assert isinstance(flow.run(executor=place).result[late], TimedOut)
    finally:
        dam.is_open.set()  # a pool of threads waits for what nobody can stop


def test_a_run_is_stepped_held_and_rerun(place):
    with Flow("f") as flow:
        first = add(1)
        broken = fail(first)
    run = flow.start(executor=place, paused=True, hold_on_failure=True)
    run.step()
    assert run.results[first] == 2
    run.step()
    broken.run = lambda x: x * 10
    run.retry(broken)
    run.resume()
    run.wait(LIMIT_S)

    assert run.results[broken] == 20
    again = run.rerun([broken])
    again.wait(LIMIT_S)
    assert isinstance(again.states[broken], Success)


def test_a_breakpoint_holds_a_run_until_it_is_let_go(place):
    with Flow("f") as flow:
        first = add(1)
        second = add(first)
        third = add(second)
    run = flow.start(executor=place, paused=True)
    run.break_at(second, when=lambda x: x == 2)
    run.resume()
    run.wait(LIMIT_S, or_held=True)

    assert run.held == [second]
    assert run.inputs(second)["x"] == 2
    run.set_result(second, 10)
    run.resume()
    run.wait(LIMIT_S)
    assert run.results[third] == 11


def test_what_was_pinned_stays_and_only_what_is_stale_runs_again(place):
    with Flow("f") as flow:
        first = add(1)
        second = add(first)
        other = add(5)
    run = flow.start(executor=place)
    run.wait(LIMIT_S)
    run.pin(first)
    first.run = lambda x, y=1: 0
    other.run = lambda x, y=1: x * 100

    assert run.rerun("stale", dry=True).tasks == (other,)
    again = run.rerun("stale")
    again.wait(LIMIT_S)

    assert (again.results[first], again.results[second], again.results[other]) == (2, 3, 500)


def test_a_task_that_changes_what_it_took_is_tried_again_with_what_it_was(place):
    @task(max_retries=1, retry_delay=datetime.timedelta(0))
    def appends(values):
        values.append(len(values))
        if context.task_run_count < 2:
            raise OSError("not yet")
        return values

    with Flow("f") as flow:
        made = task(lambda: [0], name="made")()
        appended = appends(made)

    assert flow.run(executor=place).result[appended].result == [0, 1]
