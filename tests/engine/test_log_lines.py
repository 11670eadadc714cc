"""What tasks said, put together from pieces, in the order of time."""

from __future__ import annotations

import logging
import sys

import pytest

from nbflow import Flow, task
from nbflow.engine.log_lines import level_of, said_lines


def run_of(*functions):
    """Run tasks one after the other."""
    with Flow("said") as flow:
        before = []
        for function in functions:
            before = [task(function)(upstream_tasks=before)]
    flow.run()
    return flow.runs[-1]


def texts(run):
    return [(line.task.name, line.stream, line.text) for line in said_lines(run)]


def test_a_print_is_one_line_and_two_tasks_stand_in_the_order_of_time():
    def first():
        print("one", "two")

    def second():
        print("three\nfour")

    assert texts(run_of(first, second)) == [
        ("first", "stdout", "one two"),
        ("second", "stdout", "three"),
        ("second", "stdout", "four"),
    ]


def test_half_lines_are_put_together_also_where_a_record_comes_between():
    def speak():
        print("half", end="")
        logging.getLogger("mine").warning("in between")
        print(" and half")

    assert sorted(texts(run_of(speak))) == [("speak", "WARNING", "in between"), ("speak", "stdout", "half and half")]


def test_what_is_not_ended_is_shown_all_the_same_and_a_progress_bar_is_its_last_state():
    def speak():
        sys.stderr.write("\r10%\r20%\r30%\r")
        sys.stdout.write("no end")

    assert sorted(texts(run_of(speak))) == [("speak", "stderr", "30%"), ("speak", "stdout", "no end")]


def test_a_record_of_several_lines_stays_one():
    def speak():
        logging.getLogger("mine").error("one\ntwo\n")

    assert texts(run_of(speak)) == [("speak", "ERROR", "one\ntwo")]


def test_children_and_attempts_are_told_apart():
    @task
    def speak(x):
        print(x)

    with Flow("said") as flow:
        speak.map([1, 2])
    flow.run()

    assert [(line.map_index, line.attempt, line.text) for line in said_lines(flow.runs[-1])] == [
        (0, 1, "1"),
        (1, 1, "2"),
    ]


@pytest.mark.parametrize(
    ("stream", "level"),
    [("stdout", 20), ("stderr", 30), ("ERROR", 40), ("Level 15", 15), ("of somebody", 0)],
)
def test_streams_and_levels_have_a_rank(stream, level):
    assert level_of(stream) == level


def test_some_tasks_are_chosen():
    run = run_of(lambda: print("a"), lambda: print("b"))

    assert [line.text for line in said_lines(run, [run.graph.tasks[1]])] == ["b"]
