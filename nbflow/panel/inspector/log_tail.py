"""What a task printed, logged and warned, read piece by piece as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.panel.sanitize import plain

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.capture import LogLine
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
        self._read: LogLine | None = None  # the last one
        self._told = 0  # characters told so far

    def news(self) -> Json | None:
        """Return what came since the last call; None if nothing did.

        `lines` are (seconds since the run began, stream, text, map index, attempt), `from` is how many characters came
        before, `omitted` how many of these here are too many to be told.
        """
        log = self._run.logs.get(self._task)
        news = [] if log is None else log.since(self._read)
        if not news:
            return None
        self._read = news[-1]
        found = [line for line in news if self._index is None or line.map_index == self._index]
        if not found:
            return None
        began = self._run.timings.started_at or 0.0
        start, room, first = self._told, LIMIT, len(found)
        while first > 0 and room > 0:
            first -= 1
            room -= len(found[first].text)
        self._told += sum(len(line.text) for line in found)
        shown = _joined(found[first:], cut=max(0, -room))[-_PIECES:]
        lines = [
            [round(line.time - began, 3), plain(line.stream, 40), text, line.map_index, line.attempt]
            for line, text in shown
        ]
        told = sum(len(text) for _, text in shown)
        return {"from": start, "omitted": max(0, self._told - start - told), "lines": lines}


def _joined(lines: list[LogLine], cut: int) -> list[tuple[LogLine, str]]:
    """Put pieces together that one `print` wrote in several; of the first, `cut` characters are left out."""
    whole: list[tuple[LogLine, list[str]]] = []
    for line in lines:
        text = line.text[cut:]
        cut = 0
        if whole and _goes_on(whole[-1][0], whole[-1][1][-1], line):
            whole[-1][1].append(text)
        else:
            whole.append((line, [text]))
    return [(line, plain("".join(texts), LIMIT, keeps_returns=True)) for line, texts in whole]


def _goes_on(line: LogLine, text: str, new: LogLine) -> bool:
    same = (line.stream, line.map_index, line.attempt) == (new.stream, new.map_index, new.attempt)
    return same and line.stream in ("stdout", "stderr") and not text.endswith("\n")
