"""Hamilton: functions whose parameters name what they take; it keeps no states and has no retries."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.graphviz_time import layout_seconds
from benchmarks.shapes import map_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.shapes import Shape

os.environ["HAMILTON_TELEMETRY_ENABLED"] = "false"
IMPORT = "from hamilton import driver"
DISTRIBUTION = "sf-hamilton"
_numbers = itertools.count()
_modules: dict[str, types.ModuleType] = {}


def _module(shape: Shape) -> types.ModuleType:
    """The functions, which its users write by hand: not part of what is timed."""
    key = f"{shape.name}-{len(shape.upstream)}"
    if key in _modules:
        return _modules[key]
    from hamilton.htypes import Collect, Parallelizable

    module = types.ModuleType(f"tasks_{next(_numbers)}")
    sys.modules[module.__name__] = module
    names = {"_work": shape.work, "_values": map_values, "Parallelizable": Parallelizable, "Collect": Collect}
    vars(module).update(names)
    if shape.mapped:
        lines = [
            f"def t0() -> Parallelizable[int]:\n    yield from _values({len(shape.upstream) - 2})",
            "def element(t0: int) -> int:\n    return _work(t0)",
            f"def t{len(shape.upstream) - 1}(element: Collect[int]) -> int:\n    return _work(*element)",
        ]
    else:
        lines = [
            f"def t{number}({', '.join(f't{other}: int' for other in upstream)}) -> int:\n"
            f"    return _work({', '.join(f't{other}' for other in upstream)})"
            for number, upstream in enumerate(shape.upstream)
        ]
    exec("\n".join(lines), vars(module))
    _modules[key] = module
    return module


def build(shape: Shape) -> Any:
    from hamilton import base, driver

    builder = driver.Builder().with_modules(_module(shape))
    if shape.mapped:
        builder = builder.enable_dynamic_execution(allow_experimental_mode=True)
        from hamilton.execution import executors

        builder = builder.with_remote_executor(executors.SynchronousLocalTaskExecutor())
    return builder.with_adapters(base.DictResult()).build()


def prepare(shape: Shape, threads: int) -> Callable[[], int]:
    if threads:
        raise NotImplementedError
    graph = build(shape)
    last = [f"t{number}" for number in shape.last]
    wanted = last + [f"t{number}" for _, number in shape.blocks]

    def run() -> int:
        results = graph.execute(wanted)
        return sum(results[name] for name in last)

    return run


def draw(shape: Shape) -> Callable[[], float]:
    graph = build(shape)

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder, layout_seconds() as seconds:
            graph.display_all_functions(str(Path(folder) / "graph.svg"))
        return sum(seconds)

    return run
