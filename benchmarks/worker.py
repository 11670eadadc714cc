"""A process that runs one engine: `python -m benchmarks.worker NAME`, a line of JSON in, a line of JSON out.

Engines do not share a process, so that none pays for what another has loaded or left behind; each stays alive, warm,
between its turns.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from benchmarks.shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

Numbers = dict[str, float]
_INT_BYTES = 28


def timed(function: Callable[[], Any]) -> Numbers:
    """Time one call, collecting garbage before and letting go of what it returns after."""
    gc.collect()
    began = time.perf_counter()
    kept = function()
    seconds = time.perf_counter() - began
    del kept
    return {"seconds": seconds}


def usual(function: Callable[[], Any], times: int = 15) -> Numbers:
    """The median of some calls, of the processor's time: what takes two milliseconds is easily disturbed."""
    found = []
    for _ in range(times):
        gc.collect()
        began = time.thread_time()
        function()
        found.append(time.thread_time() - began)
    return {"seconds": statistics.median(found)}


def beside(function: Callable[[], Any], other: Callable[[], Any], times: int = 25) -> Numbers:
    """The same, in turns with another call: also how many times as long that takes, as the median of the turns."""
    pairs = [(usual(function, 1)["seconds"], usual(other, 1)["seconds"]) for _ in range(times)]
    return {
        "seconds": statistics.median(one for one, _ in pairs),
        "ratio": statistics.median(two / one for one, two in pairs),
    }


def peak_memory(run: Callable[[], Any], count: int) -> Numbers:
    """What a run holds at its peak, for each task, above the results themselves."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = run()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    del kept
    return {"bytes": peak - _INT_BYTES * count}


def cold_import(statement: str) -> Numbers:
    """Import in a fresh interpreter; what starting that takes is not counted, and neither is compiling."""
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    compiles = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=compiles)
    return {"seconds": float(done.stdout)}


def reaper_start() -> Numbers:
    """What the first resource that can be reclaimed costs a process more than the next one."""
    code = "from benchmarks.runners.nbflow import first_reclaimable as f; print(*f())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = map(float, done.stdout.split())
    return {"seconds": first - second}


def drawing(draw: Callable[[], float]) -> Numbers:
    layout: list[float] = []
    total = timed(lambda: layout.append(draw()))["seconds"]
    return {"seconds": total, "layout": layout[0]}


def made_ready(engine: ModuleType, ask: dict[str, Any]) -> tuple[Callable[[], Numbers], int | None]:
    """Return what measures once, and the sum that the tasks came to where they ran."""
    kind = ask["kind"]
    if kind == "import":
        return lambda: cold_import(engine.IMPORT), None
    if kind == "reaper":
        return reaper_start, None
    shape = SHAPES[ask["shape"]](ask["size"])
    if kind == "build":
        return lambda: timed(lambda: engine.build(shape)), None
    if kind == "draw":
        if not hasattr(engine, "draw"):
            raise NotImplementedError
        draw = engine.draw(shape)
        return lambda: drawing(draw), None
    if kind == "plan":
        plan = engine.plan(shape)
        return lambda: timed(plan), None
    if kind.startswith("%%"):
        again = engine.cell_again_in_shell(shape, kind)
        return lambda: usual(again), None
    if kind == "cell":
        again = engine.cell_again(shape)
        return lambda: timed(again), None
    threads = ask["threads"]
    if kind == "whole":
        return lambda: timed(lambda: engine.prepare(shape, threads)()), engine.prepare(shape, threads)()
    run = engine.prepare(shape, threads)
    total = run()  # warms up as well
    if kind == "beside":
        other = engine.prepare(SHAPES["blocks"](ask["size"]), threads)
        other()
        return lambda: beside(run, other), total
    if kind == "memory":
        return lambda: peak_memory(run, shape.count), total
    return lambda: timed(run), total


def main(name: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what an engine prints must not come between the answers
    sys.setrecursionlimit(100_000)  # Hamilton goes down a chain by recursion
    engine = importlib.import_module(f"benchmarks.runners.{name}")
    measure: Callable[[], Numbers] | None = None
    for line in sys.stdin:
        ask = json.loads(line)
        answer: dict[str, Any]
        try:
            if ask["ask"] == "hello":
                exec(engine.IMPORT, {})
                answer = {"version": version(engine.DISTRIBUTION) if engine.DISTRIBUTION else ""}
            elif ask["ask"] == "prepare":
                measure = None
                gc.collect()
                measure, total = made_ready(engine, ask)
                answer = {"sum": total}
            else:
                assert measure is not None
                answer = measure()
        except NotImplementedError:
            answer = {"cannot": True}
        except Exception as error:  # noqa: BLE001 - one engine's failure is a cell of the table
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
