"""The work that is put to a cluster twice: as flows, and by futures as Dask's users write them.

Flows are made before they are timed, and futures as they are submitted; what came of either is checked afterwards.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow import Flow, task
from nbflow.states import Cancelled, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from distributed import Client

    from nbflow import Run, Task

NAP_S = 0.05
MEGABYTE = 1_000_000
_LIMIT_S = 120


class Side(NamedTuple):
    """A way to do a piece of work; `value` finds in what it gives what is to be `expected` of it."""

    do: Callable[[], Any]
    expected: object
    value: Callable[[Any], object] = lambda given: given

    def check(self, given: Any) -> None:
        """Stop if the work is not done: its time would say nothing."""
        found = self.value(given)
        if found != self.expected:
            raise AssertionError(f"it gave {found!r:.200}, not {self.expected!r:.200}")


class Sides(NamedTuple):
    """The same work by nbflow and by Dask used directly."""

    ours: Side
    direct: Side


def same(x: Any) -> Any:
    """Return what it takes."""
    return x


def later(x: int, _first: int) -> int:
    """Return what it takes, after another one."""
    return x


def total(numbers: list[int]) -> int:
    """Return a sum."""
    return sum(numbers)


def nap(x: int) -> int:
    """Wait for 50 ms."""
    time.sleep(NAP_S)
    return x


def ones(megabytes: int) -> np.ndarray:
    """Return an array of so many megabytes."""
    import numpy as np

    return np.ones(megabytes * MEGABYTE // 8)


def plus_one(array: np.ndarray) -> np.ndarray:
    """Return a changed array."""
    return array + 1


def mean(array: np.ndarray) -> float:
    """Return a small number."""
    return float(array.mean())


def share(numbers: Sequence[int]) -> list[tuple[int, float, float]]:
    """Return what a bundle of children gives, and when each began and ended."""
    told = []
    for number in numbers:
        began = time.time()
        value = same(number)
        told.append((value, began, time.time()))
    return told


def on_flow(flow: Flow, executor: Any, last: Task, expected: object) -> Side:
    """Return the side of a flow whose task `last` gives what is expected."""
    return Side(lambda: flow.run(executor=executor), expected, lambda state: state.result[last].result)


def chain(client: Client, executor: Any, size: int) -> Sides:
    """Each task takes what the one before gives."""
    made = task(same)
    with Flow("chain") as flow:
        last = made(7)
        for _ in range(size - 1):
            last = made(last)

    def direct() -> Any:
        future = client.submit(same, 7, pure=False)
        for _ in range(size - 1):
            future = client.submit(same, future, pure=False)
        return future.result()

    return Sides(on_flow(flow, executor, last, 7), Side(direct, 7))


def fan(client: Client, executor: Any, size: int) -> Sides:
    """One task, many that take what it gives, and one that takes what all of those give."""
    expected = sum(range(size - 2))
    made = task(later)
    with Flow("fan") as flow:
        first = task(same)(0)
        last = task(total)([made(number, first) for number in range(size - 2)])

    def direct() -> Any:
        first = client.submit(same, 0, pure=False)
        middle = [client.submit(later, number, first, pure=False) for number in range(size - 2)]
        return client.submit(total, middle, pure=False).result()

    return Sides(on_flow(flow, executor, last, expected), Side(direct, expected))


def flat(client: Client, executor: Any, size: int) -> Sides:
    """One task for each number; Dask has a call of its own for it."""
    numbers = list(range(size))
    with Flow("map") as flow:
        each = task(same).map(numbers)

    def direct() -> Any:
        return client.gather(client.map(same, numbers, pure=False))

    return Sides(on_flow(flow, executor, each, numbers), Side(direct, numbers))


def bundled(client: Client, executor: Any, size: int) -> Sides:
    """The same, beside as many Dask tasks as nbflow makes, each with its share of the calls in a loop.

    So nbflow goes first: its Dask tasks are counted.
    """
    from distributed import get_task_stream

    numbers = list(range(size))
    with Flow("map") as flow:
        each = task(same).map(numbers)
    counts: list[int] = []

    def ours() -> Run:
        with get_task_stream(client) as stream:
            run = flow.start(executor=executor)
            run.wait()
        counts.append(len(stream.data))
        return run

    def told_by(run: Run) -> object:
        states = [event.state for event in run.events if event.task is each and event.map_index is not None]
        began, ended = (sum(map(is_one, states)) for is_one in (State.is_running, State.is_successful))
        return run.states[each].result, began, ended

    def bare() -> Any:
        step = math.ceil(size / counts[-1])
        shares = [numbers[start : start + step] for start in range(0, size, step)]
        return client.gather(client.map(share, shares, pure=False))

    return Sides(
        Side(ours, (numbers, size, size), told_by),
        Side(bare, numbers, lambda told: [value for part in told for value, began, ended in part if began <= ended]),
    )


def naps(client: Client, executor: Any, size: int) -> Sides:
    """Tasks that wait: what is left over is what it takes to hand them out."""
    numbers = list(range(size))
    made = task(nap)
    with Flow("naps") as flow:
        tasks = [made(number) for number in numbers]

    def direct() -> Any:
        return client.gather([client.submit(nap, number, pure=False) for number in numbers])

    ours = Side(
        lambda: flow.run(executor=executor).result, numbers, lambda states: [states[one].result for one in tasks]
    )
    return Sides(ours, Side(direct, numbers))


def array(client: Client, executor: Any, megabytes: int) -> Sides:
    """An array that a worker makes goes through five tasks, the last of which gives a number."""
    with Flow("array", keep="needed") as flow:
        value = task(ones)(megabytes)
        for _ in range(4):
            value = task(plus_one)(value)
        found = task(mean)(value)

    def direct() -> Any:
        future = client.submit(ones, megabytes, pure=False)
        for _ in range(4):
            future = client.submit(plus_one, future, pure=False)
        return client.submit(mean, future, pure=False).result()

    return Sides(on_flow(flow, executor, found, 5.0), Side(direct, 5.0))


class Stop(NamedTuple):
    """What came of a cancel: the seconds until nothing ran any more, and whether most of the work never did."""

    seconds: float
    is_early: bool


def cancel(client: Client, executor: Any, size: int) -> Sides:
    """Naps that wait are cancelled when the first have ended."""
    made = task(nap)
    with Flow("cancel") as flow:
        tasks = [made(number) for number in range(size)]

    def ours() -> Stop:
        is_under_way = threading.Event()
        run = flow.start(executor=executor)
        run.listen(lambda event: is_under_way.set() if event.task and event.state.is_successful() else None)
        is_under_way.wait(_LIMIT_S)
        began = time.perf_counter()
        run.cancel()
        run.wait(_LIMIT_S)
        took = time.perf_counter() - began
        ended = sum(run.states[one].is_successful() for one in tasks)
        return Stop(took, isinstance(run.state, Cancelled) and 0 < ended < size / 2)

    def direct() -> Stop:
        futures = client.map(nap, range(size), pure=False)
        futures[0].result(_LIMIT_S)
        ended = sum(future.done() for future in futures)
        began = time.perf_counter()
        client.cancel(futures)
        while any(client.processing().values()):
            time.sleep(0.005)
        return Stop(time.perf_counter() - began, 0 < ended < size / 2)

    def is_early(stop: Stop) -> bool:
        return stop.is_early

    return Sides(Side(ours, True, is_early), Side(direct, True, is_early))
