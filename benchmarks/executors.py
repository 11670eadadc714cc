"""Measure flows on processes beside the same work on a plain pool of as many processes, as ratios of one run.

    python -m benchmarks.executors

A flow on a pool is compared with that pool, warm; a flow on processes of its own with a pool that is started for it.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow import Flow, task
from nbflow.executors import ProcessExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 2
TURNS = 5


def nothing(x: Any) -> Any:
    """Return what it takes."""
    return x


def nap(x: int) -> int:
    """Wait for 50 ms."""
    time.sleep(0.05)
    return x


def count(x: int) -> int:
    """Work for about a second."""
    for number in range(20_000_000):
        x += number
    return x


class Work(NamedTuple):
    """Calls of a function; `most` is the ratio that is aimed at.

    They need nothing of each other, unless it `is_chain`: then each takes what the one before it gave, and how many
    arguments there are says how many calls.
    """

    name: str
    function: Callable[[Any], Any]
    arguments: list[Any]
    most: float
    is_chain: bool = False


def works() -> list[Work]:
    """Return what is measured."""
    import numpy

    return [
        Work("1,000 tasks that do nothing", nothing, list(range(1_000)), 1.2),
        Work("a chain of 1,000 such tasks", nothing, [0] * 1_000, 0.8, is_chain=True),
        Work("64 naps of 50 ms", nap, list(range(64)), 1.1),
        Work("8 tasks of a second in pure Python", count, list(range(8)), 1.1),
        Work("an array of 500 MB, there and back", nothing, [numpy.ones(62_500_000)], 1.3),
    ]


def flow_of(work: Work) -> Flow:
    """Return a flow of the calls."""
    with Flow(work.name) as flow:
        value = work.arguments[0]
        for argument in work.arguments:
            value = task(work.function, name=work.function.__name__)(value if work.is_chain else argument)
    return flow


def seconds(action: Callable[[], Any]) -> float:
    """Return how long an action takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def on_pool(work: Work, pool: Executor) -> list[Any]:
    """Return what the calls give when the pool makes them, without nbflow."""
    if work.is_chain:
        value = work.arguments[0]
        return [value := pool.submit(work.function, value).result() for _ in work.arguments]
    return [one.result() for one in [pool.submit(work.function, x) for x in work.arguments]]


def on_new_pool(work: Work) -> list[Any]:
    """Do the same on a pool that has to be started, as the processes of a run are."""
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        return on_pool(work, pool)


def main() -> None:
    """Print the table: warm against warm, and new against new."""
    print(f"{'work':38} {'warm pool':>10} {'flow on it':>11} {'new pool':>10} {'processes':>10}   at most")
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(nothing, range(10 * WORKERS)))
        for work in works():
            flow = flow_of(work)
            turns = 1 if len(work.arguments) == 8 else TURNS
            sides: list[Callable[[], Any]] = [
                lambda work=work: on_pool(work, pool),
                lambda flow=flow: flow.run(executor=pool),
                lambda work=work: on_new_pool(work),
                lambda flow=flow: flow.run(executor=ProcessExecutor(WORKERS)),
            ]
            taken = [[seconds(side) for side in sides] for _ in range(turns)]
            warm, shared, new, own = (statistics.median(side) for side in zip(*taken, strict=True))
            ratios = f"{shared / warm:11.2f} {new:8.2f} s {own / new:10.2f}"
            print(f"{work.name:38} {warm:8.2f} s {ratios}   {work.most}")


if __name__ == "__main__":
    main()
