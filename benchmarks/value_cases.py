"""What keeping track of values may cost: what is measured, beside what, and the ratio that it may come to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

BASELINE, HAMILTON, ITSELF = "the engine before", "Hamilton", ""
_COPIED = "a copy and xxh3_128"


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        key: Its name on the command line and in the JSON.
        title: Its name in the table.
        measure: A function of `benchmarks.value_work`, `value_prints`, `value_memory` or `value_store`.
        beside: Who is asked the same, in a process of its own; nobody if the function answers both.
        what: What the other number is, where the function answers both.
        limit: The most that the ratio may be; None if it is only shown.
        details: The arguments of the function.
        quick: Those that are others with `--quick`.
        rounds: How often each process measures.
        pairs: How many pairs of processes there are.
        unit: "ms" or "MB".
    """

    key: str
    title: str
    measure: str
    beside: str = ITSELF
    what: str = ""
    limit: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)
    rounds: int = 1
    pairs: int = 1
    unit: str = "ms"

    def made_quick(self) -> Case:
        """Return the case with small values and few rounds, to see that it works."""
        return replace(self, details=self.details | self.quick, rounds=min(self.rounds, 2), pairs=1)


def _flow(shape: str, title: str, **how: Any) -> Case:
    key = "-".join(["flow", shape, *map(str, how.values())])
    details = {"shape": shape, "size": 1_000, **how}
    return Case(key, title, "flow", BASELINE, limit=1.05, details=details, quick={"size": 100}, rounds=10, pairs=5)


def _chain(of: str, title: str, limit: float | None = 1.05) -> Case:
    details = {"size": 1_000, "of": of}
    return Case(f"flow-{of}", title, "chain", BASELINE, "", limit, details, {"size": 100}, rounds=10, pairs=3)


def _print(kind: str, title: str, limit: float | None = 2.0, beside: str = "xxh3_128") -> Case:
    details = {"kind": kind, "megabytes": 200}
    return Case(f"print-{kind}", title, "prints", ITSELF, beside, limit, details, {"megabytes": 2}, 5)


def _plus(in_place: bool, title: str) -> Case:
    key = "plus-in-place" if in_place else "plus"
    details = {"in_place": in_place, "megabytes": 200}
    return Case(key, title, "plus_one", BASELINE, "", 1.2, details, {"megabytes": 2}, 5)


def _once(kind: str, title: str) -> Case:
    details = {"kind": kind, "megabytes": 200}
    return Case(f"once-{kind}", title, "bytes_hashed", ITSELF, "its size", 1.01, details, {"megabytes": 2}, unit="MB")


def _held(kind: str, title: str, what: str) -> Case:
    size = {"megabytes": 100}, {"megabytes": 20}
    return Case(f"held-{kind}", title, "held", ITSELF, what, 1.1, {"kind": kind, **size[0]}, size[1], unit="MB")


CASES = (
    _flow("chain", "chain of 1,000"),
    _flow("fan", "1 -> 1,000 -> 1"),
    _flow("layers", "20 layers x 50, 3 upstreams"),
    _flow("chain", "chain of 1,000, run on another thread", how="aside"),
    _flow("chain", "chain of 1,000, behind the cell", how="behind"),
    _flow("layers", "20 layers x 50, 4 threads", threads=4),
    _chain("functions", "chain of 1,000 functions"),
    _chain("lists", "chain of 1,000, lists of ten numbers", None),
    _print("array", "fingerprint of an array"),
    _print("fortran", "fingerprint of one in Fortran order", beside=_COPIED),
    _print("strided", "fingerprint of every other column", beside=_COPIED),
    _print("frame", "fingerprint of a frame of numbers"),
    _print("mixed", "fingerprint of a frame of five dtypes"),
    _print("texts", "fingerprint of a frame with texts", None),
    _once("pass", "bytes hashed for an array that five tasks pass on"),
    _once("read", "bytes hashed for an array that five tasks read"),
    _plus(False, "ten tasks `x + 1`, array of 200 MB"),
    _plus(True, "ten tasks `x += 1`, array of 200 MB"),
    Case(
        "needed",
        'peak of ten arrays of 200 MB, keep="needed"',
        "peak",
        HAMILTON,
        limit=1.15,
        details={"megabytes": 200, "keep": "needed"},
        quick={"megabytes": 40},
        unit="MB",
    ),
    _held("runs", "held after a run and five more", "one run"),
    _held("reruns", "held after a run and five reruns of all", "one run"),
    _held("loop", "held after a LOOP of ten values of 100 MB", "one value"),
    _held("failures", "held after five failed attempts, a local of 100 MB", "one local"),
    Case(
        "store-once",
        "on disk of 1 GB that five tasks pass on",
        "on_disk",
        ITSELF,
        "its size",
        1.05,
        {"megabytes": 1_000},
        {"megabytes": 20},
        unit="MB",
    ),
    Case(
        "store-threads",
        "16 results of 50 MB stored, 4 threads",
        "stored",
        ITSELF,
        "pickling them",
        1.3,
        {"megabytes": 50, "count": 16, "threads": 4},
        {"megabytes": 1},
        5,
    ),
)
