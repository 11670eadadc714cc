"""How the nodes and boxes of a drawing look right now: a state's name, the line of text, and counts.

This is the only part that sees states. A live view keeps its drawing and calls `marks` for every update.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.counted_tasks import is_counted
from nbflow.core.state_traits import NOT_RUN, STATE_TRAITS
from nbflow.core.states import Cancelled, Failed, Finished, Mapped, Pending, Running, Skipped, State, Success
from nbflow.render.palette import BLOCKS, MISSING, MISSING_LOOK, state_look

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.render.drawing import Drawing, Node

States = Mapping["Task", "State"]
BlockStatuses = Mapping["Block", str]
Notes = Mapping["Task", str]
# How many states there are of each class; `NoneType` counts those of which nothing is known.
Counts = Mapping[type, int]


class Mark(NamedTuple):
    """`name` is the state or block status (the end of the CSS class), `line` what stands under the name."""

    name: str
    line: str


class Marks(NamedTuple):
    """The marks of a drawing's nodes and clusters, by key."""

    nodes: dict[str, Mark]
    clusters: dict[str, Mark]


def marks(
    drawing: Drawing, states: States, block_status: BlockStatuses | None = None, notes: Notes | None = None
) -> Marks:
    """Say how every node and box looks. Tasks without a state are not run, blocks without a status closed.

    Args:
        drawing: The drawing.
        states: The tasks' states.
        block_status: What the blocks' resources are doing.
        notes: What is to be known beside the state of a task that a node stands for alone.
    """
    status = block_status or {}
    nodes = {key: _node_mark(node, states, status) for key, node in drawing.nodes.items()}
    if notes:
        nodes = {key: with_note(mark, brief(note_on(drawing.nodes[key], notes))) for key, mark in nodes.items()}
    clusters = {
        key: Mark("cell", "") if box.block is None else status_mark(status.get(box.block, "closed"))
        for key, box in drawing.clusters.items()
    }
    return Marks(nodes, clusters)


def note_on(node: Node, notes: Notes) -> str:
    """Return what is to be known of the task that a node stands for alone."""
    return notes.get(node.tasks[0], "") if len(node.tasks) == 1 and node.map_index is None else ""


def brief(note: str) -> str:
    """Return a note as it fits into a node."""
    return note.partition(",")[0].replace("● breakpoint after", "● after").replace("● breakpoint", "● before")


def with_note(mark: Mark, note: str) -> Mark:
    """Return the mark with a note behind the state."""
    return Mark(mark.name, f"{mark.line} · {note}") if note else mark


def state_name(state: State | None) -> str:
    """Return the class name of a state, `NotRun` for none."""
    return NOT_RUN if state is None else type(state).__name__


def count_line(states: Iterable[State | None]) -> str:
    """Count finished states among all, and the failed ones: `37/100, 2 failed`."""
    return line_of(count(states))


def count(states: Iterable[State | None]) -> Counter[type]:
    """Count states by class."""
    return Counter(map(type, states))


def summary(states: States) -> str:
    """Count tasks by state, most important first: `1 failed, 3 success`; the children of a mapped task count each."""
    counts: Counter[str] = Counter()
    for task, state in states.items():
        if is_counted(task):
            each = (state.map_states if isinstance(state, Mapped) else None) or [state]
            counts.update("Success" if isinstance(one, Mapped) else mark_of_state(one).name for one in each)
    urgency = list(STATE_TRAITS)
    ordered = sorted(counts, key=lambda name: (urgency.index(name) if name in urgency else len(urgency), name))
    return ", ".join(f"{counts[name]} {state_look(name).word.lower()}" for name in ordered)


def mark_of(state_class: type) -> Mark:
    """Return the mark of every state of a class; that of `NoneType` is of a task without a state."""
    return _known(state_class).mark


def mark_of_state(state: State | None) -> Mark:
    """Return the mark of a task's state; of a mapped task, what its children come to."""
    if isinstance(state, Mapped):
        return mark_of_many(count(state.map_states or ()), whole="Mapped")
    return mark_of(type(state))


def mark_of_many(counts: Counts, whole: str = "Success") -> Mark:
    """Sum up several states in one: what is wrong or going on shows first.

    Args:
        counts: How many there are of each class.
        whole: The name of all of them together if they ended well.
    """
    name = _sum_up(counts, whole)
    return Mark(name, f"{state_look(name).icon} {line_of(counts)}")


def class_of_many(counts: Counts) -> type:
    """Return the class that the children of a mapped task count as where they count as one."""
    return _CLASSES[_sum_up(counts, "Mapped")]


def line_of(counts: Counts) -> str:
    """Write how many are finished, and how many of them failed."""
    total = finished = failed = 0
    for state_class, n in counts.items():
        known = _known(state_class)
        total += n
        finished += n * known.is_finished
        failed += n * known.is_failed
    return f"{finished}/{total}" + (f", {failed} failed" if failed else "")


def status_mark(status: object) -> Mark:
    """Return the mark of a block's status, a text or a member of an enumeration."""
    name = str(getattr(status, "value", status))
    return Mark(name, BLOCKS[name].label if name in BLOCKS else name)


def block_mark(counts: Counts, status: object | None) -> Mark:
    """Return the mark of a folded block: of its tasks, and of its resource if there is a status."""
    mark = mark_of_many(counts)
    if status is None:
        return mark
    name = status_mark(status).name
    line = f"{BLOCKS[name].label} · " if name in BLOCKS else ""
    return Mark(mark.name, line + line_of(counts))


def counted_as(state: State | None) -> type:
    """Return the class that a task's state counts as among others: of a mapped task, what its children come to."""
    return class_of_many(count(state.map_states or ())) if isinstance(state, Mapped) else type(state)


class _Known(NamedTuple):
    """What is asked of a state's class again and again."""

    mark: Mark
    is_finished: bool
    is_failed: bool
    is_well: bool
    is_skipped: bool
    is_running: bool


@lru_cache(maxsize=256)
def _known(state_class: type) -> _Known:
    name = NOT_RUN if state_class is NoneType else state_class.__name__
    return _Known(
        mark=Mark(name, state_look(name).label),
        is_finished=issubclass(state_class, Finished),
        is_failed=issubclass(state_class, Failed),
        is_well=issubclass(state_class, Success),
        is_skipped=issubclass(state_class, Skipped),
        is_running=issubclass(state_class, Running),
    )


_CLASSES: Mapping[str, type] = {
    NOT_RUN: NoneType,
    **{sort.__name__: sort for sort in (Pending, Running, Failed, Skipped, Mapped, Cancelled)},
}


def _sum_up(counts: Counts, whole: str) -> str:
    there = [(_known(state_class), n) for state_class, n in counts.items() if n]
    total = sum(n for _, n in there)
    finished = sum(n for known, n in there if known.is_finished)
    if total and total == counts.get(NoneType, 0):
        return NOT_RUN
    if finished < total:
        return "Running" if finished or any(known.is_running for known, _ in there) else "Pending"
    if any(known.is_failed for known, _ in there):
        return "Failed"
    if there and all(known.is_skipped for known, _ in there):
        return "Skipped"
    return whole if all(known.is_well for known, _ in there) else "Cancelled"


def _node_mark(node: Node, states: States, status: BlockStatuses) -> Mark:
    if node.kind == "missing":
        return MISSING_MARK
    state = states.get(node.tasks[0])
    if node.map_index is not None:
        return child_mark(state, node.map_index)
    if node.kind in ("block", "group"):
        counts = Counter(counted_as(states.get(task)) for task in node.tasks)
        return block_mark(counts, None if node.block is None else status.get(node.block))
    return mark_of_state(state)


def child_mark(parent: State | None, index: int) -> Mark:
    """Return the mark of one child of a mapped task; before there are children, that of the task."""
    children = (parent.map_states or ()) if isinstance(parent, Mapped) else ()
    return mark_of(type(children[index] if index < len(children) else parent))


MISSING_MARK = Mark(MISSING, MISSING_LOOK.label)
