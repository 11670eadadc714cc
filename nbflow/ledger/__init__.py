"""The record on disk of resources that may be alive, and the reaper that cleans up what a dead kernel left.

Loaded on first use: ``import nbflow`` does not.

Example:
    >>> from nbflow import ledger
    >>> [row.block for row in ledger.resources()]
    []
"""

from nbflow.errors import (
    DamagedLedgerError,
    ForeignResourceError,
    LedgerError,
    LedgerUnavailableError,
    LockedLedgerError,
    NewerLedgerError,
    NotReclaimableError,
    ReaperError,
    ReclaimError,
    ResourceInUseError,
    UnknownResourceError,
)
from nbflow.ledger.ledger_tracker import tracker_of
from nbflow.ledger.listing import Row
from nbflow.ledger.recovery import adopt, clean, forget, left_behind, resources

__all__ = [
    "DamagedLedgerError", "ForeignResourceError", "LedgerError", "LedgerUnavailableError", "LockedLedgerError",
    "NewerLedgerError", "NotReclaimableError", "ReaperError", "ReclaimError", "ResourceInUseError", "Row",
    "UnknownResourceError", "adopt", "clean", "forget", "left_behind", "resources", "tracker_of",
]  # fmt: skip
