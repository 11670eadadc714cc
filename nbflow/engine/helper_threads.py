"""The threads that a task starts: they take its context along, and the cleanup of its block waits for them (rule 16).

Python starts a thread with an empty context. So `Thread.start` is ours for as long as runs go on; for threads that no
task starts it does what it always did.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

from nbflow.core.context import work_of

if TYPE_CHECKING:
    from collections.abc import Callable

_NONE = object()
_start: Callable[[threading.Thread], None] = threading.Thread.start


def take_start() -> None:
    """Take the place of `Thread.start`."""
    global _start
    if threading.Thread.start is not _start_with_context:
        _start = threading.Thread.start
        threading.Thread.start = _start_with_context  # type: ignore[method-assign]


def give_start_back() -> None:
    """Put back what was there, unless somebody else has put theirs on top of it meanwhile."""
    if threading.Thread.start is _start_with_context:
        threading.Thread.start = _start  # type: ignore[assignment, method-assign]


def _start_with_context(self: threading.Thread) -> None:
    call: Any = work_of.get()
    if call is None or call.is_over:
        _start(self)
        return
    own, run = vars(self).get("run", _NONE), self.run
    ended = None if self.daemon or _is_of_a_pool(self) else _noted_with(call)
    context = contextvars.copy_context()

    def put_back() -> None:
        vars(self).pop("run", None)
        if own is not _NONE:
            vars(self)["run"] = own

    def run_in_context() -> None:
        put_back()
        try:
            context.run(run)
        finally:
            if ended is not None:
                ended.set_result(None)

    self.run = run_in_context  # type: ignore[method-assign]
    try:
        _start(self)
    except BaseException:
        put_back()
        if ended is not None:
            ended.set_result(None)
        raise


def _is_of_a_pool(started: threading.Thread) -> bool:
    """Whether it waits for work that may come from anybody."""
    return getattr(getattr(started, "_target", None), "__module__", None) == "concurrent.futures.thread"


def _noted_with(call: Any) -> Any:
    from concurrent.futures import Future  # not at the top: few tasks start threads

    ended: Future[None] = Future()
    call.helpers = (*(one for one in call.helpers if not one.done()), ended)
    return ended
