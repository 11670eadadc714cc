"""What is measured, on which graphs, with how many tasks for whom."""

from __future__ import annotations

from dataclasses import dataclass, replace

ALL = ("loop", "nbflow", "dask", "hamilton", "prefect", "dagster")
SLOW = ("prefect", "dagster")
SLOW_SIZE = 100


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        key: Its name on the command line and in the JSON.
        title: Its name in the table.
        kind: "run" a graph made before; "whole", make and run it; "build", make it; "cell",
            execute a cell of it again; "%%flow" and "%%task", execute one of its cells again in a
            shell, each of which makes one task; "draw", "memory", "import";
            "beside", run it in turns with the same in blocks;
            "reaper", what the first resource that can be reclaimed costs a process.
        shape, size: The graph, as in `benchmarks.shapes`, and how large.
        engines: Who takes part.
        threads: How many, or 0 for no threads.
        slow_size: The size for those that take milliseconds a task.
        unit: "us" for microseconds a task, "s", "ms", or "bytes" a task.
    """

    key: str
    title: str
    kind: str
    shape: str = ""
    size: int = 0
    engines: tuple[str, ...] = ALL
    threads: int = 0
    slow_size: int = SLOW_SIZE
    unit: str = "us"

    def size_for(self, engine: str) -> int:
        """Return the size of the graph that an engine gets."""
        return min(self.size, self.slow_size) if engine in SLOW else self.size

    def quick(self) -> Case:
        """Return the case with graphs that take no time, to see that it works."""
        sizes = {"naps": 16, "blocks": 40, "reclaimable": 40, "opened": 40, "rows": 40, "layers": 100}
        return replace(self, size=sizes.get(self.shape, max(self.size // 50, 20)))


FAST = ("loop", "nbflow", "dask", "hamilton")
THREADED = ("loop", "nbflow", "dask")
MAKERS = ("nbflow", "dask", "hamilton", "dagster")
DRAWERS = ("nbflow", "dask", "hamilton")

CASES = (
    Case("chain-1k", "chain of 1,000", "run", "chain", 1_000),
    Case("chain-10k", "chain of 10,000", "run", "chain", 10_000, FAST),
    Case("fan", "1 -> 1,000 -> 1", "run", "fan", 1_000),
    Case("layers-1k", "20 layers x 50, 3 upstreams", "run", "layers", 1_000),
    Case("layers-10k", "200 layers x 50, 3 upstreams", "run", "layers", 10_000, ("loop", "nbflow", "hamilton")),
    Case("blocks", "20 blocks x 20", "run", "blocks", 400),
    Case("opened", "the same, open and close as plain tasks", "beside", "opened", 400, ("nbflow",)),
    Case("rows", "the same without blocks", "run", "rows", 400, ("loop", "nbflow")),
    Case("reclaimable", "20 blocks x 20, reclaimable", "run", "reclaimable", 400, ("nbflow",)),
    Case("reaper", "the first reclaimable block", "reaper", engines=("nbflow",), unit="ms"),
    Case("map-1k", "map over 1,000", "run", "map", 1_000),
    Case("map-10k", "map over 10,000", "run", "map", 10_000, ("loop", "nbflow", "dask")),
    Case("map-1k-whole", "map over 1,000, made and run", "whole", "map", 1_000),
    Case("threads-chain", "chain of 1,000, 4 threads", "run", "chain", 1_000, THREADED, 4),
    Case("threads-fan", "1 -> 1,000 -> 1, 4 threads", "run", "fan", 1_000, THREADED, 4),
    Case("threads-layers", "20 layers x 50, 4 threads", "run", "layers", 1_000, THREADED, 4),
    Case("naps", "64 sleeps of 50 ms, 16 threads", "run", "naps", 64, (*THREADED, "prefect"), 16, unit="s"),
    Case("build-chain-1k", "making a chain of 1,000", "build", "chain", 1_000, MAKERS),
    Case("build-chain-10k", "making a chain of 10,000", "build", "chain", 10_000, DRAWERS),
    Case("build-layers-1k", "making 20 layers x 50", "build", "layers", 1_000, MAKERS),
    Case("build-layers-10k", "making 200 layers x 50", "build", "layers", 10_000, ("nbflow", "hamilton")),
    Case(
        "plan-chain",
        "plan after a failure in a chain of 1,000",
        "plan",
        "chain",
        1_000,
        ("nbflow",),
        unit="ms",
    ),
    Case(
        "plan-layers",
        "plan after a failure in 20 layers x 50",
        "plan",
        "layers",
        1_000,
        ("nbflow",),
        unit="ms",
    ),
    Case(
        "plan-blocks",
        "plan after a failure in 50 blocks x 20",
        "plan",
        "blocks",
        1_000,
        ("nbflow",),
        unit="ms",
    ),
    Case("cell-chain", "a cell again, of 100 in a chain", "cell", "chain", 1_000, ("nbflow",), unit="ms"),
    Case("cell-layers", "a cell again, of 100 in layers", "cell", "layers", 1_000, ("nbflow",), unit="ms"),
    Case("flow-cell-20", "a %%flow cell again, of 20", "%%flow", "chain", 20, ("nbflow",), unit="ms"),
    Case("flow-cell-400", "a %%flow cell again, of 400", "%%flow", "chain", 400, ("nbflow",), unit="ms"),
    Case("task-cell-20", "a %%task cell again, of 20", "%%task", "chain", 20, ("nbflow",), unit="ms"),
    Case("task-cell-400", "a %%task cell again, of 400", "%%task", "chain", 400, ("nbflow",), unit="ms"),
    Case("import", "cold import", "import", unit="ms"),
    Case("draw", "drawing 20 layers x 50", "draw", "layers", 1_000, DRAWERS, unit="s"),
    Case("memory-chain", "peak memory, chain of 10,000", "memory", "chain", 10_000, FAST, unit="bytes"),
    Case("memory-layers", "peak memory, 20 layers x 50", "memory", "layers", 1_000, FAST, unit="bytes"),
)
