"""A shell in which nbflow is loaded, and what a test wants to know of an executed cell."""

from __future__ import annotations

from types import SimpleNamespace

# Some cells import them; with the tests they are imported before the shell, whose resets collect garbage: what is there
# before it is left out (`tests/conftest.py`).
import matplotlib.pyplot  # noqa: F401
import pandas  # noqa: F401
import pytest

import nbflow
from tests.patience import PATIENCE_S

SETUP = """
from nbflow import Parameter, resource_manager, task

log = []

@task
def load(n=1):
    log.append(f"load {n}")
    return n

@task
def double(x):
    log.append(f"double {x}")
    return 2 * x

@resource_manager
class Cluster:
    def setup(self):
        log.append("setup")
        return "cluster"
    def cleanup(self, resource):
        log.append("cleanup")

@task
def use(resource, x=None):
    log.append(f"use {resource}")
    return x
"""


@pytest.fixture(autouse=True)
def _no_flows_left():
    nbflow.flows.clear()
    yield
    for flow in nbflow.flows.values():
        for run in flow.runs:
            if not run.is_finished:
                run.cancel()
                run.wait(timeout_s=PATIENCE_S)
    nbflow.flows.clear()


@pytest.fixture
def notebook(shell, capsys, monkeypatch):
    """Execute cells: `notebook(source, cell_id=...)` gives error, outputs (mime bundles) and text of the cell.

    Cells follow each other without a pause, as in one run of the notebook, but for `notebook.pause()`.
    """
    outputs = []

    def publish(data, *args, **kwargs):
        outputs.append(data)

    monkeypatch.setattr(shell.display_pub, "publish", publish)

    def execute(source, cell_id=None):
        outputs.clear()
        capsys.readouterr()
        result = shell.run_cell(source, cell_id=cell_id, store_history=True)
        text = capsys.readouterr()
        error = result.error_before_exec or result.error_in_exec
        return SimpleNamespace(error=error, outputs=list(outputs), out=text.out, err=text.err, result=result)

    execute("%load_ext nbflow")
    passes = shell.magics_manager.registry["TaskMagics"].passes
    seconds = [0.0]  # of the test's own: else a busy machine makes a pause between two cells
    monkeypatch.setattr(passes, "_clock", lambda: seconds[0])

    def pause():
        seconds[0] += 10

    execute.pause = pause
    assert execute(SETUP).error is None
    execute.names = shell.user_ns
    execute.shell = shell
    return execute
