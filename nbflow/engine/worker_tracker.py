"""The tracker of a run with resources in worker processes: what is said of a block concerns each of them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from nbflow.engine.open_resources import BlockStatus
from nbflow.engine.resource_tracker import ClaimAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.open_resources import OpenResource
    from nbflow.engine.resource_tracker import ResourceTracker
    from nbflow.engine.worker_manager import ResourceInWorker


class WorkerTracker:
    """Passes on what is said of ordinary resources. A block of the workers has a row for each of those.

    Args:
        inner: The tracker that keeps the rows.
        of_workers: Those that workers open; it grows.
    """

    def __init__(self, inner: ResourceTracker, of_workers: set[OpenResource]) -> None:
        self.inner, self._of_workers = inner, of_workers

    def intend(self, held: OpenResource) -> None:
        """Pass it on; a worker says itself when it begins."""
        if not self._takes(held):
            self.inner.intend(held)

    def opened(self, held: OpenResource) -> None:
        """Pass it on, as above."""
        if not self._takes(held):
            self.inner.opened(held)

    def closing(self, held: OpenResource) -> None:
        """Pass it on, as above."""
        if not self._takes(held):
            self.inner.closing(held)

    def closed(self, held: OpenResource) -> None:
        """Pass it on, as above."""
        if not self._takes(held):
            self.inner.closed(held)

    def failed(self, held: OpenResource, error: BaseException) -> None:
        """Say that of what is left in workers."""
        if not self._takes(held):
            self.inner.failed(held, error)
        for one in self._left(held):
            one.clean_again = functools.partial(_clean_again, held, one)
            one.owner.failed(one, one.error or error)

    def kept(self, held: OpenResource) -> None:
        """Say that of what is open in workers; it stays so as long as they do."""
        if not self._takes(held):
            self.inner.kept(held)
        for one in self._left(held):
            one.clean_again, one.status = functools.partial(_clean_again, held, one), BlockStatus.KEPT
            self.inner.kept(one)

    def abandoned(self, held: OpenResource) -> None:
        """End the workers that have one open, and give those up: nobody may use what the reaper takes.

        Of a worker that is not ours to end it is named as left: the reaper takes it when this kernel has ended.
        """
        if not self._takes(held):
            self.inner.abandoned(held)
            return
        left = self._left(held)
        for one in left:
            one.clean_again, one.is_given_up = functools.partial(_clean_again, held, one), True
            if one.worker.kill():
                self.inner.abandoned(one)
            else:
                one.is_given_up = False
                one.owner.failed(one, one.error or TimeoutError(f"{one.name} was given up, and may go on"))
        if left:
            held.turn.cut()  # whoever waits there for the workers

    def claim(self, held: OpenResource) -> ClaimAnswer:
        """Wait for who is at work on any of those that are left; it is gone when all are."""
        if not self._takes(held):
            return self.inner.claim(held)
        left = self._left(held)
        for one in left:
            answer = self.inner.claim(one)
            if answer.at_work:
                return answer
            one.is_given_up = False
            if answer.is_gone:
                one.owner.closed(one)
        return ClaimAnswer(is_gone=bool(left) and not self._left(held))

    def reclaimer(self, held: OpenResource) -> Callable[[], object] | None:
        """Pass it on; the setup of a block of the workers makes nothing."""
        return None if self._takes(held) else self.inner.reclaimer(held)

    def flush(self) -> None:
        """Pass it on."""
        self.inner.flush()

    def _takes(self, held: OpenResource) -> bool:
        return held in self._of_workers

    def _left(self, held: OpenResource) -> list[ResourceInWorker]:
        manager: Any = held.manager
        return manager.left if self._takes(held) and manager is not None else []


def _clean_again(held: OpenResource, one: ResourceInWorker) -> BaseException | None:
    """Try the cleanup of a block once more for the sake of one worker's resource; returns the error of that."""
    error = None if held.clean_again is None else held.clean_again()
    return error if one in one.owner.left else None
