"""Users' texts and values that are out to harm the page: they are shown, and nothing of them comes to life."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.live_panel import LivePanel
from tests.panel import hostile

pytestmark = [pytest.mark.browser, pytest.mark.own_page]

FLOW = """
from nbflow import Flow, Parameter, task

def fail(text):
    def say(value="default"):
        print(text[:5_000].encode("utf-8", "replace").decode())
        error = ValueError(text)
        error.add_note(text)
        raise error
    say.__doc__ = text
    return say

SHOWN = (Html, Svg, Png, HtmlRaises, HtmlIsHuge, ReprRaises, ReprIsHuge, AnyAttribute, ClassLies, ClassRaises,
         DisplaysItself, endless_list, lambda: "<script>harmed = 1</script>" * 9)
with Flow("<img src=x onerror='window.harmed = 1'>") as flow:
    for number, make in enumerate(SHOWN):
        task(lambda make=make: make(), name=f"make {number}")()
    for number, text in enumerate(TEXTS.values()):
        if text.strip():
            task(fail(text), name=text)(upstream_tasks=[Parameter(f"<b>p{number}</b>", default=text)])
run = flow.start()
run.wait()
None
"""


def test_nothing_of_users_comes_to_life(open_notebook, notebook_of):
    source = Path(hostile.__file__).read_text(encoding="utf-8")
    page = open_notebook(notebook_of(source, FLOW, "%load_ext nbflow\nflow.panel()"))
    asked, dialogs = [], []
    page.page.on("request", lambda request: asked.append(request.url))
    page.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for cell in (0, 1, 2):
        page.run_cell(cell)
    panel = LivePanel(page, 2)
    box, keyboard = panel.element.locator(".nbflow-inspector"), page.page.keyboard
    rows = int(panel.element.locator(".nbflow-tasks table").get_attribute("aria-rowcount")) - 1
    count = len([text for text in hostile.TEXTS.values() if text.strip()]) + 13
    assert rows == count

    panel.element.locator(".nbflow-tasks [data-key]").first.click()
    for number in range(count):
        if number:
            keyboard.press("ArrowDown")
        # Whatever is selected is told whole before the next one is.
        expect(box.locator("[data-section=source] pre, [data-section=source] .nbflow-faint").first).to_be_attached()
        told = box.locator("[data-section=result], [data-section=error]").locator("visible=true").first
        expect(told.locator(".nbflow-section-body > *").first).not_to_have_text("…")
        if number == 0:
            frame = box.frame_locator("iframe")
            expect(frame.locator("h5")).to_have_text("harmless")
            expect(frame.locator("script, iframe, object, embed, meta[http-equiv=refresh], [onerror]")).to_have_count(0)
            frame.locator("#evil").click()
            frame.locator("#out").click()
            frame.get_by_role("button", name="send").click()
            expect(frame.locator("h5")).to_have_text("harmless")
            panel.screenshot("hostile-html")
            panel.element.locator(".nbflow-tasks table").focus()
        if number == 1:
            expect(box.locator("img.nbflow-picture")).to_be_visible()
        if number in (6, 14, count - 5):
            panel.screenshot(f"hostile-{number}")

    assert page.page.evaluate("() => window.harmed") is None
    assert dialogs == []
    assert [url for url in asked if "harm" in url or url.endswith("/x")] == []
    assert page.errors == []
    keyboard.press("Escape")
    expect(box).to_be_hidden()
    panel.element.get_by_role("tab", name="Timeline").click()
    expect(panel.element.locator(".nbflow-timeline")).to_be_visible()
