"""A whole run in one thread: whenever the loop waits, it is decided what happens next."""

from __future__ import annotations

import signal
import warnings
from collections import deque
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nbflow.core.states
import nbflow.engine.pause
import nbflow.engine.settlement
import nbflow.engine.transitions
from nbflow.core.context import thread
from nbflow.engine.attempt import perform, perform_on_worker
from nbflow.engine.open_resources import BlockStatus, OpenResource
from nbflow.flow import launch
from tests.properties.simulation.aside import Aside
from tests.properties.simulation.cluster import HANDING_OVER
from tests.properties.simulation.cluster_session import CheckedCluster, ClusterExecutor
from tests.properties.simulation.fakes import Executor, Handle, Inbox, Loop
from tests.properties.simulation.model import EPOCH, Clock, Flight, Wrong
from tests.properties.simulation.plans import HANGING, Plan, walk
from tests.properties.simulation.tally import Tally
from tests.properties.simulation.user import User
from tests.properties.simulation.user_code import SimulatedFlow, UserCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.run import Run
    from tests.properties.simulation.episode import Episode
    from tests.properties.simulation.inner import InnerSimulation

BESIDE = 4  # how seldom something happens on a cluster at a moment of the run's thread
SLOW = 8  # how seldom time passes on a cluster whose threads have something to do
TURNS = 3_000  # a run that needs more does not end


class Simulator(User):
    """Runs a plan once (and again, if the plan says so), in one thread and its own time.

    Args:
        plan: What to run.
        choose: Gives a number from 0 up to (not including) its argument; 0 is the most ordinary choice.
        handlers: The state handlers that the plan names.
        counts: What to add the result to.
        outer: The simulation around it, if this one is of a flow that a task runs.

    Attributes:
        told: What happened, in words.
        inner: The simulations of flows that tasks run now.
    """

    lets_go = False  # whether what hangs in it ends, as nobody waits for it any more

    def __init__(
        self,
        plan: Plan,
        choose: Callable[[int], int],
        *,
        handlers: dict[str, Callable[..., Any]] | None = None,
        counts: Tally | None = None,
        outer: Simulator | None = None,
    ) -> None:
        self.plan = plan
        self.choose = lambda n: choose(n) if n > 1 else 0
        self.counts = counts or Tally()
        self.outer = outer
        self.inner: list[InnerSimulation] = []
        self.clock = Clock() if outer is None else outer.clock
        self.told: list[str] = [] if outer is None else outer.told
        self.wrong: list[str] = [] if outer is None else outer.wrong
        self.simulations: dict[int, Simulator] = {} if outer is None else outer.simulations
        self.caught = [] if outer is None else outer.caught
        self.deeds: deque[tuple[int, str]] = deque() if outer is None else outer.deeds
        self.warned: list[str] = []
        self.world = UserCode(self)
        self.episode: Episode
        self.flight: Flight | None = None
        self.turns = 0
        self.moments = 0
        self._is_busy = False
        items = list(walk(plan.flow.items))
        self.has_handlers = any(getattr(item, "handler", None) for item in items)
        self.built = SimulatedFlow(self, handlers or {})
        self.built.flow._on_start(self._note_run)
        self.simulations[id(self.built.flow)] = self
        is_serial = plan.mode in ("inline", "background")
        kind = ClusterExecutor if plan.mode == "cluster" else Executor
        self.executor = kind(self, capacity=1 if is_serial else plan.workers, serial=is_serial)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def go(self) -> None:
        """Run the plan; raises `Wrong` if a rule is broken."""
        with self._faked(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.caught = caught
            try:
                self._go()
            finally:
                self._end_asides()

    def _go(self) -> None:
        self._restart()
        run = self._first()
        self._over()
        for deed in self.plan.after:
            self.tell(f"after the end: {deed}")
            if deed == "retry_cleanup":
                self._retry_cleanup(run)
                self.raise_wrong()
            elif deed == "clean_kept":
                self._clean_kept()
                self.raise_wrong()
            else:
                self._restart()
                run = run.rerun()
                self._over()

    @property
    def cluster(self) -> CheckedCluster | None:
        """The workers of the run, if it has any."""
        return getattr(getattr(self, "episode", None) and self.episode.session, "cluster", None)

    def _end_asides(self) -> None:
        """Leave no thread in the midst of its call, when the simulation has found something."""
        self.choose = lambda n: 0
        if self.cluster is not None:
            self.cluster.end()
        for flight in (getattr(self, "episode", None) and self.episode.flights) or ():
            if flight.is_under_way:
                self._drive(flight)

    def _restart(self) -> None:
        self.world.calls.clear()
        self.deeds = deque(self.plan.deeds)
        self.moments = self.turns = 0
        self.caught.clear()

    def _first(self) -> Run:
        flow = self.built.flow
        is_direct = self.plan.mode == "inline"
        run = flow._prepare(
            None, {"executor": self.executor}, blocking=is_direct, paused=self.plan.paused and not is_direct
        )
        flow._tell_start(run)
        with suppress(KeyboardInterrupt, SystemExit):
            run._work() if is_direct else run._begin()
        return run

    def _note_run(self, run: Run) -> None:
        self.episode.run = run

    def _over(self) -> None:
        episode = self.episode
        cluster = self.cluster
        self.warned = [str(warning.message) for warning in self.caught]
        self.raise_wrong()
        episode.check_over()
        while here := [flight for flight in episode.flights if not flight.is_remote]:
            self.end(here[self.choose(len(here))])
        if cluster is not None:
            episode.check_cluster(cluster)
        self.raise_wrong()
        episode.check_end()
        self.counts.add(episode)

    def raise_wrong(self) -> None:
        """Raise what was found wrong so far."""
        if self.wrong:
            raise Wrong("; ".join(self.wrong))

    def _retry_cleanup(self, run: Run) -> None:
        episode = self.episode
        failed = set(run._record.open_resources.failed())
        begun = {resource: resource.cleanups for resource in episode.resources}
        with suppress(KeyboardInterrupt, SystemExit):
            run.retry_cleanup()
        left = run.cleanup_failures
        for resource in episode.resources:
            held = episode._holding(resource)
            if resource.is_alive and episode.is_kept(resource):
                continue
            if resource.is_alive and resource.cleanups == begun[resource] and not self._was_stopped(failed):
                raise self.episode.broken(f"rule 7: the cleanup of {held.name} was not tried again")
            if resource.is_alive and held.block not in left:
                raise self.episode.broken(
                    f"rule 7: {held.name} is left after its cleanup was tried again, and nothing says so"
                )
            if resource.cleaned > 1:
                raise self.episode.broken(f"rule 1: {held.name} was cleaned up again")
            if held in failed and not (resource.is_alive or held.half) and held.status is not BlockStatus.CLEANED:
                raise self.episode.broken(f"{held.name} was cleaned up at last, and is {held.status}")
        episode.check_tracker()

    def _clean_kept(self) -> None:
        """Rule 19: what was kept is cleaned up when the user says so."""
        episode = self.episode
        for resource in episode.resources:
            held = episode._holding(resource)
            if not (resource.is_alive and episode.is_kept(resource)):
                continue
            if held.clean_again is None:
                raise episode.broken(f"rule 19: {held.name} is kept, and cannot be cleaned up")
            with suppress(KeyboardInterrupt, SystemExit):
                error = held.clean_again()
            if resource.cleanups != 1 or (error is None) != (resource.cleaned == 1):
                raise episode.broken(f"rule 19: {held.name} was kept, and its cleanup began {resource.cleanups} times")
            if held.status is (BlockStatus.CLEANED if resource.is_alive else BlockStatus.KEPT):
                raise episode.broken(f"rule 19: {held.name} was to be cleaned up, and is {held.status}")
        episode.check_tracker()

    def _was_stopped(self, failed: set[OpenResource]) -> bool:
        """Whether one of the cleanups that were tried again ended it all."""
        return any(held.error is not None and not isinstance(held.error, Exception) for held in failed)

    @contextmanager
    def _faked(self) -> Iterator[None]:
        """Put the simulation's clock, loop, handle and user in place."""
        made = self.clock.datetime()
        wall = SimpleNamespace(monotonic=self.clock, time=lambda: EPOCH.timestamp() + self.clock())
        fakes: list[tuple[Any, str, Any]] = [
            *((module, "time", wall) for module in HANDING_OVER),
            (nbflow.engine.settlement, "datetime", made),
            (nbflow.engine.transitions, "datetime", made),
            (nbflow.core.states, "datetime", made),
            (launch, "RunLoop", lambda flow, *a, **kw: Loop(self.simulations[id(flow)], flow, *a, **kw)),
            (launch, "Run", Handle),
            (nbflow.engine.pause, "input", self._answer),
        ]
        before = [(module, name, vars(module).get(name)) for module, name, _ in fakes]
        interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if run in the background
        held = thread.held
        thread.held = {}
        try:
            for module, name, fake in fakes:
                setattr(module, name, fake)
            yield
        finally:
            thread.held = held
            signal.signal(signal.SIGINT, interrupt)
            for module, name, value in before:
                if value is None:
                    delattr(module, name)
                else:
                    setattr(module, name, value)

    def _answer(self, question: str) -> str:
        """Answer for the person who is asked whether to go on."""
        said = ("", "", "c", "interrupt", "eof")[self.choose(5)]
        self.tell(f"asked, the user says {said!r}")
        if said == "interrupt":
            raise KeyboardInterrupt
        if said == "eof":
            raise EOFError
        return said

    # -- turns --

    def moment(self) -> None:
        """A moment passes: the user does what is planned for it. Called in the midst of everything."""
        self.moments += 1
        if self._is_busy or self.episode.loop.is_over.is_set():
            return
        while self.deeds and self.deeds[0][0] <= self.moments:
            self._do(self.deeds.popleft()[1])
        if self.cluster is not None and self.choose(BESIDE) == 1:
            self._move_beside()

    def _move_beside(self) -> None:
        """Have something happen on the cluster while the run's thread is busy."""
        assert self.cluster is not None
        moves = self.cluster.moves()
        if moves:
            self._is_busy = True
            try:
                act, what = moves[self.choose(len(moves))]
                act(what)
            finally:
                self._is_busy = False

    def turn(self, inbox: Inbox, until: float | None) -> None:
        """The loop waits: something happens."""
        self.count_turn()
        self.episode.check_rest()
        self.episode.check_deadlines(until)
        self.moment()
        if inbox.has_message:
            return
        options = self.options()
        is_idle = not options
        later = self.next_time(until)
        look = None if self.cluster is None else self.cluster.next_look()
        if look is not None and (is_idle or self.choose(SLOW) == 1):
            later = look if later is None else min(later, look)
        if later is not None:
            options.append((self._pass_time, later))
            if is_idle and self.deeds:
                options.append((self._hurry_user, None))
        if options:
            act, what = options[self.choose(len(options))]
            act(what)
        else:
            self._unstick()

    def count_turn(self) -> None:
        self.turns += 1
        if self.turns > TURNS:
            raise self.episode.broken("the run does not end")

    def options(self) -> list[tuple[Any, Any]]:
        """What may happen to the calls in the air."""
        flights = [flight for flight in self.episode.flights if self._may_end(flight)]
        options: list[tuple[Any, Any]] = [(self.end, flight) for flight in flights]
        options += [(self.perform, flight) for flight in flights if flight.outcome is None]
        if self.cluster is not None:
            options += self.cluster.moves()
        for flight in self.episode.flights:
            if flight.aside is not None and flight.is_under_way and flight.aside.can_go_on(self.clock()):
                options.append((self.perform, flight))
        return options

    def next_time(self, until: float | None) -> float | None:
        """Until when time may pass before somebody has something to do."""
        times = [flight.aside.until for flight in self.episode.flights if flight.aside and flight.is_under_way]
        later = [at for at in (until, *times) if at is not None and at > self.clock()]
        return min(later, default=until)

    def _may_end(self, flight: Flight) -> bool:
        if flight.is_under_way or flight.is_remote:
            return False
        if flight.outcome is not None or flight.wish not in HANGING:
            return True
        lingers = self.lets_go or (flight.call in self.episode.loop.lingering.late)
        return lingers or (flight.wish == "hang" and flight.hit is not None)

    def perform(self, flight: Flight) -> None:
        """Call the user's code of a flight; its outcome is reported another time."""
        call = flight.call
        if getattr(call.task, "key", None) in self.plan.inner:
            self._perform_aside(flight)
            return
        flag = call.stop_requested
        if flag and not flight.asked and not self.choose(2):
            call.stop_requested = False  # it had begun before it was asked
        before, self.flight = self.flight, flight
        try:
            flight.outcome = perform(call)
        finally:
            self.flight = before
            call.stop_requested = flag
            call.is_over = True
        self.tell(f"{call.task.name} was performed")

    def _perform_aside(self, flight: Flight) -> None:
        """Call the user's code of a flight in a thread of its own, until it rests or has ended."""
        call = flight.call
        if flight.aside is None:
            vars(call).pop("hit", None)  # it has a thread that can really be hit
            flight.aside = Aside(lambda: perform_on_worker(call))
        loop, aside = self.episode.loop, flight.aside
        aside.is_let_go = loop.is_over.is_set() or (call in loop.lingering.late)
        before, self.flight = self.flight, flight
        try:
            aside.go_on()
        finally:
            self.flight = before
        if aside.is_over:
            flight.outcome = aside.outcome
            self.tell(f"{call.task.name} was performed")
        else:
            self.tell(f"{call.task.name} rests")

    def _drive(self, flight: Flight) -> None:
        """Have a call end that is under way, when nobody waits for it any more."""
        aside = flight.aside
        assert aside is not None
        for _ in range(TURNS):
            if aside.is_over:
                return
            if aside.until is not None:
                self.clock.now = max(self.clock.now, aside.until)
            self._perform_aside(flight)
        raise self.episode.broken(f"the flow that {flight.call.task.name} runs does not end")

    def run_inner(self, key: str) -> None:
        """Run the flow that a task runs, in the task's thread."""
        from tests.properties.simulation.inner import InnerSimulation

        flight = self.flight
        aside = None if flight is None else flight.aside
        if flight is not None and flight.hit is not None and not self.choose(2):
            raise flight.hit
        if aside is not None:
            aside.rest(self.clock())
        inner = InnerSimulation(self, key, aside)
        self.inner.append(inner)
        inner.run()
        if aside is not None:
            aside.rest(self.clock())

    def end(self, flight: Flight) -> None:
        """A call ends, and the run is told; one that runs a flow may only have begun."""
        if flight.outcome is None:
            self.perform(flight)
        if flight.is_under_way:
            if not self.episode.loop.is_over.is_set():
                return
            self._drive(flight)
        assert flight.outcome is not None
        assert self.episode.session is not None
        self.episode.flights.remove(flight)
        self.tell(f"{flight.call.task.name} is reported")
        self.episode.session.tell_run([(flight.call, flight.outcome)])

    def _pass_time(self, until: float) -> None:
        part = self.choose(3)
        span = until - self.clock()
        self.clock.now = until if not part else self.clock.now + max(span * part / 4, 1e-3)
        self.tell(f"time passes: {self.clock.now:.3f}")

    def _hurry_user(self, _: Any) -> None:
        self._do(self.deeds.popleft()[1])

    def _unstick(self) -> None:
        """Nothing can happen by itself: it is for the user to do something."""
        loop = self.episode.loop
        if self.deeds:
            self._hurry_user(None)
        elif loop.schedule.is_idle and not self.episode.flights and not loop.cancellation.is_on:
            assert self.episode.run is not None
            self.tell("the user resumes")
            self.episode.run.resume()
        elif self.episode.interrupts < 3:
            self._do("interrupt")
        else:
            raise self.episode.broken("the run hangs, whatever its user does")
