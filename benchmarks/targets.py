"""The ratios that nbflow is to reach, and whether a run of the benchmark shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Medians = dict[str, dict[str, dict[str, float]]]
INLINE = ("chain-1k", "chain-10k", "fan", "layers-1k", "layers-10k")
THREADED = ("threads-chain", "threads-fan", "threads-layers")
CELLS = ("cell-chain", "cell-layers")
MAGICS = ("flow", "task")
PLANS = ("plan-chain", "plan-layers", "plan-blocks")
IDEAL_NAPS_S = 0.2
MOST_IMPORT_S = 0.1
MOST_PLAN_S = 0.02
MOST_CELL_S = 0.01
MOST_BYTES = 2048
BLOCKS = 20
MOST_BLOCK_S = 0.005
MOST_REAPER_S = 0.15


@dataclass(frozen=True)
class Verdict:
    """One target, and the ratio found; `limit` is the most it may be."""

    text: str
    case: str
    ratio: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.ratio <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "met": self.met}


def judge(medians: Medians) -> list[Verdict]:
    """Judge what was measured; a target whose numbers are not there is left out."""
    found: list[Verdict] = []

    def against(text: str, case: str, other: str, limit: float, other_case: str = "") -> None:
        ours, theirs = (
            medians.get(name, {}).get(engine, {}).get("per_task")
            for name, engine in ((case, "nbflow"), (other_case or case, other))
        )
        if ours is not None and theirs:
            found.append(Verdict(text, case, ours / theirs, limit))

    def absolute(text: str, case: str, number: str, most: float, limit: float = 1.0) -> None:
        value = medians.get(case, {}).get("nbflow", {}).get(number)
        if value is not None:
            found.append(Verdict(text, case, value / most, limit))

    for case in INLINE:
        against("the floor", case, "loop", 4.0)
        against("Hamilton", case, "hamilton", 1.0)
        against("dask, synchronous", case, "dask", 0.5)
    for case in THREADED:
        against("a plain thread pool", case, "loop", 1.6)
        against("dask, threaded", case, "dask", 0.6)
    absolute(f"the ideal {IDEAL_NAPS_S:g} s", "naps", "seconds", IDEAL_NAPS_S, 1.1)
    against("dask, its calls made before", "map-1k", "dask", 0.3)
    against("dask, its calls made at run time", "map-1k-whole", "dask", 0.3)
    against("the layered graph, per task", "blocks", "nbflow", 1.5, "layers-1k")
    against("the same without blocks", "blocks", "nbflow", 2.0, "rows")
    as_tasks = medians.get("opened", {}).get("nbflow")
    if as_tasks:
        found.append(Verdict("the same, open and close as plain tasks", "blocks", as_tasks["ratio"], 1.6))
    with_handles, without = (medians.get(case, {}).get("nbflow") for case in ("reclaimable", "rows"))
    if with_handles and without:
        each = (with_handles["seconds"] - without["seconds"]) / BLOCKS
        found.append(Verdict("5 ms a block", "reclaimable", each / MOST_BLOCK_S, 1.0))
    absolute("150 ms", "reaper", "seconds", MOST_REAPER_S)
    for size in ("1k", "10k"):
        for shape in ("chain", "layers"):
            against("Hamilton", f"build-{shape}-{size}", "hamilton", 0.3)
            against("dask", f"build-{shape}-{size}", "dask", 0.3)
    for shape in ("chain", "layers"):
        against("the same of 1,000, per task", f"build-{shape}-10k", "nbflow", 1.2, f"build-{shape}-1k")
    absolute("100 ms", "import", "seconds", MOST_IMPORT_S)
    against("dask", "import", "dask", 1.0)
    for case in CELLS:
        absolute("10 ms", case, "seconds", MOST_CELL_S)
    for kind in MAGICS:
        large, small = (medians.get(f"{kind}-cell-{size}", {}).get("nbflow") for size in (400, 20))
        if large and small:
            ratio = large["seconds"] / small["seconds"]
            found.append(Verdict("the same of 20", f"{kind}-cell-400", ratio, 1.5))
    for case in PLANS:
        absolute("20 ms", case, "seconds", MOST_PLAN_S)
    drawn = medians.get("draw", {}).get("nbflow")
    if drawn:
        own = (drawn["seconds"] - drawn["layout"]) / drawn["layout"]
        found.append(Verdict("own work to the layout engine's", "draw", own, 0.1))
    for case in ("memory-chain", "memory-layers"):
        absolute("2 KiB a task", case, "per_task", MOST_BYTES)
    return found
