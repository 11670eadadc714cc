"""The executors of a run: the one that it was given, and those that blocks are for their tasks (`Block.as_executor`).

A block's executor is known when its setup has ended, serves the tasks inside (not those of an executor further inside),
and is told to end before its cleanup begins. Init, setup and cleanup of all blocks are the run's own executor's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import Outcome
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.executor_slots import ExecutorSlots
from nbflow.errors import ExecutorError, NotAnExecutorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.attempt import Call
    from nbflow.engine.executor import Executor, Report, Session
    from nbflow.engine.remote_value import RemoteValue
    from nbflow.engine.resource_lifetime import ResourceLifetime
    from nbflow.engine.schedule import Schedule
    from nbflow.engine.value_return import ValueReturn
    from nbflow.engine.worker_manager import WorkerOrders


CLOSE_S = 1.0  # for idle workers to end, until they are ended


class BlockExecutors:
    """Opens and closes the sessions of a run's executors, and says which one a node's call is for.

    Args:
        executor_of: Returns the executor that a resource is; ExecutorError if it is none.
        name: That of the run, for threads.
        value_return: Sees to values that are lost when a session is closed.

    Attributes:
        own: The session of the executor that the run was given; None while its own thread makes all calls.
    """

    def __init__(
        self,
        schedule: Schedule,
        report: Report,
        executor_of: Callable[[Any], Executor],
        name: str,
        value_return: ValueReturn,
    ) -> None:
        self.own: Session | None = None
        self._schedule, self._report, self._executor_of, self._name = schedule, report, executor_of, name
        self._of_blocks: dict[ResourceLifetime, Session] = {}
        self._names: dict[ResourceLifetime, str] = {}
        self._value_return = value_return

    def begin(self, executor: Executor) -> None:
        """Begin to serve the run."""
        self.own = executor.open(self._report, name=self._name)

    def session_of(self, node: int) -> Session | None:
        """Return the session that is to make the call of a node."""
        if not self._of_blocks or self._schedule.role[node] != ORDINARY:
            return self.own
        lifetime = self._schedule.queue.executor_around(node)
        return self.own if lifetime is None else self._of_blocks.get(lifetime, self.own)

    def orders_of(self, lifetime: ResourceLifetime) -> WorkerOrders | None:
        """Return the way to what the workers open that call the tasks inside of a block; None if they open nothing."""
        outer = lifetime.outer
        while outer is not None and outer not in self._of_blocks:
            outer = outer.outer
        session = self.own if outer is None else self._of_blocks[outer]
        return None if session is None else session.orders

    def open(self, lifetime: ResourceLifetime, name: str, resource: Any) -> None:
        """Have a resource call the tasks inside of its block; one that is no executor fails each of them.

        Calls code of the user's. One that comes when the block has gone on without it calls none.
        """
        if lifetime.resolved:
            return
        session: Session
        try:
            executor = self._executor_of(resource)
            capacity = executor.capacity
            if not isinstance(capacity, int) or capacity < 1:
                raise ValueError(
                    f"the executor of block {name!r} has a capacity of {capacity!r}; it must be at least 1"
                )
            session = executor.open(self._report, name=f"{self._name}-{name}")
        except ExecutorError:
            session, capacity = _NoSession(self._report, NotAnExecutorError(name, type(resource).__name__)), 1
        except Exception as error:  # noqa: BLE001 - the user's: its tasks say it, and its cleanup is made
            session, capacity = _NoSession(self._report, error), 1
        self._of_blocks[lifetime], self._names[lifetime] = session, name
        self._schedule.queue.open_slots(lifetime, ExecutorSlots(capacity))

    def fetch_ahead(self, lifetime: ResourceLifetime, then: Callable[[], None]) -> bool:
        """Begin to fetch what `close` is going to lose, and have `then` called by the run's thread when it is here.

        Returns False if there is nothing to wait for.
        """
        session = self._of_blocks.get(lifetime)
        if session is None:
            return False
        return self._value_return.fetch_ahead(session, _where(self._names[lifetime]), lifetime, then)

    def close(self, lifetime: ResourceLifetime) -> None:
        """End the session of a block whose last task has let go, before its cleanup."""
        session = self._of_blocks.pop(lifetime, None)
        if session is not None:
            self._schedule.queue.close_slots(lifetime)
            self._close(session, CLOSE_S, _where(self._names.pop(lifetime)), lifetime)

    def close_blocks(self) -> None:
        """End those of blocks that are open still: what is left to clean up is cleaned up now."""
        for lifetime in tuple(self._of_blocks):
            self.close(lifetime)

    def close_all(self, timeout_s: float) -> None:
        """End all sessions; those whose tasks hang after `timeout_s` seconds."""
        if self.own is not None:
            self._close(self.own, timeout_s, "on the run's workers, which have ended with it", None)
        self.close_blocks()

    def _close(self, session: Session, timeout_s: float, where: str, lifetime: ResourceLifetime | None) -> None:
        """End a session, whatever that raises: what is to be cleaned up comes after it (docs/guarantee.md, rule 17)."""
        try:
            # What is called a block's may be the user's elsewhere; here it goes with the block's resource.
            if lifetime is not None or not session.keeps_values:
                self._value_return.before_loss(session, where, lifetime)
        except BaseException as error:  # noqa: BLE001 - of users' values
            warn_safely(f"what was {where}, could not be looked at: {error_text(error)}")
        try:
            session.close(timeout_s)
        except BaseException as error:  # noqa: BLE001 - of another package, as a rule
            warn_safely(f"a session of an executor could not be closed: {error_text(error)}")

    def flush(self) -> None:
        """Have all begin with what was submitted."""
        for session in self._sessions():
            session.flush()

    def recall(self) -> None:
        """Have what was handed over ahead come back."""
        for session in self._sessions():
            session.recall()

    def look_ahead(self) -> None:
        """Have the scheduler give as many simple nodes more than there is room for as each has use for."""
        if self.own is not None:
            self._schedule.queue.ahead = self.own.ahead
        for lifetime, session in self._of_blocks.items():
            if lifetime.slots is not None:
                lifetime.slots.ahead = session.ahead

    def _sessions(self) -> Iterator[Session]:
        if self.own is not None:
            yield self.own
        yield from self._of_blocks.values()


def _where(name: str) -> str:
    return f"on the cluster of block {name!r}, which is closed"


def no_executor(resource: Any) -> Executor:
    """Refuse a resource: nobody has said what executors there are."""
    raise ExecutorError(resource, ())


class _NoSession:
    """Stands for the session of a resource that is no executor: each call ends with the error that says so."""

    is_remote = takes_expected = False
    keeps_values = True
    ahead = 0
    orders: WorkerOrders | None = None

    def __init__(self, report: Report, error: Exception) -> None:
        self._report, self._error = report, error

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        """Have a call end with the error."""
        self._report([(call, Outcome(None, self._error))])

    def flush(self) -> None:
        """Do nothing."""

    def recall(self) -> None:
        """Do nothing."""

    def free(self, *, lifecycle: bool) -> None:
        """Do nothing."""

    def has(self, value: RemoteValue) -> bool:
        """Tell whether it has a value: none."""
        return False

    def close(self, timeout_s: float) -> None:
        """Do nothing."""
