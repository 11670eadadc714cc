"""One resource of a run as the scheduler sees it: who waits for it, who uses it, whether it may be cleaned up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.engine.executor_slots import ExecutorSlots


@dataclass(slots=True, eq=False)
class ResourceLifetime:
    """The lifetime of one resource: of a block, or of one element of a mapped block (`index` >= 0).

    `resolved` means that setup has ended, well or not, so that members may be looked at; `open` that it ended well.
    `usable` that it did, and so did all around it: nothing inside waits for a setup any more.
    `depth` counts it and those around it.
    `busy` counts attempts whose thread has not let go although their task has ended.
    `slots` are those of the executor that it is for the tasks inside, while it is one.
    """

    shape: int
    index: int
    outer: ResourceLifetime | None
    init: int
    setup: int
    cleanup: int
    members_left: int
    grace_s: float
    depth: int = field(init=False)
    lifecycle_left: int = field(init=False)
    grace_until: float | None = None
    demanded: bool = False
    resolved: bool = False
    open: bool = False
    setup_bad: bool = False
    usable: bool = False
    overdue: bool = False
    busy: int = 0
    slots: ExecutorSlots | None = None
    waiting: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.depth = 1 if self.outer is None else self.outer.depth + 1
        self.lifecycle_left = 1 if self.setup < 0 else 2

    @property
    def lazy_init(self) -> bool:
        """Whether init waits for demand: it is itself the setup, or it would open the block around it."""
        return self.setup < 0 or self.outer is not None
