"""The cleanup of a resource: one way for all who make it (rule 15), with the same context, outcome, hooks and turn.

The cleanup task of a run is prepared here and made by its executor. The others are made here: the run's own at its end,
one that a person asks for afterwards (`Run.retry_cleanup`, `%flow resources clean`), and what half a setup has left.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.manager import undo
from nbflow.core.signals import TaskTimeoutSignal
from nbflow.core.wrapped import Wrapped
from nbflow.engine.attempt import Call, close_loop, perform, perform_on_worker, was_cut
from nbflow.engine.cleanup_hooks import outcome_of, tell_outcome
from nbflow.engine.cleanup_turn import in_turn
from nbflow.engine.open_resources import BlockStatus, OpenResource, joined
from nbflow.errors import CleanupRunningError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.manager import Deferred
    from nbflow.engine.call_stopper import CallStopper
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.record import Record
    from nbflow.engine.resource_tracker import ResourceTracker


class HalfSetup(NamedTuple):
    """The rest of a setup that did not end well.

    Attributes:
        error: What was raised when it was undone or reclaimed, so that it may be left; None if nothing was.
        is_unknown: Whether nobody knows, as it was cut.
    """

    error: BaseException | None = None
    is_unknown: bool = False


class Cleanup:
    """Cleans the resources of one run up."""

    def __init__(
        self,
        record: Record,
        tracker: ResourceTracker,
        values: dict[str, Any],
        stopper: CallStopper,
        cancellation: Cancellation,
    ) -> None:
        self.tracker, self._record, self._values = tracker, record, values
        self._stopper, self._guard, self._cancellation = stopper, stopper.guard, cancellation

    def limit_s(self, held: OpenResource) -> float | None:
        """Return for how many seconds a cleanup may go on now; None for no limit, as long as nobody cancels the run."""
        return self._cancellation.cleanup_limit_s(held) if self._cancellation.is_on else None

    def prepare(self, call: Call, held: OpenResource, *, has_turn: bool = False) -> None:
        """Give the call of a cleanup all that one gets; `has_turn` says that its caller has the turn already."""
        call.base = held.context or call.base
        tell_outcome(call, held, functools.partial(outcome_of, self._record, held))
        # Last, and so around the hooks: one that lingers may still be in a hook, and no other begins beside it.
        if not has_turn:
            in_turn(call, held)

    def at_end(self, held: OpenResource) -> BaseException | None:
        """Make the run's own cleanup, for which nobody else looks at the clock, in this thread; returns its error."""
        return self._make(held, self._perform_in_time)  # one that hangs would hold the run, and its user, for ever

    def too_late(self, held: OpenResource) -> BaseException | None:
        """Make a cleanup in a thread for which nobody waits any more; returns its error."""
        return self._make(held, _perform)

    def _make(
        self, held: OpenResource, make: Callable[[OpenResource, Call], BaseException | None], **how: bool
    ) -> BaseException | None:
        inputs = {"mgr": held.manager, "resource": held.resource}
        call = self._call(held, held.block.cleanup_task.run, inputs)
        call.held = held
        self.prepare(call, held, **how)
        self.tracker.closing(held)  # first: if the kernel dies in the call, the row tells how far it was
        error = make(held, call)
        call.is_over = True
        if error is None:
            self.tracker.closed(held)
        return error

    def _call(self, held: OpenResource, fn: Callable[..., Any], inputs: dict[str, Any]) -> Call:
        return Call(-1, held.block.cleanup_task, fn, inputs, lambda *_: self._values.copy())

    def _perform_in_time(self, held: OpenResource, call: Call) -> BaseException | None:
        """Make a call that ends a resource, for as long as a cleanup of it may take; returns its error."""
        call.shielded = True
        timer = self._stopper.hit_after(self._cancellation.cleanup_limit_s(held), call, TaskTimeoutSignal)
        before, self._guard.call = self._guard.call, call  # the interrupt that hits this one is not for the other
        error = (perform if self._guard.is_installed else perform_on_worker)(call).error
        call.is_over = True
        self._guard.call = before
        timer.cancel()
        return error

    # -- once more --------------------------------------------------------------------------------------------

    def again(self, held: OpenResource) -> BaseException | None:
        """Try a failed cleanup, or what is left of half a setup, once more in the caller's thread; returns its error.

        It is a `CleanupRunningError`, and nothing was done, when somebody else has not ended to clean it up (rule 15).
        """
        with held.turn.taken(held.block.cleanup_timeout_s) as is_ours:
            if not is_ours:
                return CleanupRunningError(held.name)
            # After the turn, which keeps this process's others out: only now is the answer of the reaper's side final.
            answer = self.tracker.claim(held)
            if answer.at_work:
                return CleanupRunningError(held.name, answer.at_work)
            # One that had its time, and counted as failed, may have ended well while this one waited for its turn.
            held.is_open &= not held.turn.is_done
            is_gone = answer.is_gone or (held.turn.is_done and not held.half)
            error = None if is_gone else self._clean_rest(held)
            held.error = error
            held.turn.is_done = error is None
            if error is None:
                self._record.set_block(held, BlockStatus.CLEANED)
            else:
                self.tracker.failed(held, error)
            return error

    def _clean_rest(self, held: OpenResource) -> BaseException | None:
        """Clean up the resource, and what earlier tries of its setup have left."""
        errors: list[BaseException] = []
        if held.is_open or not held.half:
            error = self._make(held, _perform, has_turn=True)
            close_loop()
            held.is_open = error is not None
            errors += [error] if error is not None else []
        if held.half:
            errors += self._undo_half(held)
        return joined(errors, held.name) if errors else None

    def _undo_half(self, held: OpenResource) -> list[BaseException]:
        failed: list[tuple[Deferred, BaseException]] = []
        undo(held.half, failed)
        held.half = [entry for entry, _ in reversed(failed)]
        # The resource itself may be left, and a row that says "closed" would take it away from the reaper.
        if not (failed or held.is_open):
            self.tracker.closed(held)
        return [error for _, error in failed]

    # -- half a setup -----------------------------------------------------------------------------------------

    def half_setup(self, held: OpenResource, call: Call, error: BaseException | None) -> HalfSetup:
        """Rules 9 and 13: reclaim what a setup that did not end well may have made; returns what is left of it.

        What a further try is to undo is kept in `held.half`.
        """
        if call.undone:  # the attempt has undone what was deferred, in its own thread, and failed at these
            held.half += [entry for entry, _ in reversed(call.undone)]
            return HalfSetup(joined([error for _, error in call.undone], held.name))
        reclaim = self.tracker.reclaimer(held) if call.has_begun else None
        if reclaim is not None:
            failed = self._perform_in_time(held, self._call(held, reclaim, {}))
            if failed is not None:
                held.half.append((0, reclaim, (), {}))
            return HalfSetup(failed)
        was_stopped = call.has_begun and error is not None and was_cut(error)
        # One that was cut, but has undone what it deferred or is a generator with its `finally`, has cleaned up itself.
        return HalfSetup(is_unknown=was_stopped and not (call.had_deferred or isinstance(held.manager, Wrapped)))


def _perform(held: OpenResource, call: Call) -> BaseException | None:
    return perform(call).error
