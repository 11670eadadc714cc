"""The panel against real runs: what its buttons do, and what it sends to the browser."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.panel import Panel, panel
from tests.panel.conftest import until
from tests.patience import PATIENCE_S

PARTS = ("nodes", "clusters", "rows")
HELD = {"step", "step_block", "resume", "cancel", "rerun"}  # what can be done with a run that is paused


def patches(sent, panel):
    body = panel._body.model_id
    return [
        data["content"]["patch"]
        for comm_id, data in sent
        if comm_id == body and data.get("method") == "custom" and data["content"]["kind"] == "patch"
    ]


def head(panel):
    return panel._body.snapshot["head"]


def enabled(panel):
    return {name for name, button in panel.buttons.items() if not button.disabled}


def test_before_any_run_the_flow_is_shown_and_can_be_run_or_stepped(make_panel, flow):
    panel = make_panel(flow)

    assert panel.wait_drawn(20)
    assert "<svg" in panel._body.drawing["svg"]
    assert [row["name"] for row in panel._body.picture["rows"]] == [
        "Cluster", "Cluster.setup", "first", "wait", "Cluster.cleanup", "last",
    ]  # fmt: skip
    assert head(panel)["number"] is None
    assert enabled(panel) == {"run", "step", "step_block"}


def test_run_starts_in_the_background_and_the_panel_follows(make_panel, flow, gate):
    panel = make_panel(flow)

    panel.buttons["run"].click()
    until(lambda: panel._body.snapshot["rows"]["wait-1"][0] == "Running")

    assert enabled(panel) == {"pause", "cancel", "rerun"}
    assert head(panel)["open"] == [["●", "Cluster", "open"]]
    assert head(panel)["going"]

    gate.set()
    until(lambda: head(panel)["state"] == "Success" and panel.run.is_finished)
    until(lambda: "run" in enabled(panel))
    assert head(panel)["done"] == head(panel)["total"] == 6
    assert head(panel)["open"] == []
    assert enabled(panel) == {"run", "step", "step_block", "rerun"}


def test_the_messages_in_order_give_the_final_states(make_panel, sent, flow, gate):
    panel = make_panel(flow)
    assert panel.wait_drawn(20)
    panel.buttons["run"].click()
    gate.set()
    until(lambda: "run" in enabled(panel))

    shown = {}
    for comm_id, data in sent:
        if comm_id == panel._body.model_id:
            whole = data.get("state", {}).get("snapshot", {})
            patch = data["content"]["patch"] if data.get("method") == "custom" else {}
            shown = dict(whole) or {**shown, **{p: {**shown[p], **patch[p]} for p in PARTS if patch}}
    assert {name for name, _ in shown["nodes"].values()} == {"Success"}
    assert {name for name, _ in shown["clusters"].values()} == {"cleaned"}
    assert {row[0] for row in shown["rows"].values()} == {"Success"}


def test_step_begins_a_run_that_stands_still_with_its_resource_open(make_panel, flow):
    panel = make_panel(flow)

    panel.buttons["step"].click()
    until(lambda: panel._body.snapshot["rows"]["Cluster-1"][0] == "Success")
    until(lambda: enabled(panel) == HELD)
    panel.buttons["step"].click()
    until(lambda: head(panel)["open"] != [])

    assert panel.run.open_resources == ["Cluster"]
    assert not panel.run.is_finished


def test_a_click_on_step_returns_while_the_task_still_runs(make_panel, flow, gate):
    panel = make_panel(flow, flow.start(paused=True))
    panel.run.until(flow.test.first)

    panel.buttons["step"].click()

    until(lambda: panel._body.snapshot["rows"]["wait-1"][0] == "Running")
    assert not gate.is_set()


def test_cancel_ends_the_run_and_cleans_up(make_panel, flow):
    panel = make_panel(flow, flow.start(paused=True))
    panel.run.until(flow.test.first)

    panel.buttons["cancel"].click()
    until(lambda: head(panel)["state"] == "Cancelled")

    assert panel.run.wait(timeout_s=PATIENCE_S).is_finished()
    until(lambda: "cleaned" in {name for name, _ in panel._body.snapshot["clusters"].values()})


def test_pause_and_resume_are_put_to_the_run(make_panel, flow, gate):
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: panel._body.snapshot["rows"]["wait-1"][0] == "Running")

    panel.buttons["pause"].click()
    gate.set()
    until(lambda: "resume" in enabled(panel))
    assert head(panel)["state"] == "Paused"

    panel.buttons["resume"].click()
    until(lambda: head(panel)["state"] == "Success")


def test_runs_get_the_parameters_given_to_the_panel(make_panel):
    with Flow("example") as flow:
        task(lambda n: n, name="keep")(Parameter("n", default=1))
    panel = make_panel(flow, parameters={"n": 7})

    panel.buttons["run"].click()
    until(lambda: "run" in enabled(panel))

    assert panel.run.parameters == {"n": 7}


def test_a_failing_callback_shows_its_error_in_the_panel(make_panel):
    with Flow("example") as flow:
        task(lambda n: n, name="keep")(Parameter("n"))
    panel = make_panel(flow)

    panel.buttons["run"].click()

    assert "required parameters: n" in panel._head.error
    assert len(make_panel.errors) == 1
    make_panel.errors.clear()


def test_the_next_command_takes_the_error_away(make_panel, flow, gate, monkeypatch):
    gate.set()
    panel = make_panel(flow)
    panel._head.error = "an old error"

    panel.buttons["run"].click()

    assert panel._head.error == ""
    until(lambda: "run" in enabled(panel))


def test_many_changes_make_few_messages(make_panel, sent):
    @task
    def nothing(i):
        return i

    with Flow("wide") as flow:
        for i in range(300):
            nothing(i)
    panel = make_panel(flow)

    began = time.monotonic()
    panel.buttons["run"].click()
    until(lambda: "run" in enabled(panel))
    took = time.monotonic() - began

    assert len(patches(sent, panel)) <= took * 10 + 2
    assert len(panel.run.events) > 600


def test_messages_of_a_failed_task_are_cut_and_on_one_line(make_panel):
    @task
    def fail():
        raise ValueError("<b>bad</b>\n" * 10_000)

    with Flow("example") as flow:
        fail()
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: "run" in enabled(panel))

    until(lambda: "<b>bad</b>" in panel._body.snapshot["rows"]["fail-1"][5])
    note = panel._body.snapshot["rows"]["fail-1"][5]
    assert len(note) <= 200
    assert "\n" not in note


def test_no_value_of_a_task_gets_into_the_widget(make_panel, sent):
    with Flow("example") as flow:
        task(lambda: "a secret value" * 3, name="secret")()
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: "run" in enabled(panel))

    assert "a secret value" not in repr(sent)
    assert "a secret value" not in repr(panel._body.get_state())


def test_a_panel_made_after_the_run_shows_it_whole(make_panel, flow, gate):
    gate.set()
    flow.run()

    shown = make_panel(flow, flow.runs[-1])

    assert head(shown)["state"] == "Success"
    assert {row[0] for row in shown._body.snapshot["rows"].values()} == {"Success"}
    assert enabled(shown) == {"run", "step", "step_block", "rerun"}


def test_a_page_that_asks_again_gets_the_latest(make_panel, flow, gate):
    gate.set()
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: "run" in enabled(panel))

    state = panel._body.get_state()["snapshot"]

    assert {row[0] for row in state["rows"].values()} == {"Success"}


def test_a_mapped_task_is_one_row_that_counts(make_panel):
    @task
    def half(x):
        if x == 2:
            raise ValueError("two")
        return x / 2

    with Flow("example") as flow:
        half.map([1, 2, 3])
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: "run" in enabled(panel))

    until(lambda: "3/3, 1 failed" in panel._body.snapshot["rows"]["half-1"][1])
    row = panel._body.snapshot["rows"]["half-1"]
    assert row[5].startswith("[1] ")
    assert "two" in row[5]


def test_two_panels_of_one_run_show_the_same(make_panel, flow, gate):
    gate.set()
    one, two = make_panel(flow), make_panel(flow)
    one.buttons["run"].click()
    two.follow(one.run)
    until(lambda: "run" in enabled(one) and "run" in enabled(two))

    assert one._body.snapshot["nodes"] == two._body.snapshot["nodes"]


def test_clicks_from_other_threads_are_safe(make_panel, flow, gate):
    panel = make_panel(flow)
    panel.buttons["run"].click()
    threads = [
        threading.Thread(target=panel.buttons[name].click)
        for name in ("pause", "resume", "pause", "resume", "cancel", "cancel")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gate.set()

    until(lambda: panel.run.is_finished and "run" in enabled(panel))


def test_after_the_run_no_listener_and_no_thread_is_left(make_panel, flow, gate):
    gate.set()
    panel = make_panel(flow)
    panel.buttons["run"].click()
    until(lambda: "run" in enabled(panel))

    until(lambda: panel.run._record.log.listeners == ())
    until(lambda: not [t for t in threading.enumerate() if t.name.startswith("nbflow")])


def test_a_closed_panel_lets_go_of_a_run_that_goes_on(make_panel, flow, gate):
    panel = make_panel(flow)
    panel.buttons["run"].click()
    run = panel.run

    panel.close()

    assert run._record.log.listeners == ()
    gate.set()
    assert run.wait(timeout_s=PATIENCE_S).is_successful()


def test_a_closed_panel_is_freed(sent, flow):
    from nbflow.panel import Panel

    shown = Panel(flow)
    gone = weakref.ref(shown)
    assert shown.wait_drawn(20)

    shown.close()
    del shown
    gc.collect()

    assert gone() is None


def test_the_panel_of_a_flow_shows_its_newest_run(sent, flow, gate):
    gate.set()
    flow.run()
    flow.run()

    shown = panel(flow)

    assert shown.run is flow.runs[-1]
    shown.close()


def test_the_panel_of_a_run_shows_that_run(sent, flow, gate):
    gate.set()
    flow.run()
    flow.run()

    shown = panel(flow.runs[0])

    assert shown.run.number == 1
    shown.close()


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", "a" * 10_000, "\x00\x1b[31m\u202e"])
def test_hostile_names_arrive_as_short_plain_text(make_panel, name):
    with Flow(name) as flow:
        task(lambda: 1, name=name)()

    panel = make_panel(flow)

    row = panel._body.picture["rows"][0]
    assert len(row["name"]) <= 120
    assert row["name"].isprintable()
    assert panel.wait_drawn(20)
    assert "<svg" in panel._body.drawing["svg"]
    assert "<img" not in panel._body.drawing["svg"]


def test_an_open_panel_of_the_flow_shows_runs_started_elsewhere(make_panel, flow, gate):
    of_flow = make_panel(flow)
    of_run = make_panel(flow, flow.start(paused=True), follows_flow=False)
    new = flow.start()

    assert of_flow.run is new
    assert of_run.run is not new
    gate.set()
    until(lambda: head(of_flow)["state"] == "Success")


def test_a_failure_is_held_retried_and_skipped_by_buttons(make_panel):
    broken = [True]

    @task
    def work(x):
        if broken:
            raise ValueError("not yet")
        return x

    with Flow("held") as flow:
        task(lambda x: x, name="after")(work(1))
    panel = make_panel(flow)
    panel.holds.value = True

    panel.buttons["run"].click()
    until(lambda: enabled(panel) == HELD | {"retry", "skip"})
    panel.buttons["retry"].click()
    until(lambda: len([e for e in panel.run.events if e.note.startswith("held")]) == 2)
    until(lambda: "retry" in enabled(panel))
    broken.clear()
    panel.buttons["retry"].click()
    until(lambda: enabled(panel) == HELD)
    panel.buttons["resume"].click()
    assert panel.run.wait(PATIENCE_S).is_successful()


def test_the_toggle_is_that_of_the_run_that_is_shown(make_panel):
    with Flow("held") as flow:
        task(lambda x: x, name="after")(task(lambda: 1 / 0, name="work")())
    run = flow.start(hold_on_failure=True)
    run.wait(PATIENCE_S, or_held=True)

    panel = make_panel(flow, run)

    assert panel.holds.value is True
    assert "skip" in enabled(panel)
    panel.buttons["skip"].click()
    until(lambda: enabled(panel) == HELD | {"undo"})
    panel.buttons["resume"].click()
    assert run.wait(PATIENCE_S).is_successful()


def test_a_page_that_is_opened_during_a_run_is_told_all_of_it_again(make_panel, sent, flow, gate):
    panel = make_panel(flow)
    assert panel.wait_drawn(20)
    panel.buttons["run"].click()
    until(lambda: panel._body.snapshot["rows"]["wait-1"][0] == "Running")
    told = head(panel)["seconds"]
    before = len(patches(sent, panel))

    panel._body._handle_custom_msg({"kind": "hello"}, [])

    (patch,) = patches(sent, panel)[before:]
    assert patch["head"]["seconds"] >= told
    assert set(patch["rows"]) == {row["key"] for row in panel._body.picture["rows"]}
    assert patch["rows"]["wait-1"][0] == "Running"
    assert len(patch["spans"]) == 1
    gate.set()


def test_a_page_that_is_opened_before_anything_was_told_is_told_the_time_alone(make_panel, sent, flow):
    panel = make_panel(flow)
    assert panel.wait_drawn(20)
    panel._body.patches = 0
    before = len(patches(sent, panel))

    panel._body._handle_custom_msg({"kind": "hello"}, [])

    (patch,) = patches(sent, panel)[before:]
    assert [patch[part] for part in (*PARTS, "spans")] == [{}, {}, {}, {}]


def test_a_part_that_fails_keeps_neither_the_others_nor_the_flow_from_going_on(sent, flow, gate, monkeypatch):
    gate.set()
    errors = []
    panel = Panel(flow, on_error=errors.append)
    for name in ("followed", "changed", "ended"):
        monkeypatch.setattr(panel.parts[0], name, lambda *_: 1 / 0)

    flow.start().wait()
    run = flow.start()
    run.wait()

    until(lambda: head(panel)["mode"] == "over" and "run" in enabled(panel))
    assert panel.run is run
    assert {type(error) for error in errors} == {ZeroDivisionError}
    panel.close()


def test_a_cleanup_that_is_tried_again_after_the_end_is_shown(make_panel, sent):
    tries = []

    @resource_manager
    class Stubborn:
        def setup(self):
            return 1

        def cleanup(self, resource):
            tries.append(resource)
            if len(tries) == 1:
                raise OSError("busy")

    with Flow("stubborn") as flow, Stubborn() as resource:
        task(lambda x: x, name="use")(resource)
    panel = make_panel(flow)
    with pytest.warns(RuntimeWarning, match="cleanup"):
        flow.start().wait()
    run = panel.run
    until(lambda: head(panel)["mode"] == "over" and head(panel)["leaks"] == ["Stubborn: OSError('busy')"])

    run.retry_cleanup()

    until(lambda: head(panel)["leaks"] == [])
    until(lambda: run._record.log.listeners == ())


def test_the_newest_run_is_shown_whichever_thread_says_so_last(make_panel, flow, gate):
    gate.set()
    panel = make_panel(flow)
    flow.start().wait()
    newest = flow.start()

    panel.follow_newest()  # as the thread that started the former run does, late

    assert panel.run is newest
    newest.wait()


def test_what_cannot_be_told_of_an_error_is_left_out(sent, flow):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    panel = Panel(flow)

    def fail():
        raise Mute

    panel.guarded(fail)

    assert panel._head.error == "Mute"
    panel.close()


@pytest.mark.parametrize(
    "message",
    [None, 3, [], {}, {"kind": []}, {"kind": {}}, {"kind": "unheard of"}, {"kind": "select"},
     {"kind": "select", "key": {"a": 1}, "index": "x" * 10_000}, {"kind": "act"}, {"kind": "act", "key": []},
     {"kind": "fold", "key": 3}, {"kind": "fold_all"}, {"kind": "plan"}, {"kind": "plan", "what": []},
     {"kind": "follow"}, {"kind": "drop_plan"}, {"kind": "show"}, {"kind": "show", "number": "1"},
     {"kind": "compare", "runs": [1]}, {"kind": "compare", "runs": [[], {}]}],
)  # fmt: skip
def test_whatever_the_browser_says_the_panel_goes_on(sent, flow, gate, message):
    gate.set()
    panel = Panel(flow)

    panel._body._handle_custom_msg(message, [])

    panel.buttons["run"].click()
    assert panel.run.wait(PATIENCE_S).is_successful()
    panel.close()
