"""The parts of a run, put together: each is given those below it that it needs, and knows none above."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from nbflow.engine.admission import Admission
from nbflow.engine.attempt_contexts import AttemptContexts
from nbflow.engine.breakpoints import Breakpoints
from nbflow.engine.call_maker import CallMaker
from nbflow.engine.call_stopper import CallStopper
from nbflow.engine.cancellation import Cancellation
from nbflow.engine.cleanup import Cleanup
from nbflow.engine.deadlines import Deadlines
from nbflow.engine.fast_path import FastPath
from nbflow.engine.held_tasks import HeldTasks
from nbflow.engine.inputs import Inputs
from nbflow.engine.late_outcomes import LateOutcomes
from nbflow.engine.lifecycle import Lifecycle
from nbflow.engine.lingering import Lingering
from nbflow.engine.map_expansion import MapExpansion
from nbflow.engine.random_state import Draws
from nbflow.engine.retention import Retention
from nbflow.engine.run_end import RunEnd
from nbflow.engine.settlement import Settlement
from nbflow.engine.task_runner import TaskRunner
from nbflow.engine.timers import Timers
from nbflow.engine.user_code import UserCode
from nbflow.engine.value_handover import ValueHandover
from nbflow.engine.values import Values

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.inbox import Inbox
    from nbflow.engine.record import Record
    from nbflow.engine.resource_tracker import ResourceTracker


class RunParts:
    """What a run loop coordinates.

    Args:
        flow: As for `RunLoop`, like all that is not said here.
        is_direct: Whether the run blocks its caller and its thread makes all calls.
        on_interrupt: Is told in the signal's handler how often the user has asked to stop.
        cancel: Cancels the run, for a reason.
        ended: Sees to a call that has ended.
    """

    def __init__(
        self,
        flow: Any,
        record: Record,
        values: dict[str, Any],
        *,
        inbox: Inbox,
        clock: Callable[[], float],
        timer: Callable[..., threading.Timer],
        tracker: ResourceTracker,
        keep: str,
        budget: int | None,
        is_direct: bool,
        on_interrupt: Callable[[int], None],
        cancel: Callable[[str], None],
        ended: Callable[[Call, Outcome], None],
    ) -> None:
        graph, schedule = record.graph, record.schedule
        self.calls: dict[int, Call] = {}  # those that are under way, by node
        self.performed: deque[tuple[Call, Outcome]] = (
            deque()
        )  # those that the run's thread has made, to be looked at
        self.timers = Timers(clock)
        self.stopper = CallStopper(on_interrupt, timer)
        self.guard = guard = self.stopper.guard
        self.cancellation = cancellation = Cancellation(values, guard, cancel)
        self.user_code = user_code = UserCode(guard, cancellation.fail)
        self.draws = Draws(graph)
        self.home = home = Values(graph, record.states)
        self.inputs = inputs = Inputs(graph, record.states, home.items_of)
        self.retention = Retention(record, home, inputs, keep, budget)
        self.contexts = contexts = AttemptContexts(schedule, record, values)
        self.breakpoints = Breakpoints(schedule, record, contexts, user_code, cancellation)
        self.cleanup = Cleanup(record, tracker, values, self.stopper, cancellation)
        self.lifecycle = lifecycle = Lifecycle(schedule, record, self.cleanup, user_code, guard, values)
        handover = ValueHandover(schedule, record, home, self.retention, self.breakpoints, self.draws)
        home.on_change = handover.note_change
        self.lingering = Lingering(self.calls, schedule, record, cancellation, inbox)
        settlement = Settlement(
            schedule,
            record,
            contexts,
            lifecycle,
            self.breakpoints,
            self.retention,
            user_code,
            cancellation,
            clock,
        )
        # A call's outcome comes back to the task runner: a circle, which would keep a run from being freed at once.
        parts = weakref.proxy(self)
        self.task_runner = TaskRunner(
            schedule,
            record,
            inputs,
            contexts,
            admission=Admission(schedule, record, inputs, contexts, lifecycle, user_code),
            expansion=MapExpansion(schedule, record, inputs, lifecycle, settlement),
            settlement=settlement,
            lifecycle=lifecycle,
            handover=handover,
            breakpoints=self.breakpoints,
            lingering=self.lingering,
            user_code=user_code,
            cancellation=cancellation,
            make=lambda call: parts.maker.make(call),
        )
        self.held_tasks = HeldTasks(
            schedule,
            record,
            self.breakpoints,
            inputs=inputs,
            home=home,
            contexts=contexts,
            lifecycle=lifecycle,
            settlement=settlement,
            cancellation=cancellation,
        )
        self.deadlines = Deadlines(
            self.calls,
            schedule,
            self.timers,
            self.stopper,
            lingering=self.lingering,
            lifecycle=lifecycle,
            cancellation=cancellation,
            finish=self.task_runner.finish,
        )
        self.fast_path = FastPath(
            schedule,
            record,
            inputs,
            contexts,
            calls=self.calls,
            performed=self.performed,
            lifecycle=lifecycle,
            handover=handover,
            home=home,
            retention=self.retention,
            cancellation=cancellation,
            guard=guard,
        )
        self.maker = CallMaker(
            self.calls,
            self.performed,
            schedule,
            self.fast_path,
            self.deadlines,
            cancellation,
            guard,
            free=graph.free,
            is_direct=is_direct,
        )
        self.late_outcomes = LateOutcomes(
            inbox,
            ended,
            self.calls,
            self.performed,
            schedule,
            lifecycle,
            self.cleanup,
        )
        self.run_end = RunEnd(
            flow,
            values,
            record,
            cleanup=self.cleanup,
            lifecycle=lifecycle,
            home=home,
            draws=self.draws,
            user_code=user_code,
            cancellation=cancellation,
        )
