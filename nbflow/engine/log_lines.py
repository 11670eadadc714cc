"""What the tasks of a run said, in the order of time: pieces of a line put together, levels told apart."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.engine.task_log import LogLine

STREAMS = {"stdout": logging.INFO, "stderr": logging.WARNING}  # warnings go to stderr, too
_NUMBERED = re.compile(r"Level (\d+)")


class SaidLine(NamedTuple):
    """A whole line of a task's output, or one log record, which may have several lines.

    `time` is when it was begun, in seconds since the epoch; `stream` and `attempt` as in `LogLine`.
    """

    time: float
    task: Task
    map_index: int | None
    attempt: int
    stream: str
    text: str

    @property
    def level(self) -> int:
        """How urgent it is, as a logging level: a print counts as INFO, stderr as WARNING."""
        return level_of(self.stream)


def said_lines(run: Run, tasks: Iterable[Task] | None = None) -> list[SaidLine]:
    """Return what tasks of a run have said so far, all of them unless some are named, in the order of time."""
    logs = run.logs
    chosen = list(run.graph.tasks) if tasks is None else list(tasks)
    found = [line for task in chosen if task in logs for line in _whole_lines(task, logs[task].lines())]
    return sorted(found, key=lambda line: line.time)  # stable: what one task said at one time stays in its order


def level_of(stream: str) -> int:
    """Return the logging level of a stream or a level's name; 0 for one that is not known."""
    if stream in STREAMS:
        return STREAMS[stream]
    numbered = _NUMBERED.fullmatch(stream)
    return int(numbered[1]) if numbered else logging.getLevelNamesMapping().get(stream, 0)


def _whole_lines(task: Task, pieces: Iterable[LogLine]) -> Iterator[SaidLine]:
    # Children of a mapped task write from several threads, and one may write half a line between two of another.
    half: dict[tuple[int | None, int, str], SaidLine] = {}
    for piece in pieces:
        if piece.stream not in STREAMS:
            yield SaidLine(piece.time, task, piece.map_index, piece.attempt, piece.stream, piece.text.rstrip("\n"))
            continue
        key = piece.map_index, piece.attempt, piece.stream
        *whole, rest = piece.text.replace("\r\n", "\n").split("\n")
        for text in whole:
            begun = half.pop(key, None)
            line = begun or SaidLine(piece.time, task, *key, text="")
            yield line._replace(text=_overwritten(line.text + text))
        if rest:
            begun = half.get(key) or SaidLine(piece.time, task, *key, text="")
            half[key] = begun._replace(text=begun.text + rest)
    for line in half.values():
        yield line._replace(text=_overwritten(line.text))


def _overwritten(text: str) -> str:
    """Return what a terminal would show of a line: what comes after a carriage return is written over it."""
    parts = [part for part in text.split("\r") if part]
    return parts[-1] if parts else ""
