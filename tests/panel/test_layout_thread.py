"""Jobs are done in turn on one thread that ends, and the latest of a kind wins."""

from __future__ import annotations

import threading

import pytest

from nbflow.panel.picture.layout_thread import LayoutThread
from tests.patience import PATIENCE_S


def test_of_each_kind_only_the_latest_that_waits_is_done():
    layout_thread, gate, done = LayoutThread(), threading.Event(), []
    layout_thread.wish("first", lambda: gate.wait(PATIENCE_S))
    for i in range(5):
        layout_thread.wish("draw", lambda i=i: done.append(("draw", i)))
        layout_thread.wish("after", lambda i=i: done.append(("after", i)))
    assert not layout_thread.wait(0)

    gate.set()

    assert layout_thread.wait(PATIENCE_S)
    assert done == [("draw", 4), ("after", 4)]


def test_the_thread_ends_and_the_next_wish_starts_another():
    layout_thread, names = LayoutThread(), []

    for _ in range(3):
        layout_thread.wish("draw", lambda: names.append(threading.current_thread()))
        assert layout_thread.wait(PATIENCE_S)

    for thread in names:
        thread.join(PATIENCE_S)
        assert thread.name == "nbflow-panel-draw"
        assert thread.daemon


def test_what_waits_is_forgotten():
    layout_thread, gate, done = LayoutThread(), threading.Event(), []
    layout_thread.wish("first", lambda: gate.wait(PATIENCE_S))
    layout_thread.wish("draw", lambda: done.append(1))

    layout_thread.forget()
    gate.set()

    assert layout_thread.wait(PATIENCE_S)
    assert done == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_raises_keeps_nobody_waiting():
    layout_thread, done, threads = LayoutThread(), [], []
    layout_thread.wish("draw", lambda: threads.append(threading.current_thread()) or 1 / 0)
    assert layout_thread.wait(PATIENCE_S)
    threads[0].join()  # what it raised is told in this test

    layout_thread.wish("draw", lambda: done.append(1))

    assert layout_thread.wait(PATIENCE_S)
    assert done == [1]
