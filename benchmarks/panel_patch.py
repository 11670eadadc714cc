"""What a panel costs the kernel: its share of the time, and the price of one patch.

python -m benchmarks.panel_patch [--tasks 2000] [--rate 5000] [--seconds 5]

The panel is the real one. Its messages are put into the words of the kernel's protocol and signed, as a kernel does
before it hands them to the network, and then thrown away. A driver changes the tasks of a run that stands still; the
share is measured as the time of the panel's own threads, and of its listener on the driver's.
"""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from typing import Any

from nbflow import Flow, task
from nbflow.core.states import Failed, Mapped, Pending, Running, Success

LAYER = 50


class Wire:
    """Takes the place of the network: every comm message is put into bytes."""

    def __init__(self) -> None:
        from jupyter_client.session import Session

        self.session = Session(key=b"a key of some length")
        self.messages = self.size = 0

    def install(self) -> None:
        """Let all widgets made from now on speak into it."""
        import comm
        from comm.base_comm import BaseComm

        wire = self

        class Wired(BaseComm):
            def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
                content = {"data": data or {}, "comm_id": self.comm_id, **keys}
                parts = wire.session.serialize(wire.session.msg(msg_type, content, metadata=metadata))
                wire.messages += 1
                wire.size += sum(map(len, parts))

        comm.create_comm = lambda *args, **keys: Wired(*args, **keys)


def blocks_and_layers(count: int, mapped: int) -> Flow:
    """Return a flow of layers, and of a mapped task with so many children."""

    def step(*values: Any) -> int:
        return 1

    with Flow("benchmark") as flow:
        above: list[Any] = []
        for layer in range(count // LAYER):
            made = task(lambda a=0, b=0, c=0: 1, name=f"step_{layer}")
            takes = [[above[(i + j) % LAYER] for j in range(3)] if above else [] for i in range(LAYER)]
            above = [made(*values) for values in takes]
        task(lambda n: n, name="each").map(list(range(mapped)))
    return flow


def patch_costs(panel: Any, run: Any) -> None:
    """Print what patches of different kinds cost."""
    record, picture = run._record, panel.picture
    every = [t for t in record.graph.tasks if not t.auto_generated]
    some = every[:500]
    print("one patch, without sending it (best of 30):")
    for name, keys, states in (
        ("500 rows that run", some, itertools.cycle([Running(), Pending()])),
        (
            "500 rows that failed, each with another message",
            some,
            (Failed(f"bad: {i}" * 9) for i in range(10**9)),
        ),
    ):
        best = min(_patch(picture, run, record, keys, states) for _ in range(30))
        print(f"  {name}: {1e3 * best:.2f} ms")
    mapped = next(t for t in record.graph.tasks if t.name == "each")
    children = [Pending()] * 10_000
    record.states[mapped] = Mapped(map_states=children)
    picture.patch(run, [mapped])
    best = 1.0
    for state in (Running(), Success()) * 10:
        children[7:107] = [state] * 100
        began = time.perf_counter()
        picture.patch(run, [(mapped, i) for i in range(7, 107)])
        best = min(best, time.perf_counter() - began)
    print(f"  100 of 10,000 children of a mapped task: {1e3 * best:.2f} ms")


def _patch(picture: Any, run: Any, record: Any, keys: list[Any], states: Any) -> float:
    for key in keys:
        record.states[key] = next(states)
        record.timings[key] = (time.time(), None)
    began = time.perf_counter()
    picture.patch(run, keys)
    return time.perf_counter() - began


def share(run: Any, rate: int, seconds: float) -> float:
    """Change tasks `rate` times a second, and return the processor time that all of it took."""
    record = run._record
    graph = record.graph
    nodes = itertools.cycle([i for i, t in enumerate(graph.tasks) if t.name != "each"])
    states = itertools.cycle([Running(), Success(), Pending()])
    changes, began, busy = 0, time.monotonic(), time.thread_time()
    while (now := time.monotonic() - began) < seconds:
        while changes < now * rate:
            node = next(nodes)
            record.set_task(node, record.current(node), next(states))
            changes += 1
        time.sleep(0.005)
    return time.thread_time() - busy


def measured(run: Any, rate: int, seconds: float) -> tuple[float, float]:
    """Return the time of the driver, and of all other threads, while the run changes."""
    found: list[float] = []
    whole = time.process_time()
    driver = threading.Thread(target=lambda: found.append(share(run, rate, seconds)))
    driver.start()
    driver.join()
    time.sleep(1.1)
    return found[0], time.process_time() - whole - found[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=2_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    wire = Wire()
    wire.install()
    flow = blocks_and_layers(options.tasks, 10)
    run = flow.start(paused=True)
    alone, others = measured(run, options.rate, options.seconds)

    began = time.perf_counter()
    panel = flow.panel()
    made = time.perf_counter() - began
    panel.wait_drawn(60)
    print(
        f"{options.tasks:,} tasks: the panel is there after {1e3 * made:.0f} ms, drawn after "
        f"{1e3 * (time.perf_counter() - began):.0f} ms"
    )
    began = time.perf_counter()
    panel.follow(run)
    print(f"following another run of the same graph: {1e3 * (time.perf_counter() - began):.0f} ms")
    messages, size = wire.messages, wire.size
    busy, panels = measured(run, options.rate, options.seconds)
    listening = max(0.0, busy - alone)
    spent = listening + max(0.0, panels - others)
    print(
        f"{options.rate:,} changes a second for {options.seconds:g} s: {100 * spent / options.seconds:.1f} % of the "
        f"time (listener {100 * listening / options.seconds:.1f} %), "
        f"{(wire.messages - messages) / options.seconds:.1f} messages and "
        f"{(wire.size - size) / options.seconds / 1000:.0f} kB a second"
    )
    patch_costs(panel, run)
    panel.close()
    run.cancel()
    run.wait()


if __name__ == "__main__":
    main()
