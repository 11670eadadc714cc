"""Rule 10 of the cleanup guarantee: somebody outside is told of a resource before it is made and after it is gone."""

from __future__ import annotations

import pytest

from nbflow import Flow, resource_manager, task
from tests.shared import SharedList


class Recorder:
    """A tracker that writes down what it is told."""

    def __init__(self, lines):
        self._lines = lines

    def __getattr__(self, name):
        return lambda *told: self._lines.append(name)


@pytest.fixture
def lines(monkeypatch):
    lines = SharedList()
    monkeypatch.setattr("nbflow.flow.launch._tracker_of", lambda flow, run_id: Recorder(lines))
    return lines


def test_the_keeper_is_told_in_time(lines, executor):
    """Rule 10: intent before setup, open before any task uses it, the end after cleanup."""

    @resource_manager
    class Server:
        def setup(self):
            lines.append("setup")
            return 1

        def cleanup(self, server):
            lines.append("cleanup")

    with Flow("f") as flow, Server() as server:
        task(lambda s: lines.append("task"), name="use")(server)

    flow.run(executor=executor)

    assert lines == ["intend", "setup", "opened", "task", "closing", "cleanup", "closed", "flush"]


def test_a_setup_that_raises_is_told_as_closed(lines):
    """Rules 10 and 9."""

    @resource_manager
    class Server:
        def setup(self):
            raise OSError("no")

        def cleanup(self, server):
            pass

    with Flow("f") as flow, Server() as server:
        task(lambda s: s, name="use")(server)

    flow.run()

    assert lines == ["intend", "reclaimer", "closed", "flush"]
