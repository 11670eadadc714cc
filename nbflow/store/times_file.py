"""What the time of a stored run's tasks went to: a file of its own, which an older nbflow passes over."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped
from nbflow.engine.time_spans import DELAY, HOLD, SLOT, WORK, Span
from nbflow.errors import StoreError
from nbflow.store.secure_files import reading, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.record import Timings
    from nbflow.engine.run import Run

TIMES = "times.json"
_LARGEST = 1 << 26
_KINDS = frozenset({WORK, DELAY, HOLD, SLOT})


def write_times(folder: Path, run: Run) -> None:
    """Write the spans of tasks that are more than one, how long the children of maps worked, and the run's pauses.

    Raises:
        StoreUnavailableError: If it cannot be written.
    """
    timings = run.timings
    spans, work = {}, {}
    for task, slug in run.graph.slugs.items():
        if task not in timings:
            continue
        if isinstance(run.states.get(task), Mapped):
            work[slug] = timings.work_s(task)
        elif len(found := timings.spans(task)) > 1:
            spans[slug] = found
    told = {"spans": spans, "work": work, "pauses": timings.pauses}
    write_whole(folder / TIMES, json.dumps(told).encode("ascii"))


def read_times(folder: Path, graph: CompiledGraph, into: Timings) -> None:
    """Put what was kept into the times of a run; nothing where an older nbflow has kept none, or it cannot be read."""
    try:
        with reading(folder / TIMES) as file:
            told = json.loads(file.read(_LARGEST))
    except (StoreError, ValueError, RecursionError):
        return  # what is left are begin and end
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        pauses = [_interval(one) for one in told["pauses"]]
        spans = {slug: [_span(one) for one in found] for slug, found in told["spans"].items()}
        work = {slug: max(0.0, float(seconds)) for slug, seconds in told["work"].items()}
        tasks = {slug: task for task, slug in graph.slugs.items()}
        into.take_kept(
            {tasks[slug]: found for slug, found in spans.items() if slug in tasks},
            {tasks[slug]: seconds for slug, seconds in work.items() if slug in tasks},
            pauses,
        )


def _interval(told: Any) -> tuple[float, float | None]:
    start, end = told
    return float(start), None if end is None else float(end)


def _span(told: Any) -> Span:
    kind, start, end, attempt, state = told
    if kind not in _KINDS or type(attempt) is not int or not isinstance(state, str):
        raise ValueError("no span")
    return Span(kind, *_interval((start, end)), attempt, state)
