"""The state of a task or a run: a tree of small value classes.

::

    State
    ├── Pending ── Scheduled ── Paused, Resume, Retrying
    ├── (meta) ClientFailed, Submitted, Queued      wrap the state they delay
    ├── Running ── Cancelling
    └── Finished
        ├── Looped, Cancelled                       neither successful nor failed
        ├── Success ── Cached, Mapped, Skipped
        └── Failed ── TimedOut, TriggerFailed, ValidationFailed

Nothing here decides which state follows which. Several states are made for every task of a run, so making one
does little more than setting four attributes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from nbflow.core.context import thread
from nbflow.core.data.safe_equality import same_values
from nbflow.core.elsewhere import fetch_results
from nbflow.core.predicate import predicate
from nbflow.core.state_traits import NOT_RUN, STATE_TRAITS
from nbflow.errors import ValueReleasedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.elsewhere import Elsewhere

__all__ = [
    *("Cached", "Cancelled", "Cancelling", "ClientFailed", "Failed", "Finished", "Looped", "Mapped"),
    *("Paused", "Pending", "Queued", "Resume", "Retrying", "Running", "Scheduled", "Skipped", "State"),
    *("Submitted", "Success", "TimedOut", "TriggerFailed", "ValidationFailed"),
]

_NOT_COMPARED = ("message", "context", "released", "remote")
_HOLDING_VALUES = ("result", "_result", "remote", "cached_inputs", "cached_parameters")
S = TypeVar("S", bound="State")


class _OwnDict:
    """An attribute that is an empty dictionary of the state's own from the moment somebody asks for it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, state: object, owner: type | None = None) -> Any:
        if state is None:
            return self
        made: dict[str, Any] = {}
        setattr(state, self._name, made)
        return made


class Released(NamedTuple):
    """The whereabouts of a value that a state no longer has.

    Attributes:
        task: The task, for the reader.
        why: Why it is not here.
        remedy: How to have it.
    """

    task: str
    why: str
    remedy: str


class _NoValue:
    """Stands for the result of a state that has none: found only where the state itself does not have the attribute.

    So a value costs a state nothing but an attribute, one that has gone is never taken for None, and one that is
    elsewhere comes when somebody looks.
    """

    def __get__(self, state: Any, owner: type | None = None) -> Any:
        if state is None:
            return self
        if state.remote is not None:
            return state.remote.look()
        raise ValueReleasedError(*(state.released or Released("a task", "its state was made without it", "")))


class State:
    """A state with a message for the reader, the task's value and details of how it came to be.

    States are equal when type, result and what a subclass adds are; message and context do not count. They hash
    by identity.

    Attributes:
        result: What the task returned, the exception it raised, or the states of a flow's tasks. Reading it raises
            `ValueReleasedError` where the value was given back.
        released: Where the value has gone; None while it is here.
        remote: What stands for the value if it is elsewhere; `result` fetches it then.
        context: Details about the attempt, such as the task's ``tags``.
    """

    color = "#000000"
    bundle_of: ClassVar[Callable[[Any], dict[str, Any]] | None] = None  # how notebooks show one; set by `nbflow.flow`
    released: Released | None = None
    remote: Elsewhere | None = None
    if TYPE_CHECKING:
        result: Any
        context: dict[str, Any]
        cached_inputs: dict[str, Any]
    else:
        result = _NoValue()
        context = _OwnDict()
        cached_inputs = _OwnDict()

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        self.message = message
        self.result = result
        if context:
            self.context = dict(context)
        if cached_inputs:
            self.cached_inputs = cached_inputs
        tags = thread.data.get("task_tags")
        if tags is not None:
            self.context.setdefault("tags", list(tags))

    def __repr__(self) -> str:
        name = type(self).__name__
        return f'<{name}: "{self.message}">' if self.message else f"<{name}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        make = State.bundle_of
        return {"text/plain": repr(self)} if make is None else make(self)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self is other or same_values(_compared(self), _compared(other))

    __hash__ = object.__hash__

    def __copy__(self) -> State:
        copied: State = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        held = self.__dict__
        if "remote" not in held:
            return held
        # What stands for the value is pickled as the value.
        return {"result": held["remote"], **{name: one for name, one in held.items() if name != "remote"}}

    @classmethod
    def children(cls, include_self: bool = False, names_only: bool = False) -> list[Any]:
        """List the classes below this one, private ones left out, or their names; itself last, where it is wanted."""
        below = [child for direct in cls.__subclasses__() for child in (direct, *direct.children())]
        return _listed([*below, *[cls] * include_self], names_only)

    @classmethod
    def parents(cls, include_self: bool = False, names_only: bool = False) -> list[Any]:
        """List the classes above this one, nearest first, private ones left out, or their names; itself last."""
        above = [parent for parent in cls.mro()[1:] if issubclass(parent, State)]
        return _listed([*above, *[cls] * include_self], names_only)

    @predicate
    def is_pending(self) -> bool:
        """Tell whether it has not started yet."""
        return isinstance(self, Pending)

    @predicate
    def is_queued(self) -> bool:
        """Tell whether it waits for a free place."""
        return isinstance(self, Queued)

    @predicate
    def is_retrying(self) -> bool:
        """Tell whether it failed and will be tried again."""
        return isinstance(self, Retrying)

    @predicate
    def is_running(self) -> bool:
        """Tell whether it is being executed."""
        return isinstance(self, Running)

    @predicate
    def is_cached(self) -> bool:
        """Whether its result may be used again by a later run."""
        return isinstance(self, Cached)

    @predicate
    def is_finished(self) -> bool:
        """Tell whether it has come to an end, good or bad."""
        return isinstance(self, Finished)

    @predicate
    def is_looped(self) -> bool:
        """Tell whether it ended one iteration of a loop."""
        return isinstance(self, Looped)

    @predicate
    def is_scheduled(self) -> bool:
        """Tell whether it has a time to start at."""
        return isinstance(self, (Scheduled, Queued))

    @predicate
    def is_submitted(self) -> bool:
        """Tell whether it was handed to an executor."""
        return isinstance(self, Submitted)

    @predicate
    def is_skipped(self) -> bool:
        """Tell whether it was left out on purpose; this counts as a success."""
        return isinstance(self, Skipped)

    @predicate
    def is_successful(self) -> bool:
        """Tell whether it ended well."""
        return isinstance(self, Success)

    @predicate
    def is_failed(self) -> bool:
        """Tell whether it ended badly."""
        return isinstance(self, Failed)

    @predicate
    def is_mapped(self) -> bool:
        """Tell whether it stands for the children of a mapped task."""
        return isinstance(self, Mapped)

    @predicate
    def is_meta_state(self) -> bool:
        """Tell whether it only wraps another state."""
        return isinstance(self, _MetaState)


def _listed(classes: list[type[State]], names_only: bool) -> list[Any]:
    public = [cls for cls in classes if not cls.__name__.startswith("_")]
    return [cls.__name__ for cls in public] if names_only else public


def plain(cls: type[S], message: str, result: Any = None) -> S:
    """Make a state of no attempt: what the calling thread is busy with has no say in it."""
    state: S = object.__new__(cls)
    state.message = message
    state.result = result
    return state


def without_value(state: S, released: Released | None) -> S:
    """Return a state that says the same and holds no value; reading its result raises `ValueReleasedError`."""
    bare: S = object.__new__(type(state))
    kept = bare.__dict__
    kept.update(state.__dict__)
    for name in _HOLDING_VALUES:
        kept.pop(name, None)
    if "context" in kept and "task_loop_result" in kept["context"]:
        kept["context"] = {name: value for name, value in kept["context"].items() if name != "task_loop_result"}
    if isinstance(state, Mapped):
        kept["_n_map_states"], kept["map_states"] = state.n_map_states, []
    elif isinstance(state, _MetaState) and state.state is not None:
        kept["state"] = without_value(state.state, released)
    bare.released = released
    return bare


def _compared(state: State) -> dict[str, Any]:
    values = {"cached_inputs": state.cached_inputs, **vars(state)}
    if "remote" in values:
        values["result"] = state.result
    return {k: v for k, v in values.items() if k == "_result" or not (k[0] == "_" or k in _NOT_COMPARED)}


def _moment(given: datetime | None, *, or_now: bool = False) -> datetime | None:
    if given is None:
        return datetime.now(UTC) if or_now else None
    return given.replace(tzinfo=UTC) if given.utcoffset() is None else given


class Pending(State):
    """Not started yet."""


class Scheduled(Pending):
    """Will start at `start_time`, at once unless given; a naive time is taken as UTC.

    The number of the attempt that made it, where there is one, is in ``context["task_run_count"]``.
    """

    _starts_now = True

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        start_time: datetime | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        self.start_time = _moment(start_time, or_now=self._starts_now)
        run_count = thread.data.get("task_run_count")
        if run_count is not None:
            self.context.setdefault("task_run_count", run_count)


class Paused(Scheduled):
    """Waits to be resumed; without a `start_time` it waits for as long as that takes."""

    _starts_now = False


class Resume(Scheduled):
    """Goes on after a pause."""


class Retrying(Scheduled):
    """Failed and will be tried again; `run_count` attempts have been made."""

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        start_time: datetime | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
        run_count: int | None = None,
    ) -> None:
        super().__init__(message, result, start_time, context, cached_inputs)
        self.run_count: int = run_count or thread.data.get("task_run_count") or 1


class _MetaState(State):
    """Wraps a `state` that takes effect later; a wrapper given to a wrapper is taken off first."""

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        state: State | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        self.state: State | None = state
        while isinstance(self.state, _MetaState):
            self.state = self.state.state


class ClientFailed(_MetaState):
    """Could not be reported; `state` is what should have been."""


class Submitted(_MetaState):
    """Handed to an executor and not started there yet."""


class Queued(_MetaState):
    """Waits for a free place, to be looked at again at `start_time`."""

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        state: State | None = None,
        start_time: datetime | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, state, context, cached_inputs)
        self.start_time = _moment(start_time, or_now=True)


class Running(State):
    """Being executed."""


class Cancelling(Running):
    """Asked to stop, and not stopped yet."""


class Finished(State):
    """Came to an end; the subclasses say which."""


class Looped(Finished):
    """Ended iteration `loop_count` of a loop, with the value for the next one as its result."""

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        loop_count: int | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        self.loop_count: int = loop_count or thread.data.get("task_loop_count") or 1


class Success(Finished):
    """Ended well."""


class Cached(Success):
    """Ended well, with a result that later runs may use.

    Attributes:
        hashed_inputs: The fingerprints of the inputs that led to the result, by argument.
        cached_parameters: The parameters of the run that computed it.
        cached_result_expiration: The moment from which it no longer counts; None is never.
    """

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        hashed_inputs: dict[str, str] | None = None,
        cached_inputs: dict[str, Any] | None = None,
        cached_parameters: dict[str, Any] | None = None,
        cached_result_expiration: datetime | None = None,
        context: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        self.hashed_inputs = hashed_inputs
        self.cached_parameters = cached_parameters
        self.cached_result_expiration = _moment(cached_result_expiration)


class Mapped(Success):
    """Stands for the children of a mapped task, whose states are in `map_states` (the list given, not a copy).

    Unless a result was given, it is the list of the children's results as they are at that moment.
    """

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        map_states: list[State] | None = None,
        context: dict[str, Any] | None = None,
        cached_inputs: dict[str, Any] | None = None,
        n_map_states: int | None = None,
    ) -> None:
        super().__init__(message, result, context, cached_inputs)
        self._expanded = map_states is not None or n_map_states is not None
        self.map_states: list[State] = [] if map_states is None else map_states
        self._n_map_states = n_map_states

    @property
    def n_map_states(self) -> int:
        """The number of children that there are or, before they were made, will be."""
        return len(self.map_states) if self._n_map_states is None else self._n_map_states

    @property
    def result(self) -> Any:
        """The result given, else the children's; None before there were any children to speak of."""
        if self.released is not None and not self.map_states:
            raise ValueReleasedError(*self.released)
        given = self.__dict__.get("_result")
        if given is None and (self._expanded or self.map_states):
            fetch_results(self.map_states)
            return [getattr(state, "result", None) for state in self.map_states]
        return given

    @result.setter
    def result(self, value: Any) -> None:
        self._result = value


class Skipped(Success):
    """Left out on purpose; counts as a success without a result."""


class Failed(Finished):
    """Ended badly; the result is the exception where there was one."""


class TimedOut(Failed):
    """Took longer than it was allowed to."""


class TriggerFailed(Failed):
    """Was not started, because of how the tasks upstream ended."""


class ValidationFailed(Failed):
    """Gave a value that was found wanting."""


class Cancelled(Finished):
    """Was stopped on request; neither failed nor successful."""


for _name, _traits in STATE_TRAITS.items():
    if _name != NOT_RUN:
        globals()[_name].color = _traits.color
