"""The nodes that are handed out before what is upstream of them has ended, because all that has not is under way there.

A chain of short tasks would cost a message each way for every one of them. So an executor that can pass values from one
call to the next is given the next ones too: those that nothing but the call itself decides about. If one of them turns
out to have gone too early, since what it expects did not end well, it comes back and waits as if it had never gone.
"""

from __future__ import annotations

from heapq import heappop
from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.nodes import WAITING

if TYPE_CHECKING:
    from nbflow.engine.executor_slots import ExecutorSlots
    from nbflow.engine.nodes import Nodes
    from nbflow.engine.ready_queue import ReadyQueue


class EarlyNodes:
    """Finds those that may go early, as others are handed out, and keeps account of those that have gone.

    Attributes:
        under_way: The nodes that were handed out to be called elsewhere and have not ended: others may go after them.
        gone: Those that went early, and wait for some that have not ended.
        known: Those that did, and all that is upstream has ended well since; for the loop to read and clear.
        tied: Those that wait for a node that they take nothing from (`Nodes.past`): they never go early.
    """

    def __init__(self, nodes: Nodes, queue: ReadyQueue) -> None:
        self.under_way: set[int] = set()
        self.gone: set[int] = set()
        self.known: list[int] = []
        self.tied: set[int] = set()
        self._nodes, self._queue = nodes, queue
        self._upstream: dict[int, int] = {}  # how many nodes that are right before one are under way

    # -- what happened ------------------------------------------------------------------------------------------

    def handed_out(self, node: int) -> None:
        """A node was handed to a session that takes calls which go after it."""
        self.under_way.add(node)
        left, upstream = self._nodes.left, self._upstream
        for down in self._nodes.down[node]:
            count = upstream[down] = upstream.get(down, 0) + 1
            if count == left[down]:
                self._consider(down, node)

    def expanded(self, task: int) -> None:
        """A mapped task has children, which wait for those of others that may be under way already."""
        nodes = self._nodes
        for up in nodes.graph.pairs[task] if self.under_way else ():
            for child, upper in zip(nodes.children[task], nodes.children.get(up, ()), strict=False):
                if upper in self.under_way:
                    count = self._upstream[child] = self._upstream.get(child, 0) + 1
                    if count == nodes.left[child]:
                        self._consider(child, upper)

    def over(self, node: int) -> None:
        """A node is under way no more: it is about to end, or came back."""
        if node in self.under_way:
            self.under_way.remove(node)
            for down in self._nodes.down[node]:
                self._upstream[down] -= 1

    def went(self, node: int) -> None:
        """A node that `pop` gave was handed out."""
        self.gone.add(node)
        self._queue.count_early(node, 1)

    def came(self, node: int) -> None:
        """The last of what is upstream of a node that has gone ended well: it is like any other that was handed out."""
        self.left(node)
        self._queue.count(node, 1)
        self.known.append(node)

    def left(self, node: int) -> None:
        """A node has gone early no more, whatever the reason."""
        self.gone.remove(node)
        self._queue.count_early(node, -1)

    # -- out ----------------------------------------------------------------------------------------------------

    def pop(self) -> int | None:
        """Return the next node that may go now; it has not gone before `went` says so.

        None goes while anything is ready, nor where there is no use for more than there is room for.
        """
        queue = self._queue
        if queue.budget >= 0 or queue.stops_midway or queue.cancelled:
            return None
        places: list[tuple[ExecutorSlots | ReadyQueue, list[int]]] = [(queue, queue.ordinary)]
        places += [(slots, slots.ready) for slots in queue.block_slots]
        for slots, ready in places:
            while slots.early_ready and not queue.trim(ready) and self._has_use(slots):
                node = queue.decode(heappop(slots.early_ready))
                if self._may_go(node) and self._nodes.left[node] == self._upstream[node]:
                    return node
        return None

    @staticmethod
    def _has_use(slots: ExecutorSlots | ReadyQueue) -> bool:
        return slots.ahead > 0 and slots.running + slots.early < slots.capacity + slots.ahead

    def _consider(self, node: int, up: int) -> None:
        queue = self._queue
        if self._may_go(node) and queue.slots_of(node) is queue.slots_of(up):
            queue.push_early(node)

    def _may_go(self, node: int) -> bool:
        """Tell whether nothing but what is under way, and the call itself, decides about a node."""
        nodes, graph = self._nodes, self._nodes.graph
        task, is_child = nodes.task_of[node], nodes.child_index[node] >= 0
        if nodes.phase[node] != WAITING or nodes.bad[node] or not graph.is_simple[task] or graph.free[task]:
            return False
        if graph.role[task] != ORDINARY or graph.is_map[task] != is_child or node in self.tied:
            return False
        if is_child and task in graph.limits:
            return False
        home = nodes.home[node]
        return graph.shape_of[task] < 0 or (home is not None and home.usable)
