"""The calls of one run on a Dask cluster: one thread sends bundles, and reports what workers tell of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from nbflow.core.context import context_without_work
from nbflow.engine.attempt import RECALLED, outcome_of
from nbflow.executors.dask.cluster_link import ClusterValues
from nbflow.executors.dask.in_flight import InFlight
from nbflow.executors.dask.sending import Sending
from nbflow.executors.dask.sent_bundle import SentBundle, end_of, end_of_unbegun, is_to_stop
from nbflow.executors.dask.worker_desks import WorkerDesks, refuse
from nbflow.executors.resource_desk import OF_RESOURCES
from nbflow.executors.threads import ThreadSession
from nbflow.executors.work_queue import WorkQueue
from nbflow.executors.worker_orders import SessionOrders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.executor import Again, Report
    from nbflow.engine.remote_value import RemoteValue
    from nbflow.executors.dask.cluster_link import ClusterLink
    from nbflow.executors.dask.dask_executor import DaskExecutor
    from nbflow.executors.dask.worker_desks import WorkerDesk
    from nbflow.executors.worker_orders import CloseOrder

LOOK_S = 0.05  # until the thread looks whether calls are to stop
_LARGEST = 1024  # calls of a bundle: one costs Dask and its client more than a message to a process does
_WORTH_IT = 128  # calls, whose way costs the kernel as much as a bundle does
_ENOUGH = 64  # calls that wait, until they are sent before all have come


class DaskSession(ThreadSession):
    """Hands the tasks of a run over to a cluster in bundles; init, setup and cleanup have threads here.

    Args:
        executor: Gives the connection to the cluster, and takes it back.
    """

    is_remote = True
    takes_expected = True

    def __init__(self, report: Report, name: str, executor: DaskExecutor) -> None:
        super().__init__(report, name=name, serial=False)
        self.orders = self._orders = SessionOrders()
        self._orders.serve(self)
        self._executor = executor
        self._capacity = self._slots = executor.capacity
        self._queue, self._lock = WorkQueue(self._capacity, largest=_LARGEST, worth_it=_WORTH_IT), threading.Lock()
        self._suspects: deque[Call] = deque()  # one of them may have ended a worker: each goes when nothing else does
        self._here: dict[Call, None] = {}  # all calls that have not ended, in the order in which they came
        self._orphans: list[Call] = []  # that came back from the cluster, and go back to the run
        self._inbox: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self._serving: list[threading.Thread] = []
        self._link: ClusterLink | None = None
        self._sending: Sending | None = None
        self._in_flight: InFlight | None = None
        self._desks: WorkerDesks | None = None
        self._number = -1  # by which workers tell of what they have open
        self._refusal: BaseException | None = None
        self._is_closed = self._is_released = self._is_over = False
        self._looks_at = 0.0

    # -- from the run's thread ------------------------------------------------------------------------------------

    @property
    def ahead(self) -> int:
        """The number of simple calls that may wait here; more if the cluster has more slots than was thought."""
        return self._queue.ahead + max(0, self._slots - self._capacity)

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        """Have a call wait for the cluster; one that is not remote is made by a thread of here."""
        if not call.is_remote:
            if self._sending is not None:
                self._sending.forget_values()
            super().submit(call, lifecycle=True)
            return
        if not self._serving:
            self._start_thread(self._serve, "dask")
            self._start_thread(self._connect, "connection")
        with self._lock:
            self._here[call] = None
            may_come = self._queue.add(call)
            is_enough = len(self._queue) == _ENOUGH
        if not may_come:
            self._tell([(call, RECALLED)])
        elif is_enough:
            self._inbox.put(("go",))

    def free(self, *, lifecycle: bool) -> None:
        """Note that a thread of here may take another call, whatever it has made."""
        super().free(lifecycle=True)

    def flush(self) -> None:
        """Have what waits sent."""
        if self._queue:
            self._inbox.put(("go",))

    def recall(self) -> None:
        """Report what was handed over ahead and has not begun."""
        with self._lock:
            back = self._queue.recalled()
        self._tell([(call, RECALLED) for call in back])
        self._inbox.put(("recall",))

    @property
    def keeps_values(self) -> bool:  # type: ignore[override]
        """Whether the cluster goes on when this is closed."""
        return self._executor.outlives_runs

    def has(self, value: RemoteValue) -> bool:
        """Tell whether a value is on the cluster."""
        return isinstance(value.holder, ClusterValues) and value.holder.link is self._link

    def close(self, timeout_s: float) -> None:
        """Let the threads end; what hangs is left behind after `timeout_s` seconds."""
        until = time.monotonic() + timeout_s
        self._is_closed = True
        self._inbox.put(("close",))
        super().close(timeout_s)
        for thread in self._serving:
            thread.join(max(0.0, until - time.monotonic()))
            while timeout_s and self._desks is not None and self._desks.is_winding_up and thread.is_alive():
                thread.join(LOOK_S)
        self._orders.end()
        self._release()  # also if a task hangs: a cluster of the run's own ends with it

    def order(self, taker: WorkerDesk, order: CloseOrder) -> bool:
        """Have a worker close a resource; False if this is over. From any thread."""
        with self._lock:
            if not self._is_over:
                self._inbox.put(("order", taker, order))
            return not self._is_over

    def _start_thread(self, work: Any, name: str) -> None:
        thread = threading.Thread(
            target=context_without_work().run, args=(work,), name=f"{self._name}-{name}", daemon=True
        )
        self._serving.append(thread)
        thread.start()

    # -- from the thread of Dask's event loop -----------------------------------------------------------------------

    def hear(self, worker: str, messages: Sequence[tuple[Any, ...]]) -> None:
        """Take note of what a worker says of a bundle, or of what it has open."""
        with self._lock:
            if not self._is_over:
                self._inbox.put(("told", worker, messages))
                return
        self._hear_late(worker, messages)

    def _hear_late(self, worker: str, messages: Sequence[tuple[Any, ...]]) -> None:
        for message in messages if self._link is not None else ():
            assert self._link is not None
            if message[0] in OF_RESOURCES:  # it would wait for ever
                refuse(self._link, worker, *message[4:6])
                continue
            listener = self._link.listener(message[1])
            if listener is not None and listener is not self:
                listener.hear(worker, [message])

    def note_workers(self, gone: frozenset[str]) -> None:
        """Take note that there are other workers than before."""
        self._inbox.put(("workers", gone))

    # -- the connection -----------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Connect to the cluster, in a thread of its own: that may take long, and calls may be stopped meanwhile."""
        try:
            self._link = self._executor.acquire()
            self._link.check_workers()
            self._link.listen(self)
            with self._lock:
                self._slots = self._queue.workers = max(self._capacity, self._link.slots)
            self._inbox.put(("linked",))
        except BaseException as error:  # noqa: BLE001 - told by each call
            self._inbox.put(("refused", error))
        if self._is_closed:
            self._release()

    def _release(self) -> None:
        with self._lock:
            if self._link is None or self._is_released:
                return
            self._is_released = True
        self._executor.release(self._link)

    # -- the thread that serves the run -------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while not (self._is_closed and not self._in_flight and (self._desks is None or self._desks.wind_up())):
                self._hear_all()
                self._settle()
                self._look()
                self._send()
            self._hear_no_more()
        except BaseException as error:  # noqa: BLE001 - ours: each call ends once all the same
            self._refusal, self._in_flight = error, None
            self._hear_no_more()
            if self._desks is not None:
                self._desks.give_up(error)
            while not self._is_closed:
                self._refuse_all()
                self._inbox.get()
        self._release()

    def _hear_no_more(self) -> None:
        """Let nobody wait for an answer of this thread, and have others hear what is told of values that are kept."""
        with self._lock:
            self._is_over = True
            if self._in_flight is not None:
                self._in_flight.hear_later(self._report)
            while not self._inbox.empty():  # before what is told from now on
                kind, *rest = self._inbox.get()
                if kind == "order":
                    rest[1].end()
                elif kind == "told":
                    self._hear_late(*rest)

    def _hear_all(self) -> None:
        with self._lock:
            waits = not (self._here or self._is_closed or (self._desks is not None and self._desks.is_at_work))
        try:
            self._heed(*self._inbox.get(timeout=None if waits else LOOK_S))
            while True:
                self._heed(*self._inbox.get_nowait())
        except Empty:
            return

    def _heed(self, kind: str, *rest: Any) -> None:
        if kind == "linked":
            assert self._link is not None
            self._in_flight = InFlight(
                self._link,
                send_later=self._send_later,
                note_seconds=self._note_seconds,
                note_slow=self._note_slow,
                put=lambda numbers, begun: self._inbox.put(("taken back", numbers, begun)),
            )
            self._sending = Sending(self._link, self._in_flight.bundle_of)
            self._number = self._link.number(self)
            self._desks = WorkerDesks(
                self._orders,
                self._link,
                self._number,
                may_kill=self._executor.is_temporary,
                put=lambda process: self._inbox.put(("lost", process)),
            )
        elif kind == "refused":
            self._refusal = rest[0]
        elif self._in_flight is None:
            return
        elif kind == "told":
            self._told(self._in_flight, *rest)
        elif kind == "order":
            rest[0].carry_out(rest[1])
        elif kind == "lost" and self._desks is not None:
            self._desks.note_process_lost(rest[0])
        elif kind == "done":
            self._in_flight.done(*rest)
        elif kind == "taken back":
            self._in_flight.taken_back(*rest)
        elif kind == "recall":
            self._in_flight.recall()
        elif kind == "workers" and self._link is not None and not self._link.is_lost:
            self._in_flight.note_gone(rest[0])
            if self._desks is not None:
                self._desks.note_gone(rest[0])
            with self._lock:
                # Never fewer than the cluster may grow to: it grows by what waits there.
                self._slots = self._queue.workers = max(self._capacity, self._link.slots)

    def _told(self, in_flight: InFlight, worker: str, messages: Sequence[tuple[Any, ...]]) -> None:
        assert self._desks is not None
        for message in messages:
            kind, number = message[:2]
            if kind in OF_RESOURCES:
                self._desks.asked(in_flight.call_at(number, message[3]), worker, kind, *message[4:])
            elif number == self._number:
                self._desks.hear(kind, *message[2:])
            else:
                in_flight.hear(number, worker, message)

    def _settle(self) -> None:
        if self._in_flight is None:
            return
        ended, begun, again = self._in_flight.settle()
        self._tell(ended, None, again)
        for call in begun:
            self._tell((), call)
        orphans, self._orphans = self._orphans, []
        self._tell([(call, RECALLED) for call in orphans])

    def _tell(
        self, ended: Sequence[tuple[Call, Outcome]], begun: Call | None = None, again: Sequence[Again] = ()
    ) -> None:
        ended = [(call, end_of(call, outcome)) for call, outcome in ended]
        if ended or begun is not None or again:
            self._report(ended, begun, again)
        if ended:
            with self._lock:
                for call, _ in ended:
                    self._here.pop(call, None)
                back = self._queue.ended(ended)
            self._tell([(call, RECALLED) for call in back])

    def _look(self) -> None:
        """See whether calls are to stop, whether others wait behind a slow one, and whether the cluster is there."""
        now = time.monotonic()
        if now < self._looks_at:
            return
        self._looks_at = now + LOOK_S
        with self._lock:
            stopped = self._queue.taken_out(is_to_stop)
        self._tell([(call, outcome) for call in stopped if (outcome := end_of_unbegun(call, is_wanted=False))])
        if self._in_flight is not None:
            self._in_flight.stop()
            self._in_flight.look_for_loss()
            assert self._link is not None
            self._link.look_at_workers()
            if self._link.is_lost:
                self._refusal = ConnectionError("the cluster's scheduler cannot be reached any more")
                if self._desks is not None:
                    self._desks.note_lost()

    # -- sending ------------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        if self._refusal is not None:
            self._refuse_all()
            return
        while self._in_flight is not None and self._suspects and not self._in_flight:
            self._send_bundle([self._suspects.popleft()])
        while self._in_flight is not None and not self._suspects and len(self._in_flight) < 2 * self._slots + 1:
            with self._lock:
                calls = self._queue.take()
            if not calls:
                return
            self._send_bundle(calls)

    def _send_bundle(self, calls: list[Call]) -> None:
        assert self._sending is not None
        assert self._in_flight is not None
        assert self._link is not None
        stopped = [(call, outcome) for call in calls if (outcome := end_of_unbegun(call, is_wanted=False))]
        self._tell(stopped)
        calls = [call for call in calls if not call.is_over]
        if not calls:
            return
        refused, parcel = self._sending.ship(calls)
        self._tell(refused)
        if parcel is None:
            return
        number, inbox = self._link.number(self), self._inbox
        scope = self._desks.scope if self._desks is not None else None
        try:
            future = self._sending.submit(parcel, number, self._name, scope)
        except Exception as error:  # noqa: BLE001 - of Dask's: what one task asks for is not to end the others
            self._tell([(call, outcome_of(call, error)) for call in parcel.calls])
            return
        self._in_flight.add(SentBundle(number, parcel, ClusterValues(self._link, future)))
        with self._lock:
            self._queue.let_follow(parcel.calls)
        future.add_done_callback(lambda _: inbox.put(("done", number)))  # it holds nothing that holds the future

    def _send_later(self, calls: Sequence[Call], alone: bool, suspect: bool) -> None:
        if suspect:
            self._suspects.extend(calls)
        else:
            with self._lock:
                self._orphans += self._queue.put_back(calls, alone=alone)

    def _refuse_all(self) -> None:
        """End each call that waits, as there is no cluster for it."""
        with self._lock:
            self._queue.take_all()
            calls = tuple(self._here) if not self._in_flight else ()
        self._suspects.clear()
        self._tell([(call, outcome_of(call, self._refusal or RuntimeError("no cluster"))) for call in calls])

    def _note_seconds(self, kinds: set[Any], seconds: float) -> None:
        with self._lock:
            self._queue.took(kinds, seconds)

    def _note_slow(self, kind: Any, seconds: float) -> None:
        with self._lock:
            self._queue.takes(kind, seconds)
