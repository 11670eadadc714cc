"""One resource of a run as the scheduler sees it: who waits for it, who uses it, whether it may be cleaned up."""

from __future__ import annotations


class ResourceLifetime:
    """The lifetime of one resource: of a block, or of one element of a mapped block (`index` >= 0).

    `resolved` means that setup has ended, well or not, so that members may be looked at; `open` that it ended well.
    `usable` that it did, and so did all around it: nothing inside waits for a setup any more.
    `depth` counts it and those around it.
    `busy` counts attempts whose thread has not let go although their task has ended.
    """

    __slots__ = (
        "busy",
        "cleanup",
        "demanded",
        "depth",
        "grace_s",
        "grace_until",
        "index",
        "init",
        "lifecycle_left",
        "members_left",
        "open",
        "outer",
        "overdue",
        "resolved",
        "setup",
        "setup_bad",
        "shape",
        "usable",
        "waiting",
    )

    def __init__(
        self,
        shape: int,
        index: int,
        outer: ResourceLifetime | None,
        init: int,
        setup: int,
        cleanup: int,
        members_left: int,
        grace_s: float,
    ) -> None:
        self.shape = shape
        self.index = index
        self.outer = outer
        self.depth: int = 1 if outer is None else outer.depth + 1
        self.init = init
        self.setup = setup
        self.cleanup = cleanup
        self.members_left = members_left
        self.lifecycle_left = 1 if setup < 0 else 2
        self.grace_s = grace_s
        self.grace_until: float | None = None
        self.demanded = False
        self.resolved = False
        self.open = False
        self.setup_bad = False
        self.usable = False
        self.overdue = False
        self.busy = 0
        self.waiting: list[int] = []

    @property
    def lazy_init(self) -> bool:
        """Whether init waits for demand: it is itself the setup, or it would open the block around it."""
        return self.setup < 0 or self.outer is not None
