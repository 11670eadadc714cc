"""Which calls go to a worker together, and how many may wait there."""

from __future__ import annotations

import weakref

import pytest

from nbflow.core.function_task import task
from nbflow.engine.attempt import Call
from nbflow.executors.work_queue import BUNDLE_S, WorkQueue, kind_of


def short(x):
    return x


def other(x):
    return x + 1


def calls_of(function, count, *, is_ahead=True, **options):
    calls = [Call(number, task(function, name="t", **options), function, {}, dict) for number in range(count)]
    for call in calls:
        call.is_ahead = is_ahead
    return calls


def queue_of(calls, *, workers=1, seconds=None):
    queue = WorkQueue(workers)
    if seconds is not None:
        queue.took(map(kind_of, calls), seconds)
    for call in calls:
        queue.add(call)
    return queue


def test_a_call_of_an_unknown_kind_goes_alone():
    calls = calls_of(short, 8)

    assert queue_of(calls).take() == calls[:1]


def test_short_calls_go_together_in_their_order():
    calls = calls_of(short, 100)

    assert queue_of(calls, seconds=BUNDLE_S / 10).take() == calls[:10]


def test_no_bundle_leaves_other_workers_without():
    calls = calls_of(short, 80)

    assert len(queue_of(calls, workers=4, seconds=1e-6).take()) == 10


def test_what_takes_as_long_as_a_bundle_goes_alone():
    calls = calls_of(short, 8)

    assert queue_of(calls, seconds=BUNDLE_S).take() == calls[:1]


def test_a_bundle_ends_before_a_call_that_nobody_has_timed():
    known, unknown = calls_of(short, 3), calls_of(other, 3)
    queue = queue_of(known, seconds=1e-6)
    for call in (*unknown, *calls_of(short, 20)):
        queue.add(call)

    assert queue.take() == known
    assert queue.take() == unknown[:1]


def test_what_is_out_of_the_ordinary_goes_alone():
    calls = calls_of(short, 8, is_ahead=False)

    assert queue_of(calls, seconds=1e-6).take() == calls[:1]


def test_a_call_of_a_task_that_is_not_to_be_bundled_goes_alone():
    alone, others = calls_of(short, 2, bundle=False), calls_of(short, 20)
    queue = queue_of([*alone, *others[:3], *alone, *others[3:]], seconds=1e-6)

    assert [queue.take() for _ in range(5)] == [[alone[0]], [alone[1]], others[:3], [alone[0]], [alone[1]]]
    assert len(queue.take()) > 1


@pytest.mark.parametrize("options", [{"resources": {"GPU": 1}}, {"workers": "alice"}, {"priority": 2}], ids=str)
def test_calls_of_different_placements_never_go_together(options):
    placed, others = calls_of(short, 3, **options), calls_of(short, 40)
    queue = queue_of([*others[:2], *placed, *others[2:]], seconds=1e-6)

    assert [queue.take(), queue.take()] == [others[:2], placed]


def test_calls_of_equal_placements_go_together():
    first, second = calls_of(short, 3, resources={"GPU": 1}), calls_of(short, 30, resources={"GPU": 1.0})

    assert len(queue_of([*first, *second], seconds=1e-6).take()) > len(first)


def test_no_more_are_taken_than_are_wanted():
    calls = calls_of(short, 50)

    assert queue_of(calls, seconds=1e-6).take(3) == calls[:3]


def test_what_goes_back_goes_first_and_alone_if_one_of_it_makes_trouble():
    calls = calls_of(short, 40)
    queue = queue_of(calls, seconds=1e-6)
    bundle = queue.take()

    queue.put_back(bundle, alone=True)

    assert [queue.take() for _ in bundle] == [[call] for call in bundle]
    assert len(queue.take()) > 1


def test_only_what_went_ahead_is_recalled():
    ahead, begun = calls_of(short, 3), calls_of(short, 1, is_ahead=False)
    queue = queue_of([*begun, *ahead])

    assert queue.recalled() == ahead
    assert queue.take() == begun
    assert queue.take() == []


def test_short_calls_may_wait_and_long_ones_may_not():
    queue = queue_of(calls_of(short, 1), workers=2)
    assert queue.ahead == 0

    queue.took(["short"], 10.0)
    assert queue.ahead == 0

    queue.took(["short"], BUNDLE_S)
    assert queue.ahead >= 2

    queue.took(["short"], 1e-9)
    assert 100 < queue.ahead < 10_000


def test_none_wait_when_a_call_takes_long_although_it_has_not_ended():
    queue = queue_of(calls_of(short, 8), seconds=1e-6)

    queue.takes(kind_of(calls_of(short, 1)[0]), 1.0)

    assert queue.ahead == 0
    assert len(queue.take()) == 1


def test_nothing_that_has_gone_is_kept_alive():
    calls = calls_of(short, 3)
    queue = queue_of(calls)
    queue.put_back(queue.take() + queue.take(), alone=True)
    gone = weakref.WeakSet(calls)

    queue.take()
    queue.recalled()
    calls.clear()

    assert not gone
