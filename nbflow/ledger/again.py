"""Calls a cleanup of this process once more, for a resource that its run could not clean up or has given up."""

from __future__ import annotations

import threading
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from nbflow.core.manager import takes_outcome, undo
from nbflow.core.outcome import BlockOutcome
from nbflow.engine.attempt import close_loop, run_coroutine
from nbflow.engine.blocks import BlockStatus
from nbflow.engine.describe import describe

if TYPE_CHECKING:
    from nbflow.core.manager import Deferred
    from nbflow.engine.blocks import Holding


def clean_again(held: Holding) -> str | None:
    """Call the cleanup of a resource, or undo what is left of half a setup; returns None if that went well.

    The cleanup is told that its block was cancelled, so that it rolls back rather than commits. An interrupt of the
    user goes through.
    """
    try:
        if held.half:
            _undo(held)
        else:
            _clean_up(held)
    except Exception as error:  # noqa: BLE001 - users' code
        held.error = error
        return f"its cleanup raised {describe(error)}"
    held.error, held.status = None, BlockStatus.CLEANED
    return None


def _undo(held: Holding) -> None:
    failed: list[tuple[Deferred, BaseException]] = []
    undo(held.half, failed)
    held.half = [entry for entry, _ in reversed(failed)]
    if failed:
        raise BaseExceptionGroup(f"half a setup of {held.name!r}", [error for _, error in failed])


def _clean_up(held: Holding) -> None:
    cleanup = held.manager.cleanup
    more: dict[str, Any] = {}
    if takes_outcome(cleanup):
        more["outcome"] = BlockOutcome(cancelled=(held.block.cleanup_task,), error=held.error)
    ended = cleanup(held.resource, **more)
    if type(ended) is CoroutineType:
        _await_elsewhere(ended)


def _await_elsewhere(coroutine: CoroutineType[Any, Any, Any]) -> None:
    """Await it in a thread of its own: this one may have an event loop that runs, as a notebook's has."""
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            run_coroutine(coroutine, None)
        except BaseException as error:  # noqa: BLE001 - it is raised by who waits
            errors.append(error)
        finally:
            close_loop()

    thread = threading.Thread(target=wait, name="cleanup", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
