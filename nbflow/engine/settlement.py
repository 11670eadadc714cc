"""The consequences of a task's new state: its handlers are told, it is recorded, the scheduler learns what it means.

The order is always that one. A handler may put another state in place of the one it is told, so nothing may follow from
a state before they have had their say; and the events of a run are to tell of a task's end before they tell of what
began because of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nbflow.core.states import (
    Cached,
    Cancelled,
    Failed,
    Finished,
    Mapped,
    Pending,
    Resume,
    Retrying,
    Running,
    Scheduled,
    State,
)
from nbflow.engine.attempt_contexts import unwrapped
from nbflow.engine.compiled_graph import CLEANUP, INIT
from nbflow.engine.handlers import call_handlers
from nbflow.engine.nodes import CANCELLED
from nbflow.engine.transitions import verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.attempt import Call
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.breakpoints import Breakpoints
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.record import Record
    from nbflow.engine.retention import Retention
    from nbflow.engine.user_code import UserCode

CACHED = "cached"


class Settlement:
    """Takes nodes from state to state."""

    def __init__(
        self,
        record: Record,
        contexts: AttemptContexts,
        lifecycle: Lifecycle,
        breakpoints: Breakpoints,
        retention: Retention,
        user_code: UserCode,
        cancellation: Cancellation,
        clock: Callable[[], float],
    ) -> None:
        self._schedule, self._record, self._contexts = record.schedule, record, contexts
        self._lifecycle, self._breakpoints, self._retention = lifecycle, breakpoints, retention
        self._user_code, self._cancellation, self._clock = user_code, cancellation, clock

    def told(self, node: int, task: Task, old: State, state: State, call: Call | None = None) -> State:
        """Tell the task's handlers of a change and return the state they leave."""
        if not task.state_handlers:
            return state
        values = self._contexts.values(node, task) if call is None else call.context
        told: State = self._user_code.call(values, call_handlers, task.state_handlers, task, old, state, fallback=state)
        return told

    def told_at_start(self, node: int, task: Task, old: State, state: State) -> State | None:
        """Tell the handlers that a node starts; None if the run was cancelled by what one raised, and the node ended.

        Of a cleanup nothing ends the start: what was set up is cleaned up (rule 1).
        """
        told = self.told(node, task, old, state)
        if self._cancellation.is_on and self._schedule.role[node] != CLEANUP:
            self._end_unended(node, old)
            return None
        return told

    def change(self, node: int, task: Task, old: State, state: State) -> None:
        """Give a node that has not started another state."""
        if isinstance(state, Pending) and not isinstance(state, Scheduled):
            self._leave(node)
            return
        self.settle(node, task, old, self.told(node, task, old, state))

    def settle(self, node: int, task: Task, old: State, state: State) -> None:
        """Record a state of which the handlers know, and tell the scheduler what it means."""
        state = unwrapped(state)
        if isinstance(state, Finished):
            self.end(node, old, state)
            return
        cancelling, is_cleanup = self._cancellation.is_on, self._schedule.role[node] == CLEANUP
        if is_cleanup and (not isinstance(state, Scheduled) or (cancelling and waits_for_person(state))):
            # Nobody will come back to it, and it is never left silently (rule 7).
            self.end(node, old, Failed(f"The cleanup was left {type(state).__name__}.", result=state.result))
            return
        self._record.set_task(node, old, state, self._contexts.attempts.get(node, 1))
        # Now, and not only when it starts: its trigger is asked before, and is told which attempt it is asked for.
        if isinstance(state, Retrying):
            self._contexts.attempts[node] = state.run_count + 1
        if isinstance(state, Resume):
            self._contexts.resumed.add(node)
            self._schedule.retry_at(node, self._clock())
        elif cancelling and not is_cleanup:  # its handler has put this state in place: nobody would come back to it
            self._end_unended(node, state)
        elif isinstance(state, Scheduled):
            self._wait_for(node, state)
        else:
            self._leave(node)

    def may_go_on(self, node: int, state: State) -> bool:
        """Tell whether a node with a state that was given, or left by a former attempt, is to be looked at further.

        If not, the scheduler has been told what the state means.
        """
        state = unwrapped(state)
        # What was cached is looked at with the inputs of now, a map's children are asked one by one.
        if isinstance(state, Cached) or (isinstance(state, Mapped) and self._schedule.child_index[node] < 0):
            return True
        if state.is_finished():
            held = self._lifecycle.open_resource(node)
            if held is not None and self._schedule.role[node] == INIT:
                held.manager = state.result
            self._schedule.ended(node, verdict_of(state))
            return False
        if isinstance(state, Resume):
            self._contexts.resumed.add(node)
        elif self._cancellation.is_on:  # a cleanup, which is tried now: nobody waits for its retry's time
            return True
        elif isinstance(state, Scheduled) and node not in self._contexts.resumed and not _is_due(state):
            self._wait_for(node, state)
            return False
        elif isinstance(state, Running):  # given: nobody here is at work on it, and nobody will be
            self._leave(node)
            return False
        return True

    def resume(self, node: int) -> None:
        """Let a paused node go on; its task sees ``context.resume``."""
        self._contexts.resumed.add(node)
        self._schedule.release(node)

    # -- the end ----------------------------------------------------------------------------------------------

    def end(self, node: int, old: State, state: State) -> None:
        """Record the final state of a node; what follows waits where a person has asked to stop there."""
        self._record.set_task(node, old, state, self._contexts.attempts.get(node, 1))
        if isinstance(state, Cached):
            self._record.sources[self._schedule.task(node)] = CACHED
        if not self._breakpoints.stops_after(node, self._schedule.task_of[node], state):
            self.end_for_good(node, state)

    def end_for_good(self, node: int, state: State) -> None:
        """Let follow what follows from the end of a node."""
        # Before the scheduler hears of it, which lets the outer block's cleanup begin: a leak is told first.
        if self._schedule.role[node] == CLEANUP:
            self._lifecycle.ended(node, state)
        self._schedule.ended(node, verdict_of(state))
        if self._schedule.child_index[node] < 0:  # a map's values are let go of when all its children have ended
            self._retention.ended(node)

    def _end_unended(self, node: int, old: State) -> None:
        self._record.set_task(node, old, Cancelled("The run was cancelled."))
        self._schedule.ended(node, CANCELLED)

    def _wait_for(self, node: int, state: State) -> None:
        start_time = getattr(state, "start_time", None)
        if start_time is None:
            self._schedule.hold(node)
        else:
            delay_s = (start_time - datetime.now(UTC)).total_seconds()
            self._schedule.retry_at(node, self._clock() + max(0.0, delay_s))

    def _leave(self, node: int) -> None:
        """Leave a node unended for good: what is below it stays Pending, as in the flow model."""
        self._schedule.ended(node, CANCELLED)


def waits_for_person(state: State) -> bool:
    """Tell whether nothing but a person's word lets a scheduled state go on."""
    return getattr(state, "start_time", None) is None


def _is_due(state: State) -> bool:
    start_time = getattr(state, "start_time", None)
    return start_time is not None and start_time <= datetime.now(UTC)
