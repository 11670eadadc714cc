"""The fixtures of all layers: what other tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import misplaced
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("file", "marks"),
    [
        ("tests/core/test_graph.py", {"cluster"}),
        ("tests/core/test_graph.py", {"kernel"}),
        ("tests/dask/test_links.py", ()),
    ],
)
def test_a_test_that_no_layer_would_play_is_refused(file, marks):
    assert "scripts/test.py" in misplaced(file, frozenset(marks))


def test_a_test_is_played_by_the_layer_of_its_folder():
    assert misplaced("tests/kernel/test_cluster.py", frozenset({"kernel", "dask"})) is None
    assert misplaced("tests/core/test_graph.py", frozenset({"slow"})) is None


def test_the_shell_starts_clean_each_time(shell):
    assert "left_over" not in shell.user_ns
    shell.run_cell("left_over = 1")
    assert shell.user_ns["left_over"] == 1


def test_the_shell_starts_clean_once_more(shell):
    assert "left_over" not in shell.user_ns


def test_the_data_directory_belongs_to_the_test(nbflow_home, tmp_path):
    assert nbflow_home.parent == tmp_path
    assert os.environ["NBFLOW_HOME"] == str(nbflow_home)


def test_an_interrupt_reaches_the_test():
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ["SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM"])
def test_what_a_test_starts_ignores_no_signal(name):
    code = f"import signal; print(signal.getsignal(signal.{name}) is signal.SIG_IGN)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_signals_are_the_same_for_tests_in_the_background():
    tests = [test_an_interrupt_reaches_the_test, test_what_a_test_starts_ignores_no_signal]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        *(f"tests/test_conftest.py::{one.__name__}" for one in tests),
    ]
    ignoring = ["sh", "-c", 'trap "" INT QUIT HUP; exec "$@"', "sh", *command]  # as `nohup` and `&` do

    done = subprocess.run(ignoring, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    assert done.returncode == 0, done.stdout
