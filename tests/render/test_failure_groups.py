"""Failures with equal errors are one thing to fix, and shown as one."""

from __future__ import annotations

import pytest

from nbflow import Flow, task
from nbflow.render.failure_groups import group_lines, grouped, left_out, report
from nbflow.render.failures import failures, first_failure


@task
def numbers(count):
    return list(range(count))


@task
def clean(row):
    raise ValueError(f"row {row} of /data/in/{row}.csv is bad at 0x{row:08x}")


@task
def other():
    raise ValueError("row 99 of /elsewhere/x.csv is bad at 0xff")


@task
def report_of(rows):
    return rows


@pytest.fixture
def run():
    with Flow("etl") as flow:
        report_of(clean.map(numbers(37)))
        other()
    flow.run()
    return flow.runs[-1]


def test_errors_that_differ_in_numbers_paths_and_addresses_are_one_group(run):
    (group,) = grouped(failures(run.states))

    assert group.count == 38
    assert group.size() == "37 children of clean, 1 more task"
    assert group.names(2) == "clean[0], clean[1] and 36 more"


def test_errors_of_another_type_or_about_another_name_are_another_group():
    @task
    def fails(error):
        raise error

    with Flow("kinds") as flow:
        for error in (KeyError("a"), KeyError("b"), LookupError("a"), KeyError("a")):
            fails(error)
    flow.run()

    assert [group.count for group in grouped(failures(flow.runs[-1].states))] == [2, 1, 1]


def test_a_cell_shows_each_kind_once_and_who_else_has_it(run):
    ((said, place),) = group_lines(run.states)

    assert said.startswith("clean[0]: ValueError: row 0 of /data/in/0.csv is bad")
    assert said.endswith("(and 37 more: 36 children of clean, 1 more task)")
    assert "raise ValueError" in place


def test_what_could_not_run_for_it_is_counted_apart(run):
    assert left_out(run.states) == 1


def test_the_report_has_every_kind_with_its_traceback(run):
    text = report(run)

    assert text.startswith("etl, run 1: 38 failures, 1 kind")
    assert text.count("Traceback (most recent call last)") == 1
    assert text.endswith("1 task did not run because of it")


def test_a_report_of_a_run_without_a_failure_says_so():
    with Flow("well") as flow:
        numbers(1)
    flow.run()

    assert report(flow.runs[-1]) == "well, run 1: nothing has failed"


def test_the_first_failure_is_a_child_where_it_is_one_of_a_map(run):
    (mapped,) = run.flow.get_tasks("clean")

    assert first_failure(run.states, run.states) == (mapped, 0)
    assert first_failure(run.states, run.flow.get_tasks("numbers")) is None


def test_an_error_that_cannot_be_told_is_reported_by_its_type():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    @task
    def fails():
        raise Mute

    with Flow("mute") as flow:
        fails()
    flow.run()

    assert "Mute" in report(flow.runs[-1])
