"""Layouts that are known already: the engine is asked once for what several pictures need.

What the engine is asked holds neither names nor states, so a flow's display, its runs, their steps and the panel ask
for the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


_PATIENCE_S = 90.0  # the engine itself is given 60


class OnceCache(Generic[Value]):
    """Keeps what was made for a text, for the texts asked for last; what two threads ask for is made once.

    Args:
        most: How many values are kept.
        most_characters: How long their texts may be together.
    """

    def __init__(self, most: int, most_characters: int) -> None:
        self._most, self._most_characters = most, most_characters
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Future[Value]] = OrderedDict()
        self._characters = 0

    def get(self, text: str, make: Callable[[], Value]) -> Value:
        """Return what is kept for `text`, or make it; whatever `make` raises is raised and not kept."""
        while True:
            mine: Future[Value] = Future()
            try:
                with self._lock:
                    known = self._kept.get(text)
                    if known is None:
                        self._put(text, mine)
                    else:
                        self._kept.move_to_end(text)
                if known is None:
                    value = make()
                    mine.set_result(value)
                    return value
            finally:  # an interrupt may come at any line, and others must not wait for what nobody makes
                if not mine.done():
                    self._give_up(text, mine)
            try:
                return known.result(_PATIENCE_S)
            except _Again:  # whoever was at it has failed: it may have been interrupted, which is not for this one
                continue
            except TimeoutError:  # in a forked child, say, which has not the thread that was at it
                self._give_up(text, known)

    def clear(self) -> None:
        """Keep nothing of what there is."""
        with self._lock:
            self._kept.clear()
            self._characters = 0

    def _give_up(self, text: str, one: Future[Value]) -> None:
        with self._lock:
            if self._kept.get(text) is one:
                self._drop(text)
        with suppress(InvalidStateError):  # whoever was at it has made it after all
            one.set_exception(_Again())

    def _put(self, text: str, mine: Future[Value]) -> None:
        self._kept[text] = mine
        self._characters += len(text)
        while len(self._kept) > 1 and (len(self._kept) > self._most or self._characters > self._most_characters):
            self._drop(next(iter(self._kept)))

    def _drop(self, text: str) -> None:
        del self._kept[text]
        self._characters -= len(text)


class _Again(Exception):
    """Whoever was making the value has not made it."""
