"""What must hold at each event of a run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from nbflow import states
from nbflow.engine.compiled_graph import CLEANUP, INIT, ORDINARY, SETUP
from nbflow.engine.nodes import DONE, EXPANDED
from tests.properties.simulation.demand import Demand
from tests.properties.simulation.model import Wrong

if TYPE_CHECKING:
    from nbflow.engine.events import Event


class EventInvariants(Demand):
    """Checks what starts, and what begins to be cleaned up, against the rules."""

    def on_event(self, event: Event) -> None:
        with suppress(Wrong):  # it is noted
            self._on_event(event)
        self.simulation.moment()

    def _on_event(self, event: Event) -> None:
        if event.kind == "run" and isinstance(event.state, states.Cancelling):
            if self.cancelled_at is not None:
                raise self.broken("rule 6: cancelled twice")
            self.cancelled_at = self.simulation.clock()
        elif event.kind == "note":
            self._on_note(event)
        elif event.kind == "task" and type(event.state) is states.Running and event.task is not None:
            node = self.node(event.task, event.map_index)
            if self.role(node) == CLEANUP:
                self.check_cleanup_start(node)
            else:
                self.check_start(node)
        if event.kind == "task" and event.task is not None:
            self._check_time_out(event)
        self.check_limits()

    def _check_time_out(self, event: Event) -> None:
        """Rule 14: a task that was told that its time is up has timed out, whatever it was busy with."""
        node = self.node(event.task, event.map_index) if event.task in self.loop.graph.index else -1
        if node not in self.timed_out or self.role(node) != ORDINARY:
            return
        if type(event.state) is states.Running:
            self.timed_out.discard(node)
        elif isinstance(event.state, states.Success) and not self.simulation.has_handlers:
            raise self.broken(f"rule 14: the time-out of {event.task} was lost")

    def _on_note(self, event: Event) -> None:
        if "goes ahead" in event.note and event.task is not None:
            self.overdue.add(event.task)
        for flight in self.flights:
            if flight.lingers_since is None and (flight.call in self.loop.lingering.late):
                flight.lingers_since = self.simulation.clock()

    def check_start(self, node: int) -> None:
        """Rules 3, 6 and 8: nothing starts after a cancel, in a block that closes, or before its setup."""
        graph, schedule = self.loop.graph, self.loop.schedule
        name = schedule.task(node).name
        if self.cancelled_at is not None and node not in self.handed_over:
            raise self.broken(f"rule 6: {name} started after the cancel")
        if isinstance(self.loop.record.state, states.Paused):
            raise self.broken(f"{name} started in a paused run")
        own = self.role(node) != ORDINARY
        for up in () if own else self.upstream_of(node):
            if schedule.phase[up] not in (DONE, EXPANDED):
                raise self.broken(f"{name} is told to have started before {schedule.task(up).name} has ended")
        for key in self.around(node):
            if key in self.cleaning:
                raise self.broken(f"rule 3: {name} started in a block whose cleanup has begun")
        for shape, index in self.around(node)[own:]:
            setup = graph.shapes[shape].setup
            if setup >= 0 and not self._has_ended(setup, index):
                raise self.broken(f"{name} started before the setup around it")
        if self.role(node) == SETUP or (self.role(node) == INIT and self._is_setup(node)):
            self.check_demand(node)

    def check_cleanup_start(self, node: int) -> None:
        """Rules 3 and 4: nobody uses the resource any more, and what was opened inside it is closed."""
        graph, schedule = self.loop.graph, self.loop.schedule
        task = schedule.task(node)
        key = self.around(node)[0]
        self.cleaning.add(key)
        for flight in self.flights:
            if key not in self.around(flight.call.node) or flight.call.node == node:
                continue
            if flight.call not in self.loop.lingering.late:
                raise self.broken(f"rule 3: {task.name} begins while {flight.call.task.name} is running")
            if task not in self.overdue:
                raise self.broken(f"rule 3: {task.name} begins beside a late {flight.call.task.name} and says nothing")
            grace_s = graph.shapes[key[0]].grace_s
            since = flight.lingers_since
            if self.interrupts < 2 and (since is None or self.simulation.clock() < since + grace_s - 1e-6):
                raise self.broken(f"rule 3: {task.name} begins before {flight.call.task.name} had its grace")
        for call in () if self.simulation.cluster is None else self.simulation.cluster.busy_with:
            if key in self.around(call.node) and task not in self.overdue:
                raise self.broken(f"rule 3: {task.name} begins while a worker is busy with {call.task.name}")
        for flight in self.flights:
            if flight.call.node == node and flight.lingers_since is not None:
                raise self.broken(f"rule 1: {task.name} is tried again beside a late one")
        for number in self.inside(key[0]):
            if graph.role[number] == ORDINARY and not graph.is_map[number] and not self._has_ended(number, key[1]):
                raise self.broken(f"rule 3: {task.name} begins before {graph.tasks[number].name} has ended")
        for resource in self.resources:
            shape, index = self.key_of(resource)
            inner = shape != key[0] and key in self._around_shape(shape, index)
            if not inner or self.is_kept(resource):
                continue
            if resource.is_alive and not self._is_named(resource) and not self._is_late(resource):
                raise self.broken(f"rule 4: {task.name} begins before {resource.key} inside it is cleaned up")

    def check_limits(self) -> None:
        """No more resources of a mapped block, and children of a map, at once than was asked for."""
        graph, schedule = self.loop.graph, self.loop.schedule
        for shape, one in enumerate(graph.shapes):
            if one.max_concurrent is None or not one.mapped:
                continue
            open_now = {
                self.key_of(r)
                for r in self.resources
                if self.key_of(r)[0] == shape
                and r.is_alive
                and not self._is_named(r)
                and not self._is_late(r)
                and not self.is_kept(r)  # for good: whoever waited for it would wait for ever
            }
            for flight in self.flights:
                around = self.around(flight.call.node)
                opens = flight.lifecycle and around and around[0][0] == shape and self.role(flight.call.node) != CLEANUP
                is_setup = self.role(flight.call.node) == SETUP or one.setup < 0
                if opens and is_setup and flight.call not in self.loop.lingering.late:
                    open_now.add(around[0])
            if len(open_now) > one.max_concurrent:
                raise self.broken(f"{len(open_now)} resources of {graph.blocks[shape].name} are open at once")
        for number, limit in graph.limits.items():
            running = sum(
                1
                for f in self.flights
                if schedule.task_of[f.call.node] == number and f.call not in self.loop.lingering.late
            )
            if running > limit:
                raise self.broken(f"{running} children of {graph.tasks[number].name} run at once")
