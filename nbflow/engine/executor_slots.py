"""The places that an executor has for tasks, and the tasks that wait for one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class ExecutorSlots:
    """The slots of the executor that a block is for its tasks; those of the run's own are `ReadyQueue`'s.

    Attributes:
        capacity: How many tasks may run at once.
        ahead: How many simple ones more may be handed out, to wait where they run.
        running: How many run.
        early: How many were handed out before what is upstream of them has ended.
        ready: A heap with the keys of those that may start.
        early_ready: One of those that may be handed out before what is upstream of them has ended.
    """

    capacity: int
    ahead: int = 0
    running: int = 0
    early: int = 0
    ready: list[int] = field(default_factory=list)
    early_ready: list[int] = field(default_factory=list)
