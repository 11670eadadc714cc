"""A row of the ledger as a reader sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.ledger.liveness import has_reaper, is_held
from nbflow.ledger.process_identity import is_alive

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.ledger.process_identity import Kernel

KEPT_NOTE = "kept: the trigger of its cleanup said so"


class Owner(NamedTuple):
    """A kernel as the file `ledger` knows it, with the lock that shows that it is alive."""

    kernel: Kernel
    lock: str | None
    ledger: Path


class Written(NamedTuple):
    """A row as it stands in the file `ledger`, with the kernel that owns it, its reaper and its lock."""

    id: int
    key: str
    state: str
    flow: str
    run: str
    block: str
    manager: str
    handle: str | None
    code: str | None
    since: float
    until: float | None
    note: str
    reaper: tuple[int, float] | None
    lock: str | None
    kernel: Kernel
    ledger: Path

    @property
    def what(self) -> str:
        """The resource in words."""
        return f"{self.block!r} of flow {self.flow!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A resource that may be alive, or was.

    Attributes:
        id: Its number in the ledger, for `clean`, `adopt` and `forget`.
        state: ``"intent"`` (setup has begun), ``"open"``, ``"closing"`` (cleanup has begun), ``"closed"``,
            ``"failed"`` (cleanup or reclaim failed) or ``"abandoned"`` (given up by its run).
        flow: The flow's name.
        run: The run's id.
        block: The block's name, with the element's number in a mapped one.
        manager: The name of the manager's class.
        handle: What its manager said to find it by, or None.
        is_reclaimable: Whether another process can reclaim it.
        owner: ``"this kernel"``, ``"another kernel"`` (alive), ``"dead kernel"``, ``"another container"`` (whether it
            is alive cannot be seen from here), ``"another host"`` (nothing is known of it here) or
            ``"another user"``.
        pid: The process id of its kernel.
        host: The machine of its kernel.
        since: When it was intended, in seconds since the epoch.
        until: When it ended, or None if it may be alive.
        note: What else is to be said: how it failed, who reclaimed it.
    """

    id: int
    state: str
    flow: str
    run: str
    block: str
    manager: str
    handle: Any
    is_reclaimable: bool
    owner: str
    pid: int
    host: str
    since: float
    until: float | None
    note: str

    @property
    def is_kept(self) -> bool:
        """Whether its run has ended and left it open, as the trigger of its cleanup said."""
        return self.state == "open" and self.note == KEPT_NOTE

    @classmethod
    def of(cls, written: Written, this: Kernel) -> Row:
        """Return a row as it looks from the process `this`."""
        same = ("id", "state", "flow", "run", "block", "manager", "since", "until")
        return cls(
            **{name: getattr(written, name) for name in same},
            handle=handle_of(written),
            is_reclaimable=written.code is not None and written.handle is not None,
            owner=owner_of(written, this),
            pid=written.kernel.pid,
            host=written.kernel.host,
            note=written.note or ("its reaper is at work" if is_being_reaped(written, this) else ""),
        )


def handle_of(written: Written) -> Any:
    """Return a row's handle, or None if it has none that can be read."""
    if written.handle is None:
        return None
    try:
        return json.loads(written.handle)
    except ValueError:
        return None


def owner_of(written: Written | Owner, this: Kernel) -> str:
    """Return who the owner of a row is to the process `this`, in the words of `Row.owner`.

    What is called dead may be reclaimed, so that has to be certain (rule 20): by the pid, where it means the same
    process here, or by the lock, which is seen from other containers of the machine, too.
    """
    kernel = written.kernel
    if kernel == this:
        return "this kernel"
    if kernel.is_of_host(this) and kernel.shares_pids(this):
        if kernel.user != this.user:
            return "another user"
        return "another kernel" if kernel.is_alive() else "dead kernel"
    # The id of a pid namespace that is gone is given again, to a container of another name: then the lock tells.
    seen = is_held(written.ledger, written.lock) if kernel.boot and kernel.boot == this.boot else None
    if seen is None and not kernel.is_of_host(this):
        return "another container" if kernel.is_in_container else "another host"
    if kernel.user != this.user:
        return "another user"
    if kernel.boot != this.boot:  # two containers of two machines may have one name
        return "another container" if kernel.is_in_container or this.is_in_container else "dead kernel"
    return "another container" if seen is None else "another kernel" if seen else "dead kernel"


def is_being_reaped(written: Written, this: Kernel) -> bool:
    """Whether the reaper of a dead kernel still runs, and will come to this row."""
    if written.reaper is None or written.code is None or written.until is not None:
        return False
    if owner_of(written, this) != "dead kernel":
        return False
    pid, started = written.reaper
    if written.kernel.is_of_host(this) and written.kernel.shares_pids(this):
        return is_alive(pid, started)
    return has_reaper(written.ledger, written.lock)
