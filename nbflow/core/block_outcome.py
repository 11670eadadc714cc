"""The outcome of a block, of which its cleanup is told, so that it can commit or roll back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.core.task import Task


@dataclass(frozen=True, slots=True)
class BlockOutcome:
    """The outcome of the tasks inside a block, those of nested blocks included.

    Attributes:
        succeeded: The tasks that ended well.
        failed: The tasks that failed.
        cancelled: The tasks that were cancelled, or never ran because the run was.
        skipped: The tasks that were left out on purpose.
        error: The first exception that a task raised, or None.
        errors: All that tasks raised, mapped children each for itself.

    Example:
        >>> BlockOutcome().is_successful
        True
    """

    succeeded: tuple[Task, ...] = ()
    failed: tuple[Task, ...] = ()
    cancelled: tuple[Task, ...] = ()
    skipped: tuple[Task, ...] = ()
    error: BaseException | None = None
    errors: tuple[BaseException, ...] = ()

    @property
    def is_successful(self) -> bool:
        """True if nothing failed and nothing was cancelled."""
        return not (self.failed or self.cancelled)
