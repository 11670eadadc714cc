"""`apply_map`: run a function that builds tasks once, and map everything it built.

The function builds on a scratch graph, so that its tasks can be told from those that were there before.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from nbflow.core.annotations import EdgeAnnotation, unmapped
from nbflow.core.block import Block
from nbflow.core.collections import Constant, Dict, List, Set, Tuple, as_task, contains_task
from nbflow.core.context import context
from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.core.task import Task
from nbflow.errors import ApplyMapError, NoFlowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.edge import Edge

T = TypeVar("T")


class _Argument(NamedTuple):
    """The use of an argument of the function: one value a child, or all of it for each child."""

    mapped: bool
    flattened: bool


_PLAIN = _Argument(mapped=True, flattened=False)
_OUTSIDE = _Argument(mapped=False, flattened=False)


def apply_map(func: Callable[..., T], *args: Any, flow: Graph | None = None, **kwargs: Any) -> T:
    """Map all the tasks that `func` creates, as if `func` were called for each item of the arguments.

    `func` is called once, with tasks in place of the arguments. Tasks it uses that are in the flow already are
    not mapped: each child gets their whole result, unless they are marked `mapped(x)`.

    Args:
        func: Builds tasks, cases and resource blocks from its arguments.
        *args: What to map over: tasks or sequences; `unmapped(x)` is given whole to each child. A tuple, list or
            dictionary of mapped tasks, such as another `apply_map` returned, is mapped element by element: each child
            gets one of the tasks' own children.
        flow: The flow; by default the one being built. If it is given, `func` gets a `flow` too, in which it can
            build without a ``with``.
        **kwargs: Keyword arguments for `func`, treated in the same way.

    Returns:
        What `func` returned.

    Raises:
        NoFlowError: If no flow is given and none is being built.
        ApplyMapError: If an argument is not a task, an annotation or a sequence.
    """
    is_given = flow is not None
    flow = flow if flow is not None else context.get("flow")
    if flow is None:
        raise NoFlowError("for `apply_map`")
    for value in (*args, *kwargs.values()):
        if not isinstance(value, (Task, EdgeAnnotation)) and not hasattr(value, "__getitem__"):
            raise ApplyMapError(type(value).__name__)

    scratch = _Scratch(flow)
    tasks = [scratch.take(value) for value in args]
    keyed = {name: scratch.take(value) for name, value in kwargs.items()}
    # What the caller's case and block are to contain is added to them when it is copied.
    more: dict[str, Any] = {"flow": scratch.graph} if is_given and _takes_flow(func) else {}
    with scratch.graph, context(mapped=True, case=None, resource=None):
        result = func(*tasks, **keyed, **more)
    scratch.copy()
    return result


def _takes_flow(func: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(func).parameters
    except (TypeError, ValueError):  # it does not say
        return True
    return "flow" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


class _ScratchGraph(Graph):
    """The graph that `func` builds on: tasks that it only uses become no members of blocks and cases that it makes."""

    def __init__(self, around: Graph) -> None:
        super().__init__("temporary flow")
        self._around = around

    def add_task(self, task: Task) -> Task:
        """Add a task; one that is in the flow already goes into no block or case."""
        if task in self._around._declared and task not in self._declared:
            with context(case=None, resource=None):
                return super().add_task(task)
        return super().add_task(task)


class _Scratch:
    """The graph `func` builds on, and the way from there into the flow."""

    def __init__(self, flow: Graph) -> None:
        self.flow = flow
        self.graph = _ScratchGraph(flow)
        self.arguments: dict[Task, _Argument] = {}
        self._made: dict[Task, None] = {}
        self._edges: dict[Edge, Edge] = {}

    def take(self, value: Any) -> Task:
        """Convert an argument of `apply_map` to the task that `func` gets for it."""
        bare, use = value, _PLAIN
        if isinstance(value, EdgeAnnotation):
            bare, mapped, flattened = value.unwrap(mapped=True)
            use = _Argument(mapped, flattened)
        task = self._gather(bare) if use.mapped and self._holds_mapped(bare) else as_task(bare, flow=self.flow)
        self.arguments[task] = use
        if not isinstance(task, Constant):
            self.flow.add_task(task)
        # A constant too: one that the graph has keeps its edges, instead of becoming a value of its users.
        with context(case=None, resource=None):
            self.graph.add_task(task)
        return task

    def _holds_mapped(self, value: Any) -> bool:
        """Tell whether a collection has a mapped task in it, at any depth."""
        if isinstance(value, dict):
            value = list(value.values())
        return isinstance(value, (list, tuple, set)) and any(
            self._is_mapped(one) or self._holds_mapped(one) for one in value if contains_task(one)
        )

    def _is_mapped(self, value: Any) -> bool:
        if isinstance(value, EdgeAnnotation):
            value = value.task
        if not isinstance(value, Task) or value not in self.flow.tasks:
            return False
        return any(edge.mapped for edge in self.flow.edges_to(value))

    def _gather(self, value: Any) -> Task:
        """Return a mapped task whose children gather one child's result of each task in a collection."""
        gathered: Task
        if isinstance(value, dict):
            keys, values = unmapped(list(value)), self._gather(list(value.values()))
            gathered = Dict().bind(keys=keys, values=values, flow=self.flow, mapped=True)
        else:
            kind = Tuple if isinstance(value, tuple) else List if isinstance(value, list) else Set
            members = (self._member(one) for one in value)
            gathered = kind().bind(*members, flow=self.flow, mapped=True)
        gathered.auto_generated = True
        return gathered

    def _member(self, value: Any) -> Any:
        if isinstance(value, (Task, EdgeAnnotation)):
            return value
        return self._gather(value) if contains_task(value) else unmapped(value)

    def copy(self) -> None:
        """Bring everything that `func` built into the flow, mapped."""
        known = self.arguments.keys() | self.flow.tasks
        self._made = {task: None for task in self.graph.tasks if task not in known}
        self._copy_tasks()
        self._copy_edges()
        self._copy_constants()
        self._tie_roots()
        self._move_blocks()

    def _copy_tasks(self) -> None:
        inside = {task for block in self.graph.blocks for task in block.members}
        for task in self._made:
            if task in inside:
                # It has its block, so the caller's block does not get it too.
                with context(resource=None):
                    self.flow.add_task(task)
            else:
                self.flow.add_task(task)

    def _use(self, upstream: Task) -> _Argument:
        if upstream in self.arguments:
            return self.arguments[upstream]
        return _PLAIN if upstream in self._made and not isinstance(upstream, Parameter) else _OUTSIDE

    def _copy_edges(self) -> None:
        for task in self.graph.tasks:
            for edge in self.graph.edges_in(task):
                use = self._use(edge.upstream_task)
                mapped, flattened = use.mapped or edge.mapped, use.flattened or edge.flattened
                self._edges[edge] = self.flow.add_edge(edge.upstream_task, task, edge.key, mapped, flattened)

    def _copy_constants(self) -> None:
        for task, values in self.graph.constants.items():
            self.flow.constants[task].update(values)

    def _tie_roots(self) -> None:
        """Make each root wait for the arguments it does not use, so that it gets as many children as the rest."""
        for task in self._made:
            above = self.flow.upstream_tasks(task)
            if isinstance(task, Parameter) or not self._made.keys().isdisjoint(above):
                continue
            for argument, use in self.arguments.items():
                if argument not in above and (use.mapped or not isinstance(argument, Constant)):
                    self.flow.add_edge(argument, task, mapped=use.mapped, flattened=use.flattened)

    def _move_blocks(self) -> None:
        outer = context.get("resource")
        for block in self.graph.blocks:
            if block.parent is None and isinstance(outer, Block):
                block.parent = outer
            block.move(self.flow, self._edges)
