"""The handle of a run: what a user, a magic or a button holds while tasks are run, and looks at afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.states import Paused, State
from nbflow.engine.breakpoints import EDITED
from nbflow.engine.compare import compare
from nbflow.engine.debuggable import Debuggable
from nbflow.engine.end_listeners import on_end
from nbflow.engine.events import Events
from nbflow.engine.execution import Execution
from nbflow.engine.live_runs import begin, work
from nbflow.engine.results import Results
from nbflow.engine.retention import FORGOTTEN
from nbflow.engine.run_again import rerun
from nbflow.engine.run_aliases import alias
from nbflow.engine.run_control import RunControl
from nbflow.engine.run_label import Labelled, default_name
from nbflow.engine.take_over import take_over
from nbflow.engine.value_facts import KnownValues
from nbflow.errors import RunNotFinishedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.files import TaskFiles
    from nbflow.engine.open_resources import BlockStatus
    from nbflow.engine.plan import Plan
    from nbflow.engine.record import Record, Timings
    from nbflow.engine.run_loop import RunLoop
    from nbflow.engine.task_log import TaskLog


class Run(Debuggable, Labelled):
    """One execution of a flow; made by `Flow.start` (in the background) and `Flow.run`.

    All methods may be called from any thread. Those that wait can be interrupted: the run is then cancelled
    cleanly, and KeyboardInterrupt is raised when everything is cleaned up. Those that are given a task, or the number
    of a child of a mapped task as `index`, raise UnknownTaskError if the run has none such.

    Attributes:
        id: A short text, unique.
        number: 1 for the first run of its flow, and so on.
        flow: The flow.
        graph: The graph it was started with; later changes of the flow do not touch it.
        parameters: The values it was started with.
        plan: What it does, if it is a rerun.
        name, tags, note: What it is called, short texts to find it by, what to remember about it; may be set.

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

    _executed_by: ClassVar[type[Execution]] = Execution

    def __init__(self, loop: RunLoop, flow: Any, number: int, parameters: dict[str, Any]) -> None:
        self.id = loop.record.id
        self.number, self.flow = number, flow
        self.graph: CompiledGraph = loop.graph
        self.parameters = parameters
        self.name, self.tags, self.note = default_name(loop.graph.name, number), (), ""
        self.plan: Plan | None = None
        self._asked_executor: Any = None  # a name or an object; None: it went by its flow
        self._loop: RunLoop = loop
        self._record: Record = loop.record
        self._execution: Execution = self._executed_by(loop, number)
        self._control = RunControl(self._execution)

    def __repr__(self) -> str:
        return f"<Run {self.number} of {self.graph.name!r}: {type(self.state).__name__}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.flow._bundle_of(self)  # type: ignore[no-any-return]

    if not TYPE_CHECKING:  # so that the checker sees names that are misspelt

        def __getattr__(self, name: str) -> Any:
            return alias(self, name)

    compare = compare
    on_end = on_end
    _begin = begin
    _work = work

    def _follow(self, plan: Plan) -> None:
        self.plan = take_over(self._execution, plan)

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
    def facts(self) -> KnownValues:
        """The facts of each value, also of those that were given back: type, size, length, fingerprint, source.

        `facts.held_bytes` is how much memory the values of the run take.
        """
        retention = self._loop.retention
        found = ((task, retention.known(task)) for task in self.states)
        return KnownValues({task: facts for task, facts in found if facts is not None}, retention.held_bytes)

    @property
    def is_finished(self) -> bool:
        """True once the run is over and everything cleaned up, or named as left."""
        return self._loop.is_over.is_set()

    @property
    def is_paused(self) -> bool:
        """True while the run is paused, with its resources open."""
        return isinstance(self.state, Paused) and not self.is_finished

    @property
    def events(self) -> Events:
        """All events so far, in order; `events.listen(listener)` has those to come told."""
        return Events(self._record.log)

    @property
    def block_status(self) -> dict[Block, BlockStatus]:
        """The moment in its life at which each block's resource is."""
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
    def timings(self) -> Timings:
        """The times at which each task was first started and ended, in seconds since the epoch; None: not yet.

        Those of the run as a whole are `timings.started_at` and `timings.ended_at`.
        """
        return self._record.timings

    @property
    def logs(self) -> dict[Task, TaskLog]:
        """The prints, logs and warnings of each task, as `LogLine` tuples in order; empty for one that was silent.

        Of a task that says more than 100,000 characters, the first and the last ones are kept.
        """
        return self._record.logs

    @property
    def files(self) -> dict[Task, TaskFiles]:
        """The files that each task opened: `inputs` and `outputs`, by absolute path; empty ones are left out."""
        return self._record.files.tasks()

    @property
    def sources(self) -> dict[Task, str]:
        """The source of each value: "computed", "cached", "reused", "edited" or "pinned"."""
        source_of = self._execution.source_of
        return {task: source_of(task) for task, state in self.states.items() if state.is_successful()}

    @property
    def next_task(self) -> Task | None:
        """The task that `step` would start, as far as is known; None if there is none just now."""
        schedule = self._loop.schedule
        node = None if self.is_finished else schedule.peek()
        return None if node is None else schedule.task(node)

    @property
    def held(self) -> list[Task]:
        """The tasks at which the run is paused: failed, or at a breakpoint."""
        return self._control.held()

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

    def text(self) -> str:
        """Return a plain table of the tasks and their states."""
        return self.flow._table_of(self)  # type: ignore[no-any-return]

    def panel(self) -> Any:
        """Return a live panel of this run, which stays with it."""
        return self.flow._panel_of(self)

    # -- going on ---------------------------------------------------------------------------------------------

    def step(self, *, into: bool = False, block: bool = False, wait: bool = True) -> State:
        """Run the next task, pause again, and return the state of the task that ended last.

        Args:
            into: Whether to stop at each child of a mapped task; otherwise a whole map counts as one.
            block: Whether to run to the end of the current block, its cleanup included: the one opened last, or if none
                is open, the one that opens next.
            wait: Whether to wait until it has ended; otherwise each call counts, and the run's state is returned.

        Raises:
            NothingToStepError: If the run is over, or the task that is to be run to has ended.
            OptionError: If both `into` and `block` are given.
        """
        return self._control.step(wait, into=into, block=block)

    def until(self, task: Task, *, wait: bool = True) -> State:
        """Run up to and including `task`, pause again, and return its state; `wait` and errors as for `step`."""
        return self._control.until(task, wait)

    def pause(self) -> None:
        """Start no more tasks; those that run go on, and the resources stay open."""
        self._control.pause()

    def resume(self, task: Task | None = None) -> None:
        """Go on: with the whole run, or with one task that is Paused."""
        self._control.resume(task)

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
        return self._control.wait(timeout_s, or_held)

    # -- again ------------------------------------------------------------------------------------------------

    rerun = rerun

    def forget(self) -> None:
        """Give the values of the run back; states, times, logs and facts stay.

        Raises:
            RunNotFinishedError: If the run is not over.

        Example:
            >>> from nbflow import Flow, Parameter
            >>> run = Flow("rows", tasks=[rows := Parameter("rows", default=[1, 2])]).start()
            >>> run.wait().is_successful(), run.forget()
            (True, None)
            >>> run.facts[rows].length, run.facts[rows].where
            (2, 'released')
        """
        self._refuse_if_going()
        self._loop.retention.release_all(FORGOTTEN)

    def retry_cleanup(self) -> dict[Block, BaseException]:
        """Try again, in the caller's thread, each cleanup that failed; returns the errors that are left (rule 7).

        What was cleaned up is not touched. The run's state stays as it is. A cleanup that has had its time but still
        runs is waited for, as long as a cleanup may take; then a warning says that it does.

        Raises:
            RunNotFinishedError: If the run is not over.
            KeyboardInterrupt: If interrupted; the resource that it met counts as left.
        """
        self._refuse_if_going()
        self._execution.clean_again()
        return self.cleanup_failures

    def _refuse_if_going(self) -> None:
        if not self.is_finished:
            raise RunNotFinishedError(self.number, self.graph.name)
