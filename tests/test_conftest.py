"""The fixtures of all layers: what other tests rely on."""

from __future__ import annotations

import os


def test_the_shell_starts_clean_each_time(shell):
    assert "left_over" not in shell.user_ns
    shell.run_cell("left_over = 1")
    assert shell.user_ns["left_over"] == 1


def test_the_shell_starts_clean_once_more(shell):
    assert "left_over" not in shell.user_ns


def test_the_data_directory_belongs_to_the_test(nbflow_home, tmp_path):
    assert nbflow_home.parent == tmp_path
    assert os.environ["NBFLOW_HOME"] == str(nbflow_home)
