"""The nodes that may start now, and which of them is next.

Start order is the order of the tasks, with one exception: what is inside an open block comes before what is not, the
innermost first. So a resource is held no longer than its tasks take (docs/guarantee.md, rule 8), and the next element
of a mapped block is opened when the last one is closed.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import CLEANUP, INIT, ORDINARY, SETUP
from nbflow.engine.concurrency_limit import ConcurrencyLimit
from nbflow.engine.nodes import CLAIMED, READY, WAITING

if TYPE_CHECKING:
    from nbflow.engine.executor_slots import ExecutorSlots
    from nbflow.engine.nodes import Nodes
    from nbflow.engine.resource_lifetime import ResourceLifetime

UNLIMITED = -1
_SHIFT = 31
_MASK = (1 << _SHIFT) - 1
_LATER = 1 << (2 * _SHIFT)  # added to the key of what is in fewer open blocks, once for each
_HEAP_OF_ROLE = {ORDINARY: 0, INIT: 1, SETUP: 1, CLEANUP: 2}


class ReadyQueue:
    """Hands out ready nodes one at a time, as far as budget, capacity and limits of maps let them start.

    A heap holds keys: a task and which child of it, below how few open blocks it is in. A key stays where it is when
    its node is ended by a person or a cancel, since a heap cannot be searched; whoever takes it looks at the phase.

    Attributes:
        capacity: How many ordinary tasks may run at once.
        ahead: How many simple ones more may be handed out, to wait where they run.
        serial: Whether init, setup and cleanup share the one thread of the tasks (inline executor).
        budget: How many more tasks may start (0: the run is paused).
        stops_midway: Whether the run is to stop at a node or a block, so that none is handed out ahead.
        cancelled: Whether the budget holds nothing back any more: only cleanups are left.
        running: How many ordinary tasks run.
        running_lifecycle: How many init, setup and cleanup tasks run.
        early: How many ordinary ones were handed out before what is upstream of them has ended: see `EarlyNodes`.
        early_ready: A heap of those that may be.
        stepped_map: The mapped task whose children start whatever the budget; -1 for none.
    """

    def __init__(self, nodes: Nodes, *, capacity: int, serial: bool, budget: int) -> None:
        graph = nodes.graph
        self.block_slots: list[ExecutorSlots] = []  # of executors that blocks are
        self.capacity, self.serial, self.budget = capacity, serial, budget
        self.stops_midway = self.cancelled = False
        self.ahead = 0
        self.running = 0
        self.running_lifecycle = 0
        self.early = 0
        self.early_ready: list[int] = []
        self.stepped_map = -1
        self._nodes = nodes
        self._phase, self._home = nodes.phase, nodes.home
        self._task_of, self._children = nodes.task_of, nodes.children
        self.ordinary: list[int] = []
        self._lifecycle: list[int] = []  # init and setup
        self._cleanups: list[int] = []  # apart: never behind what has to wait for a place
        self._free: list[int] = []  # parameters and the like, which take no place and are no step
        self._heaps = (self.ordinary, self._lifecycle, self._cleanups)
        # Children of the map that is the step, and what a person lets go: they start whatever the budget.
        self._stepped: tuple[list[int], ...] = ([], [], [])
        self._deepest = max((len(graph.enclosing(shape)) for shape in range(len(graph.shapes))), default=0)
        self._outside = self._deepest * _LATER  # added to the key of what is in no open block
        self._map_limits = {task: ConcurrencyLimit[int](limit) for task, limit in graph.limits.items()}
        self._is_common = [
            role == ORDINARY and not is_map and not free and shape < 0
            for role, is_map, free, shape in zip(
                graph.role, graph.is_map, graph.free, graph.executor_shape, strict=True
            )
        ]

    # -- in ---------------------------------------------------------------------------------------------------

    def push(self, node: int) -> None:
        """Take in a node that may start; a child above its map's limit goes on waiting."""
        task = self._task_of[node]
        if self._is_common[task]:  # the same as below, for what most tasks are
            self._phase[node] = READY
            lifetime = self._home[node]
            key = node << _SHIFT
            heappush(self.ordinary, key + (self._outside if lifetime is None else self._bias(lifetime)))
            return
        nodes, graph = self._nodes, self._nodes.graph
        is_child = nodes.child_index[node] >= 0
        if self._map_limits and is_child:
            limit = self._map_limits.get(task)
            if limit is not None and not limit.acquire(node):
                self._phase[node] = WAITING
                return
        self._phase[node] = READY
        key, role = self._key(node), graph.role[task]
        # Expanding a map costs nothing, and the blocks of its elements cannot close before it is done. In a run that
        # is stepped it is a step like any other, and keeps its turn.
        if not (graph.is_map[task] and not is_child and self.budget < 0):
            key += self._bias(nodes.own[node] if role == CLEANUP else nodes.lifetime_around(node))
        if graph.free[task]:
            heappush(self._free, key)
        elif is_child and task == self.stepped_map:
            heappush(self._stepped[_HEAP_OF_ROLE[role]], key)
        else:
            slots = self.slots_of(node)
            heappush(self._heaps[_HEAP_OF_ROLE[role]] if isinstance(slots, ReadyQueue) else slots.ready, key)

    def push_to_measure(self, task: int) -> None:
        """Take in a mapped task of which only the length is asked: that is no start, and takes no place."""
        self._phase[task] = READY
        heappush(self._free, self._key(task))

    def push_at_once(self, node: int) -> None:
        """Take in a node that starts even if the run is paused: a person has said so."""
        self._phase[node] = READY
        heappush(self._stepped[_HEAP_OF_ROLE[self._nodes.role[node]]], self._key(node))

    def push_early(self, node: int) -> None:
        """Take in a node that may go to where what is upstream of it is under way."""
        key = self._key(node) + self._bias(self._nodes.lifetime_around(node))
        heappush(self.slots_of(node).early_ready, key)

    def child_ended(self, node: int, task: int) -> None:
        """Give the place that a child had in its map's limit to the next one that waits for it."""
        limit = self._map_limits.get(task)
        if limit is not None:
            # One that was ended while it waited wants no place; to give it one would lose the place for good.
            following = limit.release(node, lambda other: self._phase[other] == WAITING)
            if following is not None:
                self.push(following)

    def count(self, node: int, change: int) -> None:
        """Count a node that started (1) or stopped (-1)."""
        if self._nodes.role[node] != ORDINARY:
            self.running_lifecycle += change
        else:
            self.slots_of(node).running += change

    def count_early(self, node: int, change: int) -> None:
        """Count a node that was handed out early (1), or is so no more (-1)."""
        self.slots_of(node).early += change

    # -- executors that blocks are ----------------------------------------------------------------------------

    def executor_around(self, node: int) -> ResourceLifetime | None:
        """Return the resource that calls an ordinary node; None if the run's executor does."""
        shape = self._nodes.graph.executor_shape[self._task_of[node]]
        lifetime = None if shape < 0 else self._nodes.lifetime_around(node)
        while lifetime is not None and lifetime.shape != shape:
            lifetime = lifetime.outer
        return lifetime

    def open_slots(self, lifetime: ResourceLifetime, slots: ExecutorSlots) -> None:
        """Give the tasks inside of a resource slots of their own."""
        lifetime.slots = slots
        self.block_slots.append(slots)

    def close_slots(self, lifetime: ResourceLifetime) -> None:
        """Take them away: no task inside is left."""
        if lifetime.slots is not None:
            self.block_slots.remove(lifetime.slots)

    def slots_of(self, node: int) -> ExecutorSlots | ReadyQueue:
        """Return what has the places for an ordinary node: this, unless a block is an executor around it."""
        if not self.block_slots:  # of most runs there are none
            return self
        lifetime = self.executor_around(node)
        return self if lifetime is None or lifetime.slots is None else lifetime.slots

    @property
    def is_busy(self) -> bool:
        """True while anything runs."""
        if self.running or self.running_lifecycle or self.early:
            return True
        return any(slots.running or slots.early for slots in self.block_slots)

    # -- out --------------------------------------------------------------------------------------------------

    def pop(self) -> int | None:
        """Return the next node to look at, in start order, or None if none may start now."""
        if self.serial and (self.running or self.running_lifecycle) and not self.block_slots:
            return None
        plain, stepped = self.ordinary, self._stepped
        while True:
            best: list[int] | None = plain
            if (
                self.budget == 0
                or self.stepped_map >= 0
                or stepped[0]
                or stepped[1]
                or stepped[2]
                or self.running + self.running_lifecycle >= self.capacity
                or self.block_slots
            ):
                best = self._best()
            elif self._free or self._lifecycle or self._cleanups:
                for heap in (self._lifecycle, self._cleanups, self._free):
                    if heap and (not best or heap[0] < best[0]):
                        best = heap
            if not best:
                return None
            key = heappop(best)
            child = key & _MASK
            node = (key >> _SHIFT) & _MASK  # as `decode` does: a call for each node would be felt
            if child:
                node = self._children[node][child - 1]
            # One that was ended in the meantime is passed over; the next one may be in another heap.
            if self._phase[node] == READY:
                self._phase[node] = CLAIMED
                return node

    def _best(self) -> list[int] | None:
        """Return the heap with the next node that may start, in the less common cases."""
        is_paused = self.budget == 0 and not self.cancelled
        best = None if is_paused else self._best_of_blocks()
        if self.serial and (self.running or self.running_lifecycle):
            return best
        has_no_place = self.running >= self.capacity
        is_full = self.running + self.running_lifecycle >= self.capacity
        for heap in (self._free, *(() if is_paused else self._heaps), *self._stepped):
            if not self.trim(heap):
                continue
            if has_no_place and heap is self._stepped[0]:
                continue
            if has_no_place and heap is self.ordinary and not self._goes_ahead(self, heap):
                continue
            # What would be opened now would only wait for a place; so would the block of a map's next element.
            if heap is self._lifecycle and is_full and (heap[0] >= self._outside or heap[0] & _MASK):
                continue
            if best is None or heap[0] < best[0]:
                best = heap
        return best

    def _best_of_blocks(self) -> list[int] | None:
        best: list[int] | None = None
        for slots in self.block_slots:
            ready = slots.ready
            if not self.trim(ready) or (best is not None and best[0] < ready[0]):
                continue
            if slots.running < slots.capacity or self._goes_ahead(slots, ready):
                best = ready
        return best

    def _goes_ahead(self, slots: ExecutorSlots | ReadyQueue, ready: list[int]) -> bool:
        """Tell whether the next of a heap may be handed out although no worker is free for it."""
        if slots.running >= slots.capacity + slots.ahead or self.budget >= 0 or self.stops_midway:
            return False
        return self._nodes.graph.is_simple[(ready[0] >> _SHIFT) & _MASK]

    def peek(self) -> int | None:
        """Return the node that a step would start first, as far as is known now."""
        # Asked from any thread, so it only looks, at copies: `trim` would pull a key from under the run's thread.
        heaps = (*self._heaps, *(slots.ready for slots in self.block_slots.copy()))
        nodes = ((key, self.decode(key)) for heap in heaps for key in heap.copy())
        return min(((key, node) for key, node in nodes if self._phase[node] == READY), default=(0, None))[1]

    # -- the map that is the step -----------------------------------------------------------------------------

    def set_aside(self, task: int) -> None:
        """Let the children of a mapped task start whatever the budget."""
        self.stepped_map = task
        for heap, stepped in zip(self._heaps, self._stepped, strict=True):
            rest: list[int] = []
            for key in heap:
                (stepped if key & _MASK and (key >> _SHIFT) & _MASK == task else rest).append(key)
            heap[:] = rest
            heapify(heap)
            heapify(stepped)

    def put_back(self) -> None:
        """Count the children of the map that was the step like any other node again."""
        if self.stepped_map >= 0:
            self.stepped_map = -1
            for heap, stepped in zip(self._heaps, self._stepped, strict=True):
                heap += stepped
                heapify(heap)
                stepped.clear()

    # -- keys -------------------------------------------------------------------------------------------------

    def _key(self, node: int) -> int:
        return (self._task_of[node] << _SHIFT) | (self._nodes.child_index[node] + 1)

    def decode(self, key: int) -> int:
        """Return the node of a key."""
        task = (key >> _SHIFT) & _MASK
        child = key & _MASK
        return self._children[task][child - 1] if child else task

    def _bias(self, lifetime: ResourceLifetime | None) -> int:
        """Return what puts a node behind those in more open blocks: what is open innermost is closed first."""
        while lifetime is not None and not lifetime.open:
            lifetime = lifetime.outer
        return self._outside if lifetime is None else (self._deepest - lifetime.depth) * _LATER

    def trim(self, heap: list[int]) -> bool:
        """Drop what was ended in the meantime from the front of a heap; tell whether anything is left."""
        while heap and self._phase[self.decode(heap[0])] != READY:
            heappop(heap)
        return bool(heap)
