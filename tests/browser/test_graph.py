"""The graph of a panel: moved, zoomed, walked through, searched and folded, by mouse and by keys."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from nbflow import Flow, resource_manager, task
from tests.browser.bare_panel import BarePanel
from tests.browser.live_panel import LivePanel

pytestmark = pytest.mark.browser


@resource_manager
class Shop:
    def setup(self):
        return "shop"

    def cleanup(self, place):
        pass


@task
def load(place):
    return [1, 2, 3]


@task
def check(parts):
    raise ValueError("nothing goes")


@task
def total(parts):
    return 6


@pytest.fixture
def flow():
    with Flow("work") as flow:
        with Shop() as place:
            parts = load(place)
            check(parts)
        total(parts)
    return flow


@pytest.fixture
def bare(chromium):
    """Open the panel of a flow in a page without Jupyter; nothing may have failed in it in the end."""
    opened = []

    def open_(flow, **options):
        opened.append(BarePanel(chromium, flow, **options))
        return opened[-1]

    yield open_
    for panel in opened:
        assert panel.errors == []
        panel.page.close()


@pytest.fixture
def ran(flow):
    flow.run()
    return flow


def wide_flow(count):
    """A flow that is too large to be read at one glance."""
    with Flow("wide") as flow:
        for number in range(count):
            total(load(number, task_args={"name": f"load_{number}"}), task_args={"name": f"total_{number}"})
    return flow


# In the page alone


def test_a_small_drawing_is_shown_at_its_own_size_and_takes_no_more_height_than_it_needs(bare):
    with Flow("small") as flow:
        total([1])

    panel = bare(flow)

    assert panel.scale() == 100
    assert panel.graph.bounding_box()["height"] < 400
    expect(panel.page.locator(".nbflow-minimap")).to_be_hidden()


def test_buttons_and_keys_zoom_fit_and_go_back_to_the_drawings_own_size(bare, ran):
    panel = bare(ran)
    fitted = panel.scale()
    assert fitted <= 100

    for name, key in (("zoom in", "+"), ("zoom out", "-")):
        before = panel.scale()
        panel.page.get_by_role("button", name=name).click()
        by_button = panel.scale()
        panel.graph.focus()
        panel.press(key)
        by_key = panel.scale()
        assert sorted([before, by_button, by_key], reverse=name == "zoom out") == [before, by_button, by_key]
        assert by_key not in (before, by_button)
    panel.press("0")
    assert panel.scale() == 100
    panel.press("+", "+", "f")
    assert panel.scale() == fitted


def test_control_and_the_wheel_zoom_towards_the_pointer_and_the_wheel_alone_scrolls_the_page(bare, ran):
    panel = bare(ran)
    before = panel.scale()
    panel.node("load-1").hover()
    x, y = panel.place("load-1")

    panel.page.keyboard.down("Control")
    panel.page.mouse.wheel(0, -200)
    panel.page.keyboard.up("Control")

    assert panel.scale() > before
    box = panel.node("load-1").bounding_box()
    assert abs(box["x"] + box["width"] / 2 - x) < box["width"]
    assert abs(box["y"] + box["height"] / 2 - y) < box["height"]
    assert panel.page.evaluate("scrollY") == 0
    zoomed = panel.scale()
    panel.page.mouse.wheel(0, 200)
    panel.page.wait_for_function("scrollY > 100")
    assert panel.scale() == zoomed


def test_dragging_moves_the_drawing_and_selects_nothing(bare, ran):
    panel = bare(ran)
    x, y = panel.place("load-1")
    mouse = panel.page.mouse

    panel.node("load-1").hover()
    mouse.down()
    mouse.move(x + 90, y - 20, steps=5)
    start = panel.place("load-1")
    mouse.move(x + 120, y + 30, steps=5)
    mouse.up()

    moved = panel.place("load-1")
    assert (moved[0] - start[0], moved[1] - start[1]) == (30, 50)
    assert panel.selected() == ("", None)


def test_a_click_selects_a_task_with_its_edges_a_box_by_its_rim_and_nothing_on_the_paper(bare, ran):
    panel = bare(ran)

    panel.node("load-1").click()
    assert panel.selected() == ("load-1", None)
    expect(panel.node("load-1")).to_have_class("nbflow-node nbflow-task nbflow-state-Success nbflow-selected")
    expect(panel.graph.locator(".nbflow-near")).to_have_count(3)
    expect(panel.graph.locator(".nbflow-halo")).to_have_count(1)

    box = panel.node("block--Shop-1").bounding_box()
    panel.page.mouse.click(box["x"] + 20, box["y"] + 12)
    assert panel.selected() == ("block--Shop-1", None)

    paper = panel.graph.bounding_box()
    panel.page.mouse.click(paper["x"] + 4, paper["y"] + 4)
    assert panel.selected() == ("", None)
    expect(panel.graph.locator(".nbflow-halo")).to_have_count(0)


def test_arrows_walk_along_the_drawing_and_say_where_they_are(bare, ran):
    panel = bare(ran)
    panel.graph.focus()

    walked = []
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "ArrowUp", "End", "Home"):
        panel.press(key)
        walked.append(panel.selected()[0])

    assert walked[:4] == ["block--Shop-1", "Shop-1", "Shop.setup-1", "load-1"]
    assert walked[4:6] == ["Shop.setup-1", "Shop-1"]
    assert walked[-1] == "block--Shop-1"
    panel.press("ArrowDown", "ArrowDown", "ArrowDown")
    active = panel.graph.get_attribute("aria-activedescendant")
    expect(panel.page.locator(f"#{active}")).to_have_attribute("aria-label", re.compile(r"load, Success, \d+ ms"))
    panel.press("Escape")
    assert panel.selected() == ("", None)


def test_a_large_drawing_starts_legible_with_an_overview_to_drag_and_what_is_selected_elsewhere_comes_into_view(
    bare,
):
    panel = bare(wide_flow(60))
    overview = panel.page.locator(".nbflow-minimap")
    expect(overview).to_be_visible()
    assert panel.scale() == 60

    def is_seen(key):
        panel.rest()
        graph, node = panel.graph.bounding_box(), panel.node(key).bounding_box()
        return graph["x"] <= node["x"] and node["x"] + node["width"] <= graph["x"] + graph["width"]

    assert not is_seen("load_59-1") or not is_seen("load_0-1")
    for key in ("load_59-1", "load_0-1"):
        panel.page.evaluate("key => model.fire('msg:custom', {kind: 'focus', key})", key)
        assert is_seen(key)
    box = overview.bounding_box()
    middle = box["y"] + box["height"] / 2
    panel.page.mouse.move(box["x"] + 3, middle)
    panel.page.mouse.down()
    left = panel.place("load_0-1")
    panel.page.mouse.move(box["x"] + box["width"] - 3, middle, steps=4)
    panel.page.mouse.up()
    assert panel.place("load_0-1")[0] < left[0] - 500
    panel.graph.focus()
    panel.press("f")
    expect(overview).to_be_hidden()


def test_a_search_dims_what_it_does_not_find_and_enter_goes_from_match_to_match(bare):
    panel = bare(wide_flow(12))
    search = panel.page.get_by_role("searchbox", name="search tasks")

    search.fill("total_1")
    expect(panel.page.locator(".nbflow-found")).to_have_text("3 of 24")
    expect(panel.graph.locator(".nbflow-node:not(.nbflow-dim)")).to_have_count(3)
    found = []
    for _ in range(4):
        search.press("Enter")
        found.append(panel.selected()[0])
    assert found[3] == found[0]
    assert len(set(found)) == 3
    search.press("Escape")

    expect(search).to_have_value("")
    expect(panel.graph.locator(".nbflow-dim")).to_have_count(0)


def test_the_state_menu_offers_the_states_that_occur_and_shows_only_those_that_are_chosen(bare, ran):
    panel = bare(ran)
    button = panel.page.get_by_role("button", name="filter by state")
    button.click()
    lines = panel.page.locator(".nbflow-states-line")
    expect(lines).to_have_text(["✗ Failed1", "✓ Success5"])

    panel.page.get_by_role("checkbox", name="Failed").check()

    expect(panel.graph.locator(".nbflow-node:not(.nbflow-dim)")).to_have_attribute("data-key", "check-1")
    expect(panel.page.get_by_role("button", name="filter by state: failed")).to_be_visible()
    panel.press("Escape")
    expect(lines.first).to_be_hidden()
    expect(button).to_be_focused()
    panel.press("Escape")
    expect(panel.graph.locator(".nbflow-dim")).to_have_count(0)


def test_nothing_glides_where_less_motion_is_preferred(bare):
    panel = bare(wide_flow(60), reduced_motion="reduce")
    panel.rest()

    places = panel.page.evaluate("""async () => {
      const svg = document.querySelector(".nbflow-graph > svg");
      const seen = new Set([svg.style.transform]);
      model.fire("msg:custom", {kind: "focus", key: "load_59-1"});
      for (let i = 0; i < 20; i++) {
        await new Promise(requestAnimationFrame);
        seen.add(svg.style.transform);
      }
      return seen.size;
    }""")

    assert places == 2


def test_a_panel_in_a_narrow_cell_stays_within_it_with_everything_in_reach(bare, ran):
    panel = bare(ran, width=320)

    assert panel.page.evaluate("document.documentElement.scrollWidth") <= 340
    for found in (".nbflow-search-text", ".nbflow-states-button", ".nbflow-graph-tools", ".nbflow-tabs"):
        box = panel.page.locator(found).bounding_box()
        assert box["x"] >= 0, found
        assert box["x"] + box["width"] <= 320, found
    panel.node("load-1").click()
    assert panel.selected() == ("load-1", None)


@pytest.mark.parametrize("width", [330, 400, 760, 847, 1100])
def test_no_word_for_a_state_is_cut_in_the_table(bare, width):
    with Flow("short") as flow:
        total(check([1, 2]))
    flow.run()
    panel = bare(flow, width=width)

    badges = panel.page.locator(".nbflow-tasks td.nbflow-state .nbflow-badge")

    expect(badges.filter(has_text="Not triggered")).not_to_have_count(0)  # the longest of them
    cut = badges.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText)")
    assert cut == []


def test_a_button_that_is_let_go_beside_the_sheet_drags_nothing(bare):
    panel = bare(wide_flow(30))
    before = panel.place("load_3-1")
    box = panel.graph.bounding_box()
    mouse = panel.page.mouse
    mouse.move(box["x"] + 200, box["y"] + 2)
    mouse.down()
    mouse.move(box["x"] + 200, box["y"] - 40)  # at once, so that the sheet hears nothing of it
    mouse.up()

    mouse.move(box["x"] + 250, box["y"] + 60)
    mouse.move(box["x"] + 320, box["y"] + 90)

    assert panel.place("load_3-1") == before


# In the notebook

CELLS = """\
from nbflow import Flow, resource_manager, task

@resource_manager
class Shop:
    def setup(self):
        return [1, 2, 3]
    def cleanup(self, place):
        pass

@task
def load(place):
    return place

@task
def work(part):
    return 1 / (part - 2)

@task
def total(parts):
    return sum(parts)

with Flow("work") as flow:
    with Shop() as place:
        parts = load(place)
    total(work.map(parts))
flow.run(executor="threads")
"""


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_the_graph_is_used_by_mouse_and_keys_and_folded_in_a_notebook(open_notebook, notebook_of, app):
    page = open_notebook(notebook_of(CELLS, "flow.panel()", "1"), app=app)
    page.run_cell(0)
    page.run_cell(1)
    panel = LivePanel(page, 1)
    keyboard = page.page.keyboard

    panel.node("load-1").click()
    panel.expect_selected("load-1")
    keyboard.press("ArrowUp")
    panel.expect_selected("Shop.setup-1")
    keyboard.press("ArrowDown")
    panel.screenshot(f"graph-selected-{app}")
    panel.node("work-1").click()
    keyboard.press("Space")
    expect(panel.node("work-1--2")).to_be_visible()
    expect(panel.node("work-1--1")).to_contain_text("Failed")
    panel.node("work-1--1").click()
    panel.expect_selected("work-1--1")
    panel.screenshot(f"graph-unfolded-{app}")
    panel.fold("block--Shop-1").click()
    expect(panel.node("load-1")).to_have_count(0)
    panel.screenshot(f"graph-folded-{app}")
    panel.fold("work-1").click()
    expect(panel.node("work-1")).to_be_visible()
    panel.expect_selected("work-1")

    assert page.page.locator(".jp-Notebook .jp-Cell").count() == 3  # no key meant anything to the notebook
    assert page.errors == []
    if app == "lab":
        page.set_theme("dark")
        panel.settle()
        panel.screenshot("graph-dark")
