"""Jobs are done in turn on one thread that ends, and the latest of a kind wins."""

from __future__ import annotations

import threading

import pytest

from nbflow.panel.picture.drawer import Drawer
from tests.patience import PATIENCE_S


def test_of_each_kind_only_the_latest_that_waits_is_done():
    drawer, gate, done = Drawer(), threading.Event(), []
    drawer.wish("first", lambda: gate.wait(PATIENCE_S))
    for i in range(5):
        drawer.wish("draw", lambda i=i: done.append(("draw", i)))
        drawer.wish("after", lambda i=i: done.append(("after", i)))
    assert not drawer.wait(0)

    gate.set()

    assert drawer.wait(PATIENCE_S)
    assert done == [("draw", 4), ("after", 4)]


def test_the_thread_ends_and_the_next_wish_starts_another():
    drawer, names = Drawer(), []

    for _ in range(3):
        drawer.wish("draw", lambda: names.append(threading.current_thread()))
        assert drawer.wait(PATIENCE_S)

    for thread in names:
        thread.join(PATIENCE_S)
        assert thread.name == "nbflow-panel-draw"
        assert thread.daemon


def test_what_waits_is_forgotten():
    drawer, gate, done = Drawer(), threading.Event(), []
    drawer.wish("first", lambda: gate.wait(PATIENCE_S))
    drawer.wish("draw", lambda: done.append(1))

    drawer.forget()
    gate.set()

    assert drawer.wait(PATIENCE_S)
    assert done == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_raises_keeps_nobody_waiting():
    drawer, done, threads = Drawer(), [], []
    drawer.wish("draw", lambda: threads.append(threading.current_thread()) or 1 / 0)
    assert drawer.wait(PATIENCE_S)
    threads[0].join()  # what it raised is told in this test

    drawer.wish("draw", lambda: done.append(1))

    assert drawer.wait(PATIENCE_S)
    assert done == [1]
