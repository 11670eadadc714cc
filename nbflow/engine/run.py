"""The handle of a run: what a user, a magic or a button holds while tasks are run, and looks at afterwards."""

from __future__ import annotations

import atexit
import functools
import sys
import threading
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.codehash.code_fingerprint import fingerprint_of
from nbflow.core.context import context_without_work
from nbflow.core.states import Mapped, Paused, State
from nbflow.engine.breakpoints import (
    AFTER,
    BEFORE,
    EDITED,
    PINNED,
    Breakpoint,
    check_condition,
    why_no_value,
)
from nbflow.engine.compare import Comparison, compare
from nbflow.engine.compiled_graph import CLEANUP
from nbflow.engine.events import told, warn_safely
from nbflow.engine.forks import in_child
from nbflow.engine.given_parameters import START_OPTIONS, takes_parameters
from nbflow.engine.interrupts import Guard
from nbflow.engine.nodes import DONE
from nbflow.engine.pause import Answer
from nbflow.engine.renewal import warn_of_rivals
from nbflow.engine.rerun_selection import ALL
from nbflow.engine.results import Results
from nbflow.engine.retention import FORGOTTEN
from nbflow.engine.run_history import CodeNotes, match
from nbflow.engine.termination import THREADS_S, Terminator, wait_for_cleanups
from nbflow.errors import (
    BreakpointError,
    CleanupRunningError,
    NotHeldError,
    NothingToStepError,
    OptionError,
    RunNotFinishedError,
    SetResultError,
    UnknownTaskError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.capture import TaskLog
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.events import Event, Listener
    from nbflow.engine.executor import Executor
    from nbflow.engine.file_record import FileRecord
    from nbflow.engine.files import TaskFiles
    from nbflow.engine.open_resources import BlockStatus
    from nbflow.engine.plan import Plan
    from nbflow.engine.run_loop import RunLoop
    from nbflow.engine.value_facts import ValueFacts

_SLICE_S = 0.25
_PATIENCE = 3  # the third interrupt gives the resources up; the fourth does not even wait for that
_AFTER_THREADS_S = 1.0  # for a run that has given its threads up to begin its cleanups

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
        plan: What it does, if it is a rerun.
        code: What is known of its tasks' code, to tell what is stale.

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

    blocks_aside: ClassVar[Callable[[Run], None] | None] = (
        None  # set by the notebook: told of runs on other threads
    )
    debugger: ClassVar[Callable[[TracebackType], object] | None] = None  # set by the notebook: IPython's

    def __init__(self, loop: RunLoop, flow: Any, number: int, parameters: dict[str, Any]) -> None:
        self.id = loop.record.id
        self.number = number
        self.flow = flow
        self.graph: CompiledGraph = loop.graph
        self.parameters = parameters
        self._loop = loop
        self._record = loop.record
        self.home = loop.home
        self.draws = loop.draws
        self.plan: Plan | None = None
        self.code = CodeNotes(loop.graph.tasks)
        loop.on_end = self.code.settle
        self._thread: threading.Thread | None = None
        self._retrying = threading.Lock()
        self._breakpoints: dict[Task, tuple[Breakpoint, ...]] = {}

    def __repr__(self) -> str:
        return f"<Run {self.number} of {self.graph.name!r}: {type(self.state).__name__}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.flow._bundle_of(self)  # type: ignore[no-any-return]

    # -- what is known ----------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state of the run, from Running (Paused when it is paused) to the final one."""
        return self._record.state

    @property
    def states(self) -> dict[Task, State]:
        """The state of each task, live; those of mapped children are in their task's `map_states`."""
        return self._record.states

    @property
    def results(self) -> Mapping[Task, Any]:
        """The results of the tasks that have ended well.

        Reading one that was given back raises `ValueReleasedError`; `facts` says what is known of it.
        """
        return Results(self.states)

    @property
    def facts(self) -> dict[Task, ValueFacts]:
        """What is known of each value, also of those that were given back: type, size, length, fingerprint, source."""
        found = ((task, self._loop.retention.known(task)) for task in self.states)
        return {task: facts for task, facts in found if facts is not None}

    @property
    def held_bytes(self) -> int:
        """How many bytes of memory the values of the run take, estimated; what tasks share counts once."""
        return self._loop.retention.held_bytes()

    def forget(self) -> None:
        """Give the values of the run back; states, times, logs and facts stay.

        Raises:
            RunNotFinishedError: If the run is not over.

        Example:
            >>> from nbflow import Flow, task
            >>> with Flow("rows") as flow:
            ...     rows = task(lambda: [1, 2], name="rows")()
            >>> run = flow.start()
            >>> _ = run.wait()
            >>> run.forget()
            >>> run.facts[rows].length, run.facts[rows].where
            (2, 'released')
        """
        if not self.is_finished:
            raise RunNotFinishedError(self.number, self.graph.name)
        self.release(FORGOTTEN)

    @property
    def is_released(self) -> bool:
        """Whether its values were given back as a whole."""
        return self._loop.retention.is_released

    def release(self, why: str) -> None:
        """Give all values back; for the flow and `forget`."""
        self._loop.retention.release_all(why)

    @property
    def is_finished(self) -> bool:
        """Whether the run is over and everything cleaned up, or named as left."""
        return self._loop.is_over.is_set()

    @property
    def is_paused(self) -> bool:
        """Whether the run is paused, with its resources open."""
        return isinstance(self.state, Paused) and not self.is_finished

    @property
    def events(self) -> list[Event]:
        """All events so far, in order."""
        return list(self._record.log.events)

    @property
    def block_status(self) -> dict[Block, BlockStatus]:
        """Where each block's resource is in its life."""
        return {block: self._record.open_resources.status(block) for block in self.graph.blocks}

    @property
    def open_resources(self) -> list[str]:
        """The names of the resources that are open now, opened last first."""
        return [held.name for held in self._record.open_resources.owing()]

    @property
    def cleanup_failures(self) -> dict[Block, BaseException]:
        """The error of each block whose cleanup failed, so that its resource may be left."""
        return self._record.open_resources.failures()

    @property
    def timings(self) -> dict[Task, tuple[float, float | None]]:
        """When each task was first started and when it ended, in seconds since the epoch."""
        return self._record.timings

    @property
    def logs(self) -> dict[Task, TaskLog]:
        """What each task printed, logged and warned, as `LogLine` tuples in order; empty for one that was silent."""
        return self._record.logs

    @property
    def file_record(self) -> FileRecord:
        """What is known of the files of its tasks, for reruns."""
        return self._record.files

    @property
    def files(self) -> dict[Task, TaskFiles]:
        """The files that each task opened: `inputs` and `outputs`, by absolute path; empty ones are left out."""
        return self._record.files.tasks()

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
        return None if node is None else schedule.task(node)

    def text(self) -> str:
        """Return a plain table of the tasks and their states."""
        return self.flow._table_of(self)  # type: ignore[no-any-return]

    def panel(self) -> Any:
        """Return a live panel of this run, which stays with it."""
        return self.flow._panel_of(self)

    def listen(self, listener: Listener, *, replay: bool = False) -> Callable[[], None]:
        """Call `listener(event)` for each event, on the run's thread; returns a function that ends this.

        Args:
            listener: Should be quick; if it raises it is dropped with a warning.
            replay: Whether to tell the events so far first, on the caller's thread. `Event.seq` shows the order.
        """
        return self._record.log.listen(listener, replay=replay)

    # -- commands ---------------------------------------------------------------------------------------------

    def step(self, *, into: bool = False) -> State:
        """Run the next task, pause again, and return its state.

        Args:
            into: Whether to stop at each child of a mapped task; otherwise a whole map counts as one.

        Raises:
            NothingToStepError: If the run is over.
        """
        return self._step(functools.partial(self._loop.schedule.step, into=into))

    def step_nowait(self) -> None:
        """Ask for one more step and return at once; each call counts.

        Raises:
            NothingToStepError: If the run is over.
        """
        self._refuse_if_over()
        self._loop.post(self._loop.pause.go, self._loop.schedule.step)

    def step_block(self) -> State:
        """Run to the end of the current block, its cleanup included; returns the state of the task ended last.

        The current block is the one opened last; if none is open, the one that opens next.

        Raises:
            NothingToStepError: If the run is over.
        """
        return self._step(self._loop.schedule.step_block)

    def step_block_nowait(self) -> None:
        """Ask for what `step_block` does and return at once.

        Raises:
            NothingToStepError: If the run is over.
        """
        self._refuse_if_over()
        self._loop.post(self._loop.pause.go, self._loop.schedule.step_block)

    def until(self, task: Task) -> State:
        """Run up to and including `task`, stand still again, and return its state.

        Raises:
            UnknownTaskError: If the run has no such task.
            NothingToStepError: If the run is over, or `task` has ended already.
        """
        node = self._node(task)
        # By its phase: a mapped task has a finished state while its children still run.
        if self._loop.schedule.phase[node] == DONE:
            raise NothingToStepError(
                f"task {task.name!r} has ended already ({type(self.states[task]).__name__})"
            )
        self._step(self._loop.schedule.run_until, node)
        return self.states[task]

    def pause(self) -> None:
        """Start no more tasks; those that run go on, and the resources stay open."""
        self._loop.post(self._loop.pause.go, self._loop.schedule.pause)

    def resume(self, task: Task | None = None) -> None:
        """Go on: with the whole run, or with one task that is Paused."""
        if task is None:
            self._loop.post(self._resume_all)
        else:
            self._loop.post(self._loop.pause.release, self._node(task))

    # -- held: looking and fixing -----------------------------------------------------------------------------

    @property
    def hold_on_failure(self) -> bool:
        """Whether the run is paused when a task fails, with its resources open; may be set at any time."""
        return self._loop.breakpoints.on_failure

    @hold_on_failure.setter
    def hold_on_failure(self, value: bool) -> None:
        self._loop.breakpoints.on_failure = bool(value)

    @property
    def hold_limit_s(self) -> float | None:
        """After how many seconds of being paused the run is cancelled and cleaned up; None: never."""
        return self._loop.breakpoints.limit_s

    @hold_limit_s.setter
    def hold_limit_s(self, value: float | None) -> None:
        if value is not None and value <= 0:
            raise OptionError(f"hold_limit_s is {value!r}; give seconds above 0, or None for no limit")
        self._loop.breakpoints.limit_s = value
        self._loop.post(self._loop.pause.limit)  # it may be paused already

    @property
    def held(self) -> list[Task]:
        """The tasks at which the run is paused: failed, or at a breakpoint."""
        schedule = self._loop.schedule
        nodes = tuple(self._loop.breakpoints.at)
        return list(dict.fromkeys(schedule.task(node) for node in nodes))

    def break_at(self, task: Task, when: Callable[..., object] | None = None, *, after: bool = False) -> None:
        """Stand still before `task` (or `after` it has ended well), with the resources open.

        `step`, `until` and `resume` go on from there.

        Args:
            task: A task of this run; of a mapped one each child is looked at.
            when: Only where this is true of the task's inputs: a function whose parameters are named like
                arguments of the task. If it raises, the run is paused and a note says so.
            after: Whether to pause after it.

        Raises:
            UnknownTaskError: If the run has no such task.
            BreakpointError: If it is a cleanup, or `when` asks for what the task does not take.
        """
        number = self._node(task)
        if self.graph.role[number] == CLEANUP:
            raise BreakpointError(task.name, "a cleanup is never held up")
        if when is not None:
            if after:
                raise BreakpointError(task.name, "a condition is about the inputs; leave out `after`")
            keys = {edge.key for edge in self.graph.edges_in[number] if edge.key is not None}
            check_condition(when, task, keys | set(self.graph.constants.get(task, ())))
        made = Breakpoint(AFTER if after else BEFORE, when)
        self._breakpoints[task] = (*self._breakpoints.get(task, ()), made)
        self._loop.post(self._loop.breakpoints.break_at, number, made)

    def clear_break(self, task: Task) -> None:
        """Forget the breakpoints at `task`.

        Raises:
            UnknownTaskError: If the run has no such task.
        """
        number = self._node(task)
        self._breakpoints.pop(task, None)
        self._loop.post(self._loop.breakpoints.clear_break, number)

    @property
    def breakpoints(self) -> dict[Task, tuple[Breakpoint, ...]]:
        """The breakpoints that were set and not cleared: `place`, "before" or "after" the task, and the condition."""
        return dict(self._breakpoints)

    def retry(self, task: Task, index: int | None = None, *, wait: bool = True) -> State:
        """Run a held task again and return its state; the run then stands still again.

        The task gets the newest definition of its function; functions that it calls are looked up by name and are the
        newest anyway.

        Args:
            task: A task at which the run is paused.
            index: Which child of a mapped task; the first that is held unless given.
            wait: Whether to wait for its end; otherwise the state is that of the moment.

        Raises:
            NotHeldError: If the run is not paused at it.
            RetryError: If the newest definition does not take the task's inputs.
        """
        warn_of_rivals([task])
        node = self._child(task, index)
        self._fix(self._loop.held_tasks.retry, node, waits=wait)
        self.code.note(task)
        return self._loop.record.current(node)

    def set_result(self, task: Task, value: object, index: int | None = None) -> None:
        """Give a task a value in place of what it would return or has returned; shown as "edited".

        Raises:
            SetResultError: If it is running, or what takes its value has begun already.
            UnknownTaskError: If the run has no such task, or no such child of it.
        """
        self._fix(self._loop.held_tasks.set_result, self._child(task, index), value)

    def skip(self, task: Task, index: int | None = None) -> None:
        """Leave out a task that has not run; of a held one that failed, go on as if it had been left out.

        Raises:
            SetResultError: If it is running or has ended.
            UnknownTaskError: If the run has no such task, or no such child of it.
        """
        self._fix(self._loop.held_tasks.skip, self._child(task, index))

    def pin(self, task: Task) -> None:
        """Keep the value of a task that has ended well: a rerun takes it over, whatever has changed.

        A mapped task is kept with all of its children.

        Raises:
            UnknownTaskError: If the run has no such task.
            SetResultError: If it has no value, or a child of it has none.
        """
        self._node(task)
        if why := why_no_value(self.states[task]):
            raise SetResultError(task.name, why)
        self.home.keep_original(task, self.states[task].result)
        if self._record.sources.get(task) == EDITED:
            self.home.set_by_user.add(task)  # its own function does not make this value
        self._record.sources[task] = PINNED

    @property
    def sources(self) -> dict[Task, str]:
        """Where each value comes from: "computed", "cached", "reused", "edited" or "pinned"."""
        known = self._record.sources
        return {
            task: known.get(task, "computed") for task, state in self.states.items() if state.is_successful()
        }

    def source_of(self, task: Task) -> str:
        """Return where the value of one task comes from, as in `sources`; for drawings, which ask for each change."""
        return self._record.sources.get(task, "computed")

    def inputs(self, task: Task, index: int | None = None) -> dict[str, Any]:
        """Return what a task is given, by argument: its upstream values as they are now.

        Raises:
            UnknownTaskError: If the run has no such task, or no such child of it.
        """
        node = self._child(task, index)
        schedule = self._loop.schedule
        return self._loop.inputs.values(schedule.task_of[node], schedule.child_index[node])

    def debug(self, task: Task, index: int | None = None) -> None:
        """Open the post-mortem debugger where a task failed; in a held run its resources are still open.

        Raises:
            UnknownTaskError: If the run has no such task, or no such child of it.
            NotHeldError: If it has not failed with an exception.
        """
        state = self._record.current(self._child(task, index))
        error = state.result if state.is_failed() else None
        if not isinstance(error, BaseException) or error.__traceback__ is None:
            raise NotHeldError(task.name, f"{type(state).__name__}, without an exception to look at")
        if Run.debugger is not None:
            Run.debugger(error.__traceback__)
            return
        import pdb  # the plain one, where there is no notebook

        pdb.post_mortem(error.__traceback__)

    def cancel(self, reason: str = "Cancelled by the user.") -> None:
        """Start nothing more, ask the running tasks to stop, clean up; returns at once. Twice is once."""
        self._loop.request_cancel(reason)

    def wait(self, timeout_s: float | None = None, *, or_held: bool = False) -> State:
        """Wait until the run is over and return its final state (or its present one, when time is up).

        Args:
            timeout_s: How long to wait, in seconds; None: without a limit.
            or_held: Whether to return as soon as the run is paused, too. Otherwise a run that is paused is
                waited for until somebody resumes or cancels it.

        Raises:
            KeyboardInterrupt: If interrupted; the run is cancelled and cleaned up first.
        """
        waiter = self._loop.is_over
        if or_held:
            waiter = threading.Event()
            self._loop.post(self._loop.pause.tell, waiter)
        self._wait(waiter, timeout_s)
        if self.is_finished and self._loop.at_end is not None:
            self._loop.at_end()  # once more: the caller may have held an earlier run when this one ended
        return self.state

    @takes_parameters(*START_OPTIONS)
    def rerun(
        self, what: str | Iterable[Task | Block] | Task | Block = "all", dry: bool = False, **parameters: Any
    ) -> Any:
        """Run again, as a new run, what is asked for and what follows from it; the other values are taken over.

        This run is cancelled and cleaned up first if it is still going. The new one has the same parameters unless
        others are given, which runs what depends on them. Unless all is run, the tasks get the newest definitions of
        their functions.

        Args:
            what: "all"; "failed" (with what was cancelled or not reached); "stale" (code or inputs have changed, or
                there is no good result); or tasks and blocks.
            dry: Whether to return the `Plan` and do nothing.
            **parameters: Values of parameters; options of `Flow.start`, such as `paused`, and `parameters`, a
                dictionary that says what is a parameter where one has the name of an option.

        Returns:
            The new run, or the plan.

        Raises:
            RerunError: If `what` is none of these.
            NothingToRerunError: If nothing would run.
            UnknownTaskError: If the flow has no such task, or no longer.
            ParameterError, ValueError: As for `Flow.start`.
            RetryError: If the newest definition of a function does not take its task's inputs.

        Example:
            >>> from nbflow import Flow, Parameter, task
            >>> with Flow("sum") as flow:
            ...     doubled = task(lambda x: 2 * x, name="double")(Parameter("x", default=1))
            ...     total = task(lambda y: y + 1, name="add")(doubled)
            >>> run = flow.start()
            >>> _ = run.wait()
            >>> print(run.rerun([total], dry=True).text())
            plan of 'sum', going on from run 1: 1 task runs, 1 reused
              double  reused  computed in run 1
              add     runs    asked for
            >>> run.rerun(x=5).wait().result[total].result
            11
        """
        return self.flow._rerun_of(self, what, dry, parameters)

    def follow(self, plan: Plan) -> None:
        """Take over from an earlier run what `plan` says; called once, by the flow, before the run begins."""
        # The states taken over are the run's own now: the plan would keep them when they are given back.
        self.plan = replace(plan, reused={task: told(state) for task, state in plan.reused.items()})
        for text in plan.lost:
            self._record.note(text)
            warn_safely(text)
        earlier = plan.previous
        if isinstance(earlier, Run):
            taken_over = {step.task for step in plan.steps if not step.runs or step.children is not None}
            pairs = zip(self.graph.tasks, match(self.graph, earlier.graph), strict=True)
            known = {task: old for task, old in pairs if old is not None}
            kept = {step.task: earlier.states[known[step.task]] for step in plan.steps if step.keeps_value}
            self.home.kept = {task: state.result for task, state in kept.items()}
            self.home.inherit(
                earlier.home,
                {task: old for task, old in known.items() if task in taken_over},
                {**plan.reused, **kept},
                {
                    s.task: known[s.task]
                    for s in plan.steps
                    if (s.is_restored or s.keeps_value) and s.task in known
                },
            )
            if plan.what != ALL:
                alone = frozenset(step.task for step in plan.steps if step.is_restored)
                self.draws.follow(earlier.draws, known, alone=alone, taken_over=frozenset(taken_over))
        elif earlier is not None and plan.what != ALL:  # from a store, whose run has the tasks of now
            reused = frozenset(step.task for step in plan.steps if not step.runs)
            self.draws.follow(earlier.draws, {task: task for task in self.graph.tasks}, taken_over=reused)
        self._record.sources.update(plan.sources)
        origins = plan.origins_of()
        taken = (step.task for step in plan.steps if not step.runs or step.children is not None)
        self._take_over_files(plan)
        self.code.inherit({task: origins[task] for task in taken if task in origins})

    def _take_over_files(self, plan: Plan) -> None:
        former = plan.previous
        record = getattr(former, "file_record", None)  # a stored run has none
        if record:
            pairs = zip(self.graph.tasks, match(self.graph, former.graph), strict=True)
            self.file_record.take_over(plan, {task: old for task, old in pairs if old is not None}, record)

    @property
    def executor(self) -> Executor:
        """Where its tasks run."""
        return self._loop.executor

    @property
    def parent(self) -> Any:
        """The run that this one goes on from; None if there is none, or the flow has forgotten it by now."""
        return None if self.plan is None else self.plan.previous

    @property
    def kind(self) -> str:
        """A "run" of its own, a "replay" of its parent, or a "fork": something of it was changed on the way."""
        if EDITED in self._record.sources.values():
            return "fork"
        return "run" if self.plan is None else self.plan.kind

    def code_of(self, task: Task) -> str:
        """Return a short text that is equal for equal code: that of `task` when this run called it."""
        began = self.timings.get(task)
        memory, then = self.code.origin_of(task, time.time() if began is None else began[0])
        return fingerprint_of(then, memory)

    def compare(self, other: Any) -> Comparison:
        """Put this run and another one side by side: states, times, values, parameters and code.

        Args:
            other: A run, of this flow or of one with tasks of the same slugs; a stored one will do.
        """
        return compare(self, other)

    def retry_cleanup(self) -> dict[Block, BaseException]:
        """Try again, in the caller's thread, each cleanup that failed; returns the errors that are left (rule 7).

        What was cleaned up is not touched. The run's state stays as it is. A cleanup that has had its time but still
        runs is waited for, as long as a cleanup may take; then a warning says that it does.

        Raises:
            RunNotFinishedError: If the run is not over.
            KeyboardInterrupt: If interrupted; the resource that it met counts as left.
        """
        if not self.is_finished:
            raise RunNotFinishedError(self.number, self.graph.name)
        with self._retrying:
            for held in self._record.open_resources.failed():
                error = self._loop.cleanup.again(held)
                if isinstance(error, CleanupRunningError):
                    warn_safely(str(error))
                elif error is not None and not isinstance(error, Exception):  # the stop button, most likely
                    raise error
        return self.cleanup_failures

    # -- inside -----------------------------------------------------------------------------------------------

    def _child(self, task: Task, index: int | None) -> int:
        node = self._node(task)
        children = self._loop.schedule.children.get(node)
        if children is None:
            if index is not None:
                raise UnknownTaskError(f"{task.name}[{index}]", self.graph.name)
            return node
        if index is None:
            held = [child for child in children if child in self._loop.breakpoints.at]
            return held[0] if held else node
        if not 0 <= index < len(children):
            raise UnknownTaskError(f"{task.name}[{index}]", self.graph.name)
        return children[index]

    def _fix(self, command: Callable[..., None], *args: Any, waits: bool = False) -> None:
        self._refuse_if_over()
        answer, waiter = Answer(), threading.Event()
        self._loop.post(self._loop.pause.fix, command, args, answer, waiter if waits else None)
        self._wait(answer.given)
        if answer.error is not None:
            raise answer.error
        if waits:
            self._wait(waiter)

    def _node(self, task: Task) -> int:
        if task not in self.graph.index:
            raise UnknownTaskError(task, self.graph.name)
        return self.graph.index[task]

    def _resume_all(self) -> None:
        for node in self._loop.schedule.held():
            self._loop.pause.release(node)
        self._loop.pause.go(self._loop.schedule.resume)

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
        self._loop.post(self._loop.pause.go, command, args, waiter)
        self._wait(waiter)
        ended = [event for event in self._record.log.events[seen:] if event.kind == "task" and event.state]
        return self._state_after(ended[-1]) if ended else self.state

    def _state_after(self, event: Event) -> State:
        """Return the state that an event told of, with its value; the event's own if there is another by now."""
        assert event.task is not None
        assert event.state is not None
        state = self.states[event.task]
        if event.map_index is not None and isinstance(state, Mapped):
            state = state.map_states[event.map_index]
        return state if type(state) is type(event.state) else event.state

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
            target=context_without_work().run,
            args=(self._loop.work,),
            name=f"nbflow-run-{self.graph.name}-{self.number}",
            daemon=True,
        )
        self._make_known()
        self._thread.start()

    def work(self) -> State:
        """Perform the run in the caller's thread and return its final state; called once, by the flow.

        Raises:
            BaseException: What a task raised that is not an error of its own: KeyboardInterrupt, SystemExit, or
                any error under ``context.raise_on_exception``. Everything is cleaned up before.
        """
        loop = self._loop
        if loop.outer is not None or threading.current_thread() is not threading.main_thread():
            self._make_known()
            if Run.blocks_aside is not None:
                Run.blocks_aside(self)
        if loop.outer is None:
            loop.work()
        else:
            before = loop.outer.enter(loop)
            try:
                loop.work()
            finally:
                loop.outer.leave(before)
        if _live:  # a task may have started one, in a thread where signals cannot be taken
            _terminator.watch()
        loop.guard.pass_on()
        if loop.cancellation.failure is not None:
            raise loop.cancellation.failure
        if loop.asked_with is not None:
            raise loop.asked_with
        return self.state

    @property
    def is_blocking(self) -> bool:
        """Whether it is performed by the thread that waits for it."""
        return self._thread is None

    def _make_known(self) -> None:
        """Have the run found by what ends the process, or the thread that it is in (rule 14)."""
        if not _live:
            atexit.register(finish_live_runs)
        _terminator.watch()
        _live.add(self)

    def end_soon(self, reason: str, threads_s: float) -> None:
        """Cancel the run because its process is to end: a thread that does not stop in time is waited for no more.

        Args:
            reason: Why, for the run's state.
            threads_s: How long its threads have, in seconds.
        """
        if not self.is_finished:
            self._loop.end_soon(reason, threads_s)

    @property
    def has_open_blocks(self) -> bool:
        """Whether a block is being set up, is open or is being cleaned up."""
        return bool(self._record.open_resources.alive())


def watch_for_end() -> None:
    """Take SIGTERM from now on, for the runs there may be in any thread; does nothing away from the main thread."""
    _terminator.watch()


def live_runs() -> list[Run]:
    """Return the runs that are not over, but for those that block the main thread, which takes its own signals."""
    return [run for run in _live if not run.is_finished]


_terminator = Terminator(live_runs)


@in_child
def _let_runs_go() -> None:
    _live.clear()
    _terminator.let_go()


def finish_live_runs(threads_s: float | None = None, limit_s: float | None = None) -> None:
    """Cancel what still runs when the interpreter or its kernel ends, and give the cleanups the time there is.

    Args:
        threads_s: How long threads that cannot be stopped are waited for, in seconds; None: for as long as their
            blocks say, as in a script that ends by itself, unless Ctrl-C has ended it.
        limit_s: How long cleanups that have begun are waited for, in seconds; None: until they end.
    """
    atexit.unregister(finish_live_runs)
    if threads_s is None and issubclass(getattr(sys, "last_type", None) or Exception, KeyboardInterrupt):
        threads_s = THREADS_S
    runs = live_runs()
    for run in runs:
        if threads_s is None:
            run.cancel("The interpreter ended.")
        else:
            run.end_soon("The kernel ended.", threads_s)
    if threads_s is None:
        for run in runs:
            run.wait()
    else:
        wait_for_cleanups(runs, threads_s + _AFTER_THREADS_S, limit_s)
