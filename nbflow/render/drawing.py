"""What a picture shows, before any format: nodes, edges and nested boxes, in start order.

A `Drawing` holds no states. It is built once, and `nbflow.render.status_marks` says again and again how it looks now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.core.task import Task

NodeKind = Literal[
    "task", "parameter", "collection", "case", "init", "setup", "cleanup", "block", "group", "child", "missing"
]
EdgeKind = Literal["data", "order", "lifecycle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One shape: mostly one task, else a folded block ("block") or tasks of one name folded ("group").

    Attributes:
        key: Stable name made of letters, digits, `_`, `.` and single `-`; elements are named after it.
        name: The text on it, whole.
        tasks: The tasks it stands for.
        mapped: It is drawn as a stack, and counts its children.
        map_index: Which child of the mapped task it is, in a drawing that shows them one by one.
    """

    key: str
    name: str
    kind: NodeKind
    tasks: tuple[Task, ...]
    mapped: bool = False
    map_index: int | None = None
    block: Block | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A line between two nodes, named by their keys; `label` is the argument that the value becomes.

    An `implied` edge (from a resource's init or setup to its cleanup, past the tasks between them) says nothing
    that its box does not say, and is left out of pictures.
    """

    key: str
    tail: str
    head: str
    label: str
    kind: EdgeKind
    mapped: bool = False
    implied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The box of a block or of a notebook cell: its nodes and the boxes within it, as one list in start order.

    Attributes:
        key: Stable name, as a node's.
        name: The text on it, whole.
        block: The block; None for a cell.
        items: What is in it.
    """

    key: str
    name: str
    block: Block | None
    items: list[Node | Cluster] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A flow's picture. `items` are the outermost nodes and boxes; `nodes` and `clusters` are all of them by key."""

    name: str
    items: tuple[Node | Cluster, ...]
    nodes: dict[str, Node]
    clusters: dict[str, Cluster]
    edges: tuple[Edge, ...]
    folded: bool = False

    @property
    def shown_edges(self) -> tuple[Edge, ...]:
        """The edges worth drawing: all that are not implied."""
        return tuple(edge for edge in self.edges if not edge.implied)
