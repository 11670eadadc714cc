"""What a run costs per task, beside a plain loop over the same graph in the same process.

    python benchmarks/overhead.py [--tasks 1000] [--repeat 15] [--json]

Each runner is a function from a shape to something to call; the callable runs the whole graph once and gives the sum
of the last tasks, so that all of them are seen to do the same work. To add a peer, write such a function and name it
in RUNNERS; one whose package is missing is left out.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BASELINE = "loop"


@dataclass(frozen=True)
class Shape:
    """A graph: for each task, in declaration order, the numbers of the tasks it takes values from."""

    name: str
    upstream: tuple[tuple[int, ...], ...]

    @property
    def last(self) -> list[int]:
        """The tasks that no other takes a value from."""
        used = {number for numbers in self.upstream for number in numbers}
        return [number for number in range(len(self.upstream)) if number not in used]


def chain(count: int) -> Shape:
    return Shape("chain", ((), *((number - 1,) for number in range(1, count))))


def layers(count: int, width: int = 50) -> Shape:
    """Layers of tasks, each of which takes two values of the layer above."""

    def above(number: int) -> tuple[int, ...]:
        row, column = divmod(number, width)
        return () if row == 0 else ((row - 1) * width + column, (row - 1) * width + (column + 1) % width)

    return Shape("layers", tuple(above(number) for number in range(count)))


def add(*values: int) -> int:
    """The work of every task: next to nothing, so that what is measured is the overhead."""
    return (sum(values) + 1) % 1_000_003


def run_loop(shape: Shape) -> Callable[[], int]:
    """A plain loop that keeps the same promise: upstream first, values handed on."""
    graph = dict(enumerate(shape.upstream))

    def run() -> int:
        results: dict[int, int] = {}
        for number in TopologicalSorter(graph).static_order():
            results[number] = add(*(results[other] for other in graph[number]))
        return sum(results[number] for number in shape.last)

    return run


def build_nbflow(shape: Shape) -> tuple[object, list[object]]:
    from nbflow import Flow, task

    start = task(lambda: add(), name="start")
    one = task(lambda a: add(a), name="one")
    two = task(lambda a, b: add(a, b), name="two")
    makers = (start, one, two)
    made: list[object] = []
    with Flow(shape.name) as flow:
        for upstream in shape.upstream:
            made.append(makers[len(upstream)](*(made[number] for number in upstream)))
    return flow, made


def run_nbflow(shape: Shape) -> Callable[[], int]:
    flow, made = build_nbflow(shape)
    last = [made[number] for number in shape.last]

    def run() -> int:
        state = flow.run()
        assert state.is_successful(), state
        return sum(state.result[one].result for one in last)

    return run


RUNNERS: dict[str, Callable[[Shape], Callable[[], int]]] = {BASELINE: run_loop, "nbflow": run_nbflow}


def measure(runners: dict[str, Callable[[], int]], repeat: int) -> dict[str, list[float]]:
    """Time the runners in turn, so that what the machine does meanwhile falls on all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(repeat):
        for name, run in runners.items():
            gc.collect()
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def build_times(shape: Shape, repeat: int) -> list[float]:
    times = []
    for _ in range(repeat):
        gc.collect()
        began = time.perf_counter()
        build_nbflow(shape)
        times.append(time.perf_counter() - began)
    return times


def compare(shape: Shape, repeat: int) -> list[dict[str, object]]:
    runners = {}
    for name, prepare in RUNNERS.items():
        try:
            runners[name] = prepare(shape)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    sums = {name: run() for name, run in runners.items()}  # warms up as well
    assert len(set(sums.values())) == 1, f"the runners disagree: {sums}"

    medians = {name: statistics.median(times) for name, times in measure(runners, repeat).items()}
    count = len(shape.upstream)
    rows = [
        {
            "graph": f"{shape.name} of {count:,}",
            "runner": name,
            "us_per_task": round(seconds / count * 1e6, 2),
            "ratio": round(seconds / medians[BASELINE], 1),
        }
        for name, seconds in medians.items()
    ]
    built = statistics.median(build_times(shape, max(repeat // 3, 3)))
    return [
        *rows,
        {
            "graph": f"{shape.name} of {count:,}",
            "runner": "nbflow, building",
            "us_per_task": round(built / count * 1e6, 2),
            "ratio": round(built / medians[BASELINE], 1),
        },
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="give the numbers as JSON")
    options = parser.parse_args()

    rows = [row for make in (chain, layers) for row in compare(make(options.tasks), options.repeat)]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'graph':<18}{'runner':<18}{'us per task':>12}{'times the loop':>16}")
    for row in rows:
        print(f"{row['graph']:<18}{row['runner']:<18}{row['us_per_task']:>12}{row['ratio']:>16}")


if __name__ == "__main__":
    main()
