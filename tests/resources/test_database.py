"""A database connection: all of a block's changes, or none."""

from __future__ import annotations

import sqlite3

import pytest

from nbflow import Flow, Parameter, task
from nbflow.errors import OptionTypeError
from nbflow.resources import Database
from tests.patience import PATIENCE_S
from tests.shared import SharedList


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table t (x integer primary key)")
        connection.execute("create table later (x integer references t deferrable initially deferred)")
    connection.close()
    return path


@pytest.fixture
def rows(path):
    def read():
        connection = sqlite3.connect(path)
        try:
            return [x for (x,) in connection.execute("select x from t order by x")]
        finally:
            connection.close()

    return read


@task
def insert(connection, x):
    connection.execute("insert into t values (?)", [x])
    return x


@task
def fail(x):
    raise ValueError(x)


@pytest.mark.one_memory("a connection cannot travel")
def test_what_the_tasks_change_is_committed_once_all_have_succeeded(path, rows, executor):
    with Flow("f") as flow, Database(sqlite3.connect, path, check_same_thread=False) as connection:
        two = insert(connection, 2, upstream_tasks=[insert(connection, 1)])
        before = task(lambda x: rows(), name="before")(two)

    state = flow.run(executor=executor)

    assert state.result[before].result == []
    assert rows() == [1, 2]


def test_when_a_task_fails_what_the_others_have_changed_is_rolled_back(path, rows):
    with Flow("f") as flow, Database(sqlite3.connect, path) as connection:
        fail(insert(connection, 1))

    assert flow.run().is_failed()
    assert rows() == []


def test_when_a_task_outside_fails_the_changes_are_committed_all_the_same(path, rows):
    with Flow("f") as flow:
        with Database(sqlite3.connect, path) as connection:
            one = insert(connection, 1)
        fail(one)

    assert flow.run().is_failed()
    assert rows() == [1]


def test_when_the_run_is_cancelled_the_changes_are_rolled_back(path, rows):
    with Flow("f") as flow, Database(sqlite3.connect, path) as connection:
        insert(connection, 2, upstream_tasks=[insert(connection, 1)])
    run = flow.start(paused=True)
    for _ in range(3):  # init, setup, the first insert
        run.step()

    run.cancel()
    run.wait(PATIENCE_S)

    assert rows() == []


def test_a_trial_run_changes_nothing(path, rows):
    with Flow("f") as flow, Database(sqlite3.connect, path, commit=False) as connection:
        insert(connection, 1)

    assert flow.run().is_successful()
    assert rows() == []


def test_the_connection_is_closed_afterwards(path):
    kept = SharedList()
    with Flow("f") as flow, Database(sqlite3.connect, path) as connection:
        task(lambda x: kept.append(x), name="keep")(connection)

    flow.run()

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        kept[0].execute("select 1")


def test_its_arguments_may_be_parameters_and_tasks(path, rows, tmp_path):
    with Flow("f") as flow:
        where = task(lambda folder: folder / "a.db", name="where")(Parameter("folder"))
        with Database(sqlite3.connect, where, timeout=Parameter("timeout", default=2)) as connection:
            insert(connection, 1)

    assert flow.run(folder=tmp_path).is_successful()
    assert rows() == [1]


def test_an_error_of_the_commit_is_the_error_of_the_cleanup_and_of_the_flow(path, rows):
    @task
    def break_a_promise(connection):
        connection.execute("pragma foreign_keys = on")
        connection.execute("insert into t values (1)")
        connection.execute("insert into later values (2)")  # which is looked into by the commit only

    with Flow("f") as flow, Database(sqlite3.connect, path) as connection:
        break_a_promise(connection)

    run = flow.start()
    state = run.wait(PATIENCE_S)

    assert state.is_failed()
    (error,) = run.cleanup_failures.values()
    assert isinstance(error, sqlite3.IntegrityError)
    assert str(error) == "FOREIGN KEY constraint failed"
    assert rows() == []


class Fake:
    """A connection that writes down what is called, and breaks where it is told to."""

    def __init__(self, *broken):
        self.broken = broken
        self.calls = SharedList()

    def __getattr__(self, name):
        if name not in ("commit", "rollback", "close"):
            raise AttributeError(name)

        def call():
            self.calls.append(name)
            if name in self.broken:
                raise OSError(name)

        return call


@pytest.mark.parametrize(
    ("broken", "ending", "calls", "error", "notes"),
    [
        ((), {}, ["commit", "close"], None, []),
        ((), {"failed": ["a"]}, ["rollback", "close"], None, []),
        ((), {"cancelled": ["a"]}, ["rollback", "close"], None, []),
        (("commit",), {}, ["commit", "rollback", "close"], "commit", []),
        (("close",), {}, ["commit", "close"], "close", []),
        (("rollback",), {"failed": ["a"]}, ["rollback", "close"], "rollback", []),
        (
            ("commit", "rollback", "close"),
            {},
            ["commit", "rollback", "close"],
            "commit",
            ["and then: OSError: rollback", "and then: OSError: close"],
        ),
    ],
)
def test_whatever_fails_at_the_end_the_rest_of_it_is_done(broken, ending, calls, error, notes, outcome):
    connection = Fake(*broken)
    manager = Database.resource_class(lambda: connection)

    raised = None
    try:
        manager.cleanup(manager.setup(), outcome(**ending))
    except OSError as found:
        raised = found

    assert connection.calls == calls
    assert (None if raised is None else str(raised)) == error
    assert getattr(raised, "__notes__", []) == notes


def test_a_cleanup_that_is_tried_again_after_a_failed_commit_leaves_the_closed_connection_alone(outcome):
    connection = Fake("commit")
    manager = Database.resource_class(lambda: connection)
    with pytest.raises(OSError, match="commit"):
        manager.cleanup(manager.setup(), outcome())

    manager.cleanup(connection, outcome())

    assert connection.calls == ["commit", "rollback", "close"]


def test_a_database_that_knows_no_rollback_is_closed(outcome):
    class Plain:
        closed = False

        def close(self):
            self.closed = True

    connection = Plain()
    manager = Database.resource_class(lambda: connection)

    manager.cleanup(manager.setup(), outcome(failed=["a"]))

    assert connection.closed


def test_without_word_of_the_outcome_nothing_is_committed():
    connection = Fake()
    manager = Database.resource_class(lambda: connection)

    manager.cleanup(manager.setup())

    assert connection.calls == ["rollback", "close"]


def test_something_that_cannot_connect_is_refused_by_name():
    with pytest.raises(OptionTypeError, match=r"connect='a\.db' can not be called"):
        Database.resource_class("a.db")
