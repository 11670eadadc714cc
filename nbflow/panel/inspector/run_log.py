"""The output of a whole run, told piece by piece in the order of time while the script has it in front."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.panel.inspector.log_tail import LIMIT, LogTail
from nbflow.panel.inspector.neighbours import NAME_LIMIT
from nbflow.panel.part import Json, Part
from nbflow.panel.throttle import Throttle
from nbflow.render.names import one_line, safe_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.widget import Panel

INTERVAL_S = 0.3
_PIECES = 3_000


class RunLog(Part):
    """Tells `run_log`: `lines` as `LogTail` has them, each with the name and the key of its task at its end."""

    handles: ClassVar[Mapping[str, str]] = {"follow_log": "_follow"}

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._lock = threading.Lock()
        self._is_on = False
        self._run: Run | None = None  # whose output is told
        self._tails: dict[Task, LogTail] = {}
        weak = weakref.ref(self)  # a timer keeps no panel alive
        self._news = Throttle(lambda _: _tell(weak()), interval_s=INTERVAL_S)

    def _follow(self, message: Json) -> None:
        with self._lock:
            self._is_on, self._run = message.get("on") is True, None
        if self._is_on:
            self._news.mark("log")

    def followed(self, run: Run | None) -> None:
        """Tell of another run."""
        if self._is_on:
            self._news.mark("log")

    def ended(self, run: Run) -> None:
        """Tell what is left."""
        if self._is_on:
            self._news.mark("log")

    def close(self) -> None:
        """Tell no more."""
        self._is_on = False
        self._news.close()

    def tell(self) -> None:
        """Tell what came since the last time; of another run, all of it."""
        run = self.panel.run
        with self._lock:
            if not self._is_on:
                return
            is_other = run is not self._run
            if is_other:
                self._run, self._tails = run, {}
            lines, omitted = ([], 0) if run is None else self._read(run)
        if lines or is_other:
            self.panel.tell("run_log", is_other=is_other, omitted=omitted, lines=lines)
        if run is not None and not run.is_finished:
            self._news.mark("log")  # what is printed is no event

    def _read(self, run: Run) -> tuple[list[list[Any]], int]:
        lines: list[list[Any]] = []
        omitted = 0
        for task in tuple(run.logs):
            tail = self._tails.get(task) or self._tails.setdefault(task, LogTail(run, task, None))
            news = tail.news()
            if news is None:
                continue
            slug = run.graph.slugs.get(task, task.name)
            whose = [one_line(task.name, NAME_LIMIT), safe_key(slug)]
            lines += [[*line, *whose] for line in news["lines"]]
            omitted += news["omitted"]
        lines.sort(key=lambda line: line[0])  # stable: lines of one moment stay as their task wrote them
        room, first = LIMIT, len(lines)
        while first > 0 and room > 0 and len(lines) - first < _PIECES:
            first -= 1
            room -= len(lines[first][2])
        return lines[first:], omitted + sum(len(line[2]) for line in lines[:first])


def _tell(part: RunLog | None) -> None:
    if part is not None:
        part.panel.guarded(part.tell)
