"""The graph: a topology that is built up by `with`, by calls of tasks and by its own methods, and is checked."""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

from nbflow import errors
from nbflow.core.block import copied_blocks
from nbflow.core.block_rules import check_mapping, check_scope, circular_wait, default_reference_tasks
from nbflow.core.collections import Constant, as_task, contains_task
from nbflow.core.context import thread
from nbflow.core.edge import Edge
from nbflow.core.graph_merge import merge, replace_task, take_blocks
from nbflow.core.parameter import Parameter
from nbflow.core.task import Task
from nbflow.core.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from nbflow.core.block import Block
    from nbflow.core.context import Attempt
    from nbflow.core.users_line import Place


class Graph(Topology):
    """Tasks and the edges between them, under a name.

    Args:
        name: What it is called.
        tasks: Tasks to begin with. Those of resource blocks come with their blocks.
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
            raise errors.FlowNameError
        super().__init__(name)
        self.constants: defaultdict[Task, dict[str, Any]] = defaultdict(dict)
        self.blocks: list[Block] = []
        self._reference_tasks: set[Task] = set()
        # While the graph is entered: what was made inside (less the templates of copies; told by the tasks
        # themselves), and what to restore on leaving, innermost last.
        self._made: dict[Task, Place] | None = None  # in its `with`: where it was made
        self._entered: list[tuple[dict[str, Any] | Attempt, dict[Task, Place] | None]] = []

        for task in tasks or ():
            self.add_task(task)
        for edge in edges or ():
            self.add_edge(edge.upstream_task, edge.downstream_task, edge.key, edge.mapped, edge.flattened, validate)
        take_blocks(self)
        if reference_tasks is not None:
            self.set_reference_tasks(reference_tasks)

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
        state.update(_answers={}, _made=None, _entered=[], _repeated=None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch()

    def copy(self) -> Self:
        """Return an equal graph of the same tasks, with collections of its own."""
        new = super().copy()
        new.constants = defaultdict(dict, {task: dict(values) for task, values in self.constants.items()})
        new._reference_tasks = set(self._reference_tasks)
        new._made = None
        new._entered = []
        new.blocks = copied_blocks(self.blocks, new)
        return new

    # Building

    def __enter__(self) -> Self:
        self._entered.append((thread.held, self._made))
        self._made = {}
        thread.data = {**thread.data, "flow": self}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        made = self._made or {}
        around, before = self._entered.pop()
        if before is not None:  # entered within its own `with`: what was made here was made there too
            before.update((task, place) for task, place in made.items() if task in self._tasks)
        self._made = before
        cell = thread.data.get("cell")  # of a notebook that is watched: another one, perhaps, than at the beginning
        thread.held = around  # what was set in the `with` ends with it
        if cell is not None or "cell" in thread.data:
            thread.data["cell"] = cell
        unused = [task for task in made if task not in self._tasks and not isinstance(task, Constant)]
        # In a notebook, parameters on their own are a cell of them, as papermill wants it; the next cell uses them.
        are_a_cells = before is not None and all(isinstance(task, Parameter) for task in unused)
        if unused and kind is None and not are_a_cells:
            message = (
                f"Tasks were created but not added to the flow: {', '.join(map(repr, unused))}. Call a task, "
                "use it as an argument of another one, or add it with flow.add_task(task)"
            )
            # Where the first was made: the end of the `with` is in nbflow for a magic's cell.
            warnings.warn_explicit(message, UserWarning, *made[unused[0]])

    def add_task(self, task: Task) -> Task:
        """Add a task and return it; adding it again changes nothing.

        Raises:
            NotATaskError: If it is not a task.
            DuplicateSlugError: If another task has its slug.
        """
        if not isinstance(task, Task):
            raise errors.NotATaskError(task)
        if self._stale:
            self._refresh()
        if task in self._declared:
            return task
        self._declare(task)
        set.add(self._tasks, task)
        self._in[task] = []
        self._out[task] = []
        self._version += 1
        if self._answers:
            self._answers.clear()
        data = thread.data
        if "case" in data and data["case"] is not None:
            data["case"].add_task(task, self)
        if "resource" in data and data["resource"] is not None:
            data["resource"].add_task(task, self)
        return task

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
            raise errors.ParameterUpstreamError(downstream_task)
        if mapped and thread.data.get("mapped"):
            raise errors.MappedContextError
        edge = Edge(upstream_task, downstream_task, key, mapped, flattened, self)
        upstream, downstream = edge.upstream_task, edge.downstream_task
        if self._stale:
            self._refresh()
        if validate:
            self._check(edge)
        is_value = not (edge.mapped or edge.flattened)
        # A constant that was added on purpose may have tasks before it, for which the edge makes us wait.
        if key is not None and is_value and isinstance(upstream, Constant) and upstream not in self._declared:
            self.add_task(downstream)
            self.constants[downstream][key] = upstream.value
            self._changed()
            return edge
        self.add_task(upstream)
        self.add_task(downstream)
        self._insert(edge)
        return edge

    def _check(self, edge: Edge) -> None:
        upstream, downstream, key = edge.upstream_task, edge.downstream_task, edge.key
        into = self._in.get(downstream, ())
        if key is not None:
            if any(e.key == key for e in into) or key in self.constants.get(downstream, ()):
                raise errors.ArgumentTakenError(key, downstream)
            downstream._run_signature().signature.bind_partial(**{key: None})
        path = self._path(downstream, upstream)
        if path:
            raise errors.CycleError((*(task.name for task in path), downstream.name))

    def chain(self, *tasks: Any, validate: bool | None = None) -> list[Edge]:
        """Let each task come after the one before it, and return the edges."""
        found = [as_task(task, flow=self) for task in tasks]
        return [
            self.add_edge(upstream, downstream, validate=validate) for upstream, downstream in itertools.pairwise(found)
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
            raise errors.MappedContextError
        if not isinstance(task, Task):
            task = as_task(task, flow=self)
        self.add_task(task)
        if upstream_tasks:
            for upstream in upstream_tasks:
                self.add_edge(upstream, task, mapped=mapped, validate=validate)
        if downstream_tasks:
            for downstream in downstream_tasks:
                self.add_edge(task, downstream, validate=validate)
        if keyword_tasks:
            self._set_arguments(task, keyword_tasks, mapped, validate)

    def _set_arguments(self, task: Task, arguments: Mapping[str, Any], mapped: bool, validate: bool | None) -> None:
        plain = not (mapped or validate or isinstance(task, Parameter))
        for key, value in arguments.items():
            if plain and issubclass(type(value), Task) and value in self._declared:
                self._insert(Edge(value, task, key))
            elif plain and not contains_task(value):
                # No edge and no Constant is made, only to be taken apart again.
                self.constants[task][key] = value
                self._changed()
            else:
                self.add_edge(value, task, key, mapped, validate=validate)

    def reference_tasks(self) -> set[Task]:
        """Return the tasks whose states decide the state of a run.

        Unless some were set, these are the last tasks, where a block's cleanup does not count as coming after.
        """
        if self._reference_tasks:
            return set(self._reference_tasks)
        return set(self._answer("reference_tasks", lambda: default_reference_tasks(self)))

    def set_reference_tasks(self, tasks: Iterable[Task]) -> None:
        """Say which tasks decide the state of a run; none restores the default.

        Raises:
            TypeError: If `tasks` is not a collection but a task.
            ReferenceTaskError: If one of them is not in the graph.
        """
        if isinstance(tasks, Task):
            raise errors.OptionTypeError(f"reference tasks are given as a collection: [{tasks!r}]")
        found = list(tasks)
        strangers = tuple(repr(task) for task in found if task not in self._tasks)
        if strangers:
            raise errors.ReferenceTaskError(strangers, "reference tasks must be part of the flow")
        self._reference_tasks = set(found)
        self._changed()

    def validate(self) -> None:
        """Check that the graph can be run.

        Raises:
            StrayEdgeError: If an edge leads from or to a task that the graph does not have.
            CycleError: If tasks wait for each other, also by way of a block that is set up before what is inside.
            ReferenceTaskError: If a reference task is not in the graph.
            UnevenBlockError: If of a block's init and setup only one is mapped.
            ResourceScopeError: If a task takes the resource of a block that it is outside of.
        """
        self.sorted_tasks()
        outside = tuple(repr(task) for task in self._reference_tasks if task not in self._declared)
        if outside:
            raise errors.ReferenceTaskError(outside, "Some reference tasks are not contained in this flow")
        if self.blocks:
            circle = self._answer("circular wait", lambda: circular_wait(self))
            if circle:
                raise errors.CycleError(circle)
            check_mapping(self)
            check_scope(self)

    # Changing what is there

    def replace(self, old: Task, new: Any, validate: bool = True) -> None:
        """Put `new` in the place of the task `old`: in its edges, arguments, blocks and among the reference tasks.

        A task that the graph has already stays in the block that it is in.

        Args:
            old: The task that leaves.
            new: The task that takes its place; anything else is converted to one.
            validate: Whether to check the graph afterwards.

        Raises:
            UnknownTaskError: If the graph does not have `old`.
            OptionError: If `old` is init, setup or cleanup of a block, and the graph has `new` already.
        """
        replace_task(self, old, new, validate)

    def update(
        self,
        flow: Graph,
        merge_parameters: bool = False,
        validate: bool | None = None,
        merge_reference_tasks: bool = False,
    ) -> None:
        """Bring in the tasks, edges, constants and blocks of another graph.

        Inside of a block's `with` they are nested in it, as if they had been made there.

        Args:
            flow: The other graph; it stays as it is.
            merge_parameters: Whether its parameters replace those of the same name.
            validate: Whether to check each edge at once.
            merge_reference_tasks: Whether its reference tasks become reference tasks here, beside the present ones.
        """
        merge(self, flow, merge_parameters, validate, merge_reference_tasks)
