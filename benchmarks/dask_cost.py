"""Measure what a task on a Dask cluster costs the kernel: messages, bytes, time and memory, for maps of several sizes.

python -m benchmarks.dask_cost               # 1,000 to 100,000 children
python -m benchmarks.dask_cost 1000000       # others
"""

from __future__ import annotations

import gc
import logging
import sys
import time

from benchmarks.value_memory import memory_now
from nbflow import Flow, task
from nbflow.executors import DaskExecutor
from nbflow.executors.dask import cluster_link, sending

SIZES = (1_000, 10_000, 100_000)
ROW = "{:>10} {:>9} {:>14} {:>14} {:>14} {:>14} {:>14}"


class Counters:
    """Counts what goes to the cluster, and what comes from it."""

    def __init__(self) -> None:
        self.sent = self.sent_bytes = self.told = self.told_bytes = 0
        submit, hear = sending.Sending.submit, cluster_link.ClusterLink._hear

        def counted_submit(this, parcel, *rest):
            self.sent += 1
            self.sent_bytes += sum(map(len, parcel.parts))
            return submit(this, parcel, *rest)

        def counted_hear(this, event):
            self.told += 1
            self.told_bytes += len(event[1][1])
            hear(this, event)

        sending.Sending.submit, cluster_link.ClusterLink._hear = counted_submit, counted_hear

    def clear(self) -> None:
        """Begin to count again."""
        self.sent = self.sent_bytes = self.told = self.told_bytes = 0


@task
def increased(x):
    return x + 1


def measured(executor: DaskExecutor, counters: Counters, size: int) -> tuple[float, ...]:
    """Return of a map of so many children: seconds, messages there and back, bytes there and back, kept bytes."""
    with Flow("cost") as flow:
        rows = increased.map(list(range(size)))
    gc.collect()
    counters.clear()
    before, begun = memory_now(), time.perf_counter()
    state = flow.run(executor=executor)
    seconds = time.perf_counter() - begun
    gc.collect()
    kept = memory_now() - before
    assert state.result[rows].result[-1] == size
    each = (counters.sent, counters.told, counters.sent_bytes, counters.told_bytes, kept)
    return (seconds, *(one / size for one in each))


def main(sizes: list[int]) -> None:
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # of connections that end with the cluster
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        counters, executor = Counters(), DaskExecutor(client=client)
        measured(executor, counters, 1_000)
        print(
            ROW.format(
                "children", "ms each", "bundles each", "messages each", "bytes there", "bytes back", "memory kept"
            )
        )
        for size in sizes or SIZES:
            seconds, *each = measured(executor, counters, size)
            ms = f"{seconds / size * 1000:.3f}"
            print(
                ROW.format(f"{size:,}", ms, *(f"{one:.4f}" for one in each[:2]), *(f"{one:,.0f}" for one in each[2:]))
            )


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]])
