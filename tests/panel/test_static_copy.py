"""The copy for saved notebooks: the drawing that the panel has made, without another layout."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from nbflow import Flow, task
from nbflow.panel.picture import graph_view as canvas_module
from nbflow.panel.picture import layout_job as sheet_module
from nbflow.panel.picture.layout_job import make_sheet
from nbflow.panel.static_copy import bundle
from nbflow.render import html as html_module
from nbflow.render import svg as svg_module
from nbflow.render.build import foldable
from tests.panel.conftest import until
from tests.patience import PATIENCE_S


@pytest.fixture
def small():
    with Flow("small") as flow:
        task(lambda: 1, name="one")()
    return flow


@pytest.fixture
def published(shell, monkeypatch):
    """What a session of IPython displays."""
    found = []
    monkeypatch.setattr(shell.display_pub, "publish", lambda data, *args, **keys: found.append((data, keys)))
    return found


@pytest.fixture
def layouts(monkeypatch):
    """The threads on which layouts are made."""
    threads, real = [], sheet_module.lay_out

    def lay_out(*args, **keys):
        threads.append(threading.current_thread().name)
        return real(*args, **keys)

    for module in (sheet_module, svg_module):
        monkeypatch.setattr(module, "lay_out", lay_out)
    return threads


def drawn(flow, **options):
    return make_sheet(flow, foldable(flow), wishes={}, children={}, prefix="nbflow-a", is_first=True, **options)


def test_a_panel_and_its_copies_are_laid_out_once(make_panel, small, published, layouts):
    panel = make_panel(small)
    panel._repr_mimebundle_()
    panel.buttons["run"].click()
    until(lambda: len(published) == 2)

    assert layouts == ["nbflow-panel-draw"]
    (first, _), (last, keys) = published
    assert "<svg" in first["text/html"]
    assert "nbflow-state-Success" in last["text/html"]
    assert "small, run 1" in last["text/html"]
    assert keys["update"] is True


def test_a_display_does_not_wait_for_a_long_layout_and_the_picture_follows(make_panel, small, published, monkeypatch):
    gate, real = threading.Event(), canvas_module.make_sheet

    def slow(*args, **keys):
        assert gate.wait(PATIENCE_S)
        return real(*args, **keys)

    monkeypatch.setattr(canvas_module, "make_sheet", slow)
    monkeypatch.setattr(sys.modules["nbflow.panel.widget"], "_DRAWING_S", 0.01)
    panel = make_panel(small)

    panel._repr_mimebundle_()

    assert "<svg" not in published[0][0]["text/html"]
    assert "one" in published[0][0]["text/html"]
    gate.set()
    until(lambda: len(published) == 2)
    assert "<svg" in published[1][0]["text/html"]


def test_the_copy_is_folded_as_the_panel_is(make_panel, flow, published, gate):
    panel = make_panel(flow)
    panel._repr_mimebundle_()
    panel._hear({"kind": "fold", "key": "block--Cluster-1", "folded": True})
    assert panel.wait_drawn(20)
    panel.buttons["run"].click()
    gate.set()

    until(lambda: len(published) == 2)

    assert 'data-key="block--Cluster-1"' in published[1][0]["text/html"]
    assert 'data-key="wait-1"' not in published[1][0]["text/html"]


def test_without_a_drawing_the_tasks_are_listed(small, monkeypatch):
    monkeypatch.setattr(html_module, "svg", None)

    shown = bundle(small, None, None)

    assert "one" in shown["text/html"]
    assert shown["text/html"].startswith('<div class="nbflow-static">')
    assert shown["text/plain"] == "small\n  one"


def test_names_in_the_list_are_escaped():
    with Flow("<b>bold</b>") as flow:
        task(lambda: 1, name="<img src=x>")()

    assert "<img" not in bundle(flow, None, None)["text/html"]
    assert "<img" not in bundle(flow, None, drawn(flow))["text/html"]


LEAVE = """
import comm
from comm.base_comm import BaseComm

class Silent(BaseComm):
    def publish_msg(self, *args, **keys):
        pass

comm.create_comm = Silent
from nbflow import Flow, task
from nbflow.panel import panel
with Flow("long") as flow:
    above = [task(lambda: 1, name=f"first {i}")() for i in range(30)]
    for layer in range(30):
        step = task(lambda a, b, c: 1, name=f"step")
        above = [step(above[i], above[i - 7], above[i - 13], task_args={"name": f"{layer} {i}"}) for i in range(30)]
shown = panel(flow)
print(shown.wait_drawn(0))
"""


def test_an_interpreter_that_ends_does_not_wait_for_a_drawing():
    done = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, timeout=PATIENCE_S, check=True)

    assert done.stdout == "False\n"
    assert done.stderr == ""
