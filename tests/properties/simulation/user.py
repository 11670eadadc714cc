"""The user of a simulated run: commands, interrupts, and patience with what hangs."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.errors import NothingToStepError
from tests.properties.simulation.fakes import Handle

if TYPE_CHECKING:
    from nbflow.engine.run import Run


class User:
    """The deeds of the user; the simulation decides when.

    A part of `Simulation`, whose attributes it uses.
    """

    def _do(self, deed: str) -> None:
        episode = self.episode
        run = episode.run or self._handle()
        self.tell(f"moment {self.moments}: {deed}")
        if deed == "interrupt":
            self._interrupt()
        elif deed == "listener":
            run.listen(_fail_at_once)
        elif deed == "end":
            for flight in episode.flights:
                if self._may_end(flight):
                    self._is_busy = True
                    try:
                        self.end(flight)
                    finally:
                        self._is_busy = False
                    return
        elif deed == "until":
            with suppress(NothingToStepError):
                run.until(run.graph.tasks[self.choose(len(run.graph.tasks))])
        else:
            with suppress(NothingToStepError):
                getattr(run, deed)()

    def _handle(self) -> Run:
        """The handle of a run that begins just now."""
        return Handle(self.episode.loop, self.built.flow, 0, {})

    def _interrupt(self) -> None:
        inner = next((one for one in self.inner if one.is_in_front), None)
        if inner is not None:  # it takes the signals of the thread
            inner._interrupt()
            return
        episode = self.episode
        guard = episode.loop.guard
        is_direct = guard.is_installed and (
            self.plan.mode == "inline" or guard.call is not None or self.outer is not None
        )
        if episode.interrupts >= 3 and not is_direct:
            return
        episode.note_interrupts(episode.interrupts + 1)
        if is_direct:
            guard.count = episode.interrupts - 1
            signal.raise_signal(signal.SIGINT)
        else:
            episode.loop.note_interrupt(episode.interrupts)

    def hang_here(self, *, is_deaf: bool) -> None:
        """Hang until something is raised here; who is deaf hears it the third time."""
        heard = 0
        while not self.lets_go:
            try:
                self._hang_on()
            except BaseException as error:
                heard += 1
                self.tell(f"hears {type(error).__name__}")
                if not is_deaf or heard > 2:
                    raise

    def _hang_on(self) -> None:
        episode = self.episode
        guard = episode.loop.guard
        if guard.call is None:  # in the user's own thread after the end, or in one that nobody waits for
            raise KeyboardInterrupt
        mine = self.next_timer()
        theirs = None if self.outer is None else self.outer.next_timer()
        if (mine or theirs) and not (episode.interrupts < 3 and self.choose(3) == 1):
            if self.outer is not None and theirs is not None and (mine is None or theirs[:2] < mine[:2]):
                self.outer.fire_next()
                return
            assert mine is not None
            _, error = self._take_timer(mine)
            guard.error = (guard.call, error)
            signal.raise_signal(signal.SIGINT)
        elif episode.interrupts < 8:
            self.tell("the user interrupts what hangs")
            self._interrupt()
        else:
            raise self.episode.broken("a task hangs, whatever its user does")

    # -- timers of the call that the run's own thread makes --

    def next_timer(self) -> Any:
        """The first that has not come; None if there is none."""
        call = self.episode.loop.guard.call
        timers = [timer for timer in self.episode.timers if not timer[4].is_over and timer[2] is call]
        return min(timers, key=lambda timer: timer[:2], default=None)

    def _take_timer(self, timer: Any) -> tuple[Any, type[BaseException]]:
        at, _, call, error, made = timer
        made.cancel()
        self.clock.now = max(self.clock.now, at)
        if made.is_time_out:
            call.is_overdue = True
            self.episode.timed_out.add(call.node)
        self.tell(f"{call.task.name} is to get {error.__name__}")
        return call, error

    def fire_next(self, _: object = None) -> None:
        """Have the first of them come, as its thread does."""
        call, error = self._take_timer(self.next_timer())
        self.episode.loop.stopper.hit(call, error)


def _fail_at_once(event: Any) -> None:
    raise OSError("a listener that fails")
