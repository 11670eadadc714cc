"""What a process holds of values, at its peak and after its runs. Each is measured in a process of its own.

What is held is the memory of the process above that before the first run, by the system's word, and the arrays that are
still alive, by weak references to them: whichever is more.
"""

from __future__ import annotations

import gc
import itertools
import sys
import types
import weakref
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.value_work import MEGABYTE, ten_arrays

if TYPE_CHECKING:
    from collections.abc import Callable

Numbers = dict[str, float]
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory_now() -> int:
    """Return the bytes that the process has in memory, garbage collected."""
    gc.collect()
    return _status("VmRSS")


def _status(name: str) -> int:
    if not _STATUS.exists():
        raise NotImplementedError
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def peak_of(run: Callable[[], Any]) -> int:
    """Return what the process held at its peak while this ran, above what it held before."""
    before = memory_now()
    _CLEAR.write_text("5")  # the peak begins again
    kept = run()
    found = _status("VmHWM") - before
    del kept
    return found


# -- the peak -------------------------------------------------------------------------------------------------------


def peak(megabytes: int, keep: str) -> Callable[[], Numbers]:
    """A chain of ten tasks that each add 1 to an array."""
    ten_arrays(1, in_place=False, keep=keep).run()  # all is loaded
    flow = ten_arrays(megabytes, in_place=False, keep=keep)

    def run() -> Any:
        state = flow.run()
        assert state.is_successful(), state
        return state

    return lambda: {"value": peak_of(run)}


def peak_of_hamilton(megabytes: int, keep: str) -> Callable[[], Numbers]:
    """The same by Hamilton; only the last value is asked for."""
    small, large = (_hamilton(size) for size in (1, megabytes))
    last = "plus_9"
    small.execute([last])
    return lambda: {"value": peak_of(lambda: large.execute([last]))}


def _hamilton(megabytes: int) -> Any:
    import numpy as np
    from hamilton import base, driver

    module = types.ModuleType(f"arrays_{megabytes}")
    sys.modules[module.__name__] = module
    vars(module).update(np=np, size=megabytes * MEGABYTE // 8)
    lines = ["def made() -> np.ndarray:\n    return np.ones(size)"]
    names = ["made", *(f"plus_{number}" for number in range(10))]
    lines += [
        f"def {name}({taken}: np.ndarray) -> np.ndarray:\n    return {taken} + 1"
        for taken, name in itertools.pairwise(names)
    ]
    exec("\n".join(lines), vars(module))
    return driver.Builder().with_modules(module).with_adapters(base.DictResult()).build()


# -- what is held ---------------------------------------------------------------------------------------------------


class Arrays:
    """Makes arrays, and knows which of them are alive."""

    def __init__(self, megabytes: int) -> None:
        self.size = megabytes * MEGABYTE // 8
        self._made: list[weakref.ref[Any]] = []

    def make(self) -> Any:
        """Return a new one."""
        import numpy as np

        array = np.ones(self.size)
        self._made.append(weakref.ref(array))
        return array

    def alive(self) -> int:
        """Return the bytes of those that are alive."""
        return sum(8 * one.size for made in self._made if (one := made()) is not None)


def held(kind: str, megabytes: int) -> Callable[[], Numbers]:
    """What is held when all runs are over, beside what one run (or value) takes."""
    kinds: dict[str, Callable[[Arrays], int]] = {
        "runs": lambda arrays: _six_runs(arrays, again=False),
        "reruns": lambda arrays: _six_runs(arrays, again=True),
        "loop": _loop,
        "failures": _failures,
    }
    kinds[kind](Arrays(1))  # all is loaded

    def measure() -> Numbers:
        arrays = Arrays(megabytes)
        before = memory_now()
        ones = kinds[kind](arrays)
        found = memory_now() - before
        return {
            "value": max(found, arrays.alive()),
            "beside": ones * megabytes * MEGABYTE,
            "rss": found,
            "alive": arrays.alive(),
        }

    return measure


_flows: list[Any] = []  # a notebook keeps its flow


def _six_runs(arrays: Arrays, *, again: bool) -> int:
    from nbflow import Flow, task

    made = arrays.make
    with Flow("runs") as flow:
        value = task(lambda: made(), name="made")()
        task(lambda x: made() + x[0], name="more")(value)
    _flows[:] = [flow]
    flow.run()
    for _ in range(5):
        if again:
            flow.runs[-1].rerun("all").wait()
        else:
            flow.run()
    assert flow.runs
    return 2


def _loop(arrays: Arrays) -> int:
    from nbflow import Flow, context, task
    from nbflow.signals import LOOP

    def turn() -> Any:
        value = arrays.make()
        if context.get("task_loop_count", 1) < 10:
            raise LOOP("again", result=value)
        return value

    with Flow("loop") as flow:
        task(turn, name="turn")()
    _flows[:] = [flow]
    assert flow.run().is_successful()
    return 1


def _failures(arrays: Arrays) -> int:
    from nbflow import Flow, task

    def fail() -> None:
        local = arrays.make()
        raise ValueError(local.size)

    with Flow("failures") as flow:
        task(fail, name="fail", max_retries=4, retry_delay=timedelta(0))()
    _flows[:] = [flow]
    assert flow.run().is_failed()
    return 1
