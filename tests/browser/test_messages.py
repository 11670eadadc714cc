"""What the script makes of the kernel's messages, in whatever order they come: nothing is lost, moved or left over."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from nbflow import Flow, Parameter, task
from tests.browser.bare_panel import BarePanel

pytestmark = pytest.mark.browser


@task
def load(size):
    return list(range(size))


@task
def check(part):
    return part


@pytest.fixture
def flow():
    with Flow("work") as flow:
        check.map(load(Parameter("size", default=3)))
    flow.run()
    return flow


@pytest.fixture
def bare(chromium, flow):
    """The panel of the flow in a page without Jupyter; nothing may have failed in it in the end."""
    panel = BarePanel(chromium, flow)
    yield panel
    assert panel.errors == []
    panel.page.close()


def tell(bare, kind, **fields):
    """Tell the script something, as the kernel would."""
    bare.page.evaluate("message => model.fire('msg:custom', message)", {"kind": kind, **fields})


def tell_detail(bare, key, sections, *, index=None, whole=False):
    tell(bare, "detail", key=key, index=index, whole=whole, sections=sections)


def head_of(name, **more):
    told = {
        "what": "task",
        "name": name,
        "index": None,
        "kind": "task",
        "state": "Success",
        "line": "✓ Success",
    }
    times = {"number": 1, "start": 0, "seconds": 1, "going": False, "epoch": None}
    return {**told, **times, "message": "", "value": "", **more}


def chips(count):
    return [{"key": "load-1", "name": f"task {n}", "state": "Success", "line": "✓ Success"} for n in range(count)]


def children(count, *, failed=0):
    return {"total": count, "failed": failed, "done": count}


def tell_rows(bare, key, count):
    rows = [[n, "Success", "✓ Success", 0.5, str(n), "", ""] for n in range(100)]
    more = {"total": count, "page": 0, "pages": count // 100, "sortable": True}
    tell(bare, "children_rows", key=key, sort="state", down=False, failed=False, rows=rows, **more)


def test_a_problem_stands_over_every_tab_is_read_out_and_can_be_closed(bare):
    bare.page.get_by_role("tab", name="Timeline").click()

    tell(bare, "problem", text="it is too large <b>to be drawn</b>")

    notice = bare.page.locator(".nbflow-notice")
    expect(notice).to_be_visible()
    expect(notice).to_contain_text("it is too large <b>to be drawn</b>")
    expect(bare.page.locator(".nbflow-announcer [aria-live=polite]")).to_contain_text("it is too large")
    bare.page.get_by_role("button", name="close the note").press("Enter")
    expect(notice).to_be_hidden()
    expect(bare.page.get_by_role("tab", name="Timeline")).to_be_focused()


def test_a_problem_goes_with_whatever_is_folded_next(bare):
    tell(bare, "problem", text="it is too large")

    bare.page.evaluate("""model.set('drawing', {...model.get('drawing'), folds: {'load-1': false}})""")
    bare.node("load-1").click()
    bare.press("Space")

    expect(bare.page.locator(".nbflow-notice")).to_be_hidden()
    assert bare.page.evaluate("sent.at(-1)") == {"kind": "fold", "key": "load-1", "folded": True}


def test_the_list_of_runs_says_nothing_until_it_is_told(bare):
    bare.page.get_by_role("tab", name="Runs").click()
    runs = bare.page.locator(".nbflow-runs")
    assert runs.inner_text().strip() == ""

    tell(bare, "runs", runs=[], shown=None, is_kept=True, note="")

    expect(runs).to_have_text("No runs yet.", use_inner_text=True)


def test_another_run_has_nothing_of_the_log_of_the_one_before(bare):
    bare.node("load-1").click()
    tell_detail(bare, "load-1", {"head": head_of("load")}, whole=True)
    said = [[0.1, "stdout", "from the first run\n", None, 1]]
    tell(bare, "log", key="load-1", index=None, **{"from": 0}, omitted=0, lines=said)
    output = bare.page.locator("[data-section=output]")
    expect(output).to_contain_text("from the first run")

    tell_detail(bare, "load-1", {"head": head_of("load", number=2, state="Pending")}, whole=True)

    expect(output).to_be_hidden()


def test_a_parameter_stays_selected_when_another_run_begins(bare):
    bare.node("size").click()
    inspector = bare.page.locator(".nbflow-inspector")
    expect(inspector).to_be_visible()

    bare.page.evaluate("model.set('snapshot', structuredClone(model.get('snapshot')))")

    bare.rest()
    expect(inspector).to_be_visible()
    expect(bare.node("size")).to_have_class(re.compile("nbflow-selected"))


def test_what_is_told_again_keeps_the_focus_what_was_typed_and_how_far_it_was_scrolled(bare):
    bare.node("load-1").click()
    tell_detail(bare, "load-1", {"head": head_of("load"), "children": children(400)}, whole=True)
    tell_rows(bare, "load-1", 400)
    bare.page.evaluate("document.querySelector('.nbflow-children-rows').scrollTop = 40")
    field = bare.page.locator("[data-section=children] input[type=number]")
    field.focus()
    bare.press("4", "2")

    tell_detail(bare, "load-1", {"children": children(400, failed=1)})
    tell_rows(bare, "load-1", 400)

    expect(field).to_be_focused()
    expect(field).to_have_value("42")
    assert bare.selected() == ("load-1", None)
    assert bare.page.evaluate("document.querySelector('.nbflow-children-rows').scrollTop") == 40


def test_the_focus_stays_in_the_inspector_when_what_had_it_goes(bare):
    bare.node("load-1").click()
    around = {"up": chips(12), "up_total": 12, "down": [], "down_total": 0, "block": None}
    tell_detail(bare, "load-1", {"head": head_of("load"), "around": around}, whole=True)

    bare.page.get_by_role("button", name="4 more").press("Enter")
    expect(bare.page.get_by_role("button", name="task 8: Success")).to_be_focused()
    tell_detail(bare, "load-1", {"around": {**around, "up": [], "up_total": 0}})

    expect(bare.page.locator(".nbflow-inspector")).to_be_focused()


def test_details_of_what_is_no_longer_selected_are_passed_over(bare):
    bare.node("load-1").click()
    bare.node("check-1").click()

    tell_detail(bare, "load-1", {"head": head_of("load, too late")}, whole=True)

    expect(bare.page.locator(".nbflow-inspected-name")).to_have_text("check")


def test_a_filter_by_state_follows_what_changes(bare):
    bare.page.evaluate("""() => {
      const row = state => [state, `x ${state}`, 0, 1, 0, ""];
      const patch = rows => model.fire("msg:custom", {kind: "patch", patch:
        {head: model.get("snapshot").head, nodes: {}, clusters: {}, spans: {}, rows}});
      window.tellState = (key, state) => patch({[key]: row(state)});
      tellState("load-1", "Failed");
    }""")
    bare.page.get_by_role("button", name="filter by state").click()
    bare.page.get_by_label("Failed").check()
    rows = bare.page.locator(".nbflow-tasks tbody tr")
    expect(rows).to_have_count(1)

    bare.page.evaluate("tellState('check-1', 'Failed')")
    expect(rows).to_have_count(2)
    bare.page.evaluate("tellState('load-1', 'Success')")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("check")


def test_a_part_that_fails_does_not_keep_the_others_from_hearing(bare):
    patch = {"head": bare.page.evaluate("model.get('snapshot').head"), "clusters": {}, "spans": {}}
    patch |= {"nodes": {"load-1": None}, "rows": {"load-1": ["Failed", "✗ Failed", 0, 1, 0, ""]}}
    tell(bare, "patch", patch=patch)

    expect(bare.page.locator(".nbflow-tasks tr[data-key='load-1']")).to_contain_text("Failed")
    assert len(bare.errors) == 1
    bare.errors.clear()


def test_a_value_on_a_worker_is_fetched_by_its_button_once_and_again_after_a_failure(bare):
    known = {"type": "list", "size": "3 items, 24 bytes", "text": "[1, 2, 3]", "is_elsewhere": True}
    bare.page.evaluate("sent.length = 0")
    bare.node("load-1").click()
    tell_detail(bare, "load-1", {"head": head_of("load"), "result": known}, whole=True)
    section = bare.page.locator("[data-section=result]")
    button = section.get_by_role("button", name="Fetch")
    asked = "sent.filter(message => message.act === 'fetch').length"

    expect(section.locator("summary").first).to_contain_text("list · 3 items, 24 bytes · on a worker")
    button.click()
    button.click(force=True)
    expect(button).to_have_text("Fetching…")
    assert bare.page.evaluate(asked) == 1

    tell(bare, "acted", key="load-1", index=None, act="fetch", problem="the network is down")
    expect(bare.page.locator(".nbflow-doing-said")).to_contain_text("the network is down")
    button.click()
    assert bare.page.evaluate(asked) == 2

    value = {"type": "list", "size": "3 items", "text": "[1, 2, 3]", "mime": "text/plain", "data": "", "note": ""}
    tell_detail(bare, "load-1", {"result": value})
    expect(button).to_have_count(0)
