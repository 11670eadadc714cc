"""The nodes of a schedule, tasks and children of mapped ones, with all that is counted of them.

* `phase[node]`: WAITING for upstream, demand or its block; READY in a heap; CLAIMED by the loop; RUNNING; ASLEEP until
  a retry; HELD for a person; EXPANDED (a mapped task whose children are under way); DONE.
* `left[node]`: how many upstream nodes have not ended. An edge from an enclosing block's init or setup is not
  counted: the block's lifetime stands for it. Those may wait to be needed by the very node (rule 8).
* `bad[node]`, `skipped[node]`, `failed[node]`: how many upstream nodes ended otherwise than in plain success.
* a `ResourceLifetime` for each resource: one for each block, one for each element of a mapped block.

Nothing here decides: `nbflow.engine.schedule` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.resource_lifetime import ResourceLifetime

if TYPE_CHECKING:
    from nbflow.engine.compiled_graph import CompiledGraph

SUCCEEDED, SKIPPED, FAILED, CANCELLED = range(4)
WAITING, READY, CLAIMED, RUNNING, ASLEEP, HELD, EXPANDED, DONE = range(8)


class Nodes:
    """The counts of a run's nodes and the lifetimes of its resources; see the module."""

    def __init__(self, graph: CompiledGraph) -> None:
        count = len(graph.tasks)
        self.graph = graph
        self.phase = [WAITING] * count
        self.left = [0] * count
        self.bad = [0] * count
        self.skipped = [0] * count
        self.failed = [0] * count
        self.verdict = [SUCCEEDED] * count
        self.task_of = list(range(count))  # a child's task; a task is its own
        self.child_index = [-1] * count
        self.children: dict[int, range] = {}
        self.lifetimes: list[list[ResourceLifetime]] = [[] for _ in graph.shapes]
        self.own: list[ResourceLifetime | None] = [
            None
        ] * count  # the lifetime an init, setup or cleanup makes
        self.home: list[ResourceLifetime | None] = [None] * count  # the lifetime a node is a member of
        self._in_mapped: set[int] = set()  # tasks inside of a mapped block
        self._down: list[list[int]] = [[] for _ in range(count)]
        self._pair_down: dict[int, list[int]] = {}
        self._children_left: dict[int, int] = {}
        self._children_verdict: dict[int, int] = {}
        self._link()

    def _link(self) -> None:
        graph = self.graph
        for k, shape in enumerate(graph.shapes):
            if shape.mapped:
                # Without setup no edge makes its members wait: its elements must be known before theirs.
                if shape.setup < 0:
                    for node in shape.members:
                        self._pair_down.setdefault(shape.init, []).append(node)
                        self.left[node] += 1
                continue
            outer = self._enclosing_lifetime(shape.parent, -1)
            lifetime = ResourceLifetime(
                k, -1, outer, shape.init, shape.setup, shape.cleanup, len(shape.members), shape.grace_s
            )
            self.lifetimes[k].append(lifetime)
            for node in (shape.init, shape.setup, shape.cleanup):
                if node >= 0:
                    self.own[node] = lifetime
        gated_by = [
            {
                node
                for k in graph.enclosing(shape)
                if not graph.shapes[k].mapped
                for node in graph.shapes[k][:2]
            }
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
                    self._pair_down.setdefault(up, []).append(node)
                else:
                    self._down[up].append(node)
                self.left[node] += 1

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
            return self._enclosing_lifetime(self._shape_around(task), self.child_index[node])
        return lifetime

    def below(self, node: int) -> list[int]:
        """Return the nodes that take something from `node`."""
        return [*self._down[node], *self._pair_down.get(node, ())]

    def _shape_around(self, node: int) -> int:
        shape = self.graph.shape_of[node]
        if shape >= 0 and self.graph.role[node] != ORDINARY:
            return self.graph.shapes[shape].parent
        return shape

    def _enclosing_lifetime(self, shape: int, index: int) -> ResourceLifetime | None:
        """Return the lifetime of `shape` (or of the nearest around it that has one), for child `index`."""
        for k in self.graph.enclosing(shape):
            if not self.graph.shapes[k].mapped:
                return self.lifetimes[k][0]
            if 0 <= index < len(self.lifetimes[k]):
                return self.lifetimes[k][index]
        return None

    def _mark(self, node: int, verdict: int) -> None:
        self.bad[node] += 1
        if verdict == SKIPPED:
            self.skipped[node] += 1
        elif verdict == FAILED:
            self.failed[node] += 1

    def _add_children(self, node: int, count: int) -> range:
        first = len(self.phase)
        children = range(first, first + count)
        self.phase[node] = EXPANDED
        self.children[node] = children
        self._children_left[node] = count
        self._children_verdict[node] = SUCCEEDED
        self.phase.extend([WAITING] * count)
        self.left.extend([0] * count)
        self.bad.extend([self.bad[node]] * count)
        self.skipped.extend([self.skipped[node]] * count)
        self.failed.extend([self.failed[node]] * count)
        self.verdict.extend([SUCCEEDED] * count)
        self.task_of.extend([node] * count)
        self.child_index.extend(range(count))
        self.own.extend([None] * count)
        self.home.extend([None] * count)
        self._down.extend([] for _ in range(count))
        gated = {
            up for k in self.graph.enclosing(self._shape_around(node)) for up in self.graph.shapes[k][:2]
        }
        for up in self.graph.pairs[node]:
            if up in gated or up not in self.children:
                continue
            for child, upper in zip(children, self.children[up], strict=False):
                if self.phase[upper] != DONE:
                    self._down[upper].append(child)
                    self.left[child] += 1
                elif self.verdict[upper]:
                    self._mark(child, self.verdict[upper])
        return children
