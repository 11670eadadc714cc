"""Tasks end as cells do: their figures are shown and closed, and what they display is in the log."""

from __future__ import annotations

import base64
import sys

import pytest

from nbflow import flows
from tests.patience import PATIENCE_S

PNG = b"\x89PNG"
PLOTS = (
    "%%task one --flow plots\nplt.plot([1, 2])\na = 1",
    "%%task two --flow plots\nfig, axes = plt.subplots()\naxes.plot([a, 2])\nplt.figure()\nplt.plot([a])\nb = a + 1",
)


@pytest.fixture
def plots(notebook, monkeypatch):
    monkeypatch.setattr(type(notebook.shell), "enable_gui", lambda shell, gui=None: None, raising=False)
    assert notebook("%matplotlib inline\nimport matplotlib.pyplot as plt").error is None
    for source in PLOTS:
        assert notebook(source).error is None
    yield notebook
    plt = sys.modules["matplotlib.pyplot"]
    plt.close("all")
    notebook("%matplotlib agg")


def pictures(cell):
    return [output for output in cell.outputs if "image/png" in output]


def newest(name="plots"):
    return flows[name].runs[-1]


def logged(run, name):
    (task,) = [task for task in run.logs if task.name == name]
    return run.logs[task]


def test_a_run_shows_each_figure_once_in_the_order_of_the_tasks(plots):
    cell = plots("%flow run plots")

    assert cell.error is None
    assert len(pictures(cell)) == 3
    assert plots.names["plt"].get_fignums() == []
    assert [len(logged(newest(), name).figures) for name in ("one", "two")] == [1, 2]


def test_the_figures_of_a_task_come_before_what_the_next_one_shows(notebook, plots):
    plots("%%task three --flow plots\nprint(b)\nb * 10")

    cell = plots("%flow run plots")

    texts = [output["text/plain"] for output in cell.outputs]
    assert texts.index("three:") > max(n for n, text in enumerate(texts) if text.startswith("<Figure"))


def test_a_run_in_the_background_keeps_its_figures_and_shows_none(plots):
    begun = plots("%flow start plots")
    assert newest().wait(PATIENCE_S).is_successful()
    later = plots("1 + 1")

    assert pictures(begun) == pictures(later) == []
    assert plots.names["plt"].get_fignums() == []
    (figure,) = logged(newest(), "one").figures
    assert bytes(figure).startswith(PNG)
    assert figure._repr_png_() == figure


def test_a_cell_that_ends_leaves_the_figures_alone_that_a_task_is_drawing(plots):
    plots("import threading\nis_drawing, may_end = threading.Event(), threading.Event()")
    plots("%%task slow --flow slow\nplt.plot([1])\nis_drawing.set()\nmay_end.wait(60)\nplt.title('done')\nc = 1")
    plots("%flow start slow\nis_drawing.wait(60)")

    cell = plots("plt.figure()\nplt.plot([3])")
    plots("may_end.set()")
    assert newest("slow").wait(PATIENCE_S).is_successful()

    assert len(pictures(cell)) == 1
    assert len(logged(newest("slow"), "slow").figures) == 1


def test_a_task_that_fails_shows_its_figures_too(plots):
    plots("%%task three --flow plots\nplt.plot([b])\n1 / 0")

    cell = plots("%flow run plots")

    assert type(cell.error) is ZeroDivisionError
    assert len(pictures(cell)) == 4


def test_a_function_with_task_ends_in_the_same_way(plots):
    plots("@task\ndef draw(n):\n    plt.plot([n])\n    plt.show()\n    plt.plot([n, n])\n    return n")

    cell = plots("%%flow drawn --run\ndraw(draw(1))")

    assert len(pictures(cell)) == 4


def test_a_figure_of_the_cell_itself_is_left_to_the_cell(plots):
    plots("mine = plt.figure()\n%flow run plots\nopen_then = plt.get_fignums()")

    assert plots.names["open_then"] == [1]


def test_on_threads_each_task_shows_its_own_figures_in_the_order_of_the_tasks(plots):
    plots("import threading\nsecond_has_ended = threading.Event()")
    plots(
        "%%flow wide --no-show\n@task\ndef draw(n):\n    figure, axes = plt.subplots(num=n)\n"
        "    axes.plot([n])\n    if n == 1:\n        second_has_ended.wait(60)\n    return n\n"
        "@task\ndef tell(n):\n    second_has_ended.set()\n"
        "first = draw(1)\ntell(draw(2))"
    )

    cell = plots("%flow run wide --executor threads")

    first, second = [flows["wide"].runs[-1].logs[task] for task in flows["wide"].sorted_tasks() if task.name == "draw"]
    assert [len(first.figures), len(second.figures)] == [1, 1]
    assert [base64.b64decode(output["image/png"]) for output in pictures(cell)] == [
        *first.figures,
        *second.figures,
    ]


def test_what_a_task_displays_is_in_its_log_as_it_was_shown(notebook):
    notebook(
        "%%task shows --flow one\nfrom IPython.display import display\n"
        "display({'a': 1}, 'text')\nprint('printed')\nlast = list(range(3))\nlast"
    )

    notebook("%flow run one")

    lines = [(line.stream, line.text) for line in logged(newest("one"), "shows") if line.text.strip()]
    assert lines == [
        ("display", "{'a': 1}\n"),
        ("display", "'text'\n"),
        ("stdout", "printed\n"),
        ("display", "[0, 1, 2]\n"),
    ]
