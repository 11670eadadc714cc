"""Prefect 3 in one process with the server that it starts by itself; its graph is made while it runs."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

from benchmarks.shapes import map_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.shapes import Shape

_HOME = tempfile.TemporaryDirectory()
os.environ |= {
    "PREFECT_HOME": _HOME.name,
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}
IMPORT = "from prefect import flow, task"
DISTRIBUTION = "prefect"


def build(shape: Shape) -> Any:
    raise NotImplementedError


def prepare(shape: Shape, threads: int) -> Callable[[], int]:
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.task_runners import ThreadPoolTaskRunner

    work = shape.work
    one = task(cache_policy=NO_CACHE)(lambda *values: work(*values))
    element = task(cache_policy=NO_CACHE)(lambda value: work(value))
    many = task(cache_policy=NO_CACHE)(lambda values: work(*values))
    source = task(cache_policy=NO_CACHE)(lambda count: map_values(count))
    runner = ThreadPoolTaskRunner(max_workers=threads or 1)
    last = shape.last

    @flow(task_runner=runner)
    def everything() -> int:
        if shape.mapped:
            return int(many([future.result() for future in element.map(source(len(shape.upstream) - 2))]))
        made: list[Any] = []
        for upstream in shape.upstream:
            values = [made[number] for number in upstream]
            if threads:
                made.append(many.submit(values) if len(values) > 3 else one.submit(*values))
            else:
                made.append(many(values) if len(values) > 3 else one(*values))
        return sum(made[number].result() if threads else made[number] for number in last)

    return everything
