"""The things that a run's thread is to do later."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Timers:
    """A heap of actions by the time at which they are due. Used on the run's thread only, which does them itself.

    So an action never meets a state that another thread is changing; who has to act while that thread is busy with a
    call uses `CallStopper.hit_after`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._number = (
            itertools.count()
        )  # of two that are due at once the first comes first; actions have no order

    def after(self, delay_s: float, action: Callable[..., None], *args: Any) -> None:
        """Have `action` called in so many seconds."""
        heapq.heappush(self._due, (self._clock() + delay_s, next(self._number), action, args))

    @property
    def next_at(self) -> float | None:
        """The time at which the next is due."""
        return self._due[0][0] if self._due else None

    def fire(self, now: float) -> None:
        """Do what is due."""
        while self._due and self._due[0][0] <= now:
            _, _, action, args = heapq.heappop(self._due)
            action(*args)

    def clear(self) -> None:
        """Forget all of them: the run is over."""
        self._due.clear()
