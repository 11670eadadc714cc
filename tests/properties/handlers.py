"""State handlers of random flows; apart, as a process that runs tasks loads them."""

from __future__ import annotations

from typing import Any

from nbflow import signals, states
from tests.properties.world import Boom


def _leave_alone(task: Any, old: Any, new: Any) -> None:
    return None


def _raise(task: Any, old: Any, new: Any) -> None:
    raise Boom("handler")


def _fail_success(task: Any, old: Any, new: Any) -> Any:
    return states.Failed("by a handler") if isinstance(new, states.Success) else None


def _succeed(task: Any, old: Any, new: Any) -> Any:
    return states.Success("by a handler") if new.is_failed() else None


def _skip_start(task: Any, old: Any, new: Any) -> Any:
    if new.is_running():
        raise signals.SKIP("by a handler")


def _exit(task: Any, old: Any, new: Any) -> None:
    raise SystemExit("handler")


def _interrupt(task: Any, old: Any, new: Any) -> None:
    raise KeyboardInterrupt("handler")


def _retry(task: Any, old: Any, new: Any) -> Any:
    # Only once: the state it makes says so.
    if isinstance(new, states.Success) and not isinstance(new, states.Mapped) and not old.is_retrying():
        if getattr(task, "_retried", False):
            return None
        task._retried = True
        return states.Retrying("by a handler")
    return None


HANDLERS = {
    "plain": _leave_alone,
    "raise": _raise,
    "fail": _fail_success,
    "succeed": _succeed,
    "skip": _skip_start,
    "retry": _retry,
    "exit": _exit,
    "interrupt": _interrupt,
}
