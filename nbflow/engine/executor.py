"""The protocol between the run loop and the place where tasks run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call, Outcome

Report = Callable[["Call", "Outcome"], None]


class Session(Protocol):
    """An executor at work for one run; every method but the report is called on the run's thread."""

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        """Start a call, of a task or (`lifecycle`) of an init, setup or cleanup; report its outcome once."""

    def free(self, *, lifecycle: bool) -> None:
        """Note that a reported call's thread may take another."""

    def close(self, timeout_s: float) -> None:
        """Let the threads end; those that hang are left behind after `timeout_s` seconds."""


class Executor(Protocol):
    """The place where the tasks of a run are called. An executor may serve several runs, one session each.

    Attributes:
        capacity: How many tasks may run at once.
        serial: Whether everything, setup and cleanup included, is called by one and the same thread.
    """

    @property
    def capacity(self) -> int:
        """The number of tasks that may run at once."""

    @property
    def serial(self) -> bool:
        """True when one thread calls everything."""

    def open(self, report: Report, *, name: str) -> Session:
        """Begin to serve a run, which is told outcomes through `report` (from any thread)."""
