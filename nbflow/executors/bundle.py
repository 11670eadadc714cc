"""Calls that go to a worker together, and what becomes of each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nbflow.engine.attempt import RECALLED, Outcome, TaskCancelled, outcome_of
from nbflow.executors.errors import UnreadableCallError
from nbflow.executors.handed_on import can_be_handed_on
from nbflow.executors.work_queue import kind_of, may_come_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call
    from nbflow.executors.bundle_session import BundleSession


class Bundle:
    """Calls that go to a worker together, and what has come of them.

    Attributes:
        left: Those that have not ended; the first of them has begun, or is about to.
        made: How many were made.
        is_suspect: Whether one of them makes trouble, and nobody knows which.
    """

    def __init__(self, session: BundleSession, calls: list[Call], recalls: int) -> None:
        self.left = calls
        self.is_suspect = False
        self.made = 0
        self._session, self._recalls = session, recalls
        self._ended: list[tuple[Call, Outcome]] = []
        self._where = ""
        self._slow_call: Call | None = None
        self._last_end: float | None = None  # by the worker's clock, as are the others

    @property
    def is_recalled(self) -> bool:
        """True when what has not begun is to come back."""
        if self._slow_call is not None or self._recalls != self._session._recalls:
            return True
        return any(map(_is_to_stop, self.left[1:]))

    @property
    def is_stopped(self) -> bool:
        """True when a call, the one that has begun among them, is to stop."""
        return any(map(_is_to_stop, self.left))

    def begun(self, where: str) -> None:
        """Note that the first call that is left has begun at a worker of this name."""
        self._where = where
        call = self.left[0]
        call.where, call.began_at = where, self._last_end or time.time()
        self.report(call)

    def ended(self, call: Call, outcome: Outcome, *, is_handed_on: bool = True) -> None:
        """Note what has come of a call that its worker has begun, or refuses.

        What expects it goes back to the run unless it ended well and its value is handed on.
        """
        call.where = self._where
        self.made += 1
        self._end(call, outcome, is_handed_on=is_handed_on)
        if self._session.awaits(call):
            self.report()  # now: others are idle, perhaps

    def passed_over(self, call: Call) -> None:
        """Note that a call was not made, and goes back to the run."""
        self._end(call, RECALLED)

    def _end(self, call: Call, outcome: Outcome, *, is_handed_on: bool = True) -> None:
        call.is_over = True
        self.left.remove(call)
        self._ended.append((call, outcome))
        self._last_end = call.ended_at
        if not (is_handed_on and can_be_handed_on(outcome)):
            gone = {call}
            for one in tuple(self.left):  # in their order, in which those come first that others expect
                if not gone.isdisjoint(one.expects):
                    gone.add(one)
                    one.is_over = True
                    self.left.remove(one)
                    # Of one that is to stop nobody knows whether it has begun: its worker may be ended before it says.
                    self._ended.append((one, _stopped(one) if _is_to_stop(one) else RECALLED))

    def all_ended(self, outcome_for: Callable[[Call], Outcome]) -> None:
        """Note that nothing more comes of what is left; what expects one of those goes back to the run."""
        for call in tuple(self.left):
            if call in self.left:
                self.ended(call, outcome_for(call))

    def unread(self, worker: str, reason: str) -> None:
        """Note that a worker cannot read what is left; of several calls each is to go alone then."""
        if len(self.left) > 1:
            self.is_suspect = True
            return
        call = self.left[0]
        self.ended(call, outcome_of(call, UnreadableCallError(call.task.name, worker, reason)))

    def report(self, begun: Call | None = None) -> None:
        """Tell the run what has ended since it was last told."""
        ended, self._ended = self._ended, []
        if ended or begun is not None:
            self._session.report(ended, begun, takes_next=not self.left)

    def note_slow(self, seconds: float) -> None:
        """Note that the first call takes longer than what goes ahead should: others are not to wait for it."""
        call = self.left[0]
        if self._slow_call is not call:
            self._slow_call = call
            self._session.slow_down(kind_of(call), seconds)

    def come_back(self, calls: list[Call]) -> None:
        """Take back what has not begun, and tell what has ended."""
        self._session.return_calls(self, calls)

    def sorted_out(self, calls: list[Call]) -> list[Call]:
        """End what is to be stopped or goes back to the run; returns the others, which are to be made later."""
        is_wanted = self._slow_call is not None or self._recalls != self._session._recalls
        again = []
        for call in calls:
            if call not in self.left:  # it has gone with one that it expects
                continue
            if _is_to_stop(call):
                self._end(call, _stopped(call))
            elif is_wanted and may_come_back(call):
                self._end(call, RECALLED)
            else:
                self.left.remove(call)
                again.append(call)
        return again

    def drop_stopped(self) -> None:
        """End those that are to stop: they have not begun."""
        for call in tuple(self.left):
            if call in self.left and _is_to_stop(call):
                self._end(call, _stopped(call))


def _is_to_stop(call: Call) -> bool:
    return call.hit_with is not None or call.is_asked_to_stop()


def _stopped(call: Call) -> Outcome:
    return Outcome(None, (call.hit_with or TaskCancelled)())
