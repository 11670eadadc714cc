"""The handlers that nbflow adds to the root logger: they are called, and not counted.

So `logging.basicConfig()` in a task finds a logger that nobody has set up, and who removes all handlers leaves ours.
There may be several at once: of a run, and of a worker that lives in the same process or whose task runs a flow.
"""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from nbflow.engine.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Iterator


class UncountedHandler(logging.Handler):
    """A handler of ours: called before those of the user; after them if it `tells` another process of the records."""

    tells = False

    def around(self) -> AbstractContextManager[object]:
        """Return the context in which the user's handlers are called."""
        return nullcontext()


class _Handlers(list[logging.Handler]):
    """The user's handlers; whoever goes through them one by one, as loggers do, meets ours as well."""

    def __init__(self, found: list[logging.Handler]) -> None:
        super().__init__(found)
        self.found = found
        self.ours: tuple[UncountedHandler, ...] = ()

    def __iter__(self) -> Iterator[logging.Handler]:
        ours = self.ours
        yield from (one for one in ours if not one.tells)
        yield from self._theirs(ours)
        yield from (one for one in ours if one.tells)

    def _theirs(self, ours: tuple[UncountedHandler, ...]) -> Iterator[logging.Handler]:
        if not ours:
            yield from super().__iter__()
            return
        with ours[0].around():
            yield from self._theirs(ours[1:])


_lock = threading.Lock()


def add(handler: UncountedHandler) -> None:
    """Have the root logger call a handler of ours; twice is once."""
    root = logging.root
    with _lock:
        handlers = root.handlers
        if not isinstance(handlers, _Handlers):
            root.handlers = handlers = _Handlers(handlers)
        if handler not in handlers.ours:
            handlers.ours = (*handlers.ours, handler)


def remove(handler: UncountedHandler) -> None:
    """Have it called no more; with the last of ours the logger has the list that it had, with what there is now."""
    root = logging.root
    with _lock:
        handlers = root.handlers
        if isinstance(handlers, _Handlers):
            handlers.ours = tuple(one for one in handlers.ours if one is not handler)
            if not handlers.ours:
                handlers.found[:] = handlers[:]
                root.handlers = handlers.found


def are_told() -> bool:
    """Tell whether another process is told the records: it shows them."""
    handlers = logging.root.handlers
    return isinstance(handlers, _Handlers) and any(one.tells for one in handlers.ours)


@in_child
def _forget_lock() -> None:
    global _lock
    _lock = threading.Lock()  # a thread that is not here may have held it
