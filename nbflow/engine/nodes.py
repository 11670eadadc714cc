"""The nodes of a schedule, tasks and children of mapped ones, with all that is counted of them.

Nothing here decides: the parts of the schedule do, which all work on these lists. They are lists of numbers, not
objects, since a run of 100,000 tasks would pay for each object in memory and in the time of the garbage collector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.resource_lifetime import ResourceLifetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

SUCCEEDED, SKIPPED, FAILED, CANCELLED = range(4)
WAITING, READY, CLAIMED, RUNNING, ASLEEP, HELD, EXPANDED, DONE = range(8)


class Nodes:
    """The counts of a run's nodes and the lifetimes of its resources.

    Attributes:
        phase: One of those that `nbflow.engine.schedule` draws.
        left: How many upstream nodes have not ended. An edge from an enclosing block's init or setup is not counted:
            the block's lifetime stands for it. Those may wait to be needed by the very node.
        bad, skipped, failed: How many upstream nodes ended otherwise than in plain success.
        task_of: The number of a node's task; a task is its own.
        child_index: Which child of its task a node is; -1 for the task itself.
        role: The role of a node's task.
        own: The lifetime that an init, setup or cleanup makes.
        home: The lifetime that a node is a member of.
        lifetimes: By block: one for each resource, of which a mapped block has one for each element.
        down: The nodes that wait for a node: a tuple, shared by all runs, or a list of this run's own.
        paired_down: The mapped tasks whose children are paired with those of a mapped one.
        past: Who waits for whom without taking anything: see `tie_past`.
    """

    def __init__(self, graph: CompiledGraph) -> None:
        count = len(graph.tasks)
        self.graph = graph
        self.phase = [WAITING] * count
        self.left = [0] * count
        self.bad = [0] * count
        self.skipped = [0] * count
        self.failed = [0] * count
        self.verdict = [SUCCEEDED] * count
        self.task_of = list(range(count))
        self.child_index = [-1] * count
        self.role = graph.role.copy()
        self.children: dict[int, range] = {}
        self.lifetimes: list[list[ResourceLifetime]] = [[] for _ in graph.shapes]
        self.own: list[ResourceLifetime | None] = [None] * count
        self.home: list[ResourceLifetime | None] = [None] * count
        self.down: list[list[int] | tuple[int, ...]] = []
        self.paired_down: dict[int, list[int]] = {}
        self.past: set[tuple[int, int]] = set()
        self.children_verdict: dict[int, int] = {}
        self._children_left: dict[int, int] = {}
        self._in_mapped: set[int] = set()  # tasks inside of a mapped block
        self._add_blocks()
        if graph.wiring is None or graph.shapes:
            self._link()
        else:
            self.left, self.down = graph.wiring.left.copy(), list(graph.wiring.down)
            self.paired_down = graph.wiring.paired_down

    def _add_blocks(self) -> None:
        for k, shape in enumerate(self.graph.shapes):
            if shape.mapped:  # its lifetimes come with its elements
                # Without setup no edge makes its members wait: its elements must be known before theirs.
                if shape.setup < 0:
                    for node in shape.members:
                        self.paired_down.setdefault(shape.init, []).append(node)
                        self.left[node] += 1
                continue
            outer = self.enclosing_lifetime(shape.parent, -1)
            lifetime = ResourceLifetime(
                k, -1, outer, shape.init, shape.setup, shape.cleanup, len(shape.members), shape.grace_s
            )
            self.lifetimes[k].append(lifetime)
            for node in (shape.init, shape.setup, shape.cleanup):
                if node >= 0:
                    self.own[node] = lifetime

    def _link(self) -> None:
        graph = self.graph
        self.down.extend([] for _ in graph.tasks)
        # The init and setup of the blocks around are no upstream of what is inside: they may wait to be needed by it,
        # and each would wait for the other.
        gated_by = [
            {node for k in graph.enclosing(shape) if not graph.shapes[k].mapped for node in graph.shapes[k][:2]}
            for shape in range(len(graph.shapes))
        ]
        for node, upstream in enumerate(graph.upstream):
            gated: set[int] | tuple[()] = ()
            around = graph.shape_of[node]
            if around >= 0:
                if graph.role[node] != ORDINARY:
                    around = graph.shapes[around].parent
                if around >= 0:
                    gated = gated_by[around]
                    if graph.shapes[around].mapped:
                        self._in_mapped.add(node)
                    else:
                        self.home[node] = self.lifetimes[around][0]
            pairs = graph.pairs[node]
            for up in upstream:
                if up in gated:
                    continue
                if up in pairs:
                    self.paired_down.setdefault(up, []).append(node)
                else:
                    self._wait_for(up, node)
                self.left[node] += 1

    def _wait_for(self, up: int, node: int) -> None:
        below = self.down[up]
        if type(below) is tuple:
            below = self.down[up] = list(below)
        below.append(node)  # type: ignore[union-attr]

    def tie_past(self, given: Iterable[int]) -> None:
        """Let tasks wait for those that are above them through nodes in `given` only, which ended before the run.

        One that runs again although what is below it is taken over changes a value that one further below takes.
        """
        above: dict[int, frozenset[int]] = {}  # of each node in `given`, the nearest tasks that are not
        for node, upstream in enumerate(self.graph.upstream if given else ()):
            found: frozenset[int] = frozenset()
            for up in upstream:
                nearest = above.get(up)
                if node in given and up not in given and self.role[up] == ORDINARY:
                    nearest = frozenset((up,))
                if nearest and not nearest <= found:
                    found = nearest | found
            if not found:
                continue
            if node in given:  # it has ended: it only hands on who is above
                above[node] = found
                continue
            for far in found.difference(upstream) if self.role[node] == ORDINARY else ():
                self._wait_for(far, node)
                self.past.add((far, node))
                self.left[node] += 1

    # -- questions --------------------------------------------------------------------------------------------

    def task(self, node: int) -> Task:
        """Return the task that a node is, or is a child of."""
        return self.graph.tasks[self.task_of[node]]

    def lifetime_of(self, node: int) -> ResourceLifetime | None:
        """Return the innermost resource that `node` makes, uses or cleans up."""
        return self.own[node] or self.lifetime_around(node)

    def lifetime_around(self, node: int) -> ResourceLifetime | None:
        """Return the innermost resource that `node` is inside of.

        A mapped block may have none for it, because its own init did not run; those around it are there all the same.
        """
        task = self.task_of[node]
        lifetime = self.home[node] or self.home[task]
        if lifetime is None and task in self._in_mapped:
            return self.enclosing_lifetime(self.shape_around(task), self.child_index[node])
        return lifetime

    def below(self, node: int) -> list[int]:
        """Return the nodes that take something from `node`."""
        return [*self.down[node], *self.paired_down.get(node, ())]

    def shape_around(self, node: int) -> int:
        """Return the number of the innermost block that a task is inside of; -1 if it is in none."""
        shape = self.graph.shape_of[node]
        if shape >= 0 and self.graph.role[node] != ORDINARY:
            return self.graph.shapes[shape].parent
        return shape

    def enclosing_lifetime(self, shape: int, index: int) -> ResourceLifetime | None:
        """Return the lifetime of `shape` (or of the nearest around it that has one), for child `index`."""
        for k in self.graph.enclosing(shape):
            if not self.graph.shapes[k].mapped:
                return self.lifetimes[k][0]
            if 0 <= index < len(self.lifetimes[k]):
                return self.lifetimes[k][index]
        return None

    def undone_makers(self, lifetime: ResourceLifetime) -> Iterator[int]:
        """Yield the init and setup that wait for nothing but to be needed."""
        for node in (lifetime.init, lifetime.setup):
            if node >= 0 and self.phase[node] == WAITING and self.left[node] == 0:
                yield node

    # -- counting ---------------------------------------------------------------------------------------------

    def mark(self, node: int, verdict: int) -> None:
        """Count an upstream node that ended with a verdict other than plain success."""
        self.bad[node] += 1
        if verdict == SKIPPED:
            self.skipped[node] += 1
        elif verdict == FAILED:
            self.failed[node] += 1

    def add_children(self, node: int, count: int) -> range:
        """Number the children of a mapped task on from the nodes there are."""
        first = len(self.phase)
        children = range(first, first + count)
        self.phase[node] = EXPANDED
        self.children[node] = children
        self._children_left[node] = count
        self.children_verdict[node] = SUCCEEDED
        self.phase.extend([WAITING] * count)
        self.left.extend([0] * count)
        # What is upstream of the map as a whole counts for each child; its own share of a paired map is added below.
        self.bad.extend([self.bad[node]] * count)
        self.skipped.extend([self.skipped[node]] * count)
        self.failed.extend([self.failed[node]] * count)
        self.verdict.extend([SUCCEEDED] * count)
        self.task_of.extend([node] * count)
        self.child_index.extend(range(count))
        self.role.extend([self.role[node]] * count)
        self.own.extend([None] * count)
        self.home.extend([None] * count)
        self.down.extend([()] * count)
        gated = {up for k in self.graph.enclosing(self.shape_around(node)) for up in self.graph.shapes[k][:2]}
        for up in self.graph.pairs[node]:
            if up in gated or up not in self.children:
                continue
            for child, upper in zip(children, self.children[up], strict=False):
                if self.phase[upper] != DONE:  # one that has ended tells nobody any more
                    self._wait_for(upper, child)
                    self.left[child] += 1
                elif self.verdict[upper]:
                    self.mark(child, self.verdict[upper])
        return children

    def child_ended(self, task: int, verdict: int) -> bool:
        """Count the end of a child of a mapped task; True if it was the last one."""
        # One failure outweighs any number of cancelled children, whichever ends last.
        if verdict in (FAILED, CANCELLED) and self.children_verdict[task] != FAILED:
            self.children_verdict[task] = verdict
        self._children_left[task] -= 1
        return self._children_left[task] == 0
