"""What a run knows for those who go on from it: states, inputs, code as it was, durations; matched to the flow of now.

Tasks are matched by identity, else by slug: a cell that was executed again has made new ones in the place of the old.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.code_fingerprint import Reader, change, newest_root
from nbflow.core.codehash.code_snapshot import CodeSnapshot
from nbflow.core.codehash.introspect import roots_of
from nbflow.core.collections import Constant
from nbflow.core.data.safe_equality import same_contents
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.engine.events import warn_safely
from nbflow.engine.file_history import FileHistory, tie
from nbflow.engine.plan import COMPUTED
from nbflow.engine.rerun_selection import Last

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbflow.core.edge import Edge
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.file_record import FileRecord
    from nbflow.engine.record import Timings as RunTimings

Timings = dict["Task", tuple[float, float | None]]
Origin = tuple[CodeSnapshot, "Task"]
_Tie = tuple["Task | None", "str | None", bool, bool]


class CodeNotes:
    """What the code of a run's tasks was when they were called.

    Noted when the run starts and again when a person has fixed something: whatever begins after that counts as
    computed by the code of then. A function redefined between these moments counts as changed for all that began
    before the next one, also for what has used it already.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._notes = [(0.0, _memory_of(tasks))]
        self._redefined: dict[Task, CodeSnapshot] = {}
        self._inherited: dict[Task, Origin] = {}

    def note(self, redefined: Task) -> None:
        """Note what the code is now; `redefined` has just been run by it."""
        memory = _memory_of(self._tasks)
        self._notes.append((time.time(), memory))
        self._redefined[redefined] = memory

    def settle(self) -> None:
        """Note what the tasks have changed by themselves, now that the run is over."""
        for _, memory in self._notes:
            try:
                memory.settle()
            except Exception:  # noqa: BLE001 - whatever is among the user's names
                return

    def inherit(self, origins: Mapping[Task, Origin]) -> None:
        """Take over where values come from that an earlier run has computed."""
        self._inherited.update(origins)

    def origin_of(self, task: Task, began_at: float) -> Origin:
        """Return what was noted last before a task began, in seconds since the epoch, and which task it was then."""
        if task in self._redefined:
            return self._redefined[task], task
        if task in self._inherited:
            return self._inherited[task]
        if len(self._notes) == 1:
            return self._notes[0][1], task
        memory = next((memory for at, memory in reversed(self._notes) if at <= began_at), self._notes[0][1])
        return memory, task


def _memory_of(tasks: Sequence[Task]) -> CodeSnapshot:
    try:
        return CodeSnapshot(tasks)
    except Exception as error:  # noqa: BLE001 - whatever is among the user's names, the run goes on
        warn_safely(f"the code of the tasks could not be noted, changes of it will not be seen: {error!r}")
        return CodeSnapshot(())


class RunHistory:
    """A run as the tasks of a newer graph see it.

    Args:
        states, sources, timings: What the run knows of its tasks.
        code: What their code was.
        declared: The fingerprints of the constants that they were given, by task and argument.
        files: What files they opened.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        before: CompiledGraph,
        *,
        states: Mapping[Task, State],
        sources: Mapping[Task, str],
        timings: Mapping[Task, tuple[float, float | None]],
        code: CodeNotes,
        files: FileRecord,
        declared: Mapping[tuple[Task, str], str | None] | None = None,
    ) -> None:
        self._graph, self._old, self._states = graph, before, states
        self._sources, self._timings, self._code = sources, timings, code
        self._declared = declared or {}
        self._now = Reader()
        self._then: dict[int, tuple[CodeSnapshot, Reader, bool]] = {}
        self._newest: dict[int, Any] = {}  # many tasks have one function
        self.before = match(graph, before)
        self._files = FileHistory(
            [None if old is None or not files else files.of(old) for old in self.before], files.vanished
        )
        tie(graph, self._files)

    @property
    def gone(self) -> tuple[str, ...]:
        """The slugs of the tasks that are no more."""
        kept = {task for task in self.before if task is not None}
        old = self._old
        return tuple(old.slugs[task] for node, task in enumerate(old.tasks) if task not in kept and not old.free[node])

    def last(self, *, reads_code: bool = True) -> list[Last | None]:
        """Return what is known of each node of the graph, changes of code if `reads_code`; None for new ones."""
        return [
            None if old is None else self._last(node, task, old, reads_code=reads_code)
            for node, (task, old) in enumerate(zip(self._graph.tasks, self.before, strict=True))
        ]

    def _last(self, node: int, task: Task, old: Task, *, reads_code: bool) -> Last:
        state = self._states[old]
        if self._graph.role[node] == CLEANUP:
            return Last(state)
        changed = self._input_change(node, task, old) or _change_of_names(task, old) or self._files.change(node)
        code = self._code_change(task, old) if reads_code and not changed else ""
        return Last(state, changed, code, self._sources.get(old, COMPUTED), self._files.needs(node))

    # -- inputs -----------------------------------------------------------------------------------------------

    def _input_change(self, node: int, task: Task, old: Task) -> str:
        number = self._old.index[old]
        into, before = self._graph.edges_in[node], self._old.edges_in[number]
        if into != before:
            one, other = self._ties(self._old, before, None), self._ties(self._graph, into, self.before)
            if one != other:
                keys = sorted({tie[1] or "" for tie in one ^ other})
                return f"its argument {keys[-1]!r} has changed" if keys[-1] else "it comes after other tasks"
        constants, values = self._graph.constants.get(task), self._old.constants.get(old)
        if isinstance(task, Constant) and isinstance(old, Constant) and (old, "") in self._declared:
            print_then = self._declared[old, ""]
            return "" if same_contents(old.value, task.value, print_then) else "the constant has changed"
        known, given = values or {}, constants or {}
        for key in sorted(known.keys() | given.keys()):
            if (
                key not in known
                or key not in given
                or not same_contents(known[key], given[key], self._declared.get((old, key)))
            ):
                return f"its argument {key!r} has changed"
        return ""

    @staticmethod
    def _ties(graph: CompiledGraph, edges: Sequence[Edge], before: Sequence[Task | None] | None) -> set[_Tie]:
        """Return what counts of the edges into a task, with the tasks of the earlier run.

        Nothing counts of those that only tie a block's tasks to its resource, or files, and of those that only order
        a task after one whose value it takes: which of these a notebook's cells give depends on when each was executed.
        """
        ups = [(edge, graph.index[edge.upstream_task]) for edge in edges]
        taken = {graph.maker(up) for edge, up in ups if edge.key is not None}
        return {
            (graph.tasks[up] if before is None else before[up], edge.key, bool(edge.mapped), bool(edge.flattened))
            for edge, up in ups
            if edge.key is not None
            or (graph.role[up] == ORDINARY and edge not in graph.file_edges and graph.maker(up) not in taken)
        }

    # -- code -------------------------------------------------------------------------------------------------

    def _code_change(self, task: Task, old: Task) -> str:
        memory, old = self._origin(old)
        if id(memory) not in self._then:
            self._then[id(memory)] = memory, Reader(memory), memory.holds()
        _, then, holds = self._then[id(memory)]
        if holds and task is old and memory.is_root_of(task, self._newest_root(task)):
            return ""
        return change(task, then, self._now, old)

    def _newest_root(self, task: Task) -> Any:
        root = roots_of(task)[0]
        found = self._newest.get(id(root))
        if found is None:
            found = self._newest[id(root)] = newest_root(task)
        return found

    def _origin(self, old: Task) -> Origin:
        began = self._timings.get(old)
        return self._code.origin_of(old, time.time() if began is None else began[0])

    def origins(self) -> dict[Task, Origin]:
        """Return what was known of the code by which each value was computed."""
        pairs = zip(self._graph.tasks, self.before, strict=True)
        return {task: self._origin(old) for task, old in pairs if old is not None}


def _change_of_names(task: Task, old: Task) -> str:
    """Tell whether what the task of a cell returned has not the names that the cell gives by now."""
    then, now = (getattr(vars(one).get("run"), "outputs", ()) for one in (old, task))
    if then == now or not now or (min(len(then), len(now)) > 1 and set(now) <= set(then)):
        return ""
    return "it gives other names"


def match(graph: CompiledGraph, before: CompiledGraph) -> list[Task | None]:
    """Return for each node of `graph` the task that had its place in `before`."""
    found: list[Task | None] = [task if task in before.index else None for task in graph.tasks]
    missing = [node for node, task in enumerate(found) if task is None]
    if not missing:
        return found
    taken = {task for task in found if task is not None}
    by_slug = {before.slugs[task]: task for task in before.tasks if task not in taken}
    for node in missing:
        old = by_slug.get(graph.slugs[graph.tasks[node]])
        if old is not None and before.role[before.index[old]] == graph.role[node]:
            found[node] = old
    return found


class Durations:
    """How long tasks worked when they last ended well, without retry delays, holds, and waiting for a place.

    Args:
        runs: The runs to look at, as (graph, states, timings), newest first.
    """

    def __init__(self, runs: Iterable[tuple[CompiledGraph, Mapping[Task, State], RunTimings]]) -> None:
        self._runs = list(runs)
        self._by_slug: dict[int, dict[str, Task]] = {}

    def of(self, task: Task, slug: str) -> float | None:
        """Return the seconds that a task worked; None if it never ended well."""
        for number, (graph, states, timings) in enumerate(self._runs):
            known = task if task in graph.index else self._named(number, graph).get(slug)
            begun, ended = timings.get(known, (0.0, None)) if known is not None else (0.0, None)
            if known is not None and ended is not None and states[known].is_successful():
                return timings.work_s(known) if begun < ended else 0.0
        return None

    def _named(self, number: int, graph: CompiledGraph) -> dict[str, Task]:
        if number not in self._by_slug:
            self._by_slug[number] = {graph.slugs[task]: task for task in graph.tasks}
        return self._by_slug[number]
