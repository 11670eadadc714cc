"""Changes are handed on together and seldom, whatever their number; tested with a clock set by hand."""

from __future__ import annotations

import itertools
import threading

from nbflow.panel.coalesce import Coalescer


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
            entry[1]()
        self.now = end


def coalescer(clock, flushed):
    return Coalescer(lambda keys: flushed.append((clock.now, keys)), clock=clock, call_later=clock.call_later)


def test_the_first_change_is_shown_at_once():
    clock, flushed = HandClock(), []
    changes = coalescer(clock, flushed)

    changes.mark("a")
    clock.advance(0)

    assert flushed == [(0.0, ("a",))]


def test_a_thousand_changes_a_second_make_at_most_ten_messages_a_second():
    clock, flushed = HandClock(), []
    changes = coalescer(clock, flushed)

    for i in range(2000):
        changes.mark(i % 7)
        clock.advance(0.001)

    times = [at for at, _ in flushed]
    assert len(flushed) <= 21
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.099


def test_a_key_that_changes_often_is_told_once_a_message():
    clock, flushed = HandClock(), []
    changes = coalescer(clock, flushed)
    changes.mark("first")
    clock.advance(0)

    for key in "abaacab":
        changes.mark(key)
    clock.advance(1)

    assert flushed[1:] == [(0.1, ("a", "b", "c"))]


def test_closing_flushes_the_rest_and_leaves_no_timer():
    clock, flushed = HandClock(), []
    changes = coalescer(clock, flushed)
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
    changes = Coalescer(lambda keys: seen.update(keys), interval_s=0.005)

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
            thread.join(timeout=5)
    assert not [t for t in threading.enumerate() if t.name == "nbflow-panel"]
