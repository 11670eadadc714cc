"""The block: a resource with its init, setup and cleanup tasks, and the tasks inside its `with`.

A block knows its members and ties them to setup and cleanup. Its lifetime in a run is the engine's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.context import context
from nbflow.core.edge import Edge
from nbflow.core.parameter import Parameter
from nbflow.errors import MultipleFlowsError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from nbflow.core.graph import Graph
    from nbflow.core.resource import ResourceManager
    from nbflow.core.task import Task


class Block:
    """The block that calling a resource manager gives: tasks created inside `with block:` use the resource.

    It may be entered again later, to add more tasks. Blocks compare and hash by identity.

    Attributes:
        init_task: Makes the manager.
        setup_task: Makes the resource; None if the manager has no `setup`.
        cleanup_task: Cleans up, after the last member.
        manager: The `ResourceManager` that was called.
        flow: The flow it belongs to.
        is_executor: Whether the resource calls the tasks inside: see `as_executor`.
        parent: The block around it, if any.
    """

    def __init__(
        self, manager: ResourceManager, init_task: Task, setup_task: Task | None, cleanup_task: Task, flow: Graph
    ) -> None:
        self.manager = manager
        self.init_task = init_task
        self.setup_task = setup_task
        self.cleanup_task = cleanup_task
        self.flow = flow
        self.is_executor = False
        # If one was open, adding the three tasks just now has made them its members.
        self.parent: Block | None = context.get("resource")
        self._members: dict[Task, None] = {}
        self._made_edges: dict[Edge, None] = {}
        self._was_open = False
        self._outer: list[Any] = []
        for task in self.lifecycle:
            task.block = self  # type: ignore[attr-defined]
        flow.blocks.append(self)

    def __repr__(self) -> str:
        return f"<Block: {self.name}>"

    @property
    def name(self) -> str:
        """The name of its manager."""
        return self.manager.name

    @property
    def members(self) -> list[Task]:
        """The tasks inside, in the order in which they were added; of a nested block only its own three."""
        return list(self._members)

    @property
    def lifecycle(self) -> tuple[Task, ...]:
        """Init, setup (if there is one) and cleanup."""
        three = (self.init_task, self.setup_task, self.cleanup_task)
        return tuple(task for task in three if task is not None)

    @property
    def tasks(self) -> list[Task]:
        """Init, setup (if there is one), the members, cleanup."""
        *before, cleanup = self.lifecycle
        return [*before, *self._members, cleanup]

    @property
    def grace_s(self) -> float:
        """Seconds that cleanup waits for a task that does not let go of the resource."""
        return self.manager.grace_s

    @property
    def cleanup_timeout_s(self) -> float:
        """Seconds that cleanup may take when the run is cancelled."""
        return self.manager.cleanup_timeout_s

    @property
    def max_concurrent(self) -> int | None:
        """The number of resources of a mapped block that may be open at once; None for no limit."""
        return self.manager.max_concurrent

    @property
    def scope(self) -> str:
        """Who has a resource of its own: the block in a run (`"run"`), or each worker process (`"worker"`)."""
        return self.manager.scope

    @property
    def cleanup_failure(self) -> str:
        """The effect of a failed cleanup on the run: `"ignore"` or `"fail"`."""
        return self.manager.cleanup_failure

    @property
    def depth(self) -> int:
        """The number of blocks around it."""
        return sum(1 for _ in self._around())

    @property
    def mapped(self) -> bool:
        """True where there is one resource for each mapped child, as inside `apply_map`.

        A mapped task among the members does not count: its children share one resource.
        """
        first = [task for task in self.lifecycle[:-1] if task in self.flow.tasks]
        return any(edge.mapped for task in first for edge in self.flow.edges_to(task))

    def as_executor(self) -> Block:
        """Have the resource call the tasks inside of the block: a process pool, say, or a cluster.

        The setup gives an executor of `nbflow.executors`, one of `concurrent.futures`, or something that has one
        (`get_executor`, as a Dask client has). Tasks inside of another such block are that one's. Init, setup and
        cleanup stay with the run's executor, and cleanup comes when the last task has let go.

        Returns:
            The block itself.

        Raises:
            OptionError: If each worker process has a resource of its own (``scope="worker"``).

        Example:
            >>> from concurrent.futures import ThreadPoolExecutor
            >>> from nbflow import Flow, task
            >>> from nbflow.resources import managed
            >>> with Flow("f") as flow, managed(ThreadPoolExecutor, 2).as_executor():
            ...     one = task(lambda: 1, name="one")()
            >>> flow.run().result[one].result
            1
        """
        if self.scope == "worker":
            raise OptionError(f"block {self.name!r} has scope='worker': an executor is the kernel's, so scope='run'")
        self.is_executor = True
        return self

    def is_lifecycle(self, task: Task) -> bool:
        """Tell whether `task` is init, setup or cleanup of this block."""
        return task in self.lifecycle

    def add_task(self, task: Task, flow: Graph) -> None:
        """Make `task`, which was added to `flow` just now, a member; Parameters and Constants stay out.

        Raises:
            MultipleFlowsError: If `flow` is not the flow of the block.
        """
        if flow is not self.flow:
            raise MultipleFlowsError("resource", self.name)
        if not isinstance(task, (Parameter, Constant)) and not self.is_lifecycle(task):
            self._members.setdefault(task)

    def replace(self, old: Task, new: Task) -> None:
        """Let `new` take the place of `old`, as a member or in the lifecycle."""
        for role in ("init_task", "setup_task", "cleanup_task"):
            if getattr(self, role) is old:
                setattr(self, role, new)
                new.block = self  # type: ignore[attr-defined]
        self._members = {new if task is old else task: None for task in self._members}
        self._made_edges = {_with_task(edge, old, new): None for edge in self._made_edges}

    def discard(self, task: Task) -> None:
        """Forget `task`, which was taken out of the flow."""
        self._members.pop(task, None)

    def copied(self, flow: Graph) -> Block:
        """Return a block of the same tasks for `flow`, which may change it without changing this one."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.flow = flow
        new._members = dict(self._members)
        new._made_edges = dict(self._made_edges)
        new._outer = []
        return new

    def take_over(self, other: Block) -> None:
        """Add the members that a block of the same three tasks has in another graph."""
        self._members.update(other._members)
        self._made_edges.update(other._made_edges)

    def move(self, flow: Graph, edges: dict[Edge, Edge]) -> None:
        """Go over to another flow that has got the same tasks, with `edges` telling what became of each edge."""
        self.flow = flow
        self._made_edges = {edges.get(edge, edge): None for edge in self._made_edges}
        flow.blocks.append(self)

    def __enter__(self) -> Task | None:
        outer = context.get("resource")
        if not self._was_open and isinstance(outer, Block):
            self._nest_in(outer)
        self._was_open = True
        self._outer.append(outer)
        context["resource"] = self
        return self.setup_task

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outer = self._outer.pop()
        if outer is None:
            context.pop("resource", None)
        else:
            context["resource"] = outer
        self._tie()

    def _around(self) -> Iterator[Block]:
        block = self.parent
        while block is not None:
            yield block
            block = block.parent

    def _nest_in(self, outer: Block) -> None:
        """Become nested in `outer`, although made outside of it, unless the resources depend the other way round."""
        if self.parent is not None or outer is self or outer.flow is not self.flow or self in outer._around():
            return
        if outer.init_task in self.flow.sorted_tasks(root_tasks=[self.init_task]):
            return
        for task in self.lifecycle:
            outer.add_task(task, self.flow)
        self.parent = outer

    def _tie(self) -> None:
        """Tie the first members to setup and the last ones to cleanup.

        Edges that an earlier exit made and that the members of now do not need are taken back.
        """
        # All are decided before the first is made: what ends a chain is a question about the members' own edges.
        needed = dict.fromkeys(self._needed_edges())
        for edge in self._made_edges.keys() - needed.keys():
            self.flow.edges.discard(edge)
        for edge in needed:
            if edge not in self.flow.edges:
                self.flow.add_edge(edge.upstream_task, edge.downstream_task, mapped=edge.mapped)
        self._made_edges = needed

    def _needed_edges(self) -> Iterator[Edge]:
        mapped = self.mapped and not context.get("mapped")
        for task in self._members:
            if task not in self.flow.tasks:
                continue
            above = {e.upstream_task for e in self.flow.edges_in(task) if e not in self._made_edges}
            if self.setup_task is not None and self._is_end(above, self.setup_task):
                yield Edge(self.setup_task, task, mapped=mapped)
            below = {e.downstream_task for e in self.flow.edges_out(task) if e not in self._made_edges}
            if self._is_end(below, self.cleanup_task):
                yield Edge(task, self.cleanup_task, mapped=mapped)

    def _is_end(self, neighbours: set[Task], end: Task) -> bool:
        return end not in neighbours and self._members.keys().isdisjoint(neighbours)


def copied_blocks(blocks: Iterable[Block], flow: Graph, outer: Block | None = None) -> list[Block]:
    """Return copies of blocks for `flow`, nested as they are; those that are in no other are put into `outer`."""
    copies = {block: block.copied(flow) for block in blocks}
    # Of two nested blocks either may know the other as it was before one of its three was replaced.
    of_task = {task: copy for copy in copies.values() for task in copy.lifecycle}
    around = {task: copy for copy in copies.values() for task in copy._members}
    for block, copy in copies.items():
        if block.parent is None:
            copy.parent = outer
            continue
        found = [of_task[task] for task in block.parent.lifecycle if task in of_task]
        found += [around[task] for task in copy.lifecycle if task in around]
        copy.parent = found[0] if found else outer
        if found:
            found[0]._members.update(dict.fromkeys(copy.lifecycle))
    return list(copies.values())


def _with_task(edge: Edge, old: Task, new: Task) -> Edge:
    up, down = (new if task is old else task for task in (edge.upstream_task, edge.downstream_task))
    return Edge(up, down, key=edge.key, mapped=edge.mapped, flattened=edge.flattened)
