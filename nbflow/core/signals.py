"""Exceptions that a task, trigger or handler raises to say which state comes next."""

from __future__ import annotations

from typing import Any

from nbflow.core import states
from nbflow.core.states import State

__all__ = [
    "ENDRUN", "FAIL", "LOOP", "PAUSE", "RETRY", "SKIP", "SUCCESS", "TRIGGERFAIL", "VALIDATIONFAIL", "StateSignal",
    "TaskTimeoutSignal", "signal_from_state",
]  # fmt: skip


class StateSignal(Exception):
    """Base of the signals that stand for a state; only its subclasses are raised.

    Arguments beyond the message go to the state. Unless one of them is a result, the result is the signal.

    Attributes:
        state: The state it stands for.
    """

    _state_cls: type[State] = State

    def __init_subclass__(cls, *, state: type[State] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if state is not None:
            cls._state_cls = state

    def __init__(self, message: str | None = None, *args: Any, **kwargs: Any) -> None:
        # Raw arguments only: what else there is travels in `__dict__`, so that pickling works.
        super().__init__(*(() if message is None else (message,)))
        if not args:
            kwargs.setdefault("result", self)
        self.state = self._state_cls(message, *args, **kwargs)


class FAIL(StateSignal, state=states.Failed):
    """Ends the task as Failed."""


class TRIGGERFAIL(FAIL, state=states.TriggerFailed):
    """Ends the task as TriggerFailed: the tasks upstream did not end as they should."""


class VALIDATIONFAIL(FAIL, state=states.ValidationFailed):
    """Ends the task as ValidationFailed: its value was found wanting."""


class SUCCESS(StateSignal, state=states.Success):
    """Ends the task as Success."""


class RETRY(StateSignal, state=states.Retrying):
    """Asks for another attempt, at `start_time` (now by default), whatever the task's `max_retries`."""


class SKIP(StateSignal, state=states.Skipped):
    """Ends the task as Skipped; by default the tasks below are skipped too."""


class PAUSE(StateSignal, state=states.Paused):
    """Holds the task until it is resumed, or until `start_time`."""


class LOOP(StateSignal, state=states.Looped):
    """Runs the task again at once, with `result` as ``context.task_loop_result``."""


class ENDRUN(Exception):
    """Leaves the run of a task or flow at once, in the given state."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return self.state.message or repr(self.state)


class TaskTimeoutSignal(TimeoutError):
    """The task took longer than its `timeout`; the result of a TimedOut state."""

    def __str__(self) -> str:
        return super().__str__() or "the task timed out"


def signal_from_state(state: State) -> type[StateSignal]:
    """Return the signal that stands for exactly the class of `state`.

    Raises:
        ValueError: If there is none.
    """
    waiting: list[type[StateSignal]] = [StateSignal]
    while waiting:
        signal = waiting.pop()
        if signal._state_cls is type(state) and signal is not StateSignal:
            return signal
        waiting += signal.__subclasses__()
    raise ValueError(f"no signal stands for a state like {state!r}; raise ENDRUN(state) instead")
