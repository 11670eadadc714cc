"""The drawing as inline SVG, made to be drawn once and repainted ever after.

What a script that repaints may rely on (all names start with `prefix`, "nbflow" by default):

- A node is `<g id="PREFIX-KEY" class="nbflow-node nbflow-KIND nbflow-state-NAME" data-key="KEY">`. KEY is
  `Node.key`: the task's slug, as far as a slug can be an id. Repainting = changing the class
  `nbflow-state-NAME`, and the text of `<text id="PREFIX-KEY--line" class="nbflow-line">`, the last text of its
  group, to the `Mark` that `nbflow.render.status_marks` gives for the node. The line is there if `states` was not None.
- A block is `<g id="PREFIX-block--KEY" class="nbflow-cluster nbflow-block-STATUS" data-key="block--KEY">`, its
  status line `<tspan id="PREFIX-block--KEY--line" class="nbflow-line">`.
- An edge is `<g id="PREFIX-edge--TAIL--HEAD[--LABEL]" class="nbflow-edge nbflow-data|order|lifecycle
  [nbflow-mapped]" data-tail="TAIL" data-head="HEAD">`.
- Every group has a `<title>` with the whole name. There is no link and no script in it, and every text is
  escaped. Shapes also carry light colours as attributes, for places that drop style sheets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.counted_tasks import said_tasks
from nbflow.core.state_traits import NOT_RUN
from nbflow.render.build import Fold, GraphLike, draw
from nbflow.render.layout import LABEL_SIZE, LINE_SIZE, NAME_SIZE, Box, Layout, Line, edge_label, lay_out, shown_name
from nbflow.render.names import escape, one_line, safe_key, shorten
from nbflow.render.palette import BLOCKS, BORDERS, LIGHT_PAGE, MISSING, Look, palette_css, state_look
from nbflow.render.status_marks import BlockStatuses, Mark, Marks, Notes, States, marks, note_on, with_note
from nbflow.render.style import CELL_CSS, DRAWING_CSS, MISSING_CSS

if TYPE_CHECKING:
    from nbflow.render.drawing import Cluster, Drawing, Edge, Node

_MARGIN = 10.0
_FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, 'DejaVu Sans', sans-serif"
_PLAIN = Mark(NOT_RUN, "")
_EDGE = LIGHT_PAGE.stroke


def svg(
    graph: GraphLike | Drawing,
    states: States | None = None,
    block_status: BlockStatuses | None = None,
    *,
    prefix: str = "nbflow",
    horizontal: bool = False,
    fold: Fold = "auto",
    css: bool = True,
    layout: Layout | None = None,
    notes: Notes | None = None,
) -> str:
    """Draw `graph` as one `<svg>` element.

    Args:
        graph: A flow, a run's compiled graph, or the `Drawing` of one.
        states: The tasks' states. With None the plain structure is drawn, without lines for states.
        block_status: What the blocks' resources are doing; closed if nothing is said.
        prefix: The start of every id, so that several drawings can stand on one page.
        horizontal: From left to right instead of from top to bottom.
        fold: See `nbflow.render.draw`.
        css: Whether to include the style sheet; False where the page has `drawing_css()` already.
        layout: The layout of `graph`, a drawing, where it is known already.
        notes: What is to be known of tasks beside their states; where no states are drawn, only its icon is.

    Raises:
        RenderError: If there is no layout engine, or it fails. `text` always works.
    """
    drawing = draw(graph, fold=fold)
    if layout is None:
        layout = lay_out(drawing, with_lines=states is not None, horizontal=horizontal)
    return _Pen(drawing, layout, states, block_status, safe_key(prefix), notes or {}).document(css)


def drawing_css() -> str:
    """Return the whole style sheet of drawings: every state and status, in light and dark."""
    return f"{palette_css()}\n{DRAWING_CSS}"


class _Pen:
    def __init__(
        self,
        drawing: Drawing,
        layout: Layout,
        states: States | None,
        block_status: BlockStatuses | None,
        prefix: str,
        notes: Notes,
    ) -> None:
        self.drawing = drawing
        self.layout = layout
        self.with_lines = states is not None
        # Without states the statuses of blocks, if given, are shown all the same.
        self.with_status = self.with_lines or block_status is not None
        self.marks: Marks = marks(drawing, states or {}, block_status, notes)
        self.notes = notes
        self.prefix = prefix

    def document(self, css: bool) -> str:
        width = self.layout.width + 2 * _MARGIN
        height = self.layout.height + 2 * _MARGIN
        name = escape(self.drawing.name, 80)
        count = said_tasks({task for node in self.drawing.nodes.values() for task in node.tasks})
        # Where nothing can be told of states, dots and dashes would only look as if they told something.
        plain = "" if self.with_lines else " nbflow-structure"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="nbflow-drawing nbflow-page{plain}" '
            f'id="{self.prefix}-drawing" role="img" aria-label="flow {name}, {count}" '
            f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'style="max-width:100%;min-width:{width * 0.55:.0f}px;height:auto" '
            f'font-family="{_FONT}" text-anchor="middle">'
        ]
        if css:
            parts.append(f"<style>\n{self._css()}\n</style>")
        parts.append(f'<rect class="nbflow-paper" width="100%" height="100%" fill="{LIGHT_PAGE.fill}"/>')
        parts.append(f'<g transform="translate({_MARGIN:g} {_MARGIN:g})">')
        parts += [self._cluster(c) for c in self.drawing.clusters.values()]  # outer boxes come first
        parts += [self._edge(e) for e in self.drawing.shown_edges]
        parts += [self._node(n) for n in self.drawing.nodes.values()]
        if not self.drawing.nodes:
            parts.append(f'<text class="nbflow-empty" x="60" y="16" font-size="{NAME_SIZE:g}">no tasks yet</text>')
        parts.append("</g></svg>")
        return "\n".join(parts)

    def _css(self) -> str:
        states = {mark.name for mark in self.marks.nodes.values()} | {NOT_RUN, "Pending"}
        blocks = {mark.name for mark in self.marks.clusters.values()}
        more = [MISSING_CSS] if MISSING in states else []
        more += [CELL_CSS] if any(c.block is None for c in self.drawing.clusters.values()) else []
        return "\n".join([palette_css(states, blocks), DRAWING_CSS, *more])

    def _cluster(self, cluster: Cluster) -> str:
        box = self.layout.clusters[cluster.key]
        mark = self.marks.clusters[cluster.key]
        look = BLOCKS.get(mark.name, BLOCKS["closed"])
        key = f"{self.prefix}-{cluster.key}"
        name = shorten(one_line(cluster.name, 2_000), 36)
        weight = 400 if cluster.block is None else 600
        kind = "nbflow-cell" if cluster.block is None else f"nbflow-block-{safe_key(mark.name)}"
        line = ""
        if self.with_status and cluster.block is not None:
            line = (
                f'<tspan id="{key}--line" class="nbflow-line" dx="9" font-size="{LINE_SIZE:g}" '
                f'font-weight="400">{escape(mark.line)}</tspan>'
            )
        return (
            f'<g id="{key}" class="nbflow-cluster {kind}" '
            f'data-key="{cluster.key}"><title>{escape(cluster.name)}</title>'
            f"{_rect(box, look, 8)}"
            f'<text class="nbflow-name" x="{box.x + 12:.1f}" y="{box.y + 19:.1f}" text-anchor="start" '
            f'font-size="{NAME_SIZE:g}" font-weight="{weight}" fill="{look.light.text}">{escape(name)}{line}</text></g>'
        )

    def _node(self, node: Node) -> str:
        box = self.layout.nodes[node.key]
        is_missing = node.kind == "missing"
        mark = self.marks.nodes[node.key] if self.with_lines or is_missing else _PLAIN
        look = state_look(mark.name)
        key = f"{self.prefix}-{node.key}"
        small = node.kind == "collection"
        x, y = box.centre
        two = (self.with_lines or is_missing) and not small
        size = LINE_SIZE if small else NAME_SIZE
        note = "" if self.with_lines else note_on(node, self.notes)
        called = f"{shown_name(node)} {note[:1]}" if note else shown_name(node)
        name = (
            f'<text class="nbflow-name" x="{x:.1f}" y="{y - 3 if two else y + size * 0.35:.1f}" '
            f'font-size="{size:g}" fill="{look.light.text}">{escape(called)}</text>'
        )
        line = (
            f'<text id="{key}--line" class="nbflow-line" x="{x:.1f}" y="{y + 12:.1f}" '
            f'font-size="{LINE_SIZE:g}" fill="{look.light.text}">{escape(mark.line)}</text>'
            if two
            else ""
        )
        stacked = " nbflow-stack" if node.mapped or node.kind == "group" else ""
        return (
            f'<g id="{key}" class="nbflow-node nbflow-{node.kind}{stacked} nbflow-state-{safe_key(mark.name)}" '
            f'data-key="{node.key}"><title>{escape(_title(node, with_note(mark, note)))}</title>'
            f"{_shape(node, box, look, bool(stacked))}{name}{line}</g>"
        )

    def _edge(self, edge: Edge) -> str:
        line = self.layout.edges[edge.key]
        tail, head = self.drawing.nodes[edge.tail], self.drawing.nodes[edge.head]
        what = escape(f"{shorten(tail.name, 60)} → {shorten(head.name, 60)}")
        label = ""
        if line.label is not None and (text := edge_label(edge)):
            x, y = line.label
            label = (
                f'<text class="nbflow-label" x="{x:.1f}" y="{y + LABEL_SIZE * 0.35:.1f}" '
                f'font-size="{LABEL_SIZE:g}" fill="{LIGHT_PAGE.text}">{escape(text)}</text>'
            )
        dash = ' stroke-dasharray="5 3"' if edge.mapped else ""
        mapped = " nbflow-mapped" if edge.mapped else ""
        return (
            f'<g id="{self.prefix}-{edge.key}" class="nbflow-edge nbflow-{edge.kind}{mapped}" '
            f'data-tail="{edge.tail}" data-head="{edge.head}"><title>{what}</title>'
            f'<path d="{_path(line)}" fill="none" stroke="{_EDGE}"{dash}/>'
            f'<polygon points="{_arrow(line)}" fill="{_EDGE}"/>{label}</g>'
        )


def _title(node: Node, mark: Mark) -> str:
    what = f"{len(node.tasks)} tasks of {one_line(node.name, 90)}" if len(node.tasks) > 1 else node.name
    return f"{one_line(what, 120)}: {mark.line}" if mark.line else one_line(what, 120)


def _paint(look: Look) -> str:
    width, dash = BORDERS[look.border]
    dashes = "" if dash == "none" else f' stroke-dasharray="{dash}"'
    return f'fill="{look.light.fill}" stroke="{look.light.stroke}" stroke-width="{width:g}"{dashes}'


def _rect(box: Box, look: Look, radius: float, css: str = "nbflow-shape") -> str:
    return (
        f'<rect class="{css}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="{radius:g}" {_paint(look)}/>'
    )


def _shape(node: Node, box: Box, look: Look, stacked: bool) -> str:
    x, y = box.centre
    if node.kind == "case":
        points = f"{x:.1f},{box.y:.1f} {box.x + box.width:.1f},{y:.1f} "
        points += f"{x:.1f},{box.y + box.height:.1f} {box.x:.1f},{y:.1f}"
        return f'<polygon class="nbflow-shape" points="{points}" {_paint(look)}/>'
    if node.kind == "parameter":
        return _rect(box, look, box.height / 2)
    radius = 10 if node.kind == "collection" else 5
    behind = [Box(box.x + d, box.y + d, box.width, box.height) for d in (6, 3)] if stacked else []
    return "".join(_rect(b, look, radius, "nbflow-shape nbflow-behind") for b in behind) + _rect(box, look, radius)


def _path(line: Line) -> str:
    start, *rest = [f"{x:.1f},{y:.1f}" for x, y in line.points]
    return f"M{start}C{' '.join(rest)}"


def _arrow(line: Line) -> str:
    (x, y), (tip_x, tip_y) = line.points[-1], line.tip
    across_x, across_y = (tip_y - y) * 0.4, (x - tip_x) * 0.4
    corners = [(x + across_x, y + across_y), (tip_x, tip_y), (x - across_x, y - across_y)]
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
