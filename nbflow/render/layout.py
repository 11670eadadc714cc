"""Where everything goes: sizes from our own text measures, positions from the layout engine.

Only keys and sizes are sent to the engine, never a user's text: names cannot break the DOT, the fonts of the
machine that draws do not matter, and a line of text that changes later has its room from the start.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from nbflow.errors import RenderError
from nbflow.render.drawing import Cluster, Drawing, Edge, Node
from nbflow.render.executable import run_engine
from nbflow.render.layout_cache import OnceCache
from nbflow.render.names import one_line, shorten, text_width

NAME_SIZE, LINE_SIZE, LABEL_SIZE = 12.0, 10.5, 10.0
_LINE_ROOM = 104.0  # the longest state word with its icon
_CHAR = 5.0  # width of an "n" at size 9 in the engine's eyes, about


class Box(NamedTuple):
    """A rectangle: its top left corner and its size, y growing downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """The point in the middle."""
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True)
class Line:
    """An edge's Bézier points, where its arrow ends, and the middle of its label."""

    points: list[tuple[float, float]]
    tip: tuple[float, float]
    label: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing with places, by key."""

    width: float
    height: float
    nodes: dict[str, Box]
    clusters: dict[str, Box]
    edges: dict[str, Line]


def shown_name(node: Node) -> str:
    """Return the name as it stands on the node: one line, not too long, and no block's name within its own box."""
    name = one_line(node.name, 2_000) or "(blank)"
    if node.block is not None and node.kind in ("init", "setup", "cleanup"):
        block = one_line(node.block.name, 2_000)
        if name == block:
            name = "init"
        elif name.startswith(f"{block}."):
            name = name[len(block) + 1 :]
    if node.map_index is not None:
        return f"{shorten(name, 30)} [{node.map_index}]"
    if node.kind == "block":
        return f"▸ {shorten(name, 32)}"  # as a folded branch of a tree
    if node.kind == "group":
        return f"{shorten(name, 30)} \u00d7{len(node.tasks)}"
    return shorten(name, 24 if node.kind in ("collection", "case") else 36)


def node_size(node: Node, with_line: bool) -> tuple[float, float]:
    """Return width and height of a node; `with_line` leaves room for a line with its state."""
    size = LINE_SIZE if node.kind == "collection" else NAME_SIZE
    width = text_width(shown_name(node), size)
    if node.kind == "collection":
        return max(width + 18, 34), 20
    with_line = with_line or node.kind == "missing"  # which says so even where there are no states
    lines = 36 if with_line else 24
    if node.kind == "case":
        room = max(width, _LINE_ROOM * 0.62 if with_line else 0)
        return room + 68, lines + 34
    room = max(width, _LINE_ROOM if with_line else 0, 30)
    if node.mapped or node.kind in ("block", "group"):
        room = max(room, 128 if with_line else 0)
    return room + (34 if node.kind == "parameter" else 22), lines + 6


@dataclass(frozen=True, slots=True)
class _Places:
    """The answer of the engine, by the numbers of what it was asked for."""

    width: float
    height: float
    nodes: dict[int, Box]
    clusters: dict[int, Box]
    edges: dict[int, Line]


known_places: OnceCache[_Places] = OnceCache(most=64, most_characters=4_000_000)


def lay_out(drawing: Drawing, *, with_lines: bool, horizontal: bool = False) -> Layout:
    """Find a place for everything; the engine is asked once for drawings of the same structure and sizes.

    Raises:
        RenderError: If there is no engine, or it fails.
    """
    if not drawing.nodes:
        return Layout(120, 24, {}, {}, {})
    numbers = {key: f"n{i}" for i, key in enumerate(drawing.nodes)}
    boxes = {key: f"cluster_{i}" for i, key in enumerate(drawing.clusters)}
    source = _source(drawing, numbers, boxes, with_lines, horizontal)
    places = known_places.get(source, lambda: _ask(source, len(numbers), len(boxes)))
    return Layout(
        places.width,
        places.height,
        {key: places.nodes[i] for i, key in enumerate(numbers)},
        {key: places.clusters[i] for i, key in enumerate(boxes)},
        {drawing.edges[i].key: line for i, line in places.edges.items()},
    )


def _ask(source: str, nodes: int, clusters: int) -> _Places:
    try:
        return _read(json.loads(run_engine(source)), nodes, clusters)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise RenderError(f"the layout engine gave an answer that cannot be read: {error}") from error


def _source(
    drawing: Drawing, numbers: dict[str, str], boxes: dict[str, str], with_lines: bool, horizontal: bool
) -> str:
    lines = ["digraph {", f"rankdir={'LR' if horizontal else 'TB'} compound=true nodesep=0.3 ranksep=0.42"]
    lines += ['node [label="" fixedsize=true shape=box]', "edge [fontsize=9 arrowsize=0.7 minlen=1]"]

    def add(items: list[Node | Cluster]) -> None:
        for item in items:
            if isinstance(item, Cluster):
                name = shorten(one_line(item.name, 2_000), 36)
                room = text_width(name, NAME_SIZE) + (0 if item.block is None else 96)  # the status stands beside it
                label = "n" * max(1, round(room / _CHAR))
                lines.append(f'subgraph {boxes[item.key]} {{ label="{label}" fontsize=9 labeljust=l margin=12')
                add(item.items)
                lines.append("}")
            else:
                width, height = node_size(item, with_lines)
                shape = "diamond" if item.kind == "case" else "ellipse" if item.kind == "parameter" else "box"
                lines.append(f"{numbers[item.key]} [width={width / 72:.3f} height={height / 72:.3f} shape={shape}]")

    add(list(drawing.items))
    for i, edge in enumerate(drawing.edges):
        if edge.implied:
            continue
        label = edge_label(edge)
        room = round(text_width(label, LABEL_SIZE) / _CHAR) + 2
        attributes = f' label="{"n" * room}"' if label else ""
        lines.append(f"{numbers[edge.tail]} -> {numbers[edge.head]} [comment={i}{attributes}]")
    lines.append("}")
    return "\n".join(lines)


def edge_label(edge: Edge) -> str:
    """Return the text beside an edge: the argument's name, but not within a resource's own three tasks."""
    return "" if edge.kind == "lifecycle" else shorten(one_line(edge.label), 24)


def _read(answer: dict[str, Any], node_count: int, cluster_count: int) -> _Places:
    _, _, width, height = map(float, answer["bb"].split(","))

    def point(text: str) -> tuple[float, float]:
        x, y = map(float, text.split(",")[-2:])
        return x, height - y

    named = {thing["name"]: thing for thing in answer.get("objects", ())}
    nodes = {}
    for i in range(node_count):
        found = named[f"n{i}"]
        x, y = point(found["pos"])
        w, h = float(found["width"]) * 72, float(found["height"]) * 72
        nodes[i] = Box(x - w / 2, y - h / 2, w, h)
    clusters = {}
    for i in range(cluster_count):
        left, bottom, right, top = map(float, named[f"cluster_{i}"]["bb"].split(","))
        clusters[i] = Box(left, height - top, right - left, top - bottom)
    edges = {int(thing["comment"]): _line(thing, point) for thing in answer.get("edges", ())}
    return _Places(width, height, nodes, clusters, edges)


def _line(thing: dict[str, Any], point: Any) -> Line:
    # "e,TIP P0 P1 P2 P3 ...": the arrow reaches from the last point to the tip.
    first, *rest = re.split(r"[;\s]+", thing["pos"].strip())
    ends = [first, *rest]
    tips = [point(text) for text in ends if text.startswith("e,")]
    points = [point(text) for text in ends if not text.startswith(("e,", "s,"))]
    label = point(thing["lp"]) if thing.get("lp") else None
    return Line(points, tips[0] if tips else points[-1], label)
