"""The pure scheduler: what may start now, given what has ended. No thread, clock, file or random number.

The run loop tells it what happened (`ended`, `expanded`, `retry_at`, `hold`, `let_go`, `tick`, the commands) and asks
`pop` for the next node to look at. Nodes are numbers: task *i* of the frozen graph is node *i*, the children of
mapped tasks are numbered on from there. Its state, all of it:

* what `Nodes` keeps: phases, counts of upstream nodes, and a `Gate` for each resource.
* `budget`: how many more tasks may start (0: standing still, -1: no limit).
* `unmeasured`, `_lengths`: mapped tasks that would open a block; see `measured`.

Of the cleanup rules it decides 3 (last out closes), 4 (order, through the graph), 6 (cancel) and 8 (lazy).
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from nbflow.engine.frozen import CLEANUP, INIT, ORDINARY, SETUP
from nbflow.engine.gate import Gate
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
from nbflow.engine.outlook import Outlook
from nbflow.engine.places import Places

if TYPE_CHECKING:
    from nbflow.engine.frozen import FrozenGraph

UNLIMITED = -1
_SHIFT = 31
_MASK = (1 << _SHIFT) - 1
_LATER = 1 << (2 * _SHIFT)  # added to the key of what is in fewer open blocks, once for each


class Schedule(Outlook):
    """Decides the order of a run; see the module for its state.

    Args:
        graph: The frozen graph of the run.
        capacity: How many ordinary tasks may run at once.
        serial: Whether init, setup and cleanup share the one thread of the tasks (inline executor).
        paused: Whether to start nothing until a step or a resume.
    """

    def __init__(
        self, graph: FrozenGraph, *, capacity: int = 1, serial: bool = True, paused: bool = False
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
        self.open_gates: list[Gate] = []
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
        depths = [sum(1 for _ in graph.enclosing(shape)) for shape in range(len(graph.shapes))]
        self._deepest = max(depths, default=0)
        self._outside = self._deepest * _LATER  # added to the key of what is in no open block
        self._asleep: list[tuple[float, int]] = []
        self._graces: list[tuple[float, int, int]] = []
        self._step_map = -1
        self._is_stepping_into = False
        self._map_places: dict[int, Places[int]] = {n: Places(k) for n, k in graph.limits.items()}
        self._gate_places = {
            k: Places[Gate](shape.max_concurrent)
            for k, shape in enumerate(graph.shapes)
            if shape.max_concurrent
        }
        self._stop_node = -1
        self._stop_gate: Gate | None = None
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
        for gates in self.gates:
            for gate in gates:
                gate.demanded = gate.members_left == 0
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
            self._member_done(home)
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
        gate = self.gate_of(node)
        while gate is not None:
            gate.busy += 1
            gate.grace_until = (
                self.now + gate.grace_s
            )  # of all blocks around it at once, not one after the other
            gate = gate.outer

    def let_go(self, node: int) -> None:
        """The thread of a lingering node is done with it."""
        gate = self.gate_of(node)
        while gate is not None:
            gate.busy -= 1
            self._consider_cleanup(gate)
            gate = gate.outer

    def opened(self, gate: Gate) -> None:
        """The setup of `gate` gave a resource (told before the setup's end, and also when it comes late)."""
        gate.open = True
        self.open_gates.append(gate)
        if (
            self.phase[gate.cleanup] == READY
        ):  # it came late: no longer behind what needs a place to be opened
            self._push(gate.cleanup)

    def expanded(self, node: int, count: int) -> None:
        """A mapped task has `count` children; they are numbered on, in order."""
        if self.budget > 0:
            self._spend(node)
        children = self._add_children(node, count)
        shape = self.graph.shape_of[node]
        if self.graph.role[node] == INIT and self.graph.shapes[shape].mapped:
            self._add_gates(shape, children)
        elif self.graph.role[node] == SETUP and self.graph.shapes[shape].mapped:
            for gate, child in zip(self.gates[shape], children, strict=False):
                gate.setup, self.own[child] = child, gate
            for gate in self.gates[shape][count:]:
                self._resolve(gate)
        around = self._shape_around(node)
        if around >= 0 and self.graph.shapes[around].mapped:
            for gate, child in zip(self.gates[around], children, strict=False):
                self.home[child] = gate
            for gate in self.gates[around][count:]:
                self._member_done(gate)
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
        gate = self._awaited(node)
        if gate is None:
            return False
        self.phase[node] = WAITING
        if self._is_doomed(node):
            gate.waiting.append(node)
            self._demand(gate)
        else:
            self._consider(node)
        return True

    def open_for_others(self) -> bool:
        """Open the first block that tasks outside of it wait for, when nothing else can go on; False if there is none.

        A task inside may wait for them. Who only looks at the tasks inside would then wait for ever (rule 8).
        """
        without_place: list[Gate] = []
        without_reason: list[Gate] = []
        for gate in (gate for gates in self.gates for gate in gates if not gate.demanded):
            made_by = [node for node in (gate.init, gate.setup) if node >= 0 and self.phase[node] == WAITING]
            if not made_by or self.left[made_by[0]]:
                continue
            # What waits for a mapped task as a whole waits for each of its elements.
            whole = {one for node in made_by for one in (node, self.task_of[node])}
            below = (down for node in whole for down in self._down[node])
            if any(self.phase[down] == WAITING and self.own[down] is not gate for down in below):
                self._demand(gate)
                if gate.demanded:
                    return True
                without_place.append(gate)
            elif gate.waiting:
                without_reason.append(gate)
        for gate in without_reason:  # what waits inside is waited for by a task that wants all elements
            self._demand(gate)
            if gate.demanded:
                return True
        without_place += without_reason
        for gate in without_place[:1]:  # who has the place waits for it: the limit cannot be kept
            self._demand(gate, needs_place=False)
        return bool(without_place)

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
        """Let a held node go on; `at_once` also if the run stands still."""
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
            self._consider_cleanup(self.gates[shape][index])

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
        self._stop_gate = None

    def run_until(self, node: int) -> None:
        """Go on up to and including `node`."""
        self._go(UNLIMITED)
        self._stop_node = node

    def step_block(self) -> None:
        """Go on to the end of the current block: the one opened last, else the one that opens next."""
        gate = self.open_gates[-1] if self.open_gates else None
        if gate is None:
            node = self.peek()
            gate = None if node is None else self.own[node]
        if gate is None:
            self.step()
        else:
            self._go(UNLIMITED)
            self._stop_gate = gate

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
        for gates in self.gates:
            for gate in gates:
                gate.grace_s = 0.0
                if gate.grace_until is not None and gate.busy:
                    gate.grace_until = self.now
                    self._consider_cleanup(gate)

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
        self._stop_gate = None
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
            gate = self.home[node]
            key = node << _SHIFT
            heappush(self._ready, key + (self._outside if gate is None else self._bias(gate)))
            return
        if self._map_places and self.child_index[node] >= 0:
            places = self._map_places.get(task)
            if places is not None and not places.take(node):
                self.phase[node] = WAITING
                return
        self.phase[node] = READY
        key = (task << _SHIFT) | (self.child_index[node] + 1)
        role = self.graph.role[task]
        gate = self.own[node] if role == CLEANUP else self.gate_around(node)
        # Expanding a map costs nothing, and the blocks of its elements cannot close before it is done.
        if not (self.graph.is_map[task] and self.child_index[node] < 0 and self.budget < 0):
            key += self._bias(gate)
        is_stepped = task == self._step_map and self.child_index[node] >= 0
        if self.graph.free[task]:
            heappush(self._ready_free, key)
        elif role == ORDINARY:
            heappush(self._stepped if is_stepped else self._ready, key)
        elif role == CLEANUP:
            heappush(self._stepped_cleanups if is_stepped else self._ready_cleanups, key)
        else:
            heappush(self._stepped_lifecycle if is_stepped else self._ready_lifecycle, key)

    def _bias(self, gate: Gate | None) -> int:
        """Return what puts a node behind those in more open blocks: what is open innermost is closed first."""
        while gate is not None and not gate.open:
            gate = gate.outer
        return self._outside if gate is None else (self._deepest - gate.depth) * _LATER

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
            home = self.gate_around(node) if task in self._in_mapped else self.home[task]
            if own is None and home is None:
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
        gate = self._awaited(node)
        if gate is not None and not self._is_doomed(node):
            is_map = self.graph.is_map[self.task_of[node]] and self.child_index[node] < 0
            if is_map and not gate.demanded and self._has_no_ready_child(node, gate):
                return
            gate.waiting.append(node)
            self._demand(gate)
            return
        if home is not None and home.setup_bad:
            self.bad[node] += 1
        self._push(node)

    def _has_no_ready_child(self, node: int, gate: Gate) -> bool:
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
            gate.waiting.append(node)  # another may open it, or see `_child_done`
        else:
            self._push(node)
        return True

    def _ask_paired(self, task: int, index: int) -> None:
        """A child of `task` ended: is that below it which is paired with it now a reason to open a block?"""
        for down in self._pair_down.get(task, ()):
            count, gate = self._lengths.get(down), self._awaited(down)
            if self.phase[down] != WAITING or count is None or gate is None or gate.demanded:
                continue
            if index < count and self._will_run(down, index):
                self._demand(gate)
            elif self.phase[task] == DONE:
                gate.waiting.remove(down)
                self._consider(down)

    def _wants_to_open(self, gate: Gate) -> bool:
        if gate.demanded or self.phase[gate.cleanup] == DONE:  # perhaps its init has failed
            return False
        return gate.members_left > 0 or self._is_empty(gate)

    def _consider_cleanup(self, gate: Gate) -> None:
        node = gate.cleanup
        if self.phase[node] != WAITING or self.left[node] or gate.members_left or gate.lifecycle_left:
            return
        if gate.busy:
            until = gate.grace_until if gate.grace_until is not None else self.now + gate.grace_s
            if self.now < until:
                gate.grace_until = until
                heappush(self._graces, (until, gate.shape, max(gate.index, 0)))
                return
            gate.overdue = True
        self._push(node)

    def _demand(self, gate: Gate, *, needs_place: bool = True) -> None:
        if not gate.demanded:
            places = self._gate_places.get(gate.shape) if needs_place else None
            if places is not None and not places.take(gate):
                return
            gate.demanded = True
            for node in (gate.init, gate.setup):
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
            for gate in self.gates[shape]:
                self._resolve(gate, bad=True)
        if around >= 0 and self.graph.shapes[around].mapped:
            for gate in self.gates[around]:
                self._member_done(gate)

    def _child_done(self, node: int, task: int, verdict: int) -> None:
        places = self._map_places.get(task)
        if places is not None:
            following = places.leave(node, lambda other: self.phase[other] == WAITING)
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

    def _lifecycle_done(self, node: int, gate: Gate, verdict: int) -> None:
        if node == gate.cleanup:
            if gate in self.open_gates:
                self.open_gates.remove(gate)
            places = self._gate_places.get(gate.shape)
            if places is not None:
                following = places.leave(gate, self._wants_to_open)
                if following is not None:
                    self._demand(following)
            if gate is self._stop_gate:
                self._go(0)
        elif node == gate.setup or gate.setup < 0:
            self._resolve(gate, bad=verdict != SUCCEEDED)
        else:
            gate.lifecycle_left -= 1

    def _resolve(self, gate: Gate, *, bad: bool = True) -> None:
        if gate.resolved:
            return
        gate.resolved = True
        gate.setup_bad = bad
        gate.lifecycle_left -= 1
        waiting, gate.waiting = gate.waiting, []
        for node in waiting:
            if self.phase[node] == WAITING:
                self._consider(node)
        self._consider_cleanup(gate)

    def _member_done(self, gate: Gate) -> None:
        gate.members_left -= 1
        if gate.members_left:
            return
        if not gate.demanded:
            for node in (gate.init, gate.setup):
                if node >= 0 and self.phase[node] == WAITING and self.left[node] == 0:
                    self._consider(node)
        self._consider_cleanup(gate)

    def _add_gates(self, shape: int, children: range) -> None:
        """A mapped block's elements are known: each gets a gate, and its cleanup a place, before anything opens."""
        _, _, cleanup, members, parent, _, grace_s, _ = self.graph.shapes[shape]
        gone = sum(self.phase[m] == DONE for m in members)
        self.phase[cleanup] = EXPANDED
        cleanups = self._add_children(cleanup, len(children))
        has_setup = self.graph.shapes[shape].setup >= 0
        places = self._gate_places.get(shape)
        for k, (init, clean) in enumerate(zip(children, cleanups, strict=True)):
            gate = Gate(
                shape, k, self._enclosing_gate(parent, k), init, -1, clean, len(members) - gone, grace_s
            )
            if has_setup:
                gate.lifecycle_left, gate.setup = 2, self.graph.shapes[shape].setup
            gate.demanded = not members and (places is None or places.take(gate))
            self.gates[shape].append(gate)
            self.own[init] = self.own[clean] = gate
        around = self._shape_around(cleanup)
        if around >= 0 and self.graph.shapes[around].mapped:
            for gate, clean in zip(self.gates[around], cleanups, strict=False):
                self.home[clean] = gate
            for gate in self.gates[around][len(cleanups) :]:
                self._member_done(gate)
        for down in self._pair_down.get(cleanup, ()):
            self._arrive(down)
        if not cleanups:
            self._finish_map(cleanup)
