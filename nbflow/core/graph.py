"""The graph: the tasks of a flow, the edges between them, and the questions one can ask about both.

`tasks` and `edges` are sets that a user may change directly. Each change made by the methods here updates the lists
of edges into and out of a task on the spot; a direct change only marks them as stale, and the next question puts
them right. Everything is kept in declaration order, so that equal programs give equal answers.
"""

from __future__ import annotations

import heapq
import itertools
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

from nbflow.core.annotations import EdgeAnnotation
from nbflow.core.collections import Constant, as_task, contains_task
from nbflow.core.context import thread
from nbflow.core.edge import Edge
from nbflow.core.parameter import Parameter
from nbflow.core.task import Task
from nbflow.core.watched import WatchedSet
from nbflow.errors import (
    ArgumentTakenError,
    CycleError,
    DuplicateSlugError,
    FlowNameError,
    MappedContextError,
    NotATaskError,
    ParameterUpstreamError,
    ReferenceTaskError,
    StrayEdgeError,
    UnknownTaskError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from nbflow.core.block import Block

__all__ = ["Graph"]


class Graph:
    """Tasks and the edges between them, under a name.

    Args:
        name: What it is called.
        tasks: Tasks to begin with.
        edges: Edges to begin with; their tasks are added.
        reference_tasks: The tasks whose states decide the state of a run.
        validate: Whether each edge is checked at once.

    Attributes:
        tasks: The set of tasks.
        edges: The set of edges.
        constants: `{task: {argument: value}}`, the arguments that are known already.
        slugs: `{task: slug}`, the ids of the tasks in this graph.
        blocks: The resource blocks, in the order in which they were made.

    Raises:
        FlowNameError: If the name is empty.
        ReferenceTaskError: If a reference task is not among the tasks.
    """

    def __init__(
        self,
        name: str,
        tasks: Iterable[Task] | None = None,
        edges: Iterable[Edge] | None = None,
        reference_tasks: Iterable[Task] | None = None,
        validate: bool | None = None,
    ) -> None:
        if not name:
            raise FlowNameError
        self.name = name
        self.constants: defaultdict[Task, dict[str, Any]] = defaultdict(dict)
        self.slugs: dict[Task, str] = {}
        self.blocks: list[Block] = []
        self._reference_tasks: set[Task] = set()
        self._tasks: WatchedSet[Task] = WatchedSet()
        self._edges: WatchedSet[Edge] = WatchedSet()
        self._declared: dict[Task, int] = {}
        self._edge_list: list[Edge] = []
        self._in: dict[Task, list[Edge]] = {}
        self._out: dict[Task, list[Edge]] = {}
        self._number = 0
        self._slug_numbers: dict[str, int] = {}
        self._slugs_taken: set[str] = set()
        self._version = 0
        self._stale = False
        self._answers: dict[str, Any] = {}
        # While the graph is entered: what was made inside, and what to restore on leaving, innermost last.
        self._made: dict[Task, None] | None = None
        self._entered: list[tuple[Any, dict[Task, None] | None]] = []
        self._watch()

        for task in tasks or ():
            self.add_task(task)
        for edge in edges or ():
            self.add_edge(
                edge.upstream_task, edge.downstream_task, edge.key, edge.mapped, edge.flattened, validate
            )
        if reference_tasks is not None:
            self.set_reference_tasks(reference_tasks)

    # Watching the sets

    def _watch(self) -> None:
        self._tasks.watch(self._mark_stale, self._tasks_in_order)
        self._edges.watch(self._mark_stale, self._edges_in_order)

    def _mark_stale(self) -> None:
        self._stale = True
        self._changed()

    def _changed(self) -> None:
        self._version += 1
        if self._answers:
            self._answers.clear()

    def _tasks_in_order(self) -> list[Task]:
        if self._stale:
            self._refresh()
        return list(self._declared)

    def _edges_in_order(self) -> list[Edge]:
        if self._stale:
            self._refresh()
        return list(self._edge_list)

    def _refresh(self) -> None:
        """Bring everything that is derived from the two sets up to date, after one was changed directly."""
        self._stale = False
        tasks, edges = self._tasks, self._edges
        self._declared = {task: n for task, n in self._declared.items() if tasks.has(task)}
        for task in tasks.take_added():
            if task not in self._declared:
                self._declare(task)
        for task in self.slugs.keys() - self._declared.keys():
            self._slugs_taken.discard(self.slugs.pop(task))
        kept = [edge for edge in self._edge_list if edges.has(edge)]
        known = set(kept)
        kept += [edge for edge in edges.take_added() if edge not in known]
        self._edge_list = kept
        self._in = {task: [] for task in self._declared}
        self._out = {task: [] for task in self._declared}
        for edge in kept:
            self._out.setdefault(edge.upstream_task, []).append(edge)
            self._in.setdefault(edge.downstream_task, []).append(edge)

    @property
    def tasks(self) -> WatchedSet[Task]:
        """The set of tasks, iterated in declaration order; changing it directly is noticed."""
        return self._tasks

    @tasks.setter
    def tasks(self, tasks: Iterable[Task]) -> None:
        self._tasks = WatchedSet(tasks)
        self._watch()
        self._mark_stale()

    @property
    def edges(self) -> WatchedSet[Edge]:
        """The set of edges, iterated in declaration order; changing it directly is noticed."""
        return self._edges

    @edges.setter
    def edges(self, edges: Iterable[Edge]) -> None:
        self._edges = WatchedSet(edges)
        self._watch()
        self._mark_stale()

    # Being a value

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Graph)
        return (
            self.name == other.name
            and set.__eq__(self._tasks, other._tasks)
            and set.__eq__(self._edges, other._edges)
            and self.reference_tasks() == other.reference_tasks()
        )

    __hash__ = None  # type: ignore[assignment]  # equal graphs may change and differ

    def __repr__(self) -> str:
        return f'<{type(self).__name__}: name="{self.name}">'

    def __iter__(self) -> Iterator[Task]:
        return iter(self.sorted_tasks())

    def __copy__(self) -> Self:
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state.update(_answers={}, _made=None, _entered=[])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch()

    def copy(self) -> Self:
        """Return an equal graph of the same tasks, with collections of its own."""
        if self._stale:
            self._refresh()
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.constants = defaultdict(dict, {task: dict(values) for task, values in self.constants.items()})
        new.slugs = dict(self.slugs)
        new.blocks = list(self.blocks)
        new._reference_tasks = set(self._reference_tasks)
        new._declared = dict(self._declared)
        new._edge_list = list(self._edge_list)
        new._tasks = WatchedSet(new._declared)
        new._edges = WatchedSet(new._edge_list)
        new._in = {task: list(edges) for task, edges in self._in.items()}
        new._out = {task: list(edges) for task, edges in self._out.items()}
        new._slug_numbers = dict(self._slug_numbers)
        new._slugs_taken = set(self._slugs_taken)
        new._answers = {}
        new._made = None
        new._entered = []
        new._watch()
        return new

    # Building

    def __enter__(self) -> Self:
        data = thread.data
        self._entered.append((data.get("flow"), self._made))
        self._made = {}
        data["flow"] = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        made = self._made or {}
        outer, self._made = self._entered.pop()
        if outer is None:
            thread.data.pop("flow", None)
        else:
            thread.data["flow"] = outer
        unused = [task for task in made if task not in self._tasks]
        if unused and kind is None:
            warnings.warn(
                f"Tasks were created but not added to the flow: {', '.join(map(repr, unused))}. Call a task, "
                "use it as an argument of another one, or add it with flow.add_task(task)",
                stacklevel=2,
            )

    def _note_made(self, task: Task, original: Task | None) -> None:
        """Remember that `task` was made inside the `with` of this graph; `original` has served as a template."""
        made = self._made
        if made is None:
            return
        if original is not None:
            made.pop(original, None)
        if not isinstance(task, Constant):
            made[task] = None

    def _is_used(self, task: Task) -> bool:
        """Tell whether `task` has edges here."""
        if self._stale:
            self._refresh()
        return bool(self._in.get(task) or self._out.get(task))

    def add_task(self, task: Task) -> Task:
        """Add a task and return it; adding it again changes nothing.

        Raises:
            NotATaskError: If it is not a task.
            DuplicateSlugError: If another task has its slug.
        """
        if not isinstance(task, Task):
            raise NotATaskError(task)
        if self._stale:
            self._refresh()
        if task in self._declared:
            return task
        self._declare(task)
        set.add(self._tasks, task)
        self._in[task] = []
        self._out[task] = []
        self._changed()
        data = thread.data
        for key in ("case", "resource"):
            block = data.get(key)
            if block is not None:
                block.add_task(task, self)
        return task

    def _declare(self, task: Task) -> None:
        """Give `task` its slug and its place in the order."""
        slug = task.slug
        if not slug:
            stem = "-".join((task.name, *sorted(task.tags))) if task.tags else task.name
            number = self._slug_numbers.get(stem, 0) + 1
            while (slug := f"{stem}-{number}") in self._slugs_taken:
                number += 1
            self._slug_numbers[stem] = number
        elif slug in self._slugs_taken:
            raise DuplicateSlugError(slug)
        self._slugs_taken.add(slug)
        self.slugs[task] = slug
        self._declared[task] = self._number
        self._number += 1

    def add_edge(
        self,
        upstream_task: Any,
        downstream_task: Any,
        key: str | None = None,
        mapped: bool = False,
        flattened: bool = False,
        validate: bool | None = None,
    ) -> Edge:
        """Add an edge, and both its tasks, and return it.

        A keyed constant that is neither mapped nor flattened is kept as a value: no task and no edge are added.

        Args:
            upstream_task: What comes first; converted to a task if it is none.
            downstream_task: What comes after it; likewise.
            key: The argument of the downstream task that gets the result.
            mapped: Whether the result is mapped over.
            flattened: Whether the result is unnested by one level.
            validate: Whether to check at once that the argument exists and is free, and that no cycle arises.

        Raises:
            ParameterUpstreamError: If the downstream task is a parameter.
            MappedContextError: If mapped inside a function that is itself mapped.
            ArgumentTakenError: If validated, and the argument has a value already.
            TypeError: If validated, and there is no such argument.
            CycleError: If validated, and the tasks would wait for each other.
        """
        if isinstance(downstream_task, Parameter):
            raise ParameterUpstreamError(downstream_task)
        if mapped and thread.data.get("mapped"):
            raise MappedContextError
        edge = Edge(upstream_task, downstream_task, key, mapped, flattened, self)
        upstream, downstream = edge.upstream_task, edge.downstream_task
        if validate:
            self._check(edge)
        self.add_task(downstream)
        is_value = not (edge.mapped or edge.flattened)
        # A constant that was added on purpose may have tasks before it, for which the edge makes us wait.
        if key is not None and is_value and isinstance(upstream, Constant) and upstream not in self._declared:
            self.constants[downstream][key] = upstream.value
            self._changed()
            return edge
        self.add_task(upstream)
        self._insert(edge)
        return edge

    def _insert(self, edge: Edge) -> None:
        edges = self._edges
        before = len(edges)
        set.add(edges, edge)
        if len(edges) != before:
            self._edge_list.append(edge)
            self._out[edge.upstream_task].append(edge)
            self._in[edge.downstream_task].append(edge)
            self._changed()

    def _check(self, edge: Edge) -> None:
        if self._stale:
            self._refresh()
        upstream, downstream, key = edge.upstream_task, edge.downstream_task, edge.key
        into = self._in.get(downstream, ())
        if key is not None:
            if any(e.key == key for e in into) or key in self.constants.get(downstream, ()):
                raise ArgumentTakenError(key, downstream)
            downstream._run_signature().signature.bind_partial(**{key: None})
        path = self._path(downstream, upstream)
        if path:
            raise CycleError((*(task.name for task in path), downstream.name))

    def _path(self, start: Task, goal: Task) -> list[Task]:
        """Return the tasks on a way downstream from `start` to `goal`, both included; empty if there is none."""
        came_from: dict[Task, Task | None] = {start: None}
        pending = [start]
        while pending:
            task = pending.pop()
            if task is goal:
                path: list[Task] = []
                step: Task | None = task
                while step is not None:
                    path.append(step)
                    step = came_from[step]
                return path[::-1]
            for edge in self._out.get(task, ()):
                if edge.downstream_task not in came_from:
                    came_from[edge.downstream_task] = task
                    pending.append(edge.downstream_task)
        return []

    def chain(self, *tasks: Any, validate: bool | None = None) -> list[Edge]:
        """Let each task come after the one before it, and return the edges."""
        found = [as_task(task, flow=self) for task in tasks]
        return [
            self.add_edge(upstream, downstream, validate=validate)
            for upstream, downstream in itertools.pairwise(found)
        ]

    def set_dependencies(
        self,
        task: Any,
        upstream_tasks: Iterable[Any] | None = None,
        downstream_tasks: Iterable[Any] | None = None,
        keyword_tasks: Mapping[str, Any] | None = None,
        mapped: bool = False,
        validate: bool | None = None,
    ) -> None:
        """Add a task and the edges to its neighbours.

        Args:
            task: The task; converted to one if it is none.
            upstream_tasks: What comes before it.
            downstream_tasks: What comes after it.
            keyword_tasks: What its arguments are.
            mapped: Whether upstream tasks and arguments are mapped over, but for those marked `unmapped`.
            validate: Whether to check each edge at once.

        Raises:
            MappedContextError: If mapped inside a function that is itself mapped.
        """
        if mapped and thread.data.get("mapped"):
            raise MappedContextError
        if not isinstance(task, Task):
            task = as_task(task, flow=self)
        self.add_task(task)
        for upstream in upstream_tasks or ():
            self.add_edge(upstream, task, mapped=mapped, validate=validate)
        for downstream in downstream_tasks or ():
            self.add_edge(task, downstream, validate=validate)
        if not keyword_tasks:
            return
        if validate or mapped or isinstance(task, Parameter):
            for key, value in keyword_tasks.items():
                self.add_edge(value, task, key, mapped, validate=validate)
            return
        declared = self._declared
        for key, value in keyword_tasks.items():
            if isinstance(value, Task) and value in declared:
                self._insert(Edge(value, task, key))
            elif isinstance(value, (Task, EdgeAnnotation)) or contains_task(value):
                self.add_edge(value, task, key)
            else:
                self.constants[task][key] = value
                self._changed()

    # Questions

    def _known(self, task: Task) -> None:
        if self._stale:
            self._refresh()
        if task not in self._declared:
            raise UnknownTaskError(task, self.name)

    def edges_in(self, task: Task) -> list[Edge]:
        """Return the edges into a task in declaration order: the graph's own list, not to be changed."""
        if self._stale:
            self._refresh()
        return self._in[task]

    def edges_out(self, task: Task) -> list[Edge]:
        """Return the edges out of a task in declaration order: the graph's own list, not to be changed."""
        if self._stale:
            self._refresh()
        return self._out[task]

    def edges_to(self, task: Task) -> set[Edge]:
        """Return the edges into a task.

        Raises:
            UnknownTaskError: If the graph does not have it.
        """
        self._known(task)
        return set(self._in[task])

    def edges_from(self, task: Task) -> set[Edge]:
        """Return the edges out of a task.

        Raises:
            UnknownTaskError: If the graph does not have it.
        """
        self._known(task)
        return set(self._out[task])

    def upstream_tasks(self, task: Task) -> set[Task]:
        """Return the tasks right before a task.

        Raises:
            UnknownTaskError: If the graph does not have it.
        """
        self._known(task)
        return {edge.upstream_task for edge in self._in[task]}

    def downstream_tasks(self, task: Task) -> set[Task]:
        """Return the tasks right after a task.

        Raises:
            UnknownTaskError: If the graph does not have it.
        """
        self._known(task)
        return {edge.downstream_task for edge in self._out[task]}

    def all_upstream_edges(self) -> dict[Task, set[Edge]]:
        """Return the edges into each task."""
        return {task: set(self.edges_in(task)) for task in self._tasks}

    def all_downstream_edges(self) -> dict[Task, set[Edge]]:
        """Return the edges out of each task."""
        return {task: set(self.edges_out(task)) for task in self._tasks}

    def root_tasks(self) -> set[Task]:
        """Return the tasks with nothing before them."""
        return {task for task in self._tasks if not self._in[task]}

    def terminal_tasks(self) -> set[Task]:
        """Return the tasks with nothing after them."""
        return {task for task in self._tasks if not self._out[task]}

    def parameters(self) -> set[Parameter]:
        """Return the parameters."""
        return {task for task in self._tasks if isinstance(task, Parameter)}

    def get_tasks(
        self,
        name: str | None = None,
        slug: str | None = None,
        tags: Iterable[str] | None = None,
        task_type: type[Task] | None = None,
    ) -> list[Task]:
        """Return the tasks that meet all criteria given, in declaration order.

        Args:
            name: The name.
            slug: The slug in this graph.
            tags: Tags that it has, perhaps among others.
            task_type: Its class, or one above.
        """
        wanted = set(tags or ())
        return [
            task
            for task in self._tasks
            if (name is None or task.name == name)
            and (slug is None or self.slugs[task] == slug)
            and wanted <= task.tags
            and (task_type is None or isinstance(task, task_type))
        ]

    def reference_tasks(self) -> set[Task]:
        """Return the tasks whose states decide the state of a run.

        Unless some were set, these are the last tasks, where a block's cleanup does not count as coming after.
        """
        if self._reference_tasks:
            return set(self._reference_tasks)
        if "reference_tasks" not in self._answers:
            self._answers["reference_tasks"] = self._default_reference_tasks()
        return set(self._answers["reference_tasks"])

    def _default_reference_tasks(self) -> frozenset[Task]:
        from nbflow.core.resource_tasks import ResourceCleanupTask, ResourceInitTask

        return frozenset(
            task
            for task in self._tasks
            if not isinstance(task, (ResourceInitTask, ResourceCleanupTask))
            and all(isinstance(edge.downstream_task, ResourceCleanupTask) for edge in self._out[task])
        )

    def set_reference_tasks(self, tasks: Iterable[Task]) -> None:
        """Say which tasks decide the state of a run; none restores the default.

        Raises:
            TypeError: If `tasks` is not a collection but a task.
            ReferenceTaskError: If one of them is not in the graph.
        """
        if isinstance(tasks, Task):
            raise NotATaskError([tasks])
        found = list(tasks)
        strangers = tuple(repr(task) for task in found if task not in self._tasks)
        if strangers:
            raise ReferenceTaskError(strangers, "reference tasks must be part of the flow")
        self._reference_tasks = set(found)
        self._changed()

    def sorted_tasks(self, root_tasks: Iterable[Task] | None = None) -> tuple[Task, ...]:
        """Return the tasks in topological order, ties by declaration.

        Args:
            root_tasks: Where to begin: only these and what is downstream of them is returned.

        Raises:
            UnknownTaskError: If a root task is not in the graph.
            CycleError: If tasks wait for each other.
        """
        if self._stale:
            self._refresh()
        answer: tuple[Task, ...] | None = self._answers.get("sorted_tasks")
        if answer is None:
            answer = self._answers["sorted_tasks"] = self._sort()
        if root_tasks is None:
            return answer
        below = self._below(root_tasks)
        return tuple(task for task in answer if task in below) if below else answer

    def _below(self, root_tasks: Iterable[Task]) -> set[Task]:
        pending = list(root_tasks)
        below = set(pending)
        for task in pending:
            self._known(task)
        while pending:
            for edge in self._out[pending.pop()]:
                if edge.downstream_task not in below:
                    below.add(edge.downstream_task)
                    pending.append(edge.downstream_task)
        return below

    def _sort(self) -> tuple[Task, ...]:
        declared, out = self._declared, self._out
        tasks = {number: task for task, number in declared.items()}
        waits_for = {task: len(edges) for task, edges in self._in.items()}
        ready = [number for task, number in declared.items() if not waits_for[task]]
        found = []
        while ready:
            task = tasks[heapq.heappop(ready)]
            found.append(task)
            for edge in out[task]:
                below = edge.downstream_task
                waits_for[below] -= 1
                if not waits_for[below]:
                    heapq.heappush(ready, declared[below])
        if len(found) < len(declared):
            raise CycleError(self._cycle({task for task in declared if waits_for[task]}))
        return tuple(found)

    def _cycle(self, waiting: set[Task]) -> tuple[str, ...]:
        """Return the names on a cycle among tasks that all wait for one of each other."""
        # Going upstream from task to waiting task must come back to where it was.
        task = next(task for task in self._declared if task in waiting)
        path: dict[Task, None] = {}
        while task not in path:
            path[task] = None
            task = next(e.upstream_task for e in self._in[task] if e.upstream_task in waiting)
        names = [step.name for step in path]
        circle = names[list(path).index(task) :][::-1]
        return (*circle, circle[0])

    def validate(self) -> None:
        """Check that the graph can be run.

        Raises:
            StrayEdgeError: If an edge leads from or to a task that the graph does not have.
            CycleError: If tasks wait for each other.
            ReferenceTaskError: If a reference task is not in the graph.
            ResourceScopeError: If a task takes the resource of a block that it is outside of.
        """
        strays = tuple(
            repr(edge)
            for edge in self._edges
            if edge.upstream_task not in self._declared or edge.downstream_task not in self._declared
        )
        if strays:
            raise StrayEdgeError(strays)
        self.sorted_tasks()
        outside = tuple(repr(task) for task in self._reference_tasks if task not in self._declared)
        if outside:
            raise ReferenceTaskError(outside, "Some reference tasks are not contained in this flow")
        if self.blocks:
            from nbflow.core.resource import check_scope

            check_scope(self)

    # Changing what is there

    def replace(self, old: Task, new: Any, validate: bool = True) -> None:
        """Put `new` in the place of the task `old`: in its edges, arguments, blocks and among the reference tasks.

        Args:
            old: The task that leaves.
            new: The task that takes its place; anything else is converted to one.
            validate: Whether to check the graph afterwards.

        Raises:
            UnknownTaskError: If the graph does not have `old`.
        """
        self._known(old)
        new = as_task(new, flow=self)
        if new is old:
            return
        affected = [
            edge for edge in self._edge_list if edge.upstream_task is old or edge.downstream_task is old
        ]
        self._tasks.discard(old)
        self._edges.difference_update(affected)
        self.add_task(new)
        if old in self.constants:
            self.constants[new] = {**self.constants.pop(old), **self.constants.get(new, {})}
        for edge in affected:
            upstream, downstream = (
                new if t is old else t for t in (edge.upstream_task, edge.downstream_task)
            )
            self.add_edge(upstream, downstream, edge.key, edge.mapped, edge.flattened)
        if old in self._reference_tasks:
            self._reference_tasks = {new if task is old else task for task in self._reference_tasks}
        for block in self.blocks:
            block.replace(old, new)
        if validate:
            self.validate()

    def update(
        self,
        flow: Graph,
        merge_parameters: bool = False,
        validate: bool | None = None,
        merge_reference_tasks: bool = False,
    ) -> None:
        """Bring in the tasks, edges, constants and blocks of another graph.

        Args:
            flow: The other graph; it stays as it is.
            merge_parameters: Whether its parameters replace those of the same name.
            validate: Whether to check each edge at once.
            merge_reference_tasks: Whether its reference tasks become reference tasks here, beside the present ones.
        """
        references = self.reference_tasks() | flow.reference_tasks() if merge_reference_tasks else set()
        same_name = {p.name: p for p in self.parameters()} if merge_parameters else {}
        for task in flow.tasks:
            if task in self._tasks:
                continue
            if isinstance(task, Parameter) and task.name in same_name:
                references.discard(same_name[task.name])
                self.replace(same_name[task.name], task, validate=False)
            else:
                self.add_task(task)
        for edge in flow.edges:
            if edge not in self._edges:
                self.add_edge(
                    edge.upstream_task, edge.downstream_task, edge.key, edge.mapped, edge.flattened, validate
                )
        for task, values in flow.constants.items():
            self.constants[task].update(values)
        self.blocks.extend(block for block in flow.blocks if block not in self.blocks)
        if merge_reference_tasks:
            self.set_reference_tasks(references)
        self._changed()
