"""The global generators of random numbers: a rerun draws what a fresh run draws (docs/reruns.md)."""

from __future__ import annotations

import random
import sys
import threading
from datetime import timedelta

import pytest

from nbflow import Flow, Parameter, task
from tests.shared import SharedList

LIMIT_S = 20
FREE = pytest.mark.parametrize("kind", ["random", "numpy.random"])


def draw_plainly():
    return random.random()


def draw_by_helper():
    return draw_plainly()


def draw_of_numpy():
    import numpy as np

    return float(np.random.random())


def seed():
    random.seed(11)


def seed_numpy():
    import numpy as np

    np.random.seed(11)


SOURCES = pytest.mark.parametrize(
    ("seeding", "drawing"), [(seed, draw_plainly), (seed, draw_by_helper), (seed_numpy, draw_of_numpy)]
)


@pytest.fixture(autouse=True)
def _as_before():
    state, numpy = random.getstate(), sys.modules.get("numpy")
    others = None if numpy is None else numpy.random.get_state()
    yield
    random.setstate(state)
    if numpy is not None:
        numpy.random.set_state(others)


def flow_of(seeding, drawing):
    with Flow("f") as flow:
        seeded = task(seeding, name="seed")()
        n = Parameter("n", default=1)
        first = task(lambda n: drawing(), name="first")(n, upstream_tasks=[seeded])
        second = task(drawing, name="second")(upstream_tasks=[first])
    return flow, first, second


def the_rerun_of(run, *args, **options):
    again = run.rerun(*args, **options)
    again.wait(LIMIT_S)
    return again


@SOURCES
def test_a_task_that_draws_again_draws_what_it_drew(seeding, drawing, executor):
    """Values, rule V1."""
    flow, first, second = flow_of(seeding, drawing)
    run = flow.start(executor=executor)
    run.wait(LIMIT_S)
    assert run.results[first] != run.results[second]

    for asked in ([second], [first], [first, second]):
        again = the_rerun_of(run, asked)

        assert (again.results[first], again.results[second]) == (run.results[first], run.results[second])


@SOURCES
def test_an_unchanged_flow_that_draws_has_nothing_to_rerun(seeding, drawing):
    """Values, rule V2."""
    flow, _, _ = flow_of(seeding, drawing)
    run = flow.start()
    run.wait(LIMIT_S)

    assert run.rerun("stale", dry=True).is_empty


@SOURCES
def test_whoever_draws_after_a_task_that_draws_otherwise_draws_again(seeding, drawing):
    """Values, rule V1: the plan says why."""
    flow, _, _ = flow_of(seeding, drawing)
    run = flow.start()
    run.wait(LIMIT_S)

    plan = run.rerun([], n=2, dry=True)

    assert [step.task.name for step in plan.steps if step.runs] == ["n", "first", "second"]


def test_who_shuffles_with_a_generator_of_its_own_does_not_draw_after_who_seeds_the_global_one():
    """Values, rule V2: its code does not tell the two apart, the states do that it met and left."""
    numpy = pytest.importorskip("numpy")

    def shuffle(generator):
        cards = [1, 2, 3, 4, 5]
        generator.shuffle(cards)
        return cards

    with Flow("f") as flow:
        seeded = task(seed_numpy, name="seed")()
        task(shuffle)(task(lambda: numpy.random.default_rng(3), name="make")())
    run = flow.start()
    run.wait(LIMIT_S)

    plan = run.rerun([seeded], dry=True)

    assert plan.tasks == (seeded,)


def test_who_draws_behind_a_seed_does_not_come_again_after_who_drew_before():
    """Values, rule V2: what was drawn before makes no difference there."""
    with Flow("f") as flow:
        drawn = task(draw_plainly)()
        seeded = task(seed)()
        below = task(draw_by_helper)(upstream_tasks=[seeded])
    run = flow.start()
    run.wait(LIMIT_S)

    again = the_rerun_of(run, [drawn])

    assert again.plan.tasks == (drawn,)
    assert the_rerun_of(again, [drawn, below]).results[below] == run.results[below]


def test_who_looks_at_the_state_of_the_generator_counts_as_drawing():
    """Values, rule V1."""
    with Flow("f") as flow:
        seeded = task(seed, name="seed")()
        looked = task(lambda: hash(random.getstate()), name="look")()
    run = flow.start()
    run.wait(LIMIT_S)

    plan = run.rerun([seeded], dry=True)

    assert plan[looked].why == "draws on random after 'seed'"


def test_a_further_attempt_draws_what_the_first_one_drew(executor):
    """Values, rule V2: `max_retries`."""
    drawn = SharedList()

    def draw():
        drawn.append(random.random())
        if len(drawn) < 3:
            raise ValueError("not yet")

    with Flow("f") as flow:
        task(draw, max_retries=2, retry_delay=timedelta(0))()
    flow.run(executor=executor)

    assert len(drawn) == 3
    assert len(set(drawn)) == 1


@SOURCES
def test_a_task_that_is_called_for_the_first_time_goes_on_where_those_before_it_left_off(seeding, drawing):
    """Values, rule V1: whatever else has drawn in between."""
    fails = [True]

    def check():
        if fails:
            raise ValueError("not yet")

    def make():
        with Flow("f") as flow:
            seeded = task(seeding, name="seed")()
            first = task(drawing, name="first")(upstream_tasks=[seeded])
            checked = task(check, name="check")(upstream_tasks=[first])
            second = task(drawing, name="second")(upstream_tasks=[checked])
        return flow, second

    flow, second = make()
    run = flow.start()
    run.wait(LIMIT_S)
    drawing()
    fails.clear()
    fresh, other = make()
    expected = fresh.run().result[other].result

    again = the_rerun_of(run, "failed")

    assert again.results[second] == expected


def test_who_draws_on_a_generator_that_it_takes_is_not_charged_with_what_others_draw_meanwhile():
    """Values, rule V2: nothing runs needlessly."""
    numpy = pytest.importorskip("numpy")
    taken, drawn = threading.Event(), threading.Event()

    def own(x):
        taken.set()
        drawn.wait(LIMIT_S)
        return x.shuffle([1, 2, 3])

    def draw():
        taken.wait(LIMIT_S)
        found = numpy.random.random()
        drawn.set()
        return found

    with Flow("f") as flow:
        made = task(lambda: random.Random(1), name="made")()
        task(own, name="own")(made)
        task(draw, name="draw")()
    run = flow.start(executor="threads")
    run.wait(LIMIT_S)

    made.run = lambda: random.Random(2)
    plan = run.rerun("stale", dry=True)

    assert [step.name for step in plan.tasks] == ["made", "own"]
