"""The user's triggers, handlers, validators and conditions, called on the run's thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.context import context
from nbflow.engine import forks
from nbflow.engine.capture import end_turns
from nbflow.engine.transitions import state_of_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.states import State
    from nbflow.engine.interrupts import Guard


class UserCode:
    """Calls functions of the user's for a run, open to its interrupts, and lets nothing of theirs out (rule 17)."""

    def __init__(self, guard: Guard, fail: Callable[[BaseException], None]) -> None:
        self._guard, self._fail = guard, fail

    def call(self, values: dict[str, Any], fn: Callable[..., Any], *args: Any, fallback: State | None = None) -> Any:
        """Call a trigger, handler or validator; what gets out of it ends the run, and stands as a state here."""
        found, error = self.ask(values, fn, *args)
        if error is None:
            return found
        # The user's own interrupt is no failure of the run: the message that cancels it is in the inbox already.
        if not (isinstance(error, KeyboardInterrupt) and self._guard.count):
            self._fail(error)
        return fallback if fallback is not None else state_of_error(error)

    def ask(
        self, values: dict[str, Any], fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> tuple[Any, BaseException | None]:
        """Call a function with `values` as the context and return its value, and what it raised."""
        before, born = context.swap(values), forks.generation
        end_turns()  # where the run was started by a task, the context is that task's
        self._guard.in_user_code = True
        try:
            found = fn(*args, **kwargs)
            if forks.generation != born:  # a child that comes back must not go on with its parent's run (rule 14)
                forks.end_child(None)
            return found, None
        except BaseException as error:  # noqa: BLE001 - the caller decides
            if forks.generation != born:
                forks.end_child(error)
            # Here too, and not only below: an interrupt that comes between these lines would be raised in ours.
            self._guard.in_user_code = False
            return None, error
        finally:
            self._guard.in_user_code = False
            context.swap(before)
