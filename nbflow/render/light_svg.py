"""Pictures that weigh little, for outputs that come again and again: a detail, and a map of the whole.

They look as `nbflow.render.svg` draws, with the same classes and colours, but nothing in them can be found again
and repainted: what shares a look shares a group. Attributes stand in single quotes, which JSON leaves as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.render.layout import LABEL_SIZE, LINE_SIZE, NAME_SIZE, Box, Layout, Line, edge_label, shown_name
from nbflow.render.names import escape, one_line, safe_key, shorten
from nbflow.render.palette import BLOCKS, LIGHT_PAGE, MISSING, state_look

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbflow.render.drawing import Cluster, Drawing, Edge, Node
    from nbflow.render.status_marks import Marks

LIGHT_CSS = """\
.nbflow-parts{display:flex;flex-wrap:wrap;gap:8px 24px;align-items:flex-start}
.nbflow-drawing .nbflow-strong>.nbflow-shape{stroke-width:2.8px}
.nbflow-drawing .nbflow-strong text:first-of-type,.nbflow-strong .nbflow-name{font-weight:700}
.nbflow-map path{fill:none;stroke:var(--nbflow-stroke);stroke-width:7px}
.nbflow-map .nbflow-lines{stroke-width:1px;opacity:.3}
.nbflow-map .nbflow-state-Pending,.nbflow-map .nbflow-state-NotRun{opacity:.5}
.nbflow-map circle{fill:none;stroke:var(--nbflow-text);stroke-width:3px}"""
_MARGIN = 8
_MAP_WIDTH, _MAP_HEIGHT = 680, 440  # twice as many as the map takes on the page
_MOST_MAP_LINES = 900


def detail(
    drawing: Drawing, layout: Layout, shown: Marks, *, strong: Collection[str] = (), with_lines: bool = True
) -> str:
    """Draw a few nodes with names and states, those in `strong` with a thick border."""
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    plain = "" if with_lines else " nbflow-structure"
    count = len({task for node in drawing.nodes.values() for task in node.tasks})
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' class='nbflow-drawing nbflow-page{plain}' role='img' "
        f"aria-label='flow {escape(drawing.name, 80)}, {count} tasks' width='{width:.0f}' height='{height:.0f}' "
        f"viewBox='-{_MARGIN} -{_MARGIN} {width:.0f} {height:.0f}' "
        f"style='max-width:100%;min-width:{width * 0.55:.0f}px;height:auto' "
        f"font-family='system-ui,sans-serif' font-size='{NAME_SIZE:g}' text-anchor='middle'>"
    ]
    parts += [_cluster(one, layout.clusters[one.key], shown, with_lines) for one in drawing.clusters.values()]
    parts += _edges(drawing, layout)
    groups: dict[tuple[str, bool], list[str]] = {}
    for key, node in drawing.nodes.items():
        name = shown.nodes[key].name if with_lines or node.kind == "missing" else "NotRun"
        groups.setdefault((name, key in strong), []).append(
            _node(node, layout.nodes[key], name, shown.nodes[key].line, with_lines or node.kind == "missing")
        )
    for (name, is_strong), nodes in groups.items():
        more = " nbflow-strong" if is_strong else ""
        kind = " nbflow-missing" if name == MISSING else ""
        text = state_look(name).light.text
        parts.append(f"<g class='nbflow-node{kind} nbflow-state-{safe_key(name)}{more}' fill='{text}'>")
        parts += [*nodes, "</g>"]
    return "".join([*parts, "</svg>"])


def overview(drawing: Drawing, layout: Layout, shown: Marks, *, here: Collection[str], following: str | None) -> str:
    """Draw the whole of a large drawing as a small map: where it is now, what is done, and how much there is.

    Args:
        drawing: The drawing.
        layout: Its layout.
        shown: How its nodes look.
        here: The nodes that were run last, which are circled.
        following: The one that comes next, which gets a dashed circle.
    """
    scale = min(_MAP_WIDTH / max(layout.width, 1), _MAP_HEIGHT / max(layout.height, 1), 1.0)
    width, height = layout.width * scale, layout.height * scale

    def point(key: str) -> tuple[int, int]:
        x, y = layout.nodes[key].centre
        return round(x * scale), round(y * scale)

    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' class='nbflow-drawing nbflow-page nbflow-map' role='img' "
        f"aria-label='map of {escape(drawing.name, 80)}' width='{width / 2 + 16:.0f}' height='{height / 2 + 16:.0f}' "
        f"viewBox='-16 -16 {width + 32:.0f} {height + 32:.0f}' style='max-width:100%'>"
    ]
    lines = {(point(edge.tail), point(edge.head)) for edge in drawing.shown_edges}
    if len(lines) <= _MOST_MAP_LINES:
        drawn = "".join(f"M{x} {y}l{u - x} {v - y}" for (x, y), (u, v) in sorted(lines))
        parts.append(f"<path class='nbflow-lines' d='{drawn}' fill='none' stroke='{LIGHT_PAGE.stroke}'/>")
    groups: dict[str, list[str]] = {}
    for key, node in layout.nodes.items():
        half = max(3, round(node.width * scale / 2))
        x, y = point(key)
        groups.setdefault(shown.nodes[key].name, []).append(f"M{x - half} {y}h{2 * half}")
    for name, bars in groups.items():
        look = state_look(name)
        parts.append(
            f"<path class='nbflow-state-{safe_key(name)}' d='{''.join(bars)}' fill='none' "
            f"stroke='{look.light.stroke}' stroke-width='7'><title>{escape(look.word)}</title></path>"
        )
    for key in [*here, *([following] if following else [])]:
        x, y = point(key)
        is_next = key == following and key not in here
        radius = max(12, round(layout.nodes[key].width * scale / 2) + 5)
        title = escape(f"{'next' if is_next else 'here'}: {drawing.nodes[key].name}", 80)
        dash = " stroke-dasharray='4 4'" if is_next else ""
        parts.append(
            f"<circle cx='{x}' cy='{y}' r='{radius}' fill='none' stroke='{LIGHT_PAGE.text}'{dash}>"
            f"<title>{title}</title></circle>"
        )
    return "".join([*parts, "</svg>"])


def _cluster(cluster: Cluster, box: Box, shown: Marks, with_lines: bool) -> str:
    mark = shown.clusters[cluster.key]
    look = BLOCKS.get(mark.name, BLOCKS["closed"])
    kind = "nbflow-cell" if cluster.block is None else f"nbflow-block-{safe_key(mark.name)}"
    status = f" · {mark.line}" if with_lines and cluster.block is not None else ""
    return (
        f"<g class='nbflow-cluster {kind}'>{_rect(box, 8, look.light.fill, look.light.stroke)}"
        f"<text x='{box.x + 12:.0f}' y='{box.y + 19:.0f}' text-anchor='start' fill='{look.light.text}'>"
        f"{escape(shorten(one_line(cluster.name, 2_000), 36) + status)}</text></g>"
    )


def _edges(drawing: Drawing, layout: Layout) -> list[str]:
    groups: dict[str, list[Edge]] = {}
    for edge in drawing.shown_edges:
        groups.setdefault(f"nbflow-edge nbflow-{edge.kind}{' nbflow-mapped' * edge.mapped}", []).append(edge)
    found = []
    for kind, edges in groups.items():
        lines = [layout.edges[edge.key] for edge in edges]
        texts = [(line.label, edge_label(edge)) for line, edge in zip(lines, edges, strict=True)]
        found.append(
            f"<g class='{kind}' font-size='{LABEL_SIZE:g}' fill='{LIGHT_PAGE.stroke}'>"
            f"<path d='{''.join(map(_path, lines))}' fill='none' stroke='{LIGHT_PAGE.stroke}'/>"
            + "".join(f"<polygon points='{_arrow(line)}'/>" for line in lines)
            + "".join(
                f"<text x='{at[0]:.0f}' y='{at[1] + 3:.0f}'>{escape(text)}</text>" for at, text in texts if at and text
            )
            + "</g>"
        )
    return found


def _node(node: Node, box: Box, state: str, line: str, with_line: bool) -> str:
    x, y = box.centre
    look = state_look(state)
    small = node.kind == "collection"
    two = with_line and not small
    paint = look.light.fill, look.light.stroke
    if node.kind == "case":
        corners = (
            f"{x:.0f},{box.y:.0f} {box.x + box.width:.0f},{y:.0f} {x:.0f},{box.y + box.height:.0f} {box.x:.0f},{y:.0f}"
        )
        shape = f"<polygon class='nbflow-shape' points='{corners}' fill='{paint[0]}' stroke='{paint[1]}'/>"
    else:
        shape = _rect(box, box.height / 2 if node.kind == "parameter" else 10 if small else 5, *paint)
        if node.mapped or node.kind == "group":
            shape = _rect(Box(box.x + 4, box.y + 4, box.width, box.height), 5, *paint) + shape
    name = shown_name(node)
    title = f"<title>{escape(node.name, 120)}</title>" if "…" in name else ""
    size = f" font-size='{LINE_SIZE:g}'"
    below = f"<text x='{x:.0f}' y='{y + 12:.0f}'{size}>{escape(line)}</text>" if two else ""
    return (
        f"{shape}<text class='nbflow-name' x='{x:.0f}' y='{y - 3 if two else y + 4:.0f}'{size if small else ''}>"
        f"{title}{escape(name)}</text>{below}"
    )


def _rect(box: Box, radius: float, fill: str, stroke: str) -> str:
    return (
        f"<rect class='nbflow-shape' x='{box.x:.0f}' y='{box.y:.0f}' width='{box.width:.0f}' "
        f"height='{box.height:.0f}' rx='{radius:.0f}' fill='{fill}' stroke='{stroke}'/>"
    )


def _path(line: Line) -> str:
    start, *rest = [f"{x:.0f} {y:.0f}" for x, y in line.points]
    return f"M{start}C{' '.join(rest)}"


def _arrow(line: Line) -> str:
    (x, y), (tip_x, tip_y) = line.points[-1], line.tip
    across_x, across_y = (tip_y - y) * 0.4, (x - tip_x) * 0.4
    corners = [(x + across_x, y + across_y), (tip_x, tip_y), (x - across_x, y - across_y)]
    return " ".join(f"{a:.0f},{b:.0f}" for a, b in corners)
