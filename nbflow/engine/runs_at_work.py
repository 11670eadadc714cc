"""The runs that this process performs now, found by the thread that each blocks and by the call that waits for it.

Rule 14: a hit on a thread that runs an inner flow cancels that flow, which cleans up first; it never tears it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nbflow.engine import forks

if TYPE_CHECKING:
    from nbflow.core.context import Attempt
    from nbflow.engine.attempt import Call

STOPPED_WITH_ITS_TASK = "The task that waits for the run was asked to stop."


class RunAtWork(Protocol):
    """A run as those see it that may have to stop it.

    Attributes:
        worker: The thread that does its work.
        helps: The call of another run that waits for this one from another thread.
    """

    worker: int | None
    helps: Attempt | None

    def request_cancel(self, reason: str) -> None:
        """Cancel the run; from any thread."""

    def let_go(self) -> None:
        """Do nothing any more, in a forked child."""


AT_WORK: set[RunAtWork] = set()


def cancel_inner(thread_id: int) -> bool:
    """Cancel the run that blocks a thread, a task's flow say; tells whether there is one."""
    inner = [run for run in tuple(AT_WORK) if run.worker == thread_id]
    for run in inner:
        run.request_cancel("The task that runs this flow was cancelled.")
    return bool(inner)


def stop_runs_of(call: Call) -> None:
    """Rule 14: cancel the runs that block threads which a task has started, as it was asked to stop itself."""
    for run in tuple(AT_WORK):  # a copy: runs begin and end on other threads meanwhile
        if run.helps is call:
            run.request_cancel(STOPPED_WITH_ITS_TASK)


@forks.in_child
def _let_runs_go() -> None:
    while AT_WORK:
        AT_WORK.pop().let_go()
