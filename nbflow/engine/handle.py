"""The handle of a run: what a user, a magic or a button holds while tasks are run, and looks at afterwards."""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Paused, State
from nbflow.engine.blocks import BlockStatus
from nbflow.engine.interrupts import Guard
from nbflow.engine.termination import Terminator
from nbflow.errors import NothingToStepError, RunNotFinishedError, UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.capture import TaskLog
    from nbflow.engine.events import Event, Listener
    from nbflow.engine.frozen import FrozenGraph
    from nbflow.engine.run import RunLoop

_SLICE_S = 0.25
_PATIENCE = 3  # the third interrupt gives the resources up; the fourth does not even wait for that
_EXIT_BUDGET_S = 2.0  # a kernel manager leaves 2.5 s before it kills

_live: weakref.WeakSet[Run] = weakref.WeakSet()


class Run:
    """One execution of a flow; made by `Flow.start` (in the background) and `Flow.run`.

    All methods may be called from any thread. Those that wait can be interrupted: the run is then cancelled
    cleanly, and KeyboardInterrupt is raised when everything is cleaned up.

    Attributes:
        id: A short text, unique.
        number: 1 for the first run of its flow, and so on.
        flow: The flow.
        graph: The graph it was started with; later changes of the flow do not touch it.
        parameters: The values it was started with.

    Example:
        >>> from nbflow import Flow, task
        >>> with Flow("sum") as flow:
        ...     total = task(lambda: 1 + 1)()
        >>> run = flow.start(paused=True)
        >>> run.step()
        <Success: "Task run succeeded.">
        >>> run.wait().is_successful(), run.results[total]
        (True, 2)
    """

    def __init__(self, loop: RunLoop, flow: Any, number: int, parameters: dict[str, Any]) -> None:
        self.id = loop.record.id
        self.number = number
        self.flow = flow
        self.graph: FrozenGraph = loop.graph
        self.parameters = parameters
        self._loop = loop
        self._record = loop.record
        self._thread: threading.Thread | None = None
        self._retrying = threading.Lock()

    def __repr__(self) -> str:
        return f"<Run {self.number} of {self.graph.name!r}: {type(self.state).__name__}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.flow.bundle_of(self)  # type: ignore[no-any-return]

    # -- what is known ----------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state of the run, from Running (Paused when it stands still) to the final one."""
        return self._record.state

    @property
    def states(self) -> dict[Task, State]:
        """The state of each task, live; those of mapped children are in their task's `map_states`."""
        return self._record.states

    @property
    def results(self) -> dict[Task, Any]:
        """The results of the tasks that have ended well."""
        return {task: state.result for task, state in self.states.items() if state.is_successful()}

    @property
    def is_finished(self) -> bool:
        """Whether the run is over and everything cleaned up, or named as left."""
        return self._loop.is_over.is_set()

    @property
    def is_paused(self) -> bool:
        """Whether the run stands still, with its resources open."""
        return isinstance(self.state, Paused) and not self.is_finished

    @property
    def events(self) -> list[Event]:
        """All events so far, in order."""
        return list(self._record.log.events)

    @property
    def block_status(self) -> dict[Block, BlockStatus]:
        """Where each block's resource is in its life."""
        return {block: self._record.holdings.status(block) for block in self.graph.blocks}

    @property
    def open_resources(self) -> list[str]:
        """The names of the resources that are open now, opened last first."""
        return [held.name for held in self._record.holdings.owing()]

    @property
    def cleanup_failures(self) -> dict[Block, BaseException]:
        """The error of each block whose cleanup failed, so that its resource may be left."""
        return self._record.holdings.failures()

    @property
    def timings(self) -> dict[Task, tuple[float, float | None]]:
        """When each task was first started and when it ended, in seconds since the epoch."""
        return self._record.timings

    @property
    def logs(self) -> dict[Task, TaskLog]:
        """What each task printed, logged and warned, as `LogLine` tuples in order; empty for one that was silent."""
        return self._record.logs

    @property
    def started_at(self) -> float | None:
        """When the run began, in seconds since the epoch."""
        return self._record.started_at

    @property
    def ended_at(self) -> float | None:
        """When the run ended, in seconds since the epoch."""
        return self._record.ended_at

    @property
    def next_task(self) -> Task | None:
        """The task that `step` would start, as far as is known; None if there is none just now."""
        if self.is_finished:
            return None
        schedule = self._loop.schedule
        node = schedule.peek()
        return None if node is None else self.graph.tasks[schedule.task_of[node]]

    def text(self) -> str:
        """Return a plain table of the tasks and their states."""
        return self.flow.table_of(self)  # type: ignore[no-any-return]

    def panel(self) -> Any:
        """Return a live panel of this run, which stays with it."""
        return self.flow.panel_of(self)

    def listen(self, listener: Listener, *, replay: bool = False) -> Callable[[], None]:
        """Call `listener(event)` for each event, on the run's thread; returns a function that ends this.

        Args:
            listener: Should be quick; if it raises it is dropped with a warning.
            replay: Whether to tell the events so far first, on the caller's thread. `Event.seq` shows the order.
        """
        return self._record.log.listen(listener, replay=replay)

    # -- commands ---------------------------------------------------------------------------------------------

    def step(self) -> State:
        """Run the next task (a whole map counts as one), stand still again, and return its state.

        Raises:
            NothingToStepError: If the run is over.
        """
        return self._step(self._loop.schedule.step)

    def step_nowait(self) -> None:
        """Ask for one more step and return at once; each call counts.

        Raises:
            NothingToStepError: If the run is over.
        """
        self._refuse_if_over()
        self._loop.post(self._loop.go, self._loop.schedule.step)

    def step_block(self) -> State:
        """Run to the end of the current block, its cleanup included; returns the state of the task ended last.

        The current block is the one opened last; if none is open, the one that opens next.

        Raises:
            NothingToStepError: If the run is over.
        """
        return self._step(self._loop.schedule.step_block)

    def until(self, task: Task) -> State:
        """Run up to and including `task`, stand still again, and return its state.

        Raises:
            UnknownTaskError: If the run has no such task.
            NothingToStepError: If the run is over, or `task` has ended already.
        """
        node = self._node(task)
        if self.states[task].is_finished():
            raise NothingToStepError(
                f"task {task.name!r} has ended already ({type(self.states[task]).__name__})"
            )
        self._step(self._loop.schedule.run_until, node)
        return self.states[task]

    def pause(self) -> None:
        """Start no more tasks; those that run go on, and the resources stay open."""
        self._loop.post(self._loop.go, self._loop.schedule.pause)

    def resume(self, task: Task | None = None) -> None:
        """Go on: with the whole run, or with one task that is Paused."""
        if task is None:
            self._loop.post(self._resume_all)
        else:
            self._loop.post(self._loop.release, self._node(task))

    def cancel(self, reason: str = "Cancelled by the user.") -> None:
        """Start nothing more, ask the running tasks to stop, clean up; returns at once. Twice is once."""
        self._loop.request_cancel(reason)

    def wait(self, timeout_s: float | None = None) -> State:
        """Wait until the run is over and return its final state (or its present one, when time is up).

        A run that stands still is not over: without a limit this waits until somebody resumes or cancels it.

        Raises:
            KeyboardInterrupt: If interrupted; the run is cancelled and cleaned up first.
        """
        self._wait(self._loop.is_over, timeout_s)
        return self.state

    def rerun(self, **parameters: Any) -> Run:
        """Run the flow anew, as a new run, with the same parameters unless others are given.

        This run is cancelled and cleaned up first if it is still going.
        """
        if not self.is_finished:
            self.cancel("Replaced by a rerun.")
            self.wait()
        return self.flow.start(executor=self._loop.executor, **{**self.parameters, **parameters})  # type: ignore[no-any-return]

    def retry_cleanup(self) -> dict[Block, BaseException]:
        """Try again, in the caller's thread, each cleanup that failed; returns the errors that are left (rule 7).

        What was cleaned up is not touched. The run's state stays as it is.

        Raises:
            RunNotFinishedError: If the run is not over.
            KeyboardInterrupt: If interrupted; the resource that it met counts as left.
        """
        if not self.is_finished:
            raise RunNotFinishedError(self.number, self.graph.name)
        with self._retrying:
            for held in self._record.holdings.failed():
                held.error = self._loop.clean_again(held)
                if held.error is None:
                    self._record.set_block(held, BlockStatus.CLEANED)
                elif not isinstance(held.error, Exception):  # the stop button, most likely
                    raise held.error
        return self.cleanup_failures

    # -- inside -----------------------------------------------------------------------------------------------

    def _node(self, task: Task) -> int:
        if task not in self.graph.index:
            raise UnknownTaskError(task, self.graph.name)
        return self.graph.index[task]

    def _resume_all(self) -> None:
        for node in self._loop.schedule.held():
            self._loop.release(node)
        self._loop.go(self._loop.schedule.resume)

    def _refuse_if_over(self) -> None:
        if self.is_finished:
            raise NothingToStepError(
                f"run {self.number} of {self.graph.name!r} is over ({type(self.state).__name__}); "
                "start another one to step through it"
            )

    def _step(self, command: Callable[..., None], *args: Any) -> State:
        self._refuse_if_over()
        seen = len(self._record.log.events)
        waiter = threading.Event()
        self._loop.post(self._loop.go, command, args, waiter)
        self._wait(waiter)
        ended = [
            event.state for event in self._record.log.events[seen:] if event.kind == "task" and event.state
        ]
        return ended[-1] if ended else self.state

    def _wait(self, event: threading.Event, timeout_s: float | None = None) -> None:
        if event.is_set() or threading.current_thread() is self._thread:
            return
        guard = Guard(self._loop.note_interrupt)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with guard.installed():
            # In slices: our handler only counts, and a run whose own thread hangs must not hold the user for ever.
            while not event.wait(
                _SLICE_S if until is None else min(_SLICE_S, max(0.0, until - time.monotonic()))
            ):
                if self.is_finished:  # the run ended without reading the command whose end is waited for
                    break
                if guard.count:
                    event, until = self._loop.is_over, None
                if guard.count > _PATIENCE or (until is not None and time.monotonic() >= until):
                    break
        guard.pass_on()

    def begin(self) -> None:
        """Perform the run on a thread of its own; called once, by the flow."""
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._loop.work,),
            name=f"nbflow-run-{self.graph.name}-{self.number}",
            daemon=True,
        )
        if not _live:
            atexit.register(finish_live_runs)
        _terminator.watch()
        _live.add(self)
        self._thread.start()

    def work(self) -> State:
        """Perform the run in the caller's thread and return its final state; called once, by the flow.

        Raises:
            BaseException: What a task raised that is not an error of its own: KeyboardInterrupt, SystemExit, or
                any error under ``context.raise_on_exception``. Everything is cleaned up before.
        """
        self._loop.work()
        self._loop.guard.pass_on()
        if self._loop.failure is not None:
            raise self._loop.failure
        return self.state


def live_runs() -> list[Run]:
    """Return the background runs that are not over."""
    return [run for run in _live if not run.is_finished]


_terminator = Terminator(live_runs)


def finish_live_runs() -> None:
    """Cancel what still runs when the interpreter or its kernel ends, and give the cleanups the time there is."""
    atexit.unregister(finish_live_runs)
    until = time.monotonic() + _EXIT_BUDGET_S
    runs = live_runs()
    for run in runs:
        run.cancel("The kernel ended.")
    for run in runs:
        run.wait(max(0.0, until - time.monotonic()))
