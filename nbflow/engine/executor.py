"""The protocol between the run loop and the place where tasks run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.remote_value import RemoteValue
    from nbflow.engine.worker_manager import WorkerOrders


class Again(NamedTuple):
    """A call that is made a second time, although it was begun, or had ended: its worker was lost.

    Attributes:
        node: Its node.
        worker: The worker that makes it now.
        lost: The worker that had begun it before.
        behind: How many calls follow it that the lost worker had got as well, and has not told whether it began them.
    """

    node: int
    worker: str
    lost: str
    behind: int = 0


class Report(Protocol):
    """Tells a run what has become of its calls; from any thread."""

    def __call__(
        self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None = None, again: Sequence[Again] = ()
    ) -> None:
        """Tell that calls have ended, which one their worker has begun then, and which are made a second time."""


class Session(Protocol):
    """An executor at work for one run; every method but the report is called on the run's thread.

    Attributes:
        is_remote: Whether its tasks are called by other processes: it reports when each begins.
        takes_expected: Whether its calls may go after others of it that are under way, and take what those will give:
            see `submit`.
        ahead: How many simple calls more than its capacity are of use to it, if it is remote.
        orders: The way to what workers open for themselves; None if they share the kernel's memory.
        keeps_values: Whether values that it has elsewhere can be had when it is closed, unless it is a block's; true
            where it has none.
    """

    is_remote: bool
    takes_expected: bool
    orders: WorkerOrders | None

    @property
    def keeps_values(self) -> bool:
        """True when what it has elsewhere outlives it."""

    @property
    def ahead(self) -> int:
        """The number of calls that may wait there; 0 where each has to find a worker free."""

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        """Start a call, of a task or (`lifecycle`) of an init, setup or cleanup; report its outcome once.

        Of a session that takes expected calls, one may go after others that have not ended (`Call.expects`), with an
        `Expected` in the place of what it takes of them. It begins when all of those have ended well, and that has been
        reported before its begin is. If one did not end well, it is reported as `RECALLED`, after that one.
        """

    def flush(self) -> None:
        """Begin with what was submitted: for now nothing more comes."""

    def recall(self) -> None:
        """Report what was submitted ahead and has not begun as `RECALLED`, soon; twice is once."""

    def free(self, *, lifecycle: bool) -> None:
        """Note that a reported call's thread may take another."""

    def has(self, value: RemoteValue) -> bool:
        """Tell whether a value is one of those that it has elsewhere."""

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
