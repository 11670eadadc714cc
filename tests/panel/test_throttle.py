"""Changes are handed on together and seldom, whatever their number; tested with a clock set by hand."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import pytest

from nbflow.panel.throttle import Throttle, call_on_thread
from tests.panel.conftest import until
from tests.patience import PATIENCE_S


class HandClock:
    """A clock and its timers, moved by hand."""

    def __init__(self):
        self.now = 0.0
        self.calls = []

    def __call__(self):
        return self.now

    def call_later(self, delay_s, call):
        entry = [self.now + delay_s, call]
        self.calls.append(entry)

        class Handle:
            def cancel(_):
                if entry in self.calls:
                    self.calls.remove(entry)

        return Handle()

    def advance(self, seconds):
        end = self.now + seconds
        while due := sorted((c for c in self.calls if c[0] <= end), key=lambda c: c[0]):
            entry = due[0]
            self.calls.remove(entry)
            self.now = max(self.now, entry[0])
            again = entry[1]()
            if again is not None:
                entry[0] = self.now + again
                self.calls.append(entry)
        self.now = end


def throttle(clock, flushed, cost_s=0.0):
    spent = [0.0]

    def flush(keys):
        flushed.append((clock.now, keys))
        spent[0] += cost_s

    return Throttle(flush, clock=clock, cost=lambda: spent[0], call_later=clock.call_later)


def test_the_first_change_is_shown_at_once():
    clock, flushed = HandClock(), []
    changes = throttle(clock, flushed)

    changes.mark("a")
    clock.advance(0)

    assert flushed == [(0.0, ("a",))]


def test_a_thousand_changes_a_second_make_at_most_ten_messages_a_second():
    clock, flushed = HandClock(), []
    changes = throttle(clock, flushed)

    for i in range(2000):
        changes.mark(i % 7)
        clock.advance(0.001)

    times = [at for at, _ in flushed]
    assert len(flushed) <= 21
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.099


def test_a_key_that_changes_often_is_told_once_a_message():
    clock, flushed = HandClock(), []
    changes = throttle(clock, flushed)
    changes.mark("first")
    clock.advance(0)

    for key in "abaacab":
        changes.mark(key)
    clock.advance(1)

    assert flushed[1:] == [(0.1, ("a", "b", "c"))]


@pytest.mark.parametrize(("cost_s", "pause_s"), [(0.001, 0.1), (0.01, 0.2), (0.025, 0.5), (3.0, 1.0)])
def test_a_flush_that_takes_long_is_made_less_often(cost_s, pause_s):
    clock, flushed = HandClock(), []
    changes = throttle(clock, flushed, cost_s)

    for i in range(5000):
        changes.mark(i)
        clock.advance(0.001)

    pauses = [b - a for (a, _), (b, _) in itertools.pairwise(flushed)]
    assert pauses == pytest.approx([pause_s] * len(pauses), abs=0.002)
    assert len(pauses) >= 4


def test_one_thread_flushes_as_long_as_there_are_changes():
    clock, flushed, started = HandClock(), [], []

    def call_later(delay_s, call):
        started.append(clock.now)
        return clock.call_later(delay_s, call)

    changes = Throttle(flushed.append, clock=clock, cost=lambda: 0.0, call_later=call_later)
    for i in range(100):
        changes.mark(i)
        clock.advance(0.01)
    clock.advance(1)
    changes.mark("later")
    clock.advance(1)

    assert len(flushed) == 12
    assert started == [0.0, pytest.approx(2.0)]


def test_a_flush_that_raises_does_not_end_the_telling():
    clock, flushed = HandClock(), []

    def flush(keys):
        flushed.append(keys)
        raise ValueError("broken")

    changes = Throttle(flush, clock=clock, cost=lambda: 0.0, call_later=clock.call_later)
    for key in ("a", "b"):
        changes.mark(key)
        with pytest.raises(ValueError, match="broken"):
            clock.advance(1)

    assert flushed == [("a",), ("b",)]


def test_closing_flushes_the_rest_and_leaves_no_timer():
    clock, flushed = HandClock(), []
    changes = throttle(clock, flushed)
    changes.mark("a")
    clock.advance(0)
    changes.mark("b")

    changes.close()
    changes.close()
    clock.advance(5)

    assert [keys for _, keys in flushed] == [("a",), ("b",)]
    assert clock.calls == []


def test_changes_from_many_threads_are_all_flushed_and_the_timer_threads_end():
    seen = set()
    changes = Throttle(lambda keys: seen.update(keys), interval_s=0.005)

    def mark(start):
        for i in range(start, start + 500):
            changes.mark(i)

    threads = [threading.Thread(target=mark, args=(n * 500,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes.close()

    assert seen == set(range(4000))
    for thread in threading.enumerate():
        if thread.name == "nbflow-panel":
            thread.join(timeout=PATIENCE_S)
    assert not [t for t in threading.enumerate() if t.name == "nbflow-panel"]


def test_no_change_is_left_lying_whenever_it_comes():
    told, changed = threading.Condition(), itertools.count()
    latest = [-1]

    def flush(keys):
        with told:
            latest[0] = max(latest[0], *keys)
            told.notify_all()

    changes = Throttle(flush, interval_s=0.0001)

    for _ in range(300):  # each comes as the thread of the one before is about to end
        number = next(changed)
        changes.mark(number)
        with told:
            assert told.wait_for(lambda: latest[0] >= number, 10)  # noqa: B023 - called here only
    changes.close()


def test_a_timer_that_ends_before_it_is_noted_does_not_count_as_going_on():
    told, ends = [], []

    def call_late(delay_s, call):
        if ends:
            return call_on_thread(delay_s, call)
        thread = threading.Thread(target=lambda: (call(), call()))  # a flush, then a look at nothing
        ends.append(thread)
        thread.start()
        thread.join(0.2)
        return SimpleNamespace(cancel=lambda: None)

    changes = Throttle(told.append, interval_s=0.001, call_later=call_late)
    changes.mark("a")
    ends[0].join()

    changes.mark("b")

    until(lambda: told == [("a",), ("b",)])
    changes.close()
