"""The graph a run keeps: tasks numbered in start order, with everything the scheduler asks for as plain tuples.

A run never looks at the flow again after this was made, so cells may change the flow while it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.counted_tasks import is_counted
from nbflow.core.data.value_type import identity
from nbflow.core.manager import is_factory
from nbflow.core.resource_tasks import ResourceInitTask
from nbflow.core.triggers import all_successful
from nbflow.engine.wiring import wiring_of

if TYPE_CHECKING:
    from nbflow.core.edge import Edge
    from nbflow.core.graph import Graph
    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.wiring import Wiring

ORDINARY, INIT, SETUP, CLEANUP = range(4)
CountRule = Callable[[int, int, int, int], str]
PLAIN_RULE: CountRule = all_successful.counts


class Shape(NamedTuple):
    """A block as the scheduler sees it: the numbers of its tasks, and the block around it (-1: none)."""

    init: int
    setup: int
    cleanup: int
    members: tuple[int, ...]
    parent: int
    mapped: bool
    grace_s: float
    max_concurrent: int | None


class Source(NamedTuple):
    """The source of an argument.

    Attributes:
        task: The task that gives it.
        is_resource: Whether it is what a block has set up.
        gathers: Whether it is a list of the values of several tasks or children, which nobody made.
    """

    task: Task
    is_resource: bool
    gathers: bool


class CompiledGraph:
    """A flow's graph, frozen and numbered.

    `tasks` is in start order: topological, ties by declaration. Task *i* is node *i* of the scheduler.
    """

    def __init__(self, graph: Graph) -> None:
        wiring = wiring_of(graph)
        tasks, index = wiring.tasks, wiring.index
        self.name = graph.name
        self.tasks: tuple[Task, ...] = tasks
        self.index: dict[Task, int] = index
        self.slugs: dict[Task, str] = dict(graph.slugs)
        self.constants: dict[Task, dict[str, Any]] = {
            task: dict(values) for task, values in graph.constants.items() if values
        }
        # The lists are this graph's own, what is in them is the wiring's: see `add_edge`.
        self.edges: list[Edge] = wiring.edges.copy()
        self.edges_in: list[list[Edge]] = wiring.edges_in.copy()
        self.upstream: list[tuple[int, ...]] = wiring.upstream.copy()
        # The upstream nodes whose children are paired with its own.
        self.pairs: list[tuple[int, ...]] = wiring.pairs
        self.is_map: list[bool] = wiring.is_map
        self.wiring: Wiring | None = wiring  # none if this graph has edges of its own
        self._sources: dict[Task, dict[str, Source]] = {}
        self._called: dict[int, Any] | None = None
        self.file_edges: set[Edge] = set()  # edges of this graph alone: see `nbflow.engine.file_history`
        self.file_ties: tuple[tuple[int, int], ...] = ()  # who writes what others read or write again
        # Lists at once, not task by task: most runs are short, and this is a good part of what they cost.
        # Whether the counts of upstream ends say all that its trigger wants: what a flattened edge gives is known from
        # the children above, not from their parent's state alone.
        self.is_plain: list[bool] = [
            task.trigger is all_successful and not is_flattened
            for task, is_flattened in zip(tasks, wiring.is_flattened, strict=True)
        ]
        # Whether nothing but those and the attempt decides about it.
        self.is_simple: list[bool] = [
            is_plain
            and task.cache_for is None
            and task.timeout is None
            and task.task_run_name is None
            and not (task.state_handlers or task.log_stdout or task.tags)
            for task, is_plain in zip(tasks, self.is_plain, strict=True)
        ]
        self.skips: list[bool] = [bool(task.skip_on_upstream_skip) for task in tasks]
        self.count_rules: list[CountRule | None] = [
            PLAIN_RULE if is_plain else getattr(task.trigger, "counts", None)
            for task, is_plain in zip(tasks, self.is_plain, strict=True)
        ]
        self.limits: dict[int, int] = {
            number: limit for number, task in enumerate(tasks) if (limit := task.max_concurrent) is not None
        }
        self.free: list[bool] = [not is_counted(task) for task in tasks]
        self.reference: frozenset[Task] = frozenset(graph.reference_tasks())
        self.terminal: frozenset[Task] = frozenset(graph.terminal_tasks())
        self.role = [ORDINARY] * len(tasks)
        # The shape that a lifecycle task belongs to; of any other task the innermost around it.
        self.shape_of = [-1] * len(tasks)
        # Outer ones first: a block made before another may have been entered inside of it.
        blocks = (block for block in graph.blocks if block.cleanup_task in index)
        self.blocks: tuple[Block, ...] = tuple(sorted(blocks, key=lambda block: block.depth))
        self.shapes: list[Shape] = []
        # Those whose init may be the setup as well: only what a factory gives shows it.
        self.lazy_shapes = frozenset(
            number for number, block in enumerate(self.blocks) if is_factory(block.init_task.run)
        )
        self._add_shapes()
        # The shape whose resource calls a task, if not the run's executor does.
        self.executor_shape = [-1] * len(tasks)
        self.has_executors = any(block.is_executor for block in self.blocks)
        if self.has_executors:
            self._find_executors()

    def _find_executors(self) -> None:
        for node, role in enumerate(self.role):
            around = self.enclosing(self.shape_of[node]) if role == ORDINARY else ()
            executors = [shape for shape in around if self.blocks[shape].is_executor]
            self.executor_shape[node] = executors[0] if executors else -1

    def _add_shapes(self) -> None:
        number = {block: k for k, block in enumerate(self.blocks)}
        for k, block in enumerate(self.blocks):
            members = tuple(sorted([self.index[t] for t in block.members if t in self.index]))
            init = self.index[block.init_task]
            setup = -1 if block.setup_task is None else self.index[block.setup_task]
            cleanup = self.index[block.cleanup_task]
            parent = -1 if block.parent is None else number.get(block.parent, -1)
            for node, role in ((init, INIT), (setup, SETUP), (cleanup, CLEANUP)):
                if node >= 0:
                    self.role[node] = role
                    self.shape_of[node] = k
                    self.is_simple[node] = False
            made_by, is_map = (init, setup, cleanup), self.is_map[init]
            self.shapes.append(Shape(*made_by, members, parent, is_map, block.grace_s, block.max_concurrent))
        for k, shape in enumerate(self.shapes):
            for node in shape.members:
                if self.role[node] == ORDINARY:
                    self.shape_of[node] = k

    @property
    def called(self) -> dict[int, Any]:
        """What the tasks call, each once, by its identity: functions, classes with a `run`, managers of blocks."""
        if self._called is None:  # many tasks have one function
            inits = [task for task in self.tasks if isinstance(task, ResourceInitTask)]
            others = (
                self.tasks if not inits else [task for task in self.tasks if not isinstance(task, ResourceInitTask)]
            )
            calls = [task.__dict__.get("run") for task in others]
            found = dict(zip(map(identity, calls), calls, strict=True))
            if found.pop(identity(None), self) is None:  # some have only what their class has
                kinds = [type(task) for task, call in zip(others, calls, strict=True) if call is None]
                found.update(zip(map(identity, kinds), kinds, strict=True))
            found.update((identity(task.resource_class), task.resource_class) for task in inits)
            self._called = found
        return self._called

    def note_renewal(self) -> None:
        """Note that tasks have been given other functions."""
        self._called = None

    def add_edge(self, edge: Edge) -> None:
        """Add an edge to this graph alone, between tasks that have none yet."""
        up, down = self.index[edge.upstream_task], self.index[edge.downstream_task]
        self.edges.append(edge)
        self.edges_in[down] = [*self.edges_in[down], edge]
        self.upstream[down] = (*self.upstream[down], up)
        self.wiring = None

    def maker(self, node: int) -> int:
        """Return the task that makes a value: of a name of a cell with several, that cell."""
        if self.tasks[node].auto_generated and self.edges_in[node]:
            return self.index[self.edges_in[node][0].upstream_task]
        return node

    def sources_of(self, task: Task) -> dict[str, Source]:
        """Return the sources of a task's arguments; constants have none."""
        found = self._sources.get(task)  # by the task: each of its children would ask again
        if found is None:
            found = self._sources[task] = {}
            for edge in self.edges_in[self.index[task]]:
                if edge.key is not None:
                    up = self.index[edge.upstream_task]
                    gathers = edge.flattened or (self.is_map[up] and not edge.mapped)
                    found[edge.key] = Source(edge.upstream_task, self.role[up] != ORDINARY, bool(gathers))
        return found

    def takers(self, source: Task) -> list[Task]:
        """Return the tasks that take the value of a task, each as often as it does."""
        return [edge.downstream_task for edge in self.edges if edge.upstream_task is source and edge.key is not None]

    def above(self, node: int) -> set[int]:
        """Return the nodes that a task comes after."""
        found: set[int] = set()
        pending = [node]
        while pending:
            new = [up for up in self.upstream[pending.pop()] if up not in found]
            found.update(new)
            pending += new
        return found

    def enclosing(self, shape: int) -> list[int]:
        """Return the numbers of the shapes around and including `shape`, innermost first."""
        around = []
        while shape >= 0:
            around.append(shape)
            shape = self.shapes[shape].parent
        return around
