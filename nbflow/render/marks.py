"""How the nodes and boxes of a drawing look right now: a state's name, the line of text, and counts.

This is the only part that sees states. A live view keeps its drawing and calls `marks` for every update.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.states import Mapped
from nbflow.render.palette import BLOCKS, MISSING, MISSING_LOOK, NOT_RUN, state_look

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.render.drawing import Drawing, Node

States = Mapping["Task", "State"]
BlockStatuses = Mapping["Block", str]


class Mark(NamedTuple):
    """`name` is the state or block status (the end of the CSS class), `line` what stands under the name."""

    name: str
    line: str


class Marks(NamedTuple):
    """The marks of a drawing's nodes and clusters, by key."""

    nodes: dict[str, Mark]
    clusters: dict[str, Mark]


def marks(drawing: Drawing, states: States, block_status: BlockStatuses | None = None) -> Marks:
    """Say how every node and box looks. Tasks without a state are not run, blocks without a status closed."""
    status = block_status or {}
    nodes = {key: _node_mark(node, states, status) for key, node in drawing.nodes.items()}
    clusters = {}
    for key, cluster in drawing.clusters.items():
        if cluster.block is None:
            clusters[key] = Mark("cell", "")
            continue
        name = _status(status.get(cluster.block, "closed"))
        clusters[key] = Mark(name, BLOCKS[name].label if name in BLOCKS else name)
    return Marks(nodes, clusters)


def state_name(state: State | None) -> str:
    """Return the class name of a state, `NotRun` for none."""
    return NOT_RUN if state is None else type(state).__name__


def count_line(states: Iterable[State | None]) -> str:
    """Count finished states among all, and the failed ones: `37/100, 2 failed`."""
    every = list(states)
    done = sum(1 for state in every if state is not None and state.is_finished())
    failed = sum(1 for state in every if state is not None and state.is_failed())
    return f"{done}/{len(every)}" + (f", {failed} failed" if failed else "")


def summary(states: States) -> str:
    """Count tasks by state, most important first: `1 failed, 3 success`. A mapped task counts as one."""
    counts: Counter[str] = Counter()
    for state in states.values():
        name = _one(state).name
        counts["Success" if name == "Mapped" else name] += 1
    urgent = ("Failed", "Running", "Paused")
    ordered = sorted(counts, key=lambda name: (urgent.index(name) if name in urgent else len(urgent), name))
    return ", ".join(f"{counts[name]} {state_look(name).word.lower()}" for name in ordered)


def _node_mark(node: Node, states: States, status: BlockStatuses) -> Mark:
    if node.kind == "missing":
        return Mark(MISSING, MISSING_LOOK.label)
    if node.map_index is not None:
        parent = states.get(node.tasks[0])
        children = list(parent.map_states or ()) if isinstance(parent, Mapped) else []
        return _mark(children[node.map_index] if node.map_index < len(children) else parent)
    if node.kind in ("block", "group"):
        mark = _many([states.get(task) for task in node.tasks])
        if node.block is not None and node.block in status:
            name = _status(status[node.block])
            line = f"{BLOCKS[name].label} · " if name in BLOCKS else ""
            return Mark(mark.name, line + count_line(states.get(task) for task in node.tasks))
        return mark
    return _one(states.get(node.tasks[0]))


def _one(state: State | None) -> Mark:
    if isinstance(state, Mapped):
        return _many(list(state.map_states or ()), whole="Mapped")
    return _mark(state)


def _mark(state: State | None) -> Mark:
    name = state_name(state)
    return Mark(name, state_look(name).label)


def _many(states: list[State | None], whole: str = "Success") -> Mark:
    """Sum up several states in one: what is wrong or going on shows first."""
    finished = [state for state in states if state is not None and state.is_finished()]
    if all(state is None for state in states) and states:
        name = NOT_RUN
    elif len(finished) < len(states):
        going = any(state is not None and state.is_running() for state in states)
        name = "Running" if going or finished else "Pending"
    elif any(state.is_failed() for state in finished):
        name = "Failed"
    elif finished and all(state.is_skipped() for state in finished):
        name = "Skipped"
    else:
        name = whole if all(state.is_successful() for state in finished) else "Cancelled"
    return Mark(name, f"{state_look(name).icon} {count_line(states)}")


def _status(status: object) -> str:
    return str(getattr(status, "value", status))
