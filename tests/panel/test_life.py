"""When a panel is closed, what it leaves, and how it comes back."""

from __future__ import annotations

import sys
import threading
import weakref
from types import SimpleNamespace

import ipywidgets
import pytest

from nbflow import task
from nbflow.panel import Panel, panel
from nbflow.panel.display_tracker import DisplayTracker
from nbflow.panel.widget_tree import all_widgets
from tests.panel.conftest import until
from tests.patience import PATIENCE_S

MODULE = sys.modules["nbflow.panel.widget"]  # its name in the package is the function


def open_widgets():
    return dict(ipywidgets.widgets.widget._instances)


@pytest.fixture
def display_tracker(monkeypatch):
    """The cells of the test alone."""
    own = DisplayTracker()
    monkeypatch.setattr(MODULE, "display_tracker", own)
    return own


@pytest.fixture
def execute(shell, sent, display_tracker, flow, gate, monkeypatch):
    """Execute a cell with an id, as a front end asks for it; `flow` and `panel` are known there."""
    shell.user_ns.update(flow=flow, panel=panel, gate=gate)
    published = []
    monkeypatch.setattr(shell.display_pub, "publish", lambda data, *args, **keys: published.append((data, keys)))
    shell.published = published
    shell.display_tracker = display_tracker

    def run(source, cell_id=None):
        parent = {"metadata": {"cellId": cell_id} if cell_id else {}}
        monkeypatch.setattr(shell, "get_parent", lambda: parent, raising=False)
        shell.run_cell(source, cell_id=cell_id).raise_error()

    run.shell = shell
    yield run
    for shown in [one for known in display_tracker._cells.values() for one in known]:
        shown.close()


def test_the_panels_of_a_cell_are_closed_when_it_has_been_executed_again(execute):
    before = set(open_widgets())
    execute("display(panel(flow))\nshown = panel(flow)\nshown", "a")
    first, many = execute.shell.user_ns["shown"], len(open_widgets())

    execute("shown = panel(flow)\nshown", "a")

    assert first.is_closed
    assert not execute.shell.user_ns["shown"].is_closed
    assert len(set(open_widgets()) - before) == (many - len(before)) / 2
    assert len(execute.shell.user_ns["flow"]._start_listeners) == 1


def test_a_panel_that_another_cell_shows_too_stays(execute):
    execute("shown = panel(flow)\nshown", "a")
    execute("shown", "b")

    execute("1 + 1", "a")

    shown = execute.shell.user_ns["shown"]
    assert not shown.is_closed
    execute("1 + 1", "b")
    assert shown.is_closed


def test_a_panel_that_its_cell_shows_again_is_the_same(execute):
    execute("shown = panel(flow)", "a")
    execute("shown", "b")
    shown = execute.shell.user_ns["shown"]
    model = shown.model_id

    execute("shown", "b")

    assert not shown.is_closed
    assert shown.model_id == model


def test_without_ids_of_cells_nothing_is_closed(execute):
    execute("shown = panel(flow)\nshown")
    execute("shown")
    execute("1 + 1")

    shown = execute.shell.user_ns["shown"]
    assert not shown.is_closed
    shown.close()


def test_a_cell_that_fails_closes_what_it_showed_before(execute):
    execute("shown = panel(flow)\nshown", "a")

    with pytest.raises(ZeroDivisionError):
        execute("1 / 0", "a")

    assert execute.shell.user_ns["shown"].is_closed


def test_when_all_panels_are_closed_no_event_of_the_session_is_listened_to(execute):
    events = execute.shell.events.callbacks
    before = {name: list(events[name]) for name in ("pre_run_cell", "post_run_cell")}
    execute("display(panel(flow))", "a")
    assert len(events["post_run_cell"]) == len(before["post_run_cell"]) + 1

    execute("1 + 1", "a")

    assert {name: list(events[name]) for name in before} == before


def test_a_closed_panel_leaves_no_widget_and_no_thread(sent, flow, gate):
    before = set(open_widgets())
    shown = Panel(flow)
    assert {widget.model_id for widget in all_widgets(shown)} == set(open_widgets()) - before
    shown.buttons["run"].click()
    run = shown.run

    shown.close()
    shown.close()
    gate.set()

    assert set(open_widgets()) == before
    assert run.wait(PATIENCE_S).is_successful()
    assert run._record.log.listeners == ()
    assert flow._start_listeners == ()
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("nbflow")])


def test_a_closed_panel_that_is_displayed_is_made_again_and_shows_the_newest_run(sent, flow, gate):
    gate.set()
    shown = Panel(flow, options={"hold_on_failure": True})
    former = shown.model_id
    shown.close()
    flow.run()

    shown._repr_mimebundle_()

    assert shown.model_id != former
    assert not shown.is_closed
    assert shown.run is flow.runs[-1]
    assert shown.holds.value is True
    shown.buttons["run"].click()
    until(lambda: len(flow.runs) == 2 and shown.run is flow.runs[-1])
    assert shown.run.wait(PATIENCE_S).is_successful()
    shown.close()


def test_a_closed_panel_of_one_run_shows_that_run_again(sent, flow, gate):
    gate.set()
    flow.run()
    flow.run()
    shown = panel(flow.runs[0])
    shown.close()

    shown._repr_mimebundle_()

    assert shown.run is flow.runs[0]
    shown.close()


def test_a_run_that_begins_while_the_panel_is_closed_is_not_followed(sent, flow, gate):
    gate.set()
    shown = Panel(flow)
    shown.close()
    run = flow.start()

    shown.follow(run)

    assert shown.run is None
    assert run.wait(PATIENCE_S).is_successful()


def test_closing_leaves_the_last_picture(execute):
    execute("shown = panel(flow)\nshown", "a")
    execute("flow.start(paused=True).until(flow.test.first)", "b")
    execute.shell.published.clear()

    execute("shown.close()", "c")

    ((data, keys),) = execute.shell.published
    assert keys["update"] is True
    assert "Paused" in data["text/html"]
    execute("flow.runs[-1].cancel(); flow.runs[-1].wait(60)")


def test_the_copy_of_a_cell_that_is_executed_again_is_not_kept_up_to_date(execute):
    execute("shown = panel(flow)\nshown", "a")
    shown = execute.shell.user_ns["shown"]
    for _ in range(5):
        execute("shown", "b")

    assert {cell: len(handles) for cell, handles in shown._copies._handles.items()} == {"a": 1, "b": 1}


def test_where_only_the_main_thread_is_heard_panels_catch_up_when_a_cell_ends(execute, display_tracker, gate, sent):
    display_tracker.is_main_only = True
    execute("shown = panel(flow)\nshown")
    shown = execute.shell.user_ns["shown"]
    shown.buttons["run"].click()
    gate.set()
    until(lambda: shown._body.snapshot["head"]["state"] == "Success" and shown.run.is_finished)
    sent.clear()

    execute("1 + 1")

    whole = [data["state"] for comm_id, data in sent if comm_id == shown._body.model_id and "state" in data]
    assert [state["snapshot"]["head"]["state"] for state in whole] == ["Success"]
    sent.clear()
    execute("1 + 1")
    assert sent == []
    shown.close()


def test_where_no_ids_are_told_the_copy_is_up_to_date_when_a_cell_ends(execute, gate, sent):
    execute("display(panel(flow))")
    execute.shell.published.clear()

    execute("run = flow.start(); gate.set(); run.wait(60)")

    shown = [data for data, keys in execute.shell.published if keys.get("update")]
    assert "Success" in shown[-1]["text/plain"]
    assert "Pending" not in shown[-1]["text/plain"]
    for one in list(execute.shell.display_tracker._cells[None]):
        one.close()


def test_no_cell_is_kept_alive_by_what_it_showed():
    class Shown:
        pass

    display_tracker, shown = DisplayTracker(), Shown()
    display_tracker._cells["a"] = weakref.WeakSet([shown])
    del shown

    display_tracker.begin(SimpleNamespace(cell_id="a"))
    display_tracker.end(SimpleNamespace(info=SimpleNamespace(cell_id="a")))

    assert display_tracker._cells == {}


def test_the_copies_show_the_run_whose_graph_is_drawn(execute, flow, gate):
    """A copy that is made late is of the latest run, never of a former one on the drawing of another."""
    gate.set()
    execute("shown = panel(flow)\nshown", "a")
    panel = execute.shell.user_ns["shown"]
    former = flow.start()
    former.wait()
    with flow:
        task(lambda: 1, name="added")()
    newer = flow.start()
    newer.wait()
    execute.shell.published.clear()

    panel._end(former)

    assert panel.wait_drawn(20)
    assert {data["text/plain"].splitlines()[0] for data, _ in execute.shell.published}
    assert all("added" in data["text/plain"] for data, _ in execute.shell.published)


def test_a_panel_is_closed_while_another_thread_shows_a_new_run_in_it(sent, flow, gate, monkeypatch):
    gate.set()
    shown, begun = Panel(flow), threading.Event()
    listen = shown._listen

    def hesitate(run, seen):
        begun.set()
        closing.join(0.2)  # it waits
        listen(run, seen)

    monkeypatch.setattr(shown, "_listen", hesitate)
    closing = threading.Thread(target=lambda: begun.wait(PATIENCE_S) and shown.close())
    closing.start()

    run = flow.start()
    closing.join(PATIENCE_S)

    assert shown.is_closed
    assert run._record.log.listeners == ()
    assert run.wait(PATIENCE_S).is_successful()


def test_a_panel_can_be_closed_by_what_a_user_has_hung_on_a_button(sent, flow, gate):
    gate.set()
    shown = Panel(flow)
    shown.holds.observe(lambda _: shown.close(), "value")

    run = flow.start(hold_on_failure=True)  # which the button shows

    assert shown.is_closed
    assert run.wait(PATIENCE_S).is_successful()
    assert run._record.log.listeners == ()


def test_a_panel_is_closed_although_the_events_of_the_session_were_cleared(execute):
    execute("shown = panel(flow)\nshown", "a")
    shell = execute.shell
    for event, call in (
        ("pre_run_cell", shell.display_tracker.begin),
        ("post_run_cell", shell.display_tracker.end),
    ):
        shell.events.unregister(event, call)

    shell.user_ns["shown"].close()

    assert shell.user_ns["shown"].is_closed
    assert shell.user_ns["shown"].comm is None
