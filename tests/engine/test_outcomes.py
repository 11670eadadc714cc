"""Rule 11 of the cleanup guarantee: a cleanup may know how the tasks of its block ended."""

from __future__ import annotations

import pytest

from nbflow import Flow, apply_map, resource_manager, task
from nbflow.signals import SKIP


class Database:
    """What managers of these tests write to."""

    def __init__(self):
        self.lines = []

    def manager(self, **methods):
        def setup(manager):
            return "connection"

        def cleanup(manager, resource, outcome):
            self.lines.append("commit" if outcome.is_successful else "rollback")
            self.outcome = outcome

        kind = type("Connection", (), {"setup": setup, "cleanup": cleanup, **methods})
        return resource_manager(kind)


@pytest.fixture
def database():
    return Database()


@task
def good(connection):
    return connection


@task
def bad(connection):
    raise ValueError("no such table")


@task
def skipped(connection):
    raise SKIP("nothing to do")


def names(tasks):
    return [task.name for task in tasks]


def test_a_cleanup_that_takes_the_outcome_knows_which_tasks_ended_how(database, executor):
    """Rule 11."""
    with Flow("f") as flow, database.manager()() as connection:
        good(connection)
        bad(connection)
        skipped(connection)

    flow.run(executor=executor)

    outcome = database.outcome
    assert database.lines == ["rollback"]
    assert names(outcome.succeeded) == ["good"]
    assert names(outcome.failed) == ["bad"]
    assert names(outcome.skipped) == ["skipped"]
    assert outcome.cancelled == ()
    assert str(outcome.error) == "no such table"


def test_without_failures_the_outcome_is_successful(database, executor):
    """Rule 11."""
    with Flow("f") as flow, database.manager()() as connection:
        good(connection)

    flow.run(executor=executor)

    assert database.lines == ["commit"]
    assert database.outcome.error is None


def test_a_cancelled_run_is_no_success_for_its_blocks(database):
    """Rules 11 and 6."""
    with Flow("f") as flow, database.manager()() as connection:
        first = task(lambda c: flow.runs[-1].cancel(), name="first")(connection)
        good(connection, upstream_tasks=[first])

    flow.run()

    assert database.lines == ["rollback"]
    assert "good" in names(database.outcome.cancelled)


def test_tasks_of_an_inner_block_count_for_the_outer_one(database):
    """Rule 11."""
    inner = resource_manager(type("Inner", (), {"setup": lambda s: 1, "cleanup": lambda s, r: None}))
    with Flow("f") as flow, database.manager()(), inner() as resource:
        bad(resource)

    flow.run()

    assert database.lines == ["rollback"]
    assert names(database.outcome.failed) == ["bad"]


def test_each_element_of_a_mapped_block_has_its_own_outcome(database, executor):
    """Rule 11."""
    manager = database.manager()

    @task
    def half(x, connection):
        return 1 / x

    def body(x):
        with manager() as connection:
            return half(x, connection)

    with Flow("f") as flow:
        apply_map(body, [1, 0, 2])

    flow.run(executor=executor)

    assert sorted(database.lines) == ["commit", "commit", "rollback"]


@pytest.mark.parametrize(("work", "told"), [(good, "success"), (bad, "failure")])
def test_one_of_two_hooks_is_called_before_cleanup(database, executor, work, told):
    """Rule 11."""
    manager = database.manager(
        on_success=lambda s, resource: database.lines.append("success"),
        on_failure=lambda s, resource, outcome: database.lines.append("failure"),
    )
    with Flow("f") as flow, manager() as connection:
        work(connection)

    flow.run(executor=executor)

    assert database.lines[0] == told
    assert len(database.lines) == 2


def test_a_hook_can_not_prevent_the_cleanup_and_its_error_is_told(database, executor):
    """Rule 11."""

    def on_success(manager, resource):
        raise KeyboardInterrupt

    with Flow("f") as flow, database.manager(on_success=on_success)() as connection:
        good(connection)

    with pytest.warns(RuntimeWarning, match="a hook of 'Connection' raised"):
        state = flow.run(executor=executor)

    assert state.is_successful()
    assert database.lines == ["commit"]
    assert any("a hook of" in event.note for event in flow.runs[-1].events)


def test_another_try_of_the_cleanup_does_not_call_the_hook_again(database):
    """Rules 11 and 7."""
    broken = [OSError("gone")]

    def cleanup(manager, resource, outcome):
        if broken:
            raise broken.pop()
        database.lines.append("cleaned")

    manager = database.manager(on_success=lambda s, r: database.lines.append("success"), cleanup=cleanup)
    with Flow("f") as flow, manager() as connection:
        good(connection)

    with pytest.warns(RuntimeWarning, match="gone"):
        flow.run()
    flow.runs[-1].retry_cleanup()

    assert database.lines == ["success", "cleaned"]


def test_a_generator_is_sent_the_outcome_by_its_yield():
    """Rule 11."""
    seen = []

    @resource_manager
    def connection():
        outcome = yield 1
        seen.append(outcome.is_successful)

    with Flow("f") as flow, connection() as resource:
        bad(resource)
    flow.run()

    assert seen == [False]
