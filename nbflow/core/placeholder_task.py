"""The placeholder task: it stands in a flow for one that other tasks use and that nobody makes any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.task import Task

if TYPE_CHECKING:
    from nbflow.errors import DanglingTaskError


class PlaceholderTask(Task):
    """Keeps the place of a task that has gone, so that a flow can be drawn and fixed; such a flow does not run.

    Args:
        name: What the task was called where it was used.
        slug: Its id in the flow.
        errors: Who uses the task, and who no longer makes it; running the flow raises the first.
    """

    def __init__(self, name: str, slug: str, errors: tuple[DanglingTaskError, ...] = ()) -> None:
        super().__init__(name=name, slug=slug)
        self.errors = errors

    @property
    def error(self) -> DanglingTaskError:
        """The error that running the flow raises."""
        return self.errors[0]

    def __repr__(self) -> str:
        return f"<PlaceholderTask: {self.name}>"

    def run(self) -> None:
        """Refuse.

        Raises:
            DanglingTaskError: Always.
        """
        raise self.error
