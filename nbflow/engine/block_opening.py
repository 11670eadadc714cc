"""The opening of blocks: each is set up for the first task inside that will run (docs/guarantee.md, rule 8).

A task whose upstream has ended *waits* at the innermost resource around it that is not set up yet, and *demands* it.
That lets the block's init and setup go on, which demand the resource around them in turn. When the setup has ended,
well or not, the resource is *resolved*, and who waits is considered again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import SETUP
from nbflow.engine.concurrency_limit import ConcurrencyLimit
from nbflow.engine.nodes import DONE, READY, WAITING
from nbflow.engine.resource_lifetime import ResourceLifetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.block_closing import BlockClosing
    from nbflow.engine.lookahead import Lookahead
    from nbflow.engine.nodes import Nodes
    from nbflow.engine.ready_queue import ReadyQueue


class BlockOpening:
    """Lets tasks wait for the resources around them, and says when these are set up.

    Attributes:
        unneeded: The inits and setups of blocks none of whose tasks will run.
        unmeasured: The mapped tasks given by `ReadyQueue.pop` to be `measured` only.
        open_lifetimes: The resources that are open, in the order in which they were opened.
    """

    def __init__(
        self,
        nodes: Nodes,
        lookahead: Lookahead,
        queue: ReadyQueue,
        closing: BlockClosing,
        consider: Callable[[int], None],
    ) -> None:
        self.unneeded: set[int] = set()
        self.unmeasured: set[int] = set()
        self.open_lifetimes: list[ResourceLifetime] = []
        self._nodes, self._lookahead, self._queue = nodes, lookahead, queue
        self._closing, self._consider = closing, consider
        self._lengths: dict[int, int | None] = {}
        self._limits = {
            k: ConcurrencyLimit[ResourceLifetime](shape.max_concurrent)
            for k, shape in enumerate(nodes.graph.shapes)
            if shape.max_concurrent
        }

    def consider(self, node: int) -> None:
        """Everything upstream of a task in or of a block has ended: is it ready, or does it wait for a resource?"""
        nodes, own = self._nodes, self._nodes.own[node]
        # Its own block is nobody's need yet. Without lazy init an init runs at once all the same: it opens nothing.
        if (
            own is not None
            and not own.demanded
            and (nodes.role[node] == SETUP or own.lazy_init or own.shape in nodes.graph.lazy_shapes)
            and not self._lookahead.is_doomed(node)
        ):
            is_needless = own.members_left == 0 and not self._lookahead.is_empty(own)
            if self._queue.cancelled or is_needless:
                self.unneeded.add(node)
                self._queue.push(node)
            return
        lifetime = self._lookahead.awaited(node)
        if lifetime is not None and not self._lookahead.is_doomed(node):
            is_map = nodes.graph.is_map[nodes.task_of[node]] and nodes.child_index[node] < 0
            if not (is_map and not lifetime.demanded and self._has_no_ready_child(node, lifetime)):
                self._wait_for(node, lifetime)
            return
        home = nodes.lifetime_around(node)
        # The block's edge is not among the counts, so a setup that failed is counted here.
        if home is not None and home.setup_bad:
            nodes.bad[node] += 1
        self._queue.push(node)

    def waits_after_all(self, node: int) -> bool:
        """Let a node, given because it would not run, wait for a block: a setup has failed, so it will.

        Tells whether there is anything to wait for.
        """
        lifetime = self._lookahead.awaited(node)
        if lifetime is None:
            return False
        self._nodes.phase[node] = WAITING
        if self._lookahead.is_doomed(node):
            self._wait_for(node, lifetime)
        else:
            self._consider(node)
        return True

    def _wait_for(self, node: int, lifetime: ResourceLifetime) -> None:
        lifetime.waiting.append(node)
        self.demand(lifetime)

    def _has_no_ready_child(self, node: int, lifetime: ResourceLifetime) -> bool:
        """Tell whether a mapped task is no reason yet to open its block; sees to it that it is asked again.

        A map is expanded when its block is set up; whether it has a child that will run has to be known before. So its
        length is asked of the run loop first.
        """
        if node not in self._lengths:
            self.unmeasured.add(node)
            self._queue.push_to_measure(node)
            return True
        count = self._lengths[node]
        if count is None or any(self._lookahead.will_run(node, index) for index in range(count)):
            return False
        if count and any(self._nodes.phase[up] != DONE for up in self._nodes.graph.pairs[node]):
            lifetime.waiting.append(node)  # another task may open it, or a child above: see `child_ended`
        else:
            self._queue.push(node)
        return True

    def measured(self, node: int, count: int | None) -> None:
        """A mapped task in `unmeasured` will have `count` children; None: not known before its block is set up."""
        self.unmeasured.discard(node)
        self._lengths[node] = count
        self._nodes.phase[node] = WAITING
        self._consider(node)

    def child_ended(self, task: int, index: int) -> None:
        """A child of `task` ended: is that below it which is paired with it now a reason to open a block?"""
        for down in self._nodes.paired_down.get(task, ()) if self._lengths else ():
            count, lifetime = self._lengths.get(down), self._lookahead.awaited(down)
            if self._nodes.phase[down] != WAITING or count is None or lifetime is None or lifetime.demanded:
                continue
            if index < count and self._lookahead.will_run(down, index):
                self.demand(lifetime)
            elif self._nodes.phase[task] == DONE:  # no child is left that could be a reason
                lifetime.waiting.remove(down)
                self._consider(down)

    def demand(self, lifetime: ResourceLifetime, *, needs_permit: bool = True) -> None:
        """Let a resource be set up, or wait in the line of those that may not all be open at once."""
        if not lifetime.demanded:
            limit = self._limits.get(lifetime.shape) if needs_permit else None
            if limit is not None and not limit.acquire(lifetime):
                return
            # Before its init is considered, which would take it for a block that nobody needs yet.
            lifetime.demanded = True
            for node in self._nodes.undone_makers(lifetime):
                self._consider(node)

    def may_begin_demanded(self, lifetime: ResourceLifetime) -> bool:
        """Tell whether a resource of a block without tasks may be set up at once, with its element."""
        limit = self._limits.get(lifetime.shape)
        return self._lookahead.is_empty(lifetime) and (limit is None or limit.acquire(lifetime))

    def opened(self, lifetime: ResourceLifetime) -> None:
        """The setup of `lifetime` gave a resource (told before the setup's end, and also when it comes late)."""
        lifetime.open = True
        self.open_lifetimes.append(lifetime)
        # It came late: its cleanup is no longer behind what needs a place to be opened.
        if self._nodes.phase[lifetime.cleanup] == READY:
            self._queue.push(lifetime.cleanup)

    def resolve(self, lifetime: ResourceLifetime, *, bad: bool = True) -> None:
        """The setup of a resource has ended, or there will be none."""
        if lifetime.resolved:
            return
        lifetime.resolved = True
        lifetime.setup_bad = bad
        lifetime.usable = not bad and (lifetime.outer is None or lifetime.outer.usable)
        lifetime.lifecycle_left -= 1
        waiting, lifetime.waiting = lifetime.waiting, []
        for node in waiting:
            if self._nodes.phase[node] == WAITING:
                self._consider(node)
        self._closing.consider(lifetime)

    def closed(self, lifetime: ResourceLifetime) -> None:
        """The cleanup of a resource has ended: the next one in line may be set up."""
        if lifetime in self.open_lifetimes:  # else its setup failed, or was never called
            self.open_lifetimes.remove(lifetime)
        limit = self._limits.get(lifetime.shape)
        if limit is not None:
            following = limit.release(lifetime, self._wants_to_open)
            if following is not None:
                self.demand(following)

    def _wants_to_open(self, lifetime: ResourceLifetime) -> bool:
        if lifetime.demanded or self._nodes.phase[lifetime.cleanup] == DONE:  # perhaps its init has failed
            return False
        return lifetime.members_left > 0 or self._lookahead.is_empty(lifetime)

    def open_for_others(self) -> bool:
        """Open the first block that tasks outside of it wait for, when nothing else can go on; False if there is none.

        A task inside may wait for them. Who only looks at the tasks inside would then wait for ever.
        """
        nodes = self._nodes
        without_permit: list[ResourceLifetime] = []
        without_reason: list[ResourceLifetime] = []
        for lifetime in (one for lifetimes in nodes.lifetimes for one in lifetimes if not one.demanded):
            makers = [n for n in (lifetime.init, lifetime.setup) if n >= 0 and nodes.phase[n] == WAITING]
            if not makers or nodes.left[makers[0]]:
                continue
            # What waits for a mapped task as a whole waits for each of its elements.
            whole = {one for node in makers for one in (node, nodes.task_of[node])}
            below = (down for node in whole for down in nodes.down[node])
            if any(nodes.phase[down] == WAITING and nodes.own[down] is not lifetime for down in below):
                self.demand(lifetime)
                if lifetime.demanded:
                    return True
                without_permit.append(lifetime)
            elif lifetime.waiting:
                without_reason.append(lifetime)
        for lifetime in without_reason:  # what waits inside is waited for by a task that wants all elements
            self.demand(lifetime)
            if lifetime.demanded:
                return True
        without_permit += without_reason
        for lifetime in without_permit[:1]:  # who has the place waits for it: the limit cannot be kept
            self.demand(lifetime, needs_permit=False)
        return bool(without_permit)
