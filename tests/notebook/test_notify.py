"""`--notify COMMAND`: a shell command that is told how a run ended, and can do nothing else for it."""

from __future__ import annotations

import os
import signal
import sys
import warnings

import pytest
from IPython.core.error import UsageError

from nbflow import Flow, flows, task
from nbflow.notebook.shell.notify_command import facts_of, notify
from nbflow.processes import status_of
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")

FLOW = """%%flow example --no-show
total = double(load())
"""
FAILING = """%%flow broken --no-show
@task(name="$(touch harmed); `touch harmed`")
def fail():
    raise ValueError('"; touch harmed; "')
fail()
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Where commands write: their folder is the test's."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "told"


def wait_for_end(name):
    flows[name].runs[-1].wait(timeout_s=PATIENCE_S)
    assert flows[name].runs[-1]._loop.end_listeners.are_told.wait(PATIENCE_S)


@pytest.fixture
def threads(monkeypatch):
    """The threads that wait for commands."""
    found = []

    def kept(command, run, **options):
        found.append(notify(command, run, **options))

    monkeypatch.setattr("nbflow.notebook.magics.magic_command.notify", kept)
    return found


def test_the_command_of_a_run_is_told_how_it_ended(notebook, told, threads):
    notebook(FLOW)

    done = notebook("""%flow run example --notify 'echo "$NBFLOW_FLOW $NBFLOW_RUN $NBFLOW_STATE" > told'""")
    threads[0].join(PATIENCE_S)

    assert done.error is None
    assert told.read_text() == "example 1 Success\n"


@pytest.mark.parametrize("line", ["start example", "rerun example all"])
def test_the_command_of_a_run_in_the_background_is_told_as_well(notebook, told, threads, line):
    notebook(FLOW)
    notebook("%flow run example")

    notebook(f"""%flow {line} --notify 'echo "$NBFLOW_RUN $NBFLOW_STATE" > told'""")
    wait_for_end("example")
    threads[0].join(PATIENCE_S)

    assert told.read_text() == "2 Success\n"


def test_no_later_run_runs_the_command(notebook, told, threads):
    notebook(FLOW)
    notebook("%flow run example --notify 'echo once >> told'")
    threads[0].join(PATIENCE_S)

    notebook("%flow run example")

    assert told.read_text() == "once\n"


def test_what_users_named_and_raised_is_told_and_never_executed(notebook, told, threads):
    notebook(FAILING)

    notebook("""%flow run broken --notify 'echo "$NBFLOW_STATE: $NBFLOW_FAILED" > told'""")
    threads[0].join(PATIENCE_S)

    assert told.read_text() == "Failed: $(touch harmed); `touch harmed`\n"
    assert not (told.parent / "harmed").exists()


def test_a_map_whose_children_failed_is_among_what_failed(notebook, told, threads):
    notebook("@task\ndef clean(row):\n    raise ValueError(row)")
    notebook("%%flow rows --no-show\nclean.map([1, 2])")

    notebook("""%flow run rows --no-raise --notify 'echo "$NBFLOW_STATE: $NBFLOW_FAILED" > told'""")

    threads[0].join(PATIENCE_S)
    assert told.read_text() == "Failed: clean\n"


def test_an_empty_command_is_refused_before_anything_runs(notebook):
    notebook(FLOW)

    error = notebook("%flow run example --notify ''").error

    assert isinstance(error, UsageError)
    assert "--notify needs a command" in str(error)
    assert not flows["example"].runs


@pytest.fixture
def run():
    with Flow("named \0 \ud800") as flow:
        task(lambda: 1, name="one")()
    flow.run()
    return flow.runs[-1]


def test_a_name_that_no_environment_takes_is_told_without_what_it_cannot_take(run):
    assert facts_of(run)["NBFLOW_FLOW"] == "named"
    assert facts_of(run).keys() == {
        *("NBFLOW_FLOW", "NBFLOW_RUN", "NBFLOW_STATE", "NBFLOW_MESSAGE", "NBFLOW_FAILED", "NBFLOW_SECONDS")
    }


def said_by(command, run, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        waiter = notify(command, run, **options)
        assert waiter is not None
        waiter.join(PATIENCE_S)
    return [str(one.message) for one in caught]


def test_a_command_that_fails_is_warned_of_with_what_it_said(run):
    said = said_by("echo no such host >&2; exit 3", run)

    assert said == ["--notify: 'echo no such host >&2; exit 3' failed with exit status 3: no such host"]


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(run, told):
    said = said_by("sleep 1000 & echo $! > told; wait", run, timeout_s=0.5)

    assert said == ["--notify: 'sleep 1000 & echo $! > told; wait' was ended, it had taken more than 0.5 s"]
    left = status_of(int(told.read_text()))
    assert left is None or left.is_zombie  # of init's, who may not have looked yet


def test_a_command_that_hands_its_output_on_to_what_lives_on_is_not_waited_for(run, told):
    assert said_by("sleep 1000 & echo $! > told", run) == []
    os.kill(int(told.read_text()), signal.SIGKILL)
