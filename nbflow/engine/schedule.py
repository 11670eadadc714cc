"""The pure scheduler: what may start now, given what has ended. No thread, clock, file or random number.

The run loop tells it what happened (`started`, `ended`, `expanded`, `retry_at`, `hold`, `let_go`, `tick`, the commands)
and asks `pop` for the next node to look at. Nodes are numbers: task *i* of the compiled graph is node *i*, the children
of mapped tasks are numbered on from there. A node is in one of eight phases:

    begin --> WAITING --(1)--> READY --pop--> CLAIMED --started--> RUNNING
                 ^             ^   ^           |   ^                  |
                 |             |   |           |   +----- again ------+
                 |             |   |           |                      |
                 |             |   |           +-----------+----------+
                 |             |   |                       |
                 |             |   +---- tick ---- ASLEEP <+- retry_at
                 |             +---- release ------- HELD <+- hold
                 |                                   DONE <+- ended
                 |                                     ^   |
                 |                                 (2) |   |   of what is CLAIMED only:
                 |                               EXPANDED <+- expanded
                 +-----------------------------------------+- measured, waits_after_all

What is upstream of a WAITING node may be under way where it can be waited for (`EarlyNodes`): then it may go there and
be RUNNING, and is WAITING again if it is put back before its upstream has ended.

(1) All that is upstream has ended, and the block around it is set up, or will not be. (2) The last child has ended.
A cancel takes WAITING, READY, ASLEEP and HELD to DONE, but for cleanups.

Each part decides one thing, and sees no more than it needs: `Nodes` counts what is upstream, `BlockOpening` and
`BlockClosing` say when a resource is set up and cleaned up, `Lookahead` whether a node will run, `MappedBlocks` which
element it belongs to, `ReadyQueue` which ready node is next, `EarlyNodes` which may go before it is ready, `Stepping`
how far the run may go.

Of the rules in docs/guarantee.md it decides 3 (last out closes), 4 (order, through the graph), 6 (cancel) and 8 (lazy).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from nbflow.engine.block_closing import BlockClosing
from nbflow.engine.block_opening import BlockOpening
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.engine.early_nodes import EarlyNodes
from nbflow.engine.lookahead import Lookahead
from nbflow.engine.mapped_blocks import MappedBlocks
from nbflow.engine.nodes import (
    ASLEEP,
    CANCELLED,
    CLAIMED,
    DONE,
    FAILED,
    HELD,
    READY,
    RUNNING,
    SUCCEEDED,
    WAITING,
    Nodes,
)
from nbflow.engine.ready_queue import UNLIMITED, ReadyQueue
from nbflow.engine.stepping import Stepping

if TYPE_CHECKING:
    from nbflow.engine.compiled_graph import CompiledGraph


class Schedule:
    """Decides the order of a run; see the module.

    What others read and call of its parts stands here under its own name: the lists of `Nodes`, the commands of
    `Stepping`, `pop` and `peek`, what opens and closes blocks. It is the very method, so that no call is paid twice.

    Args:
        graph: The compiled graph of the run.
        capacity: How many ordinary tasks may run at once.
        serial: Whether init, setup and cleanup share the one thread of the tasks (inline executor).
        paused: Whether to start nothing until a step or a resume.

    Attributes:
        queue: The nodes that may start.
        early: Those that may go before they are ready.
        unfinished: How many tasks have not ended.
        finished_maps: The mapped tasks whose last child has ended, for the loop to read and clear.
    """

    def __init__(self, graph: CompiledGraph, *, capacity: int = 1, serial: bool = True, paused: bool = False) -> None:
        self.unfinished = len(graph.tasks)
        self.finished_maps: list[int] = []
        self._graph = graph
        self._nodes = nodes = Nodes(graph)
        self.phase, self.verdict, self.bad, self._left = nodes.phase, nodes.verdict, nodes.bad, nodes.left
        self.task_of, self.child_index, self.children = nodes.task_of, nodes.child_index, nodes.children
        self.role, self.task, self.below = nodes.role, nodes.task, nodes.below
        self.own, self.home, self.lifetimes = nodes.own, nodes.home, nodes.lifetimes
        self.lifetime_of, self.lifetime_around = nodes.lifetime_of, nodes.lifetime_around
        self._down, self._paired_down = nodes.down, nodes.paired_down

        self.queue = queue = ReadyQueue(nodes, capacity=capacity, serial=serial, budget=0 if paused else UNLIMITED)
        self.pop, self.peek, self._push = queue.pop, queue.peek, queue.push
        self.early = EarlyNodes(nodes, queue)
        self._gone_early = self.early.gone

        self._closing = closing = BlockClosing(nodes, queue.push, self._consider)
        self.lingers, self.let_go, self.shorten_graces = closing.lingers, closing.let_go, closing.shorten_graces
        self.consider_cleanups = closing.consider_all
        self._opening = opening = BlockOpening(nodes, Lookahead(nodes), queue, closing, self._consider)
        self.unneeded, self.unmeasured = opening.unneeded, opening.unmeasured
        self.open_lifetimes, self.opened = opening.open_lifetimes, opening.opened
        self.measured, self.waits_after_all = opening.measured, opening.waits_after_all
        self.open_for_others = opening.open_for_others
        self._mapped_blocks = MappedBlocks(nodes, opening, closing, self._children_known)

        self._stepping = stepping = Stepping(nodes, queue, opening.open_lifetimes)
        self.pause, self.resume, self.step = stepping.pause, stepping.resume, stepping.step
        self.run_until, self.step_block = stepping.run_until, stepping.step_block

        self._asleep: list[tuple[float, int]] = []
        self._has_children = bool(nodes.paired_down) or any(shape.mapped for shape in graph.shapes)
        self._is_in_no_block = [shape < 0 for shape in graph.shape_of]
        # Without blocks there is nothing to consider: a call for each node would be felt.
        self._consider_ready = self._consider if graph.shapes else self._push

    # -- what happened ----------------------------------------------------------------------------------------

    def begin(self, given: dict[int, int] | None = None, children: dict[int, list[int]] | None = None) -> None:
        """Start the run; the nodes in `given`, and the `children` of those, ended before it with these verdicts."""
        # A cancel has ended them; to end them again would count what is below them twice.
        given = {} if given is None or self.cancelled else given
        children = {} if children is None or self.cancelled else children
        for lifetimes in self.lifetimes:
            for lifetime in lifetimes:
                lifetime.demanded = lifetime.members_left == 0  # it is opened for its own sake
        # Claimed before the first of them ends: an end lets others be considered, and these are not to be ready.
        for node in given:
            self.phase[node] = CLAIMED
        self._nodes.tie_past(given)
        self.early.tied.update(node for _, node in self._nodes.past)
        for node in sorted(children):  # the upper ones first: the lower ones' children are paired with theirs
            for child in self._nodes.add_children(node, len(children[node])):
                self.phase[child] = CLAIMED
            for down in self._paired_down.get(node, ()):
                self._arrive(down)
        for node, verdict in given.items():
            if children.get(node):
                for child, its_verdict in zip(self.children[node], children[node], strict=True):
                    self._finish(child, its_verdict)
            else:
                self._finish(node, verdict)
        self.finished_maps.clear()  # these ended before the run
        # Last, by the counts alone: an end above may have considered a node already, which is READY then.
        for node in range(len(self._graph.tasks)):
            if self._left[node] == 0 and self.phase[node] == WAITING:
                self._consider(node)

    def started(self, node: int) -> None:
        """The loop starts an attempt of a node that `pop` gave."""
        self.phase[node] = RUNNING
        if self.queue.budget > 0:
            self._stepping.spend(node)
        self.queue.count(node, 1)

    def ended(self, node: int, verdict: int) -> None:
        """A node ended with `verdict`."""
        self._stop(node)  # while its phase still says whether it has a place
        self._finish(node, verdict)

    def succeeded(self, node: int) -> None:
        """An ordinary node ended well that was never told `started`: short for both, as most nodes end so."""
        self.phase[node] = DONE
        if node == self._stepping.stop_node:
            self._stepping.pause()
        home = self.home[node]
        if home is not None:
            home.members_left -= 1  # as `member_ended` does: a call for each node would be felt
            if not home.members_left:
                self._closing.members_ended(home)
        left, phase, consider = self._left, self.phase, self._consider_ready
        for down in self._down[node]:
            left[down] -= 1
            if left[down] == 0:
                if phase[down] == WAITING:
                    consider(down)
                elif down in self._gone_early:
                    self.early.came(down)
        if self.child_index[node] >= 0:
            self._child_ended(node, SUCCEEDED)
            return
        self.unfinished -= 1
        if self._has_children:
            self._ended_unexpanded(node, SUCCEEDED)

    def expanded(self, node: int, count: int) -> None:
        """A mapped task has `count` children; they are numbered on, in order."""
        if self.queue.budget > 0:
            self._stepping.spend(node)
        children = self._nodes.add_children(node, count)
        # Before a child is considered: it may be inside of an element, and has to wait for that one's resource.
        self._mapped_blocks.expanded(node, children)
        for child in children:
            if self._left[child] == 0:
                self._consider(child)
        self.early.expanded(node)
        self._children_known(node)

    def went_early(self, node: int) -> None:
        """A node that `early.pop` gave was handed out."""
        self.phase[node] = RUNNING
        self.early.went(node)

    def retry_at(self, node: int, time: float) -> None:
        """An attempt is over and the node is to be started again at `time`; its block stays open."""
        if self._put_off(node, ASLEEP, FAILED):
            heappush(self._asleep, (time, node))

    def again(self, node: int) -> None:
        """An attempt is over and the next one follows at once (a loop)."""
        self._stop(node)

    def put_back(self, node: int) -> None:
        """A node was started and has not begun after all: it is as ready as before, or waits if it went early."""
        waits = self._left[node] > 0
        if self._put_off(node, WAITING if waits else READY, CANCELLED) and not waits:
            self._push(node)

    def hold(self, node: int) -> None:
        """The node waits for `release`; its block stays open."""
        self._put_off(node, HELD, CANCELLED)

    def release(self, node: int, *, at_once: bool = False) -> None:
        """Let a held node go on; `at_once` also if the run is paused."""
        if self.phase[node] == HELD:
            (self.queue.push_at_once if at_once else self._push)(node)

    def note_time(self, now: float) -> None:
        """The time is `now`: a grace that begins now is counted from now, not from the last `tick`."""
        self._closing.now = now

    def tick(self, now: float) -> None:
        """The time is `now`, in seconds of any clock that does not go back; what has waited for it goes on."""
        self.note_time(now)
        while self._asleep and self._asleep[0][0] <= now:
            _, node = heappop(self._asleep)
            if self.phase[node] == ASLEEP:  # else a cancel has ended it
                self._push(node)
        self._closing.tick(now)

    def cancel(self) -> list[int]:
        """Start nothing but cleanups from now on; returns the nodes that this ended. Twice is once."""
        if self.cancelled:
            return []
        self.queue.cancelled = True
        self.resume()
        ended = []
        for node in range(len(self.phase)):
            if self.phase[node] in (WAITING, READY, ASLEEP, HELD):
                # What is set up is cleaned up, in a cancelled run too (rule 6). A cleanup that was never opened ends
                # in its turn all the same, after those inside of it.
                if self.role[node] == CLEANUP and self.own[node] is not None:
                    if self.phase[node] in (ASLEEP, HELD):  # nobody waits for a second try any more
                        self._push(node)
                    continue
                ended.append(node)
                self._finish(node, CANCELLED)
        return ended

    # -- questions --------------------------------------------------------------------------------------------

    @property
    def budget(self) -> int:
        """The number of tasks that may still start; 0 if the run is paused, negative if nothing limits it."""
        return self.queue.budget

    @property
    def cancelled(self) -> bool:
        """True when only cleanups start any more."""
        return self.queue.cancelled

    @property
    def goes_through(self) -> bool:
        """True when nothing but the end stops the run, so that nodes may be handed over ahead."""
        return self.queue.budget < 0 and not self.queue.stops_midway

    @property
    def is_done(self) -> bool:
        """True when every node has ended."""
        return self.unfinished == 0

    @property
    def is_idle(self) -> bool:
        """True when nothing is running or asleep."""
        return not (self.queue.is_busy or self._asleep)

    @property
    def next_wake(self) -> float | None:
        """The time at which `tick` should next be called, or None."""
        grace_ends = self._closing.next_wake
        if not self._asleep:
            return grace_ends
        wakes = self._asleep[0][0]
        return wakes if grace_ends is None else min(wakes, grace_ends)

    def held(self) -> list[int]:
        """Return the nodes that wait for `release`."""
        return [node for node, phase in enumerate(self.phase) if phase == HELD]

    # -- inside -----------------------------------------------------------------------------------------------

    def _consider(self, node: int) -> None:
        """Everything upstream of a waiting node has ended: may it be looked at, or does it wait for a block?"""
        if self._is_in_no_block[self.task_of[node]]:
            self._push(node)
            return
        home, role = self.home[node], self.role[node]
        if home is not None and home.usable and role == ORDINARY:
            self._push(node)  # the same as below for most tasks of a block
        elif role != CLEANUP:
            self._opening.consider(node)
        elif (own := self.own[node]) is not None:
            self._closing.consider(own)
        else:  # of a mapped block whose elements never came to be: it has nothing to clean up
            self._push(node)

    def _arrive(self, node: int) -> None:
        self._left[node] -= 1
        if self._left[node] == 0 and self.phase[node] == WAITING:
            self._consider(node)

    def _stop(self, node: int) -> None:
        if self.phase[node] == RUNNING:
            self.phase[node] = CLAIMED
            if node in self._gone_early:
                self.early.left(node)
            else:
                self.queue.count(node, -1)

    def _put_off(self, node: int, phase: int, verdict: int) -> bool:
        """Let a node stand in a phase until it goes on; one that a cancel no longer lets go on ends with `verdict`."""
        self._stop(node)
        if self.cancelled and self.role[node] != CLEANUP:
            self._finish(node, verdict)
            return False
        self.phase[node] = phase
        return True

    def _finish(self, node: int, verdict: int) -> None:
        self.phase[node] = DONE
        self.verdict[node] = verdict
        # Before anything follows from the end: what gets ready now is to find the run paused.
        if node == self._stepping.stop_node:
            self._stepping.pause()
        own, home = self.own[node], self.home[node]
        if own is not None:
            if node == own.cleanup:
                self._opening.closed(own)
                if own is self._stepping.stop_lifetime:
                    self._stepping.pause()
            elif node == own.setup or own.setup < 0:
                self._opening.resolve(own, bad=verdict != SUCCEEDED)
            else:
                own.lifecycle_left -= 1
        if home is not None:
            self._closing.member_ended(home)
        for down in self._down[node]:
            if verdict and (node, down) not in self._nodes.past:
                self._nodes.mark(down, verdict)
            self._arrive(down)
        if self.child_index[node] >= 0:
            self._child_ended(node, verdict)
            return
        self.unfinished -= 1
        if self._has_children and node not in self.children:
            self._ended_unexpanded(node, verdict)

    # -- mapped tasks -----------------------------------------------------------------------------------------

    def _children_known(self, task: int) -> None:
        """Let what is paired with a mapped task be expanded: its children are known. Without any it has ended."""
        for down in self._paired_down.get(task, ()):
            self._arrive(down)
        if not self.children[task]:
            self._finish_map(task)

    def _ended_unexpanded(self, node: int, verdict: int) -> None:
        """A task ended without children: what is paired with it, or is an element's share of it, ended too."""
        for down in self._paired_down.get(node, ()):
            if verdict and node in self._graph.pairs[down]:
                self._nodes.mark(down, verdict)
            self._arrive(down)
        self._mapped_blocks.ended_unexpanded(node)

    def _child_ended(self, node: int, verdict: int) -> None:
        task = self.task_of[node]
        self.queue.child_ended(node, task)
        if self._nodes.child_ended(task, verdict):
            self._finish_map(task)
        self._opening.child_ended(task, self.child_index[node])

    def _finish_map(self, task: int) -> None:
        self.finished_maps.append(task)
        self._finish(task, self._nodes.children_verdict[task])
