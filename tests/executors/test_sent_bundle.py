"""A bundle on a cluster, as its worker tells of it: late, twice, out of order, or from two workers."""

from __future__ import annotations

import pickle
import weakref
from types import SimpleNamespace

import pytest

from nbflow.engine.attempt import RECALLED, Call, TaskCancelled
from nbflow.engine.remote_value import RemoteFacts, RemoteValue
from nbflow.executors.dask.sent_bundle import SentBundle, end_of_unbegun
from nbflow.executors.errors import WorkerDiedError

A, B = "tcp://a:1", "tcp://b:1"


def call_named(name):
    task = SimpleNamespace(name=name, files=False, log_stdout=False, run=None, rerun_if_lost=True)
    call = Call(0, task, lambda: None, {}, lambda *_: {})
    call.is_remote = call.is_ahead = True
    return call


class Values:
    """Those of a bundle, which are on the cluster."""

    bundle = None
    is_lost = False


def bundle_of(calls, expected=None, number=7):
    parcel = SimpleNamespace(calls=calls, values=[], expected=expected or {})
    bundle = SentBundle(number, parcel, Values())
    bundle.kept = bundle.values  # as somebody does who may want one of them
    return bundle


def ended(value):
    return [pickle.dumps((value, None, None, {}, 1.0, 2.0), 5)]


@pytest.fixture
def calls():
    found = [call_named(name) for name in "abc"]
    for node, call in enumerate(found):
        call.node = node
    return found


@pytest.fixture
def bundle(calls):
    return bundle_of(calls)


def hear(bundle, worker, *messages):
    for kind, *rest in messages:
        bundle.hear(worker, (kind, bundle.number, *rest))
    bundle.settle()


def names(pairs):
    return [(call.task.name, outcome.value) for call, outcome in pairs]


def test_what_its_worker_tells_becomes_known_in_order(bundle, calls):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), ("ended", "s", 0, ended(1), False), ("begun", "s", 1))

    assert names(bundle.ended) == [("a", 1)]
    assert bundle.begun is calls[1]
    assert bundle.running is calls[1]
    assert list(bundle.left) == calls[1:]
    assert calls[0].where == A


def test_a_large_value_stays_where_it_is(bundle):
    facts = RemoteFacts("ndarray", 10**9, 5, "<ndarray>", 5)
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), ("ended", "s", 0, ended(facts), True))

    value = bundle.ended[0][1].value
    assert type(value) is RemoteValue
    assert (value.key, value.facts) == (0, facts)


def test_an_end_that_comes_twice_counts_once(bundle):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), *[("ended", "s", 0, ended(1), False)] * 2)

    assert names(bundle.ended) == [("a", 1)]


def test_what_comes_late_from_a_worker_that_was_given_up_says_nothing(bundle):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0))
    hear(bundle, B, ("start", "t"))
    hear(bundle, A, ("ended", "s", 0, ended(1), False))

    assert bundle.ended == []


def test_what_another_worker_does_once_more_is_told_and_what_it_begins_first_is_not(bundle, calls):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), ("ended", "s", 0, ended(1), False), ("begun", "s", 1))
    hear(bundle, B, ("start", "t"), ("begun", "t", 0), ("ended", "t", 0, ended(1), False), ("begun", "t", 1))
    hear(bundle, B, ("ended", "t", 1, ended(2), False), ("begun", "t", 2), ("ended", "t", 2, ended(3), False))

    assert [(one.node, one.worker, one.lost) for one in bundle.again] == [(0, B, A), (1, B, A)]
    assert names(bundle.ended) == [("a", 1), ("b", 2), ("c", 3)]


def test_a_short_call_is_told_of_once_that_it_has_begun_and_ended(bundle, calls):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), ("ended", "s", 0, ended(1), False))
    hear(bundle, A, ("ended", "s", 1, (2, None, None, {}, 1.0, 2.0), False))

    assert names(bundle.ended) == [("a", 1), ("b", 2)]
    assert calls[1].where == A
    assert bundle.running is None

    hear(bundle, B, ("start", "t"), *(("ended", "t", place, ended(place), False) for place in (0, 1, 2)))
    assert [one.node for one in bundle.again] == [0, 1]


def test_an_end_waits_for_the_end_of_what_it_takes_of_another_worker():
    upper, lower = call_named("upper"), call_named("lower")
    above, below = bundle_of([upper], number=1), bundle_of([lower], {lower: [upper]}, number=2)
    hear(below, B, ("start", "t"), ("begun", "t", 0), ("ended", "t", 0, ended(2), False))
    assert below.ended == []

    hear(above, A, ("start", "s"), ("begun", "s", 0), ("ended", "s", 0, ended(1), False))
    below.settle()

    assert names(below.ended) == [("lower", 2)]


def test_what_its_worker_does_not_begin_comes_back_once(bundle, calls):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), ("back", "s", -1), ("back", "s", -1))
    bundle.give_back()

    assert bundle.come_back() == calls[1:]
    assert bundle.come_back() == []
    assert list(bundle.left) == calls[:1]


def test_of_several_calls_that_cannot_be_read_each_goes_alone(bundle, calls):
    hear(bundle, A, ("start", "s"), ("unread", "s", "no module named 'here'"))

    assert bundle.is_unreadable
    assert bundle.come_back() == calls


def test_a_call_that_cannot_be_read_fails():
    bundle = bundle_of([call_named("a")])
    hear(bundle, A, ("start", "s"), ("unread", "s", "no module named 'here'"))

    assert "no module named 'here'" in str(bundle.ended[0][1].error)


def test_a_call_that_must_not_run_twice_fails_where_a_second_worker_would_begin_it(bundle):
    bundle = bundle_of([call_named("a")])
    hear(bundle, A, ("start", "s"), ("begun", "s", 0))
    hear(bundle, B, ("start", "t"), ("begun before", "t", A))

    assert "rerun_if_lost=False" in str(bundle.ended[0][1].error)
    assert bundle.values.is_lost


def test_each_stop_is_sent_once_and_once_more_when_it_hardens(bundle, calls):
    calls[1].stop_requested = True
    assert list(bundle.to_stop()) == [(1, None)]
    assert list(bundle.to_stop()) == []

    calls[1].hit_with = TaskCancelled
    assert list(bundle.to_stop()) == [(1, TaskCancelled)]


def test_where_a_second_worker_begins_none_what_the_first_had_begun_comes_back_as_well(bundle, calls):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0))
    hear(bundle, B, ("start", "t"), ("back", "t", -1))

    assert bundle.come_back() == calls


def test_what_had_begun_and_must_not_run_twice_fails_where_no_worker_has_it_any_more(bundle, calls):
    calls[0].task.rerun_if_lost = False
    hear(bundle, A, ("start", "s"), ("begun", "s", 0))
    hear(bundle, B, ("start", "t"))  # and is lost before it says that it begins none
    bundle.give_back(also_running=True)

    assert bundle.come_back() == calls
    ends = [end_of_unbegun(call, is_wanted=False) for call in calls]
    assert type(ends[0].error) is WorkerDiedError
    assert ends[1:] == [None, None]


def test_it_is_told_how_many_more_the_lost_worker_may_have_begun_before_it_could_tell(bundle):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), ("ended", "s", 0, ended(1), False), ("begun", "s", 1))
    hear(bundle, B, ("start", "t"), ("begun", "t", 0), ("begun", "t", 1), ("begun", "t", 2))

    assert [(one.node, one.behind) for one in bundle.again] == [(0, 0), (1, 1)]


class Run:
    """Is told what is made again."""

    def __init__(self):
        self.again = []

    def report(self, ended, begun=None, again=()):
        self.again += again


def test_when_its_run_is_over_the_run_is_still_told_what_is_made_again_and_neither_is_kept_for_it():
    run, bundle = Run(), bundle_of([call_named("a")])
    hear(bundle, A, ("start", "s"), ("begun", "s", 0), ("ended", "s", 0, ended(1), False))
    values, bundle.kept = bundle.values, None
    bundle.rest()
    listener = bundle.hear_later(run.report, lambda work: work())
    listener.hear(B, [("start", 7, "t"), ("begun", 7, "t", 0)])

    assert [(one.worker, one.lost) for one in run.again] == [(B, A)]
    gone = weakref.ref(bundle), weakref.ref(run)
    del run, bundle, values
    listener.hear(B, [("start", 7, "u")])
    assert [one() for one in gone] == [None, None]


def test_what_has_not_begun_ends_or_goes_back_or_is_sent_again(calls):
    stopped, ahead, other = calls
    stopped.stop_requested = True
    other.is_ahead = False

    assert isinstance(end_of_unbegun(stopped, is_wanted=False).error, TaskCancelled)
    assert end_of_unbegun(ahead, is_wanted=True) is RECALLED
    assert end_of_unbegun(ahead, is_wanted=False) is None
    assert end_of_unbegun(other, is_wanted=True) is None


def test_when_it_is_over_it_holds_no_call_and_still_hears_that_it_is_made_again(bundle):
    hear(bundle, A, ("start", "s"), *[("begun", "s", n) for n in range(3)])
    hear(bundle, A, *[("ended", "s", n, ended(n), False) for n in range(3)])
    bundle.rest()
    hear(bundle, B, ("start", "t"), ("begun", "t", 0))

    assert not any(isinstance(call, Call) for call in bundle.calls)
    assert [one.worker for one in bundle.again] == [B]


def test_what_may_have_ended_its_worker_goes_back_with_what_had_begun_and_is_told_when_it_begins_again(bundle, calls):
    hear(bundle, A, ("start", "s"), ("begun", "s", 0))
    bundle.give_back(also_running=True)
    assert bundle.come_back() == calls

    later = bundle_of(calls[:1], number=8)
    hear(later, B, ("start", "t"), ("begun", "t", 0))

    assert [(one.worker, one.lost) for one in later.again] == [(B, A)]
