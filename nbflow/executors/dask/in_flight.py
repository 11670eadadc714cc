"""The bundles of one run that are on the cluster: what was told of them, how they end, and which are to stop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import outcome_of
from nbflow.executors.dask import worker_host
from nbflow.executors.dask.sent_bundle import SentBundle, end_of_unbegun
from nbflow.executors.errors import ClusterLostError, UnreadableCallError, WorkerDiedError
from nbflow.executors.work_queue import SHORT_S, kind_of, may_come_back

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.executor import Again, Report
    from nbflow.executors.dask.cluster_link import ClusterLink

_ANSWER_S = 10.0  # for workers to say what they have begun
_MOST_RETURNS = 3  # of a call that had not begun, through no wish of the run's


class InFlight:
    """Knows the bundles that are on the cluster. Used by one thread.

    Args:
        link: The cluster.
        send_later: Has calls sent once more that have not begun; each alone if that is said, and `suspect` ones while
            nothing else is on the cluster.
        note_seconds: Is told how long calls of some kinds take.
        note_slow: Is told that a call of a kind takes so long already.
        put: Has this thread call `taken_back` with what it is given; from any thread.
    """

    def __init__(
        self,
        link: ClusterLink,
        *,
        send_later: Callable[[Sequence[Call], bool, bool], None],
        note_seconds: Callable[[set[Any], float], None],
        note_slow: Callable[[Any, float], None],
        put: Callable[[Sequence[int], set[int] | None], None],
    ) -> None:
        self._link, self._send_later, self._put = link, send_later, put
        self._note_seconds, self._note_slow = note_seconds, note_slow
        self._sent: dict[int, SentBundle] = {}
        self._bundle_of: dict[Call, SentBundle] = {}
        self._kept: weakref.WeakValueDictionary[int, SentBundle] = weakref.WeakValueDictionary()  # for their values
        self._woken: dict[int, SentBundle] = {}  # those of the kept that Dask makes again
        self._returns: dict[Call, int] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def bundle_of(self, call: Call) -> SentBundle | None:
        """Return the bundle in which a call is under way."""
        return self._bundle_of.get(call)

    def call_at(self, number: int, place: int) -> Any:
        """Return a call of a bundle, or what is still known of one that has ended; None if nothing is."""
        bundle = self._sent.get(number) or self._kept.get(number)
        return None if bundle is None else bundle.calls[place]

    def add(self, bundle: SentBundle) -> None:
        """Know a bundle that was sent."""
        self._sent[bundle.number] = bundle
        for call in bundle.left:
            self._bundle_of[call] = bundle

    def hear(self, number: int, worker: str, message: tuple[Any, ...]) -> None:
        """Take in what a worker says; see `settle`."""
        bundle = self._sent.get(number)
        if bundle is None and (bundle := self._kept.get(number)) is not None:
            self._woken[number] = bundle
        if bundle is not None:
            bundle.hear(worker, message)

    def hear_later(self, report: Report) -> None:
        """Have the run, which is over, told of what Dask makes again of it."""
        for number, bundle in tuple(self._kept.items()):
            self._link.pass_on(number, bundle.hear_later(report, _in_a_thread))

    # -- what has come of calls -----------------------------------------------------------------------------------

    def settle(self) -> tuple[list[tuple[Call, Outcome]], list[Call], list[Again]]:
        """Return the calls that have ended, those that have begun, and those that are made a second time."""
        bundles = [*self._sent.values(), *self._woken.values()]  # of those that are kept there may be many
        self._woken.clear()
        ended: list[tuple[Call, Outcome]] = []
        is_news = True
        while is_news:  # what one bundle waits for another one may tell
            is_news = False
            for bundle in bundles:
                is_news |= bundle.settle()
                back = bundle.come_back()
                ended += bundle.ended
                bundle.ended.clear()
                ended += self._ends_of(bundle, back)
        begun: list[Call] = []
        again: list[Again] = []
        for bundle in bundles:
            if bundle.begun is not None:
                begun.append(bundle.begun)
                bundle.begun = None
            again += bundle.again
            bundle.again.clear()
            if bundle.is_done and not bundle.left and bundle.number in self._sent:
                self._forget(bundle)
        return ended, begun, again

    def _ends_of(self, bundle: SentBundle, calls: Sequence[Call]) -> Iterator[tuple[Call, Outcome]]:
        """Have calls sent again that have not begun; gives the ends of those that are to stop or the run wants back."""
        later: list[Call] = []
        for call in calls:
            self._bundle_of.pop(call, None)
            outcome = end_of_unbegun(call, is_wanted=bundle.is_wanted)
            if outcome is None and not bundle.is_taken_back:
                self._returns[call] = self._returns.get(call, 0) + 1
                if self._returns[call] >= _MOST_RETURNS:
                    outcome = outcome_of(call, ClusterLostError(call.task.name, "it came back again and again"))
            if outcome is None:
                later.append(call)
            else:
                call.is_over, call.returned = True, outcome
                self._returns.pop(call, None)
                yield call, outcome
        if later:
            self._send_later(later, bundle.is_unreadable, bundle.is_suspect)

    def _forget(self, bundle: SentBundle) -> None:
        self._sent.pop(bundle.number)
        for call in bundle.calls:
            self._bundle_of.pop(call, None)
            self._returns.pop(call, None)
        if bundle.seconds:
            self._note_seconds(bundle.kinds, sum(bundle.seconds) / len(bundle.seconds))
        bundle.rest()
        self._kept[bundle.number] = bundle

    # -- the end of a bundle, as Dask sees it ---------------------------------------------------------------------

    def done(self, number: int) -> None:
        """Note that Dask is done with a bundle."""
        bundle = self._sent.get(number)
        if bundle is None or bundle.is_done:
            return
        bundle.settle()
        bundle.is_done = True
        future = bundle.values.future
        if self._link.is_lost:
            for call in tuple(bundle.left):
                bundle.fail(call, ClusterLostError(call.task.name, "its scheduler cannot be reached any more"))
        elif future.status == "finished":
            bundle.give_back()
            if bundle.running is not None:
                bundle.fail(bundle.running, ClusterLostError(bundle.running.task.name, "nobody has told of its end"))
        elif future.status == "error":
            self._note_error(bundle, future.exception())
        else:
            _cut_short(bundle, "was told to drop it")

    def look_for_loss(self) -> None:
        """End what is on a cluster that cannot be reached any more, or that has dropped all without a word."""
        is_lost = self._link.is_lost
        for number, bundle in tuple(self._sent.items()):
            if is_lost or bundle.values.future.status in ("cancelled", "lost"):
                self.done(number)

    def _note_error(self, bundle: SentBundle, error: BaseException) -> None:
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            times = error.allowed_failures + 1
            if len(bundle.calls) == 1 and len(self._sent) == 1:
                _cut_short(bundle, f"died {times} times" if times > 1 else "died", blames=True)
                return
            # Also the one that had begun: its end may have been on its way when another one ended the worker.
            bundle.is_suspect = True
            bundle.give_back(also_running=True)
            return
        for call in tuple(bundle.left):  # of Dask's: a module that a new worker does not have
            bundle.fail(call, UnreadableCallError(call.task.name, "a worker", f"{type(error).__name__}: {error}"))

    # -- stops ------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Have calls stop that are to, and those come back that wait behind one that takes long."""
        stops: list[tuple[int, int, type[BaseException] | None]] = []
        stopped: list[SentBundle] = []
        slow: list[SentBundle] = []
        for bundle in self._sent.values():
            asked = [(bundle.number, place, error) for place, error in bundle.to_stop()]
            stops += asked
            running = bundle.running
            if asked or (bundle.is_taken_back and not bundle.is_asked):
                stopped.append(bundle)
            elif len(bundle.left) > 1 and running is not None and bundle.running_s() > SHORT_S:
                self._note_slow(kind_of(running), bundle.running_s())
                slow.append(bundle)
        if stops:
            self._link.tell_workers(worker_host.stop, stops)
        self._take_back(stopped, is_wanted=False)
        self._take_back(slow, is_wanted=True)

    def recall(self) -> None:
        """Have what was sent ahead and has not begun come back to the run."""
        bundles = [bundle for bundle in self._sent.values() if any(map(may_come_back, bundle.left))]
        self._take_back(bundles, is_wanted=True)

    def _take_back(self, bundles: Sequence[SentBundle], *, is_wanted: bool) -> None:
        """Have no further calls of bundles begin, and learn which of them have begun."""
        asked = [bundle for bundle in bundles if not bundle.is_asked]
        for bundle in bundles:
            bundle.is_taken_back = bundle.is_asked = True
            bundle.is_wanted |= is_wanted
        if asked:
            self._link.client.loop.add_callback(self._ask, [bundle.number for bundle in asked])

    async def _ask(self, numbers: list[int]) -> None:
        begun: set[int] | None = None
        with suppress(Exception):  # of a worker that does not answer in time, or a scheduler that is gone
            answers = await asyncio.wait_for(self._link.ask_to_take_back(numbers), _ANSWER_S)
            if answers is not None:
                begun = {number for answer in answers.values() for number in answer}
        self._put(numbers, begun)

    def taken_back(self, numbers: Sequence[int], begun: set[int] | None) -> None:
        """Drop those bundles that no worker has begun; of the others their workers tell what they do not begin.

        Args:
            numbers: The bundles.
            begun: Those that a worker has begun; None: one has not answered, and may have begun any of them.
        """
        for number in numbers:
            bundle = self._sent.get(number)
            if bundle is None or bundle.is_done:
                continue
            if begun is None:
                bundle.is_asked = False
            elif number not in begun:  # and what a worker had begun went with it
                bundle.is_done = True
                bundle.values.future.cancel()
                bundle.give_back(also_running=True)

    def note_gone(self, workers: Collection[str]) -> None:
        """Note that workers are lost: what they had begun, and is to stop, may have come to others, or to nobody."""
        for bundle in self._sent.values():
            if bundle.worker in workers:
                bundle.is_asked = False


def _in_a_thread(work: Callable[[], object]) -> None:
    threading.Thread(target=work, name="nbflow-again", daemon=True).start()


def _cut_short(bundle: SentBundle, how: str, *, blames: bool = False) -> None:
    """End the call that was under way; those that had not begun are sent again."""
    running = bundle.running or (next(iter(bundle.left), None) if blames else None)
    if running is not None:
        bundle.fail(running, WorkerDiedError(running.task.name, f"worker {bundle.worker or 'of the cluster'}", how))
    bundle.give_back()
