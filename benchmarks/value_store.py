"""What a store takes on the disk, and how long: by the clock, since its threads are to share the work."""

from __future__ import annotations

import gc
import pickle
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.crew import BUILD
from benchmarks.value_work import MEGABYTE, succeed

if TYPE_CHECKING:
    from collections.abc import Callable

Numbers = dict[str, float]


def on_disk(megabytes: int) -> Callable[[], Numbers]:
    """What the folder of a store takes on the disk when one object has gone through five tasks."""
    import numpy as np

    from nbflow import Flow, task

    def measure() -> Numbers:
        folder = _new_folder()
        try:
            with Flow("stored", store=folder) as flow:
                value = task(lambda: np.ones(megabytes * MEGABYTE // 8), name="made")()
                for number in range(5):
                    value = task(lambda x: x, name=f"pass {number}")(value)
            succeed(flow)
            return {"value": _bytes_below(folder), "beside": megabytes * MEGABYTE}
        finally:
            shutil.rmtree(folder)

    return measure


def _bytes_below(folder: Path) -> int:
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({one.st_ino: one.st_blocks * 512 for one in found}.values())


def _new_folder() -> Path:
    BUILD.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="values-", dir=BUILD))


def stored(megabytes: int, count: int, threads: int) -> Callable[[], Numbers]:
    """Arrays that tasks make on threads, kept in a store, beside making and pickling them one after the other."""
    import numpy as np

    from nbflow import Flow, task
    from nbflow.executors import ThreadExecutor

    def made(number: int) -> Any:
        return np.full(megabytes * MEGABYTE // 8, float(number))

    def through_the_store(folder: Path) -> None:
        with Flow("stored", store=folder) as flow:
            for number in range(count):
                task(made, name=f"made {number}")(number)
        succeed(flow, executor=ThreadExecutor(threads))

    def one_after_the_other(folder: Path) -> None:
        values = []  # held to the end, as a run holds them
        for number in range(count):
            values.append(made(number))
            with (folder / str(number)).open("wb") as file:
                pickle.dump(values[-1], file, protocol=5)

    return lambda: {"value": _in_folder(through_the_store), "beside": _in_folder(one_after_the_other)}


def _in_folder(work: Callable[[Path], None]) -> float:
    """Return how long the work took."""
    folder = _new_folder()
    try:
        gc.collect()
        began = time.perf_counter()
        work(folder)
        return time.perf_counter() - began
    finally:
        shutil.rmtree(folder)
