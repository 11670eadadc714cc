"""The engine is asked once a structure, however often and by whom it is drawn."""

from __future__ import annotations

import json
import threading

import pytest

from nbflow import Flow, Parameter, flows, task
from nbflow.errors import RenderError
from nbflow.render import layout as layout_module
from nbflow.render.layout_cache import OnceCache
from tests.patience import PATIENCE_S


@pytest.fixture
def engine(monkeypatch):
    """Stands in for the layout engine: puts everything into one place, and keeps what it was asked."""
    asked = []

    def run_engine(source):
        asked.append(source)
        return json.dumps({"bb": "0,0,100,100", "objects": _objects(source), "edges": _edges(source)})

    monkeypatch.setattr(layout_module, "run_engine", run_engine)
    return asked


def _objects(source):
    names = [line.split()[0] for line in source.split("\n") if line.startswith("n") and line[1].isdigit()]
    return [{"name": name, "pos": "50,50", "width": "1", "height": "1"} for name in names]


def _edges(source):
    return [
        {"comment": line.split("comment=")[1].split(" ")[0].rstrip("]"), "pos": "e,50,0 50,90 50,60 50,40 50,10"}
        for line in source.split("\n")
        if "comment=" in line
    ]


def made():
    with Flow("sums") as flow:
        n = Parameter("n", default=1)
        last = task(lambda x: x, name="last")(task(lambda x: x, name="first")(n))
        task(lambda x: x, name="other")(last)
    return flow


def drawn(thing):
    return thing._repr_mimebundle_()["text/html"]


def test_the_runs_of_a_flow_and_their_steps_are_laid_out_once(engine):
    flow = made()
    run = flow.start(paused=True)
    drawn(run)
    run.step()
    drawn(run)
    run.resume()
    run.wait(timeout_s=PATIENCE_S)
    drawn(run)
    flow.run()

    assert "<svg" in drawn(flow.runs[-1])
    assert len(engine) == 1


def test_a_flow_is_laid_out_again_only_after_a_change(engine):
    flow = made()
    drawn(flow)
    drawn(flow)
    drawn(made())  # as a cell that is executed again makes it
    assert len(engine) == 1

    flow.add_task(Parameter("more", default=1))
    drawn(flow)

    assert len(engine) == 2


def test_the_panel_takes_the_layout_of_the_run(engine):
    flow = made()
    flow.run()
    drawn(flow.runs[-1])

    panel = flow.panel()
    try:
        assert panel.graph_view.wait_drawn(PATIENCE_S)
    finally:
        panel.close()
        flows.clear()

    assert len(engine) == 1


def test_an_engine_that_fails_is_asked_again(engine, monkeypatch):
    monkeypatch.setattr(layout_module, "run_engine", lambda source: "no answer")
    flow = made()
    assert "cannot be read" in drawn(flow)

    monkeypatch.undo()

    assert "<svg" in drawn(flow)


def test_what_was_not_asked_for_lately_is_forgotten_first():
    cache, made_for = OnceCache(most=2, most_characters=100), []
    for text in ["a", "b", "a", "c", "a", "b"]:
        cache.get(text, lambda text=text: made_for.append(text))

    assert made_for == ["a", "b", "c", "b"]


def test_long_texts_are_not_kept_without_end():
    cache, made_for = OnceCache(most=10, most_characters=5), []
    for text in ["aaa", "bbb", "bbb", "aaa", "a much longer one", "a much longer one"]:
        cache.get(text, lambda text=text: made_for.append(text))

    assert made_for == ["aaa", "bbb", "aaa", "a much longer one"]


def test_what_two_threads_ask_for_is_made_once():
    cache, made_for, is_asked, go_on = OnceCache(most=2, most_characters=100), [], threading.Event(), threading.Event()

    def slowly():
        is_asked.set()
        go_on.wait(PATIENCE_S)
        made_for.append(1)
        return "made"

    results = []
    first = threading.Thread(target=lambda: results.append(cache.get("a", slowly)))
    first.start()
    assert is_asked.wait(PATIENCE_S)
    second = threading.Thread(target=lambda: results.append(cache.get("a", slowly)))
    second.start()
    go_on.set()
    first.join(PATIENCE_S)
    second.join(PATIENCE_S)

    assert (results, made_for) == (["made", "made"], [1])


def test_an_interrupt_is_not_passed_on_to_others():
    cache = OnceCache(most=2, most_characters=100)
    is_asked, go_on, results = threading.Event(), threading.Event(), []

    def interrupted():
        is_asked.set()
        go_on.wait(PATIENCE_S)
        raise RenderError("the first one's own")

    def first():
        with pytest.raises(RenderError):
            cache.get("a", interrupted)

    one = threading.Thread(target=first)
    one.start()
    assert is_asked.wait(PATIENCE_S)
    other = threading.Thread(target=lambda: results.append(cache.get("a", lambda: "made")))
    other.start()
    go_on.set()
    one.join(PATIENCE_S)
    other.join(PATIENCE_S)

    assert results == ["made"]
