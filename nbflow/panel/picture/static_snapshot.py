"""What a panel shows of a run, as plain data: a `Picture` once, then patches with what changed.

Nothing here knows widgets or threads. States are read from the run when a patch is made, so a patch always tells
the latest state of each task it names. A task's value never gets in; its message does, cut to one line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbflow.core.counted_tasks import is_counted
from nbflow.core.states import Cancelled, Failed, Mapped, Paused, Retrying, Skipped, State
from nbflow.engine.task_notes import changed_since, note_of, notes_of, notes_of_flow, stale_tasks
from nbflow.engine.time_spans import HOLD
from nbflow.panel.part import RUN
from nbflow.panel.picture.header import Header
from nbflow.panel.picture.resource_intervals import ResourceIntervals
from nbflow.panel.picture.task_marks import TaskMarks
from nbflow.panel.picture.work_parts import row_parts
from nbflow.panel.picture.worker_bars import WorkerBars
from nbflow.render.build import draw
from nbflow.render.cache_key import cache_key
from nbflow.render.failures import first_failure
from nbflow.render.held_words import held_failure
from nbflow.render.names import one_line
from nbflow.render.status_marks import brief, with_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.panel.picture.drawing_marks import DrawingMarks
    from nbflow.render.build import GraphLike
    from nbflow.render.drawing import Node
    from nbflow.render.status_marks import Mark

# State, line, start and seconds (None if it has not run), whether it goes on (0 or 1), note; and where a task worked
# less than from its start to its end, or is a map, its parts: see `work_parts`.
Row = list[Any]
_FEW = 60  # tasks that change within one patch
# The children of a mapped task that changed; None: whatever there is.
Changed = dict["Task", list[int] | None]

Timings = Mapping["Task", tuple[float, float | None]]

_NEVER = (None, None, 0)
# Their messages say more than their words do.
_NOTED = (Failed, Retrying, Paused, Cancelled, Skipped)


class Picture:
    """The rows of one graph and the nodes of its drawing, if there is one yet, and how they look in a run of it.

    One picture serves all runs of the same graph, one after the other: `snapshot` begins again.

    Args:
        graph: A flow, or the compiled graph of a run.
        clock: Gives seconds since the epoch, as the run's timings do.
    """

    def __init__(self, graph: GraphLike, *, clock: Callable[[], float] = time.time) -> None:
        self.graph = cache_key(graph)
        self.shown: DrawingMarks | None = None
        whole = draw(self.graph, fold=None)
        # The others take no time and cannot be stepped to: the graph shows them, table and counts leave them out.
        self._nodes = {n.tasks[0]: n for n in whole.nodes.values() if is_counted(n.tasks[0])}
        self.rows = {task: node.key for task, node in self._nodes.items()}
        self._tasks = {key: task for task, key in self.rows.items()}
        self._blocks = {key: c.block for key, c in whole.clusters.items() if c.block is not None}
        self._box_of = {block: key for key, block in self._blocks.items()}
        self._clock = clock
        self._statuses: Mapping[Block, str] = {}
        self._begin()

    def shows(self, graph: GraphLike) -> bool:
        """Tell whether it is the picture of `graph` as well."""
        return cache_key(graph) == self.graph

    def task(self, key: str) -> Task | None:
        """Return the task of a row by its key."""
        return self._tasks.get(key)

    def block(self, key: str) -> Block | None:
        """Return the block of a box by its key."""
        return self._blocks.get(key)

    def names(self) -> Json:
        """Describe what does not change in a run: the rows, in start order, and the boxes around them."""
        boxes = [
            {"key": key, "name": one_line(block.name, 60), "depth": block.depth, "home": self._home(block.parent)}
            for key, block in self._blocks.items()
        ]
        return {"rows": [self._name(node) for node in self._nodes.values()], "boxes": boxes}

    def _name(self, node: Node) -> Json:
        return {
            "key": node.key,
            "name": one_line(node.name, 120),
            "kind": node.kind,
            "box": one_line(node.block.name, 60) if node.block is not None else "",
            "home": self._home(node.block),
            "depth": 0 if node.block is None else node.block.depth + 1,
            "mapped": node.mapped,
        }

    def _home(self, block: Block | None) -> str:
        return "" if block is None else self._box_of.get(block, "")

    def snapshot(self, run: Run | None) -> Json:
        """Describe how everything looks now; without a run, how it looks before the first."""
        self._begin()
        whole = self.patch(run, self.everything())
        whole |= self.times()
        return whole

    def times(self) -> Json:
        """Return all that the timeline shows besides the rows, as of the last patch."""
        return {"spans": self.spans.all(), "bars": self.bars.all()}

    def show(self, shown: DrawingMarks, run: Run | None) -> Json:
        """Show another drawing from now on, and return how all of it looks: its `nodes` and `clusters`."""
        self.shown = shown
        nodes, clusters = self._paint(run, dict.fromkeys(shown.tasks()), shown.blocks())
        return {"nodes": nodes, "clusters": clusters}

    def everything(self) -> list[Task | Block]:
        """Return the keys of all there is to show."""
        return [*self.graph.tasks, *self._box_of]

    def patch(self, run: Run | None, changed: Iterable[Any]) -> Json:
        """Describe how the tasks and blocks in `changed` look now; whatever else it holds is passed over.

        A pair of a task and a number is a child of a mapped task.
        """
        keys = list(changed)
        tasks, blocks = _sorted(keys, self._box_of)
        if self._held and RUN in keys:  # a hold ends with the run's pause, and the task stays as it is
            tasks.update((task, None) for task in self._held if task not in tasks)
        if run is not None and blocks:
            self._statuses = {block: str(status.value) for block, status in run.block_status.items()}
            self._header.note_blocks(run, self._statuses)
        rows: dict[str, Row] = {}
        nodes, clusters = self._paint(run, tasks, blocks, rows)
        return {
            "head": {**self._header.tell(run), "failure": self._failure(run)},
            "nodes": nodes,
            "clusters": clusters,
            "rows": rows,
            "spans": self.spans.news(run),
            "bars": self.bars.news(run),
        }

    def _begin(self) -> None:
        self._stale: dict[Task, str] = {}
        self._notes: dict[Task, str] = {}
        self.spans = ResourceIntervals(self._box_of)
        self.bars = WorkerBars(self.rows)
        self._held: set[Task] = set()
        self._task_marks = TaskMarks()
        self._header = Header(self.graph.name, len(self.rows), self._clock)
        self._statuses = {}
        if self.shown is not None:
            self.shown.forget()

    def look_for_changes(self, flow: Any, run: Run | None) -> list[Task] | None:
        """Look what is stale by now, edited, pinned or has a breakpoint; return what is to be patched, None if nothing.

        Args:
            flow: The flow as it is now.
            run: The run that is shown, if any.
        """
        if run is None:
            before, self._notes = self._notes, notes_of_flow(flow)
            return [task for task in {**before, **self._notes} if before.get(task) != self._notes.get(task)] or None
        newest = flow.runs[-1] if flow.runs else None
        stale = stale_tasks(flow) if newest is run else {}
        by_slug = {flow.slugs[task]: f"△ stale, {why}" for task, why in stale.items()}
        self._stale = {task: by_slug[slug] for task, slug in run.graph.slugs.items() if slug in by_slug}
        before, self._notes = self._notes, {**notes_of(run), **self._stale}
        said = self._header.changed
        self._header.changed = changed_since(flow, stale)
        found = [task for task in {**before, **self._notes} if before.get(task) != self._notes.get(task)]
        return found if found or said != self._header.changed else None

    def _paint(
        self, run: Run | None, tasks: Changed, blocks: list[Block], rows: dict[str, Row] | None = None
    ) -> tuple[Json, Json]:
        """Return the marks of nodes and boxes, and fill `rows` if given."""
        states: Mapping[Task, State] = run.states if run is not None else {}
        marks: dict[Task, tuple[Mark, list[int] | None]] = {}
        timings: Timings = run.timings if run is not None else {}
        # The parts of a task's time are read from all that it went through: not where many change at once, again and
        # again. Of a failed one, which may be held, they always are.
        is_calm = len(tasks) <= _FEW or (run is not None and run.is_finished)
        began, now = (run.timings.started_at if run is not None else None), self._clock()
        for task, children in tasks.items():
            state = states.get(task)
            mark = self._task_marks.mark(task, state, children)
            known = self._notes.get(task, "")
            if run is not None:
                known = note_of(run, task) if task in run.graph.index else ""
            known = " · ".join(filter(None, (known, self._stale.get(task, ""))))
            marks[task] = (with_note(mark, brief(known)), children)
            if rows is not None and (key := self.rows.get(task)) is not None:
                self._header.count(task, mark.name, self._task_marks.counts_of(task, state))
                note = self._note(task, state) if isinstance(state, (Mapped, _NOTED)) else ""
                note = " · ".join(filter(None, (known, note)))
                rows[key] = [*mark, *_times(state, timings.get(task), began, now), note]
                if run is not None and rows[key][2] is not None and (is_calm or isinstance(state, (Mapped, Failed))):
                    self._add_parts(rows[key], run, task)
        if self.shown is None:
            return {}, {}
        return self.shown.patch(marks, blocks, self._task_marks, states, self._statuses)

    def _add_parts(self, row: Row, run: Run, task: Task) -> None:
        parts = row_parts(run, task)
        if parts is not None:
            row.append(parts)
        if parts is not None and HOLD in parts:
            self._held.add(task)
        else:
            self._held.discard(task)

    def _failure(self, run: Run | None) -> list[Any] | None:
        """Return the row and child at whose failure a run is held, or that failed first in one that has failed."""
        held = None if run is None else held_failure(run)
        if held is not None and held[0] in self.rows:
            return [self.rows[held[0]], held[1]]
        if run is None or not run.is_finished or not run.state.is_failed():
            return None
        found = first_failure(run.states, self.rows)
        return None if found is None else [self.rows[found[0]], found[1]]

    def _note(self, task: Task, state: State) -> str:
        """Return a state's message; of a map, that of the first failed child."""
        if not isinstance(state, Mapped):
            return one_line(state.message or "", 200)
        index = self._task_marks.first_failed(task)
        if index is None:
            return ""
        return one_line(f"[{index}] {state.map_states[index].message or ''}", 200)


def _times(
    state: State | None, timing: tuple[float, float | None] | None, began: float | None, now: float
) -> tuple[Any, Any, int]:
    """Return when a task began, how long it has taken, and whether it goes on; to the thousandth of a second."""
    if state is None or timing is None or timing[0] == timing[1]:  # what never ran began and ended at once
        return _NEVER
    start, end = timing
    if end is not None and not state.is_finished():
        end = None  # it is that of an attempt
    # `round` would take longer than all the rest.
    seconds = ((now if end is None else end) - start) * 1000 // 1 / 1000
    return (start - (began or start)) * 1000 // 1 / 1000, seconds, int(end is None)


def _sorted(changed: Iterable[Any], known: Mapping[Block, str]) -> tuple[Changed, list[Block]]:
    """Tell tasks from blocks, and collect the children of mapped tasks."""
    tasks: Changed = {}
    blocks: list[Block] = []
    for key in changed:
        if type(key) is tuple:
            task, index = key
            indexes = tasks.setdefault(task, [])
            if indexes is not None:
                indexes.append(index)
        elif key in known:
            blocks.append(key)
        else:
            tasks[key] = None
    return tasks, blocks
