"""Notices when the notebook is run from top to bottom, and takes the order of its cells from that.

The front end does not say where a cell stands. A cell that is inserted in the middle is executed last at first, and its
values come after those of the others; when the cells of a flow are executed without a pause in between, its place
shows.
"""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING, Any

from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.cells.identity import is_of_cell
from nbflow.notebook.taskcell.definition import repair_order
from nbflow.notebook.tracking.reordering import reorder
from nbflow.registry import flows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from nbflow.flow import Flow
    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.cells.flow_cells import Lineage
    from nbflow.notebook.cells.index import ContributionIndex

PAUSE_S = 1.0  # nobody is as quick; cells that are executed together follow each other within milliseconds


@dataclass(slots=True)
class _Pass:
    """The contributions to one flow that were executed in a row.

    Attributes:
        seen: The number of each contribution when it was looked at last.
        known: All contributions at that time.
        order: Those that were executed since the last pause, or since one of them was executed a second time.
        is_complete: Whether these are all.
        is_whole: Whether the first of them was the first one after a pause.
    """

    seen: dict[str, int] = field(default_factory=dict)
    known: Mapping[str, Contribution] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    is_complete: bool = False
    is_whole: bool = True

    def look(self, now: Mapping[str, Contribution]) -> tuple[dict[str, int], list[str]]:
        """Look at the contributions; returns the numbers of before, and which have other ones."""
        before, last = self.seen, self.known
        if list(now) == list(last):
            changed = compress(now, map(is_not, now.values(), last.values()))
            new = {one: now[one].number for one in changed if now[one].cells}
            self.seen = before | new
        else:
            new = self.seen = {one: c.number for one, c in now.items() if c.cells}
        self.known = now
        return before, [one for one, number in new.items() if before.get(one) != number]

    def clear(self) -> None:
        """Begin again, after a pause."""
        self.order, self.is_complete, self.is_whole = [], False, True


class ExecutionOrder:
    """The cells of each flow that have been executed since the last pause.

    Args:
        namespace: The user's names.
        clock: Gives seconds.

    Attributes:
        streak: Grows with each pause.
        original_of: Gives the cell that another one may be, under a new id.
        forget: Takes the cells whose ids will not come again.
        position_of: Gives the place of a cell in the order of their first executions.
    """

    def __init__(self, namespace: MutableMapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._namespace = namespace
        self._clock = clock
        self._ended = 0.0
        self.streak = 0
        self._passes: weakref.WeakKeyDictionary[Lineage, _Pass] = weakref.WeakKeyDictionary()
        self.original_of: Callable[[str], str | None] = lambda _: None
        self.forget: Callable[[Sequence[str]], None] = lambda _: None
        self.position_of: Callable[[str], int] = lambda _: 0
        self._streak_cells: list[str] = []
        self._streak_started = 0

    def begin(self) -> None:
        """Note that a cell is about to be executed."""
        if self._clock() - self._ended > PAUSE_S:
            for name in list(flows):
                self._settle(name, None)
            self.streak += 1
            self._streak_cells = []
            for one in list(self._passes.values()):
                one.clear()

    def begin_cell(self, key: str, number: int, *, is_command: bool) -> None:
        """Note the cell and the number of its execution; a command may look at flows rather than add to them."""
        if is_command:
            for name in list(flows):
                self._settle(name, key)
        if not self._streak_cells:
            self._streak_started = number
        self._streak_cells.append(key)

    def note(self, *_: object) -> None:
        """Look which contributions have been executed; IPython calls it after each cell."""
        self._ended = self._clock()
        for name in list(flows):
            if cells_of(flows[name]).dangling:
                repair_order(flows[name])
            cells, now = cells_of(flows[name]), self._pass(name)
            if cells.contributions is now.known:
                continue
            before, executed = now.look(cells.contributions)
            executed.sort(key=now.seen.__getitem__)
            # Others may have been defined again by the way, before or after.
            cell = self._streak_cells[-1] if self._streak_cells else ""
            own = [o for o in executed if any(is_of_cell(key, cell) for key in cells.contributions[o].cells)]
            for one in executed:
                if before.get(one) is None or one in (own or executed[:1]):
                    self._take(name, one, is_new=one not in before)

    def order_with(self, flow: Flow, one: str) -> list[str] | None:
        """Return the order of the contributions if this is a pass that has come to `one`; None if it need not be."""
        index = cells_of(flow).index
        order = [other for other in self._pass(flow.name).order if other in index.contributions]
        if not order or one in order:
            return None
        rest = [other for other in index.contributions if other not in order and other != one]
        found = [*order, one, *rest]
        return None if found == list(index.contributions) else found

    def _pass(self, name: str) -> _Pass:
        return self._passes.setdefault(cells_of(flows[name]).lineage, _Pass())

    def _take(self, name: str, one: str, *, is_new: bool) -> None:
        now = self._pass(name)
        index = cells_of(flows[name]).index
        order = [other for other in now.order if other in index.contributions]
        if one in order and self._is_twice_in_pass(now, index.contributions[one]):
            return  # as in a fresh kernel it has its place where it stands first
        if one in order:
            order = order[order.index(one) + 1 :]  # a pass may have begun right after it
            now.is_whole = False
        if now.is_complete and not is_new:
            order = []  # that pass is over: this is somebody executing a cell again, or the next one
            now.is_whole = False
        now.order = [*order, one]
        if self._is_again(name, index):
            index = cells_of(flows[name]).index
        now.is_complete = len(now.order) == len(now.seen)
        if now.is_complete or (now.order[0] == next(iter(now.seen)) and self._has_most(now)):
            self._put_in_order(name)

    @staticmethod
    def _is_twice_in_pass(now: _Pass, contribution: Contribution) -> bool:
        """Tell whether the notebook has a cell twice, of which the front end does not tell the ids."""
        return not (contribution.cell_id or now.is_complete) and now.order[0] == next(iter(now.seen))

    def _settle(self, name: str, command: str | None) -> None:
        """Take the order of a pass that is over, although cells that have been deleted were not in it.

        The cell `command` is about to look at the flow; None if there was a pause.
        """
        now = self._pass(name)
        if self._has_most(now):
            self._put_in_order(name)
        if len(self._streak_cells) > 1:
            self._note_skipped(name, command)

    def _note_skipped(self, name: str, command: str | None) -> None:
        """Note which cells of the flow the streak has not executed, if it is a run from the top of the notebook."""
        cells = cells_of(flows[name])
        of_cells = (c for c in cells.contributions.values() if c.cells)
        top = next(of_cells, None)
        first = self.position_of(self._streak_cells[0])
        # What comes first is looked at first: most of the time one cell is executed, somewhere below it.
        is_below = top is None or first > self.position_of(top.cells[0])
        if is_below and not self._has_most_of_all():
            return
        places = {one: self.position_of(c.cells[0]) for one, c in cells.contributions.items() if c.cells}
        again = [one for one in places if cells.contributions[one].number > self._streak_started]
        is_from_top = again and first <= min(places.values())
        if not again or not (is_from_top or self._has_most_of_all()):
            return
        end = None if command is None else self.position_of(command)
        cells.skipped = {
            one: cells.contributions[one].number
            for one, place in places.items()
            if one not in again and (end is None or place < end)
        }

    def _has_most_of_all(self) -> bool:
        """Tell whether the streak has executed most of the cells of all flows."""
        numbers = [c.number for name in flows for c in cells_of(flows[name]).contributions.values() if c.cells]
        again = sum(1 for number in numbers if number > self._streak_started)
        return again > 1 and 2 * again > len(numbers)

    @staticmethod
    def _has_most(now: _Pass) -> bool:
        return len(now.order) > 1 and 2 * len(now.order) > len(now.seen)

    def _put_in_order(self, name: str) -> None:
        """Let the contributions of a pass stand in its order; each of the others keeps its place."""
        flow, now = flows[name], self._pass(name)
        known = list(cells_of(flow).contributions)
        members = set(now.order).intersection(known)
        in_order = iter([one for one in now.order if one in members])
        wanted = [next(in_order) if one in members else one for one in known]
        if wanted != known and reorder(flow, wanted, self._namespace):
            now.seen = {one: c.number for one, c in cells_of(flow).contributions.items() if c.cells}

    def _is_again(self, name: str, index: ContributionIndex) -> bool:
        """Tell whether the pass repeats all other cells under new ids; the old ones are taken out then."""
        now, flow = self._pass(name), flows[name]
        originals: dict[str, str] = {}
        for one in reversed(now.order):
            original = self.original_of(index.contributions[one].cells[0])
            if original is None:
                break
            originals[one] = original
        again = [*reversed(originals)]
        copied = [originals[one] for one in again if originals[one] != index.contributions[one].cells[0]]
        if not copied:
            return False
        old = [one for one in now.seen if one not in originals]
        is_same = bool(old) and [index.contributions[one].cells[0] for one in old] == copied
        if not is_same or sum(1 for one in again if index.contributions[one].binds) < 2:
            return False
        cells_of(flow).remove(old, self._namespace)
        self.forget([index.contributions[one].cells[0] for one in old])
        now.order = again
        for one in old:
            del now.seen[one]
        return True
