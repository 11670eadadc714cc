"""What the simulation keeps of a run: calls in the air, resources, attempts, and the clock they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from nbflow.engine.attempt import Call, Outcome
    from tests.properties.simulation.aside import Aside
    from tests.properties.simulation.cluster_worker import SimulatedWorker

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


_KNOWN: WeakValueDictionary[int, Any] = WeakValueDictionary()


def identify(thing: Any) -> int:
    """Return what a thing of the simulation travels as: it is the same one wherever it comes."""
    _KNOWN[id(thing)] = thing
    return id(thing)


def known(number: int) -> Any:
    """Return the thing that travels as a number."""
    return _KNOWN[number]


class Wrong(AssertionError):
    """A rule was broken."""


@dataclass(eq=False)
class Flight:
    """A call in the air: with its thread from the moment it was handed over until its outcome is reported."""

    call: Call
    lifecycle: bool
    asked: bool  # whether it had been asked to stop before it began
    wish: str  # what its user code will do
    rows: dict[tuple[str, int], str]  # what the tracker knew when it began
    since: float
    hit: type[BaseException] | None = None
    outcome: Outcome | None = None
    lingers_since: float | None = None
    aside: Aside | None = None  # the thread that runs a flow in it
    is_remote: bool = False  # whether it goes to a worker of the cluster
    worker: SimulatedWorker | None = None  # the one that has begun it
    recalls: int = 0  # that had been made when it was handed over
    sent: int = 0
    begun: int = 0
    made: int = 0
    is_well: bool = False  # whether it was made, and has returned

    @property
    def is_under_way(self) -> bool:
        """Whether its thread is in the middle of its call."""
        return self.aside is not None and not self.aside.is_over


@dataclass(eq=False)
class Resource:
    """What a setup gave: alive from then on until a cleanup of it has ended well."""

    key: str
    index: int
    flight: Flight | None
    cleanups: int = 0  # begun
    cleaned: int = 0  # ended well
    was_late: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        return known, (identify(self),)

    @property
    def is_alive(self) -> bool:
        return self.cleaned == 0


@dataclass(eq=False)
class Attempt:
    """A call of setup: what it deferred, what of it was undone, and whether what it may have made was reclaimed."""

    name: str
    key: tuple[str, int]
    early: str = ""
    reclaims: int = 0  # begun
    reclaimed: int = 0  # ended well
    was_cut: bool = False
    deferred: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    succeeded: bool = False


class Clock:
    """Seconds that pass when the simulation says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def datetime(self) -> type[datetime]:
        """Return a stand-in for `datetime` whose `now` is this clock's."""
        clock = self

        class Made(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return EPOCH + timedelta(seconds=clock.now)

        return Made


class Timer:
    """Stands in for `threading.Timer`, in the simulation's time."""

    is_over = False

    def __init__(self, *, is_time_out: bool) -> None:
        self.is_time_out = is_time_out  # of the task itself, which is told that it took too long

    def start(self) -> None:
        """The simulation has it run from the moment that it is made."""

    def cancel(self) -> None:
        self.is_over = True
