"""The calls that wait for a worker, and in which bundles they go: decided here, without thread or clock.

A message costs more than most short calls, so what is known to be short travels together: as much as takes `BUNDLE_S`
seconds, and less when few are left, so that no worker goes without (guided self-scheduling, Polychronopoulos and Kuck,
1987). A call travels alone if nobody has timed its kind yet, if it is out of the ordinary, or if its task wants it so;
those of different placements never go together.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nbflow.engine.attempt import Call

BUNDLE_S = 0.05
SHORT_S = 0.25  # of calls up to this one more may wait for each worker: it need not ask for it
_LARGEST = 256


class WorkQueue:
    """Calls in the order in which they are to begin, and how long their kinds take.

    Args:
        workers: How many there are.

    Attributes:
        workers: The same; it may change.

    Example:
        >>> queue = WorkQueue(2)
        >>> queue.take()
        []
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._waiting: deque[Call] = deque()
        self._seconds: dict[Any, float] = {}
        self._newest_s: float | None = None
        self._alone: set[Call] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, call: Call) -> None:
        """Have a call wait for its turn."""
        self._waiting.append(call)

    def put_back(self, calls: Sequence[Call], *, alone: bool = False) -> None:
        """Have calls that were taken, and have not begun, wait once more, before all others.

        They go `alone` if one of them makes trouble, and nobody knows which.
        """
        self._waiting.extendleft(reversed(calls))
        if alone:
            self._alone.update(calls)

    def take(self, most: int = _LARGEST) -> list[Call]:
        """Return the calls that go next, together; `most` of them."""
        waiting = self._waiting
        if not waiting:
            return []
        first = waiting.popleft()
        bundle, left_s = [first], self._left_after(BUNDLE_S, first)
        self._alone.discard(first)  # a call that has gone keeps nothing alive here
        most = min(most, _LARGEST, max(1, (len(waiting) + 1) // (2 * self.workers)))
        placement = first.task.placement
        while left_s > 0 and waiting and len(bundle) < most:
            other = waiting[0].task.placement
            if other is not placement and other != placement:
                break
            left_s = self._left_after(left_s, waiting[0])
            if left_s > 0:
                bundle.append(waiting.popleft())
        return bundle

    def take_all(self) -> list[Call]:
        """Return all calls; none waits any more."""
        return self.taken_out(lambda _: True)

    def taken_out(self, is_wanted: Callable[[Call], bool]) -> list[Call]:
        """Return calls that are to go nowhere; they wait no more."""
        found = [call for call in self._waiting if is_wanted(call)]
        if found:
            out = set(found)
            self._waiting = deque(call for call in self._waiting if call not in out)
            self._alone -= out
        return found

    def recalled(self) -> list[Call]:
        """Return the calls that were handed over ahead of their time; they wait no more."""
        waiting = tuple(self._waiting)
        back = [call for call in waiting if may_come_back(call)]
        self._waiting = deque(call for call in waiting if not may_come_back(call))
        self._alone.difference_update(back)
        return back

    def took(self, kinds: Iterable[Any], seconds: float) -> None:
        """Note how long a call of these kinds took, all that was sent included."""
        for kind in kinds:
            known = self._seconds.get(kind)
            # The first of a kind pays for what is imported; the later ones tell more.
            self._seconds[kind] = seconds if known is None or seconds < known else (known + seconds) / 2
            self._newest_s = self._seconds[kind]

    def takes(self, kind: Any, seconds: float) -> None:
        """Note that a call takes so long already, and has not ended: what is like it is not short."""
        self._seconds[kind] = max(seconds, self._seconds.get(kind, 0.0))
        self._newest_s = seconds

    @property
    def ahead(self) -> int:
        """The number of simple calls that are of use here although no worker is free for them."""
        if self._newest_s is None or self._newest_s > SHORT_S:
            return 0
        return self.workers * min(2 * _LARGEST, 1 + int(2 * BUNDLE_S / max(self._newest_s, 1e-9)))

    def _left_after(self, left_s: float, call: Call) -> float:
        if not call.is_ahead or call in self._alone or not call.task.bundle:
            return 0.0
        seconds = self._seconds.get(kind_of(call))
        return 0.0 if seconds is None else left_s - seconds


def may_come_back(call: Call) -> bool:
    """Tell whether the run can take a call back: nobody has told it that the call has begun, which it shows."""
    return call.is_ahead and not call.where


def kind_of(call: Call) -> Any:
    """Return what calls have in common that take about as long: their code."""
    code = getattr(call.fn, "__code__", None)
    return id(code) if code is not None else type(call.task)
