"""What the script asks to be folded or unfolded is drawn so, off the caller's thread, and stays so."""

from __future__ import annotations

import threading

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.panel.picture import graph_view as canvas_module
from nbflow.panel.picture import layout_job as sheet_module
from tests.panel.conftest import until
from tests.patience import PATIENCE_S


@resource_manager
class Room:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


@task
def work(x=None):
    return x


@pytest.fixture
def rooms():
    """Two rooms, one in the other, with three tasks of one name, and a map."""
    with Flow("rooms") as flow:
        with Room() as outer, Room() as inner:
            for _ in range(3):
                work(inner)
            task(lambda x: x, name="last")(outer)
        task(lambda x: x, name="each").map([1, 2, 3])
    return flow


def drawing(panel):
    assert panel.wait_drawn(20)
    return panel._body.drawing


def keys(panel):
    assert panel.wait_drawn(20)
    return set(panel._body.snapshot["nodes"]), set(panel._body.snapshot["clusters"])


def fold(panel, key, folded=True):
    panel._hear({"kind": "fold", "key": key, "folded": folded})


def problems(sent):
    return [
        data["content"]["text"]
        for _, data in sent
        if data.get("method") == "custom" and data["content"]["kind"] == "problem"
    ]


def test_everything_that_can_be_folded_is_told_with_whether_it_is(make_panel, rooms):
    panel = make_panel(rooms)

    assert drawing(panel)["folds"] == {
        "block--Room-1": False, "block--Room-2": False, "group--work-1": False, "each-1": True,
    }  # fmt: skip
    assert drawing(panel)["shown"] == {}


def test_a_folded_block_is_one_node_that_stands_for_the_rows_in_it(make_panel, rooms):
    panel = make_panel(rooms)
    drawing(panel)

    fold(panel, "block--Room-2")

    shown = drawing(panel)
    assert shown["folds"] == {"block--Room-1": False, "block--Room-2": True, "each-1": True}
    assert shown["shown"]["work-1"] == shown["shown"]["Room.setup-2"] == "block--Room-2"
    assert 'data-key="block--Room-2"' in shown["svg"]
    assert not shown["pending"]
    nodes, clusters = keys(panel)
    assert "block--Room-2" in nodes
    assert clusters == {"block--Room-1"}
    assert panel._body.snapshot["rows"].keys() >= {"work-1", "Room-2"}


def test_what_was_folded_can_be_unfolded(make_panel, rooms):
    panel = make_panel(rooms)
    before = drawing(panel)

    fold(panel, "block--Room-1")
    assert drawing(panel)["folds"] == {"block--Room-1": True, "each-1": True}
    fold(panel, "block--Room-1", folded=False)

    assert drawing(panel)["folds"] == before["folds"]
    assert drawing(panel)["svg"] == before["svg"]


def test_a_group_folds_by_the_key_of_its_first_task(make_panel, rooms):
    panel = make_panel(rooms)
    drawing(panel)

    fold(panel, "group--work-1")

    assert drawing(panel)["folds"]["group--work-1"] is True
    assert drawing(panel)["shown"] == dict.fromkeys(["work-1", "work-2", "work-3"], "group--work-1")


def test_folds_stay_in_the_next_run(make_panel, rooms):
    panel = make_panel(rooms)
    drawing(panel)
    fold(panel, "block--Room-1")
    svg = drawing(panel)["svg"]

    panel.buttons["run"].click()
    until(lambda: panel._body.snapshot["nodes"]["block--Room-1"] == ["Success", "✓ cleaned · 10/10"])

    assert panel._body.drawing["svg"] == svg
    assert panel.run is not None


def test_a_map_unfolds_into_its_children_whose_states_are_painted(make_panel, rooms):
    run = rooms.start()
    run.wait(PATIENCE_S)
    panel = make_panel(rooms, run)
    drawing(panel)

    fold(panel, "each-1", folded=False)

    assert drawing(panel)["folds"]["each-1"] is False
    assert drawing(panel)["shown"] == {"each-1": "each-1--0"}
    nodes = panel._body.snapshot["nodes"]
    assert {nodes[f"each-1--{i}"][0] for i in range(3)} == {"Success"}
    assert "each-1" not in nodes
    assert panel._body.snapshot["rows"]["each-1"][1] == "⊞ 3/3"


def test_a_map_without_children_is_not_unfolded_and_it_is_said_why(make_panel, rooms, sent):
    panel = make_panel(rooms)
    before = drawing(panel)

    fold(panel, "each-1", folded=False)

    assert drawing(panel) == before
    assert problems(sent) == ["each has no children yet: they are made when it runs"]


def test_an_unfolded_map_gets_its_children_in_the_next_run_as_well(make_panel):
    counts = iter([2, 3])
    with Flow("maps") as flow:
        numbers = task(lambda: list(range(next(counts))), name="numbers")()
        task(lambda x: x, name="each").map(numbers)
    first = flow.start()
    first.wait(PATIENCE_S)
    panel = make_panel(flow, first)
    drawing(panel)
    fold(panel, "each-1", folded=False)
    assert "each-1--2" not in keys(panel)[0]

    panel.buttons["run"].click()

    until(lambda: panel._body.snapshot["nodes"].get("each-1--2", [""])[0] == "Success")
    assert panel._body.drawing["folds"]["each-1"] is False


def test_of_many_children_the_first_are_drawn_and_it_is_said(make_panel, sent, monkeypatch):
    monkeypatch.setattr(canvas_module, "MOST_CHILDREN", 4)
    monkeypatch.setattr("nbflow.panel.picture.folds.MOST_CHILDREN", 4)
    with Flow("maps") as flow:
        work.map(list(range(6)))
    run = flow.start()
    run.wait(PATIENCE_S)
    panel = make_panel(flow, run)
    drawing(panel)

    fold(panel, "work-1", folded=False)

    assert {key for key in keys(panel)[0] if key.startswith("work-1--")} == {f"work-1--{i}" for i in range(4)}
    assert problems(sent) == ["the first 4 of 6 children of work are drawn"]


def test_all_is_folded_and_unfolded_at_once(make_panel, rooms):
    panel = make_panel(rooms)
    before = drawing(panel)

    panel._hear({"kind": "fold_all", "folded": True})
    assert drawing(panel)["folds"] == {"block--Room-1": True, "each-1": True}
    fold(panel, "block--Room-1", folded=False)
    assert drawing(panel)["folds"] == {"block--Room-1": False, "block--Room-2": True, "each-1": True}
    panel._hear({"kind": "fold_all", "folded": False})

    assert drawing(panel)["folds"] == before["folds"]


def test_too_many_nodes_are_refused_and_the_drawing_stays(make_panel, rooms, sent, monkeypatch):
    panel = make_panel(rooms)
    drawing(panel)
    fold(panel, "block--Room-1")
    before = drawing(panel)
    monkeypatch.setattr(sheet_module, "MOST_NODES", 5)

    fold(panel, "block--Room-1", folded=False)
    assert drawing(panel) == before
    assert problems(sent) == ["a picture of 12 nodes would be too large (at most 5 are drawn); it stays as it is"]

    fold(panel, "block--Room-2")  # what was refused is forgotten
    assert drawing(panel)["folds"] == before["folds"]


def test_a_flow_that_is_too_large_from_the_start_is_listed(make_panel, rooms, monkeypatch):
    monkeypatch.setattr(sheet_module, "MOST_NODES", 5)

    panel = make_panel(rooms)

    assert drawing(panel)["svg"] == ""
    assert drawing(panel)["problem"].startswith("a picture of 12 nodes would be too large")
    assert "[Room]" in drawing(panel)["problem"]
    assert len(panel._body.snapshot["rows"]) == 11


def test_what_cannot_be_folded_is_passed_over(make_panel, rooms):
    panel = make_panel(rooms)
    before = drawing(panel)

    for key in ("work-1", "block--gone", "", None, 7):
        fold(panel, key)

    assert drawing(panel) == before


def test_of_many_clicks_only_the_last_are_drawn(make_panel, rooms, monkeypatch):
    panel = make_panel(rooms)
    drawing(panel)
    gate, made, real = threading.Event(), [], canvas_module.make_sheet

    def slow(graph, parts, *, wishes, **keys):
        made.append(dict(wishes))
        assert gate.wait(PATIENCE_S)
        return real(graph, parts, wishes=wishes, **keys)

    monkeypatch.setattr(canvas_module, "make_sheet", slow)
    for i in range(21):
        fold(panel, "block--Room-2", folded=i % 2 == 0)
    fold(panel, "group--work-1")
    gate.set()

    assert drawing(panel)["folds"]["block--Room-2"] is True
    assert len(made) <= 3
    assert made[-1] == {"block--Room-2": True, "group--work-1": True}


def test_no_layout_is_made_on_the_thread_that_starts_a_run_or_hears_a_click(make_panel, rooms, monkeypatch):
    threads, real = [], sheet_module.lay_out

    def lay_out(*args, **keys):
        threads.append(threading.current_thread().name)
        return real(*args, **keys)

    monkeypatch.setattr(sheet_module, "lay_out", lay_out)
    panel = make_panel(rooms)
    assert panel.wait_drawn(20)
    fold(panel, "block--Room-1")
    assert panel.wait_drawn(20)
    run = rooms.start()
    run.wait(PATIENCE_S)
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("nbflow")])

    assert threads == ["nbflow-panel-draw"] * 2  # none for the run: its graph is the same


def test_another_graph_is_drawn_again_while_its_rows_are_there_at_once(make_panel, rooms, monkeypatch):
    panel = make_panel(rooms)
    drawing(panel)
    gate, real = threading.Event(), canvas_module.make_sheet

    def slow(*args, **keys):
        assert gate.wait(PATIENCE_S)
        return real(*args, **keys)

    monkeypatch.setattr(canvas_module, "make_sheet", slow)
    with rooms:
        task(lambda: 1, name="more")()
    run = rooms.start(paused=True)

    assert panel.run is run
    assert panel._body.drawing["pending"] is True
    assert panel._body.drawing["svg"] == ""
    assert "more-1" in panel._body.snapshot["rows"]
    gate.set()
    assert 'data-key="more-1"' in drawing(panel)["svg"]
    assert "more-1" in panel._body.snapshot["nodes"]


def test_changes_during_a_layout_are_in_the_drawing_that_it_gives(make_panel, rooms, monkeypatch):
    gate, real = threading.Event(), canvas_module.make_sheet

    def slow(*args, **keys):
        assert gate.wait(PATIENCE_S)
        return real(*args, **keys)

    monkeypatch.setattr(canvas_module, "make_sheet", slow)
    panel = make_panel(rooms)
    panel.buttons["run"].click()
    until(lambda: panel.run.is_finished and panel._body.snapshot["head"]["mode"] == "over")
    assert panel._body.snapshot["nodes"] == {}

    gate.set()

    assert drawing(panel)["svg"]
    assert {name for name, _ in panel._body.snapshot["nodes"].values()} <= {"Success", "Mapped"}
