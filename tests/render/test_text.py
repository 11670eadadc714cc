"""Text, Mermaid and HTML."""

from __future__ import annotations

import re

import pytest

from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.states import Success
from nbflow.render import executable
from nbflow.render.html import html
from nbflow.render.mermaid import mermaid
from nbflow.render.text import table, text


@task
def step(x=None):
    return x


@pytest.fixture
def no_engine(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(executable, "_pure_executable", lambda: None)


def hostile(name: str) -> Graph:
    with Graph(name) as graph:
        step(step(task_args={"name": name}))
    return graph


def test_text_lists_tasks_in_start_order_with_blocks_indented(scene, no_engine) -> None:
    lines = text(scene.graph).splitlines()

    assert lines[0] == "scene"
    assert lines.index("  [Cluster]") < lines.index("    [Database]")
    (load,) = [line for line in lines if line.startswith("      load ")]
    assert load.endswith("← client=Cluster.setup, db=Database.setup")
    assert any(line.startswith("    clean <map>") and line.endswith("← row=each of load") for line in lines)
    assert any(line.startswith("  both") for line in lines)


def test_text_shows_states_by_icon_and_word(scene, no_engine) -> None:
    listing = text(scene.graph, scene.states, scene.status)

    assert re.search(r"\[Cluster\] +● open", listing)
    assert re.search(r"clean <map> +◐ 37/100, 2 failed", listing)
    assert re.search(r"both +✗ Failed", listing)


def test_the_table_has_a_row_for_every_task_with_its_message(scene, no_engine) -> None:
    rows = table(scene.graph, scene.states).splitlines()

    assert len(rows) == 2 + len(scene.graph.tasks)
    assert any(row.startswith("load ") and "Cluster / Database" in row for row in rows)
    assert any(row.startswith("both") and row.endswith("<disk & full>") for row in rows)


def test_text_has_no_control_characters() -> None:
    listing = text(hostile("a\nb\x1b[31m\u202e"), {}) + table(hostile("a\nb\x1b[31m\u202e"), {})

    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", listing)


def test_mermaid_has_nested_subgraphs_and_dashed_maps(scene, no_engine) -> None:
    chart = mermaid(scene.graph, scene.states, scene.status)

    assert chart.startswith("flowchart TD\n")
    assert chart.count("subgraph ") == chart.count("\n  end") + chart.count("\n    end") == 2
    assert '-.->|"row"|' in chart
    assert "classDef stateFailed" in chart
    assert "37/100" in chart


@pytest.mark.parametrize("name", ['"]; click t', "end", "<script>x</script>", "`code` **b**", "a\nb", "#35;"])
def test_mermaid_reads_no_markup_in_names(name) -> None:
    chart = mermaid(hostile(name))

    labels = re.findall(r'"([^"]*)"', chart)
    assert all(re.fullmatch(r"(?:[\w ,.:;()/-]|#\d+;|<br/>)*", label) for label in labels)
    assert not re.search(r"(?m)^\s*(end|click|class) ", chart.replace("  end\n", ""))


def test_html_has_picture_and_table(scene) -> None:
    page = html(scene.graph, scene.states, scene.status, title="Run 3", note="failed")

    assert page.startswith('<div class="nbflow-html nbflow-page">')
    assert "<svg " in page
    assert "<b>Run 3</b>" in page
    assert "<td>&lt;disk &amp; full&gt;</td>" in page
    assert page.count("<div") == page.count("</div>")


def test_html_is_the_same_every_time(scene) -> None:
    assert html(scene.graph, scene.states) == html(scene.graph, scene.states)


def test_two_pictures_on_a_page_have_ids_of_their_own(scene) -> None:
    def ids(page: str) -> set[str]:
        return set(re.findall(r' id="([^"]+)"', page))

    assert not ids(html(scene.graph)) & ids(html(scene.graph, scene.states))


def test_html_falls_back_to_text_and_names_the_remedy(scene, no_engine) -> None:
    page = html(scene.graph, scene.states, scene.status)

    assert "<svg" not in page
    assert "clean &lt;map&gt;" in page
    assert "pip install graphviz-pure" in page


def test_html_lists_what_is_too_large_to_draw() -> None:
    with Graph("huge") as graph:
        for i in range(1_501):
            step(task_args={"name": f"step {i}"})

    page = html(graph, {})

    assert "<svg" not in page
    assert "too large" in page
    assert "... and 1001 more" in page
    assert "step 1000" not in page


def test_html_escapes_names_titles_and_messages() -> None:
    graph = hostile("<img src=x onerror=alert(1)>")
    states = dict.fromkeys(graph.tasks, Success("<script>alert(1)</script>"))

    page = html(graph, states, title="<script>", note="<i>")

    assert not re.search(r"<(script|img|i)\b", page)
