"""The calls that wait for a worker, and in which bundles they go: decided here, without thread or clock.

A message costs more than most short calls, so what is known to be short travels together: as much as takes `BUNDLE_S`
seconds, and less when few are left, so that no worker goes without (guided self-scheduling, Polychronopoulos and Kuck,
1987). A call travels alone if nobody has timed its kind yet, if it is out of the ordinary, or if its task wants it so;
those of different placements never go together, nor those that may be made again with those that may not.

A call that expects others waits until they have ended well, or goes in the bundle of those that have not. A chain has
nothing to share: it goes on in one bundle for as long as nobody else could do anything.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.engine.attempt import RECALLED
from nbflow.executors.handed_on import can_be_handed_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nbflow.engine.attempt import Call, Outcome

BUNDLE_S = 0.05
SHORT_S = 0.25  # of calls up to this one more may wait for each worker: it need not ask for it
_WAIT_S = 0.005  # that a worker may go without work, at most, for a bundle that is worth what it costs
_LARGEST = 256
_ANY = 2**31


class _Blocked(NamedTuple):
    """A call that waits for others: its number in the line, and those that have to end before it may go."""

    number: int
    by: set[Call]


class WorkQueue:
    """Calls in the order in which they are to begin, and how long their kinds take.

    Its length is the number of those that may go now.

    Args:
        workers: How many there are.
        largest: How many calls go together at most.
        worth_it: How many very short ones go together at least, if as many wait: what a bundle costs is worth that
            many, also where a worker goes without for it.

    Attributes:
        workers: The same; it may change.

    Example:
        >>> queue = WorkQueue(2)
        >>> queue.take()
        []
    """

    def __init__(self, workers: int, *, largest: int = _LARGEST, worth_it: int = 1) -> None:
        self.workers, self._largest, self._worth_it = workers, largest, worth_it
        self._ready: list[tuple[int, Call]] = []  # a heap, by their numbers in the line
        self._first = self._last = 0
        self._blocked: dict[Call, _Blocked] = {}
        self._below: dict[Call, dict[Call, None]] = {}  # those that are here, by each that they expect
        self._followed: set[Call] = set()  # calls that have gone, and hold up none of those that expect them
        self._seconds: dict[Any, float] = {}
        self._newest_s: float | None = None
        self._alone: set[Call] = set()

    def __len__(self) -> int:
        return len(self._ready)

    # -- in -----------------------------------------------------------------------------------------------------

    def add(self, call: Call) -> bool:
        """Have a call wait for its turn; False if it goes back, since one that it expects has not ended well."""
        self._last += 1
        return self._add(call, self._last)

    def put_back(self, calls: Sequence[Call], *, alone: bool = False) -> list[Call]:
        """Have calls that were taken, and have not begun, wait once more, before all others.

        They go `alone` if one of them makes trouble, and nobody knows which. Returns those that go back instead.
        """
        self._first -= len(calls)
        for call in self._followed.intersection(calls):
            self._followed.remove(call)
            self._hold_up(call)
        back = [call for number, call in enumerate(calls, self._first) if not self._add(call, number)]
        if alone:
            self._alone.update(call for call in calls if call not in back)
        return back

    def _add(self, call: Call, number: int) -> bool:
        if not call.expects:  # the same as below, for most
            heappush(self._ready, (number, call))
            return True
        awaited = [up for up in call.expects if up.returned is None]
        if not all(up.returned is None or can_be_handed_on(up.returned) for up in call.expects):
            call.returned = RECALLED
            return False
        for up in awaited:
            self._below.setdefault(up, {})[call] = None
        by = {up for up in awaited if up not in self._followed}
        if by:
            self._blocked[call] = _Blocked(number, by)
        else:
            heappush(self._ready, (number, call))
        return True

    def let_follow(self, calls: Iterable[Call]) -> None:
        """Let those go that expect calls, although these have not ended: they can wait for them where they get to."""
        for call in calls:
            if call.returned is None:
                self._followed.add(call)
                for one in self._below.get(call, ()):
                    self._free(one, call)

    def _hold_up(self, up: Call) -> None:
        """Have those wait that expect a call, which is going to be here again."""
        below = self._below.get(up, {})
        for number, call in [one for one in self._ready if one[1] in below]:
            self._ready.remove((number, call))
            self._blocked[call] = _Blocked(number, set())
        heapify(self._ready)
        for call in below:
            self._blocked[call].by.add(up)

    # -- out ----------------------------------------------------------------------------------------------------

    def take(self, most: int = _ANY) -> list[Call]:
        """Return the calls that go next, together; `most` of them."""
        if not self._ready:
            return []
        share = (len(self._ready) + len(self._blocked)) // (2 * self.workers)
        first = call = heappop(self._ready)[1]
        left_s = self._left_after(BUNDLE_S, call)
        bundle = [call]
        along: list[tuple[int, Call]] = []  # a heap of those that wait for calls of the bundle only
        missing: dict[Call, int] = {}
        while left_s > 0 and len(bundle) < min(most, self._largest):
            self._free_below(call, along, missing)
            heap = self._ready if not along or (self._ready and self._ready[0] < along[0]) else along
            if not heap:
                break
            # Where there is but one that could go, no other worker could have it: a chain goes on.
            is_enough = len(bundle) >= (share if BUNDLE_S - left_s > _WAIT_S else max(share, self._worth_it))
            if is_enough and len(self._ready) + len(along) > 1:
                break
            call = heap[0][1]
            if not _go_together(first, call):
                break
            left_s = self._left_after(left_s, call)
            if left_s > 0:
                heappop(heap)
                bundle.append(call)
        for call in bundle:
            self._drop(call)
        return bundle

    def _free_below(self, call: Call, along: list[tuple[int, Call]], missing: dict[Call, int]) -> None:
        """Add those to `along` that wait for nothing any more but the bundle, which now has a call more."""
        for one in self._below.get(call, ()):
            blocked = self._blocked.get(one)
            if blocked is not None and call in blocked.by:
                missing[one] = missing.get(one, len(blocked.by)) - 1
                if not missing[one]:
                    heappush(along, (blocked.number, one))

    def take_all(self) -> list[Call]:
        """Return all calls; none waits any more."""
        return self.taken_out(lambda _: True)

    def taken_out(self, is_wanted: Callable[[Call], bool]) -> list[Call]:
        """Return calls that are to go nowhere; they wait no more."""
        line = [*self._ready, *((blocked.number, call) for call, blocked in self._blocked.items())]
        found = [call for _, call in sorted(line) if is_wanted(call)]
        if found:
            out = set(found)
            self._ready = [one for one in self._ready if one[1] not in out]
            heapify(self._ready)
            for call in found:
                self._drop(call)
        return found

    def recalled(self) -> list[Call]:
        """Return the calls that were handed over ahead of their time; they wait no more."""
        return self.taken_out(may_come_back)

    def _drop(self, call: Call) -> None:
        """Forget a call that is not in the heap any more: one that has gone keeps nothing alive here."""
        self._alone.discard(call)
        self._blocked.pop(call, None)
        for up in call.expects:
            below = self._below.get(up)
            if below is not None:
                below.pop(call, None)
                if not below:
                    del self._below[up]

    # -- ends ---------------------------------------------------------------------------------------------------

    def is_awaited(self, call: Call) -> bool:
        """Tell whether calls that wait here expect one."""
        return call in self._below

    def ended(self, ended: Iterable[tuple[Call, Outcome]]) -> list[Call]:
        """Note what has come of calls, of which the run has been told.

        Returns those that go back: one that they expect has not ended well, or its value is not handed on.
        """
        back: list[Call] = []
        for call, outcome in ended:
            call.returned = outcome
            self._followed.discard(call)
            if call in self._below:
                self._pass_on(call, outcome, back)
        return back

    def _pass_on(self, call: Call, outcome: Outcome, back: list[Call]) -> None:
        if can_be_handed_on(outcome):
            for one in self._below.pop(call):
                self._free(one, call)
            return
        pending = [call]
        while pending:
            gone = self._below.pop(pending.pop(), {})
            if gone:
                self._ready = [one for one in self._ready if one[1] not in gone]
                heapify(self._ready)
            for one in gone:
                self._drop(one)
                one.returned = RECALLED
                back.append(one)
                pending.append(one)

    def _free(self, call: Call, up: Call) -> None:
        blocked = self._blocked.get(call)
        if blocked is not None:
            blocked.by.discard(up)
            if not blocked.by:
                del self._blocked[call]
                heappush(self._ready, (blocked.number, call))

    # -- times --------------------------------------------------------------------------------------------------

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
        return self.workers * min(2 * self._largest, 1 + int(2 * BUNDLE_S / max(self._newest_s, 1e-9)))

    def _left_after(self, left_s: float, call: Call) -> float:
        if not call.is_ahead or call in self._alone or not call.task.bundle:
            return 0.0
        seconds = self._seconds.get(kind_of(call))
        return 0.0 if seconds is None else left_s - seconds


def _go_together(first: Call, other: Call) -> bool:
    """Tell whether calls may be in one bundle, which has one worker, and is made again as a whole or not at all."""
    one, another = first.task, other.task
    if one.rerun_if_lost is not another.rerun_if_lost:
        return False
    return one.placement is another.placement or one.placement == another.placement


def may_come_back(call: Call) -> bool:
    """Tell whether the run can take a call back: nobody has told it that the call has begun, which it shows."""
    return call.is_ahead and not call.where


def kind_of(call: Call) -> Any:
    """Return what calls have in common that take about as long: their code."""
    code = getattr(call.fn, "__code__", None)
    return id(code) if code is not None else type(call.task)
