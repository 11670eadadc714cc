"""The task that drops results (flow-model 8.4)."""

from __future__ import annotations

import logging

from nbflow.core import triggers
from nbflow.core.filter import FilterTask


def test_by_default_none_and_exceptions_are_dropped():
    """flow-model 8.4"""
    assert FilterTask().run([1, None, ValueError("x"), 0, "", False]) == [1, 0, "", False]


def test_a_function_decides_what_is_kept():
    """flow-model 8.4"""
    assert FilterTask(filter_func=lambda value: value != 5).run([5, None, 6]) == [None, 6]


def test_it_runs_whatever_became_of_the_tasks_upstream():
    """flow-model 8.4"""
    task = FilterTask()

    assert task.trigger is triggers.all_finished
    assert task.skip_on_upstream_skip is False
    assert task.name == "FilterTask"


def test_trigger_and_skip_rule_can_be_given():
    """flow-model 8.4"""
    task = FilterTask(trigger=triggers.all_successful, skip_on_upstream_skip=True)

    assert task.trigger is triggers.all_successful
    assert task.skip_on_upstream_skip is True


def test_a_text_about_what_is_kept_is_logged(caplog):
    """flow-model 8.4"""
    task = FilterTask(log_func=lambda kept: f"kept {kept}, 100% of what there was")

    with caplog.at_level(logging.INFO):
        task.run([1, None, 2])

    assert [record.getMessage() for record in caplog.records] == ["kept [1, 2], 100% of what there was"]


def test_a_text_is_logged_when_nothing_is_kept_too(caplog):
    """flow-model 8.4"""
    with caplog.at_level(logging.INFO):
        FilterTask(log_func=lambda kept: f"kept {kept}").run([None, ValueError()])

    assert [record.getMessage() for record in caplog.records] == ["kept []"]


def test_a_function_that_logs_by_itself_adds_nothing(caplog):
    """flow-model 8.4"""
    seen = []

    with caplog.at_level(logging.INFO):
        FilterTask(log_func=seen.append).run([1, None])

    assert seen == [[1]]
    assert not caplog.records
