"""From a graph to a `Drawing`: which node stands for which task, and in which box it stands.

Everything here is a pure function of the graph's structure; states come later, in `nbflow.render.status_marks`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from nbflow.core.collections import label_of
from nbflow.core.control import CompareValue
from nbflow.core.operators import GetItem
from nbflow.core.parameter import Parameter
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.render.drawing import Cluster, Drawing, Edge, EdgeKind, Node, NodeKind
from nbflow.render.folding import Foldable, Folding
from nbflow.render.names import safe_key

if TYPE_CHECKING:
    from nbflow.core.edge import Edge as FlowEdge
    from nbflow.core.resource import Block
    from nbflow.core.task import Task

# Above this many nodes a drawing starts folded.
FOLD_ABOVE = 300
# So many tasks of one name, at one depth of one box, are worth folding into one node.
_GROUP_FROM = 3

Fold = Collection["Block"] | Folding | Literal["auto"] | None


class GraphLike(Protocol):
    """What a drawing needs of a graph; a flow and the compiled graph of a run both have it."""

    @property
    def name(self) -> str:
        """The flow's name."""

    @property
    def tasks(self) -> Collection[Task]:
        """The tasks; as a tuple they are in start order."""

    @property
    def edges(self) -> Iterable[FlowEdge]:
        """The edges, in any order."""

    @property
    def slugs(self) -> Mapping[Task, str]:
        """The tasks' unique names."""

    @property
    def blocks(self) -> Iterable[Block]:
        """The resource blocks, in declaration order."""


def draw(
    graph: GraphLike | Drawing,
    *,
    fold: Fold = "auto",
    children: Mapping[Task, int] | None = None,
    cells: Mapping[Task, str] | None = None,
) -> Drawing:
    """Build the drawing of `graph`; a drawing is returned as it is.

    Args:
        graph: A flow, or the compiled graph of a run.
        fold: The blocks to show as one node each, or a `Folding`, which names groups as well; `None` for none.
            `"auto"` folds above `FOLD_ABOVE` nodes: first tasks of one name at one depth, then blocks, the
            innermost first.
        children: Mapped tasks of which so many children are drawn, instead of one node with counts.
        cells: The notebook cell that made each task, to draw a box around what a cell made. What a cell added to
            another one's block has a box in that block.
    """
    if isinstance(graph, Drawing):
        return graph
    return _Builder(graph, fold, children or {}, cells or {}).drawing()


def foldable(graph: GraphLike) -> Foldable:
    """Return everything of `graph` that can be folded, and what of it a drawing folds by itself."""
    return _Builder(graph, "auto", {}, {}).foldable()


def start_order(graph: GraphLike) -> tuple[Task, ...]:
    """Return the graph's tasks in start order, or in any order if they form a cycle: a picture helps to find it."""
    if isinstance(graph.tasks, tuple):
        return graph.tasks
    try:
        ordered: tuple[Task, ...] = graph.sorted_tasks()  # type: ignore[attr-defined]
    except ValueError:
        return tuple(sorted(graph.tasks, key=lambda task: graph.slugs.get(task, task.name)))
    return ordered


class _Builder:
    def __init__(self, graph: GraphLike, fold: Fold, children: Mapping[Task, int], cells: Mapping[Task, str]) -> None:
        self.graph = graph
        self.cells = cells
        self._cell_numbers: dict[str, int] = {}
        self.children = children
        every = start_order(graph)
        known = set(every)
        self.edges = [e for e in graph.edges if e.upstream_task in known and e.downstream_task in known]
        self.whole = self._find_parts()
        self.order = tuple(task for task in every if task not in self.whole)
        rank = {task: i for i, task in enumerate(every)}
        self.edges.sort(key=lambda e: (rank[e.downstream_task], rank[e.upstream_task], e.key or ""))
        self.mapped = {e.downstream_task for e in self.edges if e.mapped}
        self.role: dict[Task, NodeKind] = {}
        self.home: dict[Task, Block] = {}
        for block in sorted(graph.blocks, key=_depth):  # an inner block claims its tasks after its outer one
            self.home.update(dict.fromkeys(block.tasks, block))
            self.role |= {block.init_task: "init", block.cleanup_task: "cleanup"}
            if block.setup_task is not None:
                self.role[block.setup_task] = "setup"
        self.folded_blocks, self.groups = self._choose(fold)

    def drawing(self) -> Drawing:
        """Place the nodes in their boxes, then draw the edges between them."""
        items: list[Node | Cluster] = []
        nodes: dict[str, Node] = {}
        clusters: dict[str, Cluster] = {}
        of_task: dict[Task, list[str]] = {}
        members: dict[str, list[Task]] = {}
        # Parameters stand before the boxes that take them, wherever they were first used.
        order = sorted(self.order, key=lambda t: not isinstance(t, Parameter) or t in self.home)
        for task in order:
            members.setdefault(self._place(task)[0], []).append(task)
        for task in order:
            key, block = self._place(task)
            if key not in nodes and f"{key}--0" not in nodes:
                box = self._cell_box(self.cells.get(task), block, items, clusters)
                for node in self._make(key, task, tuple(members[key])):
                    nodes[node.key] = node
                    box.append(node)
            count = self._expanded(key, task)
            of_task[task] = [f"{key}--{i}" for i in range(count)] if count else [key]
        of_task.update((part, of_task[whole]) for part, whole in self.whole.items())
        return Drawing(
            name=self.graph.name,
            items=tuple(items),
            nodes=nodes,
            clusters=clusters,
            edges=self._lines(of_task, nodes),
            folded=bool(self.folded_blocks or self.groups),
        )

    def foldable(self) -> Foldable:
        """Say what can be folded; `fold` says what is at the start."""
        groups: dict[Task, list[Task]] = {}
        for task, first in self._find_groups().items():
            groups.setdefault(first, []).append(task)
        blocks = {self._block_key(block): block for block in set(self.home.values())}
        start = {self._block_key(block) for block in self.folded_blocks}
        return Foldable(
            blocks=dict(sorted(blocks.items())),
            groups={self._group_key(first): tuple(tasks) for first, tasks in groups.items()},
            maps={self._key(task): task for task in self.order if task in self.mapped},
            start=frozenset(start | {self._group_key(first) for first in set(self.groups.values())}),
        )

    def _find_parts(self) -> dict[Task, Task]:
        """Return the tasks that only take one of several results from another one: they are drawn as that one."""
        return {
            edge.downstream_task: edge.upstream_task
            for edge in self.edges
            if isinstance(edge.downstream_task, GetItem)
            and edge.downstream_task.auto_generated
            and edge.key == "task_result"
        }

    def _make(self, key: str, task: Task, members: tuple[Task, ...]) -> list[Node]:
        if key.startswith("block--"):
            block = self._folded(task)
            assert block is not None
            return [Node(key=key, name=block.name, kind="block", tasks=members, block=block)]
        mapped = task in self.mapped
        if len(members) > 1:
            labels = dict.fromkeys(map(label_of, members))
            name = label_of(task) if len(labels) == 1 else task.name
            return [Node(key=key, name=name, kind="group", tasks=members, mapped=mapped)]
        kind = self._kind(task)
        home = self.home.get(task)
        if count := self._expanded(key, task):
            return [
                Node(key=f"{key}--{i}", name=label_of(task), kind="child", tasks=members, map_index=i, block=home)
                for i in range(count)
            ]
        return [Node(key=key, name=label_of(task), kind=kind, tasks=members, mapped=mapped, block=home)]

    def _kind(self, task: Task) -> NodeKind:
        if task in self.role:
            return self.role[task]
        if isinstance(task, Parameter):
            return "parameter"
        if isinstance(task, CompareValue):
            return "case"
        if isinstance(task, PlaceholderTask):
            return "missing"
        return "collection" if task.auto_generated else "task"

    def _expanded(self, key: str, task: Task) -> int:
        return 0 if key.startswith(("block--", "group--")) else self.children.get(task, 0)

    def _box(
        self, block: Block | None, items: list[Node | Cluster], clusters: dict[str, Cluster]
    ) -> list[Node | Cluster]:
        if block is None:
            return items
        key = self._block_key(block)
        if key not in clusters:
            outer = self._cell_box(self.cells.get(block.init_task), block.parent, items, clusters)
            clusters[key] = Cluster(key=key, name=block.name, block=block)
            outer.append(clusters[key])
        return clusters[key].items

    def _cell_box(
        self, cell: str | None, block: Block | None, items: list[Node | Cluster], clusters: dict[str, Cluster]
    ) -> list[Node | Cluster]:
        """Return the box of what a cell made within a block; the block's own box if the same cell opened it."""
        box = self._box(block, items, clusters)
        if cell is None or (block is not None and self.cells.get(block.init_task) == cell):
            return box
        number = self._cell_numbers.setdefault(cell, len(self._cell_numbers))
        key = f"cell--{number}" + ("" if block is None else f"--{self._key(block.init_task)}")
        if key not in clusters:
            clusters[key] = Cluster(key=key, name=cell, block=None)
            box.append(clusters[key])
        return clusters[key].items

    # Which node a task is shown as

    def _key(self, task: Task) -> str:
        return safe_key(self.graph.slugs.get(task, task.name))

    def _block_key(self, block: Block) -> str:
        return f"block--{self._key(block.init_task)}"

    def _group_key(self, first: Task) -> str:
        return f"group--{self._key(first)}"

    def _folded(self, task: Task) -> Block | None:
        """Return the outermost folded block around `task`."""
        found = None
        block = self.home.get(task)
        while block is not None:
            if block in self.folded_blocks:
                found = block
            block = block.parent
        return found

    def _place(self, task: Task) -> tuple[str, Block | None]:
        """Return the key of the node that shows `task`, and the box that the node is in."""
        if (block := self._folded(task)) is not None:
            return self._block_key(block), block.parent
        if task in self.groups:
            return self._group_key(self.groups[task]), self.home.get(task)
        return self._key(task), self.home.get(task)

    def _choose(self, fold: Fold) -> tuple[frozenset[Block], dict[Task, Task]]:
        """Decide what is folded: these blocks, and these tasks into the first of their group."""
        self.folded_blocks, self.groups = frozenset[Any](), dict[Any, Any]()
        if fold is None:
            return frozenset(), {}
        if isinstance(fold, Folding):
            blocks = frozenset(block for block in self.graph.blocks if self._block_key(block) in fold.keys)
            groups = self._find_groups() if any(key.startswith("group--") for key in fold.keys) else {}
            return blocks, {t: first for t, first in groups.items() if self._group_key(first) in fold.keys}
        if not isinstance(fold, str):
            return frozenset(fold), {}
        if len(self.order) <= FOLD_ABOVE:
            return frozenset(), {}
        groups = self._find_groups()
        folded: frozenset[Block] = frozenset()
        for depth in sorted({_depth(block) for block in self.graph.blocks} | {-1}, reverse=True):
            self.folded_blocks, self.groups = folded, groups
            if len({self._place(task)[0] for task in self.order}) <= FOLD_ABOVE:
                break
            folded |= {block for block in self.graph.blocks if _depth(block) == depth}
        return folded, groups

    def _find_groups(self) -> dict[Task, Task]:
        # By depth, so that no edge runs within a group and no circle of groups comes about.
        depth: dict[Task, int] = dict.fromkeys(self.order, 0)
        for edge in self.edges:  # sorted by downstream: every upstream depth is final
            depth[edge.downstream_task] = max(depth[edge.downstream_task], depth[edge.upstream_task] + 1)
        alike: dict[Hashable, list[Task]] = {}
        for task in self.order:
            if task not in self.role:
                boxes = (self.home.get(task), self.cells.get(task))
                sort = (*boxes, task.name, depth[task], self._kind(task), task in self.mapped)
                alike.setdefault(sort, []).append(task)
        return {t: tasks[0] for tasks in alike.values() if len(tasks) >= _GROUP_FROM for t in tasks}

    # Edges

    def _lines(self, of_task: dict[Task, list[str]], nodes: dict[str, Node]) -> tuple[Edge, ...]:
        lines: dict[str, Edge] = {}
        for edge in self.edges:
            label = edge.key or ""
            for tail, head in _pairs(edge, of_task):
                if tail == head:
                    continue
                if {nodes[tail].kind, nodes[head].kind} & {"block", "group"}:
                    label = ""  # many edges in one
                key = f"edge--{tail}--{head}" + (f"--{label}" if label else "")
                if key not in lines:
                    kind = self._edge_kind(edge)
                    lines[key] = Edge(
                        key=key,
                        tail=tail,
                        head=head,
                        label=label,
                        kind=kind,
                        mapped=bool(edge.mapped),
                        implied=kind == "lifecycle" and self._implied(edge),
                    )
        return tuple(lines.values())

    def _implied(self, edge: FlowEdge) -> bool:
        block = self.home.get(edge.downstream_task)
        if block is None or edge.downstream_task is not block.cleanup_task:
            return False
        if edge.upstream_task is block.init_task:
            return block.setup_task is not None or bool(block.members)
        return edge.upstream_task is block.setup_task and bool(block.members)

    def _edge_kind(self, edge: FlowEdge) -> EdgeKind:
        tail, head = self.role.get(edge.upstream_task), self.role.get(edge.downstream_task)
        ends_block = head == "cleanup" or (head == "setup" and tail == "init")
        if ends_block or (tail == "setup" and edge.key is None):
            return "lifecycle"
        return "order" if edge.key is None else "data"


def _pairs(edge: FlowEdge, of_task: dict[Task, list[str]]) -> list[tuple[str, str]]:
    tails, heads = of_task[edge.upstream_task], of_task[edge.downstream_task]
    if edge.mapped and not edge.flattened and len(tails) > 1 and len(heads) > 1:
        return list(zip(tails, heads, strict=False))  # children pair by index
    return [(tail, head) for tail in tails for head in heads]


def _depth(block: Block) -> int:
    depth, outer = 0, block.parent
    while outer is not None:
        depth, outer = depth + 1, outer.parent
    return depth
