"""The kernel's half of a call in another process: what it sends, and what it makes of what comes back."""

from __future__ import annotations

import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any

from nbflow.core.effects.code_reach import draws_random
from nbflow.engine.random_state import restore, state_of
from nbflow.executors.parcel import Returned, Shipped, address_of, check_parts, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call

_PLAIN = (bool, int, float, str, bytes, type(None))


class Shipper:
    """Sends calls of one run."""

    def __init__(self) -> None:
        self._travels: dict[int, tuple[Any, bool]] = {}  # by what a context holds: whether it can be pickled

    def ship(self, call: Call, function: Callable[..., Any]) -> list[Any]:
        """Return a call as bytes.

        Raises:
            CannotTravelError: If its function or an argument cannot be pickled.
        """
        context = {key: value for key, value in call.context.items() if key[:1] != "_" and self._can_travel(value)}
        draws = state_of(draws_random(function))
        try:
            return packed(Shipped(call.task.name, call.task.files, address_of(function), call.inputs, context, draws))
        except Exception as error:
            raise check_parts(call, error) from error

    def _can_travel(self, value: Any) -> bool:
        if type(value) in _PLAIN:
            return True
        known = self._travels.get(id(value))
        if known is None or known[0] is not value:
            try:
                packed(value)
                can = True
            except Exception:  # noqa: BLE001 - as above; the task finds that its context does not have it
                can = False
            known = self._travels[id(value)] = value, can
        return known[1]


def take_in(call: Call, parts: list[Any]) -> Any:
    """Return what a call came to.

    Raises:
        BaseException: What the task has raised.
    """
    returned: Returned = unpacked(parts)
    parts.clear()
    call.files = returned.files
    restore(returned.draws)
    error = returned.error
    if error is None:
        return returned.value
    if returned.trace is not None:
        from tblib import Traceback

        error = error.with_traceback(Traceback.from_dict(returned.trace).as_traceback())
    raise error


def show(stream: str, text: str) -> None:
    """Say here what a task has said in another process: this thread is busy with it."""
    if stream == "log":
        logger_record = logging.makeLogRecord(pickle.loads(bytes.fromhex(text)))
        logging.getLogger(logger_record.name).handle(logger_record)
    else:
        getattr(sys, stream).write(text)
