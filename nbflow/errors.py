"""The exceptions of nbflow that users meet, but for those of one room, which are in that room.

Each one derives from `NbflowError` and from the built-in that a caller would expect::

    NbflowError
    ├── FlowNameError (ValueError)             a flow without a name
    ├── NotATaskError (TypeError)              something that is no task where a task is needed
    ├── DuplicateSlugError (ValueError)        two tasks of a flow with one slug
    ├── UnknownTaskError (ValueError)          a task that the flow does not have
    ├── UnknownRunError (LookupError)          a run that the flow does not keep
    ├── CycleError (ValueError)                tasks that wait for each other in a circle
    ├── StrayEdgeError (ValueError)            an edge from or to a task outside the flow
    ├── ReferenceTaskError (ValueError)        a reference task outside the flow
    ├── EdgeError (ValueError)                 an edge that cannot exist
    │   ├── EdgeKeyError                       its key is no argument name
    │   ├── SelfEdgeError                      it leads back to its own task
    │   ├── ParameterUpstreamError             it leads to a parameter
    │   ├── ArgumentTakenError                 its argument has a value already
    │   └── UnevenBlockError                   it maps the setup of a block and not its init, or the other way round
    ├── MappedContextError (ValueError)        mapping inside of `apply_map`
    ├── NoFlowError (ValueError)               no flow given and none active
    ├── ApplyMapError (TypeError)              `apply_map` over something that has no items
    ├── MultipleFlowsError (ValueError)        one block used with tasks of several flows
    ├── CaseValueError (TypeError)             a case whose value is a task
    ├── MergeSkipError (ValueError)            a merge that would be skipped with its branches
    ├── ManagerError (TypeError)               a resource manager without `cleanup`
    │   └── CleanupSignatureError (ValueError) its `cleanup` cannot be called with what it will get
    ├── BlockFailedError (RuntimeError)        what a generator manager is told when tasks failed without an error
    ├── BlockCancelledError (RuntimeError)     what it is told when they were cancelled
    ├── NestedInItselfError (ValueError)       an argument, with tasks in it, that contains itself
    ├── OptionError (ValueError)               an option with an impossible value
    ├── OptionTypeError (TypeError)            an option of the wrong type
    ├── TaskAttributeError (AttributeError)    an attribute that a task does not have
    ├── NotIterableError (TypeError)           iterating a task of unknown length, mapping a scalar
    ├── RunSignatureError (ValueError)         a `run` whose arguments cannot be bound by name
    ├── PositionalOnlyError (TypeError)        a `run` with positional-only arguments
    ├── ResourceScopeError (ValueError)        a task outside of a block takes its resource
    ├── ForeignTaskError (ValueError)          a notebook cell uses a task of another flow
    ├── DanglingTaskError (ValueError)         a notebook cell uses a task that no cell makes any more
    ├── ParameterError (ValueError)            parameters of a run that do not fit the flow
    ├── RunInsideFlowError (RuntimeError)      a flow run inside of its own `with`
    ├── RunOptionError (ValueError)            an option that a run cannot have
    ├── UnexpectedArgumentError (TypeError)    an argument that is neither an option nor a parameter
    ├── ExecutorError (ValueError)             an executor that does not exist
    ├── NotAnExecutorError (TypeError)         a block's resource that is to call its tasks, and cannot
    ├── UnknownFlowError (KeyError)            a name that no flow has
    ├── NothingToStepError (RuntimeError)      a step on a run that is over
    ├── ChangedInputError (RuntimeError)       a further attempt whose input an earlier one has changed
    ├── ValueReleasedError (LookupError)       a value that is no longer in memory
    ├── NotHeldError (RuntimeError)            a retry of a task at which the run is not paused
    ├── RetryError (TypeError)                 a new definition that does not take the task's inputs
    ├── SetResultError (RuntimeError)          a value set for a task that runs, or whose value is in use
    ├── UndoError (RuntimeError)               nothing to undo, or not any more
    ├── BreakpointError (ValueError)           a breakpoint that is not possible
    ├── CleanupRunningError (TimeoutError)     a cleanup while another one of the resource still runs
    ├── WorkerScopeError (RuntimeError)        a resource of worker processes where there is none to be had
    ├── WorkerGoneError (RuntimeError)         a worker process that has ended with a resource open
    ├── RunNotFinishedError (RuntimeError)     something that only a run that is over can do
    ├── RerunError (ValueError)                a rerun of something that cannot be rerun
    │   └── NothingToRerunError                nothing failed, or nothing is stale
    ├── RunFailedError (RuntimeError)          a run that failed without an error that can be shown
    ├── RenderError (RuntimeError)             a drawing that cannot be made here
    ├── LedgerError (RuntimeError)             something about the record of open resources
    │   ├── LedgerUnavailableError             it cannot be opened, read or written
    │   │   ├── LockedLedgerError              another process holds it for too long
    │   │   ├── NewerLedgerError               it was written by a newer nbflow
    │   │   └── DamagedLedgerError             it is no ledger any more
    │   ├── UnknownResourceError (KeyError)    a row that the ledger does not have
    │   ├── ResourceInUseError                 a resource of something that is alive
    │   ├── ForeignResourceError               a resource of another host or user
    │   ├── NotReclaimableError                a resource that only its own kernel could clean up
    │   ├── ReclaimError                       a cleanup or reclaim that failed
    │   └── ReaperError                        the reaper cannot be had, or does not answer
    ├── StoreError (RuntimeError)              something about the results kept on disk
    │   ├── StoreUnavailableError              a file of them cannot be read or written
    │   │   ├── NewerStoreError                it was written by a newer nbflow
    │   │   ├── DamagedStoreError              it is not what was written
    │   │   └── UntrustedStoreError            somebody else owns it or may write to it
    │   ├── NothingStoredError                 there is no run to go on from
    │   ├── StoredRunInUseError                it is still going in another process
    │   ├── NotKeptError                       a result was not kept, or cannot be read here
    │   └── StaleStoreError                    code or parameters have changed since
    ├── CannotCopyError (TypeError)            a value of which no copy can be taken
    └── InternalError (RuntimeError)           a bug of nbflow
"""

from __future__ import annotations

import difflib
from inspect import Parameter, Signature
from typing import ClassVar, TypeVar, dataclass_transform

T = TypeVar("T", bound="NbflowError")


class NbflowError(Exception):
    """The root of everything nbflow raises on its own account; catch this to catch them all."""

    _text: ClassVar[str | None] = None  # of a class that says the same of all its errors

    def __str__(self) -> str:
        return super().__str__() if self._text is None else self._text.format(self=self)


@dataclass_transform()
def carries(cls: type[T]) -> type[T]:
    """Let a class of errors take what is annotated in it, keep it as attributes, and survive pickling with it."""
    parameters = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=vars(cls).get(name, Parameter.empty), annotation=of)
        for name, of in cls.__annotations__.items()
    ]
    signature = Signature(parameters)

    def __init__(self: NbflowError, *args: object, **kwargs: object) -> None:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        super(cls, self).__init__(*given.args)
        self.__dict__.update(given.arguments)

    me = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = Signature([me, *parameters])  # type: ignore[attr-defined]
    cls.__init__ = __init__  # type: ignore[assignment]
    return cls


class FlowNameError(NbflowError, ValueError):
    """A flow needs a name."""

    _text = 'A name must be provided for the flow, as in Flow("example")'


@carries
class NotATaskError(NbflowError, TypeError):
    """Something that is no task was given where a task is needed."""

    value: object

    def __str__(self) -> str:
        return f"Tasks must be Task instances (received {type(self.value).__name__}: {self.value!r})"


@carries
class DuplicateSlugError(NbflowError, ValueError):
    """A flow has another task with this slug."""

    slug: str
    _text = (
        'A task with the slug "{self.slug}" already exists in this flow. '
        "Give one of the two another slug (for a parameter: another name)"
    )


@carries
class UnknownTaskError(NbflowError, ValueError):
    """The flow does not have this task."""

    task: object
    flow: str
    _text = "Task {self.task!r} was not found in Flow {self.flow!r}; add it with flow.add_task(task)"


@carries
class UnknownRunError(NbflowError, LookupError):
    """The flow keeps no run of this number or name."""

    run: int | str
    numbers: tuple[int, ...]  # of those there are, oldest first
    names: tuple[str, ...]

    def __str__(self) -> str:
        if not self.numbers:
            return f"there is no run {self.run!r}: the flow has not run yet"
        close = difflib.get_close_matches(str(self.run), self.names, n=1)
        hint = f"do you mean {close[0]!r}? " if close else ""
        listed = ", ".join(map(str, self.numbers[-_MOST_RUNS:]))
        older = ", older ones and" if len(self.numbers) > _MOST_RUNS else ""
        return f"there is no run {self.run!r}; {hint}there are{older} {listed}"


_MOST_RUNS = 20


@carries
class CycleError(NbflowError, ValueError):
    """The tasks depend on each other in a circle."""

    path: tuple[str, ...]

    def __str__(self) -> str:
        return f"Cycle found; flows must be acyclic: {' -> '.join(self.path)}; remove one of these edges"


@carries
class StrayEdgeError(NbflowError, ValueError):
    """Edges of a flow lead from or to tasks that it does not have."""

    edges: tuple[str, ...]

    def __str__(self) -> str:
        return f"Some edges refer to tasks not contained in this flow: {', '.join(self.edges)}"


@carries
class ReferenceTaskError(NbflowError, ValueError):
    """Reference tasks are not part of their flow."""

    tasks: tuple[str, ...]
    problem: str

    def __str__(self) -> str:
        return f"{self.problem}: {', '.join(self.tasks)}"


class EdgeError(NbflowError, ValueError):
    """An edge that cannot exist."""


@carries
class EdgeKeyError(EdgeError):
    """The key of an edge cannot be the name of an argument."""

    key: object
    _text = 'Edge key ("{self.key}") must be a valid identifier and no Python keyword'


@carries
class SelfEdgeError(EdgeError):
    """An edge leads from a task to itself."""

    task: object
    _text = "Edges can not connect a task to itself: {self.task!r}; call the task again to get a copy of it"


@carries
class ParameterUpstreamError(EdgeError):
    """An edge leads to a parameter."""

    parameter: object
    _text = "Parameters must be root tasks and can not have upstream dependencies: {self.parameter!r}"


@carries
class ArgumentTakenError(EdgeError):
    """The argument that an edge would fill has a value already."""

    key: str
    task: object
    _text = (
        'Argument "{self.key}" for task {self.task!r} has already been assigned in this flow. '
        "To call the task again with other arguments, make a copy of it first: task.copy()"
    )


@carries
class UnevenBlockError(EdgeError):
    """A mapped edge leads to one of init and setup of a block, and none to the other.

    There would be several resources for one manager, or several managers for one resource.
    """

    mapped: str  # the one of the two that is mapped
    over: str  # the task that it is mapped over
    other: str  # the one that is not mapped
    _text = (
        "{self.mapped!r} is mapped over {self.over!r}, but {self.other!r} of the same block is not, so managers "
        "and resources would not match; call the manager inside of `apply_map` too, or put `unmapped(...)` around "
        "{self.over!r}"
    )


class MappedContextError(NbflowError, ValueError):
    """`mapped=True` was asked for by a function that is mapped as a whole."""

    _text = (
        "Cannot set `mapped=True` when running from inside a mapped context; "
        "everything made inside `apply_map` is mapped already, mark the exceptions with unmapped(...)"
    )


@carries
class NoFlowError(NbflowError, ValueError):
    """No flow was given and none is being built."""

    where: str  # what was being done, to follow the words "an active Flow"
    remedy: str = "pass `flow=`, or do it inside `with Flow(...)`"  # what helps
    _text = (
        "Could not infer an active Flow {self.where}. No Flow was passed and there is no "
        "flow in the current context; {self.remedy}"
    )


@carries
class ApplyMapError(NbflowError, TypeError):
    """`apply_map` was given something that cannot be mapped over."""

    kind: str
    _text = (
        "apply_map cannot map over a non-sequence object of type {self.kind!r}; "
        "give a task or a sequence, or mark it with unmapped(...)"
    )


@carries
class MultipleFlowsError(NbflowError, ValueError):
    """One block was used with tasks of several flows."""

    kind: str
    name: str
    _text = "Multiple flows cannot be used with the same {self.kind} block ({self.name}); open one in each flow"


@carries
class CaseValueError(NbflowError, TypeError):
    """The value of a `case` is a task."""

    task: str
    _text = "`value` cannot be a task, but {self.task!r} is one; compare inside a task and use `case(that_task, True)`"


class MergeSkipError(NbflowError, ValueError):
    """A merge was told to be skipped with its upstream tasks."""

    _text = "a merge task cannot have `skip_on_upstream_skip=True`: all branches but one are skipped, always"


@carries
class ManagerError(NbflowError, TypeError):
    """A resource manager cannot clean up, or breaks the protocol of what it is made of."""

    name: str
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"resource manager {self.name!r}: {self.reason}"
        return f"resource manager {self.name!r} has no method `cleanup`; add `def cleanup(self, resource)` to it"


class CleanupSignatureError(ManagerError, ValueError):
    """The `cleanup` of a resource manager cannot be called with what it will get, so nothing is set up with it."""


@carries
class BlockFailedError(NbflowError, RuntimeError):
    """Tasks of a block failed, and no exception says why; thrown into generator managers."""

    block: str
    tasks: tuple[str, ...]

    def __str__(self) -> str:
        return f"tasks of block {self.block!r} failed: {', '.join(self.tasks)}"


@carries
class BlockCancelledError(NbflowError, RuntimeError):
    """The tasks of a block were cancelled; thrown into generator managers, so that they roll back."""

    block: str
    _text = "the tasks of block {self.block!r} were cancelled"


@carries
class NestedInItselfError(NbflowError, ValueError):
    """An argument with tasks in it contains itself, so no end of tasks would be needed to gather it."""

    kind: str
    _text = "a {self.kind} with tasks in it contains itself; give the tasks in a container of their own"


class OptionError(NbflowError, ValueError):
    """An option has an impossible value, or does not go with another one."""


class OptionTypeError(NbflowError, TypeError):
    """An option has the wrong type."""


class TaskAttributeError(NbflowError, AttributeError):
    """A task does not have this attribute."""

    def __str__(self) -> str:
        said = super().__str__()
        # Found when somebody reads it: most are raised where only the presence of an attribute is asked for.
        hint = getattr(getattr(self, "obj", None), "_value_hint", None)
        how = None if hint is None else hint(self.obj)
        return f"{said} It is {how}" if how else said

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (str(self),)


class NotIterableError(NbflowError, TypeError):
    """Something was iterated or mapped over that has no items."""


class RunSignatureError(NbflowError, ValueError):
    """The arguments of a `run` cannot be bound by name."""


@carries
class PositionalOnlyError(NbflowError, TypeError):
    """A `run` has positional-only arguments."""

    function: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.function} has positional-only arguments ({', '.join(self.arguments)}), "
            "but a task passes all arguments by name; remove the `/` or wrap it in a function"
        )


@carries
class ResourceScopeError(NbflowError, ValueError):
    """A task outside of a block takes the block's resource."""

    task: str
    through: str | None
    block: str

    def __str__(self) -> str:
        through = "" if self.through is None else f" through {self.through!r}"
        return (
            f"task {self.task!r} takes the resource of block {self.block!r}{through} but is outside of it, so it "
            f"could run after the cleanup; move the call into the `with` of {self.block!r}, or pass a value derived "
            "from it"
        )


@carries
class ForeignTaskError(NbflowError, ValueError):
    """A notebook cell of one flow uses what a cell of another flow made."""

    task: str
    other: str
    flow: str
    _text = (
        "{self.task!r} is a task of flow {self.other!r}, so a cell of flow {self.flow!r} cannot take its value; "
        "make it in {self.flow!r} too, or give a name to its value in a run: "
        "nbflow.flows[{self.other!r}].runs[-1].results[...]"
    )


@carries
class DanglingTaskError(NbflowError, ValueError):
    """A notebook cell uses a task that no cell makes any more."""

    task: str  # what the cell calls it
    cell: str  # the cell that uses it
    maker: str  # the cell that made it

    def __str__(self) -> str:
        maker = self.maker if self.maker != self.cell else "it"
        return (
            f"{self.cell} uses {self.task!r}, which {maker} no longer makes; "
            f"execute {self.cell} again, or bring {self.task!r} back"
        )


class ParameterError(NbflowError, ValueError):
    """The parameters of a run do not fit its flow."""


@carries
class RunInsideFlowError(NbflowError, RuntimeError):
    """A flow was run inside of its own `with`."""

    flow: str
    _text = "`flow.run()` was called inside the `with` block of flow {self.flow!r} itself; call it after the block"


class RunOptionError(NbflowError, ValueError):
    """A run was given an option that it does not take."""


@carries
class UnexpectedArgumentError(NbflowError, TypeError):
    """A run was given a keyword that is neither an option nor a parameter of the flow."""

    names: tuple[str, ...]
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        known = ", ".join(self.parameters) or "none"
        return f"flow.run() got unexpected keywords: {', '.join(self.names)}; the parameters of the flow are: {known}"


@carries
class ExecutorError(NbflowError, ValueError):
    """A run was given something else than an executor."""

    executor: object
    known: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(map(repr, self.known))
        return f"unknown executor {self.executor!r}; use one of {names}, or an instance from nbflow.executors"


@carries
class NotAnExecutorError(NbflowError, TypeError):
    """A block is to call its tasks with a resource that cannot."""

    block_name: str
    type_name: str

    def __str__(self) -> str:
        return (
            f"the resource of block {self.block_name!r} is a {self.type_name}, which calls no tasks; `.as_executor()` "
            "needs a setup that gives an executor of nbflow.executors, one of concurrent.futures, or a Dask client"
        )


@carries
class UnknownFlowError(NbflowError, KeyError):
    """There is no flow of this name."""

    name: str
    similar: tuple[str, ...] = ()

    def __str__(self) -> str:
        hint = f"; did you mean {' or '.join(map(repr, self.similar))}?" if self.similar else ""
        return f"there is no flow {self.name!r}{hint}"


class NothingToStepError(NbflowError, RuntimeError):
    """A step was asked of a run that is over."""


@carries
class NotHeldError(NbflowError, RuntimeError):
    """A command is for a task at which the run is paused, and it is not."""

    task: str
    state: str
    _text = (
        "the run is not paused at task {self.task!r} ({self.state}); only a held task can be tried again: "
        "start with hold_on_failure=True or set a breakpoint, or use run.rerun()"
    )


@carries
class RetryError(NbflowError, TypeError):
    """The newest definition of a task's function does not take what the task is given."""

    task: str
    reason: str
    _text = "the newest definition of {self.task!r} does not take the task's inputs: {self.reason}"


@carries
class ChangedInputError(NbflowError, RuntimeError):
    """A task cannot be called again: an attempt has changed an input in place, and there is no copy of it."""

    task: str
    argument: str
    source: str
    reason: str
    _text = (
        "task {self.task!r} cannot be tried again: its last attempt has changed its argument {self.argument!r}, "
        "the value of {self.source!r}, in place, and there is no copy ({self.reason}). Rerun from "
        "{self.source!r}, or let the task change a copy of its own"
    )


@carries
class ValueReleasedError(NbflowError, LookupError):
    """A value that is no longer in memory was asked for."""

    task: str
    why: str
    remedy: str
    _text = "the value of {self.task!r} is not here: {self.why}; {self.remedy}"


@carries
class SetResultError(NbflowError, RuntimeError):
    """A task's value cannot be set, or the task not be left out, as the run stands now."""

    task: str
    reason: str
    _text = "the value of task {self.task!r} cannot be set: {self.reason}"


@carries
class UndoError(NbflowError, RuntimeError):
    """Nothing that a person did to the tasks of a run can be undone, or not any more."""

    reason: str
    _text = "nothing was undone: {self.reason}"


@carries
class BreakpointError(NbflowError, ValueError):
    """A breakpoint is not possible at this task, or with this condition."""

    task: str
    reason: str
    _text = "no breakpoint at {self.task!r}: {self.reason}"


@carries
class RunNotFinishedError(NbflowError, RuntimeError):
    """Something was asked of a run that makes sense only when it is over."""

    number: int
    flow: str
    _text = "run {self.number} of {self.flow!r} is not over; run.wait() waits for it, run.cancel() ends it"


class RerunError(NbflowError, ValueError):
    """A rerun was asked for of something that is neither a task nor a block nor a known word."""


@carries
class NothingToRerunError(RerunError):
    """Nothing of what is asked for needs to run again."""

    flow: str
    number: int
    what: str

    def __str__(self) -> str:
        reason = {"failed": "nothing has failed", "stale": "everything is up to date"}.get(
            self.what, "nothing was asked for"
        )
        return (
            f"nothing to run again in run {self.number} of {self.flow!r}: {reason}; "
            "rerun() runs everything, rerun([task]) a task and what depends on it"
        )


@carries
class RunFailedError(NbflowError, RuntimeError):
    """A run has failed, and no task of it raised an error that could be raised in its place."""

    number: int
    flow: str
    why: str
    _text = "run {self.number} of {self.flow!r} failed: {self.why}"


class RenderError(NbflowError, RuntimeError):
    """A drawing cannot be made here: no layout engine was found, or it failed."""


@carries
class CannotCopyError(NbflowError, TypeError):
    """There is no way to copy a value that is known to be right, or it is too large."""

    reason: str  # why, in a few words
    _text = "this value cannot be copied: {self.reason}"


class InternalError(NbflowError, RuntimeError):
    """A bug of nbflow; please report it."""


# -- the ledger of open resources -----------------------------------------------------------------------------


@carries
class CleanupRunningError(NbflowError, TimeoutError):
    """A resource is being cleaned up already, and that has not ended for a long time."""

    name: str
    who: str = "another cleanup"
    _text = "{self.who} of {self.name!r} is still at work, and nothing else is done to its resource meanwhile"


class WorkerScopeError(NbflowError, RuntimeError):
    """A block whose resource each worker process opens for itself is used where that is not possible."""


@carries
class WorkerGoneError(NbflowError, RuntimeError):
    """A worker process has ended with a resource open, and nobody else knows how to clean that up."""

    block_name: str
    worker: str
    _text = (
        "{self.worker} has ended before it cleaned {self.block_name!r} up: what it had open may be left; "
        "what a manager with `handle` and `reclaim` has open is reclaimed then"
    )


class LedgerError(NbflowError, RuntimeError):
    """Something about the record of open resources; catch this to catch all of it."""


@carries
class LedgerUnavailableError(LedgerError):
    """The ledger cannot be opened, read or written."""

    path: str  # the file
    reason: str  # what the system said
    _text = (
        "the ledger {self.path} cannot be used: {self.reason}; "
        "make room or give the rights, or set NBFLOW_HOME to another folder"
    )


class LockedLedgerError(LedgerUnavailableError):
    """Another process has held the ledger's lock for longer than we wait."""

    _text = "the ledger {self.path} is locked by another process ({self.reason}); try again when it lets go"


class NewerLedgerError(LedgerUnavailableError):
    """The ledger was written by a newer nbflow, and is left as it is."""

    _text = (
        "the ledger {self.path} was written by a newer nbflow ({self.reason}) and is left untouched; "
        "update nbflow here, or set NBFLOW_HOME to another folder"
    )


class DamagedLedgerError(LedgerUnavailableError):
    """The file is no ledger any more: truncated, overwritten, or without its tables."""

    _text = (
        "the ledger {self.path} is damaged: {self.reason}; "
        "the next run that needs one moves it aside and begins another"
    )


@carries
class UnknownResourceError(LedgerError, KeyError):
    """The ledger has no row of this number."""

    row_id: int
    path: str
    _text = "the ledger {self.path} has no resource {self.row_id}; nbflow.ledger.resources() lists what is open"


@carries
class ResourceInUseError(LedgerError):
    """A resource belongs to something that is alive: a run of this kernel, another kernel, a reaper."""

    row_id: int
    what: str
    owner: str
    remedy: str
    _text = "resource {self.row_id} ({self.what}) is {self.owner}; {self.remedy}"


@carries
class ForeignResourceError(LedgerError):
    """A resource belongs to another host or user, or its record may be forged; its class is never loaded."""

    row_id: int
    what: str
    reason: str
    remedy: str
    _text = "resource {self.row_id} ({self.what}) {self.reason}; {self.remedy}"


@carries
class NotReclaimableError(LedgerError):
    """The manager of a resource has no `handle` and `reclaim`, or they were of no use."""

    row_id: int
    what: str
    _text = (
        "resource {self.row_id} ({self.what}) cannot be reclaimed: its manager gave no handle; "
        "see to it by hand, then forget({self.row_id})"
    )


@carries
class ReclaimError(LedgerError):
    """A reclaim, or the cleanup that was called again, raised or took too long."""

    row_id: int
    what: str
    reason: str
    _text = (
        "resource {self.row_id} ({self.what}) may still be alive: {self.reason}; "
        "clean({self.row_id}) tries again, forget({self.row_id}) takes it off the list"
    )


class ReaperError(LedgerError):
    """The reaper cannot be started, or does not answer."""


# -- the results kept on disk ---------------------------------------------------------------------------------


class StoreError(NbflowError, RuntimeError):
    """Something about the results that a flow keeps on disk; catch this to catch all of it."""


@carries
class StoreUnavailableError(StoreError):
    """A file or folder of a store cannot be read or written."""

    path: str  # the file or folder
    reason: str  # what is the matter with it
    _text = "{self.path} cannot be used: {self.reason}; make room, give the rights, or use another store"


class NewerStoreError(StoreUnavailableError):
    """It was written by a newer nbflow, and is left as it is."""

    _text = (
        "{self.path} was written by a newer nbflow ({self.reason}) and is left untouched; "
        "update nbflow here, or use another store"
    )


class DamagedStoreError(StoreUnavailableError):
    """A file is not what was written: cut short, overwritten, or of another task. Nothing of it was executed."""

    _text = (
        "{self.path} is damaged: {self.reason}; nothing of it was executed. "
        "Delete it, and what it held is computed again"
    )


class UntrustedStoreError(StoreUnavailableError):
    """Somebody else owns a file or folder or may write to it, so that it is never unpickled."""

    _text = (
        "{self.path} {self.reason}, so nothing of it is executed; if you know that it is yours, "
        "take it over (chown, chmod go-w), or use another store"
    )


@carries
class NothingStoredError(StoreError):
    """There is no run on disk to go on from."""

    flow: str
    reason: str
    _text = "flow {self.flow!r} has no run to go on from: {self.reason}"


@carries
class StoredRunInUseError(StoreError):
    """The run on disk is still going in another process."""

    flow: str
    number: int
    pid: int
    _text = (
        "run {self.number} of {self.flow!r} is still going in process {self.pid}; cancel it there or wait for its end"
    )


@carries
class NotKeptError(StoreError):
    """A result that is asked for was not kept, or cannot be read here."""

    task: str  # the slug of its task
    reason: str  # why
    _text = "the result of task {self.task!r} cannot be had from the store: {self.reason}"


@carries
class StaleStoreError(StoreError):
    """Code or parameters have changed since the stored run, and nobody has said what is to become of its results."""

    flow: str  # the name of the flow
    changes: dict[str, str]  # `{slug: what has changed}`

    def __str__(self) -> str:
        listed = [f"{slug!r}: {change}" for slug, change in self.changes.items()]
        more = f"; and {len(listed) - _MOST_CHANGES} more" if len(listed) > _MOST_CHANGES else ""
        return (
            f"since the stored run of {self.flow!r} there are changes: {'; '.join(listed[:_MOST_CHANGES])}{more}. "
            "Say what is to run: what='stale' (what has changed, and all that did not end well), "
            "what='failed' (only what did not end well, results as they are), what='all', or a list of tasks"
        )


_MOST_CHANGES = 8
