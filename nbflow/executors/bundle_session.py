"""The calls of one run on workers elsewhere: threads here each take a bundle, have it made, and report what came of it.

A worker has a thread here that talks with it and looks, while it waits, whether a call is to stop. So nothing that the
user's objects do when they are pickled holds up the run's own thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.engine.attempt import RECALLED, outcome_of
from nbflow.executors.bundle import Bundle
from nbflow.executors.threads import ThreadSession
from nbflow.executors.work_queue import WorkQueue, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.executor import Report
    from nbflow.executors.threads import Lane
    from nbflow.executors.worker_orders import CloseOrder, NoOrders, SessionOrders

_ENOUGH = 64  # calls that wait, until an idle worker is told before all have come


class Hand(Protocol):
    """What has calls made by a worker; used by one thread, but for `kill`.

    Attributes:
        most: How many calls it takes at once.
    """

    @property
    def most(self) -> int:
        """The number of calls."""

    def perform(self, bundle: Bundle) -> None:
        """Have calls made, and tell the bundle what comes of each; what has not begun when it returns goes back."""

    def carry_out(self, order: CloseOrder) -> None:
        """Have the worker close a resource that it has open."""

    def let_go(self) -> None:
        """Let the worker end, if there is one."""

    def kill(self) -> None:
        """End the worker, whatever it does; from any thread."""


class BundleSession(ThreadSession):
    """Hands the tasks of a run over in bundles; init, setup and cleanup have threads here.

    Args:
        capacity: How many workers there may be at once.
        make_hand: Makes what talks with one of them.
        orders: The way to what they open for themselves; None if they share the kernel's memory.
        takes_expected: Whether what a worker has made can be taken by the next call there.
    """

    is_remote = True

    def __init__(
        self,
        report: Report,
        name: str,
        capacity: int,
        make_hand: Callable[[], Hand],
        orders: SessionOrders | NoOrders | None = None,
        *,
        takes_expected: bool = True,
    ) -> None:
        super().__init__(report, name=name, serial=False)
        self.takes_expected = takes_expected
        self._capacity, self._make_hand = capacity, make_hand
        self._queue, self._changed = WorkQueue(capacity), threading.Condition()
        self._idle, self._is_closed, self._recalls = 0, False, 0
        self._hands: dict[threading.Thread, Hand] = {}
        self._orders: dict[Hand, deque[CloseOrder]] = {}  # of those whose threads go on
        self.orders = orders
        if orders is not None:
            orders.serve(self)

    @property
    def ahead(self) -> int:
        """The number of simple calls that may wait here."""
        return self._queue.ahead

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        """Have a call wait for a worker; one that is not remote is made by a thread of here."""
        if not call.is_remote:
            super().submit(call, lifecycle=True)
            return
        with self._changed:
            may_come = self._queue.add(call)
            if len(self._queue) >= _ENOUGH:
                self._wake()
        if not may_come:
            self._report([(call, RECALLED)])

    def report(
        self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None = None, *, takes_next: bool = False
    ) -> None:
        """Tell the run what has ended and what has begun; then what waits for those ends goes on, or goes back.

        Of what goes on, who reports `takes_next` one itself: no other worker is to be woken, or started, for a chain.
        """
        self._report(ended, begun)
        if ended:
            with self._changed:
                before = len(self._queue)
                back = self._queue.ended(ended)
                if len(self._queue) > before + takes_next:
                    self._wake()
            if back:
                self._report([(call, RECALLED) for call in back])

    def awaits(self, call: Call) -> bool:
        """Tell whether calls wait here for the end of one."""
        return self._queue.is_awaited(call)

    def free(self, *, lifecycle: bool) -> None:
        """Note that a thread of here may take another call, whatever it has made."""
        super().free(lifecycle=True)

    def flush(self) -> None:
        """Have idle workers take what waits."""
        if self._queue:
            with self._changed:
                self._wake()

    def recall(self) -> None:
        """Report what was handed over ahead and has not begun."""
        with self._changed:
            self._recalls += 1
            back = self._queue.recalled()
        if back:
            self.report([(call, RECALLED) for call in back])

    def order(self, hand: Hand, order: CloseOrder) -> bool:
        """Have a hand carry an order out as soon as it is done with its bundle; False if it has ended."""
        with self._changed:
            if hand not in self._orders:
                return False
            self._orders[hand].append(order)
            self._changed.notify_all()
            return True

    def close(self, timeout_s: float) -> None:
        """Let the workers end; those whose tasks hang are ended after `timeout_s` seconds."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        super().close(timeout_s)
        for thread, hand in tuple(self._hands.items()):
            if thread.is_alive():
                hand.kill()  # which its thread reports
        if self.orders is not None:
            self.orders.end()

    def _wake(self) -> None:
        wanted = len(self._queue) - self._idle
        if self._idle:
            self._changed.notify(len(self._queue))
        for _ in range(min(wanted, self._capacity - len(self._tasks.threads))):
            self._start(self._tasks)

    def _work(self, lane: Lane) -> None:
        if lane is not self._tasks:
            super()._work(lane)
            return
        hand = self._make_hand()
        self._hands[threading.current_thread()] = hand
        self._orders[hand] = deque()
        try:
            while (work := self._take(hand)) is not None:
                if isinstance(work, Bundle):
                    self._perform(hand, work)
                else:
                    self._carry_out(hand, work)
        finally:
            with self._changed:
                for order in self._orders.pop(hand, ()):
                    order.end()
            hand.let_go()

    def _take(self, hand: Hand) -> Bundle | CloseOrder | None:
        with self._changed:
            while True:
                if self._orders[hand]:
                    if self._queue:
                        self._wake()  # another one: this may have been woken for the call
                    return self._orders[hand].popleft()
                calls = self._queue.take(hand.most)
                if calls:
                    break
                if self._is_closed:
                    del self._orders[hand]
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return Bundle(self, calls, self._recalls)

    def _carry_out(self, hand: Hand, order: CloseOrder) -> None:
        try:
            hand.carry_out(order)
        except BaseException as error:  # noqa: BLE001 - ours: who waits for the cleanup is told all the same
            order.one.owner.failed(order.one, error)
        order.end()

    def _perform(self, hand: Hand, bundle: Bundle) -> None:
        bundle.drop_stopped()
        kinds = {kind_of(call) for call in bundle.left}
        begun_at = time.monotonic()
        try:
            if bundle.left:
                hand.perform(bundle)
            if bundle.made:
                with self._changed:
                    self._queue.took(kinds, (time.monotonic() - begun_at) / bundle.made)
        except BaseException as error:  # noqa: BLE001 - the initializer, or ours: each call ends once all the same
            raised = error
            bundle.all_ended(lambda call: outcome_of(call, raised))
        bundle.come_back(bundle.left.copy())

    def slow_down(self, kind: Any, seconds: float) -> None:
        """Give back what waits for a worker: calls that were taken for short ones are not."""
        with self._changed:
            self._queue.takes(kind, seconds)
            back = self._queue.recalled()
        if back:
            self.report([(call, RECALLED) for call in back])

    def return_calls(self, bundle: Bundle, calls: list[Call]) -> None:
        """Have calls that have not begun wait once more, but for those that the run wants back."""
        with self._changed:  # no recall comes between, nor before the run reads what has ended
            again = bundle.sorted_out(calls)
            back = self._queue.put_back(again, alone=bundle.is_suspect)
            if again:
                self._changed.notify()
        bundle.report()
        if back:
            self._report([(call, RECALLED) for call in back])
