"""The parts of a run, put together: each is given those below it that it needs, and knows none above."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from nbflow.engine.admission import Admission
from nbflow.engine.attempt_contexts import AttemptContexts
from nbflow.engine.block_executors import BlockExecutors
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
from nbflow.engine.pause import Pause
from nbflow.engine.random_state import Draws
from nbflow.engine.refusal import Refusals
from nbflow.engine.retention import Retention
from nbflow.engine.run_end import RunEnd
from nbflow.engine.settlement import Settlement
from nbflow.engine.task_runner import TaskRunner
from nbflow.engine.undo_stack import UndoStack
from nbflow.engine.user_code import UserCode
from nbflow.engine.value_handover import ValueHandover
from nbflow.engine.value_return import ValueReturn
from nbflow.engine.values import Values

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from nbflow.core.states import State
    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.executor import Executor, Report
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
        change: Gives the run a state midway.
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
        executor_of: Callable[[Any], Executor],
        is_direct: bool,
        on_interrupt: Callable[[int], None],
        cancel: Callable[[str], None],
        change: Callable[[State], None],
        ended: Report,
    ) -> None:
        graph = record.graph
        # `cancel`, `change` and `ended` lead up to the loop, which gives weak ones: a part that kept the loop alive
        # would have a run's values wait for the garbage collector (docs/reruns.md, rule V6).
        # All share these two, not copies: who gives a call up takes it out, so that nobody else ends it once more.
        self.calls: dict[int, Call] = {}  # those that are under way, by node
        self.performed: deque[tuple[Call, Outcome]] = deque()  # made by the run's thread, and to be looked at
        calls, performed = self.calls, self.performed
        # First: whatever calls the user's code does so open to the interrupts of this guard, and of no other (rule 6).
        self.stopper = stopper = CallStopper(on_interrupt, timer)
        self.guard = guard = stopper.guard
        self.cancellation = cancellation = Cancellation(values, guard, cancel)
        self.user_code = user_code = UserCode(guard, cancellation.fail)

        self.draws = draws = Draws(graph)
        self.home = home = Values(graph, record.states)
        self.inputs = inputs = Inputs(graph, record.states, home.items_of)
        self.retention = retention = Retention(record, home, inputs, keep, budget)
        self.contexts = contexts = AttemptContexts(record, values)
        self.breakpoints = breakpoints = Breakpoints(record, contexts, user_code, cancellation)
        handover = ValueHandover(record, inputs, home, retention, breakpoints, draws)
        # Afterwards, as the two need each other: the home is asked at a handover, and tells what a call has changed.
        home.on_change = handover.note_change

        self.cleanup = cleanup = Cleanup(record, tracker, values, stopper, cancellation)
        self.lifecycle = lifecycle = Lifecycle(record, cleanup, user_code, guard, values)
        self.lingering = lingering = Lingering(calls, record, cancellation, inbox)
        settlement = Settlement(record, contexts, lifecycle, breakpoints, retention, user_code, cancellation, clock)
        undo_stack = UndoStack(record, breakpoints, home, contexts, retention, cancellation)
        refusals = Refusals(record, breakpoints, cancellation)
        self.held_tasks = HeldTasks(
            record, breakpoints, inputs, home, contexts, lifecycle, settlement, refusals, undo_stack
        )
        admission = Admission(record, inputs, contexts, lifecycle, user_code)
        expansion = MapExpansion(record, inputs, lifecycle, settlement)
        self.task_runner = TaskRunner(
            record,
            inputs,
            contexts,
            admission,
            expansion,
            settlement,
            lifecycle,
            handover,
            breakpoints,
            lingering,
            user_code,
            cancellation,
        )
        # A late call's task ends the task runner's way, with one state and one event; its thread may go on (rule 3).
        self.deadlines = deadlines = Deadlines(
            calls, record.schedule, clock, stopper, lingering, lifecycle, cancellation, self.task_runner.finish
        )
        self.pause = Pause(record, breakpoints, self.held_tasks, cancellation, deadlines, guard, cancel, change)
        # On the very parts that the task runner has: a call begun here is the runner's when it does not end well.
        self.fast_path = fast_path = FastPath(
            record, inputs, contexts, calls, performed, lifecycle, handover, home, retention, cancellation, guard
        )
        # A thread may report when the loop is over: a setup that ends then has made a resource all the same (rule 1).
        self.late_outcomes = LateOutcomes(inbox, ended, calls, performed, record, lifecycle, cleanup)
        value_return = ValueReturn(record, inputs, handover, retention, cancellation, guard, inbox)
        self.executors = executors = BlockExecutors(
            record.schedule, self.late_outcomes.report, executor_of, f"nbflow-{graph.name}", value_return
        )
        if graph.has_executors:
            lifecycle.on_open = executors.open
        self.maker = CallMaker(
            executors,
            calls,
            performed,
            record.schedule,
            fast_path,
            deadlines,
            cancellation,
            guard,
            graph.free,
            is_direct,
            lifecycle.worker_scopes,
        )
        self.run_end = RunEnd(flow, values, record, cleanup, lifecycle, home, draws, user_code, cancellation)
