"""A task sets up logging in the process where it runs: each record is kept once, and shown once as it says."""

from __future__ import annotations

import logging

import pytest

from nbflow import Flow, task
from nbflow.engine import uncounted_handlers
from nbflow.executors.told_records import ToldRecords


@task
def speaks(number, **options):
    logging.basicConfig(level=logging.INFO, format="mine: %(message)s", **options)
    logging.getLogger("theirs").debug("too much of %s", number)
    logging.getLogger("theirs").info("number %s", number)
    logging.getLogger("theirs").warning("beware of %s", number)
    print("printed", number)


@task(trigger=lambda _: True)
def tidies_up():
    """Leave a worker that is not of this test alone as it was."""
    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
    logging.root.setLevel(logging.WARNING)


@pytest.mark.parametrize("options", [{}, {"force": True}])
def test_a_record_is_kept_once_with_its_level_and_shown_once_as_the_task_says(workers_of, capfd, monkeypatch, options):
    monkeypatch.setattr(logging.root, "handlers", [])  # as in a notebook where nobody has set up logging; pytest has
    with Flow("f") as flow:
        one = speaks(1, **options)
        two = speaks(2, upstream_tasks=[one], **options)
        tidies_up(upstream_tasks=[two])
    run = flow.start(executor=workers_of(1))

    assert run.wait().is_successful()
    for number, spoken in ((1, one), (2, two)):
        said = [(line.stream, line.text) for line in run.logs[spoken]]
        assert said == [
            ("INFO", f"number {number}"),
            ("WARNING", f"beware of {number}"),
            ("stdout", f"printed {number}\n"),
        ]
    shown = capfd.readouterr()
    assert shown.err.splitlines() == ["mine: number 1", "mine: beware of 1", "mine: number 2", "mine: beware of 2"]
    assert shown.out.splitlines() == ["printed 1", "printed 2"]


def test_where_nobody_has_set_up_logging_a_warning_is_shown_once_and_kept_once(workers_of, capfd, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])

    @task
    def warns():
        logging.getLogger("theirs").info("not shown")
        logging.getLogger("theirs").warning("beware")

    with Flow("f") as flow:
        one = warns()
    run = flow.start(executor=workers_of(1))

    assert run.wait().is_successful()
    assert [(line.stream, line.text) for line in run.logs[one]] == [("WARNING", "beware")]
    assert capfd.readouterr().err.splitlines() == ["beware"]


def test_the_handlers_of_the_kernel_show_what_a_task_logs_elsewhere(workers_of, caplog, capfd):
    with Flow("f") as flow:
        one = speaks(1)
        tidies_up(upstream_tasks=[one])
    run = flow.start(executor=workers_of(1))

    assert run.wait().is_successful()
    assert [record.getMessage() for record in caplog.records if record.name == "theirs"] == ["beware of 1"]
    assert [line.text for line in run.logs[one] if line.stream == "INFO"] == ["number 1"]
    assert "mine: beware of 1" not in capfd.readouterr().err


def test_a_flow_in_a_task_leaves_logging_as_it_was(workers_of, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])

    @task
    def runs_a_flow():
        with Flow("inner") as inner:
            task(lambda: logging.getLogger("theirs").warning("inside"), name="inside")()
        inner.run()
        logging.getLogger("theirs").warning("afterwards")

    with Flow("f") as flow:
        one = runs_a_flow()
        two = speaks(2, upstream_tasks=[one])
        tidies_up(upstream_tasks=[two])
    run = flow.start(executor=workers_of(1))

    assert run.wait().is_successful()
    said = [(line.stream, line.text) for line in run.logs[one]]
    assert [one for one in said if one[1] != "inside"] == [("WARNING", "afterwards")]
    assert said.count(("WARNING", "inside")) <= 1  # a worker of Dask tells of its own calls alone
    assert [line.text for line in run.logs[two] if line.stream in ("INFO", "WARNING")] == ["number 2", "beware of 2"]


def test_what_nbflow_adds_to_logging_is_taken_back_in_whatever_order():
    run, worker = ToldRecords(lambda stream, text: None), ToldRecords(lambda stream, text: None)
    before = logging.root.handlers
    listed = before[:]
    uncounted_handlers.add(run)
    uncounted_handlers.add(worker)
    uncounted_handlers.add(worker)

    uncounted_handlers.remove(run)
    assert [one for one in logging.root.handlers if isinstance(one, ToldRecords)] == [worker]
    assert len(logging.root.handlers) == len(listed)
    uncounted_handlers.remove(worker)

    assert logging.root.handlers is before
    assert logging.root.handlers == listed
