"""The values of states as the engine handles them: one that is elsewhere is not fetched, what stands for it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.core.states import Mapped, Success, plain
from nbflow.engine.remote_value import Gathered, gathered, is_reference

if TYPE_CHECKING:
    from nbflow.core.states import State
    from nbflow.engine.remote_value import RemoteValue

S = TypeVar("S", bound="State")


def held_by(state: State) -> Any:
    """Return the value of a state, or what stands for it if it is elsewhere.

    Raises:
        ValueReleasedError: If it was given back.
    """
    if isinstance(state, Mapped):
        if not state.map_states or vars(state).get("_result") is not None:
            return state.result
        return gathered([None if one is None else held_by(one) for one in state.map_states])
    reference = reference_of(state)
    return state.result if reference is None else reference


def reference_of(state: State) -> Any:
    """Return what stands for the value of a state; None if it has none, or has the value itself."""
    remote = state.remote
    # A handler of the user's may have put a value in its place.
    return None if remote is None or "result" in vars(state) else remote


def holds_references(state: State | None) -> bool:
    """Tell whether the value of a state, or of one of its children, is elsewhere."""
    if isinstance(state, Mapped):
        return any(map(holds_references, state.map_states))
    return state is not None and state.remote is not None


def references_in(state: State | None) -> list[RemoteValue]:
    """Return what stands for the values that are elsewhere in the value of a state, those of its children included."""
    if isinstance(state, Mapped):
        return [value for one in state.map_states for value in references_in(one)]
    reference = None if state is None else reference_of(state)
    if reference is None:
        return []
    return reference.references() if type(reference) is Gathered else [reference]


def has_shown(state: State, value: object) -> bool:
    """Tell whether a value is the very object that a state shows, or has fetched to be shown."""
    reference = reference_of(state)
    if reference is None:
        return vars(state).get("result") is value
    return reference.is_here and reference.look() is value


def with_value(state: S, value: Any) -> S:
    """Give a state a value, or what stands for it; returns the state."""
    if is_reference(value):
        vars(state).pop("result", None)
        state.remote = value
    else:
        vars(state).pop("remote", None)
        state.result = value
    return state


def success(value: Any, message: str = "Task run succeeded.") -> Success:
    """Return the state of an attempt that has returned a value, or something that stands for it."""
    return with_value(plain(Success, message), value)
