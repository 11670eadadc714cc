"""Which calls go to a worker together, and how many may wait there."""

from __future__ import annotations

import weakref
from itertools import pairwise

import pytest

from nbflow.core.function_task import task
from nbflow.engine.attempt import RECALLED, Call, Outcome
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


def queue_of(calls, *, workers=1, seconds=None, **options):
    queue = WorkQueue(workers, **options)
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


def test_what_costs_more_than_its_calls_leaves_a_worker_without_but_not_for_long():
    calls = calls_of(short, 80)

    assert len(queue_of(calls, workers=4, seconds=1e-6, worth_it=50).take()) == 50
    assert len(queue_of(calls, workers=4, seconds=0.001, worth_it=50).take()) == 10
    assert len(queue_of(calls, workers=40, seconds=0.002, worth_it=50).take()) == 3


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


@pytest.mark.parametrize(
    "options",
    [{"resources": {"GPU": 1}}, {"workers": "alice"}, {"priority": 2}, {"rerun_if_lost": False}],
    ids=str,
)
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


# -- calls that expect others -------------------------------------------------------------------------------------


def chain_of_calls(count, *, function=short):
    calls = calls_of(function, count)
    for upper, call in pairwise(calls):
        call.expects = (upper,)
    return calls


def well(calls):
    return [(call, Outcome(1, None)) for call in calls]


def test_a_chain_of_short_calls_goes_in_one_bundle_for_as_long_as_nobody_else_could_do_anything():
    calls = chain_of_calls(100)

    assert queue_of(calls, workers=4, seconds=1e-6).take() == calls


def test_a_chain_takes_no_longer_than_any_bundle():
    calls = chain_of_calls(100)

    assert queue_of(calls, seconds=BUNDLE_S / 10).take() == calls[:10]


def test_of_several_chains_a_worker_takes_its_share():
    chains = [chain_of_calls(20) for _ in range(4)]
    calls = [call for chain in chains for call in chain]

    bundle = queue_of(calls, workers=4, seconds=1e-6).take()

    assert bundle == calls[:10]


def test_below_a_call_that_many_expect_a_worker_takes_its_share_too():
    first, *others = calls = calls_of(short, 81)
    for call in others:
        call.expects = (first,)

    assert queue_of(calls, workers=4, seconds=1e-6).take() == calls[:10]


def test_a_call_waits_for_those_that_it_expects_where_they_have_gone_to():
    first, second, third = chain_of_calls(3)
    queue = queue_of([first, second, third])
    assert queue.take() == [first]
    assert len(queue) == 0
    assert queue.take() == []

    assert queue.ended(well([first])) == []

    assert len(queue) == 1
    assert queue.take() == [second]


def test_a_call_that_others_may_follow_holds_up_none_of_them():
    first, second, third = chain_of_calls(3)
    queue = queue_of([first, second, third])
    assert queue.take() == [first]

    queue.let_follow([first])

    assert queue.take() == [second]
    assert queue.take() == []


def test_what_comes_when_it_may_follow_goes_at_once():
    first, second = chain_of_calls(2)
    queue = queue_of([first])
    queue.let_follow(queue.take())

    assert queue.add(second)
    assert queue.take() == [second]


def test_what_might_have_followed_waits_when_what_it_expects_is_here_again():
    first, second, third = calls = chain_of_calls(3)
    queue = queue_of(calls)
    queue.let_follow(queue.take())
    queue.let_follow(queue.take())

    queue.put_back([first])
    queue.put_back([second])

    assert len(queue) == 1
    assert queue.take() == [first]
    assert queue.take() == []
    queue.ended(well([first]))
    assert queue.take() == [second]
    queue.let_follow([second])
    assert queue.take() == [third]


def test_what_has_not_gone_yet_goes_back_from_one_that_it_might_have_followed():
    first, second, third = calls = chain_of_calls(3)
    queue = queue_of(calls)
    queue.let_follow(queue.take())

    assert queue.ended([(first, Outcome(None, OSError()))]) == [second, third]
    assert not queue


def test_of_two_that_a_call_expects_the_last_one_lets_it_go():
    ones = calls_of(short, 2)
    (both,) = calls_of(other, 1)
    both.expects = tuple(ones)
    queue = queue_of([*ones, both])
    assert queue.take() + queue.take() == ones

    queue.ended(well(ones[1:]))
    assert queue.take() == []

    queue.ended(well(ones[:1]))
    assert queue.take() == [both]


BADLY = [Outcome(None, OSError()), RECALLED, Outcome(iter([1]), None)]


@pytest.mark.parametrize("outcome", BADLY, ids=["failed", "recalled", "iterator"])
def test_what_expects_one_that_is_not_handed_on_goes_back_and_so_does_what_expects_that(outcome):
    calls = chain_of_calls(4)
    (aside,) = calls_of(other, 1)
    queue = queue_of([*calls, aside])
    queue.take()

    assert queue.ended([(calls[0], outcome)]) == calls[1:]
    assert queue.take() == [aside]
    assert all(call.returned is RECALLED for call in calls[1:])


@pytest.mark.parametrize("outcome", BADLY, ids=["failed", "recalled", "iterator"])
def test_what_comes_late_goes_back_at_once(outcome):
    first, second = chain_of_calls(2)
    queue = queue_of([first])
    queue.take()
    queue.ended([(first, outcome)])

    assert not queue.add(second)
    assert not queue


def test_what_is_put_back_waits_once_more_for_what_it_expects():
    calls = chain_of_calls(6)
    queue = queue_of(calls, seconds=1e-6)
    assert queue.take(4) == calls[:4]

    assert queue.put_back(calls[1:4]) == []

    assert queue.take() == []
    queue.ended(well(calls[:1]))
    assert queue.take() == calls[1:]


def test_what_is_put_back_goes_back_if_what_it_expects_has_failed_meanwhile():
    first, second = chain_of_calls(2)
    queue = queue_of([first, second])
    queue.let_follow(queue.take())
    assert queue.take() == [second]
    queue.ended([(first, Outcome(None, OSError()))])

    assert queue.put_back([second]) == [second]
    assert not queue


def test_all_that_waits_is_recalled_also_what_waits_for_others():
    calls = chain_of_calls(4)
    queue = queue_of(calls)
    queue.take()

    assert queue.recalled() == calls[1:]
    assert queue.ended(well(calls[:1])) == []
    assert queue.take() == []


def test_calls_of_several_placements_do_not_go_together_in_a_chain_either():
    calls = chain_of_calls(4)
    calls[2].task = task(short, name="t", priority=1)

    assert queue_of(calls, seconds=1e-6).take() == calls[:2]


def test_nothing_that_expects_others_is_kept_alive_when_it_has_gone():
    calls = chain_of_calls(6)
    queue = queue_of(calls)
    gone = weakref.WeakSet(calls)

    for _ in range(3):
        queue.ended(well(queue.take()))
    queue.take()
    queue.recalled()
    for call in calls:
        call.expects = ()
    del call
    calls.clear()

    assert not gone
