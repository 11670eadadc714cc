"""The protocol by which a run tells somebody outside what it holds, so that it is found even if the run is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.open_resources import OpenResource


class ClaimAnswer(NamedTuple):
    """The answer of a tracker to a cleanup that is to be made again.

    Attributes:
        is_gone: Whether somebody else has made it meanwhile.
        at_work: Who is making it now, or "".
    """

    is_gone: bool = False
    at_work: str = ""


class ResourceTracker(Protocol):
    """Is told of each resource before it is made and after it is gone (rule 10). Never raises; quick; any thread."""

    def intend(self, held: OpenResource) -> None:
        """A setup, or an init that is the setup, is about to start."""

    def opened(self, held: OpenResource) -> None:
        """Setup gave `held.resource`, and no task has used it yet."""

    def closing(self, held: OpenResource) -> None:
        """Cleanup is about to be called."""

    def closed(self, held: OpenResource) -> None:
        """A cleanup or reclaim returned, or setup raised and nothing is known to be left of it."""

    def failed(self, held: OpenResource, error: BaseException) -> None:
        """Cleanup failed for good: the resource may be left (rule 7)."""

    def kept(self, held: OpenResource) -> None:
        """The resource stays open, as the trigger of its cleanup said (rule 19)."""

    def abandoned(self, held: OpenResource) -> None:
        """The resource was given up by the user's third interrupt (rule 6)."""

    def claim(self, held: OpenResource) -> ClaimAnswer:
        """A cleanup that failed is about to be made again (rule 15). Waits for a while for who is at work."""

    def reclaimer(self, held: OpenResource) -> Callable[[], object] | None:
        """Return what reclaims a resource whose setup did not end well, by its early handle; None if nothing can."""

    def flush(self) -> None:
        """The run is over."""


class NoResourceTracker:
    """Keeps nothing: for flows without blocks, and where nothing can be kept."""

    def _nothing(self, *told: object) -> None:
        """Do nothing."""

    intend = opened = closing = closed = failed = kept = abandoned = reclaimer = flush = _nothing

    def claim(self, held: OpenResource) -> ClaimAnswer:
        """Do nothing."""
        return ClaimAnswer()
