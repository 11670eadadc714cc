"""Flows to look at, and a panel whose messages to the browser are recorded instead of sent."""

from __future__ import annotations

import shutil
import threading
import time
from types import SimpleNamespace

import comm
import pytest
from comm.base_comm import BaseComm

from nbflow import Flow, resource_manager, task
from nbflow.panel import Panel
from tests.patience import PATIENCE_S

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="NO NODE: install nodejs; the panel's script is NOT TESTED"
)


def until(condition, timeout_s=PATIENCE_S):
    """Wait for something that happens on another thread."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def sent(monkeypatch):
    """Every comm message of every widget: `(comm_id, data)`."""
    messages = []

    class Recorded(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            messages.append((self.comm_id, data or {}))

    monkeypatch.setattr(comm, "create_comm", lambda *args, **kwargs: Recorded(*args, **kwargs))
    return messages


def told(sent, panel, kind):
    """What a panel's script was told under one kind."""
    body = panel._body.model_id
    contents = [data["content"] for one, data in sent if one == body and data.get("method") == "custom"]
    return [content for content in contents if content.get("kind") == kind]


@pytest.fixture
def gate():
    """An event that tasks of the flow wait for; open at the end in any case."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def flow(gate):
    @resource_manager
    class Cluster:
        def setup(self):
            return "cluster"

        def cleanup(self, resource):
            pass

    @task
    def first(resource):
        return 1

    @task
    def wait(x):
        assert gate.wait(PATIENCE_S)
        return x

    @task
    def last(x):
        return x

    with Flow("example") as flow:
        with Cluster() as client:
            a = first(client)
            b = wait(a)
        c = last(b)
    flow.test = SimpleNamespace(first=a, wait=b, last=c)
    return flow


@pytest.fixture
def make_panel(sent):
    """Make panels that are closed at the end; what their callbacks raised is raised then."""
    panels, errors = [], []

    def make(source, run=None, **options):
        options.setdefault("on_error", errors.append)
        panels.append(Panel(source, run, **options))
        return panels[-1]

    make.errors = errors
    yield make
    for panel in panels:
        run = panel.run
        panel.close()
        if run is not None and not run.is_finished:
            run.cancel()
            run.wait(timeout_s=PATIENCE_S)
    if errors:
        raise errors[0]
