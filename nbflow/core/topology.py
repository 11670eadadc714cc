"""The topology: which tasks there are, how edges join them, and the questions one can ask about that.

`tasks` and `edges` are sets that a user may change directly. Each change made by a method updates the lists of
edges into and out of a task on the spot; a direct change only marks them as stale, and the next question puts
them right. Everything is kept in declaration order, so that equal programs give equal answers.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, Self, TypeVar

from nbflow.core.observed_set import ObservedSet
from nbflow.core.parameter import Parameter
from nbflow.errors import CycleError, DuplicateSlugError, StrayEdgeError, UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.core.edge import Edge
    from nbflow.core.task import Task

T = TypeVar("T")


class Topology:
    """Named tasks and edges in declaration order.

    Attributes:
        name: What it is called.
        slugs: `{task: slug}`, the ids of the tasks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.slugs: dict[Task, str] = {}
        self._tasks: ObservedSet[Task] = ObservedSet()
        self._edges: ObservedSet[Edge] = ObservedSet()
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
        self._repeated: dict[Edge, None] | None = None  # edges added again, while somebody wants to know
        self._watch()

    def copy(self) -> Self:
        """Return an equal one of the same tasks, with collections of its own."""
        if self._stale:
            self._refresh()
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.slugs = dict(self.slugs)
        new._declared = dict(self._declared)
        new._edge_list = list(self._edge_list)
        new._tasks = ObservedSet(new._declared)
        new._edges = ObservedSet(new._edge_list)
        new._in = {task: list(edges) for task, edges in self._in.items()}
        new._out = {task: list(edges) for task, edges in self._out.items()}
        new._slug_numbers = dict(self._slug_numbers)
        new._slugs_taken = set(self._slugs_taken)
        new._answers = {}
        new._repeated = None
        new._watch()
        return new

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
        self._join()

    def _join(self) -> None:
        """Make the lists of edges into and out of each task again."""
        self._in = {task: [] for task in self._declared}
        self._out = {task: [] for task in self._declared}
        for edge in self._edge_list:
            self._out.setdefault(edge.upstream_task, []).append(edge)
            self._in.setdefault(edge.downstream_task, []).append(edge)

    @property
    def tasks(self) -> ObservedSet[Task]:
        """The set of tasks, iterated in declaration order; changing it directly is noticed."""
        return self._tasks

    @tasks.setter
    def tasks(self, tasks: Iterable[Task]) -> None:
        self._tasks = ObservedSet(tasks)
        self._watch()
        self._mark_stale()

    @property
    def edges(self) -> ObservedSet[Edge]:
        """The set of edges, iterated in declaration order; changing it directly is noticed."""
        return self._edges

    @edges.setter
    def edges(self, edges: Iterable[Edge]) -> None:
        self._edges = ObservedSet(edges)
        self._watch()
        self._mark_stale()

    # Keeping the books

    def _declare(self, task: Task) -> None:
        """Give `task` its slug and its place in the order."""
        taken = self._slugs_taken
        if task.slug:
            slug = task.slug
            if slug in taken:
                raise DuplicateSlugError(slug)
        else:
            stem = "-".join((task.name, *sorted(task.tags))) if task.tags else task.name
            number = self._slug_numbers.get(stem, 0) + 1
            slug = f"{stem}-{number}"
            while slug in taken:
                number += 1
                slug = f"{stem}-{number}"
            self._slug_numbers[stem] = number
        taken.add(slug)
        self.slugs[task] = slug
        self._declared[task] = self._number
        self._number += 1

    def _insert(self, edge: Edge) -> None:
        edges = self._edges
        before = len(edges)
        set.add(edges, edge)
        if len(edges) != before:
            self._edge_list.append(edge)
            self._out[edge.upstream_task].append(edge)
            self._in[edge.downstream_task].append(edge)
            self._version += 1
            if self._answers:
                self._answers.clear()
        elif self._repeated is not None:
            self._repeated[edge] = None

    def _is_used(self, task: Task) -> bool:
        """Tell whether `task` has edges here."""
        if self._stale:
            self._refresh()
        return bool(self._in.get(task) or self._out.get(task))

    # Questions

    def _answer(self, name: str, find: Callable[[], T]) -> T:
        """Return what `find` returns, found once for each version of the topology.

        Args:
            name: What is asked for; each question has its own.
            find: Finds it from the tasks and edges alone; what it returns is not changed by anyone.
        """
        if self._stale:
            self._refresh()
        if name not in self._answers:
            self._answers[name] = find()
        found: T = self._answers[name]
        return found

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
        return dict(self._answer("into", lambda: {task: set(self._in[task]) for task in self._tasks}))

    def all_downstream_edges(self) -> dict[Task, set[Edge]]:
        """Return the edges out of each task."""
        return dict(self._answer("out of", lambda: {task: set(self._out[task]) for task in self._tasks}))

    def root_tasks(self) -> set[Task]:
        """Return the tasks with nothing before them."""
        return set(self._answer("root", lambda: {task for task in self._tasks if not self._in[task]}))

    def terminal_tasks(self) -> set[Task]:
        """Return the tasks with nothing after them."""
        return set(self._answer("terminal", lambda: {task for task in self._tasks if not self._out[task]}))

    def parameters(self) -> set[Parameter]:
        """Return the parameters."""
        return set(self._answer("parameters", lambda: {task for task in self._tasks if isinstance(task, Parameter)}))

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

    def sorted_tasks(self, root_tasks: Iterable[Task] | None = None) -> tuple[Task, ...]:
        """Return the tasks in topological order, ties by declaration.

        Args:
            root_tasks: Where to begin: only these and what is downstream of them is returned.

        Raises:
            UnknownTaskError: If a root task is not in the graph.
            StrayEdgeError: If an edge leads from or to a task that the graph does not have.
            CycleError: If tasks wait for each other.
        """
        answer = self._answer("sorted_tasks", self._sort)
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
        if len(self._in) > len(declared) or len(out) > len(declared):
            strays = [e for e in self._edge_list if not e.tasks <= declared.keys()]
            raise StrayEdgeError(tuple(map(repr, strays)))
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
        steps = list(path)
        circle = steps[steps.index(task) :][::-1]
        first = circle.index(min(circle, key=self._declared.__getitem__))
        names = [step.name for step in circle[first:] + circle[:first]]
        return (*names, names[0])
