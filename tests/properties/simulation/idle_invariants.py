"""What must hold whenever a run waits, and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow import Task, states
from nbflow.engine.cancellation import HURRIED_S
from nbflow.engine.compiled_graph import CLEANUP
from nbflow.engine.open_resources import BlockStatus
from nbflow.errors import InternalError
from tests.properties.simulation.model import Attempt, Resource, Wrong
from tests.properties.simulation.plans import walk
from tests.properties.simulation.trace import Trace
from tests.properties.simulation.tracker import HAS_TRACKER
from tests.properties.strategies import (
    BlockPlan,
)

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from tests.properties.simulation.cluster_session import CheckedCluster

LIMIT_S = 60
BUGS = (AssertionError, AttributeError, IndexError, InternalError, KeyError, NameError, TypeError)
"""What no plan raises."""


class IdleInvariants(Trace):
    """Checks a run that waits, one that says it is over, and one whose last thread has let go."""

    def check_rest(self) -> None:
        """What holds whenever the loop has nothing more to do by itself."""
        self.simulation.raise_wrong()
        self.check_tracker()
        if self.cancelled_at is not None:
            for flight in self.flights:
                if not (flight.call.stop_requested or flight.call.shielded):
                    raise self.broken(f"rule 6: {flight.call.task.name} was not asked to stop")
        for flight in self.flights:
            inner: Any = flight.call.inner
            if inner is not None and (flight.call in self.loop.lingering.late) and not inner.cancellation.is_wanted:
                raise self.broken(f"rule 14: the flow that {flight.call.task.name} runs was not cancelled")
        schedule, graph = self.loop.schedule, self.loop.graph
        if schedule.budget == 0 or (schedule.queue.serial and not schedule.is_idle):
            return
        for resource in self.resources:
            key = self.key_of(resource)
            if key in self.cleaning or not resource.is_alive or not self._holding(resource).owes_cleanup:
                continue
            if any(
                key in self.around(flight.call.node)
                for flight in self.flights
                if self.hurried_at is None or flight.call not in self.loop.lingering.late
            ):
                continue
            if self._is_late(resource) and self._has_ended(graph.shapes[key[0]].cleanup, key[1]):
                continue  # it came when its cleanup had gone ahead, and is cleaned up at the end
            shape = graph.shapes[key[0]]
            if not self._has_ended(shape.setup if shape.setup >= 0 else shape.init, key[1]):
                continue  # it went well, and a handler wants another try
            if all(self._has_ended(number, key[1]) for number in self.inside(key[0])):
                raise self.broken(f"rule 8: {graph.blocks[key[0]].name} stays open after its last task")

    def check_deadlines(self, until: float | None) -> None:
        """Rules 6 and 13: a cancelled run waits for nothing without limit but for a setup, a hurried one not long."""
        if self.interrupts > 2:
            raise self.broken("rule 6: the run waits although it was given up")
        sets_up = any(flight.call.is_setup for flight in self.flights)
        if self.cancelled_at is not None and until is None and not sets_up:
            raise self.broken("rule 6: a cancelled run waits without limit")
        if self.hurried_at is None:
            return
        for flight in self.flights:
            is_left = flight.call.is_setup or self.role(flight.call.node) == CLEANUP
            limit_s = HURRIED_S + 0.1 if is_left else 0.1
            waited_s = self.simulation.clock() - max(self.hurried_at, flight.since)
            if flight.call not in self.loop.lingering.late and waited_s > limit_s + 1e-6:
                raise self.broken(f"rule 6: a hurried run waits {waited_s:g} s for {flight.call.task.name}")

    def check_tracker(self) -> None:
        """Rule 10: what may be alive is in the tracker's open rows."""
        if not HAS_TRACKER:
            return
        for resource in self.resources:
            row = self.tracker.rows.get((resource.key, resource.index))
            if resource.is_alive and row in (None, "closed"):
                raise self.broken(f"rule 10: {resource.key} is alive, and {row} in the ledger")

    def check_over(self) -> None:
        """What holds at the moment when a run says that it is over: nothing is open but what it named."""
        self.check_tracker()
        run, record = self.run, self.loop.record
        assert run is not None
        assert run.is_finished
        if isinstance(self.loop.cancellation.failure, BUGS):
            raise self.broken(f"the run itself failed: {self.loop.cancellation.failure!r}")
        assert run.open_resources == []
        if not run.state.is_finished() and not run.state.is_running():  # Running: a task was left for good
            raise self.broken(f"the run is over, and {run.state}")
        if self.cancelled_at is not None and type(run.state) is not states.Cancelled:
            allowed = run.state.is_failed() and (self.loop.cancellation.failure is not None or run.cleanup_failures)
            if not allowed:
                raise self.broken(f"rule 6: a cancelled run ended {run.state}")
        failed = {block.name for block in run.cleanup_failures}
        told = [event.note for event in run.events if event.kind == "note"]
        for resource in self.resources:
            if resource.flight in self.flights:
                continue  # its thread has not let go of it; see `check_end`
            held = self._holding(resource)
            if resource.is_alive and self.is_kept(resource):
                self.check_may_keep(resource)
                continue
            if resource.is_alive and not self._is_named(resource):
                raise self.broken(f"rule 1: {held.name} is left, and nothing says so")
            if self._is_named(resource):
                if resource.key not in failed or held.status is not BlockStatus.LEAKED:
                    raise self.broken(f"rule 7: {held.name} failed silently")
                is_told = any(repr(held.name) in text for text in told)
                if not is_told and not self._is_late(resource):  # what comes after the loop has no events
                    raise self.broken(f"rule 7: no event tells of {held.name}")
                if not any(repr(held.name) in text for text in self.simulation.warned):
                    raise self.broken(f"rule 7: no warning tells of {held.name}")
            elif held.status is not BlockStatus.CLEANED:
                raise self.broken(f"{held.name} is {held.status}")
            if not resource.cleanups and self.interrupts < 3 and not self._is_tried(resource):
                raise self.broken(f"rule 1: {held.name} was never cleaned up")
            if resource.cleanups > self._tries(resource.key):
                raise self.broken(f"rule 1: {held.name} was cleaned up {resource.cleanups} times")
        self._check_failure_fails(failed)
        check_replay(run)
        if record.timings.ended_at is None:
            raise self.broken("a run is over that has not ended")

    def _is_tried(self, resource: Resource) -> bool:
        """Whether its cleanup hangs, so that its user code has not told anything."""
        return any(
            self.role(f.call.node) == CLEANUP and self.around(f.call.node)[0] == self.key_of(resource)
            for f in self.flights
        )

    def _tries(self, key: str) -> int:
        plan = self.simulation.plan.flow
        (block,) = (i for i in walk(plan.items) if isinstance(i, BlockPlan) and i.key == key)
        asked = sum(does in ("retry", "loop", "pause") for does in plan.does.get(f"{key}.cleanup", ()))
        return 1 + block.retries + asked

    def _check_failure_fails(self, failed: set[str]) -> None:
        """Rule 7: a failed cleanup makes the run fail where that is asked for, and only there."""
        run = self.run
        assert run is not None
        if failed.intersection(self.simulation.plan.must_clean):
            if not run.state.is_failed():
                raise self.broken("rule 7: a cleanup failed that must not, and the run did not")
        elif failed and self.cancelled_at is None and not self.simulation.has_handlers:
            ends = [run.states[task] for task in run.graph.reference]
            well = all(one.is_successful() for state in ends for one in _with_children(state))
            if well and run.state.is_failed():
                raise self.broken("rule 7: a failed cleanup changed the state of the run")

    def check_end(self) -> None:
        """What holds when the last thread has let go as well."""
        assert not self.flights
        self.check_tracker()
        for resource in self.resources:
            if resource.is_alive and not (self._is_named(resource) or self.is_kept(resource)):
                raise self.broken(f"rule 1: {resource.key}[{resource.index}] came late and is left")
            if resource.cleaned > 1:
                raise self.broken(f"rule 1: {resource.key}[{resource.index}] was cleaned up twice")
            row = self.tracker.rows.get((resource.key, resource.index))
            if HAS_TRACKER and not resource.is_alive and row != "closed":
                raise self.broken(f"rule 10: {resource.key} is gone, and {row} in the ledger")
        for (name, index), row in self.tracker.rows.items():
            if row in ("intent", "open", "closing") and not (row == "open" and (name, index) in self.tracker.kept_rows):
                raise self.broken(f"rule 10: {name}[{index}] is {row} in the ledger after all has ended")
        for attempt in self.attempts:
            expected = [] if attempt.succeeded else attempt.deferred[::-1]
            if attempt.undone != expected:
                raise self.broken(f"rule 9: of {attempt.name} {attempt.undone} was undone, not {expected}")
            self._check_half(attempt)
        if HAS_TRACKER and not self.tracker.is_flushed:
            raise self.broken("rule 10: the tracker was not told of the end")

    def check_cluster(self, cluster: CheckedCluster) -> None:
        """What holds when a run on a cluster is over: all was told, and no worker and no thread is left."""
        for hand in cluster.hands:
            hand.join(LIMIT_S)
            if not hand.is_over:
                raise self.broken("a thread that hands calls over does not end")
        for flight in self.flights:
            raise self.broken(f"{flight.call.task.name} is never reported")
        for process in cluster.processes:
            if not process.is_dead:
                raise self.broken(f"{process.name} outlives its run")
        happened = self.simulation.counts.happened
        happened["workers"] += len(cluster.processes)

    def _check_half(self, attempt: Attempt) -> None:
        """Rule 13: what a setup that did not end well may have made is reclaimed, or named, or listed."""
        if attempt.succeeded:
            return
        held = self.loop.record.open_resources.get(self.numbers[attempt.key[0]], attempt.key[1])
        if attempt.early:
            if not attempt.reclaims:
                raise self.broken(f"rule 13: what {attempt.name} may have made was not reclaimed")
            if not attempt.reclaimed and held.error is None:
                raise self.broken(f"rule 13: what {attempt.name} may have made is left, and nothing says so")
        elif attempt.was_cut and not attempt.deferred and attempt is self._last_of(attempt.key):
            row = self.tracker.rows.get(attempt.key)
            if HAS_TRACKER and row != "abandoned":
                raise self.broken(f"rule 13: {attempt.name} was cut, and {row} in the ledger")

    def _last_of(self, key: tuple[str, int]) -> Attempt:
        return [attempt for attempt in self.attempts if attempt.key == key][-1]


def _with_children(state: states.State) -> list[states.State]:
    return [state, *state.map_states] if isinstance(state, states.Mapped) else [state]


def _says_the_same(told: states.State | None, state: states.State) -> bool:
    """Whether an event told of a state, which it does without the state's value."""
    return told is state or (type(told) is type(state) and told is not None and told.message == state.message)


def check_replay(run: Run) -> None:
    """Replaying the events gives the final states."""
    last: dict[tuple[Task, int | None], states.State] = {}
    of_run: states.State | None = None
    for number, event in enumerate(run.events):
        if event.seq != number:
            raise Wrong(f"event {number} has the number {event.seq}")
        if event.kind == "task" and event.task is not None and event.state is not None:
            last[event.task, event.map_index] = event.state
        elif event.kind == "run":
            of_run = event.state
    if not _says_the_same(of_run, run.state):
        raise Wrong(f"by its events the run is {of_run}, not {run.state}")
    for task, state in run.states.items():
        if not _says_the_same(last.get((task, None), state), state):
            raise Wrong(f"by the events {task.name} is {last[task, None]}, not {state}")
        if isinstance(state, states.Mapped):
            for index, child in enumerate(state.map_states):
                if not _says_the_same(last.get((task, index), child), child):
                    raise Wrong(f"by the events {task.name}[{index}] is {last[task, index]}, not {child}")
