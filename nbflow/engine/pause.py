"""The pause of a run: who waits for it, how long it may last, and the commands that let it go on.

All of it happens on the run's thread; `Run` posts the commands.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Cancelling, Paused, Running, State
from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.breakpoints import Breakpoints
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.deadlines import Deadlines
    from nbflow.engine.held_tasks import HeldTasks
    from nbflow.engine.interrupts import Guard
    from nbflow.engine.record import Record


class Answer:
    """The outcome of a command that may be refused, for which the one who has posted it waits."""

    def __init__(self) -> None:
        self.given = threading.Event()
        self.error: NbflowError | None = None


class Pause:
    """Pauses a run at which nothing can go on without a person, and ends that."""

    def __init__(
        self,
        record: Record,
        breakpoints: Breakpoints,
        held_tasks: HeldTasks,
        cancellation: Cancellation,
        deadlines: Deadlines,
        guard: Guard,
        cancel: Callable[[str], None],
        change: Callable[[State], None],
    ) -> None:
        self._record, self._schedule, self._breakpoints = record, record.schedule, breakpoints
        self._held_tasks, self._cancellation, self._deadlines = held_tasks, cancellation, deadlines
        self._guard, self._cancel, self._change = guard, cancel, change
        self._waiters: list[threading.Event] = []

    def begin(self) -> bool:
        """Say that the run is paused, if it has not been said; False if a handler has cancelled it instead."""
        state = self._record.state
        if not (isinstance(state, (Paused, Cancelling)) or state.is_finished()):
            self._change(self._breakpoints.state())
            if self._cancellation.is_on:
                return False
            self.limit()
        self.wake()  # after the state: who is woken reads that the run is paused
        return True

    def limit(self) -> None:
        """Have the run cancelled when it has been paused for as long as it may, if it is paused now."""
        limit_s, paused_at = self._breakpoints.limit_s, len(self._record.log.entries)
        if limit_s is None or not isinstance(self._record.state, Paused):
            return

        def end() -> None:  # unless anything has happened meanwhile: then it is not the same pause
            if isinstance(self._record.state, Paused) and len(self._record.log.entries) == paused_at:
                self._cancel(f"The run was paused for more than {limit_s:g} s.")

        self._deadlines.after(limit_s, end)

    def tell(self, waiter: threading.Event) -> None:
        """Set `waiter` when the run next is paused or is over."""
        self._waiters.append(waiter)

    def wake(self) -> None:
        """Set the events of all who wait."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set()

    def ask_person(self, held: list[int]) -> None:
        """Ask the person whose call the run blocks, as nobody else can resume it."""
        names = ", ".join(repr(self._schedule.task(node).name) for node in held)
        try:
            self._guard.raises_anywhere = True  # `input` is called by a line of ours
            answer = input(f"task {names} is paused; press Enter to resume it, or type c to cancel the run: ")
        except (EOFError, OSError, RuntimeError, KeyboardInterrupt):
            answer = "c"
        finally:
            self._guard.raises_anywhere = False
        if answer.strip().lower().startswith("c"):
            self._cancel(f"Task {names} is paused, and nobody resumed it.")
        else:
            for node in held:
                self.release(node)

    # -- commands ---------------------------------------------------------------------------------------------

    def go(
        self, command: Callable[..., None], args: tuple[Any, ...] = (), waiter: threading.Event | None = None
    ) -> None:
        """Carry out a command of the scheduler; `waiter` is set when the run next is paused or is over."""
        command(*args)
        # What lets the run go on lets go of what it is paused at, too; `Schedule.pause` does not.
        if self._schedule.budget != 0:
            self._held_tasks.let_all_go()
        if waiter is not None:
            self._waiters.append(waiter)
        if self._schedule.budget != 0:
            self._end()

    def fix(
        self, command: Callable[..., None], args: tuple[Any, ...], answer: Answer, waiter: threading.Event | None
    ) -> None:
        """Carry out a command of `HeldTasks`; `answer` gets its error, or `waiter` is set as with `go`."""
        try:
            command(*args)
        except NbflowError as error:
            answer.error = error  # and nothing has changed: nobody is to wait for a next pause
        else:
            self._end()
            if waiter is not None:
                self._waiters.append(waiter)
        finally:  # whatever it was: who waits for the answer holds the user's cell
            answer.given.set()

    def release(self, node: int) -> None:
        """Let a paused or held task go on."""
        self._held_tasks.let_go(node)
        self._end()

    def _end(self) -> None:
        if isinstance(self._record.state, Paused):
            self._change(Running("Running flow."))
