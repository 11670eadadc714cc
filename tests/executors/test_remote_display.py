"""What a task displays in another process is shown by the kernel, with the task's log."""

from __future__ import annotations

import builtins

import pytest

from nbflow import Flow, task
from nbflow.executors import ProcessExecutor
from tests.executors.places import PROCESSES


@pytest.fixture
def displayed(monkeypatch):
    """Give what the kernel's `display` is called with."""
    shown = []

    def display(*objects, metadata=None, raw=False):
        shown.extend(objects)

    monkeypatch.setattr(builtins, "display", display, raising=False)
    return shown


def run_of(function, executor):
    with Flow("f") as flow:
        task(function, name="one")()
    state = flow.run(executor=executor)
    assert state.is_successful(), state.result
    return flow.runs[-1]


class Rich:
    def _repr_html_(self):
        return "<b>rich</b>"

    def __repr__(self):
        return "plain"


@pytest.mark.parametrize("remote", PROCESSES, indirect=True)
def test_rich_output_is_shown_as_it_would_be_here(remote, displayed):
    def shows():
        display(Rich())  # noqa: F821 - a builtin there
        display({"text/plain": "as it is"}, raw=True)  # noqa: F821

    run_of(shows, remote)

    assert displayed == [{"text/plain": "plain", "text/html": "<b>rich</b>"}, {"text/plain": "as it is"}]


@pytest.mark.parametrize("remote", PROCESSES, indirect=True)
def test_figures_are_shown_and_closed_at_the_end_of_their_task(remote, displayed):
    pytest.importorskip("matplotlib")

    def draws():
        import matplotlib.pyplot

        matplotlib.pyplot.plot([1, 2])
        matplotlib.pyplot.show()

    with Flow("f") as flow:
        first = task(draws, name="first")()
        task(draws, name="second")(upstream_tasks=[first])
    state = flow.run(executor=remote)

    assert state.is_successful()
    assert ["image/png" in one for one in displayed] == [True, True]


def test_without_a_notebook_the_text_is_printed(remote, monkeypatch, capsys):
    monkeypatch.delattr(builtins, "display", raising=False)

    run_of(lambda: display(Rich()), remote)  # noqa: F821

    assert "plain" in capsys.readouterr().out


def test_no_library_finds_a_shell_there():
    def asks():
        display(Rich())  # noqa: F821
        from IPython import get_ipython

        return get_ipython() is None and not hasattr(__import__("builtins"), "get_ipython")

    run = run_of(asks, ProcessExecutor(1))

    assert list(run.results.values()) == [True]
