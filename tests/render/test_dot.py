"""`visualize`: what a flow author knows from Prefect 1, and what nbflow adds."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import graphviz
import pytest

from nbflow.core.function_task import task
from nbflow.core.graph import Graph
from nbflow.core.states import Failed, Mapped, Skipped, Success
from nbflow.errors import RenderError
from nbflow.render import executable
from nbflow.render.dot import dot, visualize


class Shell:
    """Stands for a kernel's shell."""


class IPython:
    @staticmethod
    def get_ipython():
        return Shell()


@pytest.fixture(autouse=True)
def _kernel(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", IPython)


@pytest.fixture
def pure(monkeypatch, tmp_path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))


@task
def a_nice_task(x=None, y=None):
    return x


@task
def a_list_task():
    return [1, 2]


@task
def reduce(x):
    return x


def one(name: str = "a_nice_task") -> Graph:
    with Graph("test") as graph:
        a_nice_task(task_args={"name": name})
    return graph


def maps() -> tuple:
    with Graph("test") as graph:
        numbers = a_list_task()
        mapped = a_nice_task.map(x=numbers, y=[8])
        final = reduce(mapped)
    return graph, numbers, mapped, final


def test_a_task_is_an_ellipse_labelled_by_its_name() -> None:
    """Flow-model 9.3."""

    assert "label=a_nice_task shape=ellipse" in visualize(one()).source


def test_a_mapped_task_is_a_box_with_dashed_edges_labelled_by_argument() -> None:
    """Flow-model 9.3."""

    source = visualize(maps()[0]).source

    assert 'label="a_nice_task <map>" shape=box' in source
    assert "label=a_list_task shape=ellipse" in source
    assert "label=x style=dashed" in source
    assert "label=y style=dashed" in source


@pytest.mark.parametrize(
    ("state", "colour"), [(Success(), "#28a745"), (Skipped(), "#62757f"), (Failed(), Failed.color)]
)
def test_a_state_fills_its_task_with_its_colour(state, colour) -> None:
    """Flow-model 9.3."""

    graph = one()
    (only,) = graph.tasks

    source = visualize(graph, flow_state=Success(result={only: state})).source

    assert f'label=a_nice_task color="{colour}80"' in source
    assert "style=filled" in source


def test_a_task_that_the_result_lacks_is_neutral() -> None:
    """Flow-model 9.3."""

    source = visualize(one(), flow_state=Success(result={})).source

    assert 'color="#00000080"' in source
    assert "nbflow-state-NotRun" in source


def test_a_map_with_a_state_shows_its_counts() -> None:
    """Flow-model 9.3."""

    graph, numbers, mapped, _ = maps()

    source = visualize(
        graph, Success(result={mapped: Mapped(map_states=[Success(), Failed()]), numbers: Success()})
    ).source

    assert r'label="a_nice_task <map>\n2/2, 1 failed"' in source
    assert source.count("<map>") == 1


def test_a_skipped_map_has_the_colour_of_skipped() -> None:
    graph, _, mapped, _ = maps()

    source = visualize(graph, Success(result={mapped: Skipped()})).source

    assert 'label="a_nice_task <map>" color="#62757f80"' in source


def test_expanded_maps_draw_each_child_in_its_own_colour() -> None:
    graph, numbers, mapped, final = maps()
    result = {mapped: Mapped(map_states=[Success(), Failed()]), numbers: Success(), final: Success()}

    source = visualize(graph, Success(result=result), expand_maps=True).source

    assert f'label="a_nice_task <map>" color="{Success.color}80"' in source
    assert f'label="a_nice_task <map>" color="{Failed.color}80"' in source
    for index in (0, 1):
        assert f"{index} [label=x style=dashed]" in source
    assert source.count("[label=x]") == 2


def test_markup_in_a_name_is_literal() -> None:
    """Flow-model 9.3."""

    assert '"<lambda>"' in visualize(one("<lambda>")).source
    assert 'label="<b>x</b>"' in visualize(one("<b>x</b>")).source


@pytest.mark.parametrize("name", ["<lambda>", "<b>x</b>", 'a"b', "a\\nb\\N", "a\nb", "\\", "ü 日本", "x" * 10_000])
def test_any_name_can_be_drawn(name) -> None:
    drawn = visualize(one(name)).pipe(format="svg", encoding="utf-8")

    assert "<b>" not in drawn
    assert "href" not in drawn.replace("xmlns:xlink", "")


def test_boxes_nest_and_everything_has_an_id_and_a_class_of_its_own(scene) -> None:
    drawn = dot(scene.graph, scene.states, scene.status).pipe(format="svg", encoding="utf-8")

    drawn = drawn.replace("&#45;", "-")
    groups = re.findall(r'<g id="([^"]+)" class="(?:node|edge|cluster)([^"]*)"', drawn)
    ids = [name for name, _ in groups]
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("nbflow-") for name in ids)
    assert all(" nbflow-" in classes for _, classes in groups)
    assert "nbflow-block--Database-1" in ids
    assert "nbflow-block--Cluster-1" in ids


def test_case_is_a_diamond(scene) -> None:
    assert re.search(r'label="case\(True\)" shape=diamond', visualize(scene.graph).source)


def test_horizontal_runs_from_left_to_right() -> None:
    assert "rankdir=LR" in visualize(one(), horizontal=True).source
    assert "rankdir" not in visualize(one()).source


def test_it_is_a_digraph() -> None:
    assert isinstance(visualize(one()), graphviz.Digraph)


def test_a_filename_gets_the_picture_and_no_source(tmp_path) -> None:
    """Flow-model 9.3."""

    visualize(one(), filename=str(tmp_path / "viz"), format="png")

    assert [path.name for path in tmp_path.iterdir()] == ["viz.png"]


def test_the_graph_shows_itself_in_a_notebook_without_a_system_dot(pure) -> None:
    assert "<svg" in visualize(one())._repr_mimebundle_()["image/svg+xml"]


def test_graphviz_is_left_as_it_was(pure) -> None:
    from graphviz.backend import dot_command

    before = dot_command.DOT_BINARY
    visualize(one()).pipe(format="svg")

    assert before == dot_command.DOT_BINARY


def test_a_format_that_the_engine_lacks_is_refused_with_the_remedy(pure, tmp_path) -> None:
    with pytest.raises(RenderError, match="use 'svg' or 'png'"):
        visualize(one(), filename=str(tmp_path / "viz"), format="pdf")


def test_without_an_engine_the_error_asks_to_install_one(pure, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(executable, "_pure_executable", lambda: None)

    with pytest.raises(RenderError, match="please install Graphviz"):
        visualize(one(), filename=str(tmp_path / "viz"))


def test_in_a_kernel_nothing_is_opened(monkeypatch) -> None:
    """Flow-model 9.3."""

    monkeypatch.setattr("nbflow.render.dot._view", lambda *args: pytest.fail("opened a viewer"))

    visualize(one())


@pytest.mark.parametrize("error", [ImportError("abc"), AttributeError("abc"), None])
def test_outside_of_ipython_the_picture_is_opened(monkeypatch, error) -> None:
    """Flow-model 9.3."""

    def get_ipython():
        if error:
            raise error

    opened = []
    monkeypatch.setattr(IPython, "get_ipython", staticmethod(get_ipython))
    monkeypatch.setattr("nbflow.render.dot._view", lambda digraph, format_: opened.append(digraph))

    graph = visualize(one())

    assert opened[-1] is graph


def test_a_machine_without_a_viewer_gets_a_warning(monkeypatch) -> None:
    class Blind(graphviz.Digraph):
        def render(self, *args, **kwargs):
            raise FileNotFoundError("xdg-open")

    monkeypatch.setattr(IPython, "get_ipython", staticmethod(lambda: None))
    monkeypatch.setattr("nbflow.render.dot._digraph_class", lambda base: Blind)

    with pytest.warns(UserWarning, match="pass filename="):
        visualize(one())


def test_importing_the_renderer_loads_neither_graphviz_nor_ipython() -> None:
    code = (
        "import sys, nbflow.render.dot, nbflow.render.svg, nbflow.render.html, nbflow.render.mermaid\n"
        "print([m for m in ('graphviz', 'IPython', 'ipywidgets') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_drawing_warns_of_nothing(scene) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        visualize(scene.graph, Success(result=scene.states), expand_maps=True)
