"""The pure scheduler: what may start now, given what has ended. No thread, clock, file or random number.

The run loop tells it what happened (`ended`, `expanded`, `retry_at`, `hold`, `let_go`, `tick`, the commands) and asks
`pop` for the next node to look at. Nodes are numbers: task *i* of the compiled graph is node *i*, the children of
mapped tasks are numbered on from there. Its state, all of it:

* what `Nodes` keeps: phases, counts of upstream nodes, and a `ResourceLifetime` for each resource.
* `budget`: how many more tasks may start (0: paused, -1: no limit).
* `unmeasured`, `_lengths`: mapped tasks that would open a block; see `measured`.

Of the cleanup rules it decides 3 (last out closes), 4 (order, through the graph), 6 (cancel) and 8 (lazy).
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import CLEANUP, INIT, ORDINARY, SETUP
from nbflow.engine.concurrency_limit import ConcurrencyLimit
from nbflow.engine.lookahead import Lookahead
from nbflow.engine.nodes import (
    ASLEEP,
    CANCELLED,
    CLAIMED,
    DONE,
    EXPANDED,
    FAILED,
    HELD,
    READY,
    RUNNING,
    SUCCEEDED,
    WAITING,
)
from nbflow.engine.resource_lifetime import ResourceLifetime

if TYPE_CHECKING:
    from nbflow.engine.compiled_graph import CompiledGraph

UNLIMITED = -1
_SHIFT = 31
_MASK = (1 << _SHIFT) - 1
_LATER = 1 << (2 * _SHIFT)  # added to the key of what is in fewer open blocks, once for each


class Schedule(Lookahead):
    """Decides the order of a run; see the module for its state.

    Args:
        graph: The compiled graph of the run.
        capacity: How many ordinary tasks may run at once.
        serial: Whether init, setup and cleanup share the one thread of the tasks (inline executor).
        paused: Whether to start nothing until a step or a resume.
    """

    def __init__(
        self, graph: CompiledGraph, *, capacity: int = 1, serial: bool = True, paused: bool = False
    ) -> None:
        super().__init__(graph)
        self.capacity = capacity
        self.serial = serial
        self.cancelled = False
        self.now = 0.0
        self.budget = 0 if paused else UNLIMITED
        self.unfinished = len(graph.tasks)
        self.running = 0
        self.running_lifecycle = 0
        self.unneeded: set[int] = set()  # init and setup of blocks none of whose tasks will run
        self.finished_maps: list[int] = []  # for the loop to read and clear
        self.unmeasured: set[int] = set()  # mapped tasks given by `pop` to be `measured` only
        self._lengths: dict[int, int | None] = {}
        self.open_lifetimes: list[ResourceLifetime] = []
        self._ready: list[int] = []
        self._ready_lifecycle: list[int] = []  # init and setup
        self._ready_cleanups: list[int] = []  # apart: never behind what has to wait for a place
        self._ready_free: list[int] = []
        self._past: set[tuple[int, int]] = (
            set()
        )  # who waits for whom without taking anything: see `_tie_past`
        self._stepped: list[int] = []  # children of the map that is the step: whatever the budget
        self._stepped_lifecycle: list[int] = []
        self._stepped_cleanups: list[int] = []
        self._deepest = max((len(graph.enclosing(k)) for k in range(len(graph.shapes))), default=0)
        self._outside = self._deepest * _LATER  # added to the key of what is in no open block
        self._asleep: list[tuple[float, int]] = []
        self._graces: list[tuple[float, int, int]] = []
        self._step_map = -1
        self._is_stepping_into = False
        self._map_limits: dict[int, ConcurrencyLimit[int]] = {
            n: ConcurrencyLimit(k) for n, k in graph.limits.items()
        }
        self._resource_limits = {
            k: ConcurrencyLimit[ResourceLifetime](shape.max_concurrent)
            for k, shape in enumerate(graph.shapes)
            if shape.max_concurrent
        }
        self._stop_node = -1
        self._stop_lifetime: ResourceLifetime | None = None
        self._has_children = bool(self._pair_down) or any(shape.mapped for shape in graph.shapes)
        self._is_common = [
            role == ORDINARY and not is_map and not free
            for role, is_map, free in zip(graph.role, graph.is_map, graph.free, strict=True)
        ]

    # -- what happened ----------------------------------------------------------------------------------------

    def begin(
        self, given: dict[int, int] | None = None, children: dict[int, list[int]] | None = None
    ) -> None:
        """Start the run; the nodes in `given` ended before it, with these verdicts.

        Args:
            given: The verdicts.
            children: Those of the children of mapped tasks in `given`.
        """
        given = {} if given is None or self.cancelled else given  # a cancel has ended them
        children = {} if children is None or self.cancelled else children
        for lifetimes in self.lifetimes:
            for lifetime in lifetimes:
                lifetime.demanded = lifetime.members_left == 0
        for node in given:
            self.phase[node] = CLAIMED
        self._tie_past(given)
        for node in sorted(children):  # the upper ones first: the lower ones' children are paired with theirs
            for child in self._add_children(node, len(children[node])):
                self.phase[child] = CLAIMED
            for down in self._pair_down.get(node, ()):
                self._arrive(down)
        for node, verdict in given.items():
            if children.get(node):
                for child, its_verdict in zip(self.children[node], children[node], strict=True):
                    self._finish(child, its_verdict)
            else:
                self._finish(node, verdict)
        self.finished_maps.clear()  # these ended before the run
        for node in range(len(self.graph.tasks)):
            if self.left[node] == 0 and self.phase[node] == WAITING:
                self._consider(node)

    def _tie_past(self, given: dict[int, int]) -> None:
        """Let tasks wait for those that are above them through nodes in `given` only.

        One that runs again although what is below it is taken over changes a value that one further below takes.
        """
        role = self.graph.role
        above: dict[int, frozenset[int]] = {}  # of each node in `given`, the nearest tasks that are not
        for node, upstream in enumerate(self.graph.upstream if given else ()):
            found: frozenset[int] = frozenset()
            for up in upstream:
                nearest = above.get(up)
                if node in given and up not in given and role[up] == ORDINARY:
                    nearest = frozenset((up,))
                if nearest and not nearest <= found:
                    found = nearest | found
            if not found:
                continue
            if node in given:
                above[node] = found
                continue
            for far in found.difference(upstream) if role[node] == ORDINARY else ():
                self._down[far].append(node)
                self._past.add((far, node))
                self.left[node] += 1

    def started(self, node: int) -> None:
        """The loop starts an attempt of a node that `pop` gave."""
        self.phase[node] = RUNNING
        if self.budget > 0:
            self._spend(node)
        if self.graph.role[self.task_of[node]] == ORDINARY:
            self.running += 1
        else:
            self.running_lifecycle += 1

    def ended(self, node: int, verdict: int) -> None:
        """A node ended with `verdict`."""
        self._stop(node)
        self._finish(node, verdict)

    def succeeded(self, node: int) -> None:
        """A node ended well that was never told `started` (short for both)."""
        self.phase[node] = DONE
        if node == self._stop_node:
            self._go(0)
        home = self.home[node]
        if home is not None:
            home.members_left -= 1
            if not home.members_left:
                self._members_done(home)
        left, phase = self.left, self.phase
        for down in self._down[node]:
            left[down] -= 1
            if left[down] == 0 and phase[down] == WAITING:
                self._consider(down)
        if self.child_index[node] >= 0:
            self._child_done(node, self.task_of[node], SUCCEEDED)
            return
        self.unfinished -= 1
        if self._has_children:
            self._unexpanded_done(node, SUCCEEDED)

    def lingers(self, node: int) -> None:
        """A node is about to end, but its thread goes on with it (see `let_go`); the resources around it are in use."""
        lifetime = self.lifetime_of(node)
        while lifetime is not None:
            lifetime.busy += 1
            lifetime.grace_until = (
                self.now + lifetime.grace_s
            )  # of all blocks around it at once, not one after the other
            lifetime = lifetime.outer

    def let_go(self, node: int) -> None:
        """The thread of a lingering node is done with it."""
        lifetime = self.lifetime_of(node)
        while lifetime is not None:
            lifetime.busy -= 1
            self._consider_cleanup(lifetime)
            lifetime = lifetime.outer

    def opened(self, lifetime: ResourceLifetime) -> None:
        """The setup of `lifetime` gave a resource (told before the setup's end, and also when it comes late)."""
        lifetime.open = True
        self.open_lifetimes.append(lifetime)
        if (
            self.phase[lifetime.cleanup] == READY
        ):  # it came late: no longer behind what needs a place to be opened
            self._push(lifetime.cleanup)

    def expanded(self, node: int, count: int) -> None:
        """A mapped task has `count` children; they are numbered on, in order."""
        if self.budget > 0:
            self._spend(node)
        children = self._add_children(node, count)
        shape = self.graph.shape_of[node]
        if self.graph.role[node] == INIT and self.graph.shapes[shape].mapped:
            self._add_lifetimes(shape, children)
        elif self.graph.role[node] == SETUP and self.graph.shapes[shape].mapped:
            for lifetime, child in zip(self.lifetimes[shape], children, strict=False):
                lifetime.setup, self.own[child] = child, lifetime
            for lifetime in self.lifetimes[shape][count:]:
                self._resolve(lifetime)
        around = self._shape_around(node)
        if around >= 0 and self.graph.shapes[around].mapped:
            for lifetime, child in zip(self.lifetimes[around], children, strict=False):
                self.home[child] = lifetime
            for lifetime in self.lifetimes[around][count:]:
                self._member_done(lifetime)
        for child in children:
            if self.left[child] == 0:
                self._consider(child)
        for down in self._pair_down.get(node, ()):
            self._arrive(down)
        if count == 0:
            self._finish_map(node)

    def measured(self, node: int, count: int | None) -> None:
        """A mapped task in `unmeasured` will have `count` children, or it is not known before its block is set up.

        A block is opened for children that will run (rule 8), so that is asked before the map is expanded.
        """
        self.unmeasured.discard(node)
        self._lengths[node] = count
        self.phase[node] = WAITING
        self._consider(node)

    def waits_after_all(self, node: int) -> bool:
        """Whether a node, given because it would not run, is to wait for a block: a setup has failed, so it will."""
        lifetime = self._awaited(node)
        if lifetime is None:
            return False
        self.phase[node] = WAITING
        if self._is_doomed(node):
            lifetime.waiting.append(node)
            self._demand(lifetime)
        else:
            self._consider(node)
        return True

    def open_for_others(self) -> bool:
        """Open the first block that tasks outside of it wait for, when nothing else can go on; False if there is none.

        A task inside may wait for them. Who only looks at the tasks inside would then wait for ever (rule 8).
        """
        without_permit: list[ResourceLifetime] = []
        without_reason: list[ResourceLifetime] = []
        for lifetime in (
            lifetime for lifetimes in self.lifetimes for lifetime in lifetimes if not lifetime.demanded
        ):
            made_by = [
                node for node in (lifetime.init, lifetime.setup) if node >= 0 and self.phase[node] == WAITING
            ]
            if not made_by or self.left[made_by[0]]:
                continue
            # What waits for a mapped task as a whole waits for each of its elements.
            whole = {one for node in made_by for one in (node, self.task_of[node])}
            below = (down for node in whole for down in self._down[node])
            if any(self.phase[down] == WAITING and self.own[down] is not lifetime for down in below):
                self._demand(lifetime)
                if lifetime.demanded:
                    return True
                without_permit.append(lifetime)
            elif lifetime.waiting:
                without_reason.append(lifetime)
        for lifetime in without_reason:  # what waits inside is waited for by a task that wants all elements
            self._demand(lifetime)
            if lifetime.demanded:
                return True
        without_permit += without_reason
        for lifetime in without_permit[:1]:  # who has the place waits for it: the limit cannot be kept
            self._demand(lifetime, needs_permit=False)
        return bool(without_permit)

    def retry_at(self, node: int, time: float) -> None:
        """An attempt is over and the node is to be started again at `time`; its block stays open."""
        self._stop(node)
        if self.cancelled and self.graph.role[self.task_of[node]] != CLEANUP:
            self._finish(node, FAILED)
            return
        self.phase[node] = ASLEEP
        heappush(self._asleep, (time, node))

    def again(self, node: int) -> None:
        """An attempt is over and the next one follows at once (a loop)."""
        self._stop(node)

    def hold(self, node: int) -> None:
        """The node waits for `release`; its block stays open."""
        self._stop(node)
        if self.cancelled and self.graph.role[self.task_of[node]] != CLEANUP:
            self._finish(node, CANCELLED)
            return
        self.phase[node] = HELD

    def release(self, node: int, *, at_once: bool = False) -> None:
        """Let a held node go on; `at_once` also if the run is paused."""
        if self.phase[node] != HELD:
            return
        if not at_once:
            self._push(node)
            return
        task = self.task_of[node]
        self.phase[node] = READY
        is_ordinary = self.graph.role[task] == ORDINARY
        heap = self._stepped if is_ordinary else self._stepped_lifecycle
        if self.graph.role[task] == CLEANUP:
            heap = self._stepped_cleanups
        heappush(heap, (task << _SHIFT) | (self.child_index[node] + 1))

    def tick(self, now: float) -> None:
        """The time is `now`, in seconds of any clock that does not go back."""
        self.now = now
        while self._asleep and self._asleep[0][0] <= now:
            _, node = heappop(self._asleep)
            if self.phase[node] == ASLEEP:
                self._push(node)
        while self._graces and self._graces[0][0] <= now:
            _, shape, index = heappop(self._graces)
            self._consider_cleanup(self.lifetimes[shape][index])

    # -- commands ---------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Start nothing more; what is running goes on."""
        self._go(0)

    def resume(self) -> None:
        """Go on to the end."""
        self._go(UNLIMITED)

    def step(self, *, into: bool = False) -> None:
        """Start one more task; steps asked for before they are made add up.

        A whole map counts as one, unless it is stepped `into`: then each of its children does.
        """
        self.budget = max(self.budget, 0) + 1
        self._is_stepping_into = into
        self._stop_node = -1
        self._stop_lifetime = None

    def run_until(self, node: int) -> None:
        """Go on up to and including `node`."""
        self._go(UNLIMITED)
        self._stop_node = node

    def step_block(self) -> None:
        """Go on to the end of the current block: the one opened last, else the one that opens next."""
        lifetime = self.open_lifetimes[-1] if self.open_lifetimes else None
        if lifetime is None:
            node = self.peek()
            lifetime = None if node is None else self.own[node]
        if lifetime is None:
            self.step()
        else:
            self._go(UNLIMITED)
            self._stop_lifetime = lifetime

    def cancel(self) -> list[int]:
        """Start nothing but cleanups from now on; returns the nodes that this ended. Twice is once."""
        if self.cancelled:
            return []
        self.cancelled = True
        self._go(UNLIMITED)
        ended = []
        for node in range(len(self.phase)):
            if self.phase[node] in (WAITING, READY, ASLEEP, HELD):
                if self.graph.role[self.task_of[node]] == CLEANUP and self.own[node] is not None:
                    if self.phase[node] in (ASLEEP, HELD):  # nobody waits for a second try any more
                        self._push(node)
                    continue
                ended.append(node)
                self._finish(node, CANCELLED)
        return ended

    def shorten_graces(self) -> None:
        """Wait no longer for threads that do not let go."""
        for lifetimes in self.lifetimes:
            for lifetime in lifetimes:
                lifetime.grace_s = 0.0
                if lifetime.grace_until is not None and lifetime.busy:
                    lifetime.grace_until = self.now
                    self._consider_cleanup(lifetime)

    # -- questions --------------------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether every node has ended."""
        return self.unfinished == 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is running or asleep."""
        return not (self.running or self.running_lifecycle or self._asleep)

    @property
    def next_wake(self) -> float | None:
        """When `tick` should next be called, or None."""
        if not (self._asleep or self._graces):
            return None
        return min(heap[0][0] for heap in (self._asleep, self._graces) if heap)

    def pop(self) -> int | None:
        """Return the next node to look at, in start order, or None if none may start now."""
        if self.serial and (self.running or self.running_lifecycle):
            return None
        while True:
            best: list[int] | None = self._ready
            if (
                self.budget == 0
                or self.cancelled
                or self._step_map >= 0
                or self._stepped
                or self._stepped_lifecycle
                or self._stepped_cleanups
                or self.running + self.running_lifecycle >= self.capacity
            ):
                best = self._best()
            elif self._ready_free or self._ready_lifecycle or self._ready_cleanups:
                for heap in (self._ready_lifecycle, self._ready_cleanups, self._ready_free):
                    if heap and (not best or heap[0] < best[0]):
                        best = heap
            if not best:
                return None
            key = heappop(best)
            child = key & _MASK
            node = (key >> _SHIFT) & _MASK
            if child:
                node = self.children[node][child - 1]
            # A key says which node. One that was ended in the meantime, by a person or a cancel, is passed over; the
            # next one may be in another heap.
            if self.phase[node] == READY:
                self.phase[node] = CLAIMED
                return node

    @property
    def _is_full(self) -> bool:
        return self.running + self.running_lifecycle >= self.capacity

    def _best(self) -> list[int] | None:
        """Return the heap with the next node that may start, in the less common cases."""
        limited = self.budget == 0 and not self.cancelled
        best: list[int] | None = None
        for heap in (
            self._ready_free,
            self._ready_lifecycle,
            self._ready_cleanups,
            self._ready,
            self._stepped,
            self._stepped_lifecycle,
            self._stepped_cleanups,
        ):
            if not heap or not self._trim(heap):
                continue
            if limited and (
                heap is self._ready or heap is self._ready_lifecycle or heap is self._ready_cleanups
            ):
                continue
            if self.running >= self.capacity and (heap is self._ready or heap is self._stepped):
                continue
            if (
                heap is self._ready_lifecycle
                and self._is_full
                and (heap[0] >= self._outside or heap[0] & _MASK)  # the next element's block too
            ):
                continue  # what would be opened now would only wait for a place
            if best is None or heap[0] < best[0]:
                best = heap
        return best

    def held(self) -> list[int]:
        """Return the nodes that wait for `release`."""
        return [node for node, phase in enumerate(self.phase) if phase == HELD]

    def peek(self) -> int | None:
        """Return the node that a step would start first, as far as is known now."""
        # Asked from any thread, so it only looks, at copies: see `_trim` for what else may be in a heap.
        keys = [*self._ready_lifecycle.copy(), *self._ready_cleanups.copy(), *self._ready.copy()]
        nodes = ((key, self._decode(key)) for key in keys)
        return min(((key, node) for key, node in nodes if self.phase[node] == READY), default=(0, None))[1]

    # -- inside -----------------------------------------------------------------------------------------------

    def _go(self, budget: int) -> None:
        self.budget = budget
        self._is_stepping_into = False
        self._stop_node = -1
        self._stop_lifetime = None
        if self._step_map >= 0:
            self._step_map = -1
            for stepped, heap in self._step_heaps:
                heap += stepped
                heapify(heap)
                stepped.clear()

    @property
    def _step_heaps(self) -> tuple[tuple[list[int], list[int]], ...]:
        return (
            (self._stepped, self._ready),
            (self._stepped_lifecycle, self._ready_lifecycle),
            (self._stepped_cleanups, self._ready_cleanups),
        )

    def _spend(self, node: int) -> None:
        task = self.task_of[node]
        if self.graph.free[task] or task == self._step_map:
            return
        is_map = self.graph.is_map[task]
        if is_map and self._is_stepping_into:
            self.budget -= self.child_index[node] >= 0
            return
        self.budget -= 1
        if is_map:  # the whole map is the step: its children go with it
            self._step_map = task
            for stepped, heap in self._step_heaps:
                for key in heap:
                    if key & _MASK and (key >> _SHIFT) & _MASK == task:
                        heappush(stepped, key)
                heap[:] = [key for key in heap if not key & _MASK or (key >> _SHIFT) & _MASK != task]
                heapify(heap)

    def _stop(self, node: int) -> None:
        if self.phase[node] == RUNNING:
            self.phase[node] = CLAIMED
            if self.graph.role[self.task_of[node]] == ORDINARY:
                self.running -= 1
            else:
                self.running_lifecycle -= 1

    def _push(self, node: int) -> None:
        task = self.task_of[node]
        if self._is_common[task]:  # the same as below for most tasks
            self.phase[node] = READY
            lifetime = self.home[node]
            key = node << _SHIFT
            heappush(self._ready, key + (self._outside if lifetime is None else self._bias(lifetime)))
            return
        if self._map_limits and self.child_index[node] >= 0:
            limit = self._map_limits.get(task)
            if limit is not None and not limit.acquire(node):
                self.phase[node] = WAITING
                return
        self.phase[node] = READY
        key = (task << _SHIFT) | (self.child_index[node] + 1)
        role = self.graph.role[task]
        lifetime = self.own[node] if role == CLEANUP else self.lifetime_around(node)
        # Expanding a map costs nothing, and the blocks of its elements cannot close before it is done.
        if not (self.graph.is_map[task] and self.child_index[node] < 0 and self.budget < 0):
            key += self._bias(lifetime)
        is_stepped = task == self._step_map and self.child_index[node] >= 0
        if self.graph.free[task]:
            heappush(self._ready_free, key)
        elif role == ORDINARY:
            heappush(self._stepped if is_stepped else self._ready, key)
        elif role == CLEANUP:
            heappush(self._stepped_cleanups if is_stepped else self._ready_cleanups, key)
        else:
            heappush(self._stepped_lifecycle if is_stepped else self._ready_lifecycle, key)

    def _bias(self, lifetime: ResourceLifetime | None) -> int:
        """Return what puts a node behind those in more open blocks: what is open innermost is closed first."""
        while lifetime is not None and not lifetime.open:
            lifetime = lifetime.outer
        return self._outside if lifetime is None else (self._deepest - lifetime.depth) * _LATER

    def _decode(self, key: int) -> int:
        task = (key >> _SHIFT) & _MASK
        child = key & _MASK
        return self.children[task][child - 1] if child else task

    def _trim(self, heap: list[int]) -> bool:
        while heap and self.phase[self._decode(heap[0])] != READY:
            heappop(heap)
        return bool(heap)

    def _arrive(self, node: int) -> None:
        self.left[node] -= 1
        if self.left[node] == 0 and self.phase[node] == WAITING:
            self._consider(node)

    def _consider(self, node: int) -> None:
        """Everything upstream of a waiting node has ended: may it be looked at, or does it wait for a block?"""
        own, home = self.own[node], self.home[node]
        if home is None:
            task = self.task_of[node]
            home = self.lifetime_around(node) if task in self._in_mapped else self.home[task]
            if own is None and home is None:
                self._push(node)
                return
        elif own is None and home.usable:  # the same as below for most tasks of a block
            self._push(node)
            return
        role = self.graph.role[self.task_of[node]]
        if role == CLEANUP:
            if own is None:
                self._push(node)
            else:
                self._consider_cleanup(own)
            return
        if (
            own is not None
            and not own.demanded
            and (role == SETUP or own.lazy_init or own.shape in self.graph.lazy_shapes)
            and not self._is_doomed(node)
        ):
            if self.cancelled or (own.members_left == 0 and not self._is_empty(own)):
                self.unneeded.add(node)
                self._push(node)
            return
        lifetime = self._awaited(node)
        if lifetime is not None and not self._is_doomed(node):
            is_map = self.graph.is_map[self.task_of[node]] and self.child_index[node] < 0
            if is_map and not lifetime.demanded and self._has_no_ready_child(node, lifetime):
                return
            lifetime.waiting.append(node)
            self._demand(lifetime)
            return
        if home is not None and home.setup_bad:
            self.bad[node] += 1
        self._push(node)

    def _has_no_ready_child(self, node: int, lifetime: ResourceLifetime) -> bool:
        """Whether a mapped task is no reason yet to open its block; sees to it that it is asked again."""
        if node not in self._lengths:
            self.unmeasured.add(node)
            self.phase[node] = READY
            heappush(self._ready_free, node << _SHIFT)
            return True
        count = self._lengths[node]
        if count is None or any(self._will_run(node, index) for index in range(count)):
            return False
        if count and any(self.phase[up] != DONE for up in self.graph.pairs[node]):
            lifetime.waiting.append(node)  # another may open it, or see `_child_done`
        else:
            self._push(node)
        return True

    def _ask_paired(self, task: int, index: int) -> None:
        """A child of `task` ended: is that below it which is paired with it now a reason to open a block?"""
        for down in self._pair_down.get(task, ()):
            count, lifetime = self._lengths.get(down), self._awaited(down)
            if self.phase[down] != WAITING or count is None or lifetime is None or lifetime.demanded:
                continue
            if index < count and self._will_run(down, index):
                self._demand(lifetime)
            elif self.phase[task] == DONE:
                lifetime.waiting.remove(down)
                self._consider(down)

    def _wants_to_open(self, lifetime: ResourceLifetime) -> bool:
        if lifetime.demanded or self.phase[lifetime.cleanup] == DONE:  # perhaps its init has failed
            return False
        return lifetime.members_left > 0 or self._is_empty(lifetime)

    def _consider_cleanup(self, lifetime: ResourceLifetime) -> None:
        node = lifetime.cleanup
        if self.phase[node] != WAITING or self.left[node] or lifetime.members_left or lifetime.lifecycle_left:
            return
        if lifetime.busy:
            until = lifetime.grace_until if lifetime.grace_until is not None else self.now + lifetime.grace_s
            if self.now < until:
                lifetime.grace_until = until
                heappush(self._graces, (until, lifetime.shape, max(lifetime.index, 0)))
                return
            lifetime.overdue = True
        self._push(node)

    def _demand(self, lifetime: ResourceLifetime, *, needs_permit: bool = True) -> None:
        if not lifetime.demanded:
            limit = self._resource_limits.get(lifetime.shape) if needs_permit else None
            if limit is not None and not limit.acquire(lifetime):
                return
            lifetime.demanded = True
            for node in (lifetime.init, lifetime.setup):
                if node >= 0 and self.phase[node] == WAITING and self.left[node] == 0:
                    self._consider(node)

    def _finish(self, node: int, verdict: int) -> None:
        self.phase[node] = DONE
        self.verdict[node] = verdict
        if node == self._stop_node:
            self._go(0)
        own, home = self.own[node], self.home[node]
        if own is not None:
            self._lifecycle_done(node, own, verdict)
        if home is not None:
            self._member_done(home)
        for down in self._down[node]:
            if verdict and (node, down) not in self._past:
                self._mark(down, verdict)
            self._arrive(down)
        if self.child_index[node] >= 0:
            self._child_done(node, self.task_of[node], verdict)
            return
        self.unfinished -= 1
        if self._has_children and node not in self.children:
            self._unexpanded_done(node, verdict)

    def _unexpanded_done(self, node: int, verdict: int) -> None:
        """A task ended without children: what is paired with it, or is an element's share of it, ended too."""
        if self._pair_down:
            for down in self._pair_down.get(node, ()):
                if verdict and node in self.graph.pairs[down]:
                    self._mark(down, verdict)
                self._arrive(down)
        shape, around = self.graph.shape_of[node], self._shape_around(node)
        if shape >= 0 and self.graph.role[node] == SETUP and self.graph.shapes[shape].mapped:
            for lifetime in self.lifetimes[shape]:
                self._resolve(lifetime, bad=True)
        if around >= 0 and self.graph.shapes[around].mapped:
            for lifetime in self.lifetimes[around]:
                self._member_done(lifetime)

    def _child_done(self, node: int, task: int, verdict: int) -> None:
        limit = self._map_limits.get(task)
        if limit is not None:
            following = limit.release(node, lambda other: self.phase[other] == WAITING)
            if following is not None:
                self._push(following)
        if verdict in (FAILED, CANCELLED) and self._children_verdict[task] != FAILED:
            self._children_verdict[task] = verdict
        self._children_left[task] -= 1
        if self._children_left[task] == 0:
            self._finish_map(task)
        if self._lengths:
            self._ask_paired(task, self.child_index[node])

    def _finish_map(self, task: int) -> None:
        self.finished_maps.append(task)
        self._finish(task, self._children_verdict[task])

    def _lifecycle_done(self, node: int, lifetime: ResourceLifetime, verdict: int) -> None:
        if node == lifetime.cleanup:
            if lifetime in self.open_lifetimes:
                self.open_lifetimes.remove(lifetime)
            limit = self._resource_limits.get(lifetime.shape)
            if limit is not None:
                following = limit.release(lifetime, self._wants_to_open)
                if following is not None:
                    self._demand(following)
            if lifetime is self._stop_lifetime:
                self._go(0)
        elif node == lifetime.setup or lifetime.setup < 0:
            self._resolve(lifetime, bad=verdict != SUCCEEDED)
        else:
            lifetime.lifecycle_left -= 1

    def _resolve(self, lifetime: ResourceLifetime, *, bad: bool = True) -> None:
        if lifetime.resolved:
            return
        lifetime.resolved = True
        lifetime.setup_bad = bad
        lifetime.usable = not bad and (lifetime.outer is None or lifetime.outer.usable)
        lifetime.lifecycle_left -= 1
        waiting, lifetime.waiting = lifetime.waiting, []
        for node in waiting:
            if self.phase[node] == WAITING:
                self._consider(node)
        self._consider_cleanup(lifetime)

    def _member_done(self, lifetime: ResourceLifetime) -> None:
        lifetime.members_left -= 1
        if not lifetime.members_left:
            self._members_done(lifetime)

    def _members_done(self, lifetime: ResourceLifetime) -> None:
        if not lifetime.demanded:
            for node in (lifetime.init, lifetime.setup):
                if node >= 0 and self.phase[node] == WAITING and self.left[node] == 0:
                    self._consider(node)
        self._consider_cleanup(lifetime)

    def _add_lifetimes(self, shape: int, children: range) -> None:
        """A mapped block's elements are known: each gets a lifetime, and its cleanup a place, before anything opens."""
        _, _, cleanup, members, parent, _, grace_s, _ = self.graph.shapes[shape]
        gone = sum(self.phase[m] == DONE for m in members)
        self.phase[cleanup] = EXPANDED
        cleanups = self._add_children(cleanup, len(children))
        has_setup = self.graph.shapes[shape].setup >= 0
        limit = self._resource_limits.get(shape)
        for k, (init, clean) in enumerate(zip(children, cleanups, strict=True)):
            lifetime = ResourceLifetime(
                shape, k, self._enclosing_lifetime(parent, k), init, -1, clean, len(members) - gone, grace_s
            )
            if has_setup:
                lifetime.lifecycle_left, lifetime.setup = 2, self.graph.shapes[shape].setup
            lifetime.demanded = not members and (limit is None or limit.acquire(lifetime))
            self.lifetimes[shape].append(lifetime)
            self.own[init] = self.own[clean] = lifetime
        around = self._shape_around(cleanup)
        if around >= 0 and self.graph.shapes[around].mapped:
            for lifetime, clean in zip(self.lifetimes[around], cleanups, strict=False):
                self.home[clean] = lifetime
            for lifetime in self.lifetimes[around][len(cleanups) :]:
                self._member_done(lifetime)
        for down in self._pair_down.get(cleanup, ()):
            self._arrive(down)
        if not cleanups:
            self._finish_map(cleanup)
