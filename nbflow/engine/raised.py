"""What it means for a run that the user's code has raised something: its end, a state, or a plain failure (rule 17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.states import Failed, State

if TYPE_CHECKING:
    from nbflow.core import signals


def ends_run(error: BaseException) -> bool:
    """Tell whether an error is meant for the whole program: a stop, alone or in a group.

    Any other `BaseException`, such as the panic of an extension or asyncio's CancelledError, fails what raised it.
    """
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return True
    return isinstance(error, BaseExceptionGroup) and any(map(ends_run, error.exceptions))


def state_of_signal(signal: signals.StateSignal | signals.ENDRUN) -> State:
    """Return the state that a raised signal stands for; Failed if the user has given it something else."""
    state = signal.state
    if issubclass(type(state), State):
        return state
    return Failed(f"{type(signal).__name__} was raised with {type(state).__name__}, which is no state", result=signal)
