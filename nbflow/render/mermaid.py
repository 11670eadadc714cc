"""The drawing as a Mermaid flowchart, for Markdown cells, issues and READMEs. Needs no engine."""

from __future__ import annotations

from nbflow.render.build import Fold, GraphLike, draw
from nbflow.render.drawing import Cluster, Drawing, Edge, Node
from nbflow.render.names import one_line, shorten
from nbflow.render.palette import BLOCKS, BORDERS, Look, state_look
from nbflow.render.status_marks import BlockStatuses, Marks, States, marks

_SHAPES = {"parameter": ("([", "])"), "case": ("{", "}"), "block": ("[[", "]]"), "group": ("[[", "]]")}


def mermaid(
    graph: GraphLike | Drawing,
    states: States | None = None,
    block_status: BlockStatuses | None = None,
    *,
    horizontal: bool = False,
    fold: Fold = "auto",
) -> str:
    """Return the text of a Mermaid flowchart, coloured if `states` are given."""
    drawing = draw(graph, fold=fold)
    shown = marks(drawing, states or {}, block_status)
    lines = [f"flowchart {'LR' if horizontal else 'TD'}"]
    _items(list(drawing.items), lines, 1, shown, states is not None, block_status is not None)
    lines += [f"  {_edge(edge)}" for edge in drawing.shown_edges]
    if states is not None:
        lines += _classes({mark.name: state_look(mark.name) for mark in shown.nodes.values()}, "state")
        lines += [f"  class {_id(key)} state{mark.name}" for key, mark in shown.nodes.items()]
    if block_status is not None:
        used = {mark.name: BLOCKS[mark.name] for mark in shown.clusters.values() if mark.name in BLOCKS}
        lines += _classes(used, "block")
        lines += [f"  class {_id(k)} block{m.name}" for k, m in shown.clusters.items() if m.name in BLOCKS]
    return "\n".join(lines) + "\n"


def _items(
    items: list[Node | Cluster], lines: list[str], depth: int, shown: Marks, with_lines: bool, with_status: bool
) -> None:
    indent = "  " * depth
    for item in items:
        if isinstance(item, Cluster):
            status = f" {shown.clusters[item.key].line}" if with_status else ""
            lines.append(f'{indent}subgraph {_id(item.key)}["{_text(item.name)}{status}"]')
            _items(item.items, lines, depth + 1, shown, with_lines, with_status)
            lines.append(f"{indent}end")
        else:
            left, right = _SHAPES.get(item.kind, ("[[", "]]") if item.mapped else ("[", "]"))
            line = f"<br/>{_text(shown.nodes[item.key].line)}" if with_lines else ""
            index = f" #91;{item.map_index}#93;" if item.map_index is not None else ""
            lines.append(f'{indent}{_id(item.key)}{left}"{_text(item.name)}{index}{line}"{right}')


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.mapped or edge.kind == "lifecycle" else "-->"
    label = f'|"{_text(edge.label)}"|' if edge.label and edge.kind != "lifecycle" else ""
    return f"{_id(edge.tail)} {arrow}{label} {_id(edge.head)}"


def _classes(looks: dict[str, Look], prefix: str) -> list[str]:
    lines = []
    for name, look in looks.items():
        width, dash = BORDERS[look.border]
        dashes = "" if dash == "none" else f",stroke-dasharray:{dash}"
        colours = f"fill:{look.light.fill},stroke:{look.light.stroke},color:{look.light.text}"
        lines.append(f"  classDef {prefix}{name} {colours},stroke-width:{width:g}px{dashes}")
    return lines


def _id(key: str) -> str:
    # The prefix keeps a task named "end" or "class" from ending the chart.
    return "t_" + key.replace("_", "_u").replace(".", "_d").replace("-", "_")


def _text(value: str) -> str:
    """Write text so that Mermaid reads neither markup nor Markdown in it: everything odd by its number."""
    short = shorten(one_line(value, 2_000), 60)
    return "".join(c if c.isalnum() or c in " ,.:;-_/()" or ord(c) > 0x7F else f"#{ord(c)};" for c in short)
