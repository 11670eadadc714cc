"""The options of tasks and flows that need a check or a conversion before they are kept."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from numbers import Integral, Real
from typing import Any

from nbflow.errors import OptionError, OptionTypeError

KEEP = ("newest", "needed", "all")
"""How long values are kept in memory: docs/reruns.md."""

Handler = Callable[..., Any]
ExceptionType = type[BaseException]


@dataclass(slots=True, eq=False)
class OnFailure:
    """A state handler that calls `function(obj, state)` when a task or flow fails."""

    function: Callable[[Any, Any], Any]

    def __call__(self, obj: Any, old: Any, new: Any) -> Any:
        """Call the function if the new state is a failed one; the state stays as it is."""
        if new.is_failed():
            self.function(obj, new)
        return new


def checked_handlers(handlers: object, on_failure: Callable[[Any, Any], Any] | None) -> list[Handler]:
    """Return the state handlers as a new list, with `on_failure` as the last one.

    Raises:
        OptionTypeError: If `handlers` is not a sequence.
    """
    if handlers is None:
        found: list[Handler] = []
    elif isinstance(handlers, Sequence) and not isinstance(handlers, str):
        found = list(handlers)
    else:
        raise OptionTypeError(f"state_handlers should be iterable: give a list of functions, not {handlers!r}")
    if on_failure is not None:
        found.append(OnFailure(on_failure))
    return found


def checked_retries(
    max_retries: int, retry_delay: timedelta | float | None, retry_on: ExceptionType | Iterable[ExceptionType] | None
) -> set[ExceptionType] | None:
    """Return `retry_on` as a set, None for every exception.

    Raises:
        OptionError: If the options do not go together.
        OptionTypeError: If `retry_on` holds something else than exception types.
    """
    if isinstance(max_retries, bool) or not isinstance(max_retries, Integral):
        raise OptionTypeError(f"max_retries is {max_retries!r}; give a whole number")
    if max_retries > 0 and retry_delay is None:
        raise OptionError(
            "A datetime.timedelta `retry_delay` must be provided if max_retries > 0; a number counts as seconds"
        )
    if retry_delay is not None and not max_retries:
        raise OptionError(
            "A `max_retries` argument greater than 0 must be provided if specifying a retry delay (`retry_delay`)"
        )
    if retry_on is None:
        return None
    if not max_retries:
        raise OptionError("A `max_retries` argument greater than 0 must be provided if specifying `retry_on`")
    kinds = {retry_on} if isinstance(retry_on, type) else set(retry_on)
    for kind in kinds:
        if not isinstance(kind, type):
            raise OptionTypeError(
                "`retry_on` should be an exception type or several: expected an exception type but got an "
                f"instance of {type(kind).__name__}"
            )
        if not issubclass(kind, BaseException):
            raise OptionTypeError(f"`retry_on` should hold exception types, but {kind.__name__} is none")
    return kinds


def checked_delay(option: str, given: object) -> timedelta | None:
    """Return a time span; a number counts as seconds, and one that is too long for a timedelta as the longest.

    Raises:
        OptionTypeError: If it is neither.
        OptionError: If it is a number below zero, or none.
    """
    if given is None or isinstance(given, timedelta):
        return given
    if isinstance(given, bool) or not isinstance(given, Real):
        raise OptionTypeError(f"{option} is {given!r}; give a timedelta, or a number of seconds")
    seconds = float(given)
    if math.isnan(seconds) or seconds < 0:
        raise OptionError(f"{option} is {given!r}; give a timedelta, or a number of seconds that is not negative")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.max


def moment_after(option: str, delay: object) -> datetime:
    """Return the moment that is so long after now, or the last one that there is."""
    span = checked_delay(option, delay) or timedelta(0)
    try:
        return datetime.now(UTC) + span
    except OverflowError:
        return (datetime.max if span > timedelta(0) else datetime.min).replace(tzinfo=UTC)


def checked_choice(option: str, given: object, choices: tuple[str, ...]) -> str:
    """Return a word that is one of the choices.

    Raises:
        OptionError: If it is none of them.
    """
    if isinstance(given, str) and given in choices:
        return given
    words = " or ".join(map(repr, choices))
    raise OptionError(f"{option} is {given!r}; give {words}, or leave it out")


def checked_switch(option: str, task: str, given: object) -> bool:
    """Return what is True or False.

    Raises:
        OptionTypeError: If it is neither.
    """
    if isinstance(given, bool):
        return given
    raise OptionTypeError(f"{option} of task {task!r} is {given!r}; give True, the default, or False")


def checked_limit(max_concurrent: int | None) -> int | None:
    """Return how many may go on at once, None for no limit.

    Raises:
        OptionError: If it is no whole number of at least 1.
    """
    if max_concurrent is not None and (not isinstance(max_concurrent, int) or max_concurrent < 1):
        raise OptionError(f"max_concurrent must be a whole number of at least 1, or None, not {max_concurrent!r}")
    return max_concurrent


def whole_seconds(timeout: object) -> int:
    """Return a timeout in seconds.

    Raises:
        OptionTypeError: If it is neither a whole number nor a timedelta.
    """
    if isinstance(timeout, timedelta):
        if timeout.microseconds > 0 and timeout != timedelta.max:
            warnings.warn("Task timeouts do not support a sub-second component; it is dropped", stacklevel=3)
        return int(timeout.total_seconds())
    if not isinstance(timeout, int):
        raise OptionTypeError(
            f"Only integer timeouts (representing seconds) and timedeltas are supported, not {timeout!r}"
        )
    return timeout
