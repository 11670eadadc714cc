"""At most so many at once: who has a place, and who waits for one, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Holder = TypeVar("Holder", bound=Hashable)


class ConcurrencyLimit(Generic[Holder]):
    """A limited number of places; a holder that has one may ask again.

    Example:
        >>> limit = ConcurrencyLimit(1)
        >>> limit.acquire("a"), limit.acquire("b"), limit.release("a", wants=lambda holder: True)
        (True, False, 'b')
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: set[Holder] = set()
        self._waiting: deque[Holder] = deque()

    def acquire(self, holder: Holder) -> bool:
        """Give `holder` a place, or let it wait for one."""
        if holder in self._taken:
            return True
        if len(self._taken) < self._limit:
            self._taken.add(holder)
            return True
        self._waiting.append(holder)
        return False

    def release(self, holder: Holder, wants: Callable[[Holder], bool]) -> Holder | None:
        """Take the place of `holder` back, if it had one, and return the next that still wants one.

        The next has no place yet: it is to ask again.
        """
        if holder not in self._taken:
            return None
        self._taken.remove(holder)
        while self._waiting:
            following = self._waiting.popleft()
            if wants(following):
                return following
        return None
