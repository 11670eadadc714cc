"""A bundle in the hands of a process: what is said between here and there until the last call has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from nbflow.engine.attempt import Outcome, TaskCancelled, outcome_of
from nbflow.executors.resource_desk import OF_RESOURCES
from nbflow.executors.shipment import show_of, take_in
from nbflow.executors.work_queue import SHORT_S
from nbflow.executors.worker_process import WorkerLost, WorkerProcess

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call
    from nbflow.executors.bundle import Bundle
    from nbflow.executors.process_desk import ProcessDesk

LOOK_S = 0.05  # until the thread that waits looks whether its calls are to stop
KILL_AFTER_S = 1.0  # until a call that does not stop is ended with its process
_GATHER_S = 0.01  # for which ends of short calls are told together


class Exchange:
    """A bundle in the hands of a process: what is said between here and there until the last call has ended.

    Attributes:
        is_sent: Whether the process may have begun a call.
    """

    def __init__(self, worker: WorkerProcess, bundle: Bundle, desk: ProcessDesk) -> None:
        self._worker, self._bundle, self._desk = worker, bundle, desk
        self.is_sent = False
        self._numbers = {call: number for number, call in enumerate(bundle.left)}
        self._is_told_to_stop = self._is_recalled = self._is_begin_told = False
        self._kill_at: float | None = None
        self._hit_with: type[BaseException] | None = None
        self._looks_at = self._tells_at = self._began_at = 0.0

    def run(self, parts: list[Any]) -> None:
        """Send calls, and take in what comes back, until all have ended or the process makes no more of them."""
        bundle, worker = self._bundle, self._worker
        worker.send_calls(parts)
        self.is_sent = True
        parts.clear()
        self._tell()
        self._began_at = time.monotonic()
        self._looks_at = self._began_at + LOOK_S
        while bundle.left:
            message = worker.receive(LOOK_S)
            if message is None or time.monotonic() > self._looks_at:
                self._look()
            if message is not None and not self._take(*message):
                return

    def _take(self, kind: str, parts: list[Any]) -> bool:
        """Take in a message; returns whether more is to come."""
        bundle = self._bundle
        call = bundle.left[0]
        if kind in ("ended", "apart"):  # apart: the process makes none that expects it
            outcome, count = self._outcome(call, parts), len(bundle.left)
            bundle.ended(call, outcome, is_handed_on=kind == "ended")
            if kind == "ended" and len(bundle.left) < count - 1:
                # What could be read there cannot be read here, so that it makes what the run has back.
                self._worker.kill()
                return False
            self._is_told_to_stop, self._hit_with, self._kill_at = False, None, None
            self._began_at = time.monotonic()
            if bundle.left:
                self._tell()
        elif kind == "said":
            stream, _, text = bytes(parts[0]).decode().partition("\n")
            show_of(call, stream, text)
        elif kind == "hit":
            if len(parts[0]):  # a run of its own cleans up first (rule 14), and the cleanup around waits for it
                self._kill_at = None
        elif kind in OF_RESOURCES:
            self._desk.take(call, kind, parts)
            if self._kill_at is not None:
                self._kill_at = time.monotonic() + KILL_AFTER_S
        elif kind == "unread":
            self._worker.knows_base = False  # it may not have come so far
            bundle.unread(self._worker.name, bytes(parts[0]).decode())
            return False
        else:  # "back"
            bundle.come_back(bundle.left[-int(bytes(parts[0])) :])
        return True

    def _tell(self) -> None:
        """Tell the run what has ended and which call has begun, at most every `_GATHER_S` seconds."""
        now = time.monotonic()
        self._is_begin_told = now > self._tells_at
        if self._is_begin_told:
            self._tells_at = now + _GATHER_S
            self._bundle.begun(self._worker.name)

    def _outcome(self, call: Call, parts: list[Any]) -> Outcome:
        try:
            return Outcome(take_in(call, parts), None)
        except BaseException as error:  # noqa: BLE001 - what the task has raised
            return outcome_of(call, error)

    def _look(self) -> None:
        """See whether the call that is made now is to stop, and whether the others are to come back."""
        now = time.monotonic()
        self._looks_at = now + LOOK_S
        bundle, worker = self._bundle, self._worker
        if not self._is_begin_told:
            self._tell()
        call = bundle.left[0]
        if call.stop_requested and not self._is_told_to_stop and not call.shielded:
            self._is_told_to_stop = True
            worker.stop(self._numbers[call])
        if call.hit_with is not None and self._hit_with is None:
            self._hit_with, self._kill_at = call.hit_with, now + KILL_AFTER_S
            worker.hit(self._numbers[call], call.hit_with)
        # A setup is left to end, unless the user has asked once more (rule 13).
        may_kill = not call.is_setup or call.hit_with is TaskCancelled
        if self._kill_at is not None and now > self._kill_at and may_kill:
            assert self._hit_with is not None
            raise WorkerLost(self._hit_with())
        if now > self._began_at + SHORT_S:
            bundle.note_slow(now - self._began_at)
        if not self._is_recalled and len(bundle.left) > 1 and bundle.is_recalled:
            self._is_recalled = True
            worker.recall()
