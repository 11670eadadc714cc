"""A flow that a task of a simulated run runs: rule 14 in the midst of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.signals import TaskTimeoutSignal
from nbflow.engine.attempt import TaskCancelled
from tests.properties.simulation.simulator import Simulator

if TYPE_CHECKING:
    from tests.properties.simulation.aside import Aside
    from tests.properties.simulation.fakes import Inbox

SWITCHES = 8  # how seldom the other thread has its turn at a moment of this one


class InnerSimulation(Simulator):
    """Runs a plan inside a task of another simulation, which has the clock, the user and the decisions.

    Args:
        outer: The simulation around it.
        key: The task that runs it.
        aside: The thread that makes the task's call; None if that is the one of the outer run.
    """

    outer: Simulator

    def __init__(self, outer: Simulator, key: str, aside: Aside | None) -> None:
        super().__init__(outer.plan.inner[key], outer.choose, counts=outer.counts, outer=outer)
        self.name = key
        self.aside = aside

    def tell(self, text: str) -> None:
        self.told.append(f"  in {self.name}: {text}")

    def run(self) -> None:
        """Run the flow as the task does, and check what came of it."""
        flow = self.built.flow
        self.tell("a flow begins")
        raised: BaseException | None = None
        try:
            flow.run(executor=self.executor)
        except BaseException as error:
            raised = error
            raise
        finally:
            self.outer.inner.remove(self)
            self._check(raised)

    def _check(self, raised: BaseException | None) -> None:
        episode = self.episode
        self.tell(f"the flow is over, and raises {raised!r}")
        try:
            self._over()
            asked = episode.loop.asked_with
            if asked is not None and raised is None:
                raise episode.broken(f"rule 14: {asked.__name__} was lost in the flow that {self.name} runs")
            if asked is not None and episode.cancelled_at is None and not episode.loop.schedule.is_done:
                raise episode.broken(f"rule 14: the flow that {self.name} runs was not cancelled with it")
            if episode.interrupts and not self.outer.episode.interrupts:
                raise episode.broken(f"rule 14: the stop that {self.name}'s flow took was not passed on")
        except AssertionError as error:
            if str(error) not in "; ".join(self.wrong):
                episode.broken(str(error))
        happened = self.counts.happened
        happened["flows run by tasks"] += 1
        happened["flows that were ended with their task"] += asked_to_end(raised)

    # -- turns --

    def moment(self) -> None:
        self.moments += 1
        if self.aside is None:
            self.outer.moment()
        elif not self.aside.is_let_go and self.choose(SWITCHES) == 1:
            self.aside.rest(self.clock())

    def turn(self, inbox: Inbox, until: float | None) -> None:
        if self.aside is None:
            super().turn(inbox, until)
            return
        self.count_turn()
        self.episode.check_rest()
        self.episode.check_deadlines(until)
        options = self.options()
        if options and not self.choose(3):
            act, what = options[self.choose(len(options))]
            act(what)
        else:
            self.aside.rest(self.clock() if options else until, lambda: inbox.has_message)

    def next_time(self, until: float | None) -> float | None:
        timer = self.outer.next_timer() if self.aside is None else None
        later = super().next_time(until)
        return later if timer is None or later is None else min(later, max(timer[0], self.clock()))

    def options(self) -> list[tuple[Any, Any]]:
        options = super().options()
        timer = self.outer.next_timer() if self.aside is None else None
        if timer is not None and self.clock() >= timer[0]:
            options.append((self.outer.fire_next, None))
        return options

    def _unstick(self) -> None:
        if self.outer.next_timer() is not None:
            self.outer.fire_next()
        else:
            super()._unstick()

    def _hang_on(self) -> None:
        if self.aside is None:
            super()._hang_on()
            return
        timer = self.next_timer()
        if timer is not None and timer[0] <= self.clock():
            self.fire_next()
        else:
            self.aside.rest(None if timer is None else timer[0])

    @property
    def lets_go(self) -> bool:
        return self.aside is not None and self.aside.is_let_go

    @property
    def is_in_front(self) -> bool:
        """Whether it takes the interrupts, in the user's own thread."""
        return self.aside is None and hasattr(self, "episode") and self.episode.loop.guard.is_installed

    def _do(self, deed: str) -> None:
        self.outer._do(deed)  # the user is that of the outer run


def asked_to_end(raised: BaseException | None) -> bool:
    """Whether the task that runs a flow was told to end meanwhile."""
    return isinstance(raised, (TaskTimeoutSignal, TaskCancelled))
