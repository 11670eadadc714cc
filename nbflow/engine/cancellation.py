"""The end of a run before its time: who has asked for it, how urgently, and the time that is left to what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.signals import ENDRUN, StateSignal
from nbflow.engine.attempt import TaskCancelled
from nbflow.engine.error_text import error_text
from nbflow.engine.raised import ends_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.interrupts import Guard
    from nbflow.engine.open_resources import OpenResource

HIT_AFTER_S = 0.5  # a cancelled task has this long to see the flag before an exception is raised in it
LINGER_AFTER_S = 2.0  # then its task counts as ended; its block's cleanup goes on waiting for its thread
HURRIED_S = 5.0  # what a second interrupt leaves a setup or cleanup


class Cancellation:
    """The flags of rule 6, each of which is set once and never taken back: a cancel is level-triggered.

    Attributes:
        is_wanted: Somebody has asked; set from any thread, before the message that says so is read, so that the call
            that begins meanwhile sees it.
        is_on: The run's thread has read it: nothing but cleanups starts any more.
        is_hurried: The user has asked twice.
        gives_up: The user has asked three times: what is open is handed over by name.
        failure: What the caller is told when everything is cleaned up.
    """

    def __init__(self, values: dict[str, Any], guard: Guard, cancel: Callable[[str], None]) -> None:
        self.is_wanted = False
        self.is_on = False
        self.is_hurried = False
        self.gives_up = False
        self.failure: BaseException | None = None
        self._values, self._guard, self._cancel = values, guard, cancel

    def fail(self, error: BaseException) -> None:
        """Cancel the run for an error, which its caller gets; of several the first, which is likely their cause."""
        self.failure = self.failure or error
        self._cancel(f"The run was ended by {error_text(error)}.")

    def task_raised(self, error: BaseException) -> None:
        """Look at what a task raised: some errors are meant for the caller of the run, once all is cleaned up."""
        if isinstance(error, (TaskCancelled, StateSignal, ENDRUN)):
            return
        if not ends_run(error):
            if self._values.get("raise_on_exception"):
                self.fail(error)
        elif not (isinstance(error, KeyboardInterrupt) and self._guard.count):
            self.fail(error)  # else the interrupt is counted, and its message cancels the run

    def cleanup_limit_s(self, held: OpenResource | None, *, hurry: bool = False) -> float:
        """Return for how many seconds a cleanup may go on in a run that is being cancelled."""
        limit_s = held.block.cleanup_timeout_s if held is not None else 0.0
        return min(limit_s, HURRIED_S) if hurry or self.is_hurried else limit_s
