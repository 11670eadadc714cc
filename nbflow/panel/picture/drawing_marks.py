"""Which nodes and boxes of a drawing show which tasks and blocks, and how they look now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nbflow.render.status_marks import block_mark, child_mark, status_mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbflow.core.resource import Block
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.panel.picture.task_marks import TaskMarks
    from nbflow.render.drawing import Drawing
    from nbflow.render.status_marks import Mark

Marked = dict[str, list[str]]
_SUMS = ("block", "group")


class DrawingMarks:
    """The nodes and boxes of one drawing. Folded ones sum up their tasks, whose states are counted as they change.

    Args:
        drawing: The drawing.
    """

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing
        self._alone: dict[Task, str] = {}
        self._sum_of: dict[Task, str] = {}
        self._children: dict[Task, dict[int, str]] = {}
        self._block_of: dict[str, Block | None] = {}  # of what is folded
        for key, node in drawing.nodes.items():
            if node.kind in _SUMS:
                self._sum_of.update(dict.fromkeys(node.tasks, key))
                self._block_of[key] = node.block if node.kind == "block" else None
            elif node.map_index is not None:
                self._children.setdefault(node.tasks[0], {})[node.map_index] = key
            else:
                self._alone.update(dict.fromkeys(node.tasks, key))
        self._boxes = {box.block: key for key, box in drawing.clusters.items() if box.block is not None}
        self._folded = {block: key for key, block in self._block_of.items() if block is not None}
        self.forget()

    def forget(self) -> None:
        """Begin to count again, for another run."""
        self._counts: dict[str, Counter[type]] = {key: Counter() for key in self._block_of}
        self._counted: dict[Task, type] = {}

    def places(self, rows: Mapping[Task, str]) -> dict[str, str]:
        """Return the key of the node that shows a row, for each row that has no node of its own."""
        places: dict[str, str] = {}
        for task, row in rows.items():
            place = self._sum_of.get(task)
            if place is None and task in self._children:
                place = next(iter(self._children[task].values()))
            if place is not None:
                places[row] = place
        return places

    def children_of(self, task: Task) -> int | None:
        """Return of how many children a mapped task is drawn; None if something folded hides it."""
        return None if task in self._sum_of else len(self._children.get(task, ()))

    def tasks(self) -> list[Task]:
        """Return all tasks that it shows."""
        return [*self._alone, *self._sum_of, *self._children]

    def blocks(self) -> list[Block]:
        """Return all blocks that it shows."""
        return [*self._boxes, *self._folded]

    def patch(
        self,
        changed: Mapping[Task, tuple[Mark, Sequence[int] | None]],
        blocks: Iterable[Block],
        task_marks: TaskMarks,
        states: Mapping[Task, State],
        statuses: Mapping[Block, str],
    ) -> tuple[Marked, Marked]:
        """Return how the nodes and boxes look now that show something that changed.

        Args:
            changed: The tasks that changed, with how they look and which of their children changed (None: all).
            blocks: The blocks whose status changed.
            task_marks: How tasks look.
            states: The states of the tasks.
            statuses: The statuses of all blocks.
        """
        nodes: Marked = {}
        sums: set[str] = set()
        for task, (mark, indexes) in changed.items():
            if (key := self._alone.get(task)) is not None:
                nodes[key] = list(mark)
            elif (key := self._sum_of.get(task)) is not None:
                self._count(key, task, task_marks.counted_as(task, states.get(task)))
                sums.add(key)
            elif task in self._children:
                nodes.update(self._paint_children(task, states.get(task), indexes))
        clusters: Marked = {}
        for block in blocks:
            if (key := self._boxes.get(block)) is not None:
                clusters[key] = list(status_mark(statuses.get(block, "closed")))
            elif (key := self._folded.get(block)) is not None:
                sums.add(key)
        for key in sums:
            around = self._block_of[key]
            nodes[key] = list(block_mark(self._counts[key], statuses.get(around) if around else None))
        return nodes, clusters

    def _count(self, key: str, task: Task, now: type) -> None:
        counts, before = self._counts[key], self._counted.get(task)
        if before is not None:
            counts[before] -= 1
        counts[now] += 1
        self._counted[task] = now

    def _paint_children(self, task: Task, state: State | None, indexes: Sequence[int] | None) -> Marked:
        keys = self._children[task]
        wanted = keys if indexes is None else [index for index in indexes if index in keys]
        return {keys[index]: list(child_mark(state, index)) for index in wanted}
