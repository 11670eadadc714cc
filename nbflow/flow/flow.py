"""The flow as users meet it: a graph of tasks that can be run, drawn and shown. The place where all rooms meet."""

from __future__ import annotations

import functools
import itertools
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Self

from nbflow.core.context import context as current_context
from nbflow.core.context import thread
from nbflow.core.graph import Graph
from nbflow.core.options import KEEP, checked_choice, checked_handlers
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.engine.given_parameters import PARAMETERS, START_OPTIONS, GivenParameters, takes_parameters
from nbflow.engine.renewal import renew_tasks
from nbflow.engine.retention import NEWEST
from nbflow.errors import RunOptionError
from nbflow.flow import launch
from nbflow.flow.display import open_front_end, run_bundle, run_table
from nbflow.flow.flow_breakpoints import breakpoints
from nbflow.flow.reruns import plan_after, rerun
from nbflow.flow.storage import StoreFolder, needed_store, newest_stored_run, opened_store

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from graphviz import Digraph

    from nbflow.core.edge import Edge
    from nbflow.core.resource import Block
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.breakpoint_list import Places
    from nbflow.engine.executor import Executor
    from nbflow.engine.plan import Plan
    from nbflow.engine.run import Run
    from nbflow.engine.run_list import RunList
    from nbflow.store import FlowStore, StoredRun

newest: weakref.WeakValueDictionary[str, Flow] = weakref.WeakValueDictionary()  # of each name, for the magics
_RUN_OPTIONS = ["context", "executor", "flow_run_id", "flow_run_name", "run_note", "run_tags", "state", "task_states"]


class Flow(Graph):
    """Tasks, the edges between them, and the blocks that hold their resources; made in a ``with``.

    Args:
        name: What it is called.
        executor: Where its tasks run unless a run says otherwise: ``"inline"`` (default), ``"threads"``,
            ``"processes"``, an executor such as `nbflow.executors.ThreadExecutor(8)`, or one of `concurrent.futures`.
        tasks: Tasks to begin with.
        edges: Edges to begin with; their tasks are added.
        reference_tasks: The tasks whose states decide the state of a run; by default the last ones.
        state_handlers: Functions ``handler(flow, old, new)``, told of every change of a run's state.
        on_failure: A function ``on_failure(flow, state)``, called when a run fails.
        validate: Whether each edge is checked at once.
        terminal_state_handler: A function ``handler(flow, state, reference_states)`` that may return another
            final state.
        store: A folder in which the results of tasks are kept, for `resume_stored` in a later kernel; made if missing.
        keep: How long the values of a run stay in memory: "newest" (default: until a newer run has ended, as far as
            there is room), "needed" (until the last task that takes one has ended; those of terminal and reference
            tasks stay) or "all". A state or run that the program still holds keeps its values.
        keep_bytes: The room that there is for the values of a run, in bytes; by default a quarter of the memory.
        schedule, run_config, storage, result: Arguments of Prefect 1 that have no meaning here; a warning says so.

    Attributes:
        runs: The newest runs, a sequence with the last one last; the newest 20 are kept.
        store: The folder of the store, or None; may be set, for the runs that begin afterwards.

    Raises:
        FlowNameError: If the name is empty.
        OptionTypeError: If `state_handlers` is not a sequence, or `store` is not a path.
        ReferenceTaskError: If a reference task is not among the tasks.

    Example:
        >>> from nbflow import Flow, Parameter, task
        >>> @task
        ... def add(x, y):
        ...     return x + y
        >>> with Flow("sum") as flow:
        ...     total = add(Parameter("x", default=1), 2)
        >>> state = flow.run(x=40)
        >>> state.result[total].result
        42
    """

    store = StoreFolder()
    breakpoints = property(breakpoints)
    runs: RunList
    _start_listeners: tuple[Callable[[Run], object], ...]
    _flow_store: FlowStore | None
    _breakpoints: dict[str, Places]

    def __init__(
        self,
        name: str,
        schedule: Any = None,
        executor: Executor | str | None = None,
        run_config: Any = None,
        storage: Any = None,
        tasks: Iterable[Task] | None = None,
        edges: Iterable[Edge] | None = None,
        reference_tasks: Iterable[Task] | None = None,
        state_handlers: Sequence[Callable[..., State | None]] | None = None,
        on_failure: Callable[[Flow, State], Any] | None = None,
        validate: bool | None = None,
        result: Any = None,
        terminal_state_handler: Callable[..., State | None] | None = None,
        *,
        store: str | os.PathLike[str] | None = None,
        keep: str | None = None,
        keep_bytes: int | None = None,
    ) -> None:
        super().__init__(name, tasks=tasks, edges=edges, reference_tasks=reference_tasks, validate=validate)
        self.state_handlers = checked_handlers(state_handlers, on_failure)
        self.terminal_state_handler = terminal_state_handler
        self.executor = executor
        self.__dict__.update(launch.nothing_run())
        self.keep = NEWEST if keep is None else checked_choice("keep", keep, KEEP)
        self.keep_bytes = keep_bytes
        self._run_numbers = itertools.count(1)
        self._store_path: Path | None = None
        self._store_goes_on = False  # to the flow that takes this one's place: no cell has said it
        self.store = store
        given = {"schedule": schedule, "run_config": run_config, "storage": storage, "result": result}
        for argument in (name for name, value in given.items() if value is not None):
            warnings.warn(f"Flow({argument}=...) has no meaning in nbflow and is ignored", stacklevel=2)
        newest[self.name] = self
        cell = thread.data.get("cell")  # of a notebook that is watched
        if cell is not None:
            cell.making(self)

    def copy(self) -> Self:
        """Return an equal flow of the same tasks, with collections and a run history of its own."""
        new = super().copy()
        new.state_handlers = list(self.state_handlers)
        new.__dict__.update(launch.nothing_run(), _run_numbers=itertools.count(1))
        return new

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | launch.nothing_run()

    def __enter__(self) -> Self:
        cell = thread.data.get("cell")  # of a notebook that is watched
        if cell is not None:
            cell.entering(self)
        return super().__enter__()

    @property
    def cells(self) -> Any:
        """The cells of the notebook, in the order of their first executions, with what each adds; prints as a table."""
        return open_front_end("cells", self)

    def validate(self) -> None:
        """Check that the flow can be run.

        Raises:
            DanglingTaskError: If a notebook cell uses a task that no cell makes any more.
            ValueError: If it has a cycle, edges to strange tasks, or a task outside of a block takes its resource.
        """
        declared = self._declared
        for task in self._answer("missing", lambda: [t for t in declared if type(t) is PlaceholderTask]):
            raise task.error
        cell = thread.data.get("cell")
        if cell is not None:
            cell.running(self)
        super().validate()

    # -- running ----------------------------------------------------------------------------------------------

    @takes_parameters(*_RUN_OPTIONS, "hold_on_failure")
    def run(
        self,
        parameters: dict[str, Any] | None = None,
        run_on_schedule: bool | None = None,
        runner_cls: Any = None,
        **kwargs: Any,
    ) -> State:
        """Run the flow to its end in this thread and return its final state.

        The state's `result` maps every task to its state. Whatever happens, what was set up is cleaned up before
        this returns or raises.

        Args:
            parameters: Values of parameters by name; keywords of the same names do as well. Where a parameter has the
                name of an option, the keyword is the parameter, unless its value is given here.
            run_on_schedule: Accepted for Prefect 1 flows; there are no schedules.
            runner_cls: Accepted for Prefect 1 flows; there are no runner classes.
            **kwargs: Parameters, and `state`, `task_states`, `context`, `executor`, `flow_run_id`; `flow_run_name`,
                `run_tags` (a list) and `run_note`, which say what the run is called and what it is about.

        Raises:
            RunInsideFlowError: If called inside the flow's own ``with``.
            ParameterError: If a required parameter is missing or an unknown one is given.
            ValueError: If the flow has a cycle, or a task outside a block takes its resource.
            KeyboardInterrupt: If interrupted, after everything is cleaned up.

        Example:
            >>> from nbflow import Flow, Parameter
            >>> Flow("ask", tasks=[Parameter("x")]).run(x=1)
            <Success: "All reference tasks succeeded.">
        """
        state = kwargs.pop("state", None)
        if kwargs.pop("hold_on_failure", False):
            raise RunOptionError("a blocked run cannot be held; use flow.start(hold_on_failure=True)")
        run = self._prepare(parameters, kwargs, blocking=True)
        if state is not None and state.is_finished():
            return launch.with_all_tasks(self, state)
        self._tell_start(run)
        before = current_context.swap({})  # of a task, perhaps, whose tags are not those of the tasks here
        try:
            return run._work()
        finally:
            current_context.swap(before)

    @takes_parameters(*_RUN_OPTIONS, "_plan")
    def start(
        self,
        parameters: dict[str, Any] | None = None,
        *,
        paused: bool = False,
        hold_on_failure: bool = False,
        hold_limit_s: float | None = None,
        **kwargs: Any,
    ) -> Run:
        """Start a run in the background and return its handle at once.

        Args:
            parameters: Values of parameters by name; keywords of the same names do as well, see `run`.
            paused: Whether to pause before the first task, to be stepped through.
            hold_on_failure: Whether to pause where a task fails, with the resources open: see `Run.retry`.
            hold_limit_s: After how many seconds of being paused the run is cancelled; None: never.
            **kwargs: As for `run`.

        Raises:
            RunInsideFlowError, ParameterError, ValueError: As for `run`, before anything starts.

        Example:
            >>> from nbflow import Flow, Parameter
            >>> Flow("ask", tasks=[Parameter("x")]).start(x=1).wait()
            <Success: "All reference tasks succeeded.">
        """
        kwargs.pop("state", None)
        run = self._prepare(parameters, kwargs, paused=paused, plan=kwargs.pop("_plan", None))
        run.hold_on_failure, run.hold_limit_s = hold_on_failure, hold_limit_s
        self._tell_start(run)
        run._begin()
        return run

    @takes_parameters()
    def plan(self, what: str | Iterable[Task | Block] | Task | Block = "all", **parameters: Any) -> Plan:
        """Return what a rerun of the newest run would do, and do nothing: see `Run.rerun`.

        Where there is no run yet, everything runs.

        Args:
            what: "all", "failed", "stale", or tasks and blocks.
            **parameters: Values of parameters; or `parameters`, a dictionary of them.

        Raises:
            RerunError: If `what` is none of these.
            UnknownTaskError: If the flow has no such task, or no longer.
            ParameterError, ValueError: As for `run`.

        Example:
            >>> from nbflow import Flow, task
            >>> with Flow("sum") as flow:
            ...     total = task(lambda: 1 + 1, name="add")()
            >>> print(flow.plan().text())
            plan of 'sum': 1 task runs
              add  runs  new
        """
        previous = self.runs[-1] if self.runs else None
        return plan_after(self, previous, what, {**(parameters.pop(PARAMETERS, None) or {}), **parameters})

    def _start_plan(self, plan: Plan, **options: Any) -> Run:
        """Start a run in the background that does what `plan` says, and return its handle.

        The tasks that run get the newest definitions of their functions.

        Args:
            plan: Of this flow as it is now.
            **options: As for `start`, but for `parameters` and `task_states`.

        Raises:
            RetryError: If the newest definition of a function does not take its task's inputs.
        """
        renew_tasks(plan.graph, [step.task for step in plan.steps if step.runs])
        return self.start(GivenParameters(plan.parameters), _plan=plan, **options)

    def _on_start(self, listener: Callable[[Run], object]) -> Callable[[], None]:
        """Call `listener(run)` for each new run just before it begins; returns a function that ends this.

        It is called on the thread that starts the run. If it raises it is dropped with a warning.
        """
        self._start_listeners = (*self._start_listeners, listener)
        return functools.partial(launch.drop_listener, self, listener)

    def stored_runs(self) -> list[StoredRun]:
        """Return the runs that are kept in the flow's store, of this kernel and earlier ones, oldest first.

        Raises:
            NothingStoredError: If the flow has no store.
            StoreUnavailableError: If one cannot be read, is damaged, newer, or can be somebody else's.
        """
        return needed_store(self).runs()

    @takes_parameters(*START_OPTIONS)
    def resume_stored(
        self,
        what: str | Iterable[Task | Block] | Task | Block | None = None,
        dry: bool = False,
        *,
        results: Mapping[Task, Any] | None = None,
        **parameters: Any,
    ) -> Any:
        """Go on from the newest run in the flow's store, as a new run: in another kernel than that one's, say.

        Tasks are matched by slug. What ended well is taken over, the rest runs, and resources are set up again where
        something inside their block runs. The new run has the parameters of the stored one unless others are given.
        A stored run of this kernel that still goes on is cancelled and cleaned up first.

        Args:
            what: Must be given if code, inputs or parameters have changed: "stale" runs what has changed, "failed"
                takes results of changed code as they are; "all"; or tasks and blocks.
            dry: Whether to return the `Plan` and do nothing.
            results: Values that tasks are given in place of their own, as for `Run.rerun`.
            **parameters: Values of parameters; options of `start`, such as `paused`, and `parameters`, a dictionary.

        Returns:
            The new run, whose `parent` is the stored one; or the plan.

        Raises:
            NothingStoredError: If the flow has no store, or no run is there.
            StaleStoreError: If something has changed and `what` is not given; it names what.
            StoredRunInUseError: If the run still goes on in another process.
            NotKeptError: If a result that is to be taken over cannot be unpickled here.
            StoreUnavailableError: If the store cannot be read, is damaged, newer, or can be somebody else's.
            RerunError, UnknownTaskError, ParameterError, ValueError: As for `Run.rerun`.

        Example:
            >>> import tempfile
            >>> folder = tempfile.mkdtemp()
            >>> from nbflow import Flow, Task
            >>> with Flow("sum", store=folder) as flow:
            ...     total = Task("total")()
            >>> state = flow.run()
            >>> with Flow("sum", store=folder) as later:  # in a new kernel
            ...     total = Task("total")()
            >>> run = later.resume_stored()
            >>> run.wait().is_successful(), run.sources[total], run.parent
            (True, 'reused', <StoredRun 1 of 'sum': Success>)
        """
        given = GivenParameters(parameters.pop(PARAMETERS, None) or {})
        return newest_stored_run(self).resume(what, dry=dry, results=results, parameters=given, **parameters)

    resume = resume_stored  # the word that a run has for going on after a pause; kept for flows that use it

    # -- showing ----------------------------------------------------------------------------------------------

    def visualize(
        self,
        flow_state: State | None = None,
        filename: str | os.PathLike[str] | None = None,
        format: str | None = None,
        horizontal: bool = False,
        expand_maps: bool = False,
    ) -> Digraph:
        """Return the graph as a `graphviz.Digraph`, filled with the colours of a run's states.

        Args:
            flow_state: The final state of a run.
            filename: Where to write the picture, without the ending, which is the format.
            format: ``"svg"``, ``"png"`` ...
            horizontal: Draw from left to right.
            expand_maps: Draw the children of mapped tasks one by one.

        Raises:
            RenderError: If a file is asked for and there is no layout engine.
        """
        from nbflow.render.dot import visualize

        return visualize(self, flow_state, filename, format, horizontal, expand_maps)

    def panel(self) -> Any:
        """Return the live panel of the flow: its graph, its newest run, and buttons to run and step it."""
        return open_front_end("panel", self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from nbflow.render.mimebundle import flow_bundle

        return flow_bundle(self)

    # For the rooms below, which get a flow and do not know this one.
    _take_over_runs = launch.take_over_runs
    _rerun_of = rerun
    _panel_of = staticmethod(functools.partial(open_front_end, "panel"))
    _bundle_of = staticmethod(run_bundle)
    _table_of = staticmethod(run_table)
    _prepare = launch.prepare
    _tell_start = launch.tell_start
    _its_store = opened_store
    _parameter_values = launch.parameter_values
    _take_parameters = launch.take_parameters
