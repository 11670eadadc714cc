"""One thread for everything: tasks, setup and cleanup, in the order in which they become ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.executors.threads import ThreadSession

if TYPE_CHECKING:
    from nbflow.engine.executor import Report


class InlineExecutor:
    """Run one task at a time, all in one thread: the default.

    `Flow.run` calls the tasks in the caller's own thread; a run in the background (`Flow.start`) keeps one
    thread for all its life, so that database connections, event loops and the like stay usable.

    Example:
        >>> InlineExecutor().capacity
        1
    """

    capacity = 1
    serial = True

    def __repr__(self) -> str:
        return "<InlineExecutor>"

    def open(self, report: Report, *, name: str) -> ThreadSession:
        """Begin to serve a background run."""
        return ThreadSession(report, name=name, serial=True)
