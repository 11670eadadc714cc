"""What travels in place of a resource that each worker process opens for itself (``scope="worker"``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MANAGER = "manager"
RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class WorkerResource:
    """Stands for the resource in the kernel; in a worker process a task gets the one that is open there.

    Attributes:
        key: Names the setup of the block, of this run and of no other.
        name: The block's name.
        part: `RESOURCE`, or `MANAGER`: what the block's init gives.
    """

    key: str
    name: str
    part: str = RESOURCE

    def __repr__(self) -> str:
        return f"<WorkerResource: {self.name}, opened in each worker process>"


@dataclass(frozen=True, slots=True)
class NamedTask:
    """Stands for a task in the `BlockOutcome` that a cleanup in a worker process is told.

    Attributes:
        name: The task's name.
    """

    name: str


def resources_in(value: Any) -> list[WorkerResource]:
    """Return those in a value: itself, or what is in a list, tuple, set or dictionary."""
    if type(value) is WorkerResource:
        return [value]
    if type(value) is dict:
        return [one for part in value.values() for one in resources_in(part)]
    if type(value) in (list, tuple, set):
        return [one for part in value for one in resources_in(part)]
    return []
