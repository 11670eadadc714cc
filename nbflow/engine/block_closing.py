"""The closing of blocks: each is cleaned up after its last task (docs/guarantee.md, rule 3).

A task may end while its thread goes on, after a timeout or a cancel. The resource is in use until the thread lets go,
but not for ever: after a *grace* the cleanup begins all the same, and the run says so (`ResourceLifetime.overdue`).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from nbflow.engine.nodes import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.nodes import Nodes
    from nbflow.engine.resource_lifetime import ResourceLifetime


class BlockClosing:
    """Counts who uses each resource, and gives the cleanup on when nobody does."""

    def __init__(self, nodes: Nodes, push: Callable[[int], None], consider: Callable[[int], None]) -> None:
        self.now = 0.0  # the run loop's clock: nothing here reads one
        self._nodes, self._push, self._consider = nodes, push, consider
        self._graces: list[tuple[float, int, int]] = []

    def member_ended(self, lifetime: ResourceLifetime) -> None:
        """A task of a block, or its share in an element of one, has ended."""
        lifetime.members_left -= 1
        if not lifetime.members_left:
            self.members_ended(lifetime)

    def members_ended(self, lifetime: ResourceLifetime) -> None:
        """The last task of a block has ended."""
        if not lifetime.demanded:  # nobody needed it: its init and setup end without being called
            for node in self._nodes.undone_makers(lifetime):
                self._consider(node)
        self.consider(lifetime)

    def consider(self, lifetime: ResourceLifetime) -> None:
        """Give the cleanup of a resource on, if nobody uses the resource and nobody will."""
        # Asked at every end that may have been the last one, in whatever order they come: the cleanup waits for its
        # members, its init and setup, what is upstream of it (the cleanups of inner blocks), and only then for threads.
        node = lifetime.cleanup
        if (
            self._nodes.phase[node] != WAITING
            or self._nodes.left[node]
            or lifetime.members_left
            or lifetime.lifecycle_left
        ):
            return
        if lifetime.busy:
            # The grace began when the thread was left behind, not now: to ask again must not prolong it.
            until = lifetime.grace_until if lifetime.grace_until is not None else self.now + lifetime.grace_s
            if self.now < until:
                lifetime.grace_until = until
                heappush(self._graces, (until, lifetime.shape, max(lifetime.index, 0)))
                return
            lifetime.overdue = True
        self._push(node)

    def lingers(self, node: int) -> None:
        """A node is about to end, but its thread goes on with it (see `let_go`); the resources around it are in use."""
        lifetime = self._nodes.lifetime_of(node)
        while lifetime is not None:
            lifetime.busy += 1
            # Of all blocks around it at once: one after the other, nested blocks would add their graces up.
            lifetime.grace_until = self.now + lifetime.grace_s
            lifetime = lifetime.outer

    def let_go(self, node: int) -> None:
        """The thread of a lingering node is done with it."""
        lifetime = self._nodes.lifetime_of(node)
        while lifetime is not None:
            lifetime.busy -= 1
            self.consider(lifetime)
            lifetime = lifetime.outer

    def shorten_graces(self) -> None:
        """Wait no longer for threads that do not let go."""
        for lifetimes in self._nodes.lifetimes:
            for lifetime in lifetimes:
                lifetime.grace_s = 0.0  # of those as well that nobody lingers in yet: the run is in a hurry
                if lifetime.grace_until is not None and lifetime.busy:
                    lifetime.grace_until = self.now
                    self.consider(lifetime)

    def consider_all(self) -> None:
        """Look at each resource again, after the schedule was set back: what it waited for may have come since."""
        for lifetimes in self._nodes.lifetimes:
            for lifetime in lifetimes:
                self.consider(lifetime)

    @property
    def next_wake(self) -> float | None:
        """The time at which the first grace is over, or None."""
        return self._graces[0][0] if self._graces else None

    def tick(self, now: float) -> None:
        """The time is `now`: clean up what has had its grace."""
        self.now = now
        while self._graces and self._graces[0][0] <= now:
            _, shape, index = heappop(self._graces)  # perhaps cleaned up already, which `consider` finds out
            self.consider(self._nodes.lifetimes[shape][index])
