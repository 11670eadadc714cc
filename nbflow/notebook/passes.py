"""Notices when the notebook is run from top to bottom, and takes the order of its cells from that.

The front end does not say where a cell stands. A cell that is inserted in the middle is executed last at first, and its
values come after those of the others; when all cells of a flow are executed without a pause in between, its place
shows.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

from nbflow.errors import NbflowError
from nbflow.notebook.book import Book
from nbflow.notebook.cells import Cells, cells_of
from nbflow.notebook.difference import is_made
from nbflow.notebook.surgery import Snapshot
from nbflow.registry import flows

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from nbflow.flow import Flow

__all__ = ["Passes"]

PAUSE_S = 1.0  # nobody is as quick; cells that are executed together follow each other within milliseconds


class Passes:
    """The cells of each flow that have been executed since the last pause.

    Args:
        namespace: The user's names.
        clock: Gives seconds.
    """

    def __init__(
        self, namespace: MutableMapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._namespace = namespace
        self._clock = clock
        self._ended = 0.0
        self._cells: weakref.WeakValueDictionary[str, Cells] = weakref.WeakValueDictionary()
        self._seen: dict[str, dict[str, int]] = {}
        self._order: dict[str, list[str]] = {}
        self._complete: set[str] = set()  # the flows whose order is that of a whole pass

    def begin(self) -> None:
        """Note that a cell is about to be executed."""
        if self._clock() - self._ended > PAUSE_S:
            self._order.clear()
            self._complete.clear()

    def note(self, *_: object) -> None:
        """Look which contributions have been executed; IPython calls it after each cell."""
        self._ended = self._clock()
        for name in list(flows):
            cells = cells_of(flows[name])
            if self._cells.get(name) is not cells:  # another flow has the name of one that was reset
                self._cells[name] = cells
                self._seen.pop(name, None)
                self._order.pop(name, None)
                self._complete.discard(name)
            numbers = {one: c.number for one, c in cells.contributions.items()}
            before = self._seen.get(name, {})
            self._seen[name] = numbers
            executed = [one for one, number in numbers.items() if before.get(one) != number]
            if executed:
                # Others may have been defined again by the way, before or after; the cell itself came first.
                one = min(executed, key=numbers.__getitem__)
                self._take(flows[name], cells, one, is_new=one not in before)

    def _take(self, flow: Flow, cells: Cells, one: str, *, is_new: bool) -> None:
        known = cells.contributions
        order = [other for other in self._order.get(flow.name, []) if other in known]
        if one in order:
            order = order[order.index(one) + 1 :]  # a pass may have begun right after it
        if flow.name in self._complete and not is_new:
            order = []  # that pass is over: this is somebody executing a cell again, or the next one
        order.append(one)
        self._order[flow.name] = order
        self._complete.discard(flow.name)
        if len(order) == len(known):
            self._complete.add(flow.name)
            if order != list(known):
                self._reorder(flow, cells, order)

    def _reorder(self, flow: Flow, cells: Cells, order: list[str]) -> None:
        old, snapshot = cells.book, Snapshot(flow)
        book = Book({one: old.contributions[one] for one in order})
        try:
            missing = cells.put_together(book)
        except NbflowError:  # it cannot be their order, then
            snapshot.restore()
            return
        cells.take(book, missing)
        self._seen[flow.name] = {one: c.number for one, c in book.contributions.items()}
        for name, binders in book.binders.items():
            if len(binders) > 1 and is_made(self._namespace.get(name)):
                self._namespace[name] = book.value(name, binders[-1])
