"""What tasks cost that do little, and arrays that they change.

A measuring function, here and in the modules beside, returns what measures once: the number of nbflow, and the other
one where both are had in one process. Times are processor times where nothing says otherwise: they are the same on a
busy machine.
"""

from __future__ import annotations

import functools
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow import Flow

Numbers = dict[str, float]
MEGABYTE = 1_000_000


def processor_time(call: Callable[[], Any]) -> float:
    """Return the processor time of one call, garbage collected before."""
    gc.collect()
    began = time.process_time()
    kept = call()
    spent = time.process_time() - began
    del kept
    return spent


def flow(shape: str, size: int, how: str = "here", threads: int = 0) -> Callable[[], Numbers]:
    """A flow of small tasks, run five times for a sample.

    Args:
        shape: One of `benchmarks.shapes`.
        size: How many tasks.
        how: "here", where Ctrl-C reaches it; "aside", by `flow.run` on another thread; "behind", by `flow.start`.
        threads: How many an executor has; 0 for none.
    """
    from benchmarks.runners.nbflow import build, prepare

    if how == "behind":
        return _five_times(functools.partial(_start, build(SHAPES[shape](size))[0]))
    measure = _five_times(prepare(SHAPES[shape](size), threads))
    if how == "here":
        return measure

    def aside() -> Numbers:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(measure).result()

    return aside


def chain(size: int, of: str) -> Callable[[], Numbers]:
    """A chain of tasks "of functions", each with one of its own, or "of lists", which each add to a list of ten."""
    from nbflow import Flow, task

    spaces: list[dict[str, Any]] = [{"__name__": "__main__"} for _ in range(size)]
    body = "x + {number}" if of == "functions" else "[*x[1:], x[0] + 1]"
    for number, space in enumerate(spaces if of == "functions" else spaces[:1]):
        exec(f"def work(x):\n    return {body.format(number=number)}", space)
    with Flow("chain") as flow:
        value: Any = 0 if of == "functions" else list(range(10))
        for number in range(size):
            value = task(spaces[number if of == "functions" else 0]["work"], name=f"task {number}")(value)
    return _five_times(functools.partial(succeed, flow))


def _five_times(run: Callable[[], Any]) -> Callable[[], Numbers]:
    """Return what measures five runs, after as many that warm up."""

    def work() -> None:
        for _ in range(5):
            run()

    work()
    return lambda: {"value": processor_time(work) / 5}


def _start(flow: Flow) -> None:
    run = flow.start()
    run.wait()
    assert run.state.is_successful(), run.state


def plus_one(megabytes: int, in_place: bool) -> Callable[[], Numbers]:
    """Ten tasks that each add 1 to an array; a new flow each time, so that nothing is left of the one before.

    Measured is the time that a user waits: fingerprints are taken on several threads.
    """

    def once() -> float:
        flow = ten_arrays(megabytes, in_place)
        began = time.perf_counter()
        succeed(flow)
        spent = time.perf_counter() - began
        gc.collect()
        return spent

    once()
    return lambda: {"value": once()}


def ten_arrays(megabytes: int, in_place: bool, **options: Any) -> Flow:
    """Return a flow of an array and ten tasks that each add 1 to it."""
    import numpy as np

    from nbflow import Flow, task

    def more(x: Any) -> Any:
        return x + 1

    def more_in_place(x: Any) -> Any:
        x += 1
        return x

    with Flow("arrays", **options) as flow:
        value = task(lambda: np.ones(megabytes * MEGABYTE // 8), name="made")()
        for number in range(10):
            value = task(more_in_place if in_place else more, name=f"plus {number}")(value)
    return flow


def succeed(flow: Flow, **options: Any) -> None:
    """Run a flow that has to succeed."""
    state = flow.run(**options)
    assert state.is_successful(), state
