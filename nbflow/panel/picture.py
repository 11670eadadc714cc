"""What a panel shows of a run, as plain data: a `Picture` once, then patches with what changed.

Nothing here knows widgets or threads. States are read from the run when a patch is made, so a patch always tells
the latest state of each task it names. A task's value never gets in; its message does, cut to one line.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Cancelled, Mapped, Paused, Retrying, Skipped, State
from nbflow.panel.spans import Spans
from nbflow.render.build import draw
from nbflow.render.marks import marks
from nbflow.render.names import one_line
from nbflow.render.palette import BLOCKS, state_look

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.handle import Run
    from nbflow.render.build import GraphLike
    from nbflow.render.drawing import Cluster, Drawing, Node

Json = dict[str, Any]
Row = list[Any]  # state, line, start and seconds (None if it has not run), whether it goes on (0 or 1), note

# They take no time and cannot be stepped to: the graph shows them, the table and the counts leave them out.
_SILENT = frozenset({"parameter", "collection"})
# What the progress bar is made of, in this order; every other state counts as pending.
_SEGMENTS = {
    "Failed": "Failed",
    "TimedOut": "Failed",
    "TriggerFailed": "TriggerFailed",
    "ValidationFailed": "Failed",
    "Cancelled": "Cancelled",
    "Success": "Success",
    "Cached": "Success",
    "Mapped": "Success",
    "Skipped": "Skipped",
    "Running": "Running",
    "Paused": "Paused",
    "Retrying": "Retrying",
    "Pending": "Pending",
}
_DONE = frozenset({"Failed", "TriggerFailed", "Cancelled", "Success", "Skipped"})


class Picture:
    """The drawing of one graph, its rows, and how they look in a run of it.

    Args:
        graph: A flow, or the frozen graph of a run.
        clock: Gives seconds since the epoch, as the run's timings do.
    """

    def __init__(self, graph: GraphLike, *, clock: Any = time.time) -> None:
        self.name = graph.name
        self.drawing: Drawing = draw(graph)
        whole = draw(graph, fold=None) if self.drawing.folded else self.drawing
        self._rows = {n.tasks[0]: n for n in whole.nodes.values() if n.kind not in _SILENT}
        self._shown: dict[Task, list[Node]] = {}
        for node in self.drawing.nodes.values():
            for task in node.tasks:
                self._shown.setdefault(task, []).append(node)
        self._tasks = {node.key: task for task, node in self._rows.items()}
        self._blocks = {key: c.block for key, c in whole.clusters.items() if c.block is not None}
        self._box_of = {block: key for key, block in self._blocks.items()}
        self.spans = Spans(self._box_of)
        self._boxes = {c.block: c for c in self.drawing.clusters.values() if c.block is not None}
        self._state_of: dict[Task, str] = {}
        self._counts: Counter[str] = Counter()
        self._clock = clock

    def task(self, key: str) -> Task | None:
        """Return the task of a row by its key."""
        return self._tasks.get(key)

    def block(self, key: str) -> Block | None:
        """Return the block of a box by its key."""
        return self._blocks.get(key)

    def names(self) -> Json:
        """Describe what does not change in a run: the rows, in start order, and the boxes around them."""
        boxes = [
            {
                "key": key,
                "name": one_line(block.name, 60),
                "depth": block.depth,
                "home": self._home(block.parent),
            }
            for key, block in self._blocks.items()
        ]
        return {"rows": self._row_names(), "boxes": boxes}

    def _row_names(self) -> list[Json]:
        return [
            {
                "key": node.key,
                "name": one_line(node.name, 120),
                "kind": node.kind,
                "box": one_line(node.block.name, 60) if node.block is not None else "",
                "home": self._home(node.block),
                "depth": _depth(node.block),
                "mapped": node.mapped,
            }
            for node in self._rows.values()
        ]

    def _home(self, block: Block | None) -> str:
        return "" if block is None else self._box_of.get(block, "")

    def snapshot(self, run: Run | None) -> Json:
        """Describe how everything looks now; without a run, how it looks before the first."""
        whole = self.patch(run, self.everything())
        whole["spans"] = self.spans.all()
        return whole

    def everything(self) -> list[Task | Block]:
        """Return the keys of all there is to show."""
        return [*self._shown, *self._boxes]

    def patch(self, run: Run | None, changed: Iterable[Any]) -> Json:
        """Describe how the tasks and blocks in `changed` look now; whatever else it holds is passed over."""
        nodes: dict[str, Node] = {}
        clusters: dict[str, Cluster] = {}
        rows: dict[str, Row] = {}
        for key in changed:
            if (cluster := self._boxes.get(key)) is not None:
                clusters[cluster.key] = cluster
            for node in self._shown.get(key, ()):
                nodes[node.key] = node
            if (row := self._rows.get(key)) is not None:
                rows[row.key] = self._row(row, run)
        look = marks(
            replace(self.drawing, nodes=nodes, clusters=clusters),
            run.states if run is not None else {},
            run.block_status if run is not None else {},
        )
        return {
            "head": self._head(run),
            "nodes": {key: list(mark) for key, mark in look.nodes.items()},
            "clusters": {key: list(mark) for key, mark in look.clusters.items()},
            "rows": rows,
            "spans": self.spans.news(run),
        }

    def _row(self, node: Node, run: Run | None) -> Row:
        task = node.tasks[0]
        one = replace(self.drawing, nodes={node.key: node}, clusters={})
        mark = marks(one, run.states if run is not None else {}).nodes[node.key]
        self._count(task, mark.name)
        note, began, seconds, going = "", None, None, 0
        state = run.states.get(task) if run is not None else None
        if run is not None and state is not None:
            note = _note(state)
            start, end = run.timings.get(task, (None, None))
            if start is not None and start != end:  # what never ran began and ended at once
                seconds = round((self._clock() if end is None else end) - start, 3)
                going = int(end is None)
                began = round(start - (run.started_at or start), 3)
        return [mark.name, mark.line, began, seconds, going, note]

    def _count(self, task: Task, name: str) -> None:
        before = self._state_of.get(task)
        if before is not None:
            self._counts[before] -= 1
        self._state_of[task] = segment = _SEGMENTS.get(name, "Pending")
        self._counts[segment] += 1

    def _head(self, run: Run | None) -> Json:
        counts = {
            name: self._counts[name] for name in dict.fromkeys(_SEGMENTS.values()) if self._counts[name]
        }
        head: Json = {
            "flow": one_line(self.name, 120),
            "number": None,
            "state": "NotRun",
            "line": state_look("NotRun").label,
            "note": "",
            "seconds": None,
            "going": False,
            "total": len(self._rows),
            "done": sum(counts.get(name, 0) for name in _DONE),
            "counts": [[name, state_look(name).word.lower(), n] for name, n in counts.items()],
            "open": [],
            "leaks": [],
        }
        if run is not None:
            self._tell(head, run)
        return head

    def _tell(self, head: Json, run: Run) -> None:
        name = type(run.state).__name__
        head["number"] = run.number
        head["state"], head["line"] = name, state_look(name).label
        head["note"] = one_line(run.state.message or "", 300)
        started, ended = run.started_at, run.ended_at
        if started is not None:
            head["seconds"] = round((self._clock() if ended is None else ended) - started, 3)
            head["going"] = ended is None
        head["open"] = [
            [BLOCKS[status].icon, one_line(block.name, 60), status]
            for block, status in _statuses(run)
            if status in ("opening", "open", "closing")
        ]
        head["leaks"] = [
            f"{one_line(block.name, 60)}: {one_line(repr(error), 200)}"
            for block, error in list(run.cleanup_failures.items())
        ]


def _note(state: State) -> str:
    """Return a state's message where it says more than its word does; of a map, that of the first failed child."""
    if isinstance(state, Mapped):
        for index, child in enumerate(tuple(state.map_states or ())):
            if child is not None and child.is_failed():
                return one_line(f"[{index}] {child.message or ''}", 200)
        return ""
    if state.is_failed() or isinstance(state, (Retrying, Paused, Cancelled, Skipped)):
        return one_line(state.message or "", 200)
    return ""


def _statuses(run: Run) -> list[tuple[Block, str]]:
    return [(block, str(getattr(s, "value", s))) for block, s in list(run.block_status.items())]


def _depth(block: Block | None) -> int:
    return 0 if block is None else block.depth + 1
