"""Memory is given back: values, rule V6 (docs/reruns.md). Without the garbage collector, where nothing else is said."""

from __future__ import annotations

import gc
import weakref
from datetime import timedelta

import pytest

from nbflow import Flow, context, resource_manager, task
from nbflow.errors import OptionError, RunNotFinishedError, ValueReleasedError
from nbflow.signals import LOOP
from nbflow.states import Success
from tests.shared import SharedList

LIMIT_S = 60


class Big:
    """A value that can be watched."""

    def __init__(self, size=0):
        self.content = bytes(size)


class Made:
    """Makes values and knows which of them are alive."""

    def __init__(self):
        self.references = SharedList()

    def __call__(self, size=0):
        value = Big(size)
        self.references.append(weakref.ref(value))
        return value

    @property
    def alive(self):
        return sum(reference() is not None for reference in self.references)


@pytest.fixture
def made():
    gc.collect()
    gc.disable()
    yield Made()
    gc.enable()


def flow_of(made, **options):
    with Flow("f", **options) as flow:
        make = task(lambda: made(), name="make")()
    return flow, make


@pytest.mark.one_memory("counts the values that are alive in the kernel")
def test_the_newest_run_keeps_its_values(made, executor):
    flow, make = flow_of(made)

    flow.run(executor=executor)

    assert made.alive == 1
    assert isinstance(flow.runs[-1].results[make], Big)


@pytest.mark.one_memory("counts the values that are alive in the kernel")
def test_five_runs_hold_the_values_of_one(made, executor):
    flow, _ = flow_of(made)

    for _ in range(5):
        flow.run(executor=executor)

    assert made.alive == 1


def test_five_reruns_hold_the_values_of_one(made):
    flow, make = flow_of(made)
    flow.run()

    for _ in range(5):
        flow.runs[-1].rerun([make]).wait(LIMIT_S)

    assert made.alive == 1


def test_keep_all_keeps_the_values_of_every_run(made):
    flow, _ = flow_of(made, keep="all")

    for _ in range(3):
        flow.run()

    assert made.alive == 3


def test_a_state_that_the_program_holds_keeps_its_values(made):
    flow, make = flow_of(made)
    state = flow.run()

    for _ in range(3):
        flow.run()

    assert made.alive == 2
    assert isinstance(state.result[make].result, Big)
    del state
    assert made.alive == 1


def test_a_run_that_the_program_holds_keeps_its_values(made):
    flow, make = flow_of(made)
    run = flow.start()
    run.wait(LIMIT_S)

    for _ in range(3):
        flow.run()

    assert isinstance(run.results[make], Big)
    del run
    for _ in range(2):
        flow.run()
    assert made.alive == 1


def test_reading_a_value_that_was_given_back_says_why_and_what_to_do(made):
    flow, make = flow_of(made)
    flow.run()
    flow.run()

    with pytest.raises(ValueReleasedError, match=r"'make'.*newer run.*rerun 'make'.*keep='all'"):
        _ = flow.runs[0].results[make]
    with pytest.raises(ValueReleasedError):
        _ = flow.runs[0].state.result[make].result


def test_the_facts_of_a_value_stay_when_it_goes():
    with Flow("f") as flow:
        rows = task(lambda: [1, 2, 3], name="rows")()
    flow.run()
    before = flow.runs[-1].facts[rows]
    flow.run()

    after = flow.runs[0].facts[rows]

    assert (before.where, after.where) == ("memory", "released")
    assert (after.type, after.length, after.repr, after.source) == ("list", 3, "[1, 2, 3]", "computed")
    assert after.fingerprint == before.fingerprint is not None
    assert after.size == before.size > 0


def test_small_plain_values_stay_since_their_facts_would_be_no_smaller():
    with Flow("f") as flow:
        number = task(lambda: 7, name="number")()

    flow.run()
    flow.run()

    assert flow.runs[0].results[number] == 7


def test_a_run_can_be_told_to_forget(made):
    flow, make = flow_of(made)
    run = flow.start()
    run.wait(LIMIT_S)
    assert run.held_bytes > 0

    run.forget()

    assert made.alive == 0
    assert run.held_bytes == 0
    assert run.states[make].is_successful()
    with pytest.raises(ValueReleasedError, match="told to forget"):
        _ = run.results[make]


def test_a_run_that_goes_on_forgets_nothing(made):
    flow, _ = flow_of(made)
    run = flow.start(paused=True)

    with pytest.raises(RunNotFinishedError):
        run.forget()

    run.cancel()
    run.wait(LIMIT_S)


def test_a_value_that_was_given_back_makes_its_task_run_again(made):
    with Flow("f") as flow:
        make = task(lambda: [made()], name="make")()
        count = task(lambda xs: len(xs), name="count")(make)
    flow.run()
    run = flow.runs[-1]
    run.forget()

    plan = run.rerun([count], dry=True)

    assert plan[make].runs
    assert "told to forget" in plan[make].why
    again = run.rerun([count])
    assert again.wait(LIMIT_S).is_successful()
    assert again.results[count] == 1


@pytest.mark.one_memory("counts the values that are alive in the kernel")
def test_needed_values_go_when_their_last_taker_has_ended(made, executor):
    seen = SharedList()

    def follow(before):
        seen.append(made.alive)
        return made()

    with Flow("f", keep="needed") as flow:
        value = task(lambda: made(), name="first")()
        for number in range(4):
            value = task(follow, name=f"then {number}")(value)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert max(seen) <= 2
    assert isinstance(state.result[value].result, Big)
    assert made.alive == 1


def test_needed_values_of_mapped_tasks_go_too(made):
    with Flow("f", keep="needed") as flow:
        many = task(lambda n: made(), name="many").map([1, 2, 3])
        total = task(lambda xs: len(xs), name="total")(many)

    state = flow.run()

    assert state.result[total].result == 3
    assert made.alive == 0


def test_a_task_may_say_how_long_its_value_is_kept(made):
    with Flow("f") as flow:
        first = task(lambda: made(), name="first", keep="needed")()
        task(lambda x: 1, name="second")(first)

    flow.run()

    assert made.alive == 0


def test_over_the_budget_the_largest_values_that_nobody_waits_for_go_first(made):
    with Flow("f", keep_bytes=250_000) as flow:
        small = task(lambda: made(50_000), name="small")()
        large = task(lambda: made(150_000), name="large")()
        done = task(lambda a, b: 1, name="done")(small, large)
        task(lambda n: made(100_000), name="last")(done)

    run = flow.start()
    run.wait(LIMIT_S)

    assert isinstance(run.results[small], Big)
    with pytest.raises(ValueReleasedError, match="no room"):
        _ = run.results[large]


def test_values_of_a_loop_hold_one(made):
    def turn():
        value = made()
        if context.get("task_loop_count", 1) < 10:
            raise LOOP(result=value)
        return value

    with Flow("f") as flow:
        task(turn)()

    assert flow.run().is_successful()
    assert made.alive == 1


def test_failed_attempts_hold_the_frames_of_the_newest_only(made):
    def attempt():
        local = made()
        raise OSError(type(local).__name__)

    with Flow("f") as flow:
        task(attempt, max_retries=4, retry_delay=timedelta(0))()

    flow.run()

    assert len(made.references) == 5
    assert made.alive <= 1


def test_runs_that_leave_the_list_are_freed_without_the_garbage_collector(made):
    flow, _ = flow_of(made, keep="all")

    for _ in range(30):
        flow.run()

    assert len(flow.runs) == 20
    assert made.alive == 20


def test_resources_of_runs_that_leave_the_list_are_freed_without_the_garbage_collector(made):
    @resource_manager
    class Opened:
        def setup(self):
            return made()

        def cleanup(self, resource):
            pass

    with Flow("f") as flow, Opened() as resource:
        task(lambda opened: 1, name="use")(resource)

    for _ in range(30):
        flow.run()

    assert len(flow.runs) == 20
    assert made.alive == 20


def test_the_runs_are_a_sequence():
    with Flow("f") as flow:
        task(lambda: 1, name="one")()
    for _ in range(3):
        flow.run()

    assert [run.number for run in flow.runs[-2:]] == [2, 3]
    assert [type(run.state) for run in reversed(flow.runs)] == [Success] * 3


@pytest.mark.parametrize("keep", ["newer", 1, ""])
def test_an_unknown_word_for_keep_is_refused(keep):
    with pytest.raises(OptionError, match="'newest' or 'needed' or 'all'"):
        Flow("f", keep=keep)
    with pytest.raises(OptionError, match="keep"):
        task(lambda: 1, keep=keep)


def test_runs_are_compared_by_the_facts_of_values_that_were_given_back():
    with Flow("f") as flow:
        same = task(lambda: [1, 2], name="same")()
        count = task(lambda n=[0]: n.append(1) or list(n), name="count")()
    flow.run()
    flow.run()

    pairs = {pair.slug: pair.value for pair in flow.runs[1].compare(flow.runs[0]).tasks}

    assert flow.runs[0].facts[same].where == flow.runs[0].facts[count].where == "released"
    assert pairs == {"same-1": "same", "count-1": "different"}


def test_large_texts_and_bytes_count_as_well():
    with Flow("f", keep_bytes=3_000_000) as flow:
        made = [task(lambda: bytes(2_000_000), name=f"bytes {number}")() for number in range(3)]
    run = flow.start()
    run.wait(LIMIT_S)

    assert run.held_bytes <= 3_000_000
    assert sum(run.states[one].released is None for one in made) == 1
