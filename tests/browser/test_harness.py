"""The browser fixtures themselves: what other tests rely on."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

BUTTON = """\
import ipywidgets
button, label = ipywidgets.Button(description="Press"), ipywidgets.Label("not yet")
button.on_click(lambda _: setattr(label, "value", "pressed"))
ipywidgets.VBox([button, label])"""


@pytest.mark.parametrize(("app", "theme"), [("lab", "dark"), ("notebook", "light")])
def test_cells_run_and_widgets_answer_clicks(open_notebook, notebook_of, app, theme):
    page = open_notebook(notebook_of("print('hello')", BUTTON), app=app, theme=theme)

    page.run_cell(0)
    page.run_cell(1)
    page.outputs(1).get_by_role("button", name="Press").click()
    page.outputs(1).get_by_text("pressed", exact=True).wait_for()

    assert page.output_text(0).strip() == "hello"
    assert page.errors == []
    assert page.screenshot(f"harness-{app}-{theme}").stat().st_size > 10_000


def test_the_stop_button_of_the_toolbar_interrupts(lab_page, notebook_of):
    page = lab_page(notebook_of("import time\nprint('busy')\ntime.sleep(60)"))
    page.run_cell(0, wait=False)
    page.outputs(0).get_by_text("busy").wait_for()

    page.interrupt()

    page.outputs(0).get_by_text("KeyboardInterrupt").first.wait_for()


def test_a_saved_notebook_holds_what_was_shown(lab_page, notebook_of):
    page = lab_page(notebook_of("'kept'"))
    page.run_cell(0)

    (cell,) = page.save().cells

    assert cell.outputs[0].data["text/plain"] == "'kept'"
