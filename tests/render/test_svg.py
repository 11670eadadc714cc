"""The SVG: well formed, stable, repaintable, and safe whatever a task is called."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import pytest

from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.resource import resource_manager
from nbflow.errors import NbflowError, RenderError
from nbflow.render import executable
from nbflow.render.build import draw
from nbflow.render.palette import STATES
from nbflow.render.status_marks import marks
from nbflow.render.svg import drawing_css, svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>alert(1)</script>",
    "<b>x</b>",
    'quo"te',
    "apo'strophe",
    "line\nbreak",
    "back\\slash \\N \\n",
    "]]><!--",
    "&amp;",
    "javascript:alert(1)",
    "日本語 ünïcödé 🐍",
    "\x00\x1b[31m\u202eevil",
    "\ud800",
    "x" * 10_000,
    " ",
    "end",
)


@task
def step(x=None):
    return x


def parse(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def by_id(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {element.get("id"): element for element in root.iter() if element.get("id")}


def words(element: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def hostile_graph(name: str) -> Graph:
    @resource_manager(name=name)
    class Room:
        def cleanup(self, resource):
            pass

    with Graph(name) as graph, Room():
        step(step(task_args={"name": name}))
    return graph


def test_every_node_block_and_edge_is_a_group_with_id_and_class(scene) -> None:
    groups = by_id(parse(svg(scene.graph, scene.states, scene.status)))

    drawing = draw(scene.graph)
    for key in drawing.nodes:
        assert "nbflow-node" in groups[f"nbflow-{key}"].get("class").split()
    for key in drawing.clusters:
        assert "nbflow-cluster" in groups[f"nbflow-{key}"].get("class").split()
    for edge in drawing.shown_edges:
        assert "nbflow-edge" in groups[f"nbflow-{edge.key}"].get("class").split()


def test_ids_are_unique_and_start_with_the_prefix(scene) -> None:
    root = parse(svg(scene.graph, scene.states, prefix="left"))

    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("left-") for name in ids)


def test_a_repaint_needs_only_the_class_and_the_line(scene) -> None:
    drawing = draw(scene.graph)
    before = svg(drawing, {}, {})
    after = svg(drawing, scene.states, scene.status, css=False)

    shown = marks(drawing, scene.states, scene.status)
    groups, painted = by_id(parse(before)), by_id(parse(after))
    for key, mark in [*shown.nodes.items(), *shown.clusters.items()]:
        group = groups[f"nbflow-{key}"]
        old = re.search(r"nbflow-(state|block)-(\w+)$", group.get("class"))
        repainted = group.get("class").removesuffix(old[2]) + mark.name
        assert repainted == painted[f"nbflow-{key}"].get("class")
        if (line := groups.get(f"nbflow-{key}--line")) is not None:
            assert line.get("class") == "nbflow-line"
            assert painted[f"nbflow-{key}--line"].text == mark.line
    places = re.compile(r' (?:x|y|d|points|viewBox|width|height)="[^"]*"')
    assert places.findall(before) == places.findall(after)


def test_the_line_of_a_node_is_its_last_text(scene) -> None:
    group = by_id(parse(svg(scene.graph, scene.states)))["nbflow-clean-1"]

    assert words(group) == ["clean", "◐ 37/100, 2 failed"]


def test_without_states_only_the_structure_is_drawn(scene) -> None:
    drawn = svg(scene.graph)

    assert "nbflow-line" not in drawn.split("</style>")[1]


def test_the_three_tasks_of_a_resource_have_short_names_in_their_box(scene) -> None:
    groups = by_id(parse(svg(scene.graph)))

    assert words(groups["nbflow-Database.setup-1"]) == ["setup"]
    assert groups["nbflow-Database.setup-1"].find(f"{SVG}title").text == "Database.setup"


def test_nodes_lie_inside_of_the_box_of_their_block(scene) -> None:
    groups = by_id(parse(svg(scene.graph, {})))

    def box(name: str) -> tuple[float, ...]:
        shape = next(e for e in groups[name] if e.tag == f"{SVG}rect")
        x, y, width, height = (float(shape.get(a)) for a in ("x", "y", "width", "height"))
        return x, y, x + width, y + height

    def within(inner: str, outer: str) -> bool:
        (a, b, c, d), (e, f, g, h) = box(inner), box(outer)
        return e < a and f < b and c < g and d < h

    assert within("nbflow-load-1", "nbflow-block--Database-1")
    assert within("nbflow-block--Database-1", "nbflow-block--Cluster-1")
    assert within("nbflow-Cluster.cleanup-1", "nbflow-block--Cluster-1")
    assert not within("nbflow-size", "nbflow-block--Cluster-1")


def test_horizontal_is_wider_than_high(scene) -> None:
    root = parse(svg(scene.graph, horizontal=True))

    assert float(root.get("width")) > float(root.get("height"))


def test_it_is_inline_svg_that_shrinks_with_its_cell(scene) -> None:
    drawn = svg(scene.graph)

    assert drawn.startswith("<svg ")
    assert 'viewBox="0 0 ' in drawn
    assert "max-width:100%" in drawn
    assert "<!--" not in drawn
    assert not re.search(r"href|URL|on\w+=", drawn)


def test_the_same_flow_gives_the_same_picture(scene) -> None:
    assert svg(scene.graph, scene.states) == svg(scene.graph, scene.states)
    assert not re.search(r"0x[0-9a-f]{6,}", svg(scene.graph, scene.states))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_ever_text(name) -> None:
    graph = hostile_graph(name)

    drawn = svg(graph, {})

    drawn.encode("utf-8")
    tags = {element.tag.removeprefix(SVG) for element in parse(drawn).iter()}
    assert tags <= {"svg", "style", "rect", "g", "title", "text", "tspan", "path", "polygon"}
    assert len(drawn) < 20_000


def test_a_drawing_of_no_tasks_says_so() -> None:
    assert "no tasks yet" in svg(Graph("empty"))


def test_the_style_sheet_of_a_page_has_all_states() -> None:
    assert all(f".nbflow-state-{name}{{" in drawing_css() for name in STATES)


def test_without_an_engine_the_error_names_the_remedy(scene, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(executable, "_pure_executable", lambda: None)

    with pytest.raises(RenderError, match="pip install graphviz-pure") as caught:
        svg(scene.graph)
    assert isinstance(caught.value, (NbflowError, RuntimeError))


def test_a_system_dot_is_preferred(monkeypatch, tmp_path) -> None:
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert executable.find_engine() == (str(dot), False)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for dot")
def test_an_engine_that_fails_is_quoted(scene, monkeypatch, tmp_path) -> None:
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho out of ink >&2\nexit 3\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RenderError, match="exit code 3: out of ink"):
        svg(scene.graph)


def test_the_engine_of_graphviz_pure_draws(scene, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert executable.find_engine().pure
    assert parse(svg(scene.graph)).tag == f"{SVG}svg"


@pytest.mark.exe
def test_the_system_dot_draws(scene) -> None:
    assert not executable.find_engine().pure
    assert parse(svg(scene.graph)).tag == f"{SVG}svg"
