"""A function that was shipped by value fails elsewhere: the traceback shows the user's line nevertheless."""

from __future__ import annotations

import functools
import sys
import traceback
from types import CodeType

import cloudpickle
import pytest
import tblib

from nbflow import Flow, context, task
from nbflow.engine.shipped_code import show_users_lines

FILE = __file__


def _dynamic(code):
    inner = tuple(_dynamic(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename="<dynamic-code>", co_consts=inner)


def shipped(function, *, names_files=False):
    """Return what arrives of a function; by default as cloudpickle 3.1.3 ships it, whichever is installed."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        there = cloudpickle.loads(cloudpickle.dumps(function))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    there.__code__ = _dynamic(there.__code__)
    if names_files:
        there.__code__ = function.__code__
    return there


def in_this_process(function, *args):
    """Call it with real frames, as a pool of threads does."""
    return function(*args)


def on_a_worker(function, *args):
    """Call it as Dask does: the frames of the worker are made again here, and little of them is true."""
    try:
        return function(*args)
    except Exception as error:
        raise error.with_traceback(tblib.Traceback(error.__traceback__.tb_next).as_traceback()) from None


WHERE = pytest.mark.parametrize("where", [in_this_process, on_a_worker])


def error_of(work, *args):
    """Return what a task raised in a run."""
    with Flow("f") as flow:
        failing = task(work, name="failing")(*args)
    state = flow.run()
    return state.result[failing].result


def shown(error):
    return [
        (frame.filename, frame.name, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != on_a_worker.__code__.co_filename or frame.name not in ("on_a_worker", "work")
    ]


def add_up(rows):
    return sum(row["amount"] for row in rows)


class Adder:
    def add(self):
        return self + "1"


def once(function):
    @functools.wraps(function)
    def wrapped(*args):
        return function(*args)

    return wrapped


@once
def decorated(rows):
    return rows + 1


def makes_another():
    def another(rows):
        return rows / 2

    return another


@WHERE
def test_the_line_of_a_function_that_the_task_names_is_shown(where):
    error = error_of(lambda: where(shipped(add_up), [{"amount": 1}, {"amount": None}]))

    assert (FILE, "add_up", 'return sum(row["amount"] for row in rows)') in shown(error)


@WHERE
def test_the_lines_of_code_inside_the_function_are_shown(where):
    error = error_of(lambda: where(shipped(add_up), [{}]))

    assert shown(error)[-2:] == [
        (FILE, "add_up", 'return sum(row["amount"] for row in rows)'),
        (FILE, "<genexpr>", 'return sum(row["amount"] for row in rows)'),
    ]


@WHERE
@pytest.mark.parametrize(
    ("function", "line"),
    [
        (Adder.add, 'return self + "1"'),
        (decorated.__wrapped__, "return rows + 1"),
        (makes_another(), "return rows / 2"),
    ],
    ids=["method", "decorated", "made by a function"],
)
def test_the_line_of_any_function_of_the_module_is_shown(where, function, line):
    error = error_of(lambda: where(shipped(function), []))

    assert shown(error)[-1] == (FILE, function.__name__, line)


@WHERE
def test_the_line_of_a_lambda_in_the_task_is_shown(where):
    @task
    def failing():
        return where(shipped(lambda row: row["total"]), {})

    with Flow("f") as flow:
        failed = failing()
    error = flow.run().result[failed].result

    assert shown(error)[-1] == (FILE, "<lambda>", 'return where(shipped(lambda row: row["total"]), {})')


@WHERE
def test_the_line_of_a_function_that_the_task_was_given_is_found(where):
    given = eval(compile("lambda rows: rows[0]", "given.py", "eval"))

    error = error_of(lambda made: where(shipped(made), []), given)

    assert traceback.extract_tb(error.__traceback__)[-1].filename == "given.py"


def test_a_traceback_in_which_files_are_named_is_left_alone():
    with pytest.raises(TypeError) as caught:
        shipped(add_up, names_files=True)([{"amount": 1}, {"amount": None}])
    before = caught.value.__traceback__

    show_users_lines(caught.value, task(add_up))

    assert caught.value.__traceback__ is before


def test_of_two_functions_that_fit_none_is_taken():
    twins = [eval("lambda rows: rows[0]"), eval("lambda rows: rows[0]")]
    twins[1].__code__ = twins[1].__code__.replace(co_filename="elsewhere.py")

    error = error_of(lambda both: on_a_worker(shipped(both[0]), []), twins)

    assert traceback.extract_tb(error.__traceback__)[-1].filename == "<dynamic-code>"


def test_a_function_that_nobody_knows_is_left_as_it_came():
    there = shipped(add_up)
    there.__code__ = there.__code__.replace(co_name="nobody")

    error = error_of(lambda: on_a_worker(there, [None]))

    assert isinstance(error, TypeError)
    assert ("<dynamic-code>", "nobody", "") in shown(error)


def test_an_older_code_of_a_function_is_not_taken_for_the_newer_one():
    there = shipped(add_up)
    there.__code__ = there.__code__.replace(co_firstlineno=add_up.__code__.co_firstlineno + 1)

    error = error_of(lambda: there([{}]))

    assert traceback.extract_tb(error.__traceback__)[-2].filename == "<dynamic-code>"


@WHERE
def test_the_lines_of_causes_and_of_parts_of_a_group_are_shown(where):
    def work():
        try:
            where(shipped(add_up), [{}])
        except KeyError as error:
            raise ExceptionGroup("both", [ValueError("other"), error]) from error

    group = error_of(work)

    assert shown(group.__cause__)[-1][0] == FILE
    assert shown(group.exceptions[1])[-1][0] == FILE


@WHERE
def test_what_a_task_logs_of_an_error_shows_the_line(where):
    @task
    def careful():
        try:
            where(shipped(add_up), [{}])
        except KeyError:
            context.logger.exception("it did not work")

    with Flow("f") as flow:
        done = careful()
    flow.run()

    text = "".join(line.text for line in flow.runs[-1].logs[done])
    assert 'return sum(row["amount"] for row in rows)' in text
    assert "<dynamic-code>" not in text


def test_the_variables_of_real_frames_stay_for_the_debugger():
    error = error_of(lambda: shipped(add_up)([{}]))

    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    assert frames[-2].f_locals["rows"] == [{}]
    assert frames[-1].f_locals["row"] == {}


def test_a_frame_that_is_made_again_keeps_no_callers_alive():
    error = error_of(lambda: on_a_worker(shipped(add_up), [{}]))

    assert [frame.f_back for frame, _ in traceback.walk_tb(error.__traceback__)][-2:] == [None, None]


def test_objects_that_raise_when_they_are_looked_at_are_passed_over():
    class Strange:
        def __getattribute__(self, name):
            if name == "__class__":
                return Strange
            raise RuntimeError(name)

    error = error_of(lambda one: on_a_worker(shipped(add_up), [{}]), Strange())

    assert shown(error)[-1][0] == FILE
