"""What a person did to the tasks of a paused run, and can be undone until the run goes on: `skip` and `set_result`.

All of it happens on the run's thread, but for `why_not`, which only looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.engine.schedule_snapshot import ScheduleSnapshot

if TYPE_CHECKING:
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.breakpoints import Breakpoints
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.record import Record
    from nbflow.engine.retention import Retention
    from nbflow.engine.values import Values

_MISSING = object()
NOTHING = "only what was skipped or set can be undone, until the run goes on; use run.rerun()"


class Done(NamedTuple):
    """One thing that a person did, with what it has replaced."""

    node: int
    state: State
    held: str | None
    source: str | None
    original: Any
    states: dict[Task, State]
    timings: dict[Task, tuple[float, float | None]]
    snapshot: ScheduleSnapshot


class UndoStack:
    """Keeps what was done last on top, as long as the run is paused where it was done."""

    def __init__(
        self,
        record: Record,
        breakpoints: Breakpoints,
        home: Values,
        contexts: AttemptContexts,
        retention: Retention,
        cancellation: Cancellation,
    ) -> None:
        self._schedule, self._record, self._breakpoints = record.schedule, record, breakpoints
        self._home, self._contexts, self._retention = home, contexts, retention
        self._cancellation = cancellation
        self._done: list[Done] = []

    def keep(self, node: int) -> None:
        """A person is about to end a node."""
        if self._schedule.budget != 0:
            self.forget()  # the run goes on with it at once
            return
        record, task = self._record, self._schedule.task(node)
        self._done.append(
            Done(
                node,
                record.current(node),
                self._breakpoints.at.get(node),
                record.sources.get(task),
                self._home.originals.get(task, _MISSING),
                record.states.copy(),
                dict(record.timings),
                ScheduleSnapshot(self._schedule, record.graph),
            )
        )

    def forget(self) -> None:
        """Nothing can be undone any more: the run goes on."""
        self._done.clear()

    def why_not(self) -> str:
        """Say why nothing can be undone now."""
        done = self._done[-1:]
        if not done or self._cancellation.is_on:
            return NOTHING
        node, snapshot = done[0].node, done[0].snapshot
        beyond = snapshot.went_on(node)
        if beyond is not None:
            return f"{self._schedule.task(beyond).name!r} has gone on since; use run.rerun()"
        if any(map(self._retention.has_given_back, (node, *snapshot.followed(node)))):
            return "what it takes was given back since; use run.rerun()"
        return ""

    def undo(self) -> int:
        """Bring the task back to what it was before the last thing that was done, and return its node."""
        done, record = self._done.pop(), self._record
        node, task = done.node, self._schedule.task(done.node)
        ended = record.current(node)
        followed = done.snapshot.followed(node)
        states_now = [record.current(other) for other in followed]
        done.snapshot.restore(node)
        for other, state in zip(followed, states_now, strict=True):
            its = self._schedule.task(other)
            self._retention.takes_again(other)
            if state is not done.states[its]:  # of a map it is the same, whatever its children are
                record.set_task(other, state, done.states[its])
            self._set_times(its, done)
        self._put_back(record.sources, task, done.source, missing=None)
        self._put_back(self._home.originals, task, done.original, missing=_MISSING)
        record.set_task(node, ended, done.state, self._contexts.attempts.get(node, 1))
        self._set_times(task, done)
        if done.held is not None:
            self._breakpoints.hold_again(node, done.held)
        return node

    def _set_times(self, task: Task, done: Done) -> None:
        self._put_back(self._record.timings, task, done.timings.get(task), missing=None)

    @staticmethod
    def _put_back(where: dict[Any, Any], key: Task, value: Any, *, missing: object) -> None:
        if value is missing:
            where.pop(key, None)
        else:
            where[key] = value
