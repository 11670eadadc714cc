"""What tasks print, log and warn is kept with the run, task by task."""

from __future__ import annotations

import logging
import sys
import threading
import warnings

import pytest

from nbflow import Flow, context, task
from nbflow.engine import capture
from nbflow.engine.capture import KEPT_CHARACTERS
from tests.patience import PATIENCE_S

EXECUTORS = ["inline", "threads"]


def said(run, what, stream="stdout"):
    return "".join(line.text for line in run.logs[what] if line.stream == stream)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_a_task_prints_is_kept_and_still_shown(executor, capsys):
    with Flow("f") as flow:
        hello = task(lambda: print("hello"), name="hello")()
        other = task(lambda: print("trouble", file=sys.stderr), name="other")()

    flow.run(executor=executor)

    run = flow.runs[-1]
    assert said(run, hello) == "hello\n"
    assert said(run, other, "stderr") == "trouble\n"
    assert capsys.readouterr() == ("hello\n", "trouble\n")


def test_two_tasks_that_print_at_the_same_time_are_told_apart(capsys):
    both = threading.Barrier(2)

    @task
    def speak(word):
        for _ in range(20):
            both.wait(PATIENCE_S)
            print(word)

    with Flow("f") as flow:
        a, b = speak("a"), speak("b")

    flow.run(executor="threads")

    assert said(flow.runs[-1], a) == "a\n" * 20
    assert said(flow.runs[-1], b) == "b\n" * 20


def test_log_records_are_kept_with_their_level(caplog):
    @task
    def log():
        context.logger.info("all well")
        logging.getLogger("elsewhere").error("not well")

    with Flow("f") as flow:
        logged = log()

    flow.run()

    assert said(flow.runs[-1], logged, "INFO") == "all well"
    assert said(flow.runs[-1], logged, "ERROR") == "not well"


def test_warnings_are_kept():
    @task
    def warn():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
            warnings.warn("careful", stacklevel=1)

    with Flow("f") as flow:
        warned = warn()

    flow.run()

    assert "careful" in said(flow.runs[-1], warned, "stderr")


def test_children_and_attempts_are_told_apart():
    with Flow("f") as flow:
        mapped = task(lambda x: print(x)).map(x=[1, 2])

    flow.run()

    assert [(line.map_index, line.text) for line in flow.runs[-1].logs[mapped] if line.text.strip()] == [
        (0, "1"),
        (1, "2"),
    ]


def test_a_flood_is_cut_with_a_note(capsys):
    with Flow("f") as flow:
        flood = task(lambda: print("x" * KEPT_CHARACTERS * 3))()

    flow.run()

    text = said(flow.runs[-1], flood)
    assert len(text) < KEPT_CHARACTERS + 200
    assert "cut here" in text


def test_the_streams_are_given_back_when_the_last_run_is_over():
    before = sys.stdout, sys.stderr, list(logging.root.handlers)

    with Flow("f") as flow:
        task(lambda: print("x"))()
    run = flow.start(paused=True)
    flow.run()
    assert sys.stdout is not before[0]
    run.resume()
    run.wait()

    assert (sys.stdout, sys.stderr, list(logging.root.handlers)) == before


def test_what_libraries_log_is_still_printed_when_nobody_has_set_up_logging(capsys, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    with Flow("f") as flow:
        task(lambda: logging.getLogger("lib").warning("seen"))()

    flow.run()

    assert "seen" in capsys.readouterr().err


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_run_whose_streams_cannot_be_had_ends_all_the_same(monkeypatch, is_blocking):
    def refuse():
        raise OSError("no streams")

    before = sys.stdout
    monkeypatch.setattr(capture, "_take_streams", refuse)
    with Flow("f") as flow:
        task(lambda: 1)()

    if is_blocking:
        with pytest.raises(OSError, match="no streams"):
            flow.run()
    else:
        flow.start().wait(PATIENCE_S)

    assert flow.runs[-1].is_finished
    assert flow.runs[-1].state.is_failed()
    assert sys.stdout is before
