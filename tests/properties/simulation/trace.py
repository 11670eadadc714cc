"""One run of a simulation, as far as it went: what is in the air, and what was made."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from nbflow import Task, states
from nbflow.engine.nodes import DONE
from nbflow.engine.open_resources import BlockStatus
from tests.properties.simulation.model import Attempt, Flight, Resource, Timer, Wrong

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.engine.open_resources import OpenResource
    from nbflow.engine.run import Run
    from tests.properties.simulation.fakes import Loop, Session
    from tests.properties.simulation.simulator import Simulator


class Trace:
    """One run of a simulation: what is in the air, and what was made."""

    def __init__(self, simulation: Simulator, loop: Loop) -> None:
        self.simulation = simulation
        self.loop = loop
        self.tracker = loop.noted
        self.tracker.broken = self.broken
        self.session: Session | None = None
        self.run: Run | None = None
        self.flights: list[Flight] = []
        self.resources: list[Resource] = []
        self.attempts: list[Attempt] = []
        self.timers: list[tuple[float, int, Call, type[BaseException], Timer]] = []
        self.interrupts = 0
        self.hurried_at: float | None = None
        self.cancelled_at: float | None = None
        self.cleaning: set[tuple[int, int]] = set()  # cleanup of these has begun
        self.overdue: set[Task] = set()  # cleanups that an event said to go ahead
        self.late: list[str] = []
        self.timed_out: set[int] = set()  # nodes whose call was told so in the run's own thread
        self.handed_over: set[int] = set()  # nodes that a worker may have begun before the cancel
        self.opening: dict[tuple[int, int], None] = {}
        self.numbers = {block.name: k for k, block in enumerate(loop.graph.blocks)}

    def broken(self, text: str) -> Wrong:
        """Note that a rule was broken; whoever swallows the error, the simulation will raise it again."""
        self.simulation.tell(f"WRONG: {text}")
        self.simulation.wrong.append(text)
        return Wrong(text)

    def note_interrupts(self, count: int) -> None:
        """The user has asked to stop for the `count`-th time; also if that was passed on by a flow inside."""
        if count >= 2 and self.hurried_at is None:
            self.hurried_at = self.simulation.clock()
        self.interrupts = max(self.interrupts, count)

    def node(self, task: Task, index: int | None) -> int:
        number = self.loop.graph.index[task]
        return number if index is None else self.loop.schedule.children[number][index]

    def around(self, node: int) -> list[tuple[int, int]]:
        """The resources that a node makes or may use, innermost first."""
        graph, schedule = self.loop.graph, self.loop.schedule
        child = schedule.child_index[node]
        shape = graph.shape_of[schedule.task_of[node]]
        return [(k, child if graph.shapes[k].mapped else -1) for k in graph.enclosing(shape)]

    def role(self, node: int) -> int:
        return self.loop.schedule.role[node]

    def upstream_of(self, node: int) -> list[int]:
        """The nodes right before one; of a paired map the child, of another one the whole."""
        graph, schedule = self.loop.graph, self.loop.schedule
        task, child = schedule.task_of[node], schedule.child_index[node]
        paired = set(graph.pairs[task]) & set(schedule.children) if child >= 0 else set()
        return [schedule.children[up][child] if up in paired else up for up in graph.upstream[task]]

    def inside(self, shape: int) -> list[int]:
        """The tasks in a block and in the blocks inside it."""
        graph = self.loop.graph
        found = list(graph.shapes[shape].members)
        for k, other in enumerate(graph.shapes):
            if other.parent == shape:
                found += self.inside(k)
        return found

    def key_of(self, resource: Resource) -> tuple[int, int]:
        return self.numbers[resource.key], resource.index

    def _state(self, number: int, index: int) -> states.State:
        state = self.loop.record.states[self.loop.graph.tasks[number]]
        if index >= 0 and isinstance(state, states.Mapped):
            return state.map_states[index] if index < len(state.map_states) else states.Skipped()
        return state

    def _has_ended(self, number: int, index: int) -> bool:
        schedule = self.loop.schedule
        if index >= 0 and number in schedule.children:
            children = schedule.children[number]
            return index >= len(children) or schedule.phase[children[index]] == DONE
        return schedule.phase[number] == DONE

    def hit(self, flight: Flight, error: type[BaseException]) -> bool:
        if flight.call.is_over:
            return False
        if flight.call.shielded:
            raise self.broken(f"rule 6: the cleanup {flight.call.task.name!r} was not shielded")
        self.simulation.tell(f"{flight.call.task.name} is sent {error.__name__}")
        flight.hit = error
        return True

    def set_timer(self, delay_s: float, call: Call, error: type[BaseException], *, is_time_out: bool) -> Timer:
        timer = Timer(is_time_out=is_time_out)
        at = self.simulation.clock() + delay_s
        heapq.heappush(self.timers, (at, len(self.timers), call, error, timer))
        return timer

    def made(self, key: str, index: int) -> Resource:
        for other in self.resources:
            if (other.key, other.index) == (key, index):
                raise self.broken(f"rule 2: {key}[{index}] was set up twice in one run")
        resource = Resource(key, index, self.simulation.flight)
        resource.was_late = self.loop.is_over.is_set()
        self.resources.append(resource)
        return resource

    def new_attempt(self, key: str, index: int) -> Attempt:
        attempt = Attempt(f"{key}.setup", (key, index), self.simulation.plan.early.get(key, ""))
        self.attempts.append(attempt)
        return attempt

    def _around_shape(self, shape: int, index: int) -> list[tuple[int, int]]:
        graph = self.loop.graph
        return [(k, index if graph.shapes[k].mapped else -1) for k in graph.enclosing(shape)]

    def _holding(self, resource: Resource) -> OpenResource:
        return self.loop.record.open_resources.get(*self.key_of(resource))

    def _is_named(self, resource: Resource) -> bool:
        """Whether a resource is told to be left."""
        return self._holding(resource).error is not None

    def is_kept(self, resource: Resource) -> bool:
        """Whether a resource is kept by its author's word (rule 19)."""
        return self._holding(resource).status is BlockStatus.KEPT

    def check_may_keep(self, resource: Resource) -> None:
        """Rule 19: only a trigger of the author's keeps a resource, and one that raises does not."""
        if self.simulation.plan.keeps.get(resource.key, "broken") == "broken":
            raise self.broken(f"rule 19: {resource.key} is kept, and nobody said so")

    def _is_late(self, resource: Resource) -> bool:
        """Whether the loop has not been told of it yet, or only after its task had ended."""
        return resource.flight is not None and (
            resource.flight in self.flights or resource.flight.lingers_since is not None
        )
