"""The head of a panel as plain data: state, progress, open resources, and where the run stands."""

from __future__ import annotations

import time
from collections import Counter
from types import NoneType
from typing import TYPE_CHECKING

from nbflow.core.state_traits import NOT_RUN, STATE_TRAITS
from nbflow.engine.error_text import error_text
from nbflow.engine.remaining_time import RemainingTime
from nbflow.render.held_words import held_failure, held_line
from nbflow.render.label_words import label_words, name_words
from nbflow.render.names import one_line
from nbflow.render.palette import BLOCKS, state_look

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json

# The parts of the progress bar, in this order.
_DONE = ("Failed", "TriggerFailed", "Cancelled", "Success", "Skipped")
_ORDER = (*_DONE, "Running", "Paused", "Retrying", "Pending")
_SEGMENTS = {name: traits.segment for name, traits in STATE_TRAITS.items()}
_LIVE = frozenset({"opening", "open", "closing", "kept"})
_LOOK_AGAIN_S = 1.0
_MOST_OPEN, _MOST_LEAKS = 12, 20


class Header:
    """Counts the states of rows as they change, and says what stands in the head.

    Args:
        name: The flow's name.
        total: How many rows there are.
        clock: Gives seconds since the epoch, as the run's timings do.
    """

    def __init__(self, name: str, total: int, clock: Callable[[], float] = time.time) -> None:
        self._name = one_line(name, 120)
        self._rows = total
        self._clock = clock
        self._parts_of: dict[Task, str | dict[str, int]] = {}  # a segment; of a map, how many of its children in each
        self._counts: Counter[str] = Counter()
        self._more = 0  # the children of maps, less the rows that they count in place of
        self._open: list[list[str]] = []
        self._leaks: list[str] = []
        self._expects: tuple[Run, RemainingTime] | None = None
        self._looked_at: float | None = None
        self._remaining: float | None = None
        self.changed = ""  # how many tasks have changed since the run

    def count(self, task: Task, name: str, children: Mapping[type, int] | None = None) -> None:
        """Note the state's name that the row of a task shows now.

        Args:
            task: The task.
            name: The state's name.
            children: How many children of a mapped task have a state of each class: they count in place of the row.
        """
        before = self._parts_of.get(task)
        now = segment_of(name) if children is None else _parts(children) or segment_of(name)
        if before == now:
            return
        self._parts_of[task] = now
        self._more += self._add(now, 1) + (-1 if before is None else self._add(before, -1))

    def _add(self, parts: str | dict[str, int], sign: int) -> int:
        """Count parts, or count them no more; return by how much the counts have grown."""
        if type(parts) is str:  # of most rows
            self._counts[parts] += sign
            return sign
        assert isinstance(parts, dict)
        for segment, number in parts.items():
            self._counts[segment] += sign * number
        return sign * sum(parts.values())

    def note_blocks(self, run: Run, statuses: Mapping[Block, str]) -> None:
        """Note the statuses of the blocks; told when one has changed."""
        live = [(block, status) for block, status in statuses.items() if status in _LIVE]
        self._open = [[BLOCKS[status].icon, one_line(block.name, 60), status] for block, status in live[:_MOST_OPEN]]
        if len(live) > _MOST_OPEN:
            self._open.append(["+", f"{len(live) - _MOST_OPEN} more", "open"])
        self._leaks = []
        if "leaked" in statuses.values():
            failures = list(run.cleanup_failures.items())
            self._leaks = [
                f"{one_line(block.name, 60)}: {one_line(error_text(error), 200)}"
                for block, error in failures[:_MOST_LEAKS]
            ]
            if len(failures) > _MOST_LEAKS:
                self._leaks.append(f"and {len(failures) - _MOST_LEAKS} more")

    def tell(self, run: Run | None) -> Json:
        """Return the head as it is now; without a run, before the first.

        `mode` is "new", "going", "held" or "over"; `next` names the task that a run held at none does next;
        `why` is how a rerun came to be, and what has changed since. `look` is the state as which it is painted, if that
        is another one, as for a run that is held at a failure.
        """
        counts = [(name, self._counts[name]) for name in _ORDER if self._counts[name]]
        head: Json = {
            "flow": self._name,
            "number": None,
            "state": "NotRun",
            "line": state_look("NotRun").label,
            "look": "",
            "note": "",
            "seconds": None,
            "held_s": 0.0,
            "remaining": None,
            "going": False,
            "total": self._rows + self._more,
            "done": sum(n for name, n in counts if name in _DONE),
            "counts": [[name, state_look(name).word.lower(), n] for name, n in counts],
            "open": self._open,
            "leaks": self._leaks,
            "mode": "new",
            "next": "",
            "why": "",
        }
        if run is not None:
            self._tell_run(head, run)
        return head

    def _tell_run(self, head: Json, run: Run) -> None:
        state = run.state
        name = type(state).__name__
        head["number"] = run.number
        head["state"], head["line"] = name, state_look(name).label
        if said := held_line(run):
            head["look"] = "Failed" if held_failure(run) is not None else name
            head["line"] = f"{state_look(head['look']).icon} {said}"
        head["note"] = one_line(state.message or "", 300)
        started, ended = run.timings.started_at, run.timings.ended_at
        if started is not None:
            head["seconds"] = round((self._clock() if ended is None else ended) - started, 3)
            head["going"] = ended is None
            head["held_s"] = round(run.timings.held_until(self._clock()), 3)
            head["remaining"] = self._remaining_at(run)
        head["mode"] = "over" if run.is_finished else "held" if run.is_paused else "going"
        head["why"] = " · ".join(filter(None, (name_words(run), _why(run), *label_words(run), self.changed)))
        if head["mode"] == "held" and not run.held and (following := run.next_task) is not None:
            head["next"] = one_line(following.name, 60)

    def _remaining_at(self, run: Run) -> float | None:
        """Return how long the run still takes, looked at once a second: that goes through all its tasks."""
        now = self._clock()
        if self._expects is None or self._expects[0] is not run:
            self._expects = run, RemainingTime(run)
            self._looked_at = None
        if self._looked_at is None or not 0 <= now - self._looked_at < _LOOK_AGAIN_S or run.is_finished:
            self._looked_at, self._remaining = now, self._expects[1].at(now)
        return self._remaining


def _why(run: Run) -> str:
    kind = run.kind
    if kind == "run":
        return ""
    what = "fork" if kind == "fork" else "rerun"
    if run.parent is not None:
        return f"{what} of run {run.parent.number}"
    return what if run.plan is not None else ""  # a first run with a value that was edited is a fork of none


def _parts(children: Mapping[type, int]) -> dict[str, int]:
    """Return how many children of a map there are in each part of the progress bar."""
    parts: Counter[str] = Counter()
    for sort, number in children.items():
        if number:
            parts[segment_of(NOT_RUN if sort is NoneType else sort.__name__)] += number
    return parts


def segment_of(name: str) -> str:
    """Return the part of the progress bar that a state counts to, by its name."""
    return _SEGMENTS.get(name, "Pending")
