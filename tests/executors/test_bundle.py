"""What becomes of the calls of a bundle that a worker has not made."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nbflow.engine.attempt import RECALLED, Outcome
from nbflow.executors.bundle import Bundle
from nbflow.executors.bundle_session import BundleSession
from tests.executors.test_work_queue import calls_of, queue_of, short


@pytest.fixture
def session():
    """Give what a bundle needs of a session: it notes what is reported."""
    told = []
    return SimpleNamespace(
        _recalls=0,
        told=told,
        report=lambda ended, begun=None, **_: told.append((list(ended), begun)),
        awaits=lambda call: False,
    )


def test_what_has_not_begun_is_recalled(session):
    first, second = calls = calls_of(short, 2)
    bundle = Bundle(session, calls, 0)
    bundle.begun("a worker")
    bundle.ended(first, Outcome(1, None))

    session._recalls += 1
    again = bundle.sorted_out([second])
    bundle.report()

    assert session.told[-1] == ([(first, Outcome(1, None)), (second, RECALLED)], None)
    assert again == bundle.left == []


def test_what_was_told_to_have_begun_is_made_all_the_same(session):
    """The run shows it as running, also if the run's thread has not read yet that it is."""
    first, second = calls = calls_of(short, 2)
    bundle = Bundle(session, calls, 0)
    bundle.begun("a worker")

    session._recalls += 1
    again = bundle.sorted_out([first, second])
    bundle.report()

    assert session.told[-1] == ([(second, RECALLED)], None)
    assert again == [first]


def test_what_was_told_to_have_begun_and_waits_again_is_not_recalled(session):
    begun, *others = calls = calls_of(short, 3)
    Bundle(session, calls, 0).begun("a worker that died")
    queue = queue_of(calls)

    assert queue.recalled() == others
    assert queue.take() == [begun]


def test_what_expects_a_call_that_ends_badly_goes_back_right_after_it(session):
    first, second, aside, third = calls = calls_of(short, 4)
    second.expects, third.expects = (first,), (aside, second)
    bundle = Bundle(session, calls.copy(), 0)
    failed = Outcome(None, OSError())

    bundle.ended(first, failed)
    bundle.report()

    assert session.told == [([(first, failed), (second, RECALLED), (third, RECALLED)], None)]
    assert bundle.left == [aside]


def test_what_goes_back_takes_with_it_what_expects_it(session):
    first, second, aside = calls = calls_of(short, 3)
    second.expects = (first,)
    bundle = Bundle(session, calls.copy(), 0)
    session._recalls += 1
    aside.where = "a worker that was told of"

    assert bundle.sorted_out(calls) == [aside]
    bundle.report()

    assert session.told == [([(first, RECALLED), (second, RECALLED)], None)]


def test_an_end_that_others_wait_for_is_told_at_once(session):
    calls = calls_of(short, 2)
    session.awaits = lambda call: call is calls[0]
    bundle = Bundle(session, calls.copy(), 0)

    bundle.ended(calls[0], Outcome(1, None))

    assert session.told == [([(calls[0], Outcome(1, None))], None)]


class DyingHand:
    """Has a worker that dies with the first call of each bundle."""

    most = 100

    def perform(self, bundle):
        bundle.ended(bundle.left[0], Outcome(None, OSError("died")))


def test_what_goes_back_is_there_to_be_recalled_when_the_run_is_told_of_the_rest():
    """The run's thread, which has just been paused, asks once, as soon as it has read that."""
    told = []

    def report(ended, begun=None):
        told.extend(ended)
        if len(told) == 1:
            session.recall()

    session = BundleSession(report, "s", 1, DyingHand)
    first, *others = calls = calls_of(short, 3)

    session._perform(DyingHand(), Bundle(session, calls, 0))

    assert [call for call, _ in told] == [first, *others]
    assert told[1:] == [(call, RECALLED) for call in others]
    assert not session._queue
