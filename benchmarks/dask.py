"""Measure flows on a Dask cluster beside the same work by futures on that cluster, as ratios of one run.

    python -m benchmarks.dask [--quick]

There is one local cluster of two processes with a thread each, warm; the two sides take turns. Its scheduler is in the
kernel's process, so what it holds of the work counts as the kernel's memory, on either side.
"""

from __future__ import annotations

import argparse
import gc
import logging
import math
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import dask_work
from benchmarks.dask_work import MEGABYTE
from benchmarks.report import columns, number
from benchmarks.value_memory import memory_now, peak_of
from nbflow.executors import DaskExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Client

    from benchmarks.dask_work import Side, Sides

WORKERS = 2


class Case(NamedTuple):
    """A piece of work at its full size and for a quick look, how it is measured, and what is aimed at.

    Attributes:
        title: Its name; `{}` stands for the size.
        work: Makes the two sides.
        limit: Of the ratio or, where there is a unit, of nbflow's number.
        unit: That of the limit; none where the ratio counts.
    """

    title: str
    work: Callable[[Client, Any, int], Sides]
    size: int
    quick: int
    rounds: int
    measure: Callable[[Side, int], float]
    limit: float
    unit: str = ""


def seconds(side: Side, _size: int) -> float:
    """Return how long a side takes."""
    gc.collect()
    began = time.perf_counter()
    given = side.do()
    took = time.perf_counter() - began
    side.check(given)
    return took


def seconds_to_stop(side: Side, _size: int) -> float:
    """Return how long a cancel takes, by the word of the side."""
    stop = side.do()
    side.check(stop)
    return stop.seconds


def bytes_a_child(side: Side, size: int) -> float:
    """Return what the kernel's process holds more for each child when all has ended."""
    before = memory_now()
    given = side.do()
    found = memory_now() - before
    side.check(given)
    return found / size


def peak_megabytes(side: Side, _size: int) -> float:
    """Return what the kernel's process held at its peak, above what it held before."""
    given: list[Any] = []
    found = peak_of(lambda: given.append(side.do()))
    side.check(given[0])
    return found / MEGABYTE


CASES = [
    Case("chain of {:,}", dask_work.chain, 1_000, 50, 3, seconds, 0.2),
    Case("fan of {:,}: one, many, one", dask_work.fan, 1_000, 50, 3, seconds, 0.2),
    Case("map of {:,}", dask_work.flat, 1_000, 50, 3, seconds, 0.1),
    # Before it is timed: what another run has given back would be taken for what this one holds.
    Case("map of {:,}: memory for a child", dask_work.bundled, 100_000, 500, 1, bytes_a_child, 1_500, "bytes"),
    Case("map of {:,}: every state recorded", dask_work.bundled, 100_000, 500, 2, seconds, 1.4),
    Case("{:,} naps of 50 ms", dask_work.naps, 64, 8, 3, seconds, 1.1),
    Case("array of {:,} MB, five tasks: peak", dask_work.array, 500, 10, 1, peak_megabytes, 20, "MB"),
    Case("cancel of {:,} naps", dask_work.cancel, 10_000, 200, 2, seconds_to_stop, 2, "s"),
]


def row(case: Case, client: Client, executor: DaskExecutor, quick: bool) -> list[str]:
    """Measure a case, turn by turn, after one that is small; returns the line of the table."""
    title = case.title.format(case.quick if quick else case.size)
    print(f"{title} ...", file=sys.stderr)
    for side in case.work(client, executor, case.quick):
        side.check(side.do())
    size = case.quick if quick else case.size
    sides = case.work(client, executor, size)
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(1 if quick else case.rounds):
        for which in (1, 0) if turn % 2 else (0, 1):
            found[which].append(case.measure(sides[which], size))
    ours, direct = map(statistics.median, found)
    ratio, unit = ours / direct if direct else math.inf, case.unit or "s"
    return [
        title,
        f"{number(ours)} {unit}",
        f"{number(direct)} {unit}",
        f"{ratio:.3g}" if direct else "-",
        f"{case.limit:,g} {case.unit}".rstrip(),
        "met" if (ours if case.unit else ratio) <= case.limit else "not met",
    ]


def main() -> None:
    """Print the table."""
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small work, once: to see that all is measured")
    quick = parser.parse_args().quick
    logging.getLogger("distributed").setLevel(logging.ERROR)  # it warns of cancelled work and of large graphs
    rows = [["work", "nbflow", "Dask directly", "ratio", "at most", ""]]
    with (
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        executor = DaskExecutor(client=client)
        rows += [row(case, client, executor, quick) for case in CASES]
    print(columns(rows))
    if quick:
        print("\nThis was little work, to see that all is measured: the numbers say nothing of speed.")


if __name__ == "__main__":
    main()
