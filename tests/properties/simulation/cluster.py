"""A simulated cluster: the kernel's real threads that hand calls over, and the real worker program, in turns.

Nothing here waits or runs at once: the threads of a `BundleSession` and the workers are asides, which go on one at a
time, and what they say to each other is delivered when that is chosen. So all that a queue, a bundle, a hand, a
shipment and a worker decide is the production code's; only threads, clock and connections are made up.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import nbflow.executors.bundle
import nbflow.executors.bundle_session
import nbflow.executors.exchange
import nbflow.executors.threads
from nbflow.executors.exchange import LOOK_S
from nbflow.executors.process_executor import ProcessExecutor
from nbflow.executors.process_hand import ProcessHand
from nbflow.executors.shipment import Shipper
from tests.properties.simulation.aside import Aside
from tests.properties.simulation.cluster_worker import SimulatedProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.executors.bundle import Bundle
    from tests.properties.simulation.cluster_worker import SimulatedWorker

HANDING_OVER = (
    nbflow.executors.bundle,
    nbflow.executors.bundle_session,
    nbflow.executors.exchange,
    nbflow.executors.threads,
)
"""Whose `time` is to be the simulation's."""
SELDOM = 16  # how seldom a worker dies where it may


class Cluster:
    """The kernel's threads and the workers of one run.

    Args:
        choose: Gives a number from 0 up to (not including) its argument; 0 is the most ordinary choice.
        clock: The time.
        tell: Is told what happens, in words.
        deaths: How many workers may die by themselves.

    Attributes:
        lost: How many workers have died by themselves.
    """

    def __init__(
        self, choose: Callable[[int], int], clock: Any, tell: Callable[[str], object], *, deaths: int = 0
    ) -> None:
        self.choose, self.clock, self.tell, self.deaths = choose, clock, tell, deaths
        self.hands: list[HandThread] = []
        self.processes: list[SimulatedProcess] = []
        self.shipper = NotingShipper(self)
        self._executor = Processes(self)
        self.lost = 0
        self.idle_looks = 0

    def make_hand(self) -> ProcessHand:
        """Make what talks with a worker."""
        return ProcessHand(self.shipper, self._executor)

    def start(self) -> SimulatedProcess:
        """Start a worker."""
        process = SimulatedProcess(self, len(self.processes) + 1)
        self.processes.append(process)
        self.tell(f"{process.name} starts")
        return process

    @property
    def resting_hand(self) -> HandThread:
        """The thread of the kernel's that is asking."""
        return next(hand for hand in self.hands if hand.aside.is_here)

    def output_of(self, worker: SimulatedWorker) -> AbstractContextManager[None]:
        """Have a worker hear what is said in a `with` block."""
        return nullcontext()

    def begins(self, call: Call, worker: SimulatedWorker) -> None:
        """Note that a worker begins a call of the kernel's."""

    def made(self, call: Call, outcome: Outcome | None) -> None:
        """Note that a worker has made a call, and what it is going to tell."""

    def dies(self, process: SimulatedProcess) -> None:
        """Note that a worker dies by itself."""

    def note_taken(self, bundle: Bundle) -> None:
        """Note that a thread of the kernel's has taken calls for its worker."""

    def note_sent(self, calls: Sequence[Call]) -> None:
        """Note that a worker was sent calls."""

    # -- what may happen --

    def moves(self) -> list[tuple[Callable[[Any], None], Any]]:
        """What may happen now: what to call, with what."""
        now = self.clock()
        found: list[tuple[Callable[[Any], None], Any]] = [
            (self._go_on, hand) for hand in self.hands if not hand.is_over and hand.aside.can_go_on(now)
        ]
        living = [process for process in self.processes if not process.is_dead]
        found += [(self._work, process) for process in living if process.worker.aside.can_go_on(now)]
        found += [(self._heed, process) for process in living if process.heard]
        if found and self.deaths:
            found += [(self._die, process) for process in living]
        return found

    def next_look(self) -> float | None:
        """When a thread of the kernel's looks next; None if it does so in vain.

        The longer nothing happens, the later: that is a thread which a busy machine keeps waiting.
        """
        if self.idle_looks > 12 or all(hand.aside.until is None for hand in self.hands if not hand.is_over):
            return None
        return self.clock() + LOOK_S * 2**self.idle_looks

    def _go_on(self, hand: HandThread) -> None:
        self.idle_looks = 0 if hand.aside.has_news() else self.idle_looks + 1
        hand.aside.go_on()

    def _work(self, process: SimulatedProcess) -> None:
        self.idle_looks = 0
        process.worker.aside.go_on()

    def _heed(self, process: SimulatedProcess) -> None:
        self.idle_looks = 0
        process.heed()

    def _die(self, process: SimulatedProcess) -> None:
        if self.choose(SELDOM) == 1:
            self.deaths -= 1
            self.lost += 1
            self.idle_looks = 0
            self.tell(f"{process.name} dies")
            self.dies(process)
            process.die()

    def end(self) -> None:
        """End all of it where it is."""
        for process in self.processes:
            process.die()
        for hand in self.hands:
            hand.aside.kill()


class Processes(ProcessExecutor):
    """The real executor, as far as hands ask it, with the processes of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(1)
        self._cluster = cluster

    def start(self) -> SimulatedProcess:
        return self._cluster.start()


class HandThread:
    """Stands in for a thread of the kernel's that hands calls over."""

    def __init__(self, cluster: Cluster, work: Callable[[], Any]) -> None:
        self._cluster = cluster
        self.aside = Aside(work)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.aside.is_over

    def join(self, timeout_s: float) -> None:
        """Let all go on until this one has ended, or for so many seconds."""
        cluster = self._cluster
        until = cluster.clock() + timeout_s
        while not self.is_over:
            moves = cluster.moves()
            if moves:
                act, what = moves[cluster.choose(len(moves))]
                act(what)
                continue
            at = cluster.next_look()
            if cluster.clock() >= until:
                return
            cluster.clock.now = until if at is None else min(at, until)


class Waiters:
    """Stands in for a condition: nothing goes on at once, so its lock locks nothing."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: list[list[bool]] = []

    def __enter__(self) -> None:
        """Hold it."""

    def __exit__(self, *_: object) -> None:
        """Let it go."""

    def wait(self) -> None:
        """Rest until notified."""
        told = [False]
        self._waiting.append(told)
        self._cluster.resting_hand.aside.rest(None, lambda: told[0])

    def notify(self, n: int = 1) -> None:
        """Have `n` of those that wait go on."""
        for told in self._waiting[:n]:
            told[0] = True
        del self._waiting[:n]

    def notify_all(self) -> None:
        """Have all that wait go on."""
        self.notify(len(self._waiting))


class NotingShipper(Shipper):
    """The real one, which takes its time and notes whose calls it has sent last."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self.calls: tuple[Call, ...] = ()

    def ship(self, bundle: Bundle, *, knows_base: bool = False) -> list[Any]:
        aside = self._cluster.resting_hand.aside
        self._cluster.note_taken(bundle)
        aside.rest(self._cluster.clock())
        parts = super().ship(bundle, knows_base=knows_base)
        self.calls = tuple(bundle.left)
        return parts
