"""Calling the state handlers of tasks and flows, whatever they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core import signals
from nbflow.core.context import context
from nbflow.core.states import Failed, State
from nbflow.engine.error_text import error_text
from nbflow.engine.raised import ends_run, state_of_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def call_handlers(handlers: Sequence[Callable[..., State | None]], subject: Any, old: State, new: State) -> State:
    """Tell `handlers` of a change and return the state that they leave: each gets what the one before returned.

    A raised signal sets its state; any other error, and an answer that is no state, makes the state Failed, unless
    ``context.raise_on_exception``.
    """
    try:
        for handler in handlers:
            answer = handler(subject, old, new)
            if isinstance(answer, State):
                new = answer
            elif answer is not None and answer:
                raise TypeError(
                    f"a handler returned {type(answer).__name__}, which is no state; "
                    "return a state, or None to leave it as it is"
                )
    except (signals.StateSignal, signals.ENDRUN) as signal:
        return state_of_signal(signal)
    except BaseException as error:
        if ends_run(error) or context.get("raise_on_exception"):
            raise
        return Failed(f"Unexpected error while calling state handlers: {error_text(error)}", result=error)
    return new


def call_flow_handlers(handlers: Sequence[Callable[..., State | None]], flow: Any, old: State, new: State) -> State:
    """Do the same for the handlers of a flow, which cannot take the end of a run back: nobody would go on with it."""
    told = call_handlers(handlers, flow, old, new)
    if not new.is_finished() or told.is_finished():
        return told
    error = TypeError(f"a handler returned {type(told).__name__} for a run that is over ({type(new).__name__})")
    return Failed(f"Unexpected error while calling state handlers: {error_text(error)}", result=error)


def call_terminal_handler(
    handler: Callable[..., State | None], flow: Any, state: State, reference_states: set[State]
) -> State:
    """Return the final state of a run that `handler` leaves; what it raises is treated as by `call_handlers`."""

    def judge(flow: Any, old: State, new: State) -> State | None:
        return handler(flow, new, reference_states)

    return call_flow_handlers((judge,), flow, state, state)
