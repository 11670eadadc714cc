"""One cleanup of a resource at a time (rule 15): the run's own, one that lingers, one that is made again, the reaper's.

A thread that cleans up cannot be stopped for certain: one that has had its time, and counts as failed, may still be at
work. Whoever comes next waits for it, or is told; and when it has ended well after all, there is nothing left to do.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import TaskCancelled
from nbflow.errors import CleanupRunningError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.attempt import Call
    from nbflow.engine.open_resources import OpenResource

_LOOK_S = 0.1  # an exception sent to a thread may cost it the line that says that it has ended


class _Changed:
    """One condition for all resources, as there is hardly ever somebody who waits; the child of a fork has its own."""

    def __init__(self) -> None:
        self.any = threading.Condition(threading.Lock())


_changed = _Changed()
os.register_at_fork(after_in_child=_changed.__init__)  # type: ignore[misc]


class Claim:
    """The turn of somebody who makes no call."""

    is_over = False


class CleanupTurn:
    """Whose turn it is to clean a resource up. Safe to use from several threads.

    Attributes:
        is_done: Whether a cleanup has returned, so that no other is due.
    """

    __slots__ = ("_holder", "is_done")

    def __init__(self) -> None:
        self._holder: Call | Claim | None = None
        self.is_done = False

    def take(self, holder: Call | Claim, wait_s: float | None) -> bool:
        """Wait until it is free, at most so long, and take it; tells whether that went well."""
        with _changed.any:
            if self._holder is not None and not self._wait(wait_s):
                return False
            self._holder = holder
            return True

    def _wait(self, wait_s: float | None) -> bool:
        until = None if wait_s is None else time.monotonic() + wait_s
        while self._holder is not None and not self._holder.is_over:
            left_s = _LOOK_S if until is None else until - time.monotonic()
            if left_s <= 0:
                return False
            _changed.any.wait(min(left_s, _LOOK_S))
        return True

    def end(self, holder: Call | Claim) -> None:
        """Give it back."""
        with _changed.any:
            if self._holder is holder:
                self._holder = None
            _changed.any.notify_all()

    def cut(self) -> None:
        """Have a cleanup that runs in a thread of its own end where it is: the user has given the resource up."""
        holder = self._holder
        if holder is not None and not isinstance(holder, Claim) and not holder.is_over:
            holder.hit(TaskCancelled)

    @contextmanager
    def taken(self, wait_s: float | None) -> Iterator[bool]:
        """Have the turn inside of a `with`, if it is free in so many seconds; says whether it was."""
        claim = Claim()
        try:
            yield self.take(claim, wait_s)
        finally:
            claim.is_over = True
            self.end(claim)


def in_turn(call: Call, held: OpenResource) -> None:
    """Have the call of a cleanup wait for its turn, and do nothing if another one has ended well meanwhile."""
    fn, turn = call.fn, held.turn

    def run(**inputs: Any) -> Any:
        if not turn.take(call, held.block.cleanup_timeout_s):
            raise CleanupRunningError(held.name)
        value: Any = None
        try:
            if turn.is_done:
                return None
            value = fn(**inputs)
            if type(value) is CoroutineType:
                return run_to_end(value)
            turn.is_done = True
            return value
        finally:
            if type(value) is not CoroutineType:
                turn.end(call)

    async def run_to_end(coroutine: Any) -> Any:
        try:
            value = await coroutine
            turn.is_done = True
            return value
        finally:
            turn.end(call)

    call.fn = run
