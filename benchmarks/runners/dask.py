"""`dask.delayed` on the synchronous and on the threaded scheduler."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.graphviz_time import layout_seconds
from benchmarks.shapes import map_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.shapes import Shape

IMPORT = "import dask"
DISTRIBUTION = "dask"


def build(shape: Shape) -> Any:
    """One delayed value for the list of the last tasks."""
    from dask import delayed

    work = shape.work
    one = delayed(work, pure=False)
    many = delayed(_many, pure=False)
    if shape.mapped:  # there is no map over a value that is not there yet
        return delayed([many([one(value) for value in map_values(len(shape.upstream) - 2)])])
    uses = [0] * len(shape.upstream)
    for upstream in shape.upstream:
        for number in upstream:
            uses[number] += 1
    closing = [number for _, number in shape.blocks]
    kept = {*shape.last, *closing}
    made: dict[int, Any] = {}
    for number, upstream in enumerate(shape.upstream):
        values = [made[other] for other in upstream]
        made[number] = many(values) if len(values) > 3 else one(*values)
        for other in upstream:  # each holds a graph of its own: let go of what no other takes
            uses[other] -= 1
            if not uses[other] and other not in kept:
                del made[other]
    return delayed([made[number] for number in shape.last] + [made[number] for number in closing])


def _many(values: list[int]) -> int:
    from benchmarks.shapes import add

    return add(*values)


def prepare(shape: Shape, threads: int) -> Callable[[], int]:
    everything = build(shape)
    count = len(shape.last)
    options = {"scheduler": "threads", "num_workers": threads} if threads else {"scheduler": "synchronous"}

    def run() -> int:
        return sum(everything.compute(**options)[:count])

    return run


def draw(shape: Shape) -> Callable[[], float]:
    everything = build(shape)

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder, layout_seconds() as seconds:
            everything.visualize(filename=str(Path(folder) / "graph"), format="svg")
        return sum(seconds)

    return run
