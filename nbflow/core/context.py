"""The context of the running code: the run's parameters, names, counts and dates, kept apart for each thread.

The engine puts a whole dictionary in place for each attempt (`Context.swap`); users read it through
`nbflow.context` and add to it with ``with context(...)``. Nothing here knows what the keys mean, but for two
that are made when asked for: ``logger`` and ``caches``.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

CACHES: dict[str, list[Any]] = {}
"""Cached states by cache key: shared by all threads, and what ``context.caches`` is unless replaced."""


class Attempt(Protocol):
    """Something whose `context` is made when it is first asked for."""

    is_over: bool

    @property
    def context(self) -> dict[str, Any]:
        """The values, always the same dictionary."""


work_of: ContextVar[Attempt | None] = ContextVar("nbflow_work_of", default=None)
"""The attempt that something is done for, also in another thread: `asyncio.to_thread` takes it along (rule 16)."""


def context_without_work() -> contextvars.Context:
    """Return a copy of the context for a thread of nbflow's own, which is busy with what it is given later."""
    copied = contextvars.copy_context()
    copied.run(work_of.set, None)
    return copied


class PerThread(threading.local):
    """Each thread's own values: `data`.

    `held` is what they are taken from: the dictionary itself or, as long as nobody has asked, the attempt that the
    thread is busy with. Most tasks never ask, and making two dozen values would cost more than the attempt. A thread
    that is busy with nothing has the values of the attempt that its context was copied from, as long as that lasts.
    """

    def __init__(self) -> None:
        self.held: dict[str, Any] | Attempt = {}
        self.own = self.held

    @property
    def data(self) -> dict[str, Any]:
        """The dictionary, of the attempt's making if there is one."""
        held = self.held
        if held is self.own:
            attempt = work_of.get()
            if attempt is not None and not attempt.is_over:
                return attempt.context
        if not isinstance(held, dict):
            held = self.held = held.context
        return held

    @data.setter
    def data(self, values: dict[str, Any]) -> None:
        self.held = values


thread = PerThread()


def _logger(data: dict[str, Any]) -> logging.Logger:
    name = data.get("task_name")
    return logging.getLogger("nbflow" if name is None else f"nbflow.{name}")


# Made on access instead of stored: a logger for each attempt would cost more than the attempt, and the caches
# must not travel with every copy of the context.
_MADE_ON_ACCESS = {"caches": lambda data: CACHES, "logger": _logger}


class Context(MutableMapping[str, Any]):
    """A dictionary of the calling thread whose items are attributes too.

    ``context.x``, ``context["x"]`` and ``context.get("x")`` read the same value. ``with context(x=1):`` and
    ``with context({"x": 1}):`` add values for the time of the block; on leaving, everything is as it was before,
    including what the block set or deleted by other means.
    """

    __slots__ = ()

    @contextmanager
    def __call__(self, *args: Mapping[str, Any], **values: Any) -> Iterator[Context]:
        """Add values until the block ends; accepts what `dict` accepts."""
        before = thread.held
        thread.data = thread.data | dict(*args, **values)
        try:
            yield self
        finally:
            thread.held = before

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"context has no value {name!r} here") from None

    def __delattr__(self, name: str) -> None:
        try:
            del thread.data[name]
        except KeyError:
            raise AttributeError(f"context has no value {name!r} here") from None

    def __getitem__(self, key: str) -> Any:
        data = thread.data
        if key in data:
            return data[key]
        return _MADE_ON_ACCESS[key](data)

    def __setitem__(self, key: str, value: Any) -> None:
        thread.data[key] = value

    __setattr__ = __setitem__

    def __delitem__(self, key: str) -> None:
        del thread.data[key]

    def __contains__(self, key: object) -> bool:
        return key in thread.data or key in _MADE_ON_ACCESS

    def __iter__(self) -> Iterator[str]:
        return iter(thread.data)

    def __len__(self) -> int:
        return len(thread.data)

    def __repr__(self) -> str:
        return f"<Context: {', '.join(sorted(map(str, thread.data)))}>" if thread.data else "<Context>"

    def __reduce__(self) -> str:
        # By name: a function that uses the context and is shipped elsewhere finds the context of that place.
        return "context"

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key` in this thread, or `default`."""
        data = thread.data
        if key in data:
            return data[key]
        made = _MADE_ON_ACCESS.get(key)
        return default if made is None else made(data)

    def clear(self) -> None:
        """Forget every value of this thread."""
        thread.data.clear()

    def copy(self) -> dict[str, Any]:
        """Return this thread's values as a dictionary of their own; what is made on access is left out."""
        return thread.data.copy()

    to_dict = copy

    def swap(self, values: dict[str, Any] | Attempt) -> dict[str, Any] | Attempt:
        """Install `values` itself, or those of an attempt, as this thread's context and return what it replaces."""
        before = thread.held
        thread.held = values
        return before

    def cancelled(self) -> bool:
        """Tell whether the run asked the calling task to stop; long tasks look now and then."""
        flag = thread.data.get("_cancel_flag")
        return flag is not None and bool(flag())


context = Context()
