"""The run loop: performs what the scheduler decides, and is the only thread that changes the state of a run.

Everybody else (workers, buttons, magics, signal handlers) puts a message on one queue. A blocking run with the inline
executor calls the tasks in its own thread; every other run hands them to threads and stays responsive.

The loop coordinates; what it coordinates sees no more than its constructor is given:

* what becomes of a node: `TaskRunner`, and `FastPath` for the simple ones, by `Admission`, `MapExpansion`, `Settlement`
* what becomes of a call: `CallMaker` makes it, `Deadlines` end it, `Lingering` waits for its thread, `LateOutcomes`
  takes what comes when nobody waits any more
* what becomes of a resource: `Lifecycle` while the run goes on, `Cleanup` whenever it is to be cleaned up
* what a person asks for: `Cancellation`, `Breakpoints`, `Pause`, `HeldTasks`
* the start and the end: `start_states`, `RunEnd`

The cleanup guarantee: the moment a setup gives a resource, its `OpenResource` owes a cleanup, before anything else is
done with the value. The loop does not end while one owes (but for the third interrupt, which gives the resources up by
name), and if the loop itself fails, what owes is cleaned up on the way out.
"""

from __future__ import annotations

import threading
import time
import weakref
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from nbflow.core.context import work_of
from nbflow.core.signals import TaskTimeoutSignal
from nbflow.core.states import Cancelled, Cancelling, Running, State
from nbflow.engine import capture, forks
from nbflow.engine.attempt import RECALLED, Call, Outcome, TaskCancelled, current_call
from nbflow.engine.block_executors import no_executor
from nbflow.engine.compiled_graph import ORDINARY, CompiledGraph
from nbflow.engine.end_listeners import EndListeners
from nbflow.engine.event_loop_on_demand import EventLoopOnDemand
from nbflow.engine.handlers import call_flow_handlers
from nbflow.engine.inbox import Inbox, InterruptibleQueue
from nbflow.engine.record import Record
from nbflow.engine.resource_tracker import NoResourceTracker
from nbflow.engine.retention import NEWEST
from nbflow.engine.run_parts import RunParts
from nbflow.engine.runs_at_work import AT_WORK, STOPPED_WITH_ITS_TASK, cancel_inner, stop_runs_of
from nbflow.engine.schedule import Schedule
from nbflow.engine.start_states import give_states, take_over
from nbflow.engine.state_values import holds_references
from nbflow.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.executor import Again, Executor
    from nbflow.engine.resource_tracker import ResourceTracker


class RunLoop:
    """One run of a compiled graph. `work` performs it; all else here runs on the same thread, or says otherwise.

    Args:
        flow: Whose handlers are told; anything with `state_handlers` and `terminal_state_handler`.
        values: The context of the run, given to every task.
        blocking: Whether the caller's own thread does the work, and waits for nobody to resume it.
        task_states: States to start from.
        reused: States of an earlier run that are taken over as they are, those of blocks that stay closed included. A
            mapped one that has None in the place of a child runs that child.
        tracker: Is told of each resource.
        keep: How long values are kept: "newest", "needed" or "all".
        budget: How many bytes they may take; None: a quarter of the memory there is.
        executor_of: Returns the executor that a block's resource is; ExecutorError if it is none.
        inbox: The queue of messages, and with `clock` (seconds, never going back) and `timer` (as `threading.Timer`)
            all that the loop waits for; others than the defaults are for simulations.
    """

    def __init__(
        self,
        flow: Any,
        graph: CompiledGraph,
        executor: Executor,
        values: dict[str, Any],
        *,
        run_id: str,
        paused: bool = False,
        blocking: bool = False,
        task_states: dict[Task, State] | None = None,
        reused: Mapping[Task, State] | None = None,
        tracker: ResourceTracker | None = None,
        inbox: Inbox | None = None,
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[..., threading.Timer] = threading.Timer,
        keep: str = NEWEST,
        budget: int | None = None,
        executor_of: Callable[[Any], Executor] = no_executor,
    ) -> None:
        self.flow, self.graph, self.values = flow, graph, values
        self.executor, self.clock = executor, clock
        self.schedule = Schedule(graph, capacity=executor.capacity, serial=executor.serial, paused=paused)
        self.record = Record(run_id, graph, self.schedule)
        self.worker: int | None = None  # the thread that does the work
        self.is_over = threading.Event()
        self.at_end: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.end_listeners = EndListeners()
        self.outer = current_call() if blocking else None  # the call of another run that waits for this one
        # That call, from another thread.
        self.helps = work_of.get() if blocking and self.outer is None else None
        self.asked_with: type[BaseException] | None = None  # what that call is to raise when this run is over
        self._blocking = blocking
        self._direct = blocking and executor.serial and not graph.has_executors
        self._given, self._reused = task_states or {}, reused or {}
        self._inbox: Inbox = inbox or (InterruptibleQueue() if blocking else SimpleQueue())
        values["_logs"] = self.record.logs
        values["_event_loop"] = self._event_loop = EventLoopOnDemand(f"nbflow-{graph.name}", cancel_inner)
        # What leads up again is weak: a run is freed as soon as nobody holds it, and not when the collector comes.
        # The interrupts' way is not, as it may begin at any moment; `_untie` cuts it.
        loop = weakref.proxy(self)
        self._parts = parts = RunParts(
            flow,
            self.record,
            values,
            inbox=self._inbox,
            clock=clock,
            timer=timer,
            tracker=tracker or NoResourceTracker(),
            keep=keep,
            budget=budget,
            executor_of=executor_of,
            is_direct=self._direct,
            on_interrupt=self.note_interrupt,
            cancel=lambda reason: loop.cancel(reason),
            change=lambda state: loop._go_on_as(state),
            ended=lambda ended, begun=None, again=(): loop._note_progress(ended, begun, again),
        )
        self.breakpoints, self.held_tasks, self.pause = parts.breakpoints, parts.held_tasks, parts.pause
        self.cancellation, self.guard, self.stopper = parts.cancellation, parts.guard, parts.stopper
        self.cleanup, self.lingering = parts.cleanup, parts.lingering
        self.home, self.inputs, self.draws = parts.home, parts.inputs, parts.draws
        self.retention, self._deadlines, self.maker = parts.retention, parts.deadlines, parts.maker

    # -- from any thread --------------------------------------------------------------------------------------

    def post(self, action: Callable[..., None], *args: Any) -> None:
        """Have `action` called by the run's thread."""
        self._inbox.put((action, args))

    def note_interrupt(self, count: int) -> None:
        """Tell the run that the user asked it to stop for the `count`-th time (safe in a signal handler)."""
        self.cancellation.is_wanted = True
        self._inbox.put((self._interrupted, (count,)))
        if self._direct and count <= 2:  # the message is not read before the call that runs now has ended
            self._deadlines.interrupt_here(count)
            self._deadlines.say_what_is_waited_for(count)

    def request_cancel(self, reason: str) -> None:
        """Cancel the run, also when its thread is busy with a task."""
        self.cancellation.is_wanted = True
        self.post(self.cancel, reason)
        if self._direct:
            self._deadlines.cancel_here()

    def end_with(self, error: type[BaseException]) -> None:
        """Cancel the run, whose caller is a task that is to raise `error` when all is cleaned up (rule 14)."""
        self.asked_with = error
        self.request_cancel(STOPPED_WITH_ITS_TASK)

    def end_soon(self, reason: str, threads_s: float) -> None:
        """Cancel the run because its process ends: threads that do not stop in time are given up (rule 14)."""
        self.request_cancel(reason)
        self.post(self._deadlines.after, threads_s, self._deadlines.give_threads_up)

    # -- the run, from its begin to its end -------------------------------------------------------------------

    def work(self) -> None:
        """Perform the run to its end. Never raises: see `Cancellation.failure`, and `Guard.pass_on` for interrupts."""
        self.worker = threading.get_ident()
        AT_WORK.add(self)
        try:
            with self.guard.installed(), ExitStack() as streams:
                try:
                    streams.enter_context(capture.installed())
                    self._begin()
                    self._loop()
                except BaseException as error:  # noqa: BLE001 - raised to the caller, after cleanup
                    self._note_failure(error)
                try:
                    self._end()
                except BaseException as error:  # noqa: BLE001 - the same; nobody waits for a run that seems to run
                    self._note_failure(error)
                    self._parts.run_end.end_anyway(error)
        finally:
            try:
                if self.on_end is not None:
                    self.on_end()
                self._untie()
                if self.at_end is not None:
                    self.at_end()
            finally:  # whatever happens to other runs' values: who waits for this one is told
                AT_WORK.discard(self)
                self.is_over.set()
                self.pause.wake()  # who comes later sees that it is over
                self.end_listeners.tell()  # last: they may look at the run, wait for it and begin another one

    def _note_failure(self, error: BaseException) -> None:
        self.cancellation.failure = self.cancellation.failure or error

    def let_go(self) -> None:
        """Do nothing any more, in a forked child: the run and its resources are its parent's."""
        for held in self.record.open_resources.alive():
            forks.keep_for_ever(held)
        self.cleanup.tracker = NoResourceTracker()
        self.is_over = threading.Event()  # who waits here would wait for a thread that is not here
        self.is_over.set()
        self.end_listeners.forget()

    def _untie(self) -> None:
        """Let the run be freed as soon as nobody holds it: what served it does not lead back to it any more."""
        self.guard.retire()
        self.helps = None
        self.home.on_change = None
        self.held_tasks.undo_stack.forget()
        self._deadlines.clear()

    def _begin(self) -> None:
        self.record.timings.started_at = time.time()
        from nbflow.engine.file_watch import watch  # not at the top: it looks about where Python is installed

        watch()
        if not self._direct:
            self._parts.executors.begin(self.executor)
            self._parts.lifecycle.worker_scopes.begin(self.graph.blocks, self._parts.executors.orders_of)
        self._change_run(Running("Running flow."))
        ended = give_states(self._given, self.record, self._parts.contexts, self._parts.lifecycle)
        children = take_over(self._reused, self.record, ended)
        given = (*self._given.values(), *self._reused.values())
        self.inputs.meet_references = any(map(holds_references, given))
        self._given, self._reused = {}, {}  # the values are the record's alone, which may give them back
        self.schedule.note_time(self.clock())
        if self.record.state.is_finished():  # a state handler ended the run before it began
            self.cancellation.is_on = True
            self._cancel_nodes("The run was ended by a handler.")
        self.schedule.begin(ended, children)

    def _loop(self) -> None:
        # All that a plain task costs beside its call is here and in `FastPath`: what is looked up once is bound.
        schedule, performed, nothing_came = self.schedule, self._parts.performed, self._inbox.empty
        look_at, make = self._parts.task_runner.look_at, self.maker.make
        pop, go_early, cancellation = schedule.pop, self.maker.go_early, self.cancellation
        take = self._parts.fast_path.take if self._direct else self.maker.submit
        while schedule.unfinished and not cancellation.gives_up:
            # Outcomes first: a setup's resource is noted before anything that a message asks for can look for it.
            while performed:
                self._ended(*performed.popleft())
            if not nothing_came():
                while not nothing_came():
                    self._take(0)
                continue
            if schedule.finished_maps:
                self._note_maps()
            node = pop()
            if node is not None:
                if not take(node) and (call := look_at(node)) is not None:
                    make(call)
            elif not (schedule.is_done or performed or go_early()):
                self._wait()
        self._note_maps()

    def _note_maps(self) -> None:
        maps, self.schedule.finished_maps = self.schedule.finished_maps, []
        for node in maps:
            self.record.map_ended(node)
            self.retention.ended(node)

    def _take(self, timeout_s: float | None) -> None:
        if timeout_s is not None:
            timeout_s = min(timeout_s, threading.TIMEOUT_MAX)
        try:
            action, args = self._inbox.get(timeout_s != 0, timeout_s)
        except Empty:
            return
        self.schedule.note_time(self.clock())
        action(*args)

    def _wait(self) -> None:
        self._parts.executors.flush()
        if not self.schedule.goes_through:
            self.maker.recall()
        if self.schedule.is_idle and not self.lingering.is_waited_for:
            held = self.schedule.held()
            if not held and self.schedule.budget != 0:
                if self.schedule.open_for_others():
                    return
                raise InternalError(f"run of {self.graph.name!r} cannot go on, although nothing holds it")
            if self._blocking and held and not self.cancellation.is_on:
                self.pause.ask_person(held)
                return
            if not self.pause.begin():
                return
        wakes = [at for at in (self.schedule.next_wake, self._deadlines.next_at) if at is not None]
        if not wakes:
            self._take(None)
            return
        self._take(max(0.0, min(wakes) - self.clock()))
        now = self.clock()
        self.schedule.tick(now)
        self._deadlines.fire(now)

    # -- cancel -----------------------------------------------------------------------------------------------

    def cancel(self, reason: str) -> None:
        """Start nothing but cleanups from now on, and ask what runs to stop. Twice is once."""
        if self.cancellation.is_on:
            return
        self.cancellation.is_on = True  # first: handlers that are told below may cancel too
        self.held_tasks.cancel()
        if not self.record.state.is_finished():  # else a handler has ended the run, and said how
            self._change_run(Cancelling(reason))
        self._cancel_nodes("The run was cancelled.")
        self._deadlines.ask_to_stop()

    def _cancel_nodes(self, why: str) -> None:
        for node in self.schedule.cancel():
            self.record.set_task(node, self.record.current(node), Cancelled(why))

    def _interrupted(self, count: int) -> None:
        """Rule 6: the first interrupt cancels, the second shortens every deadline, the third gives up by name."""
        self.cancel("Interrupted by the user.")
        if not self._direct:
            self._deadlines.say_what_is_waited_for(count)
        if count == 2:
            self.cancellation.is_hurried = True
            self._deadlines.shorten()
        elif count > 2:
            self.cancellation.gives_up = True

    # -- what has happened ------------------------------------------------------------------------------------

    def _note_progress(self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None, again: Sequence[Again]) -> None:
        """Take in what a session has reported."""
        for call, outcome in ended:
            self._ended(call, outcome)
        if begun is not None and self._parts.calls.get(begun.node) is begun:
            if begun.where:
                self.record.note_place(begun.node, begun.where)
            if begun.is_ahead:
                self._parts.fast_path.note_begun(begun)
        for one in again:
            self.record.note_again(*one)
        self._parts.executors.look_ahead()

    def _ended(self, call: Call, outcome: Outcome) -> None:
        role = self.schedule.role[call.node]
        if call.thread_id is not None and call.session is not None:
            call.session.free(lifecycle=role != ORDINARY)
        if call in self.lingering.late:  # its node has ended without it, and may have a retry under way
            self._parts.late_outcomes.keep(call, outcome)
            self.lingering.let_go(call)
            return
        del self._parts.calls[call.node]
        if outcome is RECALLED:
            if not self.cancellation.is_on:
                self._parts.fast_path.take_back(call)
                return
            outcome = Outcome(None, TaskCancelled())
        if role == ORDINARY:
            if call.where:
                self.record.note_place(call.node, call.where)
            if call.stop_requested or isinstance(outcome.error, TaskTimeoutSignal):
                stop_runs_of(call)  # in the run's own thread it was stopped before this was read
            if call.helpers:
                self.lingering.outlast(call)
            # One that was stopped where it waited has not begun, and what is upstream of it may not have ended.
            if call.is_ahead and (call.where or not isinstance(outcome.error, TaskCancelled)):
                self._parts.fast_path.note_begun(call)
        if call.is_simple and outcome.error is None:
            self._parts.fast_path.end_elsewhere(call, outcome.value)
        else:
            self._parts.fast_path.leave(call)
            following = self._parts.task_runner.attempted(call, outcome)
            call.forget()
            if following is not None:
                self.maker.make(following)

    def _change_run(self, state: State) -> None:
        old = self.record.state
        handlers = self.flow.state_handlers
        if handlers:
            state = self._parts.user_code.call(
                self.values.copy(), call_flow_handlers, handlers, self.flow, old, state, fallback=state
            )
        if state.is_finished():  # whoever made it: the final state of a run has the states of its tasks
            state.result = dict(self.record.states)
        self.record.set_run(state)

    def _go_on_as(self, state: State) -> None:
        """Change the run's state midway; a handler that makes it a final one has ended the run."""
        self._change_run(state)
        if self.record.state.is_finished():
            self.cancel("The run was ended by a handler.")

    def _end(self) -> None:
        """Whatever happened: nothing stays open unnamed, and the run gets its final state."""
        executors = self._parts.executors
        # First what is still to come: a setup among it owes a cleanup that the next line makes.
        self._parts.late_outcomes.take_all(self.cancellation, self.clock, waits=executors.own is not None)
        executors.close_blocks()
        self._parts.run_end.clean_up()
        self._parts.run_end.close(executors, self._event_loop)
        self._change_run(self._parts.run_end.state())
