"""States by name: those that a store may hold. Nothing else that a file says becomes a state."""

from __future__ import annotations

from typing import Any

from nbflow.core import states
from nbflow.core.state_traits import STATE_TRAITS
from nbflow.core.states import Cached, Mapped, State, Success, plain

_KNOWN: dict[str, type[State]] = {
    name: getattr(states, name) for name, traits in STATE_TRAITS.items() if traits.is_storable
}


def state_name(state: State) -> str:
    """Return the name that a state is kept by: its class's, or that of the nearest one that is nbflow's."""
    return next((cls.__name__ for cls in type(state).__mro__ if _KNOWN.get(cls.__name__) is cls), "Finished")


def message_of(state: State) -> str | None:
    """Return the message of a state, which a user may have made of anything, as a text."""
    message: Any = state.message
    if message is None or type(message) is str:
        return message
    try:
        return str.__str__(message) if isinstance(message, str) else repr(message)
    except Exception:  # noqa: BLE001 - users' classes
        return None


def named_state(name: str, message: str | None, result: Any = None) -> State | None:
    """Return a state of that name; None if a store holds no such states.

    A cached result comes back as a plain one: whether it still counts was asked when it was taken.
    """
    cls = _KNOWN.get(name)
    if cls is None or cls is Mapped:
        return None
    return plain(Success if cls is Cached else cls, message or "", result)
