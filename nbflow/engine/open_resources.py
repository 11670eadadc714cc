"""The resources a run holds: what setup gave, where each is in its life, and what its cleanup came to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from nbflow.engine.cleanup_turn import CleanupTurn

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from nbflow.core.manager import Deferred
    from nbflow.core.resource import Block
    from nbflow.engine.event_loop import Host


class BlockStatus(StrEnum):
    """The point of its life at which a block's resource is."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLEANED = "cleaned"
    LEAKED = "leaked"
    KEPT = "kept"  # by its author's word
    SKIPPED = "skipped"


# Of a mapped block with many resources, the status that matters most to a reader is shown.
_LOUDEST = (
    BlockStatus.LEAKED,
    BlockStatus.KEPT,
    BlockStatus.CLOSING,
    BlockStatus.OPEN,
    BlockStatus.OPENING,
    BlockStatus.CLOSED,
    BlockStatus.CLEANED,
    BlockStatus.SKIPPED,
)


class OpenResource:
    """One resource of a run. It owes a cleanup from the moment `owes_cleanup` is set until it is cleared.

    The manager and the resource are kept here, apart from the tasks' states: a state handler may turn a state
    into another, the resource is alive all the same.
    """

    __slots__ = (
        *("block", "clean_again", "context", "error", "half", "host", "index", "is_open", "is_told", "manager"),
        *("owes_cleanup", "resource", "status", "turn"),
    )

    def __init__(self, block: Block, index: int) -> None:
        self.block, self.index, self.status = block, index, BlockStatus.CLOSED
        self.manager: Any = None
        self.resource: Any = None
        self.owes_cleanup = False
        self.error: BaseException | None = None
        self.context: contextvars.Context | None = None  # of its setup, if that has set variables
        self.host: Host | None = None  # where an asynchronous manager runs
        self.is_told = False  # of the block's outcome, by a hook
        self.turn = CleanupTurn()
        self.clean_again: Callable[[], BaseException | None] | None = None  # of one whose cleanup has failed
        self.half: list[Deferred] = []  # what a setup that raised had deferred, and could not be undone
        self.is_open = False  # whether there is a resource itself, beside such a half of an earlier try

    @property
    def manager_class(self) -> type:
        """The class of its manager; as long as there is none, the one that the block was made of, if it is a class."""
        if self.manager is not None:
            return type(self.manager)
        made_by = self.block.manager.resource_class
        return made_by if isinstance(made_by, type) else object

    def early_handle(self) -> Any:
        """Return what its manager says it will be found by, or None; raises what that raises."""
        return None if self.manager is None else self.manager.early_handle()

    def handle(self) -> Any:
        """Return what its manager says it is found by, or None; raises what that raises."""
        return None if self.manager is None else self.manager.handle(self.resource)

    def inner_context(self) -> contextvars.Context | None:
        """Return a copy of the context that its setup has left, for what uses it; None if that is as it was."""
        if self.host is not None:
            return self.host.context.copy()
        return None if self.context is None else self.context.copy()

    def cleaned(self) -> BlockStatus:
        """Note that its resource is gone; returns the status it is to have.

        What an earlier try of the setup has left may still be there.
        """
        self.is_open = False
        if self.half:
            return BlockStatus.LEAKED
        self.error = None
        return BlockStatus.CLEANED

    @property
    def name(self) -> str:
        """The block's name, with the element's number in a mapped block."""
        return self.block.name if self.index < 0 else f"{self.block.name}[{self.index}]"


class OpenResources:
    """All resources of a run, by shape number and element; changed by the run's thread only."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self._blocks = blocks
        self._all: dict[tuple[int, int], OpenResource] = {}
        self._of: dict[Block, list[OpenResource]] = {}
        self._open: dict[OpenResource, None] = {}

    def get(self, shape: int, index: int) -> OpenResource:
        """Return the holding of one resource, made when first asked for."""
        held = self._all.get((shape, index))
        if held is None:
            held = self._all[shape, index] = OpenResource(self._blocks[shape], index)
            self._of.setdefault(held.block, []).append(held)
        return held

    def opened(self, held: OpenResource, resource: object) -> None:
        """Note that setup gave a resource, which owes a cleanup from now on."""
        held.resource = resource
        held.owes_cleanup = held.is_open = True
        held.turn.is_done = False
        self._open[held] = None

    def closed(self, held: OpenResource) -> None:
        """Note that the cleanup was made, or that it failed for good."""
        held.owes_cleanup = False
        self._open.pop(held, None)

    def owing(self) -> list[OpenResource]:
        """Return what is open and has not been cleaned up, opened last first."""
        return list(reversed(tuple(self._open)))

    def leave_contexts(self) -> None:
        """Forget where managers ran: the run, and its event loop, has ended."""
        for held in self._all.values():
            held.host = held.context = None

    def alive(self) -> list[OpenResource]:
        """Return what may be alive: being set up, open, being cleaned up."""
        lives = (BlockStatus.OPENING, BlockStatus.OPEN, BlockStatus.CLOSING)
        return [held for held in tuple(self._all.values()) if held.owes_cleanup or held.status in lives]

    def failed(self) -> list[OpenResource]:
        """Return the resources whose cleanup failed, which may be left, opened last first."""
        return [held for held in reversed(tuple(self._all.values())) if held.error is not None]

    def failures(self) -> dict[Block, BaseException]:
        """Return the errors of failed cleanups by block; those of a mapped block's elements as a group."""
        errors: dict[Block, list[BaseException]] = {}
        for held in self.failed():
            if held.error is not None:
                errors.setdefault(held.block, []).append(held.error)
        return {block: joined(found, block.name) for block, found in errors.items()}

    def status(self, block: Block) -> BlockStatus:
        """Return the status of a block; of a mapped one, the loudest of its elements."""
        found = {held.status for held in tuple(self._of.get(block, ()))}
        return next((status for status in _LOUDEST if status in found), BlockStatus.CLOSED)


def joined(errors: list[BaseException], name: str) -> BaseException:
    """Return the one error, or several of them as a group."""
    return errors[0] if len(errors) == 1 else BaseExceptionGroup(f"cleanups of {name!r} failed", errors)
