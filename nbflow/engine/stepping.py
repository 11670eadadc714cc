"""The steps of a run: the commands of a person who pauses it, steps it, or lets it go on to some point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.ready_queue import UNLIMITED

if TYPE_CHECKING:
    from nbflow.engine.nodes import Nodes
    from nbflow.engine.ready_queue import ReadyQueue
    from nbflow.engine.resource_lifetime import ResourceLifetime


class Stepping:
    """Sets the budget of the ready queue, and empties it where the run is to stop by itself.

    Attributes:
        stop_node: The node at whose end the run pauses; -1 for none.
        stop_lifetime: The resource at whose cleanup it pauses.
    """

    def __init__(self, nodes: Nodes, queue: ReadyQueue, open_lifetimes: list[ResourceLifetime]) -> None:
        self.stop_node = -1
        self.stop_lifetime: ResourceLifetime | None = None
        self._nodes, self._queue, self._open_lifetimes = nodes, queue, open_lifetimes
        self._steps_into = False

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
        # Not `_go`: what is left of a map that was stepped stays part of that step.
        self._queue.budget = max(self._queue.budget, 0) + 1
        self._steps_into = into
        self.stop_node = -1
        self.stop_lifetime = None

    def run_until(self, node: int) -> None:
        """Go on up to and including `node`."""
        self._go(UNLIMITED)
        self.stop_node = node
        self._queue.stops_midway = True

    def step_block(self) -> None:
        """Go on to the end of the current block: the one opened last, else the one that opens next."""
        lifetime = self._open_lifetimes[-1] if self._open_lifetimes else None
        if lifetime is None:  # nothing is open: the first of a block's own tasks may be next
            node = self._queue.peek()
            lifetime = None if node is None else self._nodes.own[node]
        if lifetime is None:
            self.step()
        else:
            self._go(UNLIMITED)
            self.stop_lifetime = lifetime
            self._queue.stops_midway = True

    def spend(self, node: int) -> None:
        """Count the start or the expansion of a node, if it is one that counts as a step."""
        task, queue = self._nodes.task_of[node], self._queue
        # A parameter is no step: a person who steps wants to see a task run.
        if self._nodes.graph.free[task] or task == queue.stepped_map:
            return
        is_map = self._nodes.graph.is_map[task]
        if is_map and self._steps_into:
            queue.budget -= self._nodes.child_index[node] >= 0  # its expansion is no step
            return
        queue.budget -= 1
        if is_map:  # the whole map is the step: its children go with it
            queue.set_aside(task)

    def _go(self, budget: int) -> None:
        # Whatever was asked for before is over: a stop that was meant for another command would surprise.
        self._queue.budget = budget
        self._queue.stops_midway = False
        self._steps_into = False
        self.stop_node = -1
        self.stop_lifetime = None
        self._queue.put_back()
