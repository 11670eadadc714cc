"""What each button does, and when it can be pressed."""

from __future__ import annotations

import threading
from functools import partial
from types import SimpleNamespace

import pytest
from comm.base_comm import BaseComm

from nbflow import Flow, Parameter, task
from nbflow.panel.controls.controls import CONTROLS
from nbflow.panel.throttle import Throttle
from nbflow.panel.widget_tree import all_widgets
from tests.panel.conftest import until
from tests.panel.test_panel import HELD, enabled, head
from tests.patience import PATIENCE_S


def test_every_button_has_a_name_a_hint_with_its_key_and_a_class_of_its_own(make_panel, flow):
    buttons = make_panel(flow).buttons

    assert [button.description for button in buttons.values()] == [
        "Run", "Resume", "Pause", "Cancel", "Step", "Step block", "Retry", "Skip", "Undo", "Rerun",
    ]  # fmt: skip
    for control in CONTROLS:
        assert buttons[control.command].tooltip == f"{control.hint} ({control.key})"
        assert f"nbflow-command-{control.command}" in buttons[control.command]._dom_classes


def test_step_block_begins_a_run_and_stands_still_after_the_block(make_panel, flow, gate):
    panel = make_panel(flow)
    gate.set()

    panel.buttons["step_block"].click()
    until(lambda: panel._body.snapshot["rows"]["Cluster.cleanup-1"][0] == "Success" and enabled(panel) == HELD)

    assert {task.name: type(state).__name__ for task, state in panel.run.states.items()} == {
        "Cluster": "Success",
        "Cluster.setup": "Success",
        "first": "Success",
        "wait": "Success",
        "Cluster.cleanup": "Success",
        "last": "Pending",
    }
    panel.buttons["step_block"].click()
    until(lambda: head(panel)["state"] == "Success")


def test_the_buttons_are_told_that_a_run_is_over_before_anybody_can_see_it(make_panel, flow, gate, sent):
    never = SimpleNamespace(cancel=lambda: None)
    panel = make_panel(flow, make_coalescer=partial(Throttle, call_later=lambda delay_s, call: never))
    panel.buttons["run"].click()
    gate.set()
    panel.run.wait(timeout_s=PATIENCE_S)
    sent.clear()

    panel._changes.flush_now()

    told = {one: number for number, (one, data) in reversed([*enumerate(sent)]) if one != panel._head.model_id}
    assert head(panel)["state"] == "Success"
    for widget in (panel.buttons["run"], panel.buttons["cancel"]):
        assert told[widget.model_id] < told[panel._body.model_id]


def test_step_block_returns_while_the_block_still_runs(make_panel, flow, gate):
    panel = make_panel(flow)

    panel.buttons["step_block"].click()

    until(lambda: panel._body.snapshot["rows"]["wait-1"][0] == "Running")
    assert not gate.is_set()


def test_retry_and_skip_are_about_the_selected_task_where_several_are_held(make_panel):
    @task
    def fail(x):
        raise ValueError(x)

    with Flow("held") as flow:
        first, second = fail(1), fail(2)
    panel = make_panel(flow, options={"executor": "threads"})
    panel.holds.value = True
    panel.buttons["run"].click()
    until(lambda: panel.run.held == [first, second] and "skip" in enabled(panel))

    panel.selected = ("fail-2", None)
    panel.buttons["skip"].click()

    until(lambda: panel.run.states[second].is_skipped())
    assert panel.run.held == [first]
    panel.selected = ("", None)
    panel.buttons["skip"].click()
    until(lambda: panel.run.states[first].is_skipped())


@pytest.mark.parametrize("command", ["retry", "skip", "resume", "pause", "cancel"])
def test_a_click_that_comes_too_late_does_no_harm(make_panel, flow, gate, command):
    gate.set()
    flow.run()
    panel = make_panel(flow, flow.runs[-1])

    panel.buttons[command].click()

    assert panel._head.error == ""
    assert panel.run.state.is_successful()


def test_what_to_rerun_is_suggested_once_and_then_left_to_the_user(make_panel, flow, gate):
    gate.set()
    panel = make_panel(flow)
    what = panel.commands.bar.what
    assert what.disabled
    panel.buttons["run"].click()
    until(lambda: panel.run.is_finished and "run" in enabled(panel))
    assert what.value == "all"
    assert not what.disabled

    what.value = "stale"
    panel.commands.bar.show(panel.run)

    assert what.value == "stale"


def test_no_button_is_left_when_the_panel_is_closed(make_panel, flow):
    panel = make_panel(flow)

    panel.close()

    bar = panel.commands.bar
    assert all(widget.comm is None for widget in (*panel.buttons.values(), bar.what, bar.holds, bar.box))


def test_retry_is_about_the_selected_child_of_a_held_map(make_panel):
    broken = {1, 2}

    @task
    def half(n):
        if n in broken:
            raise ValueError(n)
        return n

    with Flow("held") as flow:
        mapped = half.map([0, 1, 2])
    panel = make_panel(flow, options={"executor": "threads"})
    panel.holds.value = True
    panel.buttons["run"].click()
    until(lambda: len(panel.run._loop.breakpoints.at) == 2 and "retry" in enabled(panel))
    broken.clear()

    panel._hear({"kind": "select", "key": "half-1", "index": 2})
    panel.buttons["retry"].click()

    until(lambda: panel.run.states[mapped].map_states[2].is_successful())
    assert panel.run.states[mapped].map_states[1].is_failed()


def test_a_click_does_not_wait_for_a_run_that_is_busy(make_panel):
    """A run's thread may be in a task of the user's: Retry and Skip are answered when it comes back."""
    going, leave = threading.Event(), threading.Event()

    @task
    def fail():
        raise ValueError

    with Flow("busy") as flow:
        fail()
    panel = make_panel(flow)
    panel.holds.value = True
    panel.buttons["run"].click()
    until(lambda: panel.run.is_paused and "skip" in enabled(panel))
    panel.run._loop.post(lambda: going.set() or leave.wait(PATIENCE_S))
    assert going.wait(PATIENCE_S)

    panel.buttons["skip"].click()

    assert not panel.run.is_finished
    leave.set()
    until(lambda: panel.run.is_finished)


def test_clicks_are_taken_where_the_front_end_has_sent_them(make_panel, flow, monkeypatch):
    """As ipykernel 7.4 routes them, they would wait for the end of the cell that has shown the panel."""
    monkeypatch.setattr(BaseComm, "_reply_subshell_for", lambda self, data, asked: None, raising=False)

    panel = make_panel(flow)

    routes = [widget.comm._reply_subshell_for for widget in all_widgets(panel)]
    assert {route({}, "beside") for route in routes} == {"beside"}


def test_a_panel_knows_whether_its_clicks_wait_for_the_end_of_a_cell(make_panel, flow):
    panel = make_panel(flow)
    hello = {"kind": "hello"}

    panel._body._handle_custom_msg(hello, [])
    at_first = panel._head.beside
    thread = threading.Thread(target=panel._body._handle_custom_msg, args=(hello, []))
    thread.start()
    thread.join(PATIENCE_S)

    assert (at_first, panel._head.beside) == (False, True)


def test_parameters_may_be_called_like_the_options_of_a_start(make_panel):
    with Flow("f") as flow:
        words = [Parameter(word, default=1) for word in ("paused", "hold_on_failure", "executor", "self")]
        total = task(lambda numbers: sum(numbers), name="total")(words)
        task(lambda number: number, name="more")(total)  # what a step leaves to be done
    panel = make_panel(flow)

    panel.buttons["run"].click()
    assert panel.run.wait(timeout_s=PATIENCE_S).result[total].result == 4
    until(lambda: "step" in enabled(panel))
    panel.buttons["step"].click()
    until(lambda: len(flow.runs) == 2 and panel.run.is_paused)
    panel.run.cancel()
    panel.run.wait(timeout_s=PATIENCE_S)
    assert panel.run.parameters == {"paused": 1, "hold_on_failure": 1, "executor": 1, "self": 1}


def test_undo_brings_back_what_was_skipped(make_panel):
    @task
    def fail():
        raise ValueError

    with Flow("undone") as flow:
        failed = fail()
        task(lambda x: x, name="after")(failed)
    panel = make_panel(flow)
    panel.holds.value = True
    panel.buttons["run"].click()
    until(lambda: panel.run.is_paused and "skip" in enabled(panel))
    assert "undo" not in enabled(panel)

    panel.buttons["skip"].click()
    until(lambda: "undo" in enabled(panel))
    panel.buttons["undo"].click()

    until(lambda: panel.run.held == [failed] and "retry" in enabled(panel))
    assert "undo" not in enabled(panel)
    panel.run.cancel()
