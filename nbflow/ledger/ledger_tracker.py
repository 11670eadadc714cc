"""The tracker of a run: writes each resource into the ledger before it is made, and tells the reaper of it (rule 10).

Nothing here raises and nothing waits for long, whatever is wrong with the disk or the reaper: what cannot be done is
told, once for each kind, and the run goes on.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import threading
import time
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.resource_tracker import ClaimAnswer, NoResourceTracker
from nbflow.errors import LedgerUnavailableError
from nbflow.ledger.ledger_record import LedgerRecord
from nbflow.ledger.listing import KEPT_NOTE
from nbflow.ledger.process_ledger import process_ledger
from nbflow.ledger.serialization import DEADLINE_S, NotPlainDataError, code_text, kind_of, manager_name, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.open_resources import OpenResource
    from nbflow.engine.resource_tracker import ResourceTracker
    from nbflow.ledger.ledger_session import LedgerSession
    from nbflow.ledger.reaper_client import ReaperClient
    from nbflow.ledger.serialization import Kind

_CLAIM_WAIT_S = 10.0  # for the reaper, when a cleanup is to be made again
_CLAIM_LOOK_S = 0.05
_LONGEST = 1_000  # characters of an error
F = TypeVar("F", bound="Callable[..., None]")
_ON_ITS_OWN = "the run goes on; if this kernel dies, nobody reclaims it"


def _safe(act: F) -> F:
    """Turn what should never happen into a warning: no fault of the record loses a resource."""

    @functools.wraps(act)
    def safely(self: LedgerTracker, *args: Any) -> None:
        for is_last in (False, True):
            try:
                act(self, *args)
            except BaseException as error:  # noqa: BLE001 - see above
                if not isinstance(error, Exception) and not is_last:
                    continue  # an interrupt of the user's, which the run has counted; this has to be written
                self.tell(
                    type(error).__name__,
                    f"the ledger failed with {error_text(error)}; the run goes on, its resources may not be recorded",
                )
            return

    return safely  # type: ignore[return-value]


class LedgerTracker:
    """Keeps the record of one run's resources. Its methods may be called from any thread.

    Args:
        flow: The flow's name.
        run: The run's id.
        session: Where the rows are written.
        reaper: Who is told of those that can be reclaimed, or None to do without.
        warn: Called with the text of a problem, once for each kind.
    """

    def __init__(
        self,
        flow: str,
        run: str,
        session: LedgerSession,
        reaper: ReaperClient | None,
        warn: Callable[[str], None] = warn_safely,
    ) -> None:
        self._flow = flow
        self._run = run
        self._session = session
        self._reaper = reaper
        self._warn = warn
        self._told: set[str] = set()
        self._records: dict[OpenResource, LedgerRecord] = {}
        self._halves: dict[OpenResource, list[LedgerRecord]] = {}  # what earlier tries of a setup have left
        self._key = os.urandom(8).hex()
        self._numbers = itertools.count()
        self._is_over = False

    def tell(self, kind: str, message: str) -> None:
        """Warn of a problem, if it is the first one of its kind in this run."""
        if kind not in self._told:
            self._told.add(kind)
            self._warn(message)

    # -- what the run says ----------------------------------------------------------------------------------------

    def intend(self, held: OpenResource) -> None:
        """Write that a resource may exist from now on; returns when it is written."""
        known = self._records.get(held)
        if known is not None and known.state != "intent":  # that one may be alive as well
            self._halves.setdefault(held, []).append(self._records.pop(held))
        self._intend(held)

    @_safe
    def opened(self, held: OpenResource) -> None:
        """Write how to find the resource; returns when that is on disk and the reaper knows it too."""
        record = self._record(held)
        record.state = "open"
        kind = kind_of(held)
        if kind.has_handle:
            self._take_handle(record, kind)
        if record.handle is None:
            self._save_soon(record)
            return
        receipt = self._register(record)
        self._session.save(record, self.tell, is_durable=True)  # meanwhile the reaper answers
        self._wait_for(receipt)

    @_safe
    def closing(self, held: OpenResource) -> None:
        """Write that the cleanup begins."""
        record = self._record(held)
        record.state = "closing"
        self._save_soon(record)

    def closed(self, held: OpenResource) -> None:
        """Write that nothing is left; a resource without a handle may be written a little later."""
        self._closed(self._record(held))
        self._records.pop(held, None)
        if not held.half:  # what they could not undo was undone
            for record in self._halves.pop(held, ()):
                if record.state == "failed":
                    self._closed(record)

    @_safe
    def failed(self, held: OpenResource, error: BaseException) -> None:
        """Write that the cleanup failed: the row stays open, and the reaper stays responsible (rule 7)."""
        record = self._record(held)
        record.state, record.note = "failed", f"cleanup raised {error_text(error)}"[:_LONGEST]
        self._session.save(record, self.tell)

    @_safe
    def kept(self, held: OpenResource) -> None:
        """Write that the resource stays open; the reaper stays responsible for it (rule 19)."""
        record = self._record(held)
        record.state, record.note = "open", KEPT_NOTE
        self._session.save(record, self.tell)

    @_safe
    def abandoned(self, held: OpenResource) -> None:
        """Write that the run gave the resource up, and let the reaper reclaim it now if it can (rule 6)."""
        record = self._record(held)
        record.state, record.note = "abandoned", "given up by its run"
        self._session.save(record, self.tell, is_durable=record.job is not None)
        if record.job is None or self._reaper is None:
            return
        with held.turn.taken(0) as is_ours:
            if is_ours:
                self._give_up(record)
        if not is_ours:  # its cleanup still runs, and the reaper must not be at work beside it
            held.turn.cut()
            threading.Thread(target=self._give_up_later, args=(held, record), daemon=True).start()

    def claim(self, held: OpenResource) -> ClaimAnswer:
        """Wait a while for the reaper if it was told to reclaim the resource now, and tell what came of that."""
        record = self._records.get(held)
        if record is None or not record.is_given_up or self._reaper is None:
            return ClaimAnswer()
        try:
            answer = self._what_came_of(record, self._reaper)
        except LedgerUnavailableError as error:
            return ClaimAnswer(at_work=f"the reaper may be, as {error}; a reclaim")
        if answer.is_gone:
            self._session.drop(record.key)
            self._records.pop(held, None)
        return answer

    def reclaimer(self, held: OpenResource) -> Callable[[], object] | None:
        """Return what reclaims a resource by its early handle; None if it has none, or cannot."""
        record = self._records.get(held)
        if record is None or record.handle is None or not kind_of(held).can_reclaim:
            return None
        return functools.partial(kind_of(held).cls.reclaim, json.loads(record.handle))  # type: ignore[attr-defined]

    @_safe
    def flush(self) -> None:
        """Write all that still has to be."""
        self._is_over = True
        self._session.flush(self.tell)

    @_safe
    def _intend(self, held: OpenResource) -> None:
        record = self._record(held)
        kind = kind_of(held)
        is_early = False
        if kind.can_reclaim:
            is_early = self._take_early_handle(record, kind)
            if self._reaper is not None and not is_early:
                self._reaper.start_soon(self._session.path)  # it is there when the setup is done
        receipt = self._register(record)
        self._session.save(record, self.tell, is_durable=is_early)
        self._wait_for(receipt)

    @_safe
    def _closed(self, record: LedgerRecord) -> None:
        record.state, record.until, record.note = "closed", time.time(), ""
        if record.job is None:
            self._save_soon(record)
            return
        if self._reaper is not None:
            # First: should the kernel die in between, the reaper writes the end instead of making it twice.
            self._reaper.release(record.key)
        self._session.save(record, self.tell)

    def _give_up_later(self, held: OpenResource, record: LedgerRecord) -> None:
        with held.turn.taken(None):
            if record.state == "abandoned" and not held.turn.is_done:
                self._give_up(record)

    def _give_up(self, record: LedgerRecord) -> None:
        if self._reaper is not None:
            record.is_given_up = True
            self._reaper.reclaim_now(record.key, self.tell)

    def _what_came_of(self, record: LedgerRecord, reaper: ReaperClient) -> ClaimAnswer:
        until = time.monotonic() + _CLAIM_WAIT_S
        while True:
            is_alive = reaper.is_alive()  # before it is read what it has written
            row = self._session.read(lambda store: store.row_of(record.key))
            if row is None or row.until is not None:
                return ClaimAnswer(is_gone=row is not None)
            if row.state != "abandoned" or not is_alive:
                record.is_given_up = False
                return ClaimAnswer()
            if time.monotonic() >= until:
                return ClaimAnswer(at_work="the reaper's reclaim")
            time.sleep(_CLAIM_LOOK_S)

    # -- how it is done -------------------------------------------------------------------------------------------

    def _record(self, held: OpenResource) -> LedgerRecord:
        record = self._records.get(held)
        if record is None:
            record = LedgerRecord(
                key=f"{self._key}-{next(self._numbers)}",
                flow=self._flow,
                run=self._run,
                block=held.name,
                manager=manager_name(held),
                since=time.time(),
                held=held,
            )
            self._records[held] = record
        return record

    def _save_soon(self, record: LedgerRecord) -> None:
        save = self._session.save if self._is_over else self._session.save_soon  # nobody flushes any more
        save(record, self.tell)

    def _take_early_handle(self, record: LedgerRecord, kind: Kind) -> bool:
        if record.held is None or not kind.has_early_handle:
            return False
        return self._take(record, kind, "early_handle", record.held.early_handle)

    def _take_handle(self, record: LedgerRecord, kind: Kind) -> None:
        if record.held is not None:
            self._take(record, kind, "handle", record.held.handle)

    def _take(self, record: LedgerRecord, kind: Kind, method: str, ask: Callable[[], Any]) -> bool:
        """Ask the user's class for a handle, and for the way to use it; tells whether there is one."""
        name = kind.cls.__qualname__
        left = _ON_ITS_OWN if record.handle is None else "what early_handle gave is used instead"
        try:
            handle = ask()
            if handle is None:  # nothing to find it by, this time
                return False
            record.handle = plain(handle)
        except NotPlainDataError as error:
            if type(handle) is CoroutineType:
                handle.close()  # it would complain that nobody awaited it
            self.tell(f"{method} of {name}", f"{method} of {name} must return plain data, but {error}; {left}")
            return False
        except BaseException as error:  # noqa: BLE001 - users' code; an interrupt is counted by the run
            self.tell(f"{method} of {name}", f"{method} of {name} raised {error_text(error)}; {left}")
            return False
        if kind.can_reclaim and record.code is None:
            self._take_code(record, kind, name)
        return True

    def _take_code(self, record: LedgerRecord, kind: Kind, name: str) -> None:
        deadline_s = getattr(record.held and record.held.block.manager, "cleanup_timeout_s", DEADLINE_S)
        try:
            record.code = code_text(kind.cls, deadline_s)
        except BaseException as error:  # noqa: BLE001 - pickling runs users' code
            self.tell(
                f"class {name}", f"{name} can not be sent to another process ({error_text(error)}); {_ON_ITS_OWN}"
            )

    def _register(self, record: LedgerRecord) -> int | None:
        if record.handle is None or record.code is None:
            return None
        record.job = {
            "key": record.key,
            "what": record.what,
            "ledger": str(self._session.path),
            "handle": json.loads(record.handle),
            "code": record.code,
            "within": self._around(record),
        }
        if self._reaper is None:
            return None
        receipt = self._reaper.register(record.job, self.tell)
        if self._reaper.process is not None:
            self._session.note_reaper(self._reaper.process)
        return receipt

    def _around(self, record: LedgerRecord) -> list[str]:
        """Return the keys of the open resources whose blocks are around this one's: they are reclaimed after it."""
        blocks: set[int] = set()
        block = None if record.held is None else record.held.block.parent
        while block is not None:
            blocks.add(id(block))
            block = block.parent
        if not blocks:
            return []
        return [one.key for held, one in self._records.copy().items() if id(held.block) in blocks]

    def _wait_for(self, receipt: int | None) -> None:
        if receipt is not None and self._reaper is not None:
            self._reaper.wait_for(receipt, self.tell)


def tracker_of(flow: str, run: str) -> ResourceTracker:
    """Return who keeps the record of one run's resources. Never raises; its methods neither.

    Args:
        flow: The flow's name.
        run: The run's id.
    """
    try:
        place = process_ledger()
        reaper = place.reaper if os.environ.get("NBFLOW_REAPER", "1") != "0" else None
        return LedgerTracker(flow, run, place.session(), reaper)
    except Exception as error:  # noqa: BLE001 - no home, no rights, a broken installation
        warn_safely(f"there is no ledger: {error_text(error)}; the run goes on, its resources are not recorded")
        return NoResourceTracker()
