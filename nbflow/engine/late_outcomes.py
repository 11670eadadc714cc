"""The way of an outcome from a worker's thread to the run, also when the run is ending or is over.

Rule 1 to the last: a setup that ends when nobody waits for it any more has made a resource all the same.
"""

from __future__ import annotations

import functools
import threading
from queue import Empty
from typing import TYPE_CHECKING

from nbflow.engine import cancellation
from nbflow.engine.attempt import TaskCancelled
from nbflow.engine.compiled_graph import CLEANUP, INIT, SETUP
from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.lifecycle import cut_short, is_well, opens_at_init
from nbflow.engine.open_resources import BlockStatus, OpenResource
from nbflow.engine.transitions import state_of_outcome

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.cleanup import Cleanup
    from nbflow.engine.executor import Again, Report
    from nbflow.engine.inbox import Inbox
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.record import Record


class LateOutcomes:
    """Takes outcomes from threads for as long as a run goes on, and sees to those that come later."""

    def __init__(
        self,
        inbox: Inbox,
        ended: Report,
        calls: dict[int, Call],
        performed: deque[tuple[Call, Outcome]],
        record: Record,
        lifecycle: Lifecycle,
        cleanup: Cleanup,
    ) -> None:
        self._inbox, self._ended, self._calls = inbox, ended, calls
        self._performed, self._record, self._schedule = performed, record, record.schedule
        self._lifecycle, self._cleanup = lifecycle, cleanup
        # Between the last look into the inbox and the end, an outcome would be lost: one of both sides sees to it.
        self._closing = threading.Lock()
        self._closed = False

    def report(
        self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None = None, again: Sequence[Again] = ()
    ) -> None:
        """Take outcomes from a worker's thread, which call has begun there, and which are made a second time."""
        with self._closing:
            if not self._closed:
                self._inbox.put((self._ended, (ended, begun, again)))
                return
            self._note_again(again)
        for one in ended:
            self._came_too_late(*one)

    def take_all(self, cancel: Cancellation, clock: Callable[[], float], *, waits: bool) -> None:
        """Take what threads have reported since the loop ended; what comes later is seen to on their own threads.

        After a failure of the loop itself, the threads are first given a moment to let go of the resources, if any
        thread is there (`waits`).
        """
        while self._performed:
            self.keep(*self._performed.popleft())
        is_in_order = self._schedule.is_done or cancel.gives_up
        until = clock() + (0.0 if is_in_order else cancellation.LINGER_AFTER_S)
        for call in tuple(self._calls.values()):
            call.stop_requested = True
            # What still runs is cut, and has a moment to say what is left (rule 13).
            if cancel.gives_up and call.is_setup:
                call.hit(TaskCancelled)
                until = clock() + cancellation.HIT_AFTER_S
        while True:
            wait_s = until - clock() if waits and self._calls else 0.0
            with self._closing:
                if wait_s <= 0:
                    self._closed = True
            try:
                action, args = self._inbox.get(wait_s > 0, max(wait_s, 0.0))
            except Empty:
                if self._closed:
                    return
                continue
            if action is self._ended:  # commands have nothing to act on any more
                for one in args[0]:
                    self.keep(*one)
                self._note_again(args[2])

    def keep(self, call: Call, outcome: Outcome) -> None:
        """Keep what a call did to a resource, and nothing else of it: its node has ended without it."""
        if self._calls.get(call.node) is call:
            del self._calls[call.node]
        role = self._schedule.role[call.node]
        if role:
            self._lifecycle.keep(call, role, outcome, state_of_outcome(outcome))

    def _note_again(self, again: Sequence[Again]) -> None:
        """Show what a cluster makes once more: also later, as long as anybody keeps the values of a run."""
        for one in again:
            self._record.note_again(*one)

    def _came_too_late(self, call: Call, outcome: Outcome) -> None:
        """Clean up after a call that nobody waits for, in its thread; no event tells of it, for the run is over."""
        role, held = self._schedule.role[call.node], self._lifecycle.open_resource(call.node)
        if held is None:
            return
        state, tracker = state_of_outcome(outcome), self._cleanup.tracker
        went_well = is_well(state)
        if role == INIT and not opens_at_init(held, state.result if went_well else None):
            return
        if role == CLEANUP:
            if outcome.error is None:  # it was told to be left, which is no longer so
                held.status = held.cleaned()
                tracker.closed(held)
            return  # one that failed was told as leaked when nobody waited for it any more
        error: BaseException | None
        if went_well:
            if role == SETUP:
                held.resource = state.result
            else:
                held.manager = state.result
            held.is_open = True
            tracker.opened(held)  # rule 10: if the kernel dies in this very cleanup, the handle is on disk
            error = self._cleanup.too_late(held)
        else:
            left = self._cleanup.half_setup(held, call, outcome.error)
            if left.is_unknown:
                held.status = BlockStatus.LEAKED
                tracker.abandoned(held)
                warn_safely(cut_short(held))
                return
            error = left.error
            if error is None:
                tracker.closed(held)
        self._note(held, error)

    def _note(self, held: OpenResource, error: BaseException | None) -> None:
        if error is None:
            held.status = held.cleaned()
            return
        self._cleanup.tracker.failed(held, error)
        held.error, held.status = error, BlockStatus.LEAKED
        held.clean_again = functools.partial(self._cleanup.again, held)
        warn_safely(f"cleanup of {held.name!r} failed after its setup came too late: {error_text(error)}")
