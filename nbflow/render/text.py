"""The drawing as plain text: in start order, blocks indented, every state an icon and a word. Needs no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.states import Mapped
from nbflow.render.build import Fold, GraphLike, draw
from nbflow.render.drawing import Cluster, Drawing, Node
from nbflow.render.names import one_line, shorten
from nbflow.render.status_marks import BlockStatuses, Marks, Notes, States, marks

if TYPE_CHECKING:
    from collections.abc import Iterator

_INDENT = "  "
_SAYS_NOTHING = {"Task run succeeded.", "Task not run."}  # what the states' own words say already


def text(
    graph: GraphLike | Drawing,
    states: States | None = None,
    block_status: BlockStatuses | None = None,
    *,
    fold: Fold = "auto",
    notes: Notes | None = None,
) -> str:
    """List the tasks in start order, each with its state and what it takes from which task.

    Without `states` only the structure is listed. `notes` say what is to be known of tasks beside that.
    """
    drawing = draw(graph, fold=fold)
    shown = marks(drawing, states or {}, block_status, notes)
    takes = _inputs(drawing)
    rows = list(_rows(drawing.items, shown, takes, 1, states is not None, block_status is not None))
    name_width = max((len(name) for name, _, _ in rows), default=0)
    state_width = max((len(state) for _, state, _ in rows), default=0)
    lines = [one_line(drawing.name)]
    lines += [f"{n:<{name_width}}  {s:<{state_width}}  {i}".rstrip() for n, s, i in rows]
    missing = [task for node in drawing.nodes.values() if node.kind == "missing" for task in node.tasks]
    if notes and states is None:
        lines += [f"{one_line(task.name, 60)}: {one_line(said, 300)}" for task, said in notes.items()]
    lines += [f"? {error}" for task in missing for error in getattr(task, "errors", ())]
    return "\n".join(lines)


def table(
    graph: GraphLike | Drawing, states: States | None = None, *, fold: Fold = None, notes: Notes | None = None
) -> str:
    """Return a plain table of the tasks: name, block, state and, if any state has more to say, its message."""
    drawing = draw(graph, fold=fold)
    shown = marks(drawing, states or {}, None, notes)
    rows = [("task", "block", "state", "message")]
    rows += [
        (_name(node), box, shown.nodes[node.key].line, message(node, states))
        for node, box in nodes_with_blocks(drawing)
    ]
    if not any(row[3] for row in rows[1:]):
        rows = [(*row[:3], "") for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2], "-" * len(rows[0][3])))
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    )


def nodes_with_blocks(drawing: Drawing) -> Iterator[tuple[Node, str]]:
    """Yield every node, in the order of the listing, with the names of the blocks around it."""

    def walk(items: tuple[Node | Cluster, ...] | list[Node | Cluster], box: str) -> Iterator[tuple[Node, str]]:
        for item in items:
            if isinstance(item, Cluster):
                name = one_line(item.name, 40)
                yield from walk(item.items, f"{box} / {name}" if box else name)
            else:
                yield item, box

    return walk(drawing.items, "")


def message(node: Node, states: States | None) -> str:
    """Return the message of a single task's state, if it says more than the state itself."""
    state = (states or {}).get(node.tasks[0]) if len(node.tasks) == 1 else None
    if state is None or state.message in _SAYS_NOTHING or isinstance(state, Mapped):  # whose counts say it
        return ""
    return one_line(state.message or "", 100)


def _inputs(drawing: Drawing) -> dict[str, str]:
    takes: dict[str, list[str]] = {}
    for edge in drawing.edges:
        if edge.kind != "lifecycle":
            name = shorten(one_line(drawing.nodes[edge.tail].name), 40)
            source = f"each of {name}" if edge.mapped else name
            takes.setdefault(edge.head, []).append(f"{edge.label}={source}" if edge.label else source)
    return {head: "← " + ", ".join(names) for head, names in takes.items()}


def _rows(
    items: tuple[Node | Cluster, ...] | list[Node | Cluster],
    shown: Marks,
    takes: dict[str, str],
    depth: int,
    with_states: bool,
    with_status: bool,
) -> Iterator[tuple[str, str, str]]:
    for item in items:
        if isinstance(item, Cluster):
            status = shown.clusters[item.key].line if with_status or with_states else ""
            yield f"{_INDENT * depth}[{one_line(item.name, 60)}]", status, ""
            yield from _rows(item.items, shown, takes, depth + 1, with_states, with_status)
        else:
            state = shown.nodes[item.key].line if with_states else ""
            yield f"{_INDENT * depth}{_name(item)}", state, takes.get(item.key, "")


def _name(node: Node) -> str:
    name = one_line(node.name, 60)
    if node.kind == "missing":
        return f"{name} (missing)"
    if node.kind == "block":
        return f"[{name}] ({len(node.tasks)} tasks)"
    if node.kind == "group":
        return f"{name} ({len(node.tasks)} tasks)"
    if node.map_index is not None:
        return f"{name}[{node.map_index}]"
    return f"{name} <map>" if node.mapped else name
