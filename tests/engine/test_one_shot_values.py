"""Iterators: each taker, attempt and rerun gets all of the items (docs/reruns.md)."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from nbflow import Flow, Parameter, task
from nbflow.states import Success
from tests.shared import SharedList

LIMIT_S = 20


class Counter:
    """An iterator of the user's."""

    def __init__(self, stop):
        self.at, self.stop = 0, stop

    def __iter__(self):
        return self

    def __next__(self):
        if self.at == self.stop:
            raise StopIteration
        self.at += 1
        return self.at


ITERATORS = pytest.mark.parametrize(
    "make",
    [
        lambda: (n for n in (1, 2, 3)),
        lambda: iter([1, 2, 3]),
        lambda: map(abs, [-1, 2, 3]),
        lambda: zip([1, 2, 3], "abc", strict=True),
        lambda: filter(None, [0, 1, 2, 3]),
        lambda: Counter(3),
    ],
    ids=["generator", "iter", "map", "zip", "filter", "class"],
)


def add_up(items):
    return [*items]


def whys(plan):
    return {step.task.name: step.why for step in plan.steps if step.runs}


def the_run_of(flow, **options):
    run = flow.start(**options)
    run.wait(LIMIT_S)
    return run


def the_rerun_of(run, *args, **options):
    again = run.rerun(*args, **options)
    again.wait(LIMIT_S)
    return again


@pytest.mark.one_memory("an iterator cannot travel")
@ITERATORS
def test_every_taker_gets_all_items(make, executor):
    """Values, rule V3."""
    with Flow("f") as flow:
        made = task(make, name="make")()
        takers = [task(add_up, name=name)(made) for name in "abc"]
    run = the_run_of(flow, executor=executor)

    assert [run.results[taker] for taker in takers] == [list(make())] * 3


@pytest.mark.one_memory("an iterator cannot travel")
@ITERATORS
def test_every_attempt_gets_all_items(make, executor):
    """Values, rule V3."""
    attempts = SharedList()

    def work(items):
        attempts.append([*items])
        if len(attempts) < 3:
            raise ValueError("not yet")

    with Flow("f") as flow:
        task(work, max_retries=2, retry_delay=timedelta(0))(task(make, name="make")())

    assert isinstance(flow.run(executor=executor), Success)
    assert attempts == [list(make())] * 3


@pytest.mark.one_memory("an iterator cannot travel")
@ITERATORS
def test_a_held_task_that_is_tried_again_gets_all_items(make, executor):
    """Values, rule V3."""
    broken = [True]

    def work(items):
        found = [*items]
        if broken:
            raise ValueError("broken")
        return found

    with Flow("f") as flow:
        worked = task(work)(task(make, name="make")())
    run = flow.start(hold_on_failure=True, executor=executor)
    run.wait(LIMIT_S, or_held=True)
    broken.clear()
    run.retry(worked)
    run.resume()
    run.wait(LIMIT_S)

    assert run.results[worked] == list(make())


@pytest.mark.one_memory("an iterator cannot travel")
@ITERATORS
def test_each_rerun_gets_all_items(make, executor):
    """Values, rule V3: the producer runs again, and the plan says so."""
    with Flow("f") as flow:
        made = task(make, name="make")()
        taken = task(add_up)(made)
    run = the_run_of(flow, executor=executor)

    why = whys(run.rerun([taken], dry=True))
    for _ in range(2):
        run = the_rerun_of(run, [taken])
        assert run.results[taken] == list(make())

    assert why == {"add_up": "asked for", "make": "used up by 'add_up'"}


@ITERATORS
def test_an_unchanged_flow_with_an_iterator_has_nothing_to_rerun(make):
    """Values, rule V2."""
    with Flow("f") as flow:
        made = task(make, name="make")()
        task(add_up)(made)
    run = the_run_of(flow)

    assert run.rerun("stale", dry=True).is_empty


@pytest.mark.one_memory("an iterator cannot travel")
def test_an_iterator_that_is_given_as_a_parameter_serves_two_takers(executor):
    """Values, rule V3."""
    with Flow("f") as flow:
        items = Parameter("items")
        first, second = task(add_up, name="first")(items), task(add_up, name="second")(items)
    run = the_run_of(flow, parameters={"items": iter([1, 2])}, executor=executor)

    assert (run.results[first], run.results[second]) == ([1, 2], [1, 2])


def test_an_iterator_that_is_a_constant_serves_every_run(executor):
    """Values, rules V3 and V4."""
    with Flow("f") as flow:
        first, second = task(add_up, name="first")(items=iter([1, 2])), task(add_up, name="second")(iter([3]))

    for _ in range(2):
        run = the_run_of(flow, executor=executor)
        assert (run.results[first], run.results[second]) == ([1, 2], [3])


@pytest.mark.one_memory("an iterator cannot travel")
def test_what_an_iterator_raises_reaches_every_taker(executor):
    """Values, rule V3."""

    def make():
        yield 1
        raise ValueError("broken source")

    with Flow("f") as flow:
        made = task(make)()
        takers = [task(add_up, name=name)(made) for name in "ab"]
    run = the_run_of(flow, executor=executor)

    assert [str(run.states[taker].result) for taker in takers] == ["broken source"] * 2


@pytest.mark.one_memory("an iterator cannot travel")
def test_an_open_file_is_handed_on_as_it_is(executor):
    """Values, rule V3: a file is more than its lines."""
    with Flow("f") as flow:
        made = task(lambda: io.StringIO("a\nb\n"), name="open")()
        first = task(lambda file: file.readline(), name="first")(made)
        second = task(lambda file: file.readline(), name="second")(made, upstream_tasks=[first])
    run = the_run_of(flow, executor=executor)

    assert (run.results[first], run.results[second]) == ("a\n", "b\n")
    assert run.results[made].read() == ""

    again = the_rerun_of(run, [second])
    assert again.results[second] == "b\n"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["generator first", "map first"])
def test_a_task_that_uses_two_iterators_up_uses_up_both(order):
    """Values, rule V3: of one the contents are known, of the other they are not."""
    makers = [task(lambda: (n for n in (1, 2)), name="a"), task(lambda: map(abs, [-1, 2]), name="b")]
    with Flow("f") as flow:
        made = [makers[place]() for place in order]
        used = task(lambda x, y: ([*x], [*y]), name="use")(*made)
    run = flow.start()
    run.wait(LIMIT_S)
    used.run = lambda x, y: ([*y], [*x])

    again = run.rerun("stale")
    again.wait(LIMIT_S)

    assert again.results[used] == ([1, 2], [1, 2])
    assert [step.why for step in again.plan.steps[:2]] == ["used up by 'use'"] * 2
