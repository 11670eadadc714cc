"""What a task printed, logged and warned, read piece by piece as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.panel.sanitize import plain

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json

LIMIT = 64_000  # characters
_PIECES = 3_000


class LogTail:
    """Reads the log of one task, or of one child of it, from where it stopped the last time."""

    def __init__(self, run: Run, task: Task, index: int | None) -> None:
        self._run = run
        self._task = task
        self._index = index
        self._read = 0  # characters of the log
        self._told = 0  # characters told so far

    def news(self) -> Json | None:
        """Return what came since the last call; None if nothing did.

        `lines` are (seconds since the run began, stream, text, map index, attempt), `from` is how many characters came
        before, `omitted` how many of these here are too many to be told.
        """
        log = self._run.logs.get(self._task)
        if log is None:
            return None
        news, self._read = log.since(self._read)
        found = [line for line in news if self._index is None or line.map_index == self._index]
        if not found:
            return None
        began = self._run.timings.started_at or 0.0
        start, room, first = self._told, LIMIT, len(found)
        while first > 0 and room > 0:
            first -= 1
            room -= len(found[first].text)
        self._told += sum(len(line.text) for line in found)
        shown = found[first:]
        if room < 0:  # of the first one, the end
            shown[0] = shown[0]._replace(text=shown[0].text[-room:])
        lines = [
            [
                round(line.time - began, 3),
                plain(line.stream, 40),
                plain(line.text, LIMIT, keeps_returns=True),
                line.map_index,
                line.attempt,
            ]
            for line in shown[-_PIECES:]
        ]
        told = sum(len(str(line[2])) for line in lines)
        return {"from": start, "omitted": max(0, self._told - start - told), "lines": lines}
