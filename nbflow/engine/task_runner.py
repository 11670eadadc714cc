"""The way of one task through a run: refused, reused, mapped, or attempted; and what follows from the attempt.

Everything here happens on the run's thread. The order of the checks is the flow model's: skip, trigger, mapping,
cache, Running, attempt, caching, retry, loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.cache_validators import hash_inputs
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.data.value_type import identity
from nbflow.core.resource_tasks import resource_cleanup_trigger
from nbflow.core.signals import StateSignal, TaskTimeoutSignal
from nbflow.core.states import (
    Cached,
    Failed,
    Looped,
    Pending,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    State,
    Success,
    TimedOut,
    TriggerFailed,
)
from nbflow.engine.attempt import Call, Outcome
from nbflow.engine.call_values import fetch_first
from nbflow.engine.capture import Lines
from nbflow.engine.compiled_graph import CLEANUP, SETUP
from nbflow.engine.error_text import error_text
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.remote_value import fetched, is_elsewhere
from nbflow.engine.retention import drop_frames
from nbflow.engine.run_context import run_name_of
from nbflow.engine.settlement import waits_for_person
from nbflow.engine.state_values import reference_of
from nbflow.engine.transitions import cached_of, from_cache, remember_value, retry_of, state_of_outcome
from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.admission import Admission
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.breakpoints import Breakpoints
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.lingering import Lingering
    from nbflow.engine.map_expansion import MapExpansion
    from nbflow.engine.object_versions import Watch
    from nbflow.engine.open_resources import OpenResource
    from nbflow.engine.record import Record
    from nbflow.engine.settlement import Settlement
    from nbflow.engine.user_code import UserCode
    from nbflow.engine.value_handover import ValueHandover


class TaskRunner:
    """Takes the nodes that the scheduler gives through the checks to an attempt, and its outcome to a state.

    It makes no call itself, so that a loop's turns and the tasks that follow at once do not pile up on the stack.
    """

    def __init__(
        self,
        record: Record,
        inputs: Inputs,
        contexts: AttemptContexts,
        admission: Admission,
        expansion: MapExpansion,
        settlement: Settlement,
        lifecycle: Lifecycle,
        handover: ValueHandover,
        breakpoints: Breakpoints,
        lingering: Lingering,
        user_code: UserCode,
        cancellation: Cancellation,
    ) -> None:
        self._schedule, self._record, self._graph = record.schedule, record, record.graph
        self._inputs, self._contexts, self._admission = inputs, contexts, admission
        self._expansion, self._settlement, self._lifecycle = expansion, settlement, lifecycle
        self._handover, self._breakpoints, self._lingering = handover, breakpoints, lingering
        self._user_code, self._cancellation = user_code, cancellation
        self._running = Running("Starting task run.")

    # -- before the attempt -----------------------------------------------------------------------------------

    def look_at(self, node: int) -> Call | None:
        """Decide what becomes of a node that may start; returns the call that is to be made, if it starts."""
        schedule, graph = self._schedule, self._graph
        if schedule.unmeasured and node in schedule.unmeasured:
            schedule.measured(node, self._expansion.measure(node))
            return None
        number, child = schedule.task_of[node], schedule.child_index[node]
        task = graph.tasks[number]
        old = self._record.current(node)
        if type(old) is not Pending and not self._settlement.may_go_on(node, old):
            return None
        role = graph.role[number]
        if role:
            held = self._lifecycle.open_resource(node)
            if role == CLEANUP:
                return self._look_at_cleanup(node, task, old, held)
            if node in schedule.unneeded:
                self._settlement.end(node, old, Skipped("No task of the block will run."))
                return None
            if held is not None and held.owes_cleanup:
                # A handler wants another try of a setup that went well: a second resource would be one too many.
                kept = held.resource if role == SETUP else held.manager
                self._settlement.end(node, old, Success("The resource is set up already.", result=kept))
                return None
        if schedule.bad[node] or not graph.is_plain[number]:
            refused = self._admission.refused(node, number, child, task)
            if refused is not None:
                self._settlement.change(node, task, old, refused)
                return None
            # Given because a setup before it has failed, it found that its trigger accepts that: so it does need
            # the blocks around it, which were not opened for it as long as it seemed not to run (rule 8).
            if not (child < 0 and graph.is_map[number]) and schedule.waits_after_all(node):
                return None
        if child < 0 and graph.is_map[number]:
            self._expansion.expand(node, task, old)
            return None
        try:
            inputs = self._inputs.values(number, child)
        except Exception as error:  # noqa: BLE001 - users' values, such as a dict that is mapped over
            self._settlement.change(node, task, old, _without_inputs(error))
            return None
        if task.cache_for is not None or isinstance(old, Cached):
            values = self._contexts.values(node, task)
            cached = self._user_code.call(values, _ask_cache, task, old, inputs, values["parameters"])
            if cached is not None:
                self._settlement.change(node, task, old, cached)
                return None
        # After the cache, as a task whose value is reused does not run; before its start, so that a person who looks
        # at the paused run may still skip it, or set its value.
        if self._breakpoints.stops_before(node, number, inputs):
            return None
        return self._start(node, task, old, inputs)

    def _look_at_cleanup(self, node: int, task: Task, old: State, held: OpenResource | None) -> Call | None:
        """Start a cleanup that is owed: whatever is upstream, and whatever has become of the block's tasks (rule 1)."""
        if held is None or not held.owes_cleanup:
            self._settlement.end(node, old, self._admission.without_cleanup(node, task))
            return None
        if task.trigger is not resource_cleanup_trigger and self._is_kept(held, node, task, old):
            return None
        self._note_overdue(node, task)
        return self._start(node, task, old, {"mgr": held.manager, "resource": held.resource})

    def _note_overdue(self, node: int, task: Task) -> None:
        """Rule 3: say that a thread of the block has not let go, although its time is up."""
        lifetime = self._schedule.own[node]
        if lifetime is not None and lifetime.busy:
            grace = f"after {lifetime.grace_s:g} s of grace"
            text = f"{task.name!r} goes ahead: {grace} a thread of the block has not let go"
            self._record.note(text, task)

    def _is_kept(self, held: OpenResource, node: int, task: Task, old: State) -> bool:
        """Rule 19: ask the author's trigger whether to clean up; settles a cleanup that is not to be made now."""
        if isinstance(old, Retrying):  # it was asked, and said yes
            return False
        refused = self._admission.cleanup_refused(node, task)
        if refused is None:
            return False
        if isinstance(refused, Scheduled) and not (self._cancellation.is_on and waits_for_person(refused)):
            self._settlement.change(node, task, old, refused)  # it is asked again
            return True
        self._lifecycle.leave_open(held, task)
        state = refused if refused.is_finished() else TriggerFailed(refused.message, result=refused.result)
        self._settlement.end(node, old, self._settlement.told(node, task, old, state))
        return True

    # -- the attempt ------------------------------------------------------------------------------------------

    def _start(self, node: int, task: Task, old: State, inputs: dict[str, Any]) -> Call | None:
        if isinstance(old, Retrying):
            drop_frames(old.result)  # those of the newest failure only are there to be looked at
            self._contexts.retries(node, old)
        run_name, refused = None, None
        if task.task_run_name is not None:
            run_name, refused = self._run_name(node, task, inputs)
        # One of all of them says nothing about any; what carries tags, or goes to a handler, is its own.
        running = Running("Starting task run.") if task.tags or task.state_handlers else self._running
        role = self._schedule.role[node]
        if task.state_handlers:
            state = self._settlement.told_at_start(node, task, old, running)
            if state is None:
                return None
            # What was set up is cleaned up, whatever a handler of the cleanup says.
            if type(state) is not Running and role != CLEANUP:
                self._settlement.settle(node, task, old, state)
                return None
        if refused is not None and role != CLEANUP:
            self._settlement.change(node, task, old, refused)
            return None
        watch: Watch | None = None
        if not role:
            try:
                watch = self._hand_over(node, task, old, inputs)
            except NbflowError as error:  # it cannot get what it is to get: never what an attempt has left
                if isinstance(old, Retrying) and issubclass(type(old.result), BaseException):
                    error.__cause__ = old.result  # why it was to be tried again
                self._settlement.change(node, task, old, Failed(str(error), result=error))
                return None
        hashed: dict[str, str] | None = None
        if task.cache_for is not None:
            try:
                hashed = hash_inputs(fetched(inputs))  # now: the task may change them in place
            except Exception as error:  # noqa: BLE001 - one that is elsewhere cannot be had
                self._settlement.change(node, task, old, _without_inputs(error))
                return None
        self._record.set_task(node, old, running, self._contexts.attempts.get(node, 1))
        held = self._lifecycle.open_resource(node) if role else None
        if held is not None:
            self._lifecycle.begin(node, role, task, held)
        call = Call(node, task, task.run, inputs, self._contexts.values)
        call.watch, call.held = watch, held
        call.takes_references = self._inputs.meet_references and is_elsewhere(inputs)
        if run_name is not None:
            call.context["task_run_name"] = run_name
        call.hashed_inputs = hashed
        if task.log_stdout:
            call.context["_lines"] = Lines(task.logger)
        if self._lifecycle.has_contexts:
            call.base = self._lifecycle.base_of(node)
        if role:
            if call.takes_references:
                fetch_first(call)
            self._lifecycle.prepare(call, role)
        self._schedule.started(node)
        return call

    def _hand_over(self, node: int, task: Task, old: State, inputs: dict[str, Any]) -> Watch | None:
        self._handover.begin_draws(node, inputs)
        also = (self._contexts.loops[node][1],) if node in self._contexts.loops else ()
        if not also and ATOMS.issuperset(map(identity, map(type, inputs.values()))):
            return None  # nothing that could be changed
        return self._handover.hand_over(node, task, inputs, is_turn=type(old) is Looped, also=also)

    def _run_name(self, node: int, task: Task, inputs: dict[str, Any]) -> tuple[Any, State | None]:
        """Return what an attempt is called, or the state of a task whose name could not be made."""
        values = self._contexts.values(node, task)
        name, error = self._user_code.ask(values.copy(), run_name_of, task.task_run_name, values, inputs)
        if error is None:
            return name, None
        return None, Failed(f"The name of its run could not be made: {error_text(error)}", result=error)

    # -- after the attempt ------------------------------------------------------------------------------------

    def attempted(self, call: Call, outcome: Outcome) -> Call | None:
        """Take in the outcome of an attempt; returns the call that follows at once, of a loop's next turn."""
        node, task = call.node, call.task
        role = self._schedule.role[node]
        state: State | None = None
        if role:  # before all else: whatever follows may raise, and the resource is kept by then
            state = state_of_outcome(outcome)
            self._lifecycle.keep(call, role, outcome, state)
        else:
            self._handover.ended(call)
            if call.files is not None:  # also of one that failed, or goes on in a loop
                self._record.note_files(node, call.files)
        if outcome.error is not None:
            self._cancellation.task_raised(outcome.error)
            if isinstance(outcome.error, StateSignal):
                drop_frames(outcome.error)
        elif not role:
            value = self._handover.keep(task, outcome.value)
            if value is not outcome.value:
                outcome = Outcome(value, None)
            self._handover.forget_ahead(node)
        following = self.finish(call, state_of_outcome(outcome) if state is None else state)
        loops = self._contexts.loops
        if (
            loops
            and outcome.error is None
            and not role
            and not self._breakpoints.may_stand_at(self._schedule.task_of[node])
        ):
            loops.pop(node, None)  # what the last turn carried is not kept beside what it came to
        return following

    def finish(self, call: Call, state: State) -> Call | None:
        """Take a node from Running to the state its attempt came to: kept, retried, looped or ended.

        Returns the call of a loop's next turn, as it follows.
        """
        node, task = call.node, call.task
        old = self._record.current(node)
        if isinstance(state, Looped) and not self._cancellation.is_on:
            return self._change_to_loop(node, task, call, old, state)
        if task.cache_for is not None:
            state = self._user_code.call(
                call.context, cached_of, task, state, call.hashed_inputs, call.context["parameters"]
            )
            if type(state) is Cached and reference_of(state) is None and not is_fixed(state.result):
                remember_value(state, self._handover.original_of(task, state.result))
        state = self._settlement.told(node, task, old, state, call)
        role = self._schedule.role[node]
        if role and call in self._lingering.late:
            # Its thread may still set up or clean up: never a second one beside it.
            if not state.is_finished():
                state = timed_out(task)
            self._settlement.settle(node, task, old, state)
            return None
        # In a cancelled run a cleanup has its retries all the same: it is what the run still goes on for.
        if isinstance(state, Failed) and task.max_retries and (role == CLEANUP or not self._cancellation.is_on):
            attempt = self._contexts.attempts.get(node, 1)
            retrying = retry_of(task, state, attempt=attempt, loop=self._contexts.loops.get(node))
            if retrying is not state:
                # The failure is recorded too: listeners, and the frames of the debugger, know each attempt's.
                self._record.set_task(node, old, state, attempt)
                old, state = state, self._settlement.told(node, task, state, retrying, call)
        self._settlement.settle(node, task, old, state)
        return None

    def _change_to_loop(self, node: int, task: Task, call: Call, old: State, state: Looped) -> Call | None:
        told = self._settlement.told(node, task, old, state, call)
        if not isinstance(told, Looped):
            self._settlement.settle(node, task, old, told)
            return None
        self._record.set_task(node, old, told)
        self._contexts.loops[node] = (told.loop_count + 1, told.result)
        self._contexts.attempts.pop(node, None)  # each turn has retries of its own
        self._schedule.again(node)
        return self._start(node, task, told, call.kept_inputs or call.inputs)


def _ask_cache(task: Task, old: State, inputs: dict[str, Any], parameters: dict[str, Any]) -> State | None:
    try:
        here = fetched(inputs)
    except Exception as error:  # noqa: BLE001 - one that is elsewhere cannot be had
        return _without_inputs(error)
    return from_cache(task, old, here, parameters)


def _without_inputs(error: Exception) -> State:
    return Failed(f"The inputs could not be had: {error_text(error)}", result=error)


def timed_out(task: Task) -> State:
    """Return the state of a task that took too long."""
    message = f"Execution timed out: task {task.name!r} timed out after {task.timeout} s."
    return TimedOut(message, result=TaskTimeoutSignal(message))
