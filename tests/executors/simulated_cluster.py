"""A cluster in one thread, for tests: nothing runs at once, and a seed says in which order what happens.

Calls travel as they do to a process: they are shipped, read, made and taken in by the real code, so memory is
separate. All happens on the run's own thread, whenever its loop has nothing to do (`flush`), until there is news.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nbflow.core.context import context_without_work
from nbflow.engine.attempt import perform_on_worker
from nbflow.executors.bundle_session import BundleSession
from nbflow.executors.remote_call import telling
from nbflow.executors.remote_display import displays_told
from tests.properties.simulation.cluster import HANDING_OVER, Cluster, HandThread, Waiters
from tests.properties.simulation.model import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.executor import Report
    from nbflow.executors.threads import Lane
    from tests.properties.simulation.cluster_worker import SimulatedWorker


class SimulatedCluster:
    """An executor whose workers take turns.

    Args:
        workers: How many there are.
        seed: Says who is next; None: one after the other.
        deaths: How many workers die in each run.

    Attributes:
        told: What happened, in words.
    """

    serial = False

    def __init__(self, workers: int = 2, *, seed: int | None = None, deaths: int = 0) -> None:
        self.capacity, self.deaths = workers, deaths
        self.clock = Clock()
        self.told: list[str] = []
        self.clusters: list[Cluster] = []
        self.choose = (lambda n: 0) if seed is None else random.Random(seed).randrange

    def open(self, report: Report, *, name: str) -> SimulatedSession:
        return SimulatedSession(self, report, name)

    @contextmanager
    def faked(self) -> Iterator[SimulatedCluster]:
        """Give what hands calls over the cluster's time, for the time of a `with` block."""
        made = SimpleNamespace(monotonic=self.clock, time=time.time)
        try:
            for module in HANDING_OVER:
                module.time = made  # type: ignore[attr-defined]
            yield self
        finally:
            for module in HANDING_OVER:
                module.time = time  # type: ignore[attr-defined]


class TalkingCluster(Cluster):
    """Hears what tasks print, log and display on its workers, and counts their calls.

    Attributes:
        begun: How often the call of each node of the run has begun.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.begun: Counter[int] = Counter()

    def begins(self, call: Call, worker: SimulatedWorker) -> None:
        self.begun[call.node] += 1

    @contextmanager
    def output_of(self, worker: SimulatedWorker) -> Iterator[None]:  # type: ignore[override]
        with telling(worker._say, worker._is_busy), displays_told(worker._say) as worker._flush_figures:
            yield


class SimulatedSession(BundleSession):
    """The real session; its threads, and those of init, setup and cleanup, go on when the run waits."""

    def __init__(self, executor: SimulatedCluster, report: Report, name: str) -> None:
        self.cluster = TalkingCluster(executor.choose, executor.clock, executor.told.append, deaths=executor.deaths)
        executor.clusters.append(self.cluster)
        super().__init__(self._tell, name, executor.capacity, self.cluster.make_hand)
        self._changed: Any = Waiters(self.cluster)
        self._tell_run, self._clock = report, executor.clock
        self._in_the_air = self._news = 0

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        self._in_the_air += 1
        if not call.is_remote:
            self._add(lambda: self._tell([(call, perform_on_worker(call))]))
        else:
            super().submit(call, lifecycle=False)

    def flush(self) -> None:
        super().flush()
        self._go_on()

    def free(self, *, lifecycle: bool) -> None:
        """Threads are not counted here."""

    def close(self, timeout_s: float) -> None:
        self._lifecycle.threads.clear()
        super().close(timeout_s)
        assert all(process.is_dead for process in self.cluster.processes), "a worker outlives its run"

    def _start(self, lane: Lane) -> None:
        lane.threads.append(self._add(lambda: self._work(lane)))  # type: ignore[arg-type]

    def _add(self, work: Any) -> HandThread:
        around = context_without_work()
        thread = HandThread(self.cluster, lambda: around.run(work))
        self.cluster.hands.append(thread)
        return thread

    def _tell(self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None = None) -> None:
        self._in_the_air -= len(ended)
        self._news += 1
        self._tell_run(ended, begun)

    def _go_on(self) -> None:
        """Have something happen until the run is told."""
        cluster, before = self.cluster, self._news
        while self._in_the_air and self._news == before:
            moves = cluster.moves()
            if moves:
                act, what = moves[cluster.choose(len(moves))]
                act(what)
                continue
            at = cluster.next_look()
            if at is None:  # it is for the run's deadlines, or its user
                cluster.idle_looks = 0
                return
            self._clock.now = at
