"""The queue, the executor, the loop and its handle in a simulated run: to wait is to let the simulation go on."""

from __future__ import annotations

from collections import deque
from queue import Empty
from typing import TYPE_CHECKING, Any

from nbflow.engine.execution import Execution
from nbflow.engine.run import Run
from nbflow.engine.run_loop import RunLoop
from tests.properties.simulation.episode import Episode
from tests.properties.simulation.model import Flight
from tests.properties.simulation.plans import HANGING
from tests.properties.simulation.tracker import HAS_TRACKER, Tracker

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from tests.properties.simulation.simulator import Simulator

MOMENTS = 20_000


class Inbox:
    """The queue of the loop; to wait for a message is to let the simulation go on."""

    def __init__(self, simulation: Simulator) -> None:
        self._simulation = simulation
        self._messages: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._messages.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if block:
            clock = self._simulation.clock
            until = None if timeout is None else clock() + timeout
            while not self._messages and (until is None or clock() < until):
                self._simulation.turn(self, until)
        if not self._messages:
            raise Empty
        return self._messages.popleft()

    def empty(self) -> bool:
        simulation = self._simulation
        simulation.moment()
        if simulation.moments > MOMENTS:
            raise simulation.episode.broken("the run goes round in a circle")
        return not self._messages

    @property
    def has_message(self) -> bool:
        return bool(self._messages)


class Executor:
    """Hands calls to nobody: they stay in the air until the simulation ends them."""

    def __init__(self, simulation: Simulator, *, capacity: int, serial: bool) -> None:
        self._simulation = simulation
        self.capacity = capacity
        self.serial = serial

    def open(self, report: Any, *, name: str) -> Session:
        return Session(self._simulation, report, self)


class Session:
    is_remote = takes_expected = False
    orders = None
    ahead = 0

    def __init__(self, simulation: Simulator, report: Any, executor: Executor) -> None:
        self._simulation = simulation
        self._executor = executor
        self.tell_run = report
        simulation.episode.session = self

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        put_in_the_air(self._simulation, call, lifecycle)
        episode = self._simulation.episode
        running = [f for f in episode.flights if f.call not in episode.loop.lingering.late]
        if self._executor.serial:
            assert len(running) == 1, "two calls at once on one thread"
        ordinary = sum(1 for f in running if not f.lifecycle)
        assert ordinary <= self._executor.capacity, "more tasks at once than there are workers"
        episode.check_limits()

    def flush(self) -> None:
        """Each call is in the air as soon as it comes."""

    def recall(self) -> None:
        """None goes ahead."""

    def free(self, *, lifecycle: bool) -> None:
        """Threads are not counted here."""

    def close(self, timeout_s: float) -> None:
        simulation = self._simulation
        for flight in tuple(simulation.episode.flights):
            if not flight.is_under_way and flight.wish not in HANGING and not simulation.choose(2):
                simulation.end(flight)
        if simulation.outer is None:
            simulation.clock.now += timeout_s


def put_in_the_air(simulation: Simulator, call: Call, lifecycle: bool) -> Flight:
    """Note a call that was handed over."""
    episode = simulation.episode
    wish, rows = simulation.world.wish(call), episode.tracker.rows.copy()
    flight = Flight(call, lifecycle, call.stop_requested, wish, rows, simulation.clock())
    if call.is_remote and episode.cancelled_at is None:
        episode.handed_over.add(call.node)
    if not call.is_remote:
        call.thread_id = -1
        call.hit = lambda error: episode.hit(flight, error)  # type: ignore[method-assign]
    episode.flights.append(flight)
    return flight


class Loop(RunLoop):
    """The run loop, whose few real timers are replaced as well."""

    def __init__(self, simulation: Simulator, *args: Any, **kwargs: Any) -> None:
        self.simulation = simulation
        kwargs.pop("tracker", None)
        self.noted = Tracker()
        more = {"tracker": self.noted} if HAS_TRACKER else {}
        waits = {"inbox": Inbox(simulation), "clock": simulation.clock, "timer": self._set_timer}
        super().__init__(*args, **waits, **more, **kwargs)
        self.episode = simulation.episode = Episode(simulation, self)

    def note_interrupt(self, count: int) -> None:
        self.episode.note_interrupts(count)
        super().note_interrupt(count)

    def _set_timer(self, delay_s: float, action: Any, args: tuple[Call, type[BaseException]]) -> Any:
        return self.episode.set_timer(delay_s, *args, is_time_out=action == self.stopper.time_is_up)


class OneThread(Execution):
    """The execution, with everything on the one thread of the simulation: nothing waits."""

    def begin(self) -> None:
        self.loop.work()

    def wait(self, event: Any, timeout_s: float | None = None) -> None:
        return


class Handle(Run):
    """The handle of such a run, which nothing that ends the process finds."""

    _executed_by = OneThread

    def _begin(self) -> None:
        self._execution.begin()
