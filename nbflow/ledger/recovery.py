"""What the next kernel does about resources that were left: list, clean, adopt, forget.

Nothing here touches what belongs to something alive, and a class is only loaded for a row that nobody but this user
can have written.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

from nbflow import errors
from nbflow.engine.error_text import error_text
from nbflow.engine.open_resources import BlockStatus
from nbflow.ledger.journal import journals_of
from nbflow.ledger.ledger_record import LedgerRecord
from nbflow.ledger.listing import Row, Written, handle_of, is_being_reaped, owner_of
from nbflow.ledger.other_hosts import other_ledgers, row_of, rows_of
from nbflow.ledger.paths import is_private, ledger_path
from nbflow.ledger.process_ledger import process_ledger
from nbflow.ledger.reclaim import run_reclaim

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.ledger.ledger_session import LedgerSession
    from nbflow.ledger.process_identity import Kernel
    from nbflow.ledger.process_ledger import ProcessLedger

_GIVEN_UP = ("failed", "abandoned")


def resources(all: bool = False) -> list[Row]:
    """Return the resources that may be alive, newest last: of this kernel, of others, and what dead ones left.

    Args:
        all: Return those that have ended, too.

    Raises:
        LedgerUnavailableError: If the ledger cannot be read; the subclass says why.
    """
    place = process_ledger()
    found = [row for ledger in other_ledgers() for row in rows_of(ledger, all=all)]
    if _exists(place):
        found += place.session().read(lambda store: store.all_rows() if all else store.open_rows())
    return [Row.of(one, place.kernel) for one in found]


def left_behind() -> list[Row]:
    """Return what dead kernels left and no reaper is about to reclaim. Quick; never raises."""
    try:
        place = process_ledger()
        if not _exists(place):
            return []
        found = place.session().read(lambda store: store.open_rows())
        left = [one for one in found if not is_being_reaped(one, place.kernel)]
        return [row for row in (Row.of(one, place.kernel) for one in left) if row.owner == "dead kernel"]
    except Exception:  # noqa: BLE001 - who asks is loading nbflow, and `resources` tells what is wrong
        return []


def clean(row_id: int, *, gone: bool = False) -> Row:
    """Clean up one resource, and return its row as it is afterwards. What has ended already stays as it is.

    What this kernel's cleanup failed for, or what its run kept or gave up, is cleaned up as by `Run.retry_cleanup`;
    what a dead kernel left, by the `reclaim` of its class in a process of its own.

    Args:
        row_id: Its number in `resources`.
        gone: Your word that the kernel is gone, for a row of another container, where that may not be seen from
            here. One that is seen to be alive keeps what it has.

    Raises:
        UnknownResourceError: If there is no such row.
        ResourceInUseError: If it belongs to something that is alive.
        ForeignResourceError: If it belongs to another host or user, or others could have written the row; or to
            another container of which nothing is known here, and `gone` was not said.
        NotReclaimableError: If its manager gave no handle.
        ReclaimError: If that failed; the row says so, and it can be tried again.
        LedgerUnavailableError: If the ledger cannot be read or written.

    Example::

        for row in nbflow.ledger.left_behind():
            if row.is_reclaimable:
                nbflow.ledger.clean(row.id)
    """
    place = process_ledger()
    with place.recovering:
        row = _row(row_id)
        session = place.session(row.ledger)
        if row.until is not None:
            return Row.of(row, place.kernel)
        record = session.find(row.key)
        if record is None:
            _check_left(row, place, "clean", gone)
            record = _take_over(session, row, place.kernel)
        # What the run has given up somebody may be cleaning up right now: `clean_again` waits for its turn (rule 15).
        elif record.held is not None and record.held.clean_again is None and row.state not in _GIVEN_UP:
            raise _held_here(row)
        if record.held is not None and record.held.clean_again is not None:
            return _clean_here(row, record.held.clean_again, session, place)
        if row.code is None or row.handle is None:  # of this kernel: cut in its setup, before it had a handle
            raise errors.NotReclaimableError(row.id, row.what)
        _check_private(row)
        reason = run_reclaim(json.loads(row.code), handle_of(row))
        if reason is not None:
            _write(session, row, "failed", None, reason)
            raise errors.ReclaimError(row.id, row.what, reason)
        place.reaper.release(row.key)
        _write(session, row, "closed", time.time(), f"cleaned up by kernel {place.kernel.pid}")
        session.drop(row.key)
        return Row.of(_row(row_id), place.kernel)


def adopt(row_id: int, *, gone: bool = False) -> Row:
    """Make this kernel the owner of what a dead kernel left: it is reclaimed when this one ends.

    Args:
        row_id: Its number in `resources`.
        gone: As for `clean`.

    Raises:
        LedgerError: As for `clean`.
        ReaperError: If no reaper could be told of it; then the row is left as it was.
    """
    place = process_ledger()
    with place.recovering:
        row = _row(row_id)
        session = place.session(row.ledger)
        record = session.find(row.key)
        if row.until is not None or (record is not None and record.held is None and record.job is not None):
            return Row.of(row, place.kernel)
        if record is None or record.held is not None:
            _check_left(row, place, "adopt", gone)
        if os.environ.get("NBFLOW_REAPER", "1") == "0":
            raise errors.ReaperError(
                "NBFLOW_REAPER=0: no reaper would reclaim what is adopted; set it to 1, or clean it now"
            )
        told: list[str] = []
        receipt = place.reaper.register(_job(row, session), lambda kind, message: told.append(message))
        if receipt is None or not place.reaper.wait_for(receipt, lambda kind, message: told.append(message)):
            place.reaper.release(row.key)
            raise errors.ReaperError(f"resource {row.id} was not adopted: {'; '.join(told)}")
        if place.reaper.process is not None:
            session.note_reaper(place.reaper.process)
        try:
            record = record or _take_over(session, row, place.kernel)
        except BaseException:
            place.reaper.release(row.key)
            raise
        record.job = _job(row, session)
        record.state, record.note = "open", f"adopted from kernel {row.kernel.pid}"
        session.save(record, _ignore, is_durable=True)
        return Row.of(_row(row_id), place.kernel)


def forget(row_id: int) -> Row:
    """Take a resource off the list, whatever has become of it; nothing else is touched.

    Args:
        row_id: Its number in `resources`.

    Raises:
        UnknownResourceError: If there is no such row.
        ResourceInUseError: If it belongs to something that is alive.
        ForeignResourceError: If it belongs to another user.
        LedgerUnavailableError: If the ledger cannot be read or written.
    """
    place = process_ledger()
    with place.recovering:
        row = _row(row_id)
        session = place.session(row.ledger)
        if row.until is not None:
            return Row.of(row, place.kernel)
        record = session.find(row.key)
        if record is None:
            _check_not_alive(row, place, "forget")
        elif record.held is not None and not (row.state in _GIVEN_UP or _is_kept(record)):
            raise _held_here(row)
        _write(session, row, "closed", time.time(), "forgotten by the user")
        place.reaper.release(row.key)
        session.drop(row.key)
        return Row.of(_row(row_id), place.kernel)


# -- what may be done -------------------------------------------------------------------------------------------------


def _exists(place: ProcessLedger) -> bool:
    """Whether there is a ledger; one that was removed is begun again if there is something to list."""
    path = ledger_path()
    return path.exists() or bool(place.session().records() or journals_of(path))


def _is_kept(record: LedgerRecord) -> bool:
    return record.held is not None and record.held.status is BlockStatus.KEPT


def _row(row_id: int) -> Written:
    found = process_ledger().session().read(lambda store: store.row(row_id)) if _exists(process_ledger()) else None
    found = found or row_of(row_id)
    if found is None:
        raise errors.UnknownResourceError(row_id, str(ledger_path()))
    return found


def _held_here(row: Written) -> errors.ResourceInUseError:
    whose = f"held by run {row.run!r} of this kernel"
    return errors.ResourceInUseError(row.id, row.what, whose, "cancel that run, or let it end")


def _check_left(row: Written, place: ProcessLedger, verb: str, gone: bool) -> None:
    """See to it that a row is a dead kernel's, and that its class may be loaded here.

    Raises:
        LedgerError: If not; the subclass says why.
    """
    owner = owner_of(row, place.kernel)
    if owner == "another container" and not gone:
        raise errors.ForeignResourceError(
            row.id,
            row.what,
            f"belongs to process {row.kernel.pid} of another container (host {row.kernel.host!r}), and whether that "
            "is alive cannot be seen from here",
            f"if you know that it is gone, {verb}({row.id}, gone=True)",
        )
    if owner == "another host":
        raise errors.ForeignResourceError(
            row.id,
            row.what,
            f"belongs to a kernel of the host {row.kernel.host!r}, of which nothing is known here",
            f"{verb} it there, or forget({row.id}) if you know that it is gone",
        )
    _check_not_alive(row, place, verb)
    if row.code is None or row.handle is None:
        raise errors.NotReclaimableError(row.id, row.what)
    _check_private(row)


def _check_private(row: Written) -> None:
    if not is_private(row.ledger):
        raise errors.ForeignResourceError(
            row.id,
            row.what,
            "is in a ledger that others can write to, so that its class is not loaded",
            f"see to it by hand, then forget({row.id}); set NBFLOW_HOME to a folder of your own",
        )


def _check_not_alive(row: Written, place: ProcessLedger, verb: str) -> None:
    owner = owner_of(row, place.kernel)
    if owner == "another user":
        raise errors.ForeignResourceError(
            row.id, row.what, f"belongs to another user (id {row.kernel.user})", f"ask them to {verb} it"
        )
    if owner in ("another kernel", "this kernel"):
        whose = f"{owner} (process {row.kernel.pid})"
        raise errors.ResourceInUseError(
            row.id, row.what, f"held by {whose}, which is alive", f"{verb} it there, or end that kernel first"
        )
    if is_being_reaped(row, place.kernel):
        raise errors.ResourceInUseError(
            row.id, row.what, "being reclaimed by the reaper of its kernel", "look again in a moment"
        )


# -- what is done -----------------------------------------------------------------------------------------------------


def _take_over(session: LedgerSession, row: Written, this: Kernel) -> LedgerRecord:
    """Make this process the owner of a dead kernel's row.

    Raises:
        ResourceInUseError: If another kernel was faster.
    """
    if not session.use(lambda store: store.hand_over(row, this), _ignore):
        raise errors.ResourceInUseError(row.id, row.what, "being seen to by another kernel", "look again in a moment")
    names = ("key", "flow", "run", "block", "manager", "since", "state", "handle", "code", "note")
    record = LedgerRecord(**{name: getattr(row, name) for name in names}, is_written=True)
    session.know(record)
    return record


def _clean_here(
    row: Written, clean_again: Callable[[], BaseException | None], session: LedgerSession, place: ProcessLedger
) -> Row:
    """Have the run that could not clean a resource up try again, as its `retry_cleanup` does.

    Raises:
        ResourceInUseError: If somebody is still at work on it.
        ReclaimError: If it failed again.
    """
    error = clean_again()
    if isinstance(error, errors.CleanupRunningError):
        raise errors.ResourceInUseError(row.id, row.what, f"not free: {error}", "look again in a moment")
    if error is not None:
        if not isinstance(error, Exception):  # an interrupt of the user's
            raise error
        raise errors.ReclaimError(row.id, row.what, f"its cleanup raised {error_text(error)}") from error
    return Row.of(_row(row.id), place.kernel)


def _job(row: Written, session: LedgerSession) -> dict[str, object]:
    return {
        "key": row.key,
        "what": row.what,
        "ledger": str(session.path),
        "handle": handle_of(row),
        "code": row.code or "{}",
    }


def _write(session: LedgerSession, row: Written, state: str, until: float | None, note: str) -> None:
    session.use(lambda store: store.mark(row.key, state, until, note), _ignore)
    record = session.find(row.key)
    if record is not None:
        record.state, record.until, record.note = state, until, note


def _ignore(kind: str, message: str) -> None:
    """Let a problem be told by what it leads to."""
