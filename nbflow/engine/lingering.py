"""The threads that go on when their task has ended: rule 3 has a block's cleanup wait for them, up to its grace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.events import warn_safely

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.engine.cancellation import Cancellation
    from nbflow.engine.inbox import Inbox
    from nbflow.engine.record import Record


class Lingering:
    """Calls that nobody waits for any more but the cleanups around them.

    Attributes:
        late: Calls whose task has ended but their thread has not.
        outlasting: Calls that are over, but threads that they have started are not.
    """

    def __init__(self, calls: dict[int, Call], record: Record, cancellation: Cancellation, inbox: Inbox) -> None:
        self.outlasting: set[Call] = set()
        self._calls, self._schedule, self._record = calls, record.schedule, record
        self._cancellation, self._inbox = cancellation, inbox
        self.late: set[Call] = set()

    @property
    def is_waited_for(self) -> bool:
        """True when the run can go on as soon as a thread lets go."""
        # Threads of calls that are over do not keep a run from being paused: it is their cleanup that waits.
        return bool(self.late or (self.outlasting and self._schedule.budget != 0))

    def add(self, call: Call, why: str) -> None:
        """Wait for a call no more, for its task is about to be ended without it."""
        del self._calls[call.node]
        self.late.add(call)
        _ = call.context  # made now at the latest: a retry that follows counts on
        self._schedule.lingers(call.node)
        text = f"task {call.task.name!r} {why}, but its thread has not let go"
        self._record.note(text, call.task)
        lifetime = self._schedule.lifetime_of(call.node)
        if self._cancellation.is_on and lifetime is not None and lifetime.grace_s:
            warn_safely(f"{text}; its block's cleanup waits up to {lifetime.grace_s:g} s, or until the next interrupt")

    def let_go(self, call: Call) -> None:
        """Note that the thread of a call has let go after all."""
        self.late.discard(call)
        self._schedule.let_go(call.node)

    def outlast(self, call: Call) -> None:
        """Let the cleanup around a task wait for the threads that still work for it (`asyncio.to_thread`)."""
        late = [helper for helper in call.helpers if not helper.done()]
        if not late:
            return
        if self._schedule.lifetime_of(call.node) is None:
            return  # nothing is to be cleaned up behind it
        self.outlasting.add(call)
        self._schedule.lingers(call.node)
        self._record.note(f"task {call.task.name!r} is over, but a thread that it started is not", call.task)
        left = iter(late[1:])

        def follow(_: Any) -> None:  # one after the other, whichever ends first
            following = next(left, None)
            if following is None:
                self._inbox.put((self._is_outlasted, (call,)))  # this is its thread, which changes no state
            else:
                following.add_done_callback(follow)

        late[0].add_done_callback(follow)

    def _is_outlasted(self, call: Call) -> None:
        self.outlasting.discard(call)
        self._schedule.let_go(call.node)
