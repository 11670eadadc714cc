"""The part of a drawing around some of its nodes; all that is left out stands there as counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbflow.render.drawing import Cluster, Drawing, Edge, Node

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbflow.core.task import Task

SMALL = 40  # tasks that are looked through at a glance: up to as many, a drawing shows all of them
_MOST_NEIGHBOURS = 14
_EARLIER, _LATER, _ELSEWHERE = "more--earlier", "more--later", "more--elsewhere"


def keys_of(drawing: Drawing, tasks: Iterable[Task]) -> list[str]:
    """Return the keys of the nodes that stand for tasks, those of folded ones included, each once."""
    node_of = {task: key for key, node in drawing.nodes.items() for task in node.tasks}
    return list(dict.fromkeys(node_of[task] for task in tasks if task in node_of))


def around(drawing: Drawing, keys: Collection[str]) -> Drawing:
    """Return these nodes of a drawing with those next to them, and three nodes at most that count the others."""
    chosen = set(keys) | {key for key, node in drawing.nodes.items() if node.kind == "missing"}
    near: dict[str, None] = {}
    for edge in drawing.shown_edges:
        if (edge.tail in chosen) != (edge.head in chosen):
            near[edge.head if edge.tail in chosen else edge.tail] = None
    shown = chosen | set(list(near)[:_MOST_NEIGHBOURS])
    place = _place_others(drawing, shown)
    counts = {
        key: Node(key=key, name=name, kind="group", tasks=tuple(task for node in others for task in node.tasks))
        for key, name in ((_EARLIER, "earlier"), (_LATER, "later"), (_ELSEWHERE, "elsewhere"))
        if (others := [drawing.nodes[one] for one, where in place.items() if where == key])
    }
    clusters: dict[str, Cluster] = {}
    items = _only(drawing.items, shown, clusters)
    before = [counts[_EARLIER]] if _EARLIER in counts else []
    behind = [counts[key] for key in (_LATER, _ELSEWHERE) if key in counts]
    kept = [node for key, node in drawing.nodes.items() if key in shown]
    return Drawing(
        name=drawing.name,
        items=(*before, *items, *behind),
        nodes={node.key: node for node in (*before, *kept, *behind)},
        clusters={key: clusters[key] for key in drawing.clusters if key in clusters},
        edges=_edges(drawing, shown, place),
        folded=drawing.folded,
    )


def _place_others(drawing: Drawing, shown: set[str]) -> dict[str, str]:
    """Tell of each node that is left out whether it comes before what is shown, after it, or neither."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for edge in drawing.edges:
        above.setdefault(edge.head, []).append(edge.tail)
        below.setdefault(edge.tail, []).append(edge.head)
    earlier, later = _reached(shown, above), _reached(shown, below)
    return {
        key: _EARLIER if key in earlier else _LATER if key in later else _ELSEWHERE
        for key in drawing.nodes
        if key not in shown
    }


def _reached(keys: Iterable[str], following: Mapping[str, list[str]]) -> set[str]:
    found, waiting = set(keys), list(keys)
    while waiting:
        for key in following.get(waiting.pop(), ()):
            if key not in found:
                found.add(key)
                waiting.append(key)
    return found


def _only(items: Iterable[Node | Cluster], shown: set[str], clusters: dict[str, Cluster]) -> list[Node | Cluster]:
    found: list[Node | Cluster] = []
    for item in items:
        if isinstance(item, Node):
            found += [item] if item.key in shown else []
        elif inner := _only(item.items, shown, clusters):
            clusters[item.key] = replace(item, items=inner)
            found.append(clusters[item.key])
    return found


def _edges(drawing: Drawing, shown: set[str], place: Mapping[str, str]) -> tuple[Edge, ...]:
    found: dict[str, Edge] = {}
    for edge in drawing.edges:
        ends = edge.tail in shown, edge.head in shown
        if all(ends):
            found[edge.key] = edge
        elif any(ends) and not edge.implied:
            tail, head = place.get(edge.tail, edge.tail), place.get(edge.head, edge.head)
            key = f"edge--{tail}--{head}"
            found.setdefault(key, Edge(key=key, tail=tail, head=head, label="", kind="order"))
    return tuple(found.values())
