"""The user of a simulated run: commands, interrupts, and patience with what hangs."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.errors import NothingToStepError
from tests.properties.simulation.machinery import Handle

if TYPE_CHECKING:
    from nbflow.engine.handle import Run


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
        episode = self.episode
        guard = episode.loop.guard
        is_direct = guard.is_installed and (self.plan.mode == "inline" or guard.call is not None)
        if episode.interrupts >= 3 and not is_direct:
            return
        episode.interrupts += 1
        if episode.interrupts == 2:
            episode.hurried_at = self.clock()
        if is_direct:
            guard.count = episode.interrupts - 1
            signal.raise_signal(signal.SIGINT)
        else:
            episode.loop.note_interrupt(episode.interrupts)

    def hang_here(self, *, is_deaf: bool) -> None:
        """Hang until something is raised here; who is deaf hears it the third time."""
        heard = 0
        while True:
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
        timers = [timer for timer in episode.timers if not timer[4].is_over and timer[2] is guard.call]
        if timers and not (episode.interrupts < 3 and self.choose(3) == 1):
            at, _, call, error, timer = min(timers, key=lambda timer: timer[:2])
            timer.cancel()
            self.clock.now = max(self.clock.now, at)
            call.is_overdue = call.is_overdue or timer.is_time_out
            guard.error = (call, error)
            signal.raise_signal(signal.SIGINT)
        elif episode.interrupts < 8:
            self.tell("the user interrupts what hangs")
            self._interrupt()
        else:
            raise self.episode.broken("a task hangs, whatever its user does")


def _fail_at_once(event: Any) -> None:
    raise OSError("a listener that fails")
