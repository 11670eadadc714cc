"""One resource as this process knows it: what is written in the ledger, or still has to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.engine.open_resources import OpenResource

# What is written with a new row and never changed, in the order of the lines of a journal. Another one comes last, with
# a default in the class: a kernel of an older nbflow appends lines without it.
MADE_WITH = ("flow", "run", "block", "manager", "since")


@dataclass(slots=True, eq=False, kw_only=True)
class LedgerRecord:
    """A row in the making.

    Attributes:
        key: Names the row whatever its number is, also to the reaper.
        since: When it was intended, seconds since the epoch; `until`, when it ended, or None.
        handle: What finds the resource from another process, as JSON, or None.
        code: What loads its class there, as JSON (see `nbflow.ledger.serialization`), or None.
        is_written: Whether the file has a row of this key.
        is_given_up: Whether the reaper was told to reclaim it while this process lives.
        held: The resource itself, if it was set up in this process.
        job: What the reaper was told, or None.
    """

    key: str
    flow: str
    run: str
    block: str
    manager: str
    since: float
    state: str = "intent"
    until: float | None = None
    handle: str | None = None
    code: str | None = None
    note: str = ""
    is_written: bool = False
    is_given_up: bool = False
    held: OpenResource | None = field(default=None, repr=False)
    job: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def what(self) -> str:
        """The resource in words."""
        return f"{self.block!r} of flow {self.flow!r}"


made_with = attrgetter(*MADE_WITH)
