"""The items of an iterator for several takers, each of whom gets all of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class ItemBuffer:
    """Hands out any number of iterators over all items of one that can be gone through once only.

    Items are pulled when a taker first needs them, so the source may be endless, and are kept as long as the buffer or
    a taker is. Several threads may take; the source itself runs in one at a time. What the source raises reaches every
    taker at its place; the next item after it is what the source gives then (a generator: the end).

    Args:
        iterator: The source; nobody else may take from it any more.

    Example:
        >>> buffer = ItemBuffer(iter("ab"))
        >>> list(buffer.take()), list(buffer.take())
        (['a', 'b'], ['a', 'b'])
    """

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._source: Iterator[Any] | None = iterator
        self._items: list[tuple[Any, Exception | None]] = []
        self._lock = threading.RLock()  # a source may take from its own buffer

    def take(self) -> Iterator[Any]:
        """Return an iterator that starts at the first item."""
        return _Taker(self)

    def at(self, place: int) -> Any:
        """Return the item at a place, pulling what is needed for it; raise what the source raised there.

        Raises:
            StopIteration: If there are no items any more.
        """
        items = self._items
        if place >= len(items):
            with self._lock:
                while place >= len(items):
                    self._pull()
        item, error = items[place]
        if error is None:
            return item
        raise error.with_traceback(item)  # as it was: each taker would add lines to it

    def _pull(self) -> None:
        if self._source is None:
            raise StopIteration
        try:
            entry: tuple[Any, Exception | None] = next(self._source), None
        except StopIteration:
            self._source = None
            raise
        except Exception as error:  # noqa: BLE001 - the source is the user's
            entry = error.__traceback__, error
        self._items.append(entry)


class _Taker:
    """An iterator over the items of a buffer."""

    __slots__ = ("_buffer", "_lock", "_place")

    def __init__(self, buffer: ItemBuffer) -> None:
        self._buffer = buffer
        self._place = 0
        self._lock = threading.RLock()

    def __iter__(self) -> _Taker:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("it is an iterator: send a list of its items")

    def __next__(self) -> Any:
        with self._lock:  # two threads that share one taker share its items
            place = self._place
            self._place += 1
            try:
                return self._buffer.at(place)
            except BaseException as error:
                if isinstance(error, StopIteration) or not isinstance(error, Exception):
                    self._place = place  # nothing was taken: the end, or an interrupt
                raise
