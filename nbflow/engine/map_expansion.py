"""The children of mapped tasks: how many there are, and the state that holds theirs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nbflow.core.states import Mapped, Pending, State
from nbflow.engine.compiled_graph import INIT

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.record import Record
    from nbflow.engine.settlement import Settlement


class MapExpansion:
    """Gives mapped tasks their children, once what they are mapped over is there."""

    def __init__(self, record: Record, inputs: Inputs, lifecycle: Lifecycle, settlement: Settlement) -> None:
        self._schedule, self._record, self._inputs = record.schedule, record, inputs
        self._around, self._settlement = lifecycle.around, settlement

    def expand(self, node: int, task: Task, old: State) -> None:
        """Give a mapped task its children, each of which the scheduler then gives as a node of its own."""
        plan = self._inputs.plan_map(node)
        if isinstance(plan, State) and isinstance(old, Mapped) and (old.map_states or old.n_map_states):
            plan = max(len(old.map_states), old.n_map_states)  # given, with the children it has
        if isinstance(plan, State):
            self._settlement.change(node, task, old, plan)
            return
        children: list[State] = [Pending()] * plan
        if isinstance(old, Mapped):
            children[: len(old.map_states)] = [Pending() if child is None else child for child in old.map_states[:plan]]
        mapped = Mapped(mapped_over(plan), map_states=children)
        state = self._settlement.told_at_start(node, task, old, mapped)
        if state is None:
            return
        if not isinstance(state, Mapped):
            self._settlement.end(node, old, state)
            return
        if len(state.map_states) != plan:  # a handler's own
            state.map_states = children
        self._record.timings[task] = (time.time(), None)
        self._record.set_task(node, old, state)
        graph = self._record.graph
        if graph.role[node] == INIT:  # the scheduler gives each element its place for a cleanup at once
            cleanup = graph.shapes[graph.shape_of[node]].cleanup
            cleanups = Mapped("One cleanup for each resource.", map_states=[Pending()] * plan)
            self._record.set_task(cleanup, self._record.current(cleanup), cleanups)
        # Last: it may hand the first children out, whose states must have their place by then.
        self._schedule.expanded(node, plan)

    def measure(self, node: int) -> int | None:
        """Return how many children a mapped task will get, or None if that is not known before its block is set up.

        Rule 8: a block in which a map over nothing is all that is left is not opened.
        """
        lifetimes = self._around(node)
        edges = self._record.graph.edges_in[node]
        if type(self._record.current(node)) is not Pending or any(
            edge.mapped and edge.upstream_task in lifetimes for edge in edges
        ):
            return None
        plan = self._inputs.plan_map(node)
        return 0 if isinstance(plan, State) else plan


def mapped_over(count: int) -> str:
    """Return the message of a mapped task with so many children."""
    return f"Mapped over {count} element{'' if count == 1 else 's'}."
