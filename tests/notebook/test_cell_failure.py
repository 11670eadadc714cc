"""A run that has failed ends its cell with the task's error, after the cleanup."""

from __future__ import annotations

import pickle
import re
import sys
import traceback

import pytest

from nbflow import flows
from nbflow.errors import RunFailedError

HELPER = """
def look_up(table):
    return table["b"]
"""
FAILING = """%%task --flow broken
print("reading")
found = look_up({"a": 1})
"""


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def frames(error):
    return [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]


@pytest.fixture
def broken(notebook):
    notebook(HELPER)
    notebook(FAILING)
    return notebook


def test_the_cell_fails_with_the_task_s_error_after_the_run_was_drawn(broken):
    cell = broken("%flow run broken")

    assert type(cell.error) is KeyError
    assert "Failed" in cell.outputs[-1]["text/plain"]


def test_the_traceback_shows_the_user_s_lines_and_no_frame_of_nbflow(broken):
    text = plain(broken("%flow run broken").out)

    assert '----> 2     return table["b"]' in text
    assert '----> 3 found = look_up({"a": 1})' in text
    assert "nbflow/" not in text


def test_the_traceback_is_followed_by_what_the_task_said_last(notebook):
    notebook("%%task --flow broken\nfor n in range(30):\n    print('line', n)\nfound = 1 / 0")

    text = plain(notebook("%flow run broken").out)

    said = text[text.index("ZeroDivisionError: division by zero") :]
    assert "the last 20 of 30 lines that found printed and logged:" in said
    assert "line 29" in said
    assert "line 9\n" not in said


def test_causes_are_shown(notebook):
    notebook(
        "%%task --flow broken\ntry:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
        "    raise RuntimeError('no ratio') from error"
    )

    text = plain(notebook("%flow run broken").out)

    assert "ZeroDivisionError: division by zero" in text
    assert "direct cause" in text
    assert "RuntimeError: no ratio" in text


@pytest.mark.parametrize("line", ["%flow run broken --no-raise", "%flow start broken\n%flow wait broken --no-raise"])
def test_with_no_raise_the_cell_ends_well(broken, line):
    cell = broken(line)

    assert cell.error is None
    assert "Failed" in cell.outputs[-1]["text/plain"]


def test_waiting_for_a_run_that_fails_raises_what_it_failed_by(broken):
    broken("%flow start broken")

    assert type(broken("%flow wait broken").error) is KeyError


def test_waiting_for_a_run_that_stands_still_does_not_raise(broken):
    broken("%flow start broken --hold")

    assert broken("%flow wait broken").error is None


def test_a_flow_cell_that_runs_its_flow_fails_with_it(notebook):
    cell = notebook("%%flow one --run\nx = task(lambda: 1 / 0, name='ratio')()")

    assert type(cell.error) is ZeroDivisionError
    assert len(flows["one"].tasks) == 1
    assert notebook("%%flow one --run --no-raise\nx = task(lambda: 1 / 0, name='ratio')()").error is None


def test_the_resources_are_cleaned_up_before_the_cell_fails(notebook):
    notebook("%%flow one --no-show\nwith Cluster() as client:\n    task(lambda client: 1 / 0, name='bad')(client)")

    assert type(notebook("%flow run one").error) is ZeroDivisionError
    assert notebook.names["log"] == ["setup", "cleanup"]


def test_the_shell_s_debugger_and_tb_find_the_task_s_frames(broken):
    error = broken("%flow run broken").error

    assert sys.last_value is error
    assert set(frames(error)) == {"__main__"}
    assert [frame for frame, _ in traceback.walk_tb(sys.last_traceback)][-1].f_code.co_name == "look_up"
    assert 'table["b"]' in plain(broken("%tb").out)
    assert "reading" in plain(broken("%tb").out)


def test_the_flow_s_debugger_opens_there(broken, monkeypatch):
    broken("%flow run broken")
    seen = []
    monkeypatch.setattr("nbflow.engine.run_control.PostMortem.debugger", staticmethod(seen.append))

    broken("%flow debug broken")

    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(seen[0])][-1] == "look_up"


def test_of_several_failures_the_first_is_raised_and_the_others_are_named(notebook):
    notebook("%%task one --flow broken\na = 1 / 0")
    notebook("%%task two --flow broken\nb = {}['b']")

    cell = notebook("%flow run broken")

    assert type(cell.error) is ZeroDivisionError
    assert "also failed: two: KeyError: 'b' (cell In" in plain(cell.out)


def test_a_child_of_a_map_says_which(notebook):
    notebook("%%flow broken --no-show\nr = task(lambda x: 1 / x, name='ratio').map([1, 0, 2])")

    cell = notebook("%flow run broken")

    assert type(cell.error) is ZeroDivisionError
    assert "ratio[1]: ZeroDivisionError" in cell.outputs[-1]["text/plain"]


@pytest.mark.parametrize(
    ("source", "line", "name"),
    [
        ("import ast\nx = ast.parse('1 +')", "x = ast.parse('1 +')", "SyntaxError"),
        ("x = 1\nraise ExceptionGroup('both', [KeyError('k')])", "raise ExceptionGroup", "KeyError"),
        ("x = next(iter([]))", "x = next(iter([]))", "StopIteration"),
    ],
)
def test_errors_that_the_shell_shows_otherwise_are_shown_as_the_cause(notebook, source, line, name):
    notebook(f"%%task --flow broken\n{source}")

    cell = notebook("%flow run broken")

    assert isinstance(cell.error, RunFailedError)
    text = plain(cell.out)
    assert line in text
    assert name in text
    assert "nbflow/" not in text
    assert name in plain(notebook("%tb").out)


def test_an_error_of_nbflow_in_a_task_is_no_misuse_of_the_magic(notebook):
    notebook("%%task --flow broken --gives x y\nx = 1\nif x > 1:\n    y = 2")

    cell = notebook("%flow run broken")

    assert type(cell.error).__name__ == "UnboundOutputError"
    assert "nbflow/" not in plain(cell.out)


def test_a_run_that_fails_without_an_error_says_so(notebook):
    notebook("from nbflow import triggers\nnever = task(lambda x: x, name='never', trigger=triggers.any_failed)")
    notebook("%%flow broken --no-show\nx = never(load())")

    cell = notebook("%flow run broken")

    assert isinstance(cell.error, RunFailedError)
    assert "run 1 of 'broken' failed: never: Trigger was" in str(cell.error)
    assert "nbflow/" not in cell.out


def test_an_error_that_was_raised_again_can_be_pickled(broken):
    error = broken("%flow run broken").error

    again = pickle.loads(pickle.dumps(error))

    assert type(again) is KeyError
    assert again._render_traceback_() is not None


def test_the_drawing_of_a_failed_run_shows_error_and_line_without_a_click(broken):
    page = broken("%flow run broken").outputs[-1]["text/html"]

    assert page.index("KeyError") < page.index("<details")
    assert "return table[&quot;b&quot;]" in page
    assert "cell In [" in page


def test_a_run_called_from_python_returns_its_state(broken):
    cell = broken("import nbflow\nstate = nbflow.flows['broken'].run()")

    assert cell.error is None
    assert broken.names["state"].is_failed()
