"""What the benchmark of the panel does in the kernel: flows, a run whose tasks change all the time, what that costs.

Its cells import this. The changes are made by a driver, through the record of a real run that is paused, just as
the run itself would make them: so there are as many as asked for, in any second, and each one of another task.
"""

from __future__ import annotations

import gc
import itertools
import json
import threading
import time
import tracemalloc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow import Flow, task
from nbflow.core.states import Failed, Mapped, Pending, Running, State, Success
from nbflow.engine.task_log import KEPT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbflow.engine.run import Run

LAYER = 50
TICK_S = 0.005
DRIVER, PANEL = "nbflow-driver", "nbflow-panel"


def layered(count: int, name: str = "layered") -> Flow:
    """Return a flow of layers of 50 tasks, a function for each layer, each task with three upstreams."""
    with Flow(name) as flow:
        above: list[Any] = []
        for layer in range(count // LAYER):
            step = task(name=f"step_{layer}")(_step)
            takes = [[above[(i + j) % LAYER] for j in range(3)] if above else [] for i in range(LAYER)]
            above = [step(*values) for values in takes]
    return flow


def _step(left: int = 0, middle: int = 0, right: int = 0) -> int:
    return left + middle + right


@dataclass
class Drive:
    """What came of driving a run: how many changes, in which time, and what the process needed for them."""

    changes: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    told_at: list[float] = field(default_factory=list)

    def print(self) -> None:
        """Print it as JSON."""
        print(json.dumps({**vars(self)}))


def drive(run: Run, rate: int, seconds: float) -> Drive:
    """Change tasks of a held run, `rate` times a second, one after the other round and round.

    Once a second one of them fails, for good; `told_at` has the times of that, by the system's clock.
    """
    found = Drive()
    worker = threading.Thread(target=_drive, args=(run, rate, seconds, found), name=DRIVER)
    gc.collect()
    cpu, began = time.process_time(), time.monotonic()
    worker.start()
    worker.join()
    found.seconds = time.monotonic() - began
    time.sleep(0.5)  # what was put off belongs to it
    found.cpu_s = time.process_time() - cpu
    return found


def _drive(run: Run, rate: int, seconds: float, found: Drive) -> None:
    record: Any = run._record
    nodes = range(len(record.graph.tasks))
    marked = iter(range(0, len(nodes), max(1, len(nodes) // 40)))
    left = set(itertools.islice(marked, int(seconds) + 1))
    failing = iter(sorted(left))
    turn = itertools.cycle([node for node in nodes if node not in left])
    states = _states()
    began = time.monotonic()
    last_failure = now = 0.0
    while now < seconds:
        now = min(time.monotonic() - began, seconds)
        while found.changes < now * rate:
            node = next(turn)
            record.set_task(node, record.current(node), next(states))
            found.changes += 1
        if now >= last_failure + 1.0:
            last_failure += 1.0
            _fail(record, next(failing), found)
        time.sleep(TICK_S)
    _fail(record, next(failing), found)


def _states() -> Iterator[State]:
    # An odd number of kinds: each round leaves every task in another state than the one before.
    return itertools.cycle([Running("Task run is going."), Success("Task run succeeded."), Pending("Once more.")])


def _fail(record: Any, node: int, found: Drive) -> None:
    record.set_task(node, record.current(node), Failed("for good"))
    found.told_at.append(time.time())
    found.changes += 1


@dataclass
class Held:
    """A flow with a run that is paused before its first task."""

    flow: Flow
    run: Run

    def end(self) -> None:
        """End the run."""
        self.run.cancel()
        self.run.wait()


def hold(count: int) -> Held:
    """Start a run of a flow with so many tasks, paused."""
    flow = layered(count)
    return Held(flow, flow.start(paused=True))


def patch_costs(count: int, children: int, rounds: int = 30) -> dict[str, float]:
    """Return how many seconds it takes to make one patch of each sort, at best, without sending it."""
    with Flow("patched") as flow:
        rows = [task(name=f"row_{number}")(_step)() for number in range(count)]
        mapped = task(_step, name="each").map(list(range(children)))
    held = Held(flow, flow.start(paused=True))
    record: Any = held.run._record
    panel = flow.panel()
    picture = panel.picture
    states: list[State] = [Pending()] * children
    record.states[mapped] = Mapped(map_states=states)
    picture.patch(held.run, [mapped])
    running, failing = _states(), (Failed(f"bad: {number}" * 9) for number in itertools.count())

    def change(kinds: Iterator[State]) -> list[Any]:
        for row in rows:
            record.states[row], record.timings[row] = next(kinds), (time.time(), None)
        return rows

    def change_children() -> list[Any]:
        states[7:107] = [next(running)] * 100
        return [(mapped, index) for index in range(7, 107)]

    def best(change_some: Callable[[], Iterable[Any]]) -> float:
        found = []
        for _ in range(rounds):
            keys = change_some()
            began = time.perf_counter()
            picture.patch(held.run, keys)
            found.append(time.perf_counter() - began)
        return min(found)

    costs = {
        f"{count:,} rows that run": best(lambda: change(running)),
        f"{count:,} rows that failed, each with another message": best(lambda: change(failing)),
        f"100 of {children:,} children of a mapped task": best(change_children),
    }
    panel.close()
    held.end()
    return costs


def memory_of_panel(tasks: int, children: int) -> dict[str, float]:
    """Return what a panel holds of a run of which many tasks logged as much as is kept, and of a long map.

    Each task is selected once, so that the inspector has shown all there is.
    """

    @task(log_stdout=True)
    def chatty() -> None:
        for number in range(KEPT_CHARACTERS // 50):
            print(f"this is line {number:6} of what a chatty task says")

    @task
    def square(number: int) -> int:
        return number * number

    with Flow("long log") as flow:
        for _ in range(tasks):
            chatty()
        square.map(list(range(children)))
    run = flow.start()
    run.wait()
    flow.panel().close()  # what is loaded or cached once is no panel's own
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    panel = flow.panel()
    for row in panel.picture.names()["rows"]:
        panel._hear({"kind": "select", "key": row["key"], "index": None})
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    panel.close()
    said = sum(len(line.text) for log in run.logs.values() for line in log)
    return {"bytes": held, "events": len(run.events), "characters": said}
