"""The floor: what anyone would write who needs no engine, without threads and with them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from benchmarks.shapes import add, map_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.shapes import Shape

IMPORT = "import graphlib"
DISTRIBUTION = None


def build(shape: Shape) -> tuple[dict[int, tuple[int, ...]], list[Callable[..., Any]]]:
    """The graph as `graphlib` takes it, and what each task calls."""
    graph = dict(enumerate(shape.upstream))
    if not shape.mapped:
        return graph, [shape.work] * len(graph)
    count = len(graph) - 2

    def element(index: int) -> Callable[[list[int]], int]:
        return lambda values: add(values[index])

    return graph, [lambda: map_values(count), *(element(index) for index in range(count)), add]


def prepare(shape: Shape, threads: int) -> Callable[[], int]:
    graph, work = build(shape)
    last = shape.last

    def run() -> int:
        results: dict[int, Any] = {}
        for number in TopologicalSorter(graph).static_order():
            results[number] = work[number](*[results[other] for other in graph[number]])
        return sum(results[number] for number in last)

    def run_on_threads() -> int:
        results: dict[int, Any] = {}
        done: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
        sorter = TopologicalSorter(graph)
        sorter.prepare()
        with ThreadPoolExecutor(threads) as pool:
            while sorter.is_active():
                for number in sorter.get_ready():
                    future = pool.submit(work[number], *[results[other] for other in graph[number]])
                    future.add_done_callback(lambda future, number=number: done.put((number, future)))
                number, future = done.get()
                results[number] = future.result()
                sorter.done(number)
        return sum(results[number] for number in last)

    return run_on_threads if threads else run
