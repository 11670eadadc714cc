"""A bundle of calls on its way through the cluster, and what its worker has told of it: decided here, nothing sent."""

from __future__ import annotations

import functools
import time
import weakref
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.engine.attempt import RECALLED, Outcome, TaskCancelled, outcome_of
from nbflow.engine.executor import Again
from nbflow.engine.remote_value import RemoteFacts, RemoteValue
from nbflow.executors.errors import UnreadableCallError, WorkerDiedError
from nbflow.executors.handed_on import can_be_handed_on
from nbflow.executors.shipment import show_of, take_in
from nbflow.executors.work_queue import kind_of, may_come_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nbflow.engine.attempt import Call
    from nbflow.engine.executor import Report
    from nbflow.executors.dask.cluster_link import ClusterValues
    from nbflow.executors.dask.sending import Parcel


class SentBundle:
    """Calls that were sent to the cluster together.

    Args:
        number: Names it.
        parcel: What was sent.
        values: Has the values of the calls on the cluster.

    Attributes:
        calls: The calls, in the order in which they are made.
        left: Those that have not ended.
        worker: Which has it, as far as is known.
        ended: What has come of calls since it was last read.
        again: What was begun a second time since it was last read.
        begun: The call that has begun since it was last read.
        is_taken_back: Whether no further call of it begins.
        is_asked: Whether all workers that may have it were asked whether they have begun it, since it was taken back.
        is_wanted: Whether the run wants back what does not begin.
        is_suspect: Whether one of its calls may have ended its worker, and nobody knows which.
        is_unreadable: Whether its worker could not read it.
        is_done: Whether Dask is done with it.
        seconds: How long each call took that has ended.
        kinds: Of which kinds the calls are.
    """

    def __init__(self, number: int, parcel: Parcel, values: ClusterValues) -> None:
        self.number, self.values = number, values
        self.calls: tuple[Any, ...] = tuple(parcel.calls)
        self.left: dict[Call, None] = dict.fromkeys(parcel.calls)
        self.worker = ""
        self.ended: list[tuple[Call, Outcome]] = []
        self.again: list[Again] = []
        self.begun: Call | None = None
        self.is_taken_back = self.is_asked = self.is_wanted = self.is_suspect = self.is_unreadable = False
        self.is_done = False
        self.seconds: list[float] = []
        self.kinds = {kind_of(call) for call in self.calls}
        self._tied = parcel.values  # what it refers to stays on the cluster
        self._expected = parcel.expected
        self._told_to_stop: dict[Call, type[BaseException] | None] = {}
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._start, self._lost = "", ""
        self._were_begun: set[int] = set()
        self._running: Call | None = None
        self._running_since = 0.0
        self._back: dict[Call, None] = {}
        self._hears_later: LateListener | None = None

    # -- what the worker says -----------------------------------------------------------------------------------

    def hear(self, worker: str, message: tuple[Any, ...]) -> None:
        """Take in what a worker says; see `settle`."""
        self._waiting.append((worker, message))

    def settle(self) -> bool:
        """Make what was said known, as far as what it depends on is known; returns whether anything was."""
        is_news = False
        while self._waiting and self._is_next(self._waiting[0][1]):
            self._take(*self._waiting.popleft())
            is_news = True
        return is_news

    def _is_next(self, message: tuple[Any, ...]) -> bool:
        """Whether the ends are known of the calls whose values a call gets that is spoken of: another worker tells."""
        if message[0] not in ("begun", "ended", "back") or message[3] < 0:
            return True
        return all(call.is_over for call in self._expected.get(self.calls[message[3]], ()))

    def _take(self, worker: str, message: tuple[Any, ...]) -> None:
        kind, _, start, *rest = message
        if kind == "start":
            self._lost = self.worker if self._start else ""
            self._start, self.worker, self._running = start, worker, None
            return
        if start != self._start:  # of a worker that was given up, and another one has it since
            return
        if kind == "unread":
            self.is_unreadable = True
            self._unread(worker, rest[0])
            return
        if kind == "begun before":
            self._begun_before(rest[0])
            return
        if rest[0] < 0:  # nothing more is begun
            self._back |= {call: None for call in self.left if call is not self._running}
            return
        call = self.calls[rest[0]]
        if kind == "begun" or (kind == "ended" and self._running is not call):  # a short one is told of once
            self._begun(worker, rest[0], call)
        if kind == "begun":
            return
        if call not in self.left:
            if kind == "ended":
                self._running = None
        elif kind == "said":
            show_of(call, *rest[1:])
        elif kind == "back":
            self._back[call] = None
        else:
            self._ended(call, *rest)

    def _begun(self, worker: str, place: int, call: Call) -> None:
        self._running, self._running_since = call, time.monotonic()
        # Who has told the start only has begun the first of them, as far as is known.
        is_again = self._lost and (place in self._were_begun or place == 0)
        lost = self._lost if is_again else self._lost_before(place, call)
        if lost:
            self.again.append(Again(call.node, worker, lost, self._behind(place) if is_again else 0))
        self._were_begun.add(place)
        if call in self.left:
            call.where, call.began_at = worker, time.time()
            self.begun = call

    def _lost_before(self, place: int, call: Call) -> str:
        """Return the worker that had begun a call in a bundle before this one, and is lost."""
        return call.where if call in self.left and place not in self._were_begun else ""

    def _behind(self, place: int) -> int:
        """Return how many calls the lost worker may have begun behind a place, and was lost before it told."""
        is_last = place >= max(self._were_begun, default=0)
        return sum(call in self.left for call in self.calls[place + 1 :]) if is_last else 0

    def _ended(self, call: Call, place: int, parts: list[Any] | tuple[Any, ...], is_remote: bool) -> None:
        self._running = None
        before, thread.held = thread.held, call  # a signal's state takes its tags and counts from there
        try:
            value = take_in(call, parts if type(parts) is tuple else [parts[0], *map(bytearray, parts[1:])])
            if is_remote:
                assert type(value) is RemoteFacts
                value = RemoteValue(self.values, place, value)
            outcome = Outcome(value, None)
        except BaseException as error:  # noqa: BLE001 - what the task has raised
            outcome = outcome_of(call, error)
        finally:
            thread.held = before
        if call.began_at is not None and call.ended_at is not None:
            self.seconds.append(call.ended_at - call.began_at)
        self.end(call, outcome)

    def _unread(self, worker: str, reason: str) -> None:
        if len(self.left) > 1:  # each is to go alone
            self._back |= self.left
            return
        call = next(iter(self.left))
        self.end(call, outcome_of(call, UnreadableCallError(call.task.name, f"worker {worker}", reason)))

    def _begun_before(self, lost: str) -> None:
        """Note that the call, which must not be made a second time, was begun by a worker that is lost."""
        self.values.is_lost = True
        for call in tuple(self.left):
            self.fail(call, _lost_for_good(call, lost))

    # -- what the session decides -------------------------------------------------------------------------------

    def end(self, call: Call, outcome: Outcome) -> None:
        """Note what has come of a call."""
        del self.left[call]
        self.ended.append((call, end_of(call, outcome)))

    @property
    def running(self) -> Call | None:
        """The call that has begun and has not ended, as far as is known."""
        return self._running if self._running in self.left else None

    def running_s(self) -> float:
        """Return for how long it has been known to run, in seconds."""
        return time.monotonic() - self._running_since if self.running is not None else 0.0

    def come_back(self) -> list[Call]:
        """Take out what will not be begun here; returns it."""
        back, self._back = [call for call in self._back if call in self.left], {}
        for call in back:
            del self.left[call]
        return back

    def give_back(self, *, also_running: bool = False) -> None:
        """Note that nothing of it will be begun any more; `also_running`: nor what had begun be ended."""
        if also_running:
            self._running = None
        self._back |= {call: None for call in self.left if call is not self.running}

    def fail(self, call: Call, error: Exception) -> None:
        """Note that a call has failed, of which no worker tells any more."""
        self.end(call, outcome_of(call, error))

    def rest(self) -> None:
        """Let go of the calls, which have all ended; it is still told when Dask makes them again."""
        self.calls = tuple(_Ended(call.node, call.task) for call in self.calls)
        # As long as there is somebody for whom the values are kept; and no circle, which would keep them longer.
        self.values.bundle = self
        self.values = weakref.proxy(self.values)
        self._tied, self._running = [], None
        self._expected.clear()
        self._told_to_stop.clear()

    def hear_later(self, report: Report, tell: Callable[[Callable[[], object]], object]) -> LateListener:
        """Have a run told of what is made again when it is over; returns who hears of it, for as long as this is."""
        self._hears_later = LateListener(self, report, tell)
        return self._hears_later

    def to_stop(self) -> Iterator[tuple[int, type[BaseException] | None]]:
        """Give the calls that are to stop and whose worker does not know: which it is, and what is to be raised."""
        for place, call in enumerate(self.calls):
            if call in self.left and is_to_stop(call):
                error = call.hit_with
                if call not in self._told_to_stop or self._told_to_stop[call] is not error:
                    self._told_to_stop[call] = error
                    yield place, error


class LateListener:
    """Hears of a bundle when its run is over; holds neither, so that values are let go of when nobody wants them.

    Args:
        bundle: The bundle.
        report: A method, which is told of what is made again.
        tell: Calls what it is given, in a thread that may wait: whoever follows the run's events is told there.
    """

    def __init__(self, bundle: SentBundle, report: Report, tell: Callable[[Callable[[], object]], object]) -> None:
        self._bundle, self._report, self._tell = weakref.ref(bundle), weakref.WeakMethod(report), tell

    def hear(self, worker: str, messages: Sequence[tuple[Any, ...]]) -> None:
        """Report what a worker says."""
        bundle, report = self._bundle(), self._report()
        if bundle is None or report is None:
            return
        for message in messages:
            bundle.hear(worker, message)
        bundle.settle()
        again, bundle.again = bundle.again, []
        if again:
            self._tell(functools.partial(report, (), None, again))

    def note_workers(self, gone: frozenset[str]) -> None:
        """Take no note of it: the cluster decides what is made again."""


@dataclass(eq=False, slots=True)
class _Ended:
    """What is still to be known of a call that has ended."""

    node: int
    task: Any
    is_over: bool = True


def is_to_stop(call: Call) -> bool:
    """Tell whether a call is to stop."""
    return call.hit_with is not None or call.is_asked_to_stop()


def _lost_for_good(call: Call, worker: str) -> WorkerDiedError:
    why = "was lost, and it is not to run again (rerun_if_lost=False),"
    return WorkerDiedError(call.task.name, f"worker {worker}", why)


def end_of_unbegun(call: Call, *, is_wanted: bool) -> Outcome | None:
    """Return what becomes of a call that no worker has; None: it is to be sent again."""
    if is_to_stop(call):
        return Outcome(None, (call.hit_with or TaskCancelled)())
    if call.where and not call.task.rerun_if_lost:  # a worker had begun it
        return outcome_of(call, _lost_for_good(call, call.where))
    return RECALLED if is_wanted and may_come_back(call) else None


def end_of(call: Call, outcome: Outcome) -> Outcome:
    """Note what has come of a call, which is over; returns what the run is to be told.

    One that expects another which did not end well has never begun, whatever becomes of its bundle.
    """
    if call.expects and outcome.error is not None:
        expected = [up.returned for up in call.expects if up.returned is not None]
        if not all(map(can_be_handed_on, expected)):
            outcome = RECALLED
    call.is_over, call.returned = True, outcome
    return outcome
