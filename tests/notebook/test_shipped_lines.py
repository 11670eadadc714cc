"""A function of the notebook fails where it was shipped to: its cell and its line are shown."""

from __future__ import annotations

import traceback

import pytest

from nbflow import flows
from nbflow.panel.inspector.tracebacks import told

# As cloudpickle 3.1.3 and Dask bring an error back: no file, and of the frames only names and lines.
WORKER = """\
import cloudpickle, tblib

def on_a_worker(function, *args):
    there = cloudpickle.loads(cloudpickle.dumps(function))
    there.__code__ = there.__code__.replace(co_filename="<dynamic-code>")
    try:
        return there(*args)
    except Exception as error:
        raise error.with_traceback(tblib.Traceback(error.__traceback__.tb_next).as_traceback()) from None
"""
HALF = """\
def half(x):
    return x / 0  # here
"""
A_TASK = """\
@task
def broken():
    return on_a_worker(half, 1)

"""


@pytest.mark.parametrize(
    "cell",
    [
        "%%flow example\n" + A_TASK + "broken()",
        "import nbflow\n"
        + A_TASK
        + "with nbflow.Flow('example') as flow:\n    broken()\nnbflow.flows['example'] = flow",
        "%%task broken --flow example\ny = on_a_worker(half, 1)",
        "%%task broken --flow example\ndef half(x):\n    return x / 0  # here\ny = on_a_worker(half, 1)",
    ],
    ids=["in a flow's cell", "in a with statement", "in a task's cell", "of the task's cell itself"],
)
def test_the_line_is_shown(notebook, cell):
    notebook(WORKER)
    notebook(HALF)
    executed = notebook(cell)
    assert executed.error is None, executed.error

    failed = next(task for task in flows["example"].tasks if task.name == "broken")
    error = flows["example"].run().result[failed].result

    assert traceback.extract_tb(error.__traceback__)[-1].line == "return x / 0  # here"
    frame = told(error)["chain"][0]["frames"][0]
    assert (frame["name"], frame["code"]) == ("half", "return x / 0  # here")


def test_the_cell_shows_the_line_when_the_error_is_raised_in_it(notebook):
    notebook(WORKER)
    notebook(HALF)
    notebook("%%flow example\n" + A_TASK + "failed = broken()")

    cell = notebook("import nbflow\nraise nbflow.flows['example'].run().result[failed].result")

    assert "return x / 0  # here" in cell.out + cell.err
    assert "<dynamic-code>" not in cell.out + cell.err
