"""The way of one task through a run: refused, reused, mapped, or attempted; and what follows from the attempt.

Everything here happens on the run's thread. The order of the checks is the flow model's: skip, trigger, mapping,
cache, Running, attempt, caching, retry, loop.
"""

from __future__ import annotations

import contextvars
import functools
import operator
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbflow.core.cache_validators import hash_inputs
from nbflow.core.data.value_traits import is_fixed
from nbflow.core.manager import has_setup, is_declared, is_factory
from nbflow.core.resource_tasks import ResourceSetupTask, resource_cleanup_trigger
from nbflow.core.signals import ENDRUN, StateSignal, TaskTimeoutSignal
from nbflow.core.states import (
    Cached,
    Cancelled,
    Failed,
    Finished,
    Looped,
    Mapped,
    Pending,
    Resume,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    State,
    Success,
    TimedOut,
    TriggerFailed,
    _MetaState,
)
from nbflow.core.wrapped import Wrapped
from nbflow.engine.attempt import Call, Outcome, was_cut
from nbflow.engine.capture import Lines
from nbflow.engine.cleanup_hooks import outcome_of, tell_outcome
from nbflow.engine.cleanup_turn import in_turn
from nbflow.engine.compiled_graph import CLEANUP, INIT, SETUP
from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.handlers import call_handlers
from nbflow.engine.inputs import Inputs
from nbflow.engine.interrupts import SHIELDED_INTERRUPTS
from nbflow.engine.nodes import CANCELLED
from nbflow.engine.object_versions import ATOMS, NUMBERS
from nbflow.engine.open_resources import BlockStatus, OpenResource, joined
from nbflow.engine.retention import drop_frames
from nbflow.engine.run_context import run_name_of
from nbflow.engine.transitions import (
    WITHOUT_RESOURCE,
    cached_of,
    from_cache,
    refusal,
    remember_value,
    retry_of,
    skips,
    state_of_outcome,
    verdict_of,
)
from nbflow.errors import NbflowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.object_versions import Watch
    from nbflow.engine.run_loop import RunLoop

CACHED = "cached"
_ASSUMED = Success("Not set up yet; assumed to succeed.")


class TaskRunner:
    """Takes the nodes that the scheduler gives from state to state."""

    def __init__(self, loop: RunLoop) -> None:
        self._loop = loop
        self._record = loop.record
        self._graph = loop.graph
        self._schedule = loop.schedule
        self.inputs = Inputs(loop.graph, loop.record.states, loop.home.items_of)
        self.attempts: dict[int, int] = {}
        self._loops: dict[int, tuple[int, Any]] = {}  # node: (loop count, result so far)
        self._resumed: set[int] = set()
        self._running = Running("Starting task run.")
        self._contexts_before: dict[int, contextvars.Context] = {}  # those that setups began with

    # -- before the attempt -----------------------------------------------------------------------------------

    def taken_over(self, node: int, state: State) -> State:
        """Return the state to start from for one that was given: what a meta state wraps; attempts and loops go on."""
        while isinstance(state, _MetaState) and state.state is not None:
            state = state.state
        if isinstance(state, Pending):
            if state.context.get("task_run_count") and not isinstance(state, Retrying):
                self.attempts[node] = state.context["task_run_count"]
            if "task_loop_count" in state.context:
                self._loops[node] = (state.context["task_loop_count"], state.context.get("task_loop_result"))
        return state

    def look_at(self, node: int) -> None:
        """Decide what becomes of a node that may start."""
        schedule, graph = self._schedule, self._graph
        if schedule.unmeasured and node in schedule.unmeasured:
            schedule.measured(node, self._measure(node))
            return
        number, child = schedule.task_of[node], schedule.child_index[node]
        task = graph.tasks[number]
        old = self._record.current(node)
        if type(old) is not Pending and not self._may_go_on(node, old):
            return
        role = graph.role[number]
        if role:
            held = self.open_resource(node)
            if role == CLEANUP:
                if held is None or not held.owes_cleanup:
                    self._end(node, old, self._without_cleanup(number, child))
                elif task.trigger is resource_cleanup_trigger or not self._is_kept(
                    held, node, number, child, task, old
                ):
                    self._note_overdue(node, task)
                    self._start(node, task, old, {"mgr": held.manager, "resource": held.resource})
                return
            if node in schedule.unneeded:
                self._end(node, old, Skipped("No task of the block will run."))
                return
            if held is not None and held.owes_cleanup:
                # A handler wants another try of a setup that went well: a second resource would be one too many.
                kept = held.resource if role == SETUP else held.manager
                self._end(node, old, Success("The resource is set up already.", result=kept))
                return
        if schedule.bad[node] or not graph.is_plain[number]:
            refused = self._refused(node, number, child, task)
            if refused is not None:
                self._change(node, task, old, refused)
                return
            if not (child < 0 and graph.is_map[number]) and schedule.waits_after_all(node):
                return
        if child < 0 and graph.is_map[number]:
            self._expand(node, task, old)
            return
        try:
            inputs = self.inputs.values(number, child)
        except Exception as error:  # noqa: BLE001 - users' values, such as a dict that is mapped over
            state = Failed(f"The inputs could not be had: {error_text(error)}", result=error)
            self._change(node, task, old, state)
            return
        if task.cache_for is not None or isinstance(old, Cached):
            kept = self._kept(node, task, old, inputs)
            if kept is not None:
                self._change(node, task, old, kept)
                return
        if self._loop.breakpoints.stops_before(node, number, inputs):
            return
        self._start(node, task, old, inputs)

    def resume(self, node: int) -> None:
        """Let a paused node go on; its task sees ``context.resume``."""
        self._resumed.add(node)
        self._schedule.release(node)

    def open_resource(self, node: int) -> OpenResource | None:
        """Return the resource that an init, setup or cleanup belongs to."""
        lifetime = self._schedule.own[node]
        return None if lifetime is None else self._record.open_resources.get(lifetime.shape, lifetime.index)

    def _may_go_on(self, node: int, state: State) -> bool:
        """Whether a node with a state that was given, or left by a former attempt, is to be looked at further."""
        while isinstance(state, _MetaState) and state.state is not None:
            state = state.state
        if isinstance(state, Cached) or (isinstance(state, Mapped) and self._schedule.child_index[node] < 0):
            return True
        if state.is_finished():
            held = self.open_resource(node)
            if held is not None and self._schedule.role[node] == INIT:
                held.manager = state.result
            self._schedule.ended(node, verdict_of(state))
            return False
        if isinstance(state, Resume):
            self._resumed.add(node)
        elif self._loop.cancelling:  # a cleanup, which is tried now
            return True
        elif isinstance(state, Scheduled) and node not in self._resumed and not _is_due(state):
            self._wait_for(node, state)
            return False
        elif isinstance(state, Running):
            self._leave(node)
            return False
        return True

    def _wait_for(self, node: int, state: State) -> None:
        start_time = getattr(state, "start_time", None)
        if start_time is None:
            self._schedule.hold(node)
        else:
            delay_s = (start_time - datetime.now(UTC)).total_seconds()
            self._schedule.retry_at(node, self._loop.clock() + max(0.0, delay_s))

    def _refused(self, node: int, number: int, child: int, task: Task) -> State | None:
        is_parent = child < 0 and self._graph.is_map[number]
        if is_parent:
            upstream = {
                edge: self._record.states[edge.upstream_task] for edge in self._graph.edges_in[number]
            }
        else:
            upstream = self.inputs.states(number, child)
        lifetimes = self._loop.lifetime_setups(node)
        for edge, state in upstream.items():
            if not state.is_finished():
                if edge.upstream_task not in lifetimes:
                    return Pending(state.message)
                upstream[edge] = _ASSUMED  # rule 8 asks before setup has run, as if it had succeeded
        if not task.skip_on_upstream_skip and self._is_without_resource(node):
            return Skipped(WITHOUT_RESOURCE)
        if is_parent and not skips(task, upstream):
            return None
        values = self.values(node, task)
        if node in self._resumed:
            values["resume"] = True
        refused: State | None = self._loop.in_user_code(values, refusal, task, upstream)
        return refused

    def _is_without_resource(self, node: int) -> bool:
        """Whether a setup around a node, or the init of a setup, was skipped: whatever the task says about skips."""
        schedule = self._schedule
        lifetime = schedule.own[node]
        made_by = [] if lifetime is None or node != lifetime.setup else [lifetime.init]
        lifetime = schedule.lifetime_around(node)
        while lifetime is not None:
            if lifetime.resolved and lifetime.setup_bad:
                made_by.append(lifetime.setup if lifetime.setup >= 0 else lifetime.init)
            lifetime = lifetime.outer
        return any(self._record.current(one).is_skipped() for one in made_by)

    def _note_overdue(self, node: int, task: Task) -> None:
        """Rule 3: say that a thread of the block has not let go, although its time is up."""
        lifetime = self._schedule.own[node]
        if lifetime is not None and lifetime.busy:
            grace = f"after {lifetime.grace_s:g} s of grace"
            text = f"{task.name!r} goes ahead: {grace} a thread of the block has not let go"
            self._record.note(text, task)

    def _without_cleanup(self, number: int, child: int) -> State:
        """Return the state of a cleanup that has nothing to clean up; its trigger knows the reason best."""
        upstream = self.inputs.states(number, child) if child >= 0 or not self._graph.is_map[number] else {}
        reason = self._loop.in_user_code(
            self._loop.values.copy(), refusal, self._graph.tasks[number], upstream
        )
        return reason if isinstance(reason, Skipped) else Skipped("There is nothing to clean up.")

    def _is_kept(
        self, held: OpenResource, node: int, number: int, child: int, task: Task, old: State
    ) -> bool:
        """Rule 19: ask the author's trigger whether to clean up; settles a cleanup that is not to be made now."""
        if isinstance(old, Retrying):  # it was asked, and said yes
            return False
        values = self.values(node, task)
        if node in self._resumed:
            values["resume"] = True
        upstream = self.inputs.states(number, child) if child >= 0 or not self._graph.is_map[number] else {}
        refused: State | None = self._loop.in_user_code(values, refusal, task, upstream)
        if refused is None:
            return False
        error = refused.result
        if isinstance(error, BaseException) and not isinstance(error, (StateSignal, ENDRUN)):
            text = (
                f"the trigger of {task.name!r} raised {error_text(error)}; the cleanup is made all the same"
            )
            self._record.note(text, task)
            warn_safely(text)
            return False
        if isinstance(refused, Scheduled) and not (self._loop.cancelling and _waits_for_person(refused)):
            self._change(node, task, old, refused)  # it is asked again
            return True
        self._record.open_resources.closed(held)
        self._record.set_block(held, BlockStatus.KEPT)
        held.clean_again = functools.partial(self._loop.clean_again, held)
        self._loop.tracker.kept(held)
        self._record.note(f"the resource of {held.name!r} is kept, as the trigger of its cleanup said", task)
        state = refused if refused.is_finished() else TriggerFailed(refused.message, result=error)
        self._end(node, old, self._told(node, task, old, state))
        return True

    def _expand(self, node: int, task: Task, old: State) -> None:
        plan = self.inputs.plan_map(node)
        if isinstance(plan, State) and isinstance(old, Mapped) and (old.map_states or old.n_map_states):
            plan = max(len(old.map_states), old.n_map_states)  # given, with the children it has
        if isinstance(plan, State):
            self._change(node, task, old, plan)
            return
        children: list[State] = [Pending()] * plan
        if isinstance(old, Mapped):
            children[: len(old.map_states)] = [
                Pending() if child is None else child for child in old.map_states[:plan]
            ]
        state = self._told(node, task, old, Mapped("Ready to proceed with mapping.", map_states=children))
        if self._loop.cancelling:  # by what the handler raised
            self._end_unended(node, old)
            return
        if not isinstance(state, Mapped):
            self._end(node, old, state)
            return
        if len(state.map_states) != plan:  # a handler's own
            state.map_states = children
        self._record.timings[task] = (time.time(), None)
        self._record.set_task(node, old, state)
        shape = self._graph.shape_of[node]
        if self._graph.role[node] == INIT:  # the scheduler gives each element its place for a cleanup at once
            cleanup = self._graph.shapes[shape].cleanup
            mapped = Mapped("One cleanup for each resource.", map_states=[Pending()] * plan)
            self._record.set_task(cleanup, self._record.current(cleanup), mapped)
        self._schedule.expanded(node, plan)

    def _measure(self, node: int) -> int | None:
        """Return how many children a mapped task will get, or None if that is not known before its block is set up."""
        lifetimes = self._loop.lifetime_setups(node)
        edges = self._graph.edges_in[node]
        if type(self._record.current(node)) is not Pending or any(
            edge.mapped and edge.upstream_task in lifetimes for edge in edges
        ):
            return None
        plan = self.inputs.plan_map(node)
        return 0 if isinstance(plan, State) else plan

    def _kept(self, node: int, task: Task, old: State, inputs: dict[str, Any]) -> State | None:
        values = self.values(node, task)
        kept: State | None = self._loop.in_user_code(
            values, from_cache, task, old, inputs, values["parameters"]
        )
        return kept

    # -- the attempt ------------------------------------------------------------------------------------------

    def _start(self, node: int, task: Task, old: State, inputs: dict[str, Any]) -> None:
        if isinstance(old, Retrying):
            drop_frames(old.result)  # those of the newest failure only are there to be looked at
            self.attempts[node] = old.run_count + 1
            if "task_loop_count" in old.context:
                self._loops[node] = (old.context["task_loop_count"], old.context.get("task_loop_result"))
        run_name, refused = None, None
        if task.task_run_name is not None:
            run_name, refused = self._run_name(node, task, inputs)
        # One of all of them says nothing about any; what carries tags, or goes to a handler, is its own.
        running = Running("Starting task run.") if task.tags or task.state_handlers else self._running
        role = self._schedule.role[node]
        if task.state_handlers:
            state = self._told(node, task, old, running)
            if self._loop.cancelling and role != CLEANUP:  # by what the handler raised
                self._end_unended(node, old)
                return
            # What was set up is cleaned up, whatever a handler of the cleanup says.
            if type(state) is not Running and role != CLEANUP:
                self._settle(node, task, old, state)
                return
        if refused is not None and role != CLEANUP:
            self._change(node, task, old, refused)
            return
        watch: Watch | None = None
        if not role:
            if self._loop.draws.names:
                self._loop.draws.begin(self._schedule.task_of[node], self._schedule.child_index[node], inputs)
            try:
                also = (self._loops[node][1],) if node in self._loops else ()
                if also or not ATOMS.issuperset(map(id, map(type, inputs.values()))):
                    watch = self._loop.hand_over(node, task, inputs, is_turn=type(old) is Looped, also=also)
            except NbflowError as error:  # it cannot get what it is to get: never what an attempt has left
                if isinstance(old, Retrying) and issubclass(type(old.result), BaseException):
                    error.__cause__ = old.result  # why it was to be tried again
                self._change(node, task, old, Failed(str(error), result=error))
                return
        self._record.set_task(node, old, running, self.attempts.get(node, 1))
        held = self.open_resource(node) if role else None
        if held is not None:
            if role == CLEANUP:
                self._record.set_block(held, BlockStatus.CLOSING)
                self._loop.tracker.closing(held)
            elif role == SETUP or held.block.setup_task is None:
                self._record.set_block(held, BlockStatus.OPENING)
                self._loop.tracker.intend(held)
            elif is_factory(task.run):  # what it makes may need no setup, and be open then
                self._loop.tracker.intend(held)
        call = Call(node, task, task.run, inputs, self.values)
        call.watch, call.held = watch, held
        if run_name is not None:
            call.context["task_run_name"] = run_name
        if task.cache_for is not None:
            call.hashed_inputs = hash_inputs(inputs)
        if task.log_stdout:
            call.context["_lines"] = Lines(task.logger)
        if self._loop.has_contexts:
            call.base = self.base_of(node)
        if role:
            self._prepare_lifecycle(call, role)
        self._schedule.started(node)
        self._loop.call(call, lifecycle=role != 0)

    def _run_name(self, node: int, task: Task, inputs: dict[str, Any]) -> tuple[Any, State | None]:
        """Return what an attempt is called, or the state of a task whose name could not be made."""
        values = self.values(node, task)
        name, error = self._loop.ask(values.copy(), run_name_of, task.task_run_name, values, inputs)
        if error is None:
            return name, None
        return None, Failed(f"The name of its run could not be made: {error_text(error)}", result=error)

    def base_of(self, node: int) -> contextvars.Context | None:
        """Return a copy of the context that the setup of the innermost block around a node has left (rule 16)."""
        schedule = self._schedule
        lifetime = schedule.lifetime_around(node)
        while lifetime is not None:
            base = self._record.open_resources.get(lifetime.shape, lifetime.index).inner_context()
            if base is not None:
                return base
            lifetime = lifetime.outer
        return None

    def _prepare_lifecycle(self, call: Call, role: int) -> None:
        task, inputs, held = call.task, call.inputs, call.held
        if role == CLEANUP:
            call.shielded = True
            if held is not None:
                call.base = held.context or call.base
                tell_outcome(call, held, functools.partial(outcome_of, self._record, held))
                in_turn(call, held)
            return
        if held is not None and (role == SETUP or opens_at_init(held, None)):
            call.is_setup = True
            held.context = call.base = call.base or contextvars.copy_context()
            self._contexts_before[call.node] = held.context.copy()
        if role == SETUP and type(task) is ResourceSetupTask and "run" not in vars(task):
            # With no line of ours between the resource and where it is kept.
            if issubclass(type(inputs["mgr"]), Wrapped):  # a proxy may raise when it is asked for its class
                call.keep(next)
                call.begin = inputs["mgr"].begin
            else:
                call.keep(operator.methodcaller("setup"), inputs["mgr"])
        else:
            call.keep(functools.partial(call.fn, **inputs))

    def values(self, node: int, task: Task) -> dict[str, Any]:
        """Return the context of an attempt that begins now; asked for on the task's thread, if at all."""
        child = self._schedule.child_index[node]
        slug = self._graph.slugs.get(task, task.name)
        values = {
            **self._loop.values,
            "_task": task,
            "task_name": task.name,
            "task_full_name": task.name if child < 0 else f"{task.name}[{child}]",
            "task_slug": slug,
            "task_id": slug,
            "task_tags": task.tags,
            "task_run_id": f"{self._record.id}-{slug}" if child < 0 else f"{self._record.id}-{slug}[{child}]",
            "task_run_count": self.attempts.get(node, 1),
            "map_index": None if child < 0 else child,
        }
        loop = self._loops.get(node)
        if loop is not None:
            values["task_loop_count"], values["task_loop_result"] = loop
        if node in self._resumed:
            values["resume"] = True
        return values

    # -- after the attempt ------------------------------------------------------------------------------------

    def attempted(self, call: Call, outcome: Outcome) -> None:
        """Take in the outcome of an attempt."""
        node, task = call.node, call.task
        role = self._schedule.role[node]
        state: State | None = None
        if role:
            state = state_of_outcome(outcome)
            self.keep_resource(call, role, outcome, state)
        if call.watch is not None:
            self._loop.home.ended(call.watch)
        if not role and self._loop.draws.names:
            self._loop.draws.ended(self._schedule.task_of[node], self._schedule.child_index[node])
        if not role and call.files is not None:  # also of one that failed, or goes on in a loop
            self._record.note_files(node, call.files)
        if outcome.error is not None:
            self._loop.task_raised(outcome.error)
            if isinstance(outcome.error, StateSignal):
                drop_frames(outcome.error)
        elif not role:
            if id(type(outcome.value)) not in NUMBERS:
                outcome = Outcome(self._loop.keep_value(task, outcome.value), None)
            self._loop.forget_ahead(node)
        self.finish(node, task, call, state_of_outcome(outcome) if state is None else state)
        if (
            self._loops
            and outcome.error is None
            and not role
            and not self._loop.breakpoints.may_stand_at(self._schedule.task_of[node])
        ):
            self._loops.pop(node, None)  # what the last turn carried is not kept beside what it came to

    def finish(self, node: int, task: Task, call: Call, state: State) -> None:
        """Take a node from Running to the state its attempt came to: kept, retried, looped or ended."""
        old = self._record.current(node)
        attempt = self.attempts.get(node, 1)
        if isinstance(state, Looped) and not self._loop.cancelling:
            self._change_to_loop(node, task, call, old, state)
            return
        if task.cache_for is not None:
            state = self._loop.in_user_code(
                call.context, cached_of, task, state, call.hashed_inputs, call.context["parameters"]
            )
            if type(state) is Cached and not is_fixed(state.result):
                remember_value(state, self._loop.home.original_of(task, state.result))
        state = self._told(node, task, old, state, call)
        role = self._schedule.role[node]
        if role and self._loop.is_lingering(call):
            # Its thread may still set up or clean up: never a second one beside it.
            if not state.is_finished():
                state = timed_out(task)
            self._settle(node, task, old, state)
            return
        if isinstance(state, Failed) and task.max_retries and (role == CLEANUP or not self._loop.cancelling):
            retrying = retry_of(task, state, attempt=attempt, loop=self._loops.get(node))
            if retrying is not state:
                self._record.set_task(node, old, state, attempt)
                old, state = state, self._told(node, task, state, retrying, call)
        self._settle(node, task, old, state)

    def keep_resource(self, call: Call, role: int, outcome: Outcome, state: State) -> None:
        """Note what a lifecycle task did to its resource; nothing may come between its end and this."""
        held, lifetime = call.held, self._schedule.own[call.node]
        if held is None or lifetime is None:
            return
        tracker = self._loop.tracker
        # By the state, as a setup may also give its resource by raising SUCCESS.
        went_well = (
            isinstance(state, Success)
            and not isinstance(state, Skipped)
            and (role != CLEANUP or not outcome.error)
        )
        is_setup = role == SETUP or (
            role == INIT and opens_at_init(held, state.result if went_well else None)
        )
        if went_well:
            if role == INIT:
                held.manager = state.result
                if not is_setup and is_factory(call.task.run):
                    tracker.closed(held)  # nothing was open: its setup says again that it begins
            if is_setup:
                self._record.open_resources.opened(held, state.result if role == SETUP else None)
                before = self._contexts_before.pop(call.node, None)
                if held.context is not None and before is not None and _is_like(held.context, before):
                    held.context = None
                self._loop.has_contexts |= held.host is not None or held.context is not None
                self._schedule.opened(lifetime)
                self._record.set_block(held, BlockStatus.OPEN)
                if self._may_have_handle(held):  # which is the user's code
                    self._loop.in_user_code(self._loop.values.copy(), tracker.opened, held)
                else:
                    tracker.opened(held)
            elif role == CLEANUP:
                self._record.open_resources.closed(held)
                self._record.set_block(held, held.cleaned())
                tracker.closed(held)
        elif is_setup:
            self._record.set_block(held, BlockStatus.LEAKED if held.half else BlockStatus.CLOSED)
            if call.undone:
                held.half += [entry for entry, _ in reversed(call.undone)]
                self.leak(held, joined([error for _, error in call.undone], held.name), None)
            else:
                self._end_half(held, call, outcome.error)
        if call.hook_error is not None:
            text = f"a hook of {held.name!r} raised {error_text(call.hook_error)}; its cleanup was made all the same"
            self._record.note(text, call.task)
            warn_safely(text)

    def _may_have_handle(self, held: OpenResource) -> bool:
        """Whether a manager has a `handle`; one that raises when it is asked (rule 17) can do without."""
        if _is_plainly_without(held.manager, "handle"):
            return False
        found, error = self._loop.ask(self._loop.values.copy(), hasattr, held.manager, "handle")
        if error is not None and is_declared(held.manager, "handle"):
            return True  # the tracker will meet it, and say so
        if error is not None:
            text = f"the manager of {held.name!r} raised {error_text(error)} when it was asked for `handle`"
            self._record.note(text, held.block.init_task)
            warn_safely(f"{text}; if this kernel dies, nobody reclaims its resource")
        return bool(found)

    def _end_half(self, held: OpenResource, call: Call, error: BaseException | None) -> None:
        """Rule 13: reclaim what a setup that did not end well may have made, or say that it may be left."""
        reclaim = self.reclaimer(held, call)
        if reclaim is not None:
            failed = self._loop.reclaim(held, reclaim)
            if failed is None:
                self._loop.tracker.closed(held)
            else:
                held.half.append((0, reclaim, (), {}))
                self.leak(held, failed, None)
        elif self.may_be_left(held, call, error):
            self._record.set_block(held, BlockStatus.LEAKED)
            self._loop.tracker.abandoned(held)
            text = f"the setup of {held.name!r} was cut short; what it had made may be left"
            self._record.note(text, call.task)
            warn_safely(text)
        else:
            self._loop.tracker.closed(held)

    def reclaimer(self, held: OpenResource, call: Call) -> Callable[[], object] | None:
        """Return what reclaims what a setup may have made; None if it has not begun, or its manager cannot."""
        return self._loop.tracker.reclaimer(held) if call.has_begun else None

    @staticmethod
    def may_be_left(held: OpenResource, call: Call, error: BaseException | None) -> bool:
        """Whether nobody knows what a setup has left that ended with an error: it was cut, and undid nothing."""
        if not call.has_begun or error is None or not was_cut(error):
            return False
        return not (call.had_deferred or isinstance(held.manager, Wrapped))

    def _change_to_loop(self, node: int, task: Task, call: Call, old: State, state: Looped) -> None:
        told = self._told(node, task, old, state, call)
        if not isinstance(told, Looped):
            self._settle(node, task, old, told)
            return
        self._record.set_task(node, old, told)
        self._loops[node] = (told.loop_count + 1, told.result)
        self.attempts.pop(node, None)
        self._schedule.again(node)
        self._start(node, task, told, call.inputs)

    def _told(self, node: int, task: Task, old: State, state: State, call: Call | None = None) -> State:
        """Tell the task's handlers of a change and return the state they leave."""
        if not task.state_handlers:
            return state
        values = self.values(node, task) if call is None else call.context
        told: State = self._loop.in_user_code(
            values, call_handlers, task.state_handlers, task, old, state, fallback=state
        )
        return told

    def _change(self, node: int, task: Task, old: State, state: State) -> None:
        if isinstance(state, Pending) and not isinstance(state, Scheduled):
            self._leave(node)
            return
        self._settle(node, task, old, self._told(node, task, old, state))

    def _settle(self, node: int, task: Task, old: State, state: State) -> None:
        """Record a state and tell the scheduler what it means."""
        while isinstance(state, _MetaState) and state.state is not None:
            state = state.state
        if isinstance(state, Finished):
            self._end(node, old, state)
            return
        cancelling, is_cleanup = (
            self._loop.cancelling,
            self._schedule.role[node] == CLEANUP,
        )
        if is_cleanup and (not isinstance(state, Scheduled) or (cancelling and _waits_for_person(state))):
            # Nobody will come back to it, and it is never left silently (rule 7).
            self._end(node, old, Failed(f"The cleanup was left {type(state).__name__}.", result=state.result))
            return
        self._record.set_task(node, old, state, self.attempts.get(node, 1))
        if isinstance(state, Retrying):
            self.attempts[node] = state.run_count + 1
        if isinstance(state, Resume):
            self._resumed.add(node)
            self._schedule.retry_at(node, self._loop.clock())
        elif cancelling and not is_cleanup:
            self._end_unended(node, state)
        elif isinstance(state, Scheduled):
            self._wait_for(node, state)
        else:
            self._leave(node)

    def _end(self, node: int, old: State, state: State) -> None:
        self._record.set_task(node, old, state, self.attempts.get(node, 1))
        if isinstance(state, Cached):
            self._record.sources[self._schedule.task(node)] = CACHED
        if not self._loop.breakpoints.stops_after(node, self._schedule.task_of[node], state):
            self.end_for_good(node, state)

    def end_for_good(self, node: int, state: State) -> None:
        """Let follow what follows from the end of a node."""
        if self._schedule.role[node] == CLEANUP:
            self._end_cleanup(node, state)
        self._schedule.ended(node, verdict_of(state))
        if self._schedule.child_index[node] < 0:
            self._loop.retention.ended(node)

    def _end_cleanup(self, node: int, state: State) -> None:
        held = self.open_resource(node)
        if held is None:
            return
        if held.owes_cleanup:  # it was tried and failed for good: never silent (rule 7)
            self.leak(held, state.result if isinstance(state.result, BaseException) else None, state.message)
        elif held.status is BlockStatus.CLOSED:
            self._record.set_block(held, BlockStatus.SKIPPED)

    def leak(
        self, held: OpenResource, error: BaseException | None, message: str | None, *, abandoned: bool = False
    ) -> None:
        """Note that a resource was not cleaned up, and say so wherever the run is shown."""
        # Rule 6: the third interrupt raises in the cleanup itself, before the loop reads that the run gives up.
        if isinstance(error, KeyboardInterrupt) and self._loop.guard.count >= SHIELDED_INTERRUPTS:
            abandoned = True
        held.error = error or RuntimeError(message or "the cleanup did not succeed")
        held.clean_again = functools.partial(self._loop.clean_again, held)
        self._record.open_resources.closed(held)
        self._record.set_block(held, BlockStatus.LEAKED)
        if abandoned:
            self._loop.tracker.abandoned(held)
        else:
            self._loop.tracker.failed(held, held.error)
        text = f"cleanup of {held.name!r} failed, its resource may be left: {error_text(held.error)}"
        self._record.note(text, held.block.cleanup_task)
        warn_safely(text)

    def _end_unended(self, node: int, old: State) -> None:
        self._record.set_task(node, old, Cancelled("The run was cancelled."))
        self._schedule.ended(node, CANCELLED)

    def _leave(self, node: int) -> None:
        """Leave a node unended for good: what is below it stays Pending, as in the flow model."""
        self._schedule.ended(node, CANCELLED)


def opens_at_init(held: OpenResource, manager: object) -> bool:
    """Tell whether the init of a block is its setup: that of a manager without `setup`; of none, whether it may be."""
    if held.block.setup_task is None:
        return True
    return is_factory(held.block.init_task.run) and (manager is None or not has_setup(manager))


def _is_plainly_without(manager: object, name: str) -> bool:
    """Tell whether the class of a manager has no such attribute, as far as that is seen without the user's code."""
    cls: Any = type(manager)
    return type(cls) is type and _is_class_without(cls, name)


@functools.lru_cache(maxsize=64)
def _is_class_without(cls: Any, name: str) -> bool:
    if cls.__getattribute__ is not object.__getattribute__:
        return False
    return not any(name in vars(one) or "__getattr__" in vars(one) for one in cls.__mro__)


def _is_like(one: contextvars.Context, other: contextvars.Context) -> bool:
    """Tell whether the variables of two contexts have the same values."""
    return len(one) == len(other) and all(other.get(var, _ASSUMED) is value for var, value in one.items())


def timed_out(task: Task) -> State:
    """Return the state of a task that took too long."""
    message = f"Execution timed out: task {task.name!r} timed out after {task.timeout} s."
    return TimedOut(message, result=TaskTimeoutSignal(message))


def _waits_for_person(state: State) -> bool:
    return getattr(state, "start_time", None) is None


def _is_due(state: State) -> bool:
    start_time = getattr(state, "start_time", None)
    return start_time is not None and start_time <= datetime.now(UTC)
