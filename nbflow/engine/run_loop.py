"""The run loop: performs what the scheduler decides, and is the only thread that changes the state of a run.

Everybody else (workers, buttons, magics, signal handlers) puts a message on one queue. A blocking run with the inline
executor calls the tasks in its own thread; every other run hands them to threads and stays responsive.

The cleanup guarantee: the moment a setup gives a resource, its `OpenResource` owes a cleanup, before anything else is
done with the value. The loop does not end while one owes (but for the third interrupt, which gives the resources up by
name), and if the loop itself fails, what owes is cleaned up on the way out.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.core.context import context, work_of
from nbflow.core.effects.mutation import may_ask_again
from nbflow.core.manager import undo
from nbflow.core.signals import ENDRUN, StateSignal, TaskTimeoutSignal
from nbflow.core.states import (
    Cached,
    Cancelled,
    Cancelling,
    Failed,
    Mapped,
    Paused,
    Running,
    Skipped,
    State,
    Success,
)
from nbflow.engine import capture, forks
from nbflow.engine.attempt import (
    AWAITED,
    Call,
    Outcome,
    TaskCancelled,
    close_loop,
    current_call,
    perform,
    perform_on_worker,
)
from nbflow.engine.breakpoints import Breakpoints
from nbflow.engine.cleanup_hooks import outcome_of, tell_outcome
from nbflow.engine.cleanup_turn import in_turn
from nbflow.engine.compiled_graph import CLEANUP, INIT, ORDINARY, SETUP, CompiledGraph
from nbflow.engine.error_text import error_text
from nbflow.engine.event_loop_on_demand import EventLoopOnDemand
from nbflow.engine.events import told, warn_safely
from nbflow.engine.fast_path import FastPath
from nbflow.engine.handlers import call_flow_handlers, call_terminal_handler
from nbflow.engine.inbox import InterruptibleQueue
from nbflow.engine.interrupts import SHIELDED_INTERRUPTS, Guard
from nbflow.engine.nodes import DONE, EXPANDED
from nbflow.engine.open_resources import BlockStatus, OpenResource, joined
from nbflow.engine.raised import ends_run
from nbflow.engine.random_state import Draws
from nbflow.engine.record import Record
from nbflow.engine.resource_tracker import NoResourceTracker
from nbflow.engine.retention import NEWEST, Retention
from nbflow.engine.reuse import Reuse
from nbflow.engine.schedule import Schedule
from nbflow.engine.sharing import said_of_sharing, unordered_takers
from nbflow.engine.task_runner import TaskRunner, opens_at_init, timed_out
from nbflow.engine.transitions import final_state, state_of_error, state_of_outcome, verdict_of
from nbflow.engine.values import Values
from nbflow.errors import CleanupRunningError, InternalError, NbflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.manager import Deferred
    from nbflow.core.task import Task
    from nbflow.engine.executor import Executor, Session
    from nbflow.engine.object_versions import Watch
    from nbflow.engine.resource_tracker import ResourceTracker

HIT_AFTER_S = 0.5  # a cancelled task has this long to see the flag before an exception is raised in it
LINGER_AFTER_S = 2.0  # then its task counts as ended; its block's cleanup goes on waiting for its thread
HURRIED_S = 5.0  # what a second interrupt leaves a setup or cleanup
CLOSE_TIMEOUT_S = 2.0
Message = tuple["Callable[..., None]", tuple[Any, ...]]
MISSED_S = 0.05  # until an interrupt that met code of nbflow's tries again to meet the user's


class Inbox(Protocol):
    """What the loop needs of a queue."""

    def put(self, item: Message) -> None:
        """Add a message; from any thread."""

    def get(self, block: bool = True, timeout: float | None = None) -> Message:
        """Take the oldest message, waiting for one at most `timeout` seconds; raises `queue.Empty`."""

    def empty(self) -> bool:
        """Whether there is none."""


def _say(text: str) -> None:
    with suppress(Exception):  # there may be no stream any more
        sys.stderr.write(text)
        sys.stderr.flush()


class Answer:
    """What somebody waits for who has posted a command that may be refused."""

    def __init__(self) -> None:
        self.given = threading.Event()
        self.error: NbflowError | None = None


_AT_WORK: set[RunLoop] = set()


def _cancel_inner(thread_id: int) -> bool:
    """Cancel the run that blocks a thread, a task's flow say; tells whether there is one."""
    inner = [loop for loop in tuple(_AT_WORK) if loop.worker == thread_id]
    for loop in inner:
        loop.request_cancel("The task that runs this flow was cancelled.")
    return bool(inner)


def _stop_runs_of(call: Call) -> None:
    """Rule 14: cancel the runs that block threads which a task has started, as it was asked to stop itself."""
    for loop in tuple(_AT_WORK):
        if loop.helps is call:
            loop.request_cancel("The task that waits for the run was asked to stop.")


@forks.in_child
def _let_runs_go() -> None:
    while _AT_WORK:
        _AT_WORK.pop().let_go()


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
        inbox: The queue of messages, and with `clock` (seconds, never going back) all that the loop waits for; others
            than the defaults are for simulations.
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
        keep: str = NEWEST,
        budget: int | None = None,
    ) -> None:
        self.flow = flow
        self.graph = graph
        self.values = values
        self.executor = executor
        self.schedule = Schedule(graph, capacity=executor.capacity, serial=executor.serial, paused=paused)
        self.record = Record(run_id, graph, self.schedule)
        values["_logs"] = self.record.logs
        values["_event_loop"] = self._event_loop = EventLoopOnDemand(f"nbflow-{graph.name}", _cancel_inner)
        self.has_contexts = False  # whether setups have left one that their blocks' tasks are to run in
        self.worker: int | None = None  # the thread that does the work
        self.guard = Guard(self.note_interrupt, self._missed)
        self.is_over = threading.Event()
        self.cancelling = False
        self.failure: BaseException | None = None  # what the caller is told when everything is cleaned up
        self._given = task_states or {}
        self._reused = reused or {}
        self._blocking = blocking
        self._direct = blocking and executor.serial
        self.clock = clock
        self.tracker: ResourceTracker = tracker or NoResourceTracker()
        self._session: Session | None = None
        self._inbox: Inbox = inbox or (InterruptibleQueue() if blocking else SimpleQueue())
        self._closing = threading.Lock()
        self._closed = False
        self._giving_up = False
        self._hurried = False
        self.cancel_wanted = False  # set from any thread, before the message that says so is read
        self.calls: dict[int, Call] = {}
        self._lingering: set[Call] = set()
        self._outlasting: set[Call] = set()  # those that are over, but threads that they have started are not
        self.performed: deque[tuple[Call, Outcome]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_number = itertools.count()
        self._waiters: list[threading.Event] = []
        self._said: set[tuple[Task, str]] = set()
        self.breakpoints = Breakpoints(self)
        self.at_end: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.outer = current_call() if blocking else None  # the call of another run that waits for this one
        self.helps = (
            work_of.get() if blocking and self.outer is None else None
        )  # that call, from another thread
        self.asked_with: type[BaseException] | None = None  # what that call is to raise when this run is over
        self.draws = Draws(graph)
        self.home = Values(graph, self.record.states)
        self.home.on_change = self._note_change
        self.task_runner = TaskRunner(self)
        self.retention = Retention(self, keep, budget)
        self._fast_path = FastPath(self, self.task_runner)

    # -- from any thread --------------------------------------------------------------------------------------

    def post(self, action: Callable[..., None], *args: Any) -> None:
        """Have `action` called by the run's thread."""
        self._inbox.put((action, args))

    def note_interrupt(self, count: int) -> None:
        """Tell the run that the user asked it to stop for the `count`-th time (safe in a signal handler)."""
        self.cancel_wanted = True
        self._inbox.put((self._interrupted, (count,)))
        if self._direct and count <= 2:  # the message is not read before the call that runs now has ended
            for call in tuple(self.calls.values()):
                if call.shielded:
                    self._start_timer(self._cleanup_limit_s(call, hurry=count == 2), call, TaskTimeoutSignal)
                elif call.is_setup and count == 2:
                    self._start_timer(HURRIED_S, call, TaskCancelled)
            self._say_what_is_waited_for(count)

    def request_cancel(self, reason: str) -> None:
        """Cancel the run, also when its thread is busy with a task."""
        self.cancel_wanted = True
        self.post(self.cancel, reason)
        if self._direct:
            for call in tuple(self.calls.values()):
                call.stop_requested = True
                _stop_runs_of(call)
                if call.shielded:
                    self._start_timer(self._cleanup_limit_s(call), call, TaskTimeoutSignal)
                elif not call.is_setup:  # which is left to end (rule 13)
                    self._start_timer(HIT_AFTER_S, call, TaskCancelled)

    def end_with(self, error: type[BaseException]) -> None:
        """Cancel the run, whose caller is a task that is to raise `error` when all is cleaned up (rule 14)."""
        self.asked_with = error
        self.request_cancel("The task that waits for the run was asked to stop.")

    def end_soon(self, reason: str, threads_s: float) -> None:
        """Cancel the run because its process ends: threads that do not stop in time are given up (rule 14)."""
        self.request_cancel(reason)
        self.post(self._after, threads_s, self._give_threads_up)

    def _give_threads_up(self) -> None:
        self.schedule.shorten_graces()
        for call in tuple(self.calls.values()):
            if not (call.shielded or call.is_setup):
                self._give_up_on(call)

    def _start_timer(
        self,
        delay_s: float,
        call: Call,
        error: type[BaseException],
        action: Callable[[Call, type[BaseException]], None] | None = None,
    ) -> threading.Timer:
        timer = threading.Timer(min(delay_s, threading.TIMEOUT_MAX), action or self._hit, (call, error))
        timer.daemon = True
        timer.start()
        return timer

    def _time_is_up(self, call: Call, error: type[BaseException]) -> None:
        if not call.is_over:
            call.is_overdue = True
            self._hit(call, error)

    def _hit(self, call: Call, error: type[BaseException]) -> None:
        if call.is_over:
            return
        if call.inner is not None:
            call.inner.end_with(error)
        elif not self.guard.interrupt(call, error):
            call.hit(error)

    def _missed(self, call: Call, error: type[BaseException]) -> None:
        """An interrupt met code of nbflow's while the call was made: try again in a moment, at the user's code."""
        awaited = AWAITED.get(threading.get_ident())
        if awaited is not None:  # the coroutine that it waits for is the user's code
            awaited.cancel(error)
        elif not call.is_over:
            self._start_timer(MISSED_S, call, error)

    def _report(self, call: Call, outcome: Outcome) -> None:
        """Take an outcome from a worker's thread."""
        with self._closing:
            if not self._closed:
                self._inbox.put((self._ended, (call, outcome)))
                return
        self._came_too_late(call, outcome)

    def _came_too_late(self, call: Call, outcome: Outcome) -> None:
        """Rule 1 to the last: what a setup or cleanup has done that nobody waits for any more; no event tells of it."""
        role = self.schedule.role[call.node]
        held = self.task_runner.open_resource(call.node)
        if held is None:
            return
        state = state_of_outcome(outcome)
        went_well = isinstance(state, Success) and not isinstance(state, Skipped)
        if role == INIT and not opens_at_init(held, state.result if went_well else None):
            return
        if role == CLEANUP:
            if outcome.error is None:  # it was told to be left, which is no longer so
                held.status = held.cleaned()
                self.tracker.closed(held)
            return
        error: BaseException | None
        if not went_well:
            error = self._end_half_too_late(held, call, outcome)
            if error is None:
                return
        else:
            if role == SETUP:
                held.resource = state.result
            else:
                held.manager = state.result
            held.is_open = True
            self.tracker.opened(held)
            error = self._clean_up(held)
            if error is not None:
                self.tracker.failed(held, error)
        if error is None:
            held.status = held.cleaned()
        else:
            held.error, held.status = error, BlockStatus.LEAKED
            held.clean_again = functools.partial(self.clean_again, held)
            warn_safely(f"cleanup of {held.name!r} failed after its setup came too late: {error_text(error)}")

    def _end_half_too_late(self, held: OpenResource, call: Call, outcome: Outcome) -> BaseException | None:
        """Rules 9 and 13 for a setup that did not end well, when its run is over; returns what was not undone."""
        if call.undone:
            held.half += [entry for entry, _ in reversed(call.undone)]
            error: BaseException | None = joined([error for _, error in call.undone], held.name)
        elif (reclaim := self.task_runner.reclaimer(held, call)) is not None:
            error = self.reclaim(held, reclaim)
            if error is not None:
                held.half.append((0, reclaim, (), {}))
        elif self.task_runner.may_be_left(held, call, outcome.error):
            held.status = BlockStatus.LEAKED
            self.tracker.abandoned(held)
            warn_safely(f"the setup of {held.name!r} was cut short; what it had made may be left")
            return None
        else:
            error = None
        if error is None:
            self.tracker.closed(held)
        else:
            self.tracker.failed(held, error)
        return error

    def _clean_up(
        self, held: OpenResource, *, at_end: bool = False, has_turn: bool = False
    ) -> BaseException | None:
        """Make a cleanup outside of the schedule, in this thread; returns its error.

        `at_end` says that it is the run's own, for which nobody else looks at the clock; `has_turn` that nobody else
        can be at work on the resource.
        """
        task, inputs = held.block.cleanup_task, {"mgr": held.manager, "resource": held.resource}
        call = Call(-1, task, task.run, inputs, lambda *_: self.values.copy())
        call.held, call.base = held, held.context
        tell_outcome(call, held, functools.partial(outcome_of, self.record, held))
        if not has_turn:
            in_turn(call, held)
        self.tracker.closing(held)
        # One that hangs would hold the run, and its user, for ever.
        error = self._perform_in_time(held, call) if at_end else perform(call).error
        call.is_over = True
        if error is None:
            self.tracker.closed(held)
        return error

    def reclaim(self, held: OpenResource, reclaim: Callable[[], object]) -> BaseException | None:
        """Reclaim what a setup that did not end well may have made, in the run's thread; returns its error."""
        call = Call(-1, held.block.cleanup_task, reclaim, {}, lambda *_: self.values.copy())
        return self._perform_in_time(held, call)

    def _perform_in_time(self, held: OpenResource, call: Call) -> BaseException | None:
        """Make a call that ends a resource, for as long as a cleanup of it may take; returns its error."""
        call.shielded = True
        limit_s = held.block.cleanup_timeout_s
        if self._hurried:
            limit_s = min(limit_s, HURRIED_S)
        timer = self._start_timer(limit_s, call, TaskTimeoutSignal)
        before, self.guard.call = self.guard.call, call
        error = (perform if self.guard.is_installed else perform_on_worker)(call).error
        call.is_over = True
        self.guard.call = before
        timer.cancel()
        return error

    def clean_again(self, held: OpenResource) -> BaseException | None:
        """Try a failed cleanup, or what is left of half a setup, once more in the caller's thread; returns its error.

        It is a `CleanupRunningError`, and nothing was done, when somebody else has not ended to clean it up (rule 15).
        """
        with held.turn.taken(held.block.cleanup_timeout_s) as is_ours:
            if not is_ours:
                return CleanupRunningError(held.name)
            answer = self.tracker.claim(held)
            if answer.at_work:
                return CleanupRunningError(held.name, answer.at_work)
            held.is_open &= not held.turn.is_done
            is_gone = answer.is_gone or (held.turn.is_done and not held.half)
            error = None if is_gone else self._clean_rest(held)
            held.error = error
            held.turn.is_done = error is None
            if error is None:
                self.record.set_block(held, BlockStatus.CLEANED)
            else:
                self.tracker.failed(held, error)
            return error

    def _clean_rest(self, held: OpenResource) -> BaseException | None:
        """Clean up the resource, and what earlier tries of its setup have left."""
        errors: list[BaseException] = []
        if held.is_open or not held.half:
            error = self._clean_up(held, has_turn=True)
            close_loop()
            held.is_open = error is not None
            errors += [error] if error is not None else []
        if held.half:
            errors += self._undo_half(held)
        return joined(errors, held.name) if errors else None

    def _undo_half(self, held: OpenResource) -> list[BaseException]:
        failed: list[tuple[Deferred, BaseException]] = []
        undo(held.half, failed)
        held.half = [entry for entry, _ in reversed(failed)]
        # The resource itself may be left, and a row that says "closed" would take it away from the reaper.
        if not (failed or held.is_open):
            self.tracker.closed(held)
        return [error for _, error in failed]

    # -- the loop ---------------------------------------------------------------------------------------------

    def work(self) -> None:
        """Perform the run to its end. Never raises: see `failure`, and `Guard.pass_on` for interrupts."""
        self.worker = threading.get_ident()
        _AT_WORK.add(self)
        try:
            with self.guard.installed(), ExitStack() as streams:
                try:
                    streams.enter_context(capture.installed())
                    self._begin()
                    self._loop()
                except BaseException as error:  # noqa: BLE001 - raised to the caller, after cleanup
                    self.failure = self.failure or error
                try:
                    self._end()
                except BaseException as error:  # noqa: BLE001 - the same; nobody waits for a run that seems to run
                    self.failure = self.failure or error
                    self._end_anyway(error)
        finally:
            try:
                if self.on_end is not None:
                    self.on_end()
                self._untie()
                if self.at_end is not None:
                    self.at_end()
            finally:  # whatever happens to other runs' values: who waits for this one is told
                _AT_WORK.discard(self)
                self.is_over.set()
                self._wake_waiters()  # who comes later sees that it is over

    def let_go(self) -> None:
        """Do nothing any more, in a forked child: the run and its resources are its parent's."""
        for held in self.record.open_resources.alive():
            forks.keep_for_ever(held)
        self.tracker = NoResourceTracker()
        self.is_over = threading.Event()  # who waits here would wait for a thread that is not here
        self.is_over.set()

    def _untie(self) -> None:
        """Let the run be freed as soon as nobody holds it: what served it does not lead back to it any more."""
        weak = weakref.proxy(self)
        for part in (self.breakpoints, self.task_runner, self._fast_path, self.retention):
            part._loop = weak
        self.guard.retire()
        self.helps = None
        self.home.on_change = None
        self._timers.clear()

    def _begin(self) -> None:
        self.record.started_at = time.time()
        self._watch_files()
        if not self._direct:
            self._session = self.executor.open(self._report, name=f"nbflow-{self.graph.name}")
        self._change_run(Running("Running flow."))
        given: dict[int, int] = {}
        for task, state in self._given.items():
            node = self.graph.index.get(task)
            if node is None:
                continue
            role = self.graph.role[node]
            if role == CLEANUP or (role == SETUP and not isinstance(state, Cached)):
                continue  # resources are set up again
            self.record.states[task] = state = self.task_runner.taken_over(node, state)
            if state.is_finished() and not isinstance(state, (Cached, Mapped)):
                given[node] = verdict_of(state)
                held = self.task_runner.open_resource(node) if self.graph.role[node] == INIT else None
                if held is not None:
                    held.manager = state.result
        children = self._take_over(given)
        self.schedule.note_time(self.clock())
        if self.record.state.is_finished():  # a state handler ended the run before it began
            self.cancelling = True
            for node in self.schedule.cancel():
                self.record.set_task(
                    node, self.record.current(node), Cancelled("The run was ended by a handler.")
                )
        self.schedule.begin(given, children)
        self._given, self._reused = {}, {}

    @staticmethod
    def _watch_files() -> None:
        from nbflow.engine.file_watch import watch  # not at the top: it looks about where Python is installed

        watch()

    def _take_over(self, given: dict[int, int]) -> dict[int, list[int]]:
        """Take over what an earlier run has computed; returns the verdicts of mapped tasks' children."""
        record, now = self.record, time.time()
        children: dict[int, list[int]] = {}
        for task, state in self._reused.items():
            node, old = self.graph.index[task], record.states[task]
            record.states[task] = state
            if isinstance(state, Mapped):
                if any(child is None or not child.is_finished() for child in state.map_states):
                    continue
                children[node] = [verdict_of(child) for child in state.map_states]
            given[node] = verdict_of(state)
            record.log.changed(task, None, old, told(state), 0, now)
        return children

    def _loop(self) -> None:
        schedule, performed, nothing_came = self.schedule, self.performed, self._inbox.empty
        look_at, pop = self.task_runner.look_at, schedule.pop
        take = self._fast_path.take if self._direct else self._submit
        while schedule.unfinished and not self._giving_up:
            while performed:
                self._ended(*performed.popleft())
            while not nothing_came():
                self._take(0)
            if self._giving_up:
                break
            if schedule.finished_maps:
                self._note_maps()
            node = pop()
            if node is not None:
                if not take(node):
                    look_at(node)
            elif not (schedule.is_done or performed):
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
        if self.schedule.is_idle and not (
            self._lingering or (self._outlasting and self.schedule.budget != 0)
        ):
            held = self.schedule.held()
            if not held and self.schedule.budget != 0:
                if self.schedule.open_for_others():
                    return
                raise InternalError(f"run of {self.graph.name!r} cannot go on, although nothing holds it")
            if self._blocking and held and not self.cancelling:
                self._ask_person(held)
                return
            if not (isinstance(self.record.state, (Paused, Cancelling)) or self.record.state.is_finished()):
                self._go_on_as(self.breakpoints.state())
                if self.cancelling:
                    return
                self.limit_hold()
            self._wake_waiters()
        wake = self.schedule.next_wake
        if wake is None and not self._timers:
            self._take(None)
            return
        if self._timers and (wake is None or self._timers[0][0] < wake):
            wake = self._timers[0][0]
        self._take(None if wake is None else max(0.0, wake - self.clock()))
        now = self.clock()
        self.schedule.tick(now)
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def limit_hold(self) -> None:
        """Have the run cancelled when it has been paused for as long as it may, if it is paused now."""
        limit_s, stood_at = self.breakpoints.limit_s, len(self.record.log.events)
        if limit_s is None or not isinstance(self.record.state, Paused):
            return

        def end() -> None:
            if isinstance(self.record.state, Paused) and len(self.record.log.events) == stood_at:
                self.cancel(f"The run stood still for more than {limit_s:g} s.")

        self._after(limit_s, end)

    def _wake_waiters(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set()

    def _ask_person(self, held: list[int]) -> None:
        names = ", ".join(repr(self.schedule.task(node).name) for node in held)
        try:
            self.guard.raises_anywhere = True  # `input` is called by a line of ours
            answer = input(f"task {names} is paused; press Enter to resume it, or type c to cancel the run: ")
        except (EOFError, OSError, RuntimeError, KeyboardInterrupt):
            answer = "c"
        finally:
            self.guard.raises_anywhere = False
        if answer.strip().lower().startswith("c"):
            self.cancel(f"Task {names} is paused, and nobody resumed it.")
        else:
            for node in held:
                self.release(node)

    # -- commands ---------------------------------------------------------------------------------------------

    def go(
        self, command: Callable[..., None], args: tuple[Any, ...] = (), waiter: threading.Event | None = None
    ) -> None:
        """Carry out a command of the scheduler; `waiter` is set when the run next is paused or is over."""
        command(*args)
        if self.schedule.budget != 0:
            self.breakpoints.let_all_go()
        if waiter is not None:
            self._waiters.append(waiter)
        if isinstance(self.record.state, Paused) and self.schedule.budget != 0:
            self._go_on_as(Running("Running flow."))

    def tell_when_still(self, waiter: threading.Event) -> None:
        """Set `waiter` when the run next is paused or is over."""
        self._waiters.append(waiter)

    def mend(
        self,
        command: Callable[..., None],
        args: tuple[Any, ...],
        answer: Answer,
        waiter: threading.Event | None,
    ) -> None:
        """Carry out a command of `breakpoints`; `answer` gets its error, or `waiter` is set as with `go`."""
        try:
            command(*args)
        except NbflowError as error:
            answer.error = error
            waiter = None
        else:
            if isinstance(self.record.state, Paused):
                self._go_on_as(Running("Running flow."))
            if waiter is not None:
                self._waiters.append(waiter)
        finally:
            answer.given.set()

    def release(self, node: int) -> None:
        """Let a paused or held task go on."""
        if not self.breakpoints.let_go(node):
            self.task_runner.resume(node)
        if isinstance(self.record.state, Paused):
            self._go_on_as(Running("Running flow."))

    def cancel(self, reason: str) -> None:
        """Start nothing but cleanups from now on, and ask what runs to stop. Twice is once."""
        if self.cancelling:
            return
        self.cancelling = True
        held, self.breakpoints.at = self.breakpoints.at, {}
        for node in held:  # of those only what has ended stays as it is
            if self.record.current(node).is_finished():
                self.task_runner.end_for_good(node, self.record.current(node))
        if not self.record.state.is_finished():  # else a handler has ended the run, and said how
            self._change_run(Cancelling(reason))
        for node in self.schedule.cancel():
            self.record.set_task(node, self.record.current(node), Cancelled("The run was cancelled."))
        for call in tuple(self.calls.values()):
            call.stop_requested = True
            _stop_runs_of(call)
            self._set_deadlines(call)
        for call in self._outlasting:
            _stop_runs_of(call)

    def _interrupted(self, count: int) -> None:
        """Rule 6: the first interrupt cancels, the second shortens every deadline, the third gives up by name."""
        self.cancel("Interrupted by the user.")
        if not self._direct:
            self._say_what_is_waited_for(count)
        if count == 2:
            self._hurried = True
            self.schedule.shorten_graces()
            for call in tuple(self.calls.values()):
                self._set_deadlines(call)
        elif count > 2:
            self._giving_up = True

    def _say_what_is_waited_for(self, count: int) -> None:
        """Tell the user who has asked to stop what is left to end, and what a further press does; from any thread."""
        calls = [call for call in tuple(self.calls.values()) if call.shielded or call.is_setup]
        if not calls or count >= SHIELDED_INTERRUPTS:
            return
        call, held = calls[0], self.task_runner.open_resource(calls[0].node)
        what = f"{'setup' if call.is_setup else 'cleanup'} of {held.name if held else call.task.name}"
        more = f" and {len(calls) - 1} more" if len(calls) > 1 else ""
        left = "" if count == 1 else f", {HURRIED_S:g} s at most"
        then = "cut it" if call.is_setup or count == 2 else "shorten it"
        text = f"waiting for {what}{more}{left}; press again to {then}\n"
        # Of its own thread: the signal may have come in the middle of a line that writes to the same stream.
        threading.Thread(target=_say, args=(text,), daemon=True).start()

    def _cleanup_limit_s(self, call: Call, *, hurry: bool = False) -> float:
        held = self.task_runner.open_resource(call.node)
        limit_s = held.block.cleanup_timeout_s if held is not None else 0.0
        return min(limit_s, HURRIED_S) if hurry or self._hurried else limit_s

    def _set_deadlines(self, call: Call) -> None:
        """A running call of a cancelled run: when it gets an exception, when nobody waits for it any more."""
        role, hurry = self.schedule.role[call.node], self._hurried
        if role == CLEANUP:
            self._after(self._cleanup_limit_s(call), self._give_up_on, call)
            return
        if call.is_setup:  # left to end, unless the user asks again (rule 13)
            if hurry:
                self._after(HURRIED_S, self._hit, call, TaskCancelled)
                self._after(HURRIED_S + 0.1, self._give_up_on, call)
            return
        self._after(0.0 if hurry else HIT_AFTER_S, self._hit, call, TaskCancelled)
        self._after(0.1 if hurry else LINGER_AFTER_S, self._give_up_on, call)

    def _after(self, delay_s: float, action: Callable[..., None], *args: Any) -> None:
        at = self.clock() + delay_s
        heapq.heappush(self._timers, (at, next(self._timer_number), lambda: action(*args)))

    # -- values -----------------------------------------------------------------------------------------------

    def hand_over(
        self,
        node: int,
        task: Task,
        inputs: dict[str, Any],
        *,
        is_turn: bool = False,
        also: tuple[Any, ...] = (),
    ) -> Watch | None:
        """Have the home of values look at what a call is about to take; see `Values.hand_over`."""
        number = self.schedule.task_of[node]

        def again() -> bool:
            return task.max_retries > 0 or self.breakpoints.may_stand_at(number) or may_ask_again(task.run)

        return self.home.hand_over(
            number,
            self.schedule.child_index[node],
            task.run,
            inputs,
            comes_again=again,
            is_turn=is_turn,
            also=also,
        )

    def keep_value(self, task: Task, value: Any) -> Any:
        """Take in what a call returned; returns what the run goes on with."""
        value = self.home.made(task, value)
        self.retention.made(value)
        return value

    def forget_ahead(self, node: int) -> None:
        """Let go of what was kept for a further attempt of a node that has ended well."""
        if self.home.keeps_ahead:
            number = self.schedule.task_of[node]
            if not self.breakpoints.may_stand_at(number):
                self.home.is_done(number, self.schedule.child_index[node])

    def _note_change(self, task: Task, key: str, source: Task) -> None:
        """Say once that tasks share a value which one of them changes, if nothing says which comes first."""
        others = unordered_takers(self.graph, task, source)
        if others and not task.input_mode and (task, key) not in self._said:
            self._said.add((task, key))
            text = said_of_sharing(task, key, source, others)
            self.record.note(text, task)
            warn_safely(text)

    # -- calls ------------------------------------------------------------------------------------------------

    def call(self, call: Call, *, lifecycle: bool) -> None:
        """Make a call: here in a blocking inline run (and for parameters and constants always), else on a thread."""
        self.calls[call.node] = call
        if self._session is not None and not self.graph.free[self.schedule.task_of[call.node]]:
            if call.task.timeout is not None:
                self._after(call.task.timeout, self._time_out, call)
            if self.cancelling:
                self._set_deadlines(call)
            self._session.submit(call, lifecycle=lifecycle)
            return
        timers: tuple[threading.Timer, ...] = ()
        if call.task.timeout is not None or self.cancelling:
            timers = self._timers_of(call)
        self.guard.call = call
        if self.cancel_wanted and not call.shielded:  # asked for since the inbox was looked at
            call.stop_requested = True
        # Away from the main thread a call of a blocking run is stopped as on a worker: by an exception sent to it.
        needs_hits = self._direct and not self.guard.is_installed
        outcome = perform_on_worker(call) if needs_hits else perform(call)
        call.is_over = True
        self.guard.call = None
        for timer in timers:
            timer.cancel()
        if call.is_overdue:
            outcome = self._overdue(call, outcome)
        self.performed.append((call, outcome))

    def _overdue(self, call: Call, outcome: Outcome) -> Outcome:
        """Return what a call that took too long came to: timed out, also where the task has swallowed that."""
        error, role = outcome.error, self.schedule.role[call.node]
        if role != ORDINARY or isinstance(error, (TaskTimeoutSignal, TaskCancelled)):
            return outcome
        if error is not None and ends_run(error):
            return outcome
        return Outcome(None, timed_out(call.task).result)

    def _submit(self, node: int) -> bool:
        """Hand a node that the scheduler gave to the executor, if it is a simple one."""
        if self._session is None or self.graph.free[self.schedule.task_of[node]]:
            return False
        call = self._fast_path.start(node)
        if call is None:
            return False
        self._session.submit(call, lifecycle=False)
        return True

    def _timers_of(self, call: Call) -> tuple[threading.Timer, ...]:
        """Start what stops a call that the run's own thread makes: nobody else looks at the clock meanwhile."""
        timers = []
        if call.task.timeout is not None:
            timers.append(self._start_timer(call.task.timeout, call, TaskTimeoutSignal, self._time_is_up))
        if self.cancelling and call.shielded:
            timers.append(self._start_timer(self._cleanup_limit_s(call), call, TaskTimeoutSignal))
        return tuple(timers)

    def _ended(self, call: Call, outcome: Outcome) -> None:
        role = self.schedule.role[call.node]
        if self._session is not None and call.thread_id is not None:
            self._session.free(lifecycle=role != ORDINARY)
        if call in self._lingering:
            self._lingering.discard(call)
            if role:  # late, but what it did counts
                self.task_runner.keep_resource(call, role, outcome, state_of_outcome(outcome))
            self.schedule.let_go(call.node)
            return
        del self.calls[call.node]
        if role == ORDINARY and (call.stop_requested or isinstance(outcome.error, TaskTimeoutSignal)):
            _stop_runs_of(call)  # in the run's own thread it was stopped before this was read
        if call.helpers and role == ORDINARY:
            self._outlast(call)
        if call.is_simple and outcome.error is None:
            self._fast_path.end(call, outcome.value)
        else:
            self.task_runner.attempted(call, outcome)
            call.forget()

    def task_raised(self, error: BaseException) -> None:
        """Look at what a task raised: some errors are meant for the caller of the run, once all is cleaned up."""
        if isinstance(error, (TaskCancelled, StateSignal, ENDRUN)):
            return
        if not ends_run(error):
            if self.values.get("raise_on_exception"):
                self._fail(error)
        elif not (isinstance(error, KeyboardInterrupt) and self.guard.count):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.cancel(f"The run was ended by {error_text(error)}.")

    def _time_out(self, call: Call) -> None:
        if self.calls.get(call.node) is call:
            self._let_linger(call, "timed out")
            call.stop_requested = True
            _stop_runs_of(call)
            if self.schedule.role[call.node] == ORDINARY:
                call.hit(TaskTimeoutSignal)
            self.task_runner.finish(call.node, call.task, call, timed_out(call.task))

    def _give_up_on(self, call: Call) -> None:
        """End a task whose thread has not: only its block's cleanup goes on waiting for it (rule 3)."""
        if self.calls.get(call.node) is call:
            self._let_linger(call, "was cancelled")
            if self.schedule.role[call.node] == CLEANUP:
                late = TimeoutError(f"the cleanup task {call.task.name!r} did not end in time")
                self.task_runner.finish(call.node, call.task, call, Failed(str(late), result=late))
            else:
                self.task_runner.finish(call.node, call.task, call, Cancelled("The run was cancelled."))

    def _let_linger(self, call: Call, why: str) -> None:
        del self.calls[call.node]
        self._lingering.add(call)
        _ = call.context  # made now at the latest: a retry that follows counts on
        self.schedule.lingers(call.node)
        text = f"task {call.task.name!r} {why}, but its thread has not let go"
        self.record.note(text, call.task)
        lifetime = self.schedule.lifetime_of(call.node)
        if self.cancelling and lifetime is not None and lifetime.grace_s:
            warn_safely(
                f"{text}; its block's cleanup waits up to {lifetime.grace_s:g} s, or until the next interrupt"
            )

    def _outlast(self, call: Call) -> None:
        """Rule 3: let the cleanup around a task wait for the threads that still work for it (`asyncio.to_thread`)."""
        late = [helper for helper in call.helpers if not helper.done()]
        if not late:
            return
        if self.schedule.lifetime_of(call.node) is None:
            return  # nothing is to be cleaned up behind it
        self._outlasting.add(call)
        self.schedule.lingers(call.node)
        self.record.note(f"task {call.task.name!r} is over, but a thread that it started is not", call.task)
        left = iter(late[1:])

        def follow(_: object) -> None:  # one after the other, whichever ends first
            following = next(left, None)
            if following is None:
                self.post(self._is_outlasted, call)
            else:
                following.add_done_callback(follow)

        late[0].add_done_callback(follow)

    def _is_outlasted(self, call: Call) -> None:
        self._outlasting.discard(call)
        self.schedule.let_go(call.node)

    def is_lingering(self, call: Call) -> bool:
        """Whether a call's task has ended but its thread has not."""
        return call in self._lingering

    # -- user code on the run's thread ------------------------------------------------------------------------

    def in_user_code(
        self, values: dict[str, Any], fn: Callable[..., Any], *args: Any, fallback: State | None = None
    ) -> Any:
        """Call a trigger, handler or validator; what gets out of it ends the run, and stands as a state here."""
        found, error = self.ask(values, fn, *args)
        if error is None:
            return found
        if not (isinstance(error, KeyboardInterrupt) and self.guard.count):
            self._fail(error)
        return fallback if fallback is not None else state_of_error(error)

    def ask(
        self, values: dict[str, Any], fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> tuple[Any, BaseException | None]:
        """Call a function of the user's on the run's thread and return its value, and what it raised."""
        before, born = context.swap(values), forks.generation
        self.guard.in_user_code = True
        try:
            found = fn(*args, **kwargs)
            if forks.generation != born:
                forks.end_child(None)
            return found, None
        except BaseException as error:  # noqa: BLE001 - the caller decides
            if forks.generation != born:
                forks.end_child(error)
            self.guard.in_user_code = False
            return None, error
        finally:
            self.guard.in_user_code = False
            context.swap(before)

    def lifetime_setups(self, node: int) -> set[Task]:
        """Return the init and setup tasks around a node that may not have ended, although it is looked at already."""
        lifetime = self.schedule.lifetime_around(node)
        found: set[Task] = set()
        while lifetime is not None:
            if not lifetime.resolved:
                made_by = (lifetime.init, lifetime.setup) if lifetime.setup >= 0 else (lifetime.init,)
                found.update(self.schedule.task(one) for one in made_by)
            lifetime = lifetime.outer
        return found

    def _change_run(self, state: State) -> None:
        old = self.record.state
        handlers = self.flow.state_handlers
        if handlers:
            state = self.in_user_code(
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

    # -- the end ----------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Whatever happened: nothing stays open unnamed, and the run gets its final state."""
        self._take_late_outcomes()
        for held in self.record.open_resources.owing():
            if self._giving_up:
                self.task_runner.leak(held, None, "given up by the user's third interrupt", abandoned=True)
                continue
            # Only for a setup that came at the last moment, or after a failure of the loop itself.
            self.record.set_block(held, BlockStatus.CLOSING)
            error = self._clean_up(held, at_end=True)
            if error is not None:
                self.task_runner.leak(held, error, None)
            else:
                self.record.open_resources.closed(held)
                self.record.set_block(held, held.cleaned())
        if self.failure is not None or self._giving_up:
            self._name_unended()
        if self._session is not None:
            self._session.close(0.0 if self._giving_up else CLOSE_TIMEOUT_S)
        else:
            close_loop()
        self._event_loop.close(0.0 if self._giving_up else CLOSE_TIMEOUT_S)
        self.record.open_resources.leave_contexts()
        self.tracker.flush()
        self._note_values()
        self.record.ended_at = time.time()
        self._change_run(self._final_state())

    def _end_anyway(self, error: BaseException) -> None:
        """Rule 17: when even the end has failed, name what may be left and give the run a final state."""
        for held in self.record.open_resources.owing():
            try:
                self.task_runner.leak(held, error, None)
            except BaseException as another:  # noqa: BLE001 - as the one before
                warn_safely(f"what became of {held.name!r} could not be noted: {error_text(another)}")
        if not self.record.state.is_finished():
            failed = Failed(f"The run itself failed: {error_text(error)}", result=error)
            failed.result = dict(self.record.states)
            self.record.set_run(failed)

    def _note_values(self) -> None:
        """Know values and files as the run leaves them; a run that was given up does not look any more.

        Whatever a user's value does when it is looked at, the run gets its final state.
        """
        if self._giving_up:
            return
        try:
            for text in (*self.home.finish(), *self._said_of_missed()):
                self.record.note(text)
                warn_safely(text)
            self.record.files.end()
        except BaseException as error:  # noqa: BLE001 - all is cleaned up, and the run is to end
            warn_safely(f"what the run leaves could not be looked at: {error_text(error)}")

    def _said_of_missed(self) -> list[str]:
        """Return what to say of tasks that were taken over, and would take something else by now."""
        if not self.home.objects.has_changes:
            return []
        reuse = Reuse(self.graph, self.graph.tasks, self.home, self.record.states, self.draws)
        missed = [f"{self.graph.tasks[node].name!r} {why}" for node, why in reuse.missed().items()]
        return [f"{text}: it is stale, and a rerun of what is stale runs it" for text in missed]

    def _take_late_outcomes(self) -> None:
        """Take what threads have reported since the loop ended; what comes later goes to `_came_too_late`.

        After a failure of the loop itself, the threads are first given a moment to let go of the resources.
        """
        while self.performed:  # made here, and not looked at any more
            self._keep_late(*self.performed.popleft())
        until = self.clock() + (0.0 if self.schedule.is_done or self._giving_up else LINGER_AFTER_S)
        for call in tuple(self.calls.values()):
            call.stop_requested = True
            if (
                self._giving_up and call.is_setup
            ):  # what still runs is cut, and has a moment to say what is left
                call.hit(TaskCancelled)
                until = self.clock() + HIT_AFTER_S
        while True:
            wait_s = until - self.clock() if self._session is not None and self.calls else 0.0
            with self._closing:
                if wait_s <= 0:
                    self._closed = True
            try:
                action, args = self._inbox.get(wait_s > 0, max(wait_s, 0.0))
            except Empty:
                if self._closed:
                    return
                continue
            if action == self._ended:
                self._keep_late(*args)

    def _keep_late(self, call: Call, outcome: Outcome) -> None:
        if self.calls.get(call.node) is call:
            del self.calls[call.node]
        role = self.schedule.role[call.node]
        if role:
            self.task_runner.keep_resource(call, role, outcome, state_of_outcome(outcome))

    def _name_unended(self) -> None:
        """Leave no task that seems to run in a run that is over (it failed itself, or was given up)."""
        for node, phase in enumerate(self.schedule.phase):
            if phase not in (DONE, EXPANDED):
                self.record.set_task(
                    node, self.record.current(node), Cancelled("The run ended before this task.")
                )

    def _final_state(self) -> State:
        states, graph = self.record.states, self.graph
        if isinstance(self.failure, Exception) and not self.values.get("raise_on_exception"):
            return Failed(f"The run itself failed: {error_text(self.failure)}", result=self.failure)
        if self.record.state.is_finished():
            state = self.record.state
        elif self.cancelling:
            state = Cancelled(self.record.state.message or "The run was cancelled.")
        else:
            state = final_state(
                {task: states[task] for task in graph.reference},
                {task: states[task] for task in graph.terminal},
            )
        must_clean = [
            block for block in self.record.open_resources.failures() if block.cleanup_failure == "fail"
        ]
        if must_clean and not state.is_failed():
            state = Failed(f"The cleanup of {must_clean[0].name!r} failed.")
        state.result = dict(states)
        handler = getattr(self.flow, "terminal_state_handler", None)
        if handler is not None:
            reference = {states[task] for task in graph.reference}
            state = self.in_user_code(
                self.values.copy(),
                call_terminal_handler,
                handler,
                self.flow,
                state,
                reference,
                fallback=state,
            )
        return state
