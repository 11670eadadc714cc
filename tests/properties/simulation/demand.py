"""Rule 8: for whom a resource is set up."""

from __future__ import annotations

from nbflow import states
from nbflow.engine.nodes import DONE
from tests.properties.simulation.trace import Trace


class Demand(Trace):
    """Checks that a resource is set up for a task that is otherwise ready."""

    def _is_setup(self, node: int) -> bool:
        return self.loop.graph.shapes[self.around(node)[0][0]].setup < 0

    def check_demand(self, node: int) -> None:
        """Rule 8: a resource is set up for a task that is otherwise ready; or its block is empty."""
        graph = self.loop.graph
        shape, index = self.around(node)[0]
        self.opening[shape, index] = None
        inside = self.inside(shape)
        if not inside:
            return
        if graph.shapes[shape].mapped:
            if all(self._has_ended(number, index) for number in inside):
                raise self.broken(f"rule 8: {graph.blocks[shape].name}[{index}] is set up for nobody")
            return
        if not any(self._is_otherwise_ready(number) for number in inside):
            raise self.broken(f"rule 8: {graph.blocks[shape].name} is set up, but no task in it is otherwise ready")

    def _is_otherwise_ready(self, number: int) -> bool:
        """Whether but for the resources around it a task would run; of a map, one of its children."""
        graph, schedule = self.loop.graph, self.loop.schedule
        around = [graph.shapes[k] for k in graph.enclosing(graph.shape_of[number])]
        upstream = set(graph.upstream[number]).difference(*((one.init, one.setup) for one in around))
        pairs = [up for up in graph.pairs[number] if up in schedule.children]
        if schedule.phase[number] == DONE or not all(self._has_ended(up, -1) for up in upstream - set(pairs)):
            return False
        if not graph.is_map[number]:
            return not self._is_refused(number, upstream, -1)
        lengths = [
            len(state.map_states if isinstance(state, states.Mapped) else state.result)
            for edge in graph.edges_in[number]
            if edge.mapped and (state := self.loop.record.states[edge.upstream_task]).is_successful()
        ]
        return any(
            all(self._has_ended(up, index) for up in pairs) and not self._is_refused(number, upstream, index)
            for index in range(min(lengths, default=0))
        )

    def _is_refused(self, number: int, upstream: set[int], index: int) -> bool:
        """Whether a task (or a child of it) is sure not to run, as far as the most usual trigger goes."""
        pairs = self.loop.graph.pairs[number]
        above = [self._state(up, index if up in pairs else -1) for up in upstream]
        skips = self.loop.graph.skips[number] and any(state.is_skipped() for state in above)
        return skips or (self.loop.graph.is_plain[number] and any(state.is_failed() for state in above))
