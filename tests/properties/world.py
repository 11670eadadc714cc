"""What happens when a plan is run: what its tasks do, and what they did.

Apart from `strategies`, as a process that runs tasks loads it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow import Task, context, signals
from tests.executors.workers import workers_of_here
from tests.shared import SharedList

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.properties.strategies import FlowPlan


class Boom(Exception):
    """What a plan's tasks raise."""


@dataclass(eq=False)
class Resource:
    """What a manager gave: alive from the end of its setup to the begin of its cleanup."""

    key: str
    number: int
    outer: tuple[Resource, ...] = ()
    set_up: int = 0
    cleaned: int = 0  # calls of cleanup
    cleaned_well: int = 0
    users: int = 0


class World:
    """What the calls of one run do, and what they did. Violations seen on the way are kept in `wrong`."""

    def __init__(self, plan: FlowPlan, act: Callable[[str, str], Any] | None = None) -> None:
        self.plan = plan
        self.does = plan.does
        self.calls: dict[str, int] = defaultdict(int)
        self.log: list[str] = []
        self.wrong: list[str] = []
        self.resources: list[Resource] = []
        self.lock = threading.Lock()
        self.act = act or act_plainly

    def do(self, key: str, name: str) -> Any:
        """Note a call and do what the plan says."""
        number = self.note(name)
        does = self.does.get(key, ())
        return self.act(does[number] if number < len(does) else "ok", name)

    def note(self, name: str) -> int:
        """Write down a call; returns how many of this name came before it."""
        with self.lock:
            number = self.calls[name]
            self.calls[name] += 1
            self.log.append(name)
        return number

    def begin_use(self, resource: Resource, name: str) -> None:
        """A task begins to use a resource, which is to be alive."""
        with self.lock:
            resource.users += 1
            if resource.cleaned or resource.set_up != 1:
                self.wrong.append(
                    f"{name} got {resource.key} set up {resource.set_up} times, cleaned {resource.cleaned}"
                )

    def end_use(self, resource: Resource, name: str) -> None:
        """A task is done with a resource, which is to be alive still."""
        with self.lock:
            resource.users -= 1
            if resource.cleaned:
                self.wrong.append(f"{name} used {resource.key} while it was cleaned up")

    def begin_cleanup(self, resource: Resource) -> None:
        """A resource is going to be cleaned up: nobody may use it, and it may be done once only."""
        resource.cleaned += 1
        if resource.users:
            self.wrong.append(f"cleanup of {resource.key} while in use")
        if resource.cleaned_well:
            self.wrong.append(f"cleanup of {resource.key} twice")


class SharedWorld(World):
    """The world of a run whose tasks run in other processes: managers here, tasks there, one diary."""

    def __init__(self, plan: FlowPlan, act: Callable[[str, str], Any] | None = None) -> None:
        super().__init__(plan, act)
        self.log = SharedList()  # type: ignore[assignment]
        self.uses = SharedList()  # (what, key and number of the resource, who)
        self.workers_before = workers_of_here()  # other tests keep theirs

    def __getstate__(self) -> dict[str, Any]:
        return {"does": self.does, "act": self.act, "log": self.log, "uses": self.uses}

    def note(self, name: str) -> int:
        number = self.log.count(name)
        self.log.append(name)
        return number

    def begin_use(self, resource: Resource, name: str) -> None:
        self.uses.append(("begin", (resource.key, resource.number), name))

    def end_use(self, resource: Resource, name: str) -> None:
        self.uses.append(("end", (resource.key, resource.number), name))

    def begin_cleanup(self, resource: Resource) -> None:
        super().begin_cleanup(resource)
        self.uses.append(("cleanup", (resource.key, resource.number), "cleanup"))

    def misuses(self) -> list[str]:
        """Return what was used while it was cleaned up, or later.

        One whose process was ended does not say that it is done with its resource: `nbflow` knows that it is.
        """
        cleaned = set()
        found = []
        for what, resource, name in self.uses:
            if what == "cleanup":
                cleaned.add(resource)
            elif resource in cleaned:
                found.append(f"{name} did {what} to use {resource} after its cleanup")
        return found


def act_plainly(action: str, name: str) -> Any:
    """Do what a plan says."""
    match action:
        case "raise":
            raise Boom(name)
        case "skip":
            raise signals.SKIP(name)
        case "fail":
            raise signals.FAIL(name)
        case "retry":
            raise signals.RETRY(name)
        case "loop":
            raise signals.LOOP(name, result=None)
        case "success":
            raise signals.SUCCESS(name, result=None)
        case "interrupt":
            raise KeyboardInterrupt(name)
        case "exit":
            raise SystemExit(name)
        case "false":
            return False
    return True


class Probe(Task):
    """A task that does what its plan says, and checks that its resource is alive all the while."""

    def __init__(self, world: World, key: str, **kwargs: Any) -> None:
        self.world = world
        self.key = key
        super().__init__(name=key, **kwargs)

    def run(self, resource: Resource | None = None, item: Any = None) -> Any:
        name = context.task_full_name
        if isinstance(resource, Resource):
            self.world.begin_use(resource, name)
        try:
            return self.world.do(self.key, name)
        finally:
            if isinstance(resource, Resource):
                self.world.end_use(resource, name)
