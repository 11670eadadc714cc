"""Calling the state handlers of tasks and flows, whatever they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core import signals
from nbflow.core.context import context
from nbflow.core.states import Failed, State
from nbflow.engine.describe import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def call_handlers(
    handlers: Sequence[Callable[..., State | None]], subject: Any, old: State, new: State
) -> State:
    """Tell `handlers` of a change and return the state that they leave: each gets what the one before returned.

    A raised signal sets its state; any other error makes the state Failed, unless ``context.raise_on_exception``.
    """
    try:
        for handler in handlers:
            new = handler(subject, old, new) or new
    except (signals.StateSignal, signals.ENDRUN) as signal:
        return signal.state
    except Exception as error:
        if context.get("raise_on_exception"):
            raise
        return Failed(f"Unexpected error while calling state handlers: {describe(error)}", result=error)
    return new


def call_terminal_handler(
    handler: Callable[..., State | None], flow: Any, state: State, reference_states: set[State]
) -> State:
    """Return the final state of a run that `handler` leaves; what it raises is treated as by `call_handlers`."""

    def judge(flow: Any, old: State, new: State) -> State | None:
        return handler(flow, new, reference_states)

    return call_handlers((judge,), flow, state, state)
