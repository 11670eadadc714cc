"""The drawing as a `graphviz.Digraph`, and `visualize`, which a flow offers to its users.

Blocks are boxes, and every node, box and edge has an `id` and a `class`: what is not given, a nested box would
inherit. Users' text only ever becomes a label, never a link, and never HTML.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbflow.core.state_traits import NOT_RUN
from nbflow.core.states import Mapped
from nbflow.errors import RenderError
from nbflow.render.build import Fold, GraphLike, draw
from nbflow.render.drawing import Cluster, Drawing, Edge, Node
from nbflow.render.executable import engine_for_graphviz
from nbflow.render.names import one_line
from nbflow.render.palette import BLOCKS, BORDERS, STATES
from nbflow.render.status_marks import BlockStatuses, Marks, States, count_line, marks

if TYPE_CHECKING:
    from graphviz import Digraph

    from nbflow.core.states import State

_NEUTRAL = "#000000"
_TRANSLUCENT = "80"  # half of a state's colour lets black text be read on it
_LABEL_LIMIT = 200
_PURE_FORMATS = frozenset({"canon", "dot", "gv", "jpe", "jpeg", "jpg", "json", "json0", "plain", "png", "svg", "xdot"})


def visualize(
    graph: GraphLike,
    flow_state: State | None = None,
    filename: str | os.PathLike[str] | None = None,
    format: str | None = None,
    horizontal: bool = False,
    expand_maps: bool = False,
) -> Digraph:
    """Return the flow's graph as a `graphviz.Digraph`, filled with the colours of `flow_state`'s states.

    In a notebook the returned object shows itself. Elsewhere it is opened in a viewer, unless it is written to a
    file. Nothing is folded here.

    Args:
        graph: The flow.
        flow_state: The final state of a run; tasks that its result does not have are neutral.
        filename: Where to write the picture, without the ending, which is the format.
        format: "svg", "png" ...; by default PDF, or SVG where only `graphviz-pure` is installed.
        horizontal: From left to right instead of from top to bottom.
        expand_maps: Draw the children of mapped tasks one by one, if the state has them.

    Raises:
        RenderError: If there is no layout engine, or it cannot write the format.
    """
    states: Mapping[Any, Any] | None = None
    if flow_state is not None:
        states = flow_state.result if isinstance(flow_state.result, Mapping) else {}
    digraph = dot(graph, states, horizontal=horizontal, expand_maps=expand_maps)
    if filename:
        digraph.render(os.fspath(filename), view=False, format=format, cleanup=True)
    elif not _in_notebook():
        _view(digraph, format)
    return digraph


def dot(
    graph: GraphLike | Drawing,
    states: States | None = None,
    block_status: BlockStatuses | None = None,
    *,
    horizontal: bool = False,
    expand_maps: bool = False,
    fold: Fold = None,
) -> Digraph:
    """Return the drawing as a `graphviz.Digraph` that draws itself with the engine found here."""
    import graphviz

    children: dict[Any, int] = {}
    if expand_maps and states:
        children = {t: len(s.map_states or ()) for t, s in states.items() if isinstance(s, Mapped)}
    drawing = draw(graph, fold=fold, children=children)
    digraph = _digraph_class(graphviz.Digraph)()
    digraph.attr(compound="true")
    if horizontal:
        digraph.attr(rankdir="LR")
    _Writer(drawing, states, block_status).write(digraph)
    return digraph


class _Writer:
    def __init__(self, drawing: Drawing, states: States | None, block_status: BlockStatuses | None) -> None:
        self.drawing = drawing
        self.states = states
        self.marks: Marks = marks(drawing, states or {}, block_status)
        self.with_status = block_status is not None

    def write(self, digraph: Any) -> None:
        self._items(digraph, self.drawing.items)
        for edge in self.drawing.edges:
            self._edge(digraph, edge)

    def _items(self, graph: Any, items: tuple[Node | Cluster, ...] | list[Node | Cluster]) -> None:
        for item in items:
            if isinstance(item, Node):
                self._node(graph, item)
                continue
            with graph.subgraph(name=f"cluster_{_identifier(item.key)}") as box:
                box.attr(_attributes=self._cluster(item))
                self._items(box, item.items)

    def _cluster(self, cluster: Cluster) -> dict[str, str]:
        mark = self.marks.clusters[cluster.key]
        look = BLOCKS.get(mark.name, BLOCKS["closed"])
        width, dash = BORDERS[look.border if self.with_status else "solid"]
        label = cluster.name + (f"  {mark.line}" if self.with_status else "")
        colour = look.light.stroke if self.with_status else STATES[NOT_RUN].light.stroke
        return {
            "label": _label(label),
            "labeljust": "l",
            "style": "rounded" if dash == "none" else "rounded,dashed",
            "color": colour,
            "penwidth": f"{width:g}",
            "id": f"nbflow-{cluster.key}",
            "class": f"nbflow-cluster nbflow-block-{mark.name}",
        }

    def _node(self, graph: Any, node: Node) -> None:
        # The label comes first, the keywords follow in alphabetical order, then the rest: as flow authors know it.
        label = f"{node.name} <map>" if node.mapped or node.kind == "child" else node.name
        if node.map_index is not None or node.mapped or node.kind == "parameter":
            shape = "box" if node.kind != "parameter" else "ellipse"
        else:
            shape = {"case": "diamond", "block": "folder"}.get(node.kind, "ellipse")
        more = {"id": f"nbflow-{node.key}", "class": f"nbflow-node nbflow-{node.kind}"}
        if node.kind in ("block", "group"):
            label += f" ({len(node.tasks)} tasks)"
        if self.states is None:
            graph.node(_identifier(node.key), _label(label), shape=shape, _attributes=more)
            return
        state = self._state(node)
        more["class"] += f" nbflow-state-{self.marks.nodes[node.key].name}"
        if isinstance(state, Mapped):
            counts = count_line(state.map_states or ())
            label = f"{one_line(label, _LABEL_LIMIT)}\n{counts}"
            failed = next((child for child in state.map_states or () if child.is_failed()), None)
            if failed is not None:  # its colour around the map's own
                more |= {"fillcolor": state.color + _TRANSLUCENT, "penwidth": "2.5"}
                state = failed
        elif state is None:
            more["fillcolor"] = f"{_NEUTRAL}14"
        graph.node(
            _identifier(node.key),
            _label(label),
            color=(_NEUTRAL if state is None else state.color) + _TRANSLUCENT,
            colorscheme="svg",
            shape=shape,
            style="filled",
            _attributes=more,
        )

    def _state(self, node: Node) -> State | None:
        assert self.states is not None
        state = self.states.get(node.tasks[0])
        if node.map_index is not None and isinstance(state, Mapped):
            child: State | None = state.map_states[node.map_index]
            return child
        if node.kind in ("block", "group"):
            name = self.marks.nodes[node.key].name
            return next((s for s in map(self.states.get, node.tasks) if type(s).__name__ == name), None)
        return state

    def _edge(self, graph: Any, edge: Edge) -> None:
        more: dict[str, str] = {}
        if edge.kind == "lifecycle":
            more |= {"color": "#00000066", "fontcolor": "#00000099"}
        children = {self.drawing.nodes[edge.tail].kind, self.drawing.nodes[edge.head].kind}
        if "child" not in children:  # there may be thousands of those, and nobody looks for them
            more |= {"id": f"nbflow-{edge.key}", "class": f"nbflow-edge nbflow-{edge.kind}"}
        graph.edge(
            _identifier(edge.tail),
            _identifier(edge.head),
            label=edge.label or None,
            style="dashed" if edge.mapped else None,
            _attributes=more,
        )


def _label(text: str) -> Any:
    import graphviz

    lines = [one_line(line, _LABEL_LIMIT) for line in text.split("\n", 1)] if text.count("\n") == 1 else None
    if lines is None or not re.fullmatch(r"\d+/\d+(, \d+ failed)?", lines[1]):
        return graphviz.escape(one_line(text, _LABEL_LIMIT))
    return graphviz.nohtml("\\n".join(line.replace("\\", "\\\\") for line in lines))


def _identifier(key: str) -> str:
    """Return a name that DOT takes without quotes: `-` becomes `_`, what is `_` or `.` already is spelled out."""
    return "nbflow_" + key.replace("_", "_u").replace(".", "_d").replace("-", "_")


@functools.lru_cache(maxsize=1)
def _digraph_class(base: Any) -> Any:
    """Return a `Digraph` that finds its layout engine: a system `dot`, else the one of `graphviz-pure`."""
    if not isinstance(base, type):  # a stand-in of somebody's test
        return base

    class Drawn(base):  # type: ignore[misc]
        """A `graphviz.Digraph` that also draws where no system Graphviz is installed."""

        def render(self, *args: Any, **kwargs: Any) -> str:
            """Write the picture to a file; see `graphviz.Digraph.render`."""
            import graphviz

            try:
                with engine_for_graphviz() as engine:
                    kwargs["format"] = _format(kwargs.get("format"), engine.pure)
                    path: str = super().render(*args, **kwargs)
            except graphviz.ExecutableNotFound as error:
                raise RenderError("please install Graphviz: its executable could not be started") from error
            return path

        def pipe(self, *args: Any, **kwargs: Any) -> Any:
            """Return the picture; see `graphviz.Digraph.pipe`."""
            with engine_for_graphviz() as engine:
                if not args:
                    kwargs["format"] = _format(kwargs.get("format"), engine.pure)
                return super().pipe(*args, **kwargs)

    Drawn.__name__ = Drawn.__qualname__ = "Digraph"
    return Drawn


def _format(wanted: str | None, pure: bool) -> str:
    if wanted is None:
        return "svg" if pure else "pdf"
    if pure and wanted.lower() not in _PURE_FORMATS:
        raise RenderError(
            f"graphviz-pure can not write {wanted!r}; use 'svg' or 'png', or install Graphviz with "
            "`conda install graphviz` or your system's package"
        )
    return wanted


def _in_notebook() -> bool:
    """Tell whether a kernel shows what a cell returns; IPython is never imported to find out."""
    ipython = sys.modules.get("IPython")
    try:
        shell = ipython.get_ipython() if ipython is not None else None
    except Exception:  # noqa: BLE001 - whatever is wrong with IPython, then it is no notebook
        return False
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"


def _view(digraph: Any, format_: str | None) -> None:
    handle, name = tempfile.mkstemp(prefix="nbflow-")
    os.close(handle)
    try:
        digraph.render(name, view=True, quiet_view=True, format=format_)
    except FileNotFoundError as error:  # the machine has no program to open pictures with
        warnings.warn(
            f"no viewer could be opened ({error}); pass filename= to write the picture to a file", stacklevel=3
        )
    finally:
        os.unlink(name)
