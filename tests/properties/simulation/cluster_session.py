"""The session of a simulated run on a cluster, and what must hold of the calls that it hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow import states
from nbflow.engine.attempt import RECALLED, TaskCancelled
from nbflow.engine.nodes import DONE, EXPANDED
from nbflow.executors.bundle_session import BundleSession
from nbflow.executors.errors import WorkerDiedError
from nbflow.executors.work_queue import may_come_back
from tests.properties.simulation.cluster import Cluster, HandThread, Waiters
from tests.properties.simulation.fakes import Executor, put_in_the_air
from tests.properties.simulation.plans import HANGING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.executors.bundle import Bundle
    from nbflow.executors.threads import Lane
    from tests.properties.simulation.cluster_worker import SimulatedWorker
    from tests.properties.simulation.model import Flight
    from tests.properties.simulation.simulator import Simulator


class ClusterExecutor(Executor):
    """Hands tasks over to the workers of a simulated cluster; init, setup and cleanup stay in the air here."""

    def open(self, report: Any, *, name: str) -> ClusterSession:  # type: ignore[override]
        return ClusterSession(self._simulation, report, self.capacity)


class CheckedCluster(Cluster):
    """Checks what is sent to its workers, and what they begin."""

    def __init__(self, simulation: Simulator) -> None:
        super().__init__(
            simulation.choose, simulation.clock, lambda text: simulation.tell(text), deaths=simulation.plan.deaths
        )
        self._simulation = simulation
        self.well: set[int] = set()  # the nodes whose calls have ended well, of which the run may not have read

    def flight_of(self, call: Call) -> Flight | None:
        """Return the flight of a call; None if it has been reported."""
        return next((one for one in self._simulation.episode.flights if one.call is call), None)

    def begins(self, call: Call, worker: SimulatedWorker) -> None:
        episode, flight = self._simulation.episode, self.flight_of(call)
        name = call.task.name
        if worker._is_recalled:
            raise episode.broken(f"{name} begins on a worker that was told to begin no more")
        if flight is None:
            raise episode.broken(f"{name} begins, and was reported before")
        if isinstance(episode.loop.record.state, states.Paused):
            raise episode.broken(f"{name} begins in a paused run")
        if flight.begun:
            raise episode.broken(f"{name} is called a second time, and nothing says so")
        self._check_upstream(call)
        flight.begun += 1
        flight.worker = worker
        self._simulation.flight = flight
        busy = sum(1 for one in self.processes if not one.is_dead and one.worker.call_here is not None)
        if busy > self._simulation.plan.workers:
            raise episode.broken(f"{busy} workers are busy at once")

    def _check_upstream(self, call: Call) -> None:
        """What is upstream of a call that begins has ended; as far as the run does not know it yet, it ended well."""
        episode, schedule = self._simulation.episode, self._simulation.episode.loop.schedule
        in_the_air = {flight.call.node: flight for flight in episode.flights if flight.is_remote}
        for up in episode.upstream_of(call.node):
            if schedule.phase[up] in (DONE, EXPANDED) or up in self.well:
                continue
            flight = in_the_air.get(up)
            if flight is None or not flight.is_well:
                raise episode.broken(f"{call.task.name} begins before {schedule.task(up).name} has ended well")
            if flight.call not in call.expects:
                raise episode.broken(f"{call.task.name} begins, and does not know that it expects {flight.call.task}")
        self._simulation.counts.happened["calls that began before the run knew of what is upstream"] += any(
            schedule.phase[up] not in (DONE, EXPANDED) for up in episode.upstream_of(call.node)
        )

    def note_taken(self, bundle: Bundle) -> None:
        for call in bundle.left:
            flight = self.flight_of(call)
            if flight is not None and flight.recalls < bundle._recalls and may_come_back(call):
                raise self._simulation.episode.broken(f"{call.task.name} goes to a worker after it was called back")

    def note_sent(self, calls: Sequence[Call]) -> None:
        happened = self._simulation.counts.happened
        happened["bundles of several calls"] += len(calls) > 1
        for call in calls:
            flight = self.flight_of(call)
            if flight is not None:
                happened["calls that were sent once more"] += flight.sent > 0
                flight.sent += 1

    def made(self, call: Call, outcome: Outcome | None) -> None:
        flight = self.flight_of(call)
        if flight is not None:
            flight.made += 1
            flight.is_well = outcome is not None and outcome.error is None

    def dies(self, process: Any) -> None:
        call, happened = process.worker.call_here, self._simulation.counts.happened
        if call is not None:
            flight = self.flight_of(call)
            where = "after a call that it had not told of" if flight is not None and flight.made else "in a call"
        else:
            where = "before a call" if process.heard or not process.worker._bundles.empty() else "idle or between calls"
        happened[f"workers that died {where}"] += 1

    def _work(self, process: Any) -> None:
        simulation = self._simulation
        call = process.worker.call_here
        before, simulation.flight = simulation.flight, None if call is None else self.flight_of(call)
        try:
            super()._work(process)
        finally:
            simulation.flight = before

    @property
    def busy_with(self) -> list[Call]:
        """The calls that workers are in the midst of."""
        return [one.worker.call_here for one in self.processes if not one.is_dead and one.worker.call_here is not None]


class ClusterSession(BundleSession):
    """The real session, whose threads take turns with the simulation, and which checks what it reports."""

    def __init__(self, simulation: Simulator, report: Any, capacity: int) -> None:
        self.cluster = CheckedCluster(simulation)
        super().__init__(self._told, simulation.plan.mode, capacity, self.cluster.make_hand)
        self._changed: Any = Waiters(self.cluster)
        self._simulation = simulation
        self._begun: set[Call] = set()
        self.tell_run = report
        simulation.episode.session = self  # type: ignore[assignment]

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        self._check_goes_alone(call)
        flight = put_in_the_air(self._simulation, call, lifecycle)
        self.cluster.well.discard(call.node)
        if call.is_remote:
            flight.is_remote, flight.recalls = True, self._recalls
            super().submit(call, lifecycle=False)
        self._simulation.episode.check_limits()

    def _check_goes_alone(self, call: Call) -> None:
        """A node is never under way twice, and none goes ahead in a run that is to stop midway."""
        episode, name = self._simulation.episode, call.task.name
        for flight in episode.flights:
            if flight.call.node == call.node and flight.call not in episode.loop.lingering.late:
                raise episode.broken(f"{name} is handed over, and is under way already")
        if (call.is_ahead or call.expects) and not episode.loop.schedule.goes_through:
            raise episode.broken(f"{name} goes ahead in a run that is to stop midway")
        self._simulation.counts.happened["calls that went early"] += bool(call.expects)

    def recall(self) -> None:
        self._simulation.tell("all is recalled")
        super().recall()

    def free(self, *, lifecycle: bool) -> None:
        """Threads are not counted here."""

    def close(self, timeout_s: float) -> None:
        simulation = self._simulation
        for flight in tuple(simulation.episode.flights):
            if not flight.is_remote and flight.wish not in HANGING and not simulation.choose(2):
                simulation.end(flight)
        until = simulation.clock() + timeout_s
        super().close(timeout_s)
        simulation.clock.now = max(simulation.clock(), until)

    def _start(self, lane: Lane) -> None:
        thread = HandThread(self.cluster, lambda: self._work(lane))
        self.cluster.hands.append(thread)
        lane.threads.append(thread)  # type: ignore[arg-type]

    def _told(self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None = None) -> None:
        simulation, episode = self._simulation, self._simulation.episode
        for call, outcome in ended:
            flight = self.cluster.flight_of(call)
            if flight is None:
                raise episode.broken(f"{call.task.name} is reported a second time")
            self._check_end(flight, outcome)
            episode.flights.remove(flight)
            simulation.tell(f"{call.task.name} is reported" + (" as recalled" if outcome is RECALLED else ""))
        if begun is not None:
            simulation.tell(f"{begun.task.name} is told to begin")
            if self.cluster.flight_of(begun) is None:
                raise episode.broken(f"{begun.task.name} is told to begin when it has ended")
            self._begun.add(begun)
        self.tell_run(ended, begun)
        for hand in self.cluster.hands:
            if hand.aside.is_here:  # the run may read it before this thread does anything more
                hand.aside.rest(simulation.clock())

    def _check_end(self, flight: Flight, outcome: Outcome) -> None:
        episode, call = self._simulation.episode, flight.call
        name, worker = call.task.name, flight.worker
        counts = self._simulation.counts.happened
        counts["calls that were handed over"] += 1
        if outcome.error is None and outcome is not RECALLED:
            self.cluster.well.add(call.node)
        if outcome is RECALLED:
            counts["calls that went early and came back"] += bool(call.expects)
            counts["calls that were recalled"] += 1
            if flight.begun:
                raise episode.broken(f"{name} is recalled, and has begun")
            if call in self._begun or not call.is_ahead:
                raise episode.broken(f"{name} is recalled, and was told to have begun")
            return
        if isinstance(outcome.error, WorkerDiedError) and not flight.sent:
            raise episode.broken(f"{name} is told to have died with a worker that it was never sent to")
        if outcome.error is None and flight.made != 1:
            raise episode.broken(f"{name} ended well, and was made {flight.made} times")
        counts["calls that ended when nobody waited for them"] += call in episode.loop.lingering.late
        if worker is None or worker._process.is_dead:
            return
        if worker.call_here is call:
            raise episode.broken(f"{name} is reported while a worker is busy with it")
        if not flight.begun and not isinstance(outcome.error, TaskCancelled):
            raise episode.broken(f"{name} is reported as {outcome!r}, and has not begun")
